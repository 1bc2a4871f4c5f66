//! One statement, its first word, its steps.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::analysis::{Access, Control, Name, Refusal, Session, Step, Target, Write, WriteKind};
use super::tokens::{Cursor, bare, is, is_any};
use super::{calls, control, query, schema, session};
use crate::dialect::Dialect;

/// The steps of one statement.
pub(super) fn steps(statement: &[TokenWithSpan], dialect: Dialect) -> Vec<Step> {
    if let Some(steps) = control::recognise(statement, dialect)
        .or_else(|| session::recognise(statement, dialect))
        .or_else(|| schema::recognise(statement, dialect))
    {
        return steps;
    }
    let mut cursor = Cursor::new(statement);
    let word = cursor
        .next()
        .and_then(|t| bare(&t.token))
        .map(str::to_ascii_uppercase);
    match word.as_deref() {
        // A statement may begin with a parenthesis.
        None => query::steps(statement, dialect),
        Some(
            "SELECT" | "VALUES" | "WITH" | "TABLE" | "INSERT" | "UPDATE" | "DELETE" | "REPLACE"
            | "MERGE",
        ) => query::steps(statement, dialect),
        Some("EXPLAIN" | "DESCRIBE" | "DESC") => explain(cursor, dialect),
        Some("ANALYZE" | "ANALYSE") => analyze(cursor, dialect),
        Some("OPTIMIZE" | "CHECK" | "FLUSH") => maintenance(statement, dialect),
        Some("VACUUM") => vacuum(cursor, dialect),
        // rule: harmless-statements
        Some(
            "SHOW" | "CHECKPOINT" | "LISTEN" | "UNLISTEN" | "NOTIFY" | "DEALLOCATE" | "FETCH"
            | "MOVE" | "CLOSE" | "CHECKSUM" | "HELP" | "KILL",
        ) => harmless(cursor, dialect),
        Some("CLUSTER") if dialect == Dialect::Postgres => vec![Step::Ddl],
        Some("DECLARE") => declare(statement, dialect),
        Some("TRUNCATE") => truncate(cursor, dialect),
        Some("COPY") if dialect == Dialect::Postgres => copy(cursor, dialect),
        Some("LOAD") if dialect == Dialect::Mysql => load(statement),
        Some("REFRESH") if dialect == Dialect::Postgres => refresh(cursor),
        // rule: unknown-statement-may-write
        // `CALL`, `DO`, `EXECUTE`, `IMPORT`, `HANDLER` among others.
        Some(_) => vec![Step::Unknown],
    }
}

/// The steps of a statement that does no harm by itself; on MySQL, its `WHERE` may.
fn harmless(cursor: Cursor<'_>, dialect: Dialect) -> Vec<Step> {
    let found = calls::scan(cursor.rest(), dialect, &calls::Declared::default());
    vec![if dialect == Dialect::Mysql && !found.unknown.is_empty() {
        Step::Unknown
    } else {
        Step::Harmless
    }]
}

/// The steps of a statement whose rows nobody reads: what it runs stays, be it through a view.
fn without_rows(statement: &[TokenWithSpan], dialect: Dialect) -> Vec<Step> {
    let mut steps = steps(statement, dialect);
    for step in &mut steps {
        if let Step::Read(access) = step {
            // What it reports differs from run to run.
            calls::refuse(&mut access.refusal, Refusal::Volatile);
            // rule: what-is-run-unseen-may-write
            if access.relations.is_empty()
                && access.unknown_functions.is_empty()
                && access.pure_functions.is_empty()
            {
                *step = Step::Harmless;
            }
        }
    }
    steps
}

