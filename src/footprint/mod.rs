//! What a statement reads and writes.
//!
//! [`analyze`] turns one SQL text into an [`Analysis`]. It is pure: no schema, no
//! connection, no state. The way of a text through the modules:
//!
//! ```text
//! lexer      strip_binds: the SQL part of what Diesel prints; normalize: the memo key
//! split      text → tokens → one slice of tokens per statement
//! control    BEGIN, COMMIT, SAVEPOINT, …          (tokens, no parser)
//! session    SET, RESET, PRAGMA, USE, …            (tokens, no parser)
//! statement  CREATE, EXPLAIN, COPY, LOAD, …        (tokens, no parser)
//! rewrite    mends what the parser cannot read: ONLY, TABLE t, FOR NO KEY UPDATE, …
//! query      SELECT, INSERT, UPDATE, DELETE, MERGE (parser)
//! walk       its syntax tree → relations and targets
//! calls      which functions, variables and clocks the tokens name
//! ```
//!
//! Functions are found in the tokens, not in the syntax tree: every name before a
//! parenthesis is a call unless the tree says that it is a relation or an alias, so
//! that a gap in the parser's tree can only make the answer more careful.

pub mod analysis;
pub mod columns;

mod calls;
mod control;
mod functions;
mod lexer;
mod pragma;
mod query;
mod rewrite;
mod schema;
mod session;
mod split;
mod statement;
#[cfg(test)]
mod tests;
mod tokens;
mod walk;

pub use self::analysis::{
    Access, Analysis, Control, Isolation, Name, Refusal, Session, Step, Target, Write, WriteKind,
};
pub(crate) use self::lexer::{Piece, pieces};
pub use self::lexer::{normalize, places, shown_binds, strip_binds};

use crate::dialect::Dialect;

/// Texts longer than this are not parsed.
const MAX_BYTES: usize = 1 << 20;

/// What `sql` does, as far as its text alone can tell.
///
/// Never panics, and over-approximates: whatever is not understood is
/// [`Step::Unknown`]. `sql` is the statement without its binds, see [`strip_binds`],
/// and may be [`normalize`]d.
#[must_use]
pub fn analyze(sql: &str, dialect: Dialect) -> Analysis {
    // rule: huge-text-is-unknown
    // rule: odd-characters-are-unknown
    // rule: executable-comment-is-unknown
    if sql.len() > MAX_BYTES || lexer::is_opaque(sql, dialect) {
        return Analysis {
            steps: split::opaque(sql, dialect),
        };
    }
    let Some(statements) = split::statements(sql, dialect) else {
        return Analysis {
            steps: split::opaque(sql, dialect),
        };
    };
    let mut steps = Vec::with_capacity(statements.len());
    for piece in statements {
        if piece.is_open {
            // rule: unclosed-body-is-unknown
            steps.extend(split::open_body(dialect));
        } else {
            steps.extend(statement::steps(&piece.tokens, dialect));
        }
    }
    // A session or a schema change is one step, however many reasons it has.
    steps.dedup_by(|later, earlier| {
        later == earlier && matches!(later, Step::Session(Session::Unrecognised))
    });
    Analysis { steps }
}

/// A table's name as footprints hold it: without a schema, quotes and blanks around it, in
/// lower case.
// rule: a-name-is-found-however-it-is-written
pub(crate) fn bare(name: &str) -> Name {
    let last = name.rsplit('.').next().unwrap_or(name);
    let quotes = |c: char| c.is_whitespace() || matches!(c, '"' | '`' | '[' | ']' | '\'');
    last.trim_matches(quotes).to_lowercase().into()
}

/// Whether `name`, in lower case, is a function or a type that this crate knows: calling
/// it writes no rows.
pub(crate) fn is_known_function(name: &str, dialect: Dialect) -> bool {
    functions::classify(name, dialect) != functions::FunctionClass::Unknown
}

/// Whether a call of `name`, in lower case, is listed in no [`Access`]: this crate knows
/// that it writes no rows, and does not cache what it returns.
pub(crate) fn is_unlisted_function(name: &str, dialect: Dialect) -> bool {
    matches!(
        functions::classify(name, dialect),
        functions::FunctionClass::Volatile | functions::FunctionClass::Session
    )
}

/// Whether `word` before a parenthesis belongs to the structure of a statement.
pub(crate) fn is_structure(word: &str, dialect: Dialect) -> bool {
    functions::is_structure(word, dialect)
}

/// What the query of a view reads, given its `CREATE VIEW … AS …`.
///
/// Anything else is [`Step::Unknown`].
#[must_use]
pub fn view_definition(sql: &str, dialect: Dialect) -> Analysis {
    let steps = match split::statements(sql, dialect).as_deref() {
        Some([view]) if sql.len() <= MAX_BYTES && !lexer::is_opaque(sql, dialect) => {
            schema::view_query(&view.tokens).map(|query| statement::steps(query, dialect))
        }
        _ => None,
    };
    Analysis {
        steps: steps.unwrap_or_else(|| vec![Step::Unknown]),
    }
}
