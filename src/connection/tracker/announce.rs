//! What is announced to the store before it is committed.

use super::Tracker;
use crate::catalogue::Writes;
use crate::database_state::Governed;
use crate::invalidate::Guard;
use crate::token::Opening;

impl Tracker {
    /// Announces what the open transaction is about to commit. Returns whether it may.
    // rule: a-write-that-cannot-be-announced-is-aborted
    pub(crate) fn announce(&mut self) -> bool {
        let core = self.cache.core();
        if !core.aborts() {
            return true;
        }
        let mut writes = self.transaction.pending();
        // rule: what-cannot-be-followed-is-announced-as-everything
        if self.transaction.is_lost() {
            writes.merge(&Writes::everything());
        }
        if writes.is_empty() {
            return true;
        }
        let database = self.database.as_ref();
        let seen = database.and_then(|database| database.opening());
        let guard = match self.announced.take() {
            Some(guard) => guard.also(writes, None, seen),
            None => self.quarantine(writes, None, seen),
        };
        // What can never be announced goes on, as documented.
        if !guard.is_acknowledged() && guard.is_announced() {
            guard.restore();
            return false;
        }
        self.announced = Some(guard);
        true
    }

    /// Puts what is about to be written under quarantine.
    pub(super) fn quarantine(
        &self,
        writes: Writes,
        governed: Option<Governed>,
        seen: Option<Opening>,
    ) -> Guard {
        let session = self.session.clone();
        let core = self.cache.core();
        core.quarantine(writes, self.space(), session, governed, seen)
    }
}
