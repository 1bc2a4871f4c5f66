//! Telling receivers that can change nothing any more: of commits and of statements.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::connection::Connection;
use diesel::result::{Error, QueryResult};

use crate::cache::Cache;
use crate::connection::{AttachConnection, tracker};
use crate::footprint::Step;
use crate::resolve::Resolved;
use crate::signal::{Hook, PostWrite};

impl Cache {
    /// Runs `run` after the outermost transaction of the connection has committed, and
    /// after what it wrote was invalidated; at once, if no transaction is open.
    ///
    /// It does not run if the transaction is rolled back, or the savepoint that it was
    /// asked for in, or if it is not known whether the commit happened; the last case is
    /// counted in [`Stats::commits_unknown`](crate::Stats::commits_unknown). What is asked
    /// for first runs first. A panic is caught and counted in
    /// [`Stats::receivers_failed`](crate::Stats::receivers_failed): the commit has happened.
    ///
    /// It runs on the thread that commits, before the commit returns to its caller. The
    /// connection is still in use then: a `run` that waits for it, as the only one of a
    /// pool, waits in vain.
    ///
    /// ```
    /// use diesel::prelude::*;
    /// use diesel_cache::Cache;
    /// use std::sync::mpsc::channel;
    ///
    /// let cache = Cache::from_url("memory://")?;
    /// let mut conn = SqliteConnection::establish(":memory:")?;
    /// cache.attach(&mut conn)?;
    /// let (sent, received) = channel();
    /// conn.transaction(|conn| {
    ///     cache.on_commit(conn, move || sent.send("committed").unwrap_or(()))?;
    ///     assert!(received.try_recv().is_err());
    ///     QueryResult::Ok(())
    /// })?;
    /// assert_eq!(received.try_recv()?, "committed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`QueryBuilderError`](Error::QueryBuilderError) if this cache is not attached to
    /// the connection: nothing would see the commit.
    pub fn on_commit<C>(&self, conn: &mut C, run: impl FnOnce() + Send + 'static) -> QueryResult<()>
    where
        C: Connection + AttachConnection,
    {
        match tracker(conn).filter(|tracker| tracker.cache().is(self)) {
            Some(tracker) => {
                tracker.after_commit(Box::new(move || {
                    run();
                    0
                }));
                Ok(())
            }
            None => Err(Error::QueryBuilderError(
                "the cache is not attached to this connection".into(),
            )),
        }
    }
}

/// Runs hooks, whatever each of them does.
pub(super) fn run(cache: &Cache, hooks: Vec<Hook>) {
    let run = |hook: Hook| catch_unwind(AssertUnwindSafe(hook)).unwrap_or(1);
    failed(cache, "post_commit", hooks.into_iter().map(run).sum());
}

/// Counts hooks of which it is not known whether their commit happened.
// rule: an-unknown-commit-is-counted
pub(super) fn unknown(cache: &Cache, hooks: u64) {
    if hooks > 0 {
        add(&cache.core().counters.commits_unknown, hooks);
        log::warn!(
            "it is not known whether a transaction has committed: {hooks} receivers of \
             post_commit do not run"
        );
    }
}

/// Tells the receivers of `post_write`, if the statement wrote.
pub(super) fn wrote(cache: &Cache, resolved: &Resolved, in_transaction: bool) {
    let signal = cache.signals().post_write();
    if resolved.writes.is_empty() || !signal.has_receivers() {
        return;
    }
    // Where the catalogue is not known, any read counts as a write to everything.
    let writes = |step: &Step| match step {
        Step::Read(access) => !access.unknown_functions.is_empty(),
        Step::Control(_) | Step::Session(_) | Step::Harmless => false,
        _ => true,
    };
    if !resolved.analysis.steps.iter().any(writes) {
        return;
    }
    let steps = resolved.analysis.steps.iter();
    let targets: Vec<_> = steps
        .filter_map(|step| match step {
            Step::Write(write) => Some(write.targets.iter().cloned()),
            _ => None,
        })
        .flatten()
        .collect();
    let writes = &resolved.writes;
    let told = signal.send_robust(&PostWrite {
        targets: &targets,
        tables: &writes.tables,
        anything: writes.is_unbounded(),
        in_transaction,
    });
    let errors = told.iter().filter(|(_, told)| told.is_err()).count();
    failed(cache, "post_write", errors as u64);
}

// An error's text may hold values of the row, so it is not logged.
fn failed(cache: &Cache, signal: &str, receivers: u64) {
    if receivers > 0 {
        add(&cache.core().counters.receivers_failed, receivers);
        log::warn!("{receivers} receivers of {signal} failed");
    }
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
