//! A task that waits for the store, or for others.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use crate::asynchronous::aside;
use crate::backend::{Ask, Asks, Awaits, Lease, Put, Which};
use crate::core::{Core, Reach};
use crate::entry::Entry;
use crate::error::BackendError;
use crate::flight::{Came, Following};
use crate::key::Key;
use crate::protocol::Fetched;
use crate::tag::Tag;
use crate::token::ProcessId;

/// The task waits. A store in memory is asked at once, one that can be awaited is awaited, and any
/// other is asked where blocking is allowed.
#[derive(Debug)]
pub(crate) struct Task;

/// What comes of work that panicked, or could not be begun any more.
fn lost() -> BackendError {
    BackendError::new("the work for the store was given up")
}

/// Whether the store can be awaited, and here.
fn is_awaited(core: &Core) -> bool {
    core.backend.awaited().is_some() && tokio::runtime::Handle::try_current().is_ok()
}

impl Reach for Task {
    async fn fetch(core: &Arc<Core>, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        if !core.is_shared() {
            return core.backend.fetch(ask);
        }
        if is_awaited(core) {
            let unless = Awaits(&core.backend).fetch_unless(ask, None).await?;
            return Ok(unless.fetched);
        }
        let (core, ask) = (Arc::clone(core), Owned::of(ask));
        let fetched = aside(move || ask.with(|ask| core.backend.fetch(ask)));
        fetched.await.unwrap_or_else(|| Err(lost()))
    }

    async fn recall(core: &Arc<Core>, key: &Key) -> Result<Fetched, BackendError> {
        if !core.is_shared() {
            return core.backend.recall(key, &core.attached());
        }
        if is_awaited(core) {
            let attached = core.attached();
            let unless = Awaits(&core.backend).recall_unless(key, &attached, None);
            return Ok(unless.await?.fetched);
        }
        let (core, key) = (Arc::clone(core), key.clone());
        let recalled = aside(move || core.backend.recall(&key, &core.attached()));
        recalled.await.unwrap_or_else(|| Err(lost()))
    }

    async fn put(
        core: &Arc<Core>,
        key: Key,
        entry: Entry,
        holder: Option<ProcessId>,
    ) -> Result<Put, BackendError> {
        if !core.is_shared() {
            return core.backend.put(key, entry, holder);
        }
        let core = Arc::clone(core);
        if is_awaited(&core) {
            // Once begun, it runs to its end.
            let put = async move { Awaits(&core.backend).put(key, entry, holder).await };
            return tokio::spawn(put).await.unwrap_or_else(|_| Err(lost()));
        }
        let put = aside(move || core.backend.put(key, entry, holder));
        put.await.unwrap_or_else(|| Err(lost()))
    }

    async fn aside<T: Send + 'static>(
        core: &Arc<Core>,
        run: impl FnOnce(&Arc<Core>) -> T + Send + 'static,
    ) -> Option<T> {
        if !core.is_shared() {
            return Some(run(core));
        }
        let core = Arc::clone(core);
        aside(move || run(&core)).await
    }

    fn let_go(core: &Arc<Core>, key: Key) {
        // Whoever ends a runtime ends its leases' time as well.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let core = Arc::clone(core);
        if is_awaited(&core) {
            runtime.spawn(async move {
                let _ = Awaits(&core.backend).release(&key, core.process).await;
            });
        } else if core.is_shared() {
            runtime.spawn_blocking(move || core.backend.release(&key, core.process));
        }
    }

    const HOLDS_UP: bool = false;

    async fn follow(flight: Following, patience: Duration) -> Came {
        let landed = poll_fn(|task| flight.poll(task));
        let came = tokio::time::timeout(patience, landed).await;
        came.unwrap_or(Came::Nothing)
    }

    async fn sleep(time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// What a store is asked for, where it must outlive who asks.
#[derive(Debug)]
struct Owned {
    key: Option<Key>,
    tags: Vec<Tag>,
    also: Vec<Tag>,
    which: Which,
    establish: bool,
    lease: Option<Lease>,
}

impl Owned {
    fn of(ask: &Ask<'_>) -> Self {
        Self {
            key: ask.key.cloned(),
            tags: ask.tags.to_vec(),
            also: ask.also.to_vec(),
            which: Which::of(ask.databases),
            establish: ask.establish,
            lease: ask.lease,
        }
    }

    fn with<T>(&self, run: impl FnOnce(&Ask<'_>) -> T) -> T {
        run(&Ask {
            key: self.key.as_ref(),
            tags: &self.tags,
            also: &self.also,
            databases: self.which.databases(),
            establish: self.establish,
            lease: self.lease,
        })
    }
}
