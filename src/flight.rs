//! Single flight: of several reads that miss the same thing, one asks the database.
//!
//! A flight is named by the key *and* the vector that its readers captured. A
//! follower captured the same tokens as the leader, after the leader did, so no
//! write of theirs lies between the two captures, and the leader's result is as
//! fresh as the follower may ask for.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::entry::{Entry, Vector};
use crate::key::Key;

type Name = (Key, Vector);

/// The flights under way.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    under_way: Mutex<HashMap<Name, Arc<Flight>>>,
}

#[derive(Debug, Default)]
struct Flight {
    state: Mutex<State>,
    landed: Condvar,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Flying,
    Landed(Option<Entry>),
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

/// The duty to land a flight. Dropped without a result, it lands empty.
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
    /// Waits on this thread, for that long at most, for what comes of it, if anything.
    pub(crate) fn wait(&self, patience: Duration) -> Option<Entry> {
        self.0.wait(patience)
    }
}

impl Flight {
    fn wait(&self, patience: Duration) -> Option<Entry> {
        // The wait is bounded, whatever was asked for.
        let deadline = Instant::now() + patience.min(Duration::from_secs(3600));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let State::Landed(entry) = &*state {
                return entry.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self
                .landed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Leader<'_> {
    /// Hands the result to the followers.
    pub(crate) fn land(self, entry: Entry) {
        self.set(Some(entry));
    }

    fn set(&self, entry: Option<Entry>) {
        let mut state = self
            .flight
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Flying) {
            *state = State::Landed(entry);
        }
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        self.set(None);
        self.flights
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.name);
        self.flight.landed.notify_all();
        if self.holds_up {
            LEADING.set(LEADING.get() - 1);
        }
    }
}
