//! Which columns a statement reads and writes, and which values its text fixes.
//!
//! A refinement of an [`Analysis`](super::Analysis), for statements simple enough: one query
//! over plain tables, one write to one table. For any other there is none, and it counts as
//! reading or writing all columns of all rows.
//!
//! Columns are found in the tokens, as functions are: every word that stands outside of the
//! list of results may be the name of a column. What is taken for one and is none does no harm.
//! Values are found in the syntax tree, whose precedence matters, and only in places where
//! nothing but a match lets a row count.

mod change;
mod predicate;
mod select;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::analysis::Name;
use super::tokens::is_any;
use super::{MAX_BYTES, lexer, query, split};
use crate::dialect::Dialect;

/// What the one statement of a text does with columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// It is a query.
    Query(Selection),
    /// It is a write to one table.
    Write(Change),
}

/// What a text does with columns, if it is one statement that is simple enough. `sql` may be
/// [`normalize`](super::normalize)d: then a placeholder may stand for a list.
#[must_use]
pub fn detail(sql: &str, dialect: Dialect) -> Option<Detail> {
    if sql.len() > MAX_BYTES || lexer::is_opaque(sql, dialect) {
        return None;
    }
    // rule: an-escaped-text-is-no-known-value
    if dialect == Dialect::Mysql && sql.contains('\\') {
        return None;
    }
    // rule: an-escaped-name-is-no-known-column
    if dialect == Dialect::Postgres && (sql.contains("U&\"") || sql.contains("u&\"")) {
        return None;
    }
    let statements = split::statements(sql, dialect)?;
    let [statement] = statements.as_slice() else {
        return None;
    };
    if statement.is_open {
        return None;
    }
    let tokens = &statement.tokens;
    // rule: a-placeholder-is-one-for-the-parser-and-the-lexer
    let placeholders = tokens
        .iter()
        .filter(|token| matches!(token.token, Token::Placeholder(_)));
    if placeholders.count() != lexer::places(sql, dialect).0.len() {
        return None;
    }
    // rule: a-placeholder-with-a-name-is-counted-by-sqlite-alone
    if dialect == Dialect::Sqlite && tokens.iter().any(|token| may_name(&token.token)) {
        return None;
    }
    // rule: what-the-parser-binds-otherwise-fixes-no-values
    // MySQL's `||` is an `OR`, and it binds `XOR` less than `AND`.
    let is_or =
        |token: &TokenWithSpan| token.token == Token::StringConcat || is_any(Some(token), &["XOR"]);
    if dialect == Dialect::Mysql && tokens.iter().any(is_or) {
        return None;
    }
    let parsed = query::parse_unmended(tokens, dialect)?;
    if let Some(selection) = select::selection(&parsed, tokens) {
        return Some(Detail::Query(selection));
    }
    change::change(&parsed, tokens).map(Detail::Write)
}

/// Whether a token may begin SQLite's placeholder with a name: `:a`, `@a`.
fn may_name(token: &Token) -> bool {
    match token {
        Token::Colon | Token::AtSign | Token::Sharp => true,
        Token::Word(word) => word.quote_style.is_none() && word.value.starts_with(['@', '#', ':']),
        _ => false,
    }
}

/// Some columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// All there are.
    All,
    /// These, and perhaps names of none.
    These(BTreeSet<Name>),
}

impl Default for Columns {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl Columns {
    /// Adds a column.
    pub fn add(&mut self, column: &str) {
        if let Self::These(columns) = self {
            columns.insert(column.into());
        }
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::These(columns), Self::These(others)) => columns.extend(others.iter().cloned()),
            _ => *self = Self::All,
        }
    }

    /// Whether a column is among them.
    #[must_use]
    pub fn contains(&self, column: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(columns) => columns.contains(column),
        }
    }
}

/// A value that the text fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// Each of the binds of a placeholder: that many-th in the text, from zero. A
    /// [normalized](super::normalize) list of placeholders is one.
    Bind(usize),
    /// The elements of the array that is bound there: `= ANY ($1)`.
    Elements(usize),
    /// A whole number.
    Integer(i128),
    /// A text.
    Text(Box<str>),
    /// A truth value.
    Bool(bool),
    /// Whatever is true: the column stands there alone.
    Holds,
}

/// A column of one of a query's tables: which of them, and its name.
pub type Column = (usize, Name);

/// The values one of which a row must have in a column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Given {
    /// The values.
    pub operands: Vec<Operand>,
    /// The columns that were compared on the way from the text's values to this column. What
    /// equals them need not equal by its bytes: that depends on their types.
    pub through: Vec<Column>,
}

/// Where a value is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// Where in a row of the result.
    pub at: usize,
    /// The columns that were compared on the way from what is shown to this one, what is shown
    /// among them.
    pub through: Vec<Column>,
}

impl Shown {
    /// Whether the column itself is shown, and not another that equals it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.through.is_empty()
    }
}

/// For some columns, the values one of which a row must have there.
pub type Fixed = BTreeMap<Name, Given>;

/// A table in the `FROM` of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The table.
    pub relation: Name,
    /// What decides which rows there are, and in which order.
    pub decisive: Columns,
    /// What is shown of its rows.
    pub shown: Columns,
    /// Rows with other values in these columns do not matter.
    pub fixed: Fixed,
    /// Where in a row of the result the value of a column stands, if each row of the result
    /// shows that of the one row of this table that it was made of.
    pub visible: BTreeMap<Name, Shown>,
    /// Whether there may be a row of the result for want of a row of this table: it is on the
    /// side of an outer join that may be empty.
    pub nullable: bool,
}

/// What a query does with columns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Its tables, in the order of the text.
    pub sources: Vec<Source>,
    /// Tables that it reads elsewhere, in whatever way.
    pub nested: BTreeSet<Name>,
    /// Whether each row of the result is made of one row of each table, and shows what it shows
    /// of that one alone.
    pub plain: bool,
    /// Whether rows are skipped that are not shown: `OFFSET`.
    pub skips: bool,
}

/// What a write does with columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds rows.
    Insert(Rows),
    /// Changes rows.
    Update {
        /// The columns in `SET`.
        columns: BTreeSet<Name>,
        /// Those of them that become a given value.
        becomes: BTreeMap<Name, Operand>,
        /// Only rows with these values are changed.
        fixed: Fixed,
    },
    /// Removes rows.
    Delete {
        /// Only rows with these values are removed.
        fixed: Fixed,
    },
}

/// The rows of an `INSERT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// For each row, the values that are given.
    Listed(Vec<BTreeMap<Name, Operand>>),
    /// The binds of a placeholder, row by row, a value for each of these columns.
    Bound {
        /// The placeholder.
        placeholder: usize,
        /// The columns.
        columns: Vec<Name>,
    },
}
