//! The statements under way on a connection, and those of which it is not known whether they
//! still are.
//!
//! A connection that blocks has one statement under way, and Diesel's questions inside of it. On
//! one that is awaited a statement may be given up at any time, several may be under way at
//! once, and one that returns rows says that it has returned when its first answer is there:
//! what it wrote is committed later. So:
//!
//! - A finish is that of the statement with its text. If there are several, what they hold is
//!   held until the last has finished.
//! - What was given up is only known to be given up when somebody has the connection for
//!   himself: no statement can be under way then. It may have committed, or still do.
//! - The server answers in order. So whatever was given up, or has answered in part, is over when
//!   a statement has answered that was begun later.

use std::sync::Arc;

use super::Tracker;
use crate::connection::returned::Returned;
use crate::connection::simulated::Effect;
use crate::connection::told;
use crate::connection::unresolved::is_type_lookup;
use crate::core::Way;
use crate::dialect::Dialect;
use crate::event::Source;
use crate::footprint::{self, Step};
use crate::invalidate::Guard;
use crate::resolve::Resolved;
use crate::token::WriterId;

/// Who waits for a connection's statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// The thread.
    Blocks,
    /// A task.
    #[cfg_attr(
        not(any(feature = "async-postgres", feature = "async-mysql")),
        allow(dead_code, reason = "they are awaited")
    )]
    Awaits,
    /// That is not known yet: whoever makes connections asked for a tracker.
    Unknown,
}

/// A statement between its start and its finish.
pub(super) struct InFlight {
    pub(super) resolved: Arc<Resolved>,
    pub(super) guard: Option<Guard>,
    /// What it does to the transaction that commits are played in.
    pub(super) effect: Option<Effect>,
    /// Whether it is Diesel's question for a custom type, asked inside of another statement.
    pub(super) nested: bool,
    /// Its text, where a finish is told by it.
    pub(super) sql: Box<str>,
    pub(super) began: u64,
    /// What others of the same text hold.
    pub(super) held: Vec<Guard>,
}

/// What may still be at work on the server.
pub(super) struct Doubt {
    guard: Guard,
    /// It is over when a statement has answered that was begun after this.
    since: u64,
}

/// What has answered, and may not have committed yet.
pub(super) struct Trail {
    writer: WriterId,
    since: u64,
}

impl Tracker {
    /// Whether a task waits for the connection's statements, as far as can be known.
    // rule: what-may-be-awaited-is-taken-for-awaited
    pub(super) fn is_awaited(&self) -> bool {
        match self.manner {
            Manner::Blocks => false,
            Manner::Awaits => true,
            #[cfg(feature = "async")]
            Manner::Unknown => tokio::runtime::Handle::try_current().is_ok(),
            #[cfg(not(feature = "async"))]
            Manner::Unknown => false,
        }
    }

    /// How the store is told of what this connection does.
    pub(crate) fn way(&self) -> Way {
        match self.is_awaited() {
            true => Way::Handed,
            false => Way::Here,
        }
    }

    /// Whether the thread waits for its statements, as far as is known.
    pub(crate) fn blocks(&self) -> bool {
        self.manner != Manner::Awaits
    }

    /// It is known now who waits.
    pub(crate) fn set_manner(&mut self, manner: Manner) {
        self.manner = manner;
    }

    /// Whether no statement came between that might have begun a transaction, since a view was
    /// taken.
    #[cfg(feature = "async-postgres")]
    pub(crate) fn is_undisturbed_since(&self, view: &Self) -> bool {
        self.controls == view.controls && self.transaction.is_autocommit()
    }

    /// Whether an answer may be the one to an earlier statement. Of MySQL's, what is left of an
    /// answer when its statement is given up may be taken for the answer to the next.
    pub(crate) fn is_out_of_step(&self) -> bool {
        self.out_of_step
    }

    /// Whether it is a copy of what the tracker of a connection knows that several use.
    pub(crate) fn is_view(&self) -> bool {
        self.is_view
    }

