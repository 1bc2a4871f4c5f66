//! The one path of every write: quarantine, then lift.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::core::Core;
use crate::database::TagSpace;
use crate::database_state::Governed;
use crate::protocol::Lift;
use crate::stats::{Source, count};
use crate::tag::Tag;
use crate::token::WriterId;

/// How long to wait before the database is asked again what became of a writer.
const RESOLVE_EVERY: Duration = Duration::from_millis(100);

/// Tags under quarantine. Whoever holds it owes the store the writer's outcome;
/// dropped without one, the quarantine stands until the database gives evidence that
/// the writer's session has ended.
#[derive(Debug)]
pub(crate) struct Guard {
    core: Arc<Core>,
    writer: WriterId,
    tags: Vec<Tag>,
    space: Option<TagSpace>,
    session: Option<Arc<str>>,
    /// Keeps newer catalogues from being read by while an older one governs the write.
    governed: Option<Governed>,
    owed: bool,
}

/// A quarantine whose writer's outcome is not known.
#[derive(Debug)]
pub(crate) struct Orphan {
    writer: WriterId,
    tags: Vec<Tag>,
    pub(crate) space: Option<TagSpace>,
    /// The writer's session, as the database names it.
    session: Option<Arc<str>>,
    _governed: Option<Governed>,
    ask_after: Instant,
}

impl Core {
    /// Puts tags under quarantine. It is acknowledged when this returns.
    pub(crate) fn quarantine(
        self: &Arc<Self>,
        tags: Vec<Tag>,
        space: Option<TagSpace>,
        session: Option<Arc<str>>,
        governed: Option<Governed>,
    ) -> Guard {
        let writer = WriterId::fresh();
        count(&self.counters.quarantines);
        if let Err(error) = self.backend.quarantine(writer, &tags) {
            count(&self.counters.backend_errors);
            log::warn!("{error}");
        }
        Guard {
            core: Arc::clone(self),
            writer,
            tags,
            space,
            session,
            governed,
            owed: true,
        }
    }

    /// Gives tags new tokens.
    pub(crate) fn renew(&self, tags: &[Tag], source: Source) {
        if tags.is_empty() {
            return;
        }
        self.counters.invalidation(source);
        if let Err(error) = self.backend.renew(tags) {
            count(&self.counters.backend_errors);
            log::warn!("{error}");
        }
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) {
        if let Err(error) = self.backend.lift(writer, tags, how) {
            count(&self.counters.backend_errors);
            log::warn!("{error}");
        }
    }

    /// The sessions whose end would resolve a quarantine, and which may be asked about now.
    pub(crate) fn unresolved(&self, space: TagSpace) -> Vec<Arc<str>> {
        let now = Instant::now();
        let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sessions = Vec::new();
        for orphan in orphans.iter_mut() {
            if orphan.space == Some(space)
                && orphan.ask_after <= now
                && let Some(session) = &orphan.session
            {
                orphan.ask_after = now + RESOLVE_EVERY;
                sessions.push(Arc::clone(session));
            }
        }
        sessions
    }

    /// The database says that the session has ended: whatever it was doing is over.
    pub(crate) fn resolve(&self, space: TagSpace, session: &str) {
        let ended: Vec<Orphan> = {
            let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
            let (ended, left) = orphans.drain(..).partition(|orphan| {
                orphan.space == Some(space) && orphan.session.as_deref() == Some(session)
            });
            *orphans = left;
            ended
        };
        for orphan in ended {
            count(&self.counters.resolves);
            self.counters.invalidation(Source::Unknown);
            self.lift(orphan.writer, &orphan.tags, Lift::Renew);
        }
    }
}

impl Guard {
    /// The writer committed, or may have, and is over.
    pub(crate) fn renew(mut self, source: Source) {
        self.owed = false;
        self.core.counters.invalidation(source);
        self.core.lift(self.writer, &self.tags, Lift::Renew);
    }

    /// The writer wrote nothing, for certain.
    pub(crate) fn restore(mut self) {
        self.owed = false;
        self.core.lift(self.writer, &self.tags, Lift::Restore);
    }
}

impl Drop for Guard {
    // rule: an-unknown-outcome-is-never-lifted
    fn drop(&mut self) {
        if !self.owed {
            return;
        }
        // Without a session there is no evidence to be had, ever: the invalidation is then
        // as late as a statement that the server still runs, and no later.
        if self.session.is_none() {
            self.owed = false;
            self.core.counters.invalidation(Source::Unknown);
            self.core.lift(self.writer, &self.tags, Lift::Renew);
            return;
        }
        self.core
            .orphans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Orphan {
                writer: self.writer,
                tags: std::mem::take(&mut self.tags),
                space: self.space,
                session: self.session.clone(),
                _governed: self.governed.take(),
                ask_after: Instant::now(),
            });
    }
}
