//! What is announced to the store before it is committed, and what the outbox is told.

use std::sync::Arc;

use super::Tracker;
use crate::catalogue::Writes;
use crate::config::Level;
use crate::database_state::Governed;
use crate::invalidate::Guard;
use crate::outbox::sessions::Session;
use crate::tag::Tag;
use crate::token::Opening;

/// What is to be done before a transaction of the explicit path is committed.
#[derive(Debug)]
pub(crate) enum Announced {
    /// Nothing.
    Ready,
    /// It must not be committed.
    Refused,
    /// A row with these tags is to be put into the outbox.
    Outbox(Vec<Tag>),
}

impl Tracker {
    /// What the open transaction is about to commit, to be announced before that; none, if that
    /// is done when its COMMIT is sent.
    pub(crate) fn about_to_commit(&mut self) -> Option<Guard> {
        let core = self.cache.core();
        // Nobody waits for the store when a COMMIT is sent.
        let handed = self.is_awaited() && core.is_shared() && core.config.level >= Level::Strong;
        // What has failed is rolled back, however it ends.
        if self.transaction.has_failed() || !(core.aborts() || self.is_durable() || handed) {
            return None;
        }
        let mut writes = self.transaction.pending();
        // rule: what-cannot-be-followed-is-announced-as-everything
        if self.transaction.is_lost() {
            writes.merge(&Writes::everything());
        }
        if writes.is_empty() {
            return None;
        }
        let database = self.database.as_ref();
        let seen = database.and_then(|database| database.opening());
        let (session, space) = (self.session.clone(), self.space());
        Some(match self.announced.take() {
            Some(guard) => guard.with(writes, None, seen),
            None => core.guard(writes, space, session, None, seen),
        })
    }

    /// Whether the outbox is told what is committed. What is played is never committed.
    fn is_durable(&self) -> bool {
        let core = self.cache.core();
        core.config.level == Level::Durable && self.simulation.is_none()
    }

    /// What the open transaction is about to commit was announced, as far as it could be.
    // rule: a-write-that-cannot-be-announced-is-aborted
    pub(crate) fn announced(&mut self, guard: Guard) -> Announced {
        let aborts = self.cache.core().aborts();
        // What can never be announced goes on, as documented.
        if aborts && !guard.is_acknowledged() && guard.is_announced() {
            guard.told_by(self.way()).restore();
            return Announced::Refused;
        }
        // rule: the-outbox-is-told-what-the-store-is-told
        let tags = guard.tags().to_vec();
        self.announced = Some(guard.told_by(self.way()));
        match self.is_durable() {
            true => Announced::Outbox(tags),
            false => Announced::Ready,
        }
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
        core.quarantine(writes, self.space(), session, governed, seen, self.way())
    }

    /// What the session is called in the outbox.
    pub(crate) fn outbox_session(&self) -> Option<&Arc<Session>> {
        self.outbox_session.as_ref()
    }

    /// The session is called so in the outbox from now on.
    pub(crate) fn set_outbox_session(&mut self, session: Option<Arc<Session>>) {
        self.outbox_session = session;
        self.note_turn();
    }

    /// Whether something is at work that may commit, or may have.
    // rule: a-session-is-busy-until-the-store-is-told
    pub(crate) fn note_turn(&mut self) {
        // rule: nobody-answers-for-what-cannot-be-followed
        // A transaction that is prepared here may be committed by anybody, at any time.
        if self.transaction.is_lost() {
            self.outbox_session = None;
        }
        if let Some(session) = &self.outbox_session {
            session.set_busy(self.is_at_work());
        }
    }
}
