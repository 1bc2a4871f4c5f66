//! Quarantines whose writers are not known to be over, and the evidence that they are.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Guard, SessionName};
use crate::catalogue::Writes;
use crate::core::{Core, Way};
use crate::database::TagSpace;
use crate::database_state::Governed;
use crate::event::Source;
use crate::protocol::Lift;
use crate::shared::Delivery;
use crate::stats::count;
use crate::tag::Tag;
use crate::token::WriterId;

/// How long to wait before the database is asked again what became of a writer.
const RESOLVE_EVERY: Duration = Duration::from_millis(100);

/// A quarantine whose writer's outcome is not known.
#[derive(Debug)]
pub(crate) struct Orphan {
    writer: WriterId,
    writes: Writes,
    tags: Vec<Tag>,
    space: Option<TagSpace>,
    /// The writer's session, as the database names it.
    session: Arc<str>,
    /// Whether it has answered, if not for the last time: it is over when its session waits for
    /// another statement.
    answered: bool,
    _governed: Option<Governed>,
    ask_after: Instant,
}

/// Stands before the session of a writer that has answered.
const ANSWERED: char = '=';

/// What the session of a writer is called that has answered.
pub(super) fn marked(session: &str) -> String {
    format!("{ANSWERED}{session}")
}

/// The session of a holder, and whether its writer has answered: then it is over when its session
/// waits for another statement.
pub(crate) fn of_holder(session: &str) -> (&str, bool) {
    match session.strip_prefix(ANSWERED) {
        Some(session) => (session, true),
        None => (session, false),
    }
}

impl Core {
    /// The sessions whose end would resolve a quarantine, and which may be asked about now; and
    /// of each, whether it would be enough that it waits for another statement.
    pub(crate) fn unresolved(&self) -> BTreeMap<Arc<str>, bool> {
        let now = Instant::now();
        let mut sessions = BTreeMap::new();
        for orphan in self.orphans().iter_mut() {
            if orphan.ask_after <= now {
                orphan.ask_after = now + RESOLVE_EVERY;
                let answered = sessions.entry(Arc::clone(&orphan.session)).or_default();
                *answered |= orphan.answered;
            }
        }
        sessions
    }

    /// How many writers are not known to be over.
    pub(crate) fn count_orphans(&self) -> usize {
        self.orphans().len()
    }

    fn orphans(&self) -> MutexGuard<'_, Vec<Orphan>> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database says that the session has ended: whatever it was doing is over.
    pub(crate) fn resolve(self: &Arc<Self>, session: &str, way: Way) {
        self.resolve_those(way, |orphan| *orphan.session == *session);
    }

    /// The database says that the session waits for another statement: what has answered is over.
    // rule: a-session-that-waits-has-ended-what-answered
    pub(crate) fn resolve_answered(self: &Arc<Self>, session: &str) {
        self.resolve_those(Way::Here, |orphan| {
            orphan.answered && *orphan.session == *session
        });
    }

    /// The session has answered to something later than what these writers were asked.
    pub(crate) fn resolve_writers(self: &Arc<Self>, writers: &[WriterId], way: Way) {
        self.resolve_those(way, |orphan| writers.contains(&orphan.writer));
    }

    fn resolve_those(self: &Arc<Self>, way: Way, is_over: impl Fn(&Orphan) -> bool) {
        let ended: Vec<Orphan> = {
            let mut orphans = self.orphans();
            let (ended, left) = orphans.drain(..).partition(is_over);
            *orphans = left;
            ended
        };
        for orphan in ended {
            count(&self.counters.resolves);
            self.close_if_changed(&orphan.writes, orphan.space, way);
            let tags = orphan.tags.clone();
            self.tell(Delivery::Lift(orphan.writer, orphan.tags, Lift::Renew), way);
            self.end(orphan.writer);
            self.invalidated(&orphan.writes, orphan.space, Source::Unknown, &tags, way);
        }
    }

    /// The database says that the session of another process' writer has ended.
    pub(crate) fn resolve_holder(
        self: &Arc<Self>,
        writer: WriterId,
        space: TagSpace,
        tags: &[Tag],
    ) {
        count(&self.counters.resolves);
        // rule: a-schema-change-that-was-left-behind-closes-the-gate
        if tags.contains(&Tag::schema(space)) || tags.contains(&Tag::root()) {
            self.tell(Delivery::Close(Some(space)), Way::Here);
        }
        self.tell(
            Delivery::Lift(writer, tags.to_vec(), Lift::Renew),
            Way::Here,
        );
    }
}

impl Guard {
    /// Whether there is evidence to be had of its end.
    pub(crate) fn can_trail(&self) -> bool {
        self.session_elsewhere().is_some()
    }

    /// The writer has answered, and may not be over yet: it is when its session has answered to
    /// something later, waits for another statement, or has ended. Returns the writer, to be
    /// [resolved](Core::resolve_writers) then.
    pub(crate) fn trail(mut self) -> WriterId {
        if let Some(session) = self.session_elsewhere() {
            self.leave(session, true);
        }
        self.writer
    }

    /// The session, if its statements run in another process.
    fn session_elsewhere(&self) -> Option<SessionName> {
        let session = self.session.clone();
        session.filter(|session| !session.in_process)
    }

    /// Leaves the quarantine behind.
    fn leave(&mut self, session: SessionName, answered: bool) {
        self.owed = false;
        // rule: an-unknown-outcome-is-quarantined-at-any-level
        if !self.core.announces(self) {
            self.announce();
        }
        // rule: an-orphan-is-announced-as-soon-as-it-can-be
        // rule: other-processes-know-what-has-answered
        let unknown = !self.acknowledged && self.way == Way::Here;
        if self.core.is_shared() && (answered || unknown) {
            self.hand_over(answered);
        }
        self.core.orphans().push(Orphan {
            writer: self.writer,
            writes: std::mem::take(&mut self.writes),
            tags: std::mem::take(&mut self.tags),
            space: self.space,
            session: session.name,
            answered,
            _governed: self.governed.take(),
            ask_after: Instant::now(),
        });
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
        // What ran in this process runs no longer.
        match self.session_elsewhere() {
            // rule: what-was-not-sent-is-over-when-its-session-is
            Some(session) => self.leave(session, self.unsent),
            None => self.settle(Source::Unknown),
        }
    }
}
