//! Statements that change the schema, recognised from their tokens.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::analysis::{Control, Name, Session, Step};
use super::calls;
use super::tokens::{Cursor, is, is_any};
use crate::dialect::Dialect;

/// The steps of `statement` if it changes the schema.
pub(super) fn recognise(statement: &[TokenWithSpan], dialect: Dialect) -> Option<Vec<Step>> {
    let mut cursor = Cursor::new(statement);
    if cursor.eat("CREATE") {
        if let Some(steps) = create_temporary(cursor, dialect) {
            return Some(steps);
        }
    } else if cursor.eat("DROP") {
        // rule: dropping-a-temporary-uncovers
        // What it shadowed stays marked as shadowed: safe. On MySQL it commits nothing.
        if dialect == Dialect::Mysql && cursor.eat_any(&["TEMPORARY", "PREPARE"]) {
            return Some(vec![Step::Harmless]);
        }
    } else if !is_any(
        statement.first(),
        &[
            "ALTER", "RENAME", "COMMENT", "GRANT", "REVOKE", "REINDEX", "SECURITY", "REASSIGN",
        ],
    ) {
        return None;
    }
    // rule: ddl-changes-everything
    let mut steps = Vec::new();
    // rule: mysql-ddl-commits
    if dialect == Dialect::Mysql {
        steps.push(Step::Control(Control::Commit));
    }
    steps.push(Step::Ddl);
    if runs_a_query(statement, dialect) {
        steps.push(Step::Unknown);
    }
    Some(steps)
}

/// `CREATE TEMPORARY …`; `cursor` stands after `CREATE`.
fn create_temporary(mut cursor: Cursor<'_>, dialect: Dialect) -> Option<Vec<Step>> {
    let statement = cursor.rest();
    cursor.eat_all(&["OR", "REPLACE"]);
    cursor.eat_any(&["GLOBAL", "LOCAL"]);
    let mut is_temporary = cursor.eat_any(&["TEMP", "TEMPORARY"]);
    cursor.eat_any(&["RECURSIVE", "VIRTUAL", "UNLOGGED"]);
    // rule: temporary-triggers-write-more
    // Nobody else's catalogue shows what else this connection's writes write.
    let is_trigger = cursor.eat("TRIGGER");
    if !is_trigger && !cursor.eat_any(&["TABLE", "VIEW", "SEQUENCE"]) {
        return None;
    }
    cursor.eat_all(&["IF", "NOT", "EXISTS"]);
    let (qualifier, name) = cursor.qualified_name()?;
    // rule: temporary-schemas
    is_temporary |= qualifier.as_deref().is_some_and(is_temporary_schema);
    if !is_temporary {
        return None;
    }
    if is_trigger {
        return Some(vec![Step::Ddl, Step::Control(Control::Unrecognised)]);
    }
    // rule: temporary-relations-shadow
    let mut steps = vec![Step::CreateTemporary(name)];
    // rule: temporary-as-select-may-write
    if runs_a_query(statement, dialect) {
        steps.push(Step::Unknown);
    }
    if calls::scan(statement, dialect, &calls::Declared::default()).changes_session {
        steps.push(Step::Session(Session::Unrecognised));
    }
    Some(steps)
}

/// Whether `name` is the schema of a connection's temporary relations.
fn is_temporary_schema(name: &str) -> bool {
    name == "temp" || name.starts_with("pg_temp")
}

/// Whether a query in `statement` may write: `CREATE TABLE … AS SELECT writes()`.
fn runs_a_query(statement: &[TokenWithSpan], dialect: Dialect) -> bool {
    let Some(query) = statement.iter().position(|t| {
        is_any(Some(t), &["SELECT", "WITH", "EXECUTE", "VALUES", "TABLE"])
            && !is_first_table(statement, t)
    }) else {
        return false;
    };
    // A stored definition runs later, and is the catalogue's to know.
    let is_stored = statement.iter().take(6).any(|t| {
        is_any(
            Some(t),
            &[
                "VIEW",
                "TRIGGER",
                "FUNCTION",
                "PROCEDURE",
                "EVENT",
                "RULE",
                "POLICY",
                "INDEX",
            ],
        )
    });
    let query = &statement[query..];
    let declared = calls::Declared::with_query_names(query);
    !is_stored
        && (is(query.first(), "EXECUTE")
            || calls::writing_word(query)
            || !calls::scan(query, dialect, &declared).unknown.is_empty())
}

/// Whether `token` is the `TABLE` of `CREATE TABLE`.
fn is_first_table(statement: &[TokenWithSpan], token: &TokenWithSpan) -> bool {
    statement
        .iter()
        .find(|t| is(Some(t), "TABLE"))
        .is_some_and(|first| std::ptr::eq(first, token))
}

/// The relations of `TRUNCATE`, and whether it cascades; `cursor` stands after the word.
pub(super) fn truncated(mut cursor: Cursor<'_>) -> Option<(Vec<Name>, bool)> {
    cursor.eat("TABLE");
    let mut names = Vec::new();
    loop {
        cursor.eat("ONLY");
        names.push(cursor.qualified_name()?.1);
        cursor.eat_symbol(&Token::Mul);
        if !cursor.eat_symbol(&Token::Comma) {
            break;
        }
    }
    let mut cascade = false;
    while !cursor.is_done() {
        if cursor.eat("CASCADE") {
            cascade = true;
        } else if !(cursor.eat("RESTRICT")
            || cursor.eat_any(&["RESTART", "CONTINUE"]) && cursor.eat("IDENTITY"))
        {
            return None;
        }
    }
    Some((names, cascade))
}

/// The query of `CREATE VIEW name (columns) AS query`.
pub(super) fn view_query(statement: &[TokenWithSpan]) -> Option<&[TokenWithSpan]> {
    let view = statement
        .iter()
        .position(|t| is(Some(t), "VIEW"))
        .filter(|_| is(statement.first(), "CREATE"))?;
    let mut cursor = Cursor::new(statement.get(view + 1..)?);
    cursor.eat_all(&["IF", "NOT", "EXISTS"]);
    cursor.qualified_name()?;
    if cursor.eat_symbol(&Token::LParen) {
        while !cursor.eat_symbol(&Token::RParen) {
            cursor.next()?;
        }
    }
    cursor.eat("AS").then(|| cursor.rest())
}
