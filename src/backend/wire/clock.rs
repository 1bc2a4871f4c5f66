//! Times on their way to a shared store and back.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The latest time that can be written: scripts count in doubles.
pub(super) const LATEST: u64 = (1 << 53) - 1;
/// No time lies further ahead, whatever the store says.
const FAR: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// One moment on both clocks. Between processes times cross as Unix milliseconds. They only
/// bound how long things live; nothing that keeps a hit from being stale rests on them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    now: Instant,
    unix: u64,
}

impl Clock {
    /// This moment.
    pub(crate) fn now() -> Self {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            now: Instant::now(),
            unix: millis(unix).min(LATEST),
        }
    }

    /// This moment, in Unix milliseconds.
    pub(crate) fn unix(&self) -> u64 {
        self.unix
    }

    /// That moment, in Unix milliseconds. A fraction of one is cut off at the end of a life.
    pub(crate) fn to_unix(self, at: Instant) -> u64 {
        if at >= self.now {
            let ahead = millis(at - self.now);
            self.unix.saturating_add(ahead).min(LATEST)
        } else {
            self.unix.saturating_sub(millis(self.now - at))
        }
    }

    /// That moment on this process' clock.
    pub(crate) fn to_instant(self, unix: u64) -> Instant {
        let apart = Duration::from_millis(unix.abs_diff(self.unix)).min(FAR);
        let moment = if unix >= self.unix {
            self.now.checked_add(apart)
        } else {
            self.now.checked_sub(apart)
        };
        // Before the clock began, or after it ends: what lies too far back is over now.
        moment.unwrap_or(self.now)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
