//! The end of a cache's life.

use std::time::{Duration, Instant};

use crate::cache::Cache;

impl Cache {
    /// Waits until all invalidations that could not be delivered to a shared store are, for that
    /// long at most. Returns whether they are. In memory there is never anything to wait for.
    pub fn flush(&self, patience: Duration) -> bool {
        self.core().shared.flush(patience)
    }

    /// Like [`flush`](Self::flush), and ends the threads that deliver them, and the relays. For the end of the
    /// process, when no connection writes any more. What is not delivered by then is lost:
    /// other processes may then read what is older, for the time to live at most.
    pub fn shutdown(&self, patience: Duration) -> bool {
        // rule: a-shutdown-waits-no-longer-than-it-may
        let began = Instant::now();
        let shared = &self.core().shared;
        let delivered = shared.flush(patience);
        shared.stop();
        self.0.relays.stop();
        let left = patience.saturating_sub(began.elapsed());
        self.0.relays.await_end(left);
        delivered
    }
}
