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

/// What a reader is in a flight.
#[derive(Debug)]
pub(crate) enum Role<'a> {
    /// It asks the database.
    Leader(Leader<'a>),
    /// Another reader asked; this came of it, if anything, within the time.
    Follower(Option<Entry>),
}

/// The duty to land a flight. Dropped without a result, it lands empty.
#[derive(Debug)]
pub(crate) struct Leader<'a> {
    flights: &'a Flights,
    name: Name,
    flight: Arc<Flight>,
}

thread_local! {
    static LEADING: Cell<u32> = const { Cell::new(0) };
}

impl Flights {
    /// Joins the flight of that name, or starts it. Waits for at most `patience`.
    ///
    /// `None` inside another flight of this thread: waiting there could wait for itself.
    pub(crate) fn join(&self, key: &Key, vector: &Vector, patience: Duration) -> Option<Role<'_>> {
        // rule: no-flight-inside-a-flight
        if LEADING.get() > 0 {
            return None;
        }
        let name = (key.clone(), vector.clone());
        let flight = {
            let mut under_way = self
                .under_way
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match under_way.get(&name) {
                Some(flight) => Arc::clone(flight),
                None => {
                    let flight = Arc::new(Flight::default());
                    under_way.insert(name.clone(), Arc::clone(&flight));
                    LEADING.set(LEADING.get() + 1);
                    return Some(Role::Leader(Leader {
                        flights: self,
                        name,
                        flight,
                    }));
                }
            }
        };
        Some(Role::Follower(flight.wait(patience)))
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
        LEADING.set(LEADING.get() - 1);
    }
}