    /// The time, as events count it.
    pub(super) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// The text by which a finish is told from others.
    pub(super) fn name_of(&self, text: &str) -> Box<str> {
        match (self.manner, self.dialect()) {
            (Manner::Blocks, _) => Box::default(),
            (_, Some(dialect)) => footprint::strip_binds(text, dialect).into(),
            (_, None) => text.split(" -- binds: [").next().unwrap_or_default().into(),
        }
    }

    /// Before another statement is sent: what is known of those that have not finished.
    pub(super) fn judge_unfinished(&mut self, text: &str) {
        if self.in_flight.is_empty() || !self.is_awaited() || is_type_lookup(text) {
            return;
        }
        // rule: mysql-has-one-statement-at-a-time
        if self.dialect() == Some(Dialect::Mysql) {
            self.is_exclusive();
            return;
        }
        // rule: what-follows-a-begin-under-way-may-be-inside
        let controls = |step: &Step| matches!(step, Step::Control(_));
        let mut unfinished = self.in_flight.iter();
        if unfinished.any(|other| other.resolved.analysis.steps.iter().any(controls)) {
            self.transaction.taint();
        }
    }

    /// Takes the statement that has finished; what was begun later, or earlier, is still there.
    pub(super) fn landed(&mut self, text: &str) -> Option<InFlight> {
        if self.manner == Manner::Blocks {
            return self.in_flight.pop();
        }
        let name = self.name_of(text);
        let same = |other: &InFlight| other.sql == name;
        let at = self.in_flight.iter().position(same)?;
        let mut landed = self.in_flight.remove(at);
        // rule: which-of-several-has-finished-is-not-known
        if let Some(other) = self.in_flight.iter_mut().find(|other| same(other)) {
            other.held.append(&mut landed.held);
            if let Some(guard) = landed.guard.take() {
                let mut held = other.guard.iter().chain(&other.held);
                // rule: what-is-held-does-not-grow
                // Another holds the same until the last has finished.
                match held.any(|known| known.holds_as_much_as(&guard)) {
                    true => guard.restore(),
                    false => other.held.push(guard),
                }
            }
        }
        Some(landed)
    }

    /// What an announced transaction has committed, for who awaits it to tell the store.
    pub(crate) fn take_committed(&mut self) -> Option<(Guard, Source)> {
        self.committed.take()
    }

    /// Whoever was to tell the store of what is committed was given up: the worker does.
    pub(super) fn hand_over_committed(&mut self) {
        if let Some((guard, source)) = self.committed.take() {
            guard.renew(source);
        }
    }

    /// Whoever asks has the connection for himself: what has not finished was given up.
    // rule: what-was-given-up-may-have-committed
    pub(crate) fn is_exclusive(&mut self) {
        let gave_up = std::mem::take(&mut self.asking) || !self.in_flight.is_empty();
        // rule: an-answer-to-another-question-is-none
        if gave_up && self.dialect() == Some(Dialect::Mysql) {
            self.out_of_step = true;
            self.transaction.lose_track();
        }
        if self.in_flight.is_empty() {
            return;
        }
        for unfinished in std::mem::take(&mut self.in_flight) {
            self.give_up(unfinished);
        }
        self.note_turn();
    }

    /// Follows a statement that has begun and will never finish.
    pub(super) fn give_up(&mut self, unfinished: InFlight) {
        let (resolved, unknown) = (&unfinished.resolved, Returned::Unknown);
        self.transaction.finish(resolved, unknown);
        let due = self.hooks.finish(resolved, None, unknown, self.dialect());
        told::unknown(&self.cache, due.unknown);
        self.note_schema_change(&unfinished.resolved.writes);
        let since = unfinished.began;
        let guards = unfinished.guard.into_iter().chain(unfinished.held);
        self.doubts
            .extend(guards.map(|guard| Doubt { guard, since }));
        if let Some(simulation) = &mut self.simulation {
            simulation.lose();
        }
    }

    /// It is not known whether what a guard holds is over.
    pub(super) fn doubt(&mut self, guard: Guard) {
        let since = self.tick();
        self.doubts.push(Doubt { guard, since });
    }

