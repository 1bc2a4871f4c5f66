//! Tags: what a read depends on and a write touches.
//!
//! Per table there is `any`, touched by every write, and `wide`, touched by writes
//! whose rows are not known; above the tables stand `database` (statements that
//! may have written anything), `schema` (DDL) and `root` (writes to a database that
//! is not known yet, and [`clear`](crate::Cache::clear)).
//!
//! Values that are cached by a key of the user's own may name a table without a
//! database: `named` is touched by every write to a table of that name in whatever
//! database, and `anywhere` by every write that may have gone anywhere in one. A `label` is
//! a name of the user's own. A tag is a hash of its name: two names that collide only
//! invalidate more.

use std::fmt;

use crate::database::TagSpace;
use crate::footprint::Name;

/// Some rows of a table, see [`precision`](crate::precision).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope<'a> {
    /// All of them.
    All,
    /// Those with that value of a key.
    Is(&'a [Name], &'a [u8]),
    /// Those of a write that does not tell the value of a key.
    IsUnknown(&'a [Name]),
    /// Those that a write names by that value of a key.
    At(&'a [Name], &'a [u8]),
    /// Those that a write names by any value of a key.
    AtSome(&'a [Name]),
    /// Those of a write that names them by no key.
    AtUnknown,
}

/// What of these rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// That one comes.
    Added,
    /// That one comes whose value of the key the database makes.
    Made,
    /// That one goes.
    Removed,
    /// Any of their columns.
    Columns,
    /// One of their columns.
    Column(&'a str),
    /// That a column is set to that value.
    Becomes(&'a str, &'a [u8]),
    /// That a column is set to a value that is not known.
    BecomesAny(&'a str),
    /// That a column is set to a value that is true: a number other than zero.
    BecomesTrue(&'a str),
}

/// One thing a read depends on or a write touches.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(u128);

impl Tag {
    /// Everything in the cache.
    #[must_use]
    pub fn root() -> Self {
        Self::hash(b'r', &[])
    }

    /// Everything of one database.
    #[must_use]
    pub fn database(space: TagSpace) -> Self {
        Self::hash(b'd', &[&space.0])
    }

    /// The schema of one database.
    #[must_use]
    pub fn schema(space: TagSpace) -> Self {
        Self::hash(b's', &[&space.0])
    }

    /// Every write to one table.
    #[must_use]
    pub fn any(space: TagSpace, table: &str) -> Self {
        Self::hash(b'a', &[&space.0, table.as_bytes()])
    }

    /// Writes to one table whose rows are not known.
    #[must_use]
    pub fn wide(space: TagSpace, table: &str) -> Self {
        Self::hash(b'w', &[&space.0, table.as_bytes()])
    }

    /// A part of some rows of one table.
    #[must_use]
    pub(crate) fn part(space: TagSpace, table: &str, scope: &Scope<'_>, part: Part<'_>) -> Self {
        let (kind, key, value): (u8, &[Name], &[u8]) = match scope {
            Scope::All => (0, &[], &[]),
            Scope::Is(key, value) => (1, key, value),
            Scope::IsUnknown(key) => (2, key, &[]),
            Scope::At(key, value) => (3, key, value),
            Scope::AtSome(key) => (4, key, &[]),
            Scope::AtUnknown => (5, &[], &[]),
        };
        let (what, column, becomes): (u8, &str, &[u8]) = match part {
            Part::Added => (0, "", &[]),
            Part::Made => (1, "", &[]),
            Part::Removed => (2, "", &[]),
            Part::Columns => (3, "", &[]),
            Part::Column(column) => (4, column, &[]),
            Part::Becomes(column, value) => (5, column, value),
            Part::BecomesAny(column) => (6, column, &[]),
            Part::BecomesTrue(column) => (7, column, &[]),
        };
        let mut parts: Vec<&[u8]> = Vec::with_capacity(key.len() + 6);
        let kinds = [kind, what];
        parts.extend([
            &space.0[..],
            table.as_bytes(),
            &kinds,
            value,
            column.as_bytes(),
            becomes,
        ]);
        parts.extend(key.iter().map(|column| column.as_bytes()));
        Self::hash(b'p', &parts)
    }

    /// Every write that may have gone anywhere in any one database.
    #[must_use]
    pub fn anywhere() -> Self {
        Self::hash(b'e', &[])
    }

    /// Every write to a table of that name, in whatever database.
    #[must_use]
    pub fn named(table: &str) -> Self {
        Self::hash(b'n', &[table.as_bytes()])
    }

    /// What [`invalidate_table`](crate::Cache::invalidate_table) invalidates, in whatever database.
    #[must_use]
    pub fn by_hand(table: &str) -> Self {
        Self::hash(b'h', &[table.as_bytes()])
    }

    /// What [`invalidate_tag`](crate::Cache::invalidate_tag) invalidates.
    #[must_use]
    pub fn label(name: &str) -> Self {
        Self::hash(b'l', &[name.as_bytes()])
    }

    /// The tag with these bytes: how it crosses to a store outside of the process.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    fn hash(kind: u8, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[kind]);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut first = [0; 16];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(u128::from_le_bytes(first))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({:032x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_different_kinds_tables_and_databases_differ() {
        let one = TagSpace::of(b"one");
        let two = TagSpace::of(b"two");
        let tags = [
            Tag::root(),
            Tag::database(one),
            Tag::schema(one),
            Tag::any(one, "t"),
            Tag::wide(one, "t"),
            Tag::any(one, "u"),
            Tag::any(two, "t"),
            Tag::database(two),
            Tag::anywhere(),
            Tag::named("t"),
            Tag::by_hand("t"),
            Tag::label("t"),
        ];
        for (i, a) in tags.iter().enumerate() {
            assert_eq!(tags.iter().position(|b| a == b), Some(i));
        }
    }
}
