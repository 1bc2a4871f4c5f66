//! The circuit breaker: a store that fails is left alone for a while.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Whether a store is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerState {
    /// It is.
    Closed,
    /// It failed, and is not asked for a while.
    Open,
    /// The while is over: one operation tries.
    HalfOpen,
}

/// Counts failures in a row. It holds no lock, so that a process forked from this one does
/// not find it locked.
#[derive(Debug)]
pub(super) struct Breaker {
    most: u32,
    pause: Duration,
    /// How long a probe may take before another is let through.
    probe: Duration,
    begin: Instant,
    failures: AtomicU32,
    /// Until then nothing is asked, in milliseconds after `begin`.
    closed_until: AtomicU64,
}

impl Breaker {
    pub(super) fn new(most: u32, pause: Duration, probe: Duration) -> Self {
        Self {
            most: most.max(1),
            pause,
            probe,
            begin: Instant::now(),
            failures: AtomicU32::new(0),
            closed_until: AtomicU64::new(0),
        }
    }

    fn after(&self, time: Duration) -> u64 {
        let at = self.begin.elapsed().saturating_add(time);
        u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn state(&self) -> BreakerState {
        if self.failures.load(Ordering::Relaxed) < self.most {
            BreakerState::Closed
        } else if self.after(Duration::ZERO) < self.closed_until.load(Ordering::Relaxed) {
            BreakerState::Open
        } else {
            BreakerState::HalfOpen
        }
    }

    /// Whether the store may be asked now. Of several callers at the end of the pause one may,
    /// and the others may when it has not come back in time.
    pub(super) fn admits(&self) -> bool {
        if self.failures.load(Ordering::Relaxed) < self.most {
            return true;
        }
        let until = self.closed_until.load(Ordering::Relaxed);
        if self.after(Duration::ZERO) < until {
            return false;
        }
        // rule: one-probe-at-a-time
        self.closed_until
            .compare_exchange(
                until,
                self.after(self.probe).max(until + 1),
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    pub(super) fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Returns whether this failure opened it.
    pub(super) fn failed(&self) -> bool {
        let before = self.failures.fetch_add(1, Ordering::Relaxed);
        if before >= u32::MAX / 2 {
            self.failures.store(self.most, Ordering::Relaxed);
        }
        if before.saturating_add(1) < self.most {
            return false;
        }
        self.closed_until
            .store(self.after(self.pause), Ordering::Relaxed);
        before.saturating_add(1) == self.most
    }
}
