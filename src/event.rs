//! What an invalidation was: told to subscribers and to strategies.

use std::collections::BTreeSet;
use std::fmt;

use crate::catalogue::Writes;
use crate::footprint::Name;

/// Where an invalidation came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Source {
    /// An autocommit statement.
    Statement,
    /// The commit of a transaction.
    Transaction,
    /// A statement or commit whose outcome is not known.
    Unknown,
    /// [`invalidate_table`](crate::Cache::invalidate_table) and its kin.
    Explicit,
    /// A row of the outbox, told by the [relay](crate::Builder::relay).
    Outbox,
    /// A change of the schema that no attached connection made, or its first look at the
    /// database.
    Catalogue,
}

impl Source {
    pub(crate) const ALL: [Self; 6] = [
        Self::Statement,
        Self::Transaction,
        Self::Unknown,
        Self::Explicit,
        Self::Outbox,
        Self::Catalogue,
    ];
}

/// Which rows of the tables an invalidation concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rows {
    /// Any of them.
    All,
}

/// One invalidation: what got new tokens, and why.
///
/// Its text and fields name tables and labels, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invalidation {
    /// What caused it.
    pub source: Source,
    /// Whether everything of the database is concerned, or of all databases.
    pub everything: bool,
    /// Whether the schema changed, or may have.
    pub schema: bool,
    /// The tables, by their bare names in lower case.
    pub tables: BTreeSet<Box<str>>,
    /// Which rows of these tables.
    pub rows: Rows,
    /// The labels, if it was [`invalidate_tag`](crate::Cache::invalidate_tag).
    pub labels: BTreeSet<Box<str>>,
}

impl Invalidation {
    pub(crate) fn of(writes: &Writes, source: Source) -> Self {
        Self {
            source,
            everything: writes.root || writes.database,
            schema: writes.schema,
            tables: writes.tables.clone(),
            rows: Rows::All,
            labels: BTreeSet::new(),
        }
    }

    pub(crate) fn of_label(label: &Name) -> Self {
        Self {
            labels: BTreeSet::from([label.clone()]),
            ..Self::of(&Writes::default(), Source::Explicit)
        }
    }

    /// Whether results that read `table` are concerned. The name is the table's in SQL,
    /// without a schema, in any case.
    #[must_use]
    pub fn touches(&self, table: &str) -> bool {
        self.everything || self.schema || self.tables.contains(table.to_lowercase().as_str())
    }
}

impl fmt::Display for Invalidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |set: &BTreeSet<Box<str>>| {
            let names: Vec<&str> = set.iter().map(AsRef::as_ref).collect();
            names.join(", ")
        };
        let what = match self {
            Self {
                everything: true, ..
            } => "everything".to_owned(),
            Self { schema: true, .. } => "the schema".to_owned(),
            Self { labels, .. } if !labels.is_empty() => format!("tag {}", names(labels)),
            Self { tables, .. } => names(tables),
        };
        write!(f, "{what} by {:?}", self.source)
    }
}
