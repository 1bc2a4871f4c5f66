//! The relays of a cache: what is known of them here. What they do stands in `relay`.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::{Cache, Inner};
use crate::bypass::Bypass;

/// Runs one relay until it is stopped.
pub(crate) type Run = Box<dyn FnOnce(&WeakCache, &Arc<Relays>) + Send>;

/// A relay that is to be started with the cache.
pub(crate) struct Relay(pub(crate) Run);

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Relay")
    }
}

/// A cache that may be gone.
#[derive(Debug)]
pub(crate) struct WeakCache(Weak<Inner>);

impl WeakCache {
    /// The cache, if it is still in use.
    pub(crate) fn upgrade(&self) -> Option<Cache> {
        self.0.upgrade().map(Cache)
    }

    /// Whether nobody uses it but its own relays, whose connections are attached to it.
    // rule: a-relay-does-not-keep-its-cache
    pub(crate) fn is_abandoned(&self, relays: &Relays) -> bool {
        self.0.strong_count() <= relays.attached.load(Ordering::SeqCst)
    }
}

/// How the relays of a cache stand.
#[derive(Debug)]
pub(crate) struct Relays {
    /// How many there are.
    all: usize,
    /// How many have not yet looked at what was left before the cache was built.
    behind: AtomicUsize,
    /// How many have a connection that is attached to the cache.
    attached: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    stopped: bool,
    /// How many threads there are.
    running: usize,
}

impl Relays {
    pub(super) fn new(all: usize) -> Arc<Self> {
        Arc::new(Self {
            all,
            behind: AtomicUsize::new(all),
            attached: AtomicUsize::new(0),
            state: Mutex::new(State {
                stopped: false,
                running: 0,
            }),
            changed: Condvar::new(),
        })
    }

    /// One of them has seen to what was left.
    pub(crate) fn caught_up(&self) {
        self.behind.fetch_sub(1, Ordering::SeqCst);
    }

    /// One of them may have missed something.
    pub(crate) fn fell_behind(&self) {
        self.behind.fetch_add(1, Ordering::SeqCst);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of them has a connection now, or none. `was` is what it said last.
    pub(crate) fn note_attached(&self, was: &mut bool, is: bool) {
        match (std::mem::replace(was, is), is) {
            (false, true) => self.attached.fetch_add(1, Ordering::SeqCst),
            (true, false) => self.attached.fetch_sub(1, Ordering::SeqCst),
            _ => 0,
        };
    }

    /// Waits for that long, or until they are to stop. Returns whether they are.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.state(), time, |state| !state.stopped);
        waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }

    /// They are to stop.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    /// Waits until they have stopped, for that long at most.
    pub(super) fn await_end(&self, patience: Duration) {
        let waited = self
            .changed
            .wait_timeout_while(self.state(), patience, |state| state.running > 0);
        drop(waited);
    }

    fn begins(&self) {
        self.state().running += 1;
    }

    fn ends(&self) {
        self.state().running -= 1;
        self.changed.notify_all();
    }
}

impl Cache {
    /// Starts the relays, each in a thread of its own.
    pub(super) fn start(&self, relays: Vec<Relay>) {
        for relay in relays {
            let (cache, standing) = (
                WeakCache(Arc::downgrade(&self.0)),
                Arc::clone(&self.0.relays),
            );
            standing.begins();
            let runs = Arc::clone(&standing);
            let started = std::thread::Builder::new()
                .name("diesel-cache-relay".to_owned())
                .spawn(move || {
                    (relay.0)(&cache, &runs);
                    runs.ends();
                });
            if let Err(error) = started {
                standing.ends();
                log::error!("the cache's relay cannot be started: {error}");
            }
        }
    }

    /// Whether an outbox is looked after.
    pub(crate) fn has_relay(&self) -> bool {
        self.0.relays.all > 0
    }

    /// Why reads do not use the cache now, whatever they read.
    ///
    /// What was left in an outbox while nobody ran is told to the store before anything is served.
    // rule: nothing-is-served-before-the-outbox-was-looked-at
    pub(crate) fn refuses(&self) -> Option<Bypass> {
        if !self.is_enabled() {
            Some(Bypass::Disabled)
        } else if self.0.relays.behind.load(Ordering::SeqCst) > 0 {
            Some(Bypass::Behind)
        } else {
            None
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.relays.stop();
    }
}
