//! Why a read is answered as it is, and what a statement would invalidate.
//!
//! What is said names tables, columns and labels, never values.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::event::Invalidation;
use crate::footprint::Name;
use crate::outcome::Outcome;
use crate::tag::Tag;

/// What would become of a cached read now, and why: see
/// [`Cached::explain`](crate::Cached::explain).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// What would become of the read. Of a miss it is not known whether its result can be stored;
    /// `stored` tells whether it may be.
    pub outcome: Outcome,
    /// The statement, with its placeholders.
    pub sql: String,
    /// A digest of the key of its entry, in hexadecimal; `None` if it has none, because it is bypassed.
    pub key: Option<String>,
    /// The tables that it reads, by their bare names.
    pub tables: Vec<Name>,
    /// Why no stored result is served; `None` for a hit, or a bypass.
    pub miss: Option<MissReason>,
    /// What the result depends on. Those of an entry that is stored are told one by one, with
    /// the rows that it shows; of one that is not, those that can be told without it.
    pub dependencies: Vec<Dependency>,
}

/// Why no stored result is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissReason {
    /// None is stored, or it was evicted.
    Absent,
    /// It is too old.
    Expired,
    /// Something that it depends on was written since: see those of the dependencies that are
    /// [`Changed`](Standing::Changed).
    Invalidated,
    /// The cache was cleared since, or the store was lost.
    Cleared,
    /// It depends on other things than a result that would be read now: models have changed.
    OtherDependencies,
}

/// Something that a result depends on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dependency {
    /// What it is, in words.
    pub what: String,
    /// The tag that stands for it.
    pub tag: Tag,
    /// How it stands.
    pub standing: Standing,
    /// What renewed it last, as far as this process did it and remembers.
    pub renewed: Option<Renewal>,
}

/// How something stands that a result depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Standing {
    /// As it was when the result was stored; or it was not written lately, if none is.
    Current,
    /// It was written since the result was stored.
    Changed,
    /// A writer of it may be about to commit.
    Quarantined,
    /// Nothing is known of it: nothing that depends on it was stored lately.
    Unknown,
}

/// The last invalidation of something.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Renewal {
    /// When, by the clock of this machine.
    pub at: SystemTime,
    /// What it was.
    pub by: Arc<Invalidation>,
}

/// What a statement would invalidate if it were run: see
/// [`explain_write`](crate::explain_write).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WriteExplanation {
    /// The statement, with its placeholders.
    pub sql: String,
    /// Whether everything of the database would be invalidated, or of all databases.
    pub everything: bool,
    /// Whether it changes the schema, or may.
    pub schema: bool,
    /// For each table that it writes, what is known of its rows and columns: its own, and those that
    /// are written by triggers, cascades and the like.
    pub tables: BTreeMap<Name, Extent>,
}

/// How much of a table a statement writes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Extent {
    /// Any row and column, as far as is known: every result that reads the table is invalidated.
    Whole(WholeReason),
    /// Some rows or columns.
    Part {
        /// The columns that it sets; `None` if rows come or go.
        columns: Option<Vec<Name>>,
        /// The keys of whose values it is known which ones it writes.
        keys: Vec<Vec<Name>>,
        /// The keys of whose values it is not: results that ask for any value of them are
        /// invalidated, as far as the columns matter to them.
        unknown: Vec<Vec<Name>>,
    },
}

/// Why every result that reads a table is invalidated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WholeReason {
    /// The statement does not name the table: a trigger, a cascade or a function writes it.
    Follows,
    /// The rows of the table cannot be told apart: it has no primary key, or is no plain table.
    NoKey,
    /// The statement may write other rows of the table than it names: by a trigger before it, by
    /// what follows from it, or by replacing rows.
    MayWriteMore,
    /// The statement is not understood well enough: an upsert, several tables, a subquery.
    NotUnderstood,
    /// It names too many values.
    TooMany,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.outcome, self.sql)?;
        if let Some(miss) = self.miss {
            writeln!(f, "  {miss}")?;
        }
        for dependency in &self.dependencies {
            writeln!(f, "  {dependency}")?;
        }
        Ok(())
    }
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "nothing is stored",
            Self::Expired => "what is stored is too old",
            Self::Invalidated => "what it depends on was written since it was stored",
            Self::Cleared => "the cache was cleared since it was stored",
            Self::OtherDependencies => "what is stored depends on other things",
        })
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = match self.standing {
            Standing::Current => "current",
            Standing::Changed => "changed",
            Standing::Quarantined => "about to be written",
            Standing::Unknown => "unknown",
        };
        write!(f, "{standing:<10} {}", self.what)?;
        match &self.renewed {
            Some(renewed) => write!(f, " (last: {})", renewed.by),
            None => Ok(()),
        }
    }
}

impl fmt::Display for WriteExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.sql)?;
        if self.everything {
            writeln!(f, "  everything")?;
        }
        if self.schema {
            writeln!(f, "  the schema")?;
        }
        for (table, extent) in &self.tables {
            writeln!(f, "  {table}: {extent}")?;
        }
        Ok(())
    }
}

/// `id; tenant and slug`.
fn list(keys: &[Vec<Name>]) -> String {
    let keys = keys.iter().map(|key| key.join(" and "));
    keys.collect::<Vec<_>>().join("; ")
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (columns, keys, unknown) = match self {
            Self::Whole(reason) => return write!(f, "all of it: {reason}"),
            Self::Part {
                columns,
                keys,
                unknown,
            } => (columns, keys, unknown),
        };
        match columns {
            Some(columns) => write!(f, "{}", columns.join(", "))?,
            None => f.write_str("rows")?,
        }
        if !keys.is_empty() {
            write!(f, ", by the values of {}", list(keys))?;
        }
        if !unknown.is_empty() {
            write!(f, ", for any value of {}", list(unknown))?;
        }
        Ok(())
    }
}

impl fmt::Display for WholeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Follows => "it is written by what follows from the statement",
            Self::NoKey => "its rows cannot be told apart",
            Self::MayWriteMore => "the statement may write other rows than it names",
            Self::NotUnderstood => "the statement does not tell which rows it writes",
            Self::TooMany => "the statement names too many values",
        })
    }
}