    /// A statement has answered that may not have committed what it wrote.
    pub(super) fn trail(&mut self, guard: Guard) {
        let since = self.tick();
        if guard.can_trail() {
            let writer = guard.trail();
            self.trails.push(Trail { writer, since });
        } else {
            self.doubts.push(Doubt { guard, since });
        }
    }

    /// Whether a statement that has answered is over. On a connection that is awaited its rows
    /// may still be on their way, and its commit comes after them.
    // rule: rows-come-before-their-commit
    pub(super) fn is_over(&self, finished: &InFlight) -> bool {
        let resolved = &finished.resolved;
        // What a statement with common tables writes, it may write after its rows.
        let word = finished
            .sql
            .trim_start_matches(['(', ' ', '\n', '\t', '\r'])
            .get(..4);
        let first = ["with", "expl", "desc"];
        let returns = resolved.returning
            || word.is_some_and(|word| first.iter().any(|one| word.eq_ignore_ascii_case(one)));
        let plain = |step: &Step| {
            matches!(
                step,
                Step::Write(_)
                    | Step::Ddl
                    | Step::CreateTemporary(_)
                    | Step::Control(_)
                    | Step::Session(_)
                    | Step::Harmless
            )
        };
        !self.is_awaited() || !returns && resolved.analysis.steps.iter().all(plain)
    }

    /// A statement has answered. On a connection that is awaited its error may come with its
    /// rows, and has then ended the transaction unseen; PostgreSQL refuses all that follows.
    // rule: what-is-answered-after-rows-proves-them
    pub(super) fn judge_rows(&mut self, finished: &InFlight, returned: Returned) {
        let resolved = &finished.resolved;
        if !self.is_awaited() || returned != Returned::Done {
            return;
        }
        let controls = |step: &Step| matches!(step, Step::Control(_));
        if !resolved.writes.is_empty() && !self.is_over(finished) {
            self.hooks.suspect();
            self.rows_at = self.tick();
        } else if self.dialect() == Some(Dialect::Postgres)
            && finished.began > self.rows_at
            && !resolved.analysis.steps.iter().any(controls)
        {
            self.hooks.vouch(false);
        }
    }

    /// Whether something waits for a commit of which an answer would prove that it is one.
    pub(crate) fn must_prove(&self) -> bool {
        self.is_awaited()
            && self.dialect() == Some(Dialect::Postgres)
            && self.hooks.is_suspected()
            && self.hooks.wait()
    }

    /// The session has answered to what was begun then: what it was asked before is over.
    pub(super) fn settle(&mut self, began: u64) {
        if self.out_of_step {
            return;
        }
        for doubt in std::mem::take(&mut self.doubts) {
            match doubt.since < began {
                true => doubt.guard.renew(Source::Unknown),
                false => self.doubts.push(doubt),
            }
        }
        let is_over = |trail: &Trail| trail.since < began;
        if self.trails.iter().any(is_over) {
            let over = self.trails.extract_if(.., |trail| trail.since < began);
            let writers: Vec<WriterId> = over.map(|trail| trail.writer).collect();
            self.cache.core().resolve_writers(&writers, self.way());
        }
    }

    /// Whether anything may still be at work.
    pub(super) fn is_at_work(&self) -> bool {
        let at_rest = self.in_flight.is_empty() && self.doubts.is_empty();
        !(at_rest && self.trails.is_empty() && self.committed.is_none())
    }

    /// What may still be at work is left behind, if its session runs elsewhere.
    pub(super) fn leave_doubts(&mut self) {
        for doubt in std::mem::take(&mut self.doubts) {
            drop(doubt.guard);
        }
    }
}

/// For those who await a connection to a server.
#[cfg(any(feature = "async-postgres", feature = "async-mysql"))]
impl Tracker {
    /// A statement of this crate's own is sent, and then answered.
    pub(crate) fn set_asking(&mut self, asking: bool) {
        self.asking = asking;
    }

    /// The session has answered to a statement of this crate's own, which was begun now at the
    /// latest and after all that was given up.
    pub(crate) fn answered(&mut self) {
        let now = self.tick();
        self.settle(now);
        self.note_turn();
    }
}
