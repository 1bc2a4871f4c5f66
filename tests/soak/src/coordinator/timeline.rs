//! Which faults are at work, as the history is told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::{nanos, now};
use crate::coordinator::collector::{Collector, Feed};
use crate::event::{Event, Time};
use crate::fault::Kind;

/// How often it says that time passes: nothing later is judged before.
const TICK: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Timeline {
    state: Arc<Mutex<State>>,
    ended: Arc<AtomicBool>,
    ticking: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    feed: Feed,
    /// How many of each kind are at work.
    active: HashMap<Kind, usize>,
    /// Until when each kind counts as lately.
    lately: HashMap<Kind, Time>,
    phase: u32,
    said: (u32, u32),
}

/// A fault at work; dropping it ends it.
#[derive(Debug)]
pub(super) struct AtWork<'a> {
    timeline: &'a Timeline,
    kind: Kind,
}

impl Timeline {
    pub(super) fn start(collector: &Collector) -> Self {
        let state = Arc::new(Mutex::new(State {
            feed: collector.feed(),
            active: HashMap::new(),
            lately: HashMap::new(),
            phase: 0,
            said: (0, 0),
        }));
        let ended = Arc::new(AtomicBool::new(false));
        let ticking = {
            let (state, ended) = (Arc::clone(&state), Arc::clone(&ended));
            thread::spawn(move || {
                while !ended.load(Ordering::SeqCst) {
                    lock(&state).say();
                    thread::sleep(TICK);
                }
            })
        };
        Self {
            state,
            ended,
            ticking: Some(ticking),
        }
    }

    /// A fault begins.
    pub(super) fn begin(&self, kind: Kind) -> AtWork<'_> {
        let mut state = lock(&self.state);
        *state.active.entry(kind).or_default() += 1;
        state.say();
        AtWork {
            timeline: self,
            kind,
        }
    }

    /// Another phase of the run begins; no fault is at work any more.
    pub(super) fn enter(&self, phase: u32) {
        let mut state = lock(&self.state);
        state.phase = phase;
        state.say();
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(ticking) = self.ticking.take() {
            let _ = ticking.join();
        }
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.timeline.state);
        if let Some(count) = state.active.get_mut(&self.kind) {
            *count -= 1;
        }
        let until = now() + nanos(Kind::AFTERMATH);
        state.lately.insert(self.kind, until);
        state.say();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn say(&mut self) {
        let at = now();
        self.lately.retain(|_, until| *until > at);
        let active = self.active.iter().filter(|(_, count)| **count > 0);
        let active = active.fold(0, |bits, (kind, _)| bits | kind.bit());
        let lately = self.lately.keys();
        let lately = lately.fold(self.phase, |bits, kind| bits | kind.bit());
        if self.said == (active, lately) {
            self.feed.tell(Event::Mark { at });
        } else {
            self.said = (active, lately);
            self.feed.tell(Event::Faults { at, active, lately });
        }
    }
}
