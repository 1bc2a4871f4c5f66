//! Which rows of the outbox are told by the sessions that made them.
//!
//! Each attached session has a name of its own, which nobody had before it, and the rows that it
//! makes carry that name. As long as a statement of it is at work, or one may be, the session is
//! *busy*. What a statement committed is told to the store, or waits to be, before the session is
//! idle again. So a row that was there before its session was seen idle, or busy with something
//! later, is told.
//!
//! The name is that of a tracker, not of a connection: what a connection writes after its tracker
//! was removed carries a name that nobody answers for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What an attached session is called in the outbox.
#[derive(Debug)]
pub(crate) struct Session {
    name: Box<str>,
    /// Odd while something is at work.
    turns: AtomicU64,
}

impl Session {
    /// Its name: lower-case letters, digits and `-`, at most 48 of them.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Something is at work, or nothing is.
    pub(crate) fn set_busy(&self, busy: bool) {
        let turns = self.turns.load(Ordering::SeqCst);
        if (turns % 2 == 1) != busy {
            self.turns.store(turns + 1, Ordering::SeqCst);
        }
    }
}

/// What a session was about when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn(u64);

impl Turn {
    /// Whether nothing was at work.
    pub(crate) fn is_idle(self) -> bool {
        self.0.is_multiple_of(2)
    }
}

/// The attached sessions of this process.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// What their names begin with.
    prefix: Box<str>,
    /// The process: a child has the names of its parent's sessions, but does not hear of them.
    pid: u32,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    last: u64,
    sessions: HashMap<Box<str>, Weak<Session>>,
    /// With so many, those that are over are looked for.
    tidy_at: usize,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            prefix: format!("{:032x}-", rand::random::<u128>()).into(),
            pid: std::process::id(),
            known: Mutex::default(),
        }
    }
}

impl Sessions {
    /// What the names of this process' sessions begin with, and no others'.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A new session; none in a child of the process.
    // rule: a-child-answers-for-no-session
    pub(crate) fn begin(&self) -> Option<Arc<Session>> {
        if self.pid != std::process::id() {
            return None;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.last += 1;
        let session = Arc::new(Session {
            name: format!("{}{}", self.prefix, known.last).into(),
            turns: AtomicU64::new(0),
        });
        if known.sessions.len() >= known.tidy_at {
            known
                .sessions
                .retain(|_, session| session.strong_count() > 0);
            known.tidy_at = (known.sessions.len() * 2).max(64);
        }
        let weak = Arc::downgrade(&session);
        known.sessions.insert(session.name.clone(), weak);
        Some(session)
    }

    /// What a session is about now; `None` if nobody answers for it.
    pub(crate) fn turn(&self, name: &str) -> Option<Turn> {
        if self.pid != std::process::id() {
            return None;
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let session = known.sessions.get(name)?.upgrade()?;
        Some(Turn(session.turns.load(Ordering::SeqCst)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_takes_turns() {
        let sessions = Sessions::default();
        let session = sessions.begin().unwrap();
        let turn = |session: &Session| sessions.turn(session.name()).unwrap();
        assert!(turn(&session).is_idle());
        session.set_busy(true);
        let busy = turn(&session);
        session.set_busy(true);
        assert!(!busy.is_idle() && turn(&session) == busy);
        session.set_busy(false);
        session.set_busy(true);
        assert_ne!(turn(&session), busy);
        assert_eq!(sessions.turn("another"), None);
    }

    #[test]
    fn nobody_answers_for_a_session_that_is_over() {
        let sessions = Sessions::default();
        let session = sessions.begin().unwrap();
        let name = session.name().to_owned();
        assert!(name.starts_with(sessions.prefix()) && name.len() <= 48);
        drop(session);
        assert_eq!(sessions.turn(&name), None);
        let kept: Vec<_> = (0..1000).map(|_| sessions.begin()).collect();
        assert_eq!(kept.len(), 1000);
        drop(kept);
        sessions.begin();
        for _ in 0..2000 {
            sessions.begin();
        }
        let known = sessions.known.lock().unwrap();
        assert!(known.sessions.len() < 200, "{}", known.sessions.len());
    }
}
