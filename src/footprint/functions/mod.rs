//! The functions this crate knows, by dialect.
//!
//! A name that is in none of the lists is unknown: it may read or write anything.

mod mysql;
mod postgres;
mod sqlite;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::analysis::Refusal;
use crate::dialect::Dialect;

/// What may be relied on for a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FunctionClass {
    /// The result depends on the arguments alone, or on the rows of the statement.
    /// Settings of the session (time zone, locale) may matter: they are part of the key.
    Pure,
    /// The result may differ from call to call. Writes no rows.
    Volatile,
    /// The result depends on the session. Writes no rows.
    Session,
    /// May read or write anything.
    Unknown,
}

/// The functions of one dialect, as words between white space, in lower case.
#[derive(Debug)]
struct Functions {
    pure: &'static [&'static str],
    volatile: &'static [&'static str],
    session: &'static [&'static str],
    /// Functions that are written without parentheses.
    volatile_keywords: &'static str,
    session_keywords: &'static str,
    /// Words before a parenthesis that are no functions. Reserved: no function can have
    /// such a name without quotes.
    structure: &'static str,
}

/// Structure in every dialect.
const STRUCTURE: &str = "all and as between case cast check collate constraint default distinct else escape \
    except exists from group having ilike in intersect into is isnull join like limit not notnull on only \
    or order primary references returning select set table then union unique update using values when where";

type Known = HashMap<&'static str, FunctionClass>;

static POSTGRES: LazyLock<Known> = LazyLock::new(|| known(&postgres::FUNCTIONS));
static MYSQL: LazyLock<Known> = LazyLock::new(|| known(&mysql::FUNCTIONS));
static SQLITE: LazyLock<Known> = LazyLock::new(|| known(&sqlite::FUNCTIONS));

fn known(functions: &Functions) -> Known {
    let mut known = Known::new();
    // The more careful class last: it wins.
    for (lists, class) in [
        (functions.pure, FunctionClass::Pure),
        (functions.session, FunctionClass::Session),
        (functions.volatile, FunctionClass::Volatile),
    ] {
        known.extend(
            lists
                .iter()
                .flat_map(|list| list.split_ascii_whitespace())
                .map(|name| (name, class)),
        );
    }
    known
}

fn of(dialect: Dialect) -> &'static Functions {
    match dialect {
        Dialect::Postgres => &postgres::FUNCTIONS,
        Dialect::Mysql => &mysql::FUNCTIONS,
        Dialect::Sqlite => &sqlite::FUNCTIONS,
    }
}

/// The class of the function `name`, which is in lower case.
pub(super) fn classify(name: &str, dialect: Dialect) -> FunctionClass {
    let known = match dialect {
        Dialect::Postgres => &POSTGRES,
        Dialect::Mysql => &MYSQL,
        Dialect::Sqlite => &SQLITE,
    };
    // rule: pragma-functions-read-the-schema
    if dialect == Dialect::Sqlite && name.starts_with("pragma_") {
        return FunctionClass::Volatile;
    }
    known.get(name).copied().unwrap_or(FunctionClass::Unknown)
}

/// Why the bare word `word` forbids caching, if it is a function without parentheses.
pub(super) fn keyword(word: &str, dialect: Dialect) -> Option<Refusal> {
    let functions = of(dialect);
    if contains(functions.volatile_keywords, word) {
        Some(Refusal::Volatile)
    } else if contains(functions.session_keywords, word) {
        Some(Refusal::Session)
    } else {
        None
    }
}

/// Whether `word` before a parenthesis belongs to the structure of a statement.
pub(super) fn is_structure(word: &str, dialect: Dialect) -> bool {
    contains(STRUCTURE, word) || contains(of(dialect).structure, word)
}

/// Whether PostgreSQL has an operator of this name, which the tokenizer does not know.
pub(super) fn is_known_operator(operator: &str) -> bool {
    [
        "-|-", "<<=", ">>=", "~~", "!~~", "~~*", "!~~*", "^@", "&<", "&>", "@@@", "||/", "|/",
    ]
    .contains(&operator)
}

fn contains(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace()
        .any(|known| known.eq_ignore_ascii_case(word))
}
