//! What this process must know to use a store that other processes use too, and that may lose
//! what it holds.
//!
//! Each write under way has a *ticket*: in which epoch of the store its quarantine is known. The
//! process testifies for an epoch when it has no ticket of another. Whatever could not be
//! delivered to the store waits here, and its tags are bypassed until it is.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::database::TagSpace;
use crate::protocol::gate;
use crate::tag::Tag;
use crate::token::{Epoch, Opening, WriterId};

mod delivery;
#[cfg(feature = "sqlite")]
pub(crate) mod lock_file;
mod worker;

use self::delivery::Backlog;
pub(crate) use self::delivery::Delivery;
pub(crate) use self::worker::start;

/// What the process knows of a shared store.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Whether anything is bypassed because it was not delivered.
    bypasses: AtomicBool,
    #[cfg(feature = "sqlite")]
    pub(crate) lock_files: lock_file::LockFiles,
    /// Told when there is something for the worker to do, and when it has delivered.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The newest epoch that this process knows of.
    epoch: Option<Epoch>,
    /// Since when the gate of each database is open, as far as is known.
    openings: HashMap<TagSpace, Option<Opening>>,
    tickets: HashMap<WriterId, Ticket>,
    backlog: Backlog,
    /// When each gate was last tried.
    tried: HashMap<TagSpace, Instant>,
    /// When the holders of quarantines were last asked for.
    asked: HashMap<TagSpace, Instant>,
    /// Whether the worker is to beat at once.
    hurry: bool,
    worker: Option<u32>,
    stopped: bool,
}

#[derive(Debug, Clone, Copy)]
struct Ticket {
    space: Option<TagSpace>,
    /// The epoch in which its quarantine is known; none while that is not certain.
    epoch: Option<Epoch>,
}

