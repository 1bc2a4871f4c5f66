//! The feed of invalidations, for whoever subscribed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::event::Invalidation;

/// The largest buffer of a subscriber: it is allocated at once.
const MOST: usize = 1 << 16;

/// Invalidations as they happen; made by [`Cache::subscribe`](crate::Cache::subscribe).
///
/// Lossy: what does not fit in its buffer is dropped, the newest first, and counted by
/// [`lost`](Self::lost). No write ever waits for a subscriber. As an iterator, it waits for the next event, and ends
/// when the last handle of the cache and the last connection attached to it are dropped.
#[derive(Debug)]
pub struct Subscription {
    events: Receiver<Arc<Invalidation>>,
    lost: Arc<AtomicU64>,
}

impl Subscription {
    /// The next event, if one is there.
    #[must_use]
    pub fn try_next(&self) -> Option<Arc<Invalidation>> {
        self.events.try_recv().ok()
    }

    /// The next event, or `None` if none comes within `wait` or the cache is gone.
    #[must_use]
    pub fn next_within(&self, wait: Duration) -> Option<Arc<Invalidation>> {
        self.events.recv_timeout(wait).ok()
    }

    /// How many events were dropped because this subscriber was too slow.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Iterator for Subscription {
    type Item = Arc<Invalidation>;

    fn next(&mut self) -> Option<Self::Item> {
        self.events.recv().ok()
    }
}

/// The subscribers of a cache.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    any: AtomicBool,
    subscribers: Mutex<Vec<Subscriber>>,
}

#[derive(Debug)]
struct Subscriber {
    events: SyncSender<Arc<Invalidation>>,
    lost: Arc<AtomicU64>,
}

impl Feed {
    /// A new subscriber, whose buffer holds `capacity` events, and one at least.
    pub(crate) fn subscribe(&self, capacity: usize) -> Subscription {
        let (sender, events) = sync_channel(capacity.clamp(1, MOST));
        let lost = Arc::new(AtomicU64::new(0));
        let mut subscribers = self
            .subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        subscribers.push(Subscriber {
            events: sender,
            lost: Arc::clone(&lost),
        });
        self.any.store(true, Ordering::SeqCst);
        Subscription { events, lost }
    }

    /// Whether anyone listens.
    pub(crate) fn is_heard(&self) -> bool {
        self.any.load(Ordering::SeqCst)
    }

    /// Tells every subscriber. Returns how many were too slow to take it.
    pub(crate) fn publish(&self, event: &Arc<Invalidation>) -> u64 {
        let mut subscribers = self
            .subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut dropped = 0;
        subscribers.retain(
            |subscriber| match subscriber.events.try_send(Arc::clone(event)) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    subscriber.lost.fetch_add(1, Ordering::Relaxed);
                    dropped += 1;
                    true
                }
                Err(TrySendError::Disconnected(_)) => false,
            },
        );
        self.any.store(!subscribers.is_empty(), Ordering::SeqCst);
        dropped
    }
}
