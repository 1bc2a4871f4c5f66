//! Counters: what the cache did, and why.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::backend::Usage;
use crate::bypass::Bypass;
use crate::event::Source;

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) puts: AtomicU64,
    pub(crate) rejected_outdated: AtomicU64,
    pub(crate) rejected_too_large: AtomicU64,
    pub(crate) rejected_dependencies: AtomicU64,
    pub(crate) expirations: AtomicU64,
    pub(crate) quarantines: AtomicU64,
    pub(crate) resolves: AtomicU64,
    pub(crate) joined: AtomicU64,
    pub(crate) served_meanwhile: AtomicU64,
    pub(crate) backend_errors: AtomicU64,
    pub(crate) trackers_removed: AtomicU64,
    pub(crate) strategy_panics: AtomicU64,
    pub(crate) events_lost: AtomicU64,
    pub(crate) receivers_failed: AtomicU64,
    pub(crate) commits_unknown: AtomicU64,
    pub(crate) invalidations_compared: AtomicU64,
    pub(crate) over_invalidations: AtomicU64,
    pub(crate) outbox_failures: AtomicU64,
    pub(crate) relayed: AtomicU64,
    pub(crate) relay_failures: AtomicU64,
    bypasses: [AtomicU64; Bypass::ALL.len()],
    invalidations: [AtomicU64; Source::ALL.len()],
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn bypass(&self, reason: Bypass) {
        count(&self.bypasses[reason as usize]);
    }

    pub(crate) fn invalidation(&self, source: Source) {
        count(&self.invalidations[source as usize]);
    }

    pub(crate) fn snapshot(&self, usage: Usage) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            hits: read(&self.hits),
            misses: read(&self.misses),
            bypasses: Bypass::ALL
                .into_iter()
                .map(|reason| (reason, read(&self.bypasses[reason as usize])))
                .filter(|(_, n)| *n > 0)
                .collect(),
            puts: read(&self.puts),
            rejected_outdated: read(&self.rejected_outdated),
            rejected_too_large: read(&self.rejected_too_large),
            rejected_dependencies: read(&self.rejected_dependencies),
            expirations: read(&self.expirations),
            invalidations: Source::ALL
                .into_iter()
                .map(|source| (source, read(&self.invalidations[source as usize])))
                .filter(|(_, n)| *n > 0)
                .collect(),
            quarantines: read(&self.quarantines),
            resolves: read(&self.resolves),
            joined: read(&self.joined),
            served_meanwhile: read(&self.served_meanwhile),
            backend_errors: read(&self.backend_errors),
            trackers_removed: read(&self.trackers_removed),
            strategy_panics: read(&self.strategy_panics),
            events_lost: read(&self.events_lost),
            receivers_failed: read(&self.receivers_failed),
            commits_unknown: read(&self.commits_unknown),
            invalidations_compared: read(&self.invalidations_compared),
            over_invalidations: read(&self.over_invalidations),
            outbox_failures: read(&self.outbox_failures),
            relayed: read(&self.relayed),
            relay_failures: read(&self.relay_failures),
            usage,
        }
    }
}

/// What a cache did since it was built.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Reads served from the cache.
    pub hits: u64,
    /// Reads that went to the database because nothing valid was stored.
    pub misses: u64,
    /// Reads that could not use the cache, by reason; reasons that never occurred are left out.
    pub bypasses: Vec<(Bypass, u64)>,
    /// Results stored.
    pub puts: u64,
    /// Results not stored because a write overtook them.
    pub rejected_outdated: u64,
    /// Results not stored because they are too large.
    pub rejected_too_large: u64,
    /// Computed values not stored because it is not certain what they depend on; see
    /// [`Unstored`](crate::Unstored).
    pub rejected_dependencies: u64,
    /// Entries found too old.
    pub expirations: u64,
    /// Times that tags got new tokens, by what caused it; causes that never occurred are left out.
    pub invalidations: Vec<(Source, u64)>,
    /// Times that a writer put tags under quarantine.
    pub quarantines: u64,
    /// Quarantines of unknown outcome that were resolved by evidence.
    pub resolves: u64,
    /// Misses that got the result of another read of the same thing under way.
    pub joined: u64,
    /// Hits on entries at or past the end of their life that another reader was making anew; see
    /// [`stale_while_revalidate`](crate::Builder::stale_while_revalidate).
    pub served_meanwhile: u64,
    /// Failures of the backend.
    pub backend_errors: u64,
    /// Trackers that were removed from a live connection.
    pub trackers_removed: u64,
    /// Strategies that panicked when they were told of an invalidation.
    pub strategy_panics: u64,
    /// Invalidations that a subscriber was too slow to take.
    pub events_lost: u64,
    /// Receivers of `post_commit` and `post_write`, and functions given to
    /// [`on_commit`](crate::Cache::on_commit), that returned an error or panicked.
    pub receivers_failed: u64,
    /// Writes of models and functions given to [`on_commit`](crate::Cache::on_commit) whose
    /// commit nobody was told of, because it is not known whether it happened.
    pub commits_unknown: u64,
    /// Results that were read anew because a write invalidated them, and were compared with what
    /// they were before; see [`over_invalidations`](crate::Cache::over_invalidations).
    pub invalidations_compared: u64,
    /// Those of them that were the same: they were invalidated for nothing.
    pub over_invalidations: u64,
    /// Transactions that could not put a row into the outbox, and were committed without; see
    /// [`Level::Durable`](crate::Level::Durable).
    pub outbox_failures: u64,
    /// Rows of the outbox that this process' relay has told the store of.
    pub relayed: u64,
    /// Times that the relay could not reach its database, or the store.
    pub relay_failures: u64,
    /// What the backend holds.
    pub usage: Usage,
}

impl Stats {
    /// How often reads could not use the cache for that reason.
    #[must_use]
    pub fn bypassed(&self, reason: Bypass) -> u64 {
        self.bypasses
            .iter()
            .find(|(found, _)| *found == reason)
            .map_or(0, |(_, n)| *n)
    }

    /// How often tags got new tokens because of that.
    #[must_use]
    pub fn invalidated(&self, source: Source) -> u64 {
        self.invalidations
            .iter()
            .find(|(found, _)| *found == source)
            .map_or(0, |(_, n)| *n)
    }
}
