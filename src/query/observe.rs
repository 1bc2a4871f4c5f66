//! What the rows of a result show of their tables' rows.

use std::collections::BTreeSet;

use diesel::row::{Field, Row};

use crate::precision::Seen;
use crate::resolve::Late;
use crate::statement::CacheDatabase;
use crate::tag::Tag;

/// With more tags than this, a result's rows are not told apart.
const MOST_TAGS: usize = 4096;

/// Looks at the rows of a result as they come.
#[derive(Debug)]
pub(crate) struct Observer<'l> {
    late: &'l Late,
    /// What was seen, for each table; `None` if it could not be told.
    seen: Option<Vec<Seen>>,
}

impl<'l> Observer<'l> {
    pub(super) fn new(late: &'l Late) -> Self {
        let seen = late.observed.iter().map(|_| Seen::default()).collect();
        Self {
            late,
            seen: Some(seen),
        }
    }

    /// Looks at a row. It was made already: to look at a cell may convert it.
    pub(crate) fn see<'a, DB, R>(&mut self, row: &R)
    where
        DB: CacheDatabase,
        R: Row<'a, DB>,
    {
        let Some(seen) = &mut self.seen else {
            return;
        };
        let cell = |at: usize| {
            let field = Row::get(row, at).ok_or(())?;
            let Some(value) = field.value() else {
                return Ok(None);
            };
            DB::datum(value).map(Some).ok_or(())
        };
        let mut tables = self.late.observed.iter().zip(seen.iter_mut());
        let told = tables.all(|(observed, seen)| observed.see(cell, seen).is_some());
        let count: usize = seen.iter().map(|seen| seen.tags.len()).sum();
        if !told || count > MOST_TAGS {
            self.seen = None;
        }
    }

    /// The tags of all that was seen, if it could be told.
    pub(super) fn finish(self) -> Option<BTreeSet<Tag>> {
        let seen = self.late.observed.iter().zip(self.seen?);
        let tags = seen.flat_map(|(observed, seen)| observed.finish(seen));
        Some(tags.collect())
    }
}
