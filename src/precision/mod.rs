//! Which writes of a table matter to a read of it: rows, columns and values.
//!
//! A read of table `T` depends on tags, a write touches tags, and whatever write changes what the
//! read returns touches one of those it depends on:
//!
//! - `any`: every write. `wide`: every write of which no more is known than its table.
//! - *membership*: a row that a write adds, removes or changes has, before or after it, a value `v`
//!   in key `k`: it touches `k=v`, or `k=?` where the value is not known; for each key of the table,
//!   and `all`, which has no value. A read that only takes rows with `k=v` depends on `k=v` and
//!   `k=?`, any other one on `all`.
//! - *address*: a write names its rows by one key: it touches `@k=v` and `@k`, or `@?`. A read that
//!   shows a row depends, for each key, on `@k=v` with the value that it shows, or on `@k`; and on
//!   `@?`. If none of them is touched, the write was not of this row.
//!
//! Each of these is there for each column: touched if the write sets it; for all columns together,
//! touched by each update; and for rows that are *added* and *removed*. Membership asks for the
//! columns that decide which rows there are and in which order, and for rows that are added;
//! address for the columns that are shown, and for rows that are removed. A row that is removed and
//! not shown matters only where it counts by being there: before an `OFFSET`, in an aggregate, and
//! on the side of an outer join that may be empty.
//!
//! A changed key counts as rows that go and come; a changed primary key does so for every key. A
//! read that shows a row depends on the columns of its keys as well: what it saw in them is what its
//! tags are made of.
//!
//! A row that is added without a value of the primary key gets one that the database makes, and that
//! no row has. It touches `made` in place of `added`: a read by the primary key that has seen the
//! rows it asked for does not depend on that, one that has missed any does.

mod names;
mod reads;
mod table;
#[cfg(test)]
mod tests;
mod writes;

pub use self::names::{names, told_keys};
use self::reads::Entry;
pub use self::reads::{Observed, PreciseRead, Seen};
pub use self::table::{Key, KeyedTable};
pub use self::writes::touched;

use crate::datum::Bound;

/// At most so many values of a key are told apart in one statement.
const MOST_VALUES: usize = 100;
/// At most so many columns are told apart.
const MOST_COLUMNS: usize = 16;

/// The binds of a statement, by the placeholders of its text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Binds<'b> {
    /// For each placeholder of the [normalized](crate::footprint::normalize) text, its binds.
    pub places: &'b [std::ops::Range<usize>],
    /// The binds.
    pub values: &'b [Bound],
}

impl<'b> Binds<'b> {
    /// The binds of a text, whose [places](crate::footprint::places) are given with their number.
    /// There are none, if there are not as many as the text asks for.
    // rule: binds-that-are-not-as-many-are-not-known
    #[must_use]
    pub fn new(places: &'b (Vec<std::ops::Range<usize>>, usize), values: &'b [Bound]) -> Self {
        let (places, count) = places;
        Self {
            places,
            values: if values.len() == *count { values } else { &[] },
        }
    }

    /// What is bound at a placeholder; `None` if it is not known.
    fn at(&self, placeholder: usize) -> Option<&'b [Bound]> {
        self.values.get(self.places.get(placeholder)?.clone())
    }
}