/// `EXPLAIN`, `DESCRIBE`; `cursor` stands after the word.
fn explain(mut cursor: Cursor<'_>, dialect: Dialect) -> Vec<Step> {
    let mut runs = false;
    if cursor.eat_symbol(&Token::LParen) {
        // `EXPLAIN (ANALYZE off, COSTS)`; without parentheses around a query.
        let before = cursor;
        let mut is_options = !is_any(cursor.peek(), &["SELECT", "WITH", "VALUES", "TABLE"]);
        while is_options && !cursor.eat_symbol(&Token::RParen) {
            let Some(token) = cursor.next() else {
                return vec![Step::Unknown];
            };
            // rule: a-quoted-option-is-an-option
            let quoted = matches!(&token.token, Token::Word(word) if word.quote_style.is_some());
            if quoted {
                runs = true;
            }
            if is_any(Some(token), &["ANALYZE", "ANALYSE"]) {
                runs |= !is_any(cursor.peek(), &["OFF", "FALSE"]);
            }
            is_options &= token.token != Token::LParen;
        }
        if !is_options {
            cursor = before;
        }
    }
    // `EXPLAIN ANALYZE VERBOSE`, `EXPLAIN ANALYZE FORMAT = TREE`, `EXPLAIN FORMAT=JSON`.
    loop {
        if dialect != Dialect::Sqlite && cursor.eat_any(&["ANALYZE", "ANALYSE"]) {
            runs = true;
        } else if cursor.eat("FORMAT") {
            cursor.eat_symbol(&Token::Eq);
            cursor.next();
        } else if !cursor.eat_any(&["VERBOSE", "EXTENDED", "PARTITIONS"])
            && !cursor.eat_all(&["QUERY", "PLAN"])
        {
            break;
        }
    }
    // rule: explain-analyze-runs
    if runs {
        return without_rows(cursor.rest(), dialect);
    }
    // rule: mysql-explain-may-call
    // MySQL may run a derived table to explain it.
    let declared = calls::Declared::with_query_names(cursor.rest());
    if dialect == Dialect::Mysql
        && !calls::scan(cursor.rest(), dialect, &declared)
            .unknown
            .is_empty()
    {
        return vec![Step::Unknown];
    }
    vec![Step::Harmless]
}

/// `ANALYZE`: statistics, or on MariaDB a statement that runs.
fn analyze(mut cursor: Cursor<'_>, dialect: Dialect) -> Vec<Step> {
    if dialect != Dialect::Mysql {
        return vec![Step::Harmless];
    }
    if is_any(cursor.peek(), &["TABLE", "LOCAL", "NO_WRITE_TO_BINLOG"]) {
        return vec![Step::Control(Control::Commit)];
    }
    if cursor.eat("FORMAT") {
        cursor.eat_symbol(&Token::Eq);
        cursor.next();
    }
    without_rows(cursor.rest(), dialect)
}

/// MySQL's `OPTIMIZE TABLE`, `CHECK TABLE`, `FLUSH`.
fn maintenance(statement: &[TokenWithSpan], dialect: Dialect) -> Vec<Step> {
    if dialect != Dialect::Mysql {
        return vec![Step::Harmless];
    }
    // `FLUSH TABLES … WITH READ LOCK`, `… FOR EXPORT`.
    if statement
        .iter()
        .any(|t| is_any(Some(t), &["LOCK", "EXPORT"]))
    {
        return vec![Step::Control(Control::Unrecognised)];
    }
    // rule: mysql-maintenance-commits
    vec![Step::Control(Control::Commit)]
}

fn vacuum(cursor: Cursor<'_>, dialect: Dialect) -> Vec<Step> {
    // rule: sqlite-vacuum-renumbers-rowids
    let copies = cursor.rest().iter().any(|t| is(Some(t), "INTO"));
    // rule: rewriting-a-table-moves-its-rows
    let full = dialect == Dialect::Postgres && cursor.rest().iter().any(|t| is(Some(t), "FULL"));
    vec![if full || (dialect == Dialect::Sqlite && !copies) {
        Step::Ddl
    } else {
        Step::Harmless
    }]
}

/// `DECLARE name CURSOR FOR query`: the query runs with each `FETCH`.
fn declare(statement: &[TokenWithSpan], dialect: Dialect) -> Vec<Step> {
    let body = statement
        .iter()
        .position(|t| is(Some(t), "FOR"))
        .map(|at| &statement[at + 1..]);
    match body.map(|body| without_rows(body, dialect)) {
        // rule: cursor-of-a-read
        // What it does, it does before the transaction ends.
        Some(steps) if only_reads(&steps) => steps,
        // Not known when it writes.
        _ => vec![Step::Unknown, Step::Control(Control::Unrecognised)],
    }
}

/// Whether the text alone shows nothing but a read.
fn only_reads(steps: &[Step]) -> bool {
    match steps {
        [Step::Harmless] => true,
        [Step::Read(access)] => access.unknown_functions.is_empty(),
        _ => false,
    }
}

