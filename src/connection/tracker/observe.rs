//! What a statement is besides what it writes: for views that are this session's alone, and
//! for values that are computed on this thread.

use super::Tracker;
use crate::bypass::Bypass;
use crate::catalogue::Reads;
use crate::connection::transaction::Fill;
use crate::dependencies::Unstored;
use crate::dependencies::watch::{self, Place};
use crate::dialect::Dialect;
use crate::footprint::Step;
use crate::resolve::Resolved;

impl Tracker {
    /// Whether the statement reads a view that the catalogue does not know, since it is
    /// this session's alone. Only PostgreSQL's functions write.
    pub(super) fn reads_a_temporary_view(&self, resolved: &Resolved) -> bool {
        self.dialect() == Some(Dialect::Postgres)
            && !self.temporary_views.is_empty()
            && resolved.analysis.steps.iter().any(|step| {
                let access = match step {
                    Step::Read(access) => access,
                    Step::Write(write) => &write.access,
                    _ => return false,
                };
                !access.relations.is_disjoint(&self.temporary_views)
            })
    }

    /// Tells whoever computes a value on this thread what it cannot be made of.
    pub(super) fn observe(&self, resolved: &Resolved) {
        let place = Place::of(self.blocks());
        // rule: a-write-makes-no-value
        if !resolved.writes.is_empty() || resolved.writes.sets {
            watch::refuse(Unstored::Wrote, place);
        }
        let reads = |step: &Step| matches!(step, Step::Read(_));
        if resolved.analysis.steps.iter().any(reads) {
            let read = resolved.read.as_ref().ok();
            watch::statement(
                read.map(|read| &read.reads.tables),
                self.cache.identity(),
                place,
            );
            // rule: a-read-that-others-would-not-repeat-makes-no-value
            match read.map(|read| self.admits_all(&read.reads)) {
                Some(Err(reason)) => watch::refuse(Unstored::Bypassed(reason), place),
                Some(Ok(Fill::Forbidden)) => watch::refuse(Unstored::Transaction, place),
                Some(Ok(Fill::Allowed)) | None => {}
            }
        }
    }

    /// Whether what a read of `reads` returns now is what any other session would get: no
    /// older snapshot, no writes of its own transaction, no rows that only it may see.
    fn admits_all(&self, reads: &Reads) -> Result<Fill, Bypass> {
        // rule: a-read-of-an-own-snapshot-makes-no-value
        if self.is_simulated() || !self.transaction.sees_what_is_committed() {
            return Ok(Fill::Forbidden);
        }
        if reads.row_security {
            return Err(Bypass::RowSecurity);
        }
        self.admits(reads)
    }
}