/// How long between two tries to open a gate, or to resolve what others left behind.
const PROBE_EVERY: Duration = Duration::from_millis(50);

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is complete in itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what was not delivered.
    fn change(&self, change: impl FnOnce(&mut Backlog)) {
        let mut state = self.state();
        change(&mut state.backlog);
        let bypasses = state.backlog.bypasses();
        self.bypasses.store(bypasses, Ordering::SeqCst);
    }

    /// The store is in that epoch.
    pub(crate) fn learn(&self, epoch: Epoch) {
        self.state().epoch = Some(epoch);
    }

    /// The gate of a database is open since then, or closed. Returns whether that is news.
    pub(crate) fn learn_opening(&self, space: TagSpace, opening: Option<Opening>) -> bool {
        let mut state = self.state();
        state.openings.insert(space, opening) != Some(opening)
    }

    /// Since when the gate of a database is open, as far as is known.
    pub(crate) fn opening(&self, space: TagSpace) -> Option<Opening> {
        self.state().openings.get(&space).copied().flatten()
    }

    /// A write is about to be announced. It has no epoch before that is acknowledged.
    // rule: an-announcement-under-way-is-of-no-epoch
    pub(crate) fn begin(&self, writer: WriterId, space: Option<TagSpace>, announced: bool) {
        let mut state = self.state();
        // What is not announced is of the epoch that is known: it was found out what it writes by
        // a catalogue of that epoch, or it writes everything.
        let epoch = state.epoch.filter(|_| !announced);
        state.tickets.insert(writer, Ticket { space, epoch });
    }

    /// All of its quarantine is known in that epoch; or that is not certain.
    pub(crate) fn acknowledge(&self, writer: WriterId, epoch: Option<Epoch>) {
        if let Some(ticket) = self.state().tickets.get_mut(&writer) {
            ticket.epoch = epoch;
        }
    }

    /// The database has ended it.
    pub(crate) fn end(&self, writer: WriterId) {
        self.state().tickets.remove(&writer);
    }

    /// Whether a write under way has that id.
    pub(crate) fn is_under_way(&self, writer: WriterId) -> bool {
        self.state().tickets.contains_key(&writer)
    }

    /// Whether no write to that database is under way whose quarantine may not be known in
    /// that epoch.
    // rule: a-process-testifies-for-its-writers
    pub(crate) fn may_testify(&self, epoch: Epoch, space: TagSpace) -> bool {
        let state = self.state();
        let of_space = |ticket: &&Ticket| ticket.space.is_none_or(|other| other == space);
        let tickets = state.tickets.values().filter(of_space);
        state.epoch == Some(epoch) && gate::may_testify(&epoch, tickets.map(|ticket| ticket.epoch))
    }

    /// The worker is to beat at once.
    pub(crate) fn hurry(&self) {
        self.state().hurry = true;
        self.changed.notify_all();
    }

    /// The databases that writes under way go to.
    pub(crate) fn written(&self) -> BTreeSet<TagSpace> {
        let state = self.state();
        state
            .tickets
            .values()
            .filter_map(|ticket| ticket.space)
            .collect()
    }

    /// Whether the gate of a database may be tried now.
    pub(crate) fn may_try(&self, space: TagSpace) -> bool {
        due(&mut self.state().tried, space)
    }

    /// Whether it may be asked now who holds the quarantines of a database.
    pub(crate) fn may_ask(&self, space: TagSpace) -> bool {
        due(&mut self.state().asked, space)
    }

    /// Whether anything has not been delivered.
    pub(crate) fn bypasses(&self) -> bool {
        self.bypasses.load(Ordering::SeqCst)
    }

    /// Whether something that touches these tags has not been delivered.
    // rule: what-is-not-delivered-is-bypassed
    pub(crate) fn is_undelivered(&self, tags: &[Tag]) -> bool {
        self.bypasses() && self.state().backlog.touches(tags)
    }

    /// What is written to these tags cannot be announced: they are bypassed until
    /// [`deliver`](Self::deliver) has succeeded for the same writer.
    pub(crate) fn withhold(&self, writer: WriterId, tags: &[Tag]) {
        self.change(|backlog| backlog.withhold(writer, tags));
    }

    /// What a writer was withheld for is delivered.
    pub(crate) fn settle(&self, writer: WriterId) {
        if self.bypasses() {
            self.change(|backlog| backlog.settle(writer));
        }
    }

    /// Something could not be delivered: the worker tries until it is.
    pub(crate) fn deliver(&self, delivery: Delivery) {
        self.change(|backlog| backlog.add(delivery));
        self.changed.notify_all();
    }

    /// Whether nothing waits to be delivered.
    pub(crate) fn is_idle(&self) -> bool {
        self.state().backlog.is_empty()
    }

    /// Waits until everything is delivered, for that long at most. Returns whether it is.
    pub(crate) fn flush(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience.min(Duration::from_secs(24 * 3600));
        let mut state = self.state();
        state.hurry = true;
        self.changed.notify_all();
        while !state.backlog.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Whether the store knows of no write of this process that is not over.
    #[cfg(feature = "sqlite")]
    pub(crate) fn owes_nothing(&self) -> bool {
        let state = self.state();
        state.backlog.is_empty() && state.tickets.is_empty()
    }

    /// The worker ends.
    pub(crate) fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }
}

fn due(last: &mut HashMap<TagSpace, Instant>, space: TagSpace) -> bool {
    let now = Instant::now();
    let due = last
        .get(&space)
        .is_none_or(|last| now.duration_since(*last) >= PROBE_EVERY);
    if due {
        last.insert(space, now);
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> TagSpace {
        TagSpace::of(b"blog")
    }

    #[test]
    fn a_process_testifies_when_its_writers_are_known_in_the_epoch() {
        let shared = Shared::default();
        let (one, two) = (Epoch::fresh(), Epoch::fresh());
        assert!(!shared.may_testify(one, space()), "not known yet");
        shared.learn(one);
        assert!(shared.may_testify(one, space()));
        let writer = WriterId::fresh();
        shared.begin(writer, Some(space()), true);
        assert!(!shared.may_testify(one, space()), "not acknowledged");
        assert!(shared.may_testify(one, TagSpace::of(b"shop")));
        shared.acknowledge(writer, Some(one));
        assert!(shared.may_testify(one, space()));
        shared.learn(two);
        assert!(!shared.may_testify(two, space()), "known in another");
        assert!(!shared.may_testify(one, space()), "no longer current");
        shared.end(writer);
        assert!(shared.may_testify(two, space()));
    }

    #[test]
    fn a_writer_to_an_unknown_database_may_write_to_any() {
        let shared = Shared::default();
        let epoch = Epoch::fresh();
        shared.learn(epoch);
        shared.begin(WriterId::fresh(), None, true);
        assert!(!shared.may_testify(epoch, space()));
    }
}