fn truncate(cursor: Cursor<'_>, dialect: Dialect) -> Vec<Step> {
    // rule: truncate
    let Some((names, cascade)) = schema::truncated(cursor).filter(|_| dialect != Dialect::Sqlite)
    else {
        return vec![Step::Unknown];
    };
    let targets = names.into_iter().map(|relation| Target {
        relation,
        kind: WriteKind::Truncate { cascade },
    });
    let mut steps = Vec::new();
    if dialect == Dialect::Mysql {
        steps.push(Step::Control(Control::Commit));
    }
    steps.push(write(targets.collect(), Access::default()));
    steps
}

/// `COPY`; `cursor` stands after the word.
fn copy(mut cursor: Cursor<'_>, dialect: Dialect) -> Vec<Step> {
    let statement = cursor.rest();
    if cursor.eat_symbol(&Token::LParen) {
        let Some(end) = closing(cursor.rest()) else {
            return vec![Step::Unknown];
        };
        // rule: copy-of-a-query
        return without_rows(&cursor.rest()[..end], dialect);
    }
    let Some((_, name)) = cursor.qualified_name() else {
        return vec![Step::Unknown];
    };
    if cursor.eat_symbol(&Token::LParen) {
        let Some(end) = closing(cursor.rest()) else {
            return vec![Step::Unknown];
        };
        cursor = Cursor::new(&cursor.rest()[end + 1..]);
    }
    if cursor.eat("TO") {
        return vec![Step::Harmless];
    }
    if !cursor.eat("FROM") {
        return vec![Step::Unknown];
    }
    // rule: copy-from-inserts
    let filter = statement
        .iter()
        .position(|t| is(Some(t), "WHERE"))
        .map_or(&[][..], |at| &statement[at..]);
    let found = calls::scan(filter, dialect, &calls::Declared::default());
    let mut steps = vec![write(
        vec![Target {
            relation: name,
            kind: WriteKind::Insert,
        }],
        Access::default(),
    )];
    if let Some(Step::Write(write)) = steps.first_mut() {
        found.add_to(&mut write.access);
    }
    steps.extend(found.extra_steps());
    steps
}

/// `REFRESH MATERIALIZED VIEW name`; `cursor` stands after the word.
fn refresh(mut cursor: Cursor<'_>) -> Vec<Step> {
    // rule: a-refresh-writes-the-materialized-view
    if !cursor.eat_all(&["MATERIALIZED", "VIEW"]) {
        return vec![Step::Unknown];
    }
    cursor.eat("CONCURRENTLY");
    let Some((_, relation)) = cursor.qualified_name() else {
        return vec![Step::Unknown];
    };
    if !cursor.is_done() && !cursor.eat("WITH") {
        return vec![Step::Unknown];
    }
    let kind = WriteKind::Replace;
    vec![write(vec![Target { relation, kind }], Access::default())]
}

/// Where the parenthesis closes that was opened before `tokens`.
fn closing(tokens: &[TokenWithSpan]) -> Option<usize> {
    let mut depth = 0_usize;
    tokens.iter().position(|token| {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return true,
            Token::RParen => depth -= 1,
            _ => {}
        }
        false
    })
}

/// MySQL's `LOAD DATA … INTO TABLE t …`.
fn load(statement: &[TokenWithSpan]) -> Vec<Step> {
    let into = statement
        .iter()
        .position(|t| is(Some(t), "INTO"))
        .map_or(&[][..], |at| &statement[at..]);
    let mut cursor = Cursor::new(into);
    let is_load = is_any(statement.get(1), &["DATA", "XML"]) && cursor.eat_all(&["INTO", "TABLE"]);
    let Some((_, relation)) = cursor.qualified_name().filter(|_| is_load) else {
        return vec![Step::Unknown];
    };
    // rule: load-data
    let replaces = statement.iter().any(|t| is(Some(t), "REPLACE"));
    let kind = if replaces {
        WriteKind::Replace
    } else {
        WriteKind::Insert
    };
    let found = calls::scan(cursor.rest(), Dialect::Mysql, &calls::Declared::default());
    let mut access = Access::default();
    found.add_to(&mut access);
    let mut steps = vec![write(vec![Target { relation, kind }], access)];
    // rule: load-data-sets-variables
    if found.refusal == Some(Refusal::Session) {
        steps.push(Step::Session(Session::Unrecognised));
    }
    steps
}

/// The step of a write to `targets`; its access gets their relations.
pub(super) fn write(targets: Vec<Target>, mut access: Access) -> Step {
    let names: Vec<Name> = targets
        .iter()
        .map(|target| target.relation.clone())
        .collect();
    access.relations.extend(names);
    Step::Write(Write { targets, access })
}
