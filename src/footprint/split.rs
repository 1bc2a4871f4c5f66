//! One text, its tokens, its statements.

use sqlparser::dialect::{MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::analysis::{Control, Session, Step};
use super::lexer;
use super::tokens::{is, is_any};
use crate::dialect::Dialect;

/// The tokens of one statement, without white space and comments.
#[derive(Debug, Default)]
pub(super) struct Statement {
    pub(super) tokens: Vec<TokenWithSpan>,
    /// Whether it has a body (of a trigger, a routine) whose end was not found: it
    /// holds the rest of the text, other statements perhaps among it.
    pub(super) is_open: bool,
}

/// The parser's dialect for ours.
pub(super) fn parser_dialect(dialect: Dialect) -> &'static dyn sqlparser::dialect::Dialect {
    match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::Mysql => &MySqlDialect {},
        Dialect::Sqlite => &SQLiteDialect {},
    }
}

/// The statements of `sql`, without empty ones; `None` when it is not made of tokens.
pub(super) fn statements(sql: &str, dialect: Dialect) -> Option<Vec<Statement>> {
    let tokens = Tokenizer::new(parser_dialect(dialect), sql)
        .tokenize_with_location()
        .ok()?;
    let mut statements = Vec::new();
    let mut current = Statement::default();
    let mut body = Body::default();
    for token in tokens
        .into_iter()
        .filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF))
    {
        // rule: one-statement-does-not-hide-the-others
        if token.token == Token::SemiColon && !body.is_inside(&current.tokens, dialect) {
            if !current.tokens.is_empty() {
                statements.push(std::mem::take(&mut current));
            }
            body = Body::default();
            continue;
        }
        body.see(&token, current.tokens.last());
        current.tokens.push(token);
    }
    if !current.tokens.is_empty() {
        current.is_open = body.is_open(&current.tokens);
        statements.push(current);
    }
    Some(statements)
}

/// What a text does of which not even the tokens are known.
pub(super) fn opaque(sql: &str, dialect: Dialect) -> Vec<Step> {
    let mut steps = vec![Step::Unknown];
    // rule: opaque-text-may-control
    let may_control = |word: &str| {
        [
            "begin",
            "start",
            "commit",
            "end",
            "rollback",
            "abort",
            "savepoint",
            "release",
            "lock",
            "unlock",
            "xa",
            "set",
        ]
        .iter()
        .any(|control| word.eq_ignore_ascii_case(control))
    };
    let first_writes = lexer::words(sql, dialect).next().is_some_and(|word| {
        [
            "insert", "update", "delete", "replace", "select", "with", "merge", "copy",
        ]
        .iter()
        .any(|start| word.eq_ignore_ascii_case(start))
    });
    let is_plain =
        first_writes && !lexer::is_opaque(sql, dialect) && !lexer::has_several(sql, dialect);
    if !is_plain
        && lexer::words(sql, dialect)
            .chain(hidden_words(sql))
            .any(may_control)
    {
        steps.push(Step::Control(Control::Unrecognised));
        steps.push(Step::Session(Session::Unrecognised));
    }
    steps
}

/// The words of `sql` wherever they stand, in comments and quotes too.
fn hidden_words(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// What a text does that ends within the body of a trigger or routine.
pub(super) fn open_body(dialect: Dialect) -> Vec<Step> {
    let mut steps = Vec::new();
    if dialect == Dialect::Mysql {
        steps.push(Step::Control(Control::Commit));
    }
    steps.extend([
        Step::Ddl,
        Step::Unknown,
        Step::Control(Control::Unrecognised),
    ]);
    steps
}

/// Where the tokens seen so far stand in the body of a trigger or routine.
#[derive(Debug, Default)]
struct Body {
    depth: usize,
    /// A `;` stood outside of every `BEGIN … END`, within what is kept as one statement.
    ended: bool,
    /// Something followed that `;`.
    goes_on: bool,
}

impl Body {
    /// Whether a `;` that follows `statement` belongs to its body.
    fn is_inside(&self, statement: &[TokenWithSpan], dialect: Dialect) -> bool {
        // rule: routine-bodies-are-not-split
        // MySQL's bodies may be an `IF` or a `LOOP` without `BEGIN`: nothing after them is split off.
        is_anonymous_block(statement)
            || has_body(statement) && (dialect == Dialect::Mysql || self.depth > 0)
    }

    fn see(&mut self, token: &TokenWithSpan, previous: Option<&TokenWithSpan>) {
        if token.token == Token::SemiColon {
            self.ended |= self.depth == 0;
            return;
        }
        self.goes_on |= self.ended;
        let after_end = is(previous, "END");
        if is(Some(token), "END") {
            self.depth = self.depth.saturating_sub(1);
        } else if is_any(Some(token), &["BEGIN", "CASE"]) && !after_end
            // `END IF` closes what was not counted.
            || is_any(Some(token), &["IF", "LOOP", "WHILE", "REPEAT", "FOR"]) && after_end
        {
            self.depth += 1;
        }
    }

    /// Whether `statement`, at the end of the text, may hold more than itself.
    fn is_open(&self, statement: &[TokenWithSpan]) -> bool {
        has_body(statement) && (self.depth > 0 || self.goes_on)
    }
}

/// MariaDB's `BEGIN NOT ATOMIC … END`.
fn is_anonymous_block(statement: &[TokenWithSpan]) -> bool {
    is(statement.first(), "BEGIN") && is(statement.get(1), "NOT")
}

/// Whether `statement` begins like one with a body that may hold `;`.
pub(super) fn has_body(statement: &[TokenWithSpan]) -> bool {
    const BODIES: [&str; 6] = [
        "TRIGGER",
        "PROCEDURE",
        "FUNCTION",
        "EVENT",
        "PACKAGE",
        "ROUTINE",
    ];
    const OTHERS: [&str; 9] = [
        "TABLE", "VIEW", "INDEX", "SEQUENCE", "DATABASE", "SCHEMA", "TYPE", "USER", "ROLE",
    ];
    is_any(statement.first(), &["CREATE", "ALTER"])
        && statement
            .iter()
            .take(16)
            .take_while(|t| {
                !matches!(t.token, Token::LParen | Token::SemiColon) && !is_any(Some(t), &OTHERS)
            })
            .any(|t| is_any(Some(t), &BODIES))
}
