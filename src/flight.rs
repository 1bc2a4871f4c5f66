//! Single flight: of several reads that miss the same thing, one asks the database.
//!
//! A flight is named by the key *and* the vector that its readers captured. A
//! follower captured the same tokens as the leader, after the leader did, so no
//! write of theirs lies between the two captures, and the leader's result is as
//! fresh as the follower may ask for.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::entry::{Entry, Vector};
use crate::key::Key;

type Name = (Key, Vector);

/// The flights under way.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    under_way: Mutex<HashMap<Name, Arc<Flight>>>,
    /// How many have ended.
    ended: AtomicU64,
}

#[derive(Debug, Default)]
struct Flight {
    state: Mutex<State>,
    landed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    came: Option<Came>,
    /// Whoever waits for it, and holds up no thread.
    wakers: Vec<Waker>,
}

/// What came of a flight.
#[derive(Debug, Clone)]
pub(crate) enum Came {
    /// A result.
    Landed(Entry),
    /// Nothing, or not in time.
    Nothing,
    /// Its leader was given up: another may lead.
    Abandoned,
}

/// A reader's place in a flight.
#[derive(Debug)]
pub(crate) enum Seat<'a> {
    /// It asks the database.
    Leader(Leader<'a>),
    /// Another reader asks.
    Follower(Following),
}

/// A flight that another reader leads.
#[derive(Debug)]
pub(crate) struct Following(Arc<Flight>);

/// The duty to land a flight. Dropped before it has, it is abandoned.
#[derive(Debug)]
pub(crate) struct Leader<'a> {
    flights: &'a Flights,
    name: Name,
    flight: Arc<Flight>,
    /// Whether its thread is at nothing else until it lands.
    holds_up: bool,
}

thread_local! {
    static LEADING: Cell<u32> = const { Cell::new(0) };
}

impl Flights {
    /// How many flights have ended: what was not there before may be there since.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::SeqCst)
    }

    /// Joins the flight of that name, or starts it. What waits for it holds up a thread, or not.
    ///
    /// `None` inside another flight of this thread, if it would be held up: waiting there could
    /// wait for itself.
    pub(crate) fn enter(&self, key: &Key, vector: &Vector, holds_up: bool) -> Option<Seat<'_>> {
        // rule: no-flight-inside-a-flight
        if holds_up && LEADING.get() > 0 {
            return None;
        }
        let name = (key.clone(), vector.clone());
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = under_way.get(&name) {
            return Some(Seat::Follower(Following(Arc::clone(flight))));
        }
        let flight = Arc::new(Flight::default());
        under_way.insert(name.clone(), Arc::clone(&flight));
        if holds_up {
            LEADING.set(LEADING.get() + 1);
        }
        Some(Seat::Leader(Leader {
            flights: self,
            name,
            flight,
            holds_up,
        }))
    }
}

impl Following {
    /// Waits on this thread, for that long at most.
    pub(crate) fn wait(&self, patience: Duration) -> Came {
        // The wait is bounded, whatever was asked for.
        let patience = patience.min(Duration::from_secs(3600));
        let flies = |state: &mut State| state.came.is_none();
        let waited = self
            .0
            .landed
            .wait_timeout_while(self.0.state(), patience, flies);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.came.clone().unwrap_or(Came::Nothing)
    }

    /// Whether it has come to anything; if not, the task is woken when it has.
    #[cfg(feature = "async")]
    pub(crate) fn poll(&self, task: &std::task::Context<'_>) -> std::task::Poll<Came> {
        let mut state = self.0.state();
        if let Some(came) = &state.came {
            return std::task::Poll::Ready(came.clone());
        }
        let waits = |waker: &Waker| waker.will_wake(task.waker());
        if !state.wakers.iter().any(waits) {
            state.wakers.push(task.waker().clone());
        }
        std::task::Poll::Pending
    }
}

impl Flight {
    /// Tells everybody what came of it, unless they know.
    fn tell(&self, came: Came) {
        let mut state = self.state();
        state.came.get_or_insert(came);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.landed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leader<'_> {
    /// Hands the result to the followers, also to those that come before this is dropped: the
    /// leader may have it stored meanwhile.
    pub(crate) fn land(&self, entry: Entry) {
        self.flight.tell(Came::Landed(entry));
    }

    /// Nothing comes of it, for anybody.
    pub(crate) fn fail(self) {
        self.flight.tell(Came::Nothing);
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        // Before others may lead: they look once more.
        self.flights.ended.fetch_add(1, Ordering::SeqCst);
        self.flights
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.name);
        // rule: an-abandoned-flight-has-another-leader
        self.flight.tell(Came::Abandoned);
        if self.holds_up {
            LEADING.set(LEADING.get() - 1);
        }
    }
}
