//! Who waits for the store, and for others that read the same: a thread, or a task.

use std::future::{self, Future};
use std::sync::Arc;
use std::time::Duration;

use super::Core;
use crate::backend::{Ask, Put};
use crate::entry::Entry;
use crate::error::BackendError;
use crate::flight::{Came, Following};
use crate::key::Key;
use crate::protocol::Fetched;
use crate::token::ProcessId;

/// How whoever reads waits for anything but the database.
pub(crate) trait Reach {
    /// As [`fetch`](crate::backend::CacheBackend::fetch).
    fn fetch(
        core: &Arc<Core>,
        ask: &Ask<'_>,
    ) -> impl Future<Output = Result<Fetched, BackendError>> + Send;

    /// As [`recall`](crate::backend::CacheBackend::recall), with the databases that this process
    /// is attached to.
    fn recall(
        core: &Arc<Core>,
        key: &Key,
    ) -> impl Future<Output = Result<Fetched, BackendError>> + Send;

    /// As [`put`](crate::backend::CacheBackend::put). Once begun, it runs to its end, whoever
    /// waits for it.
    fn put(
        core: &Arc<Core>,
        key: Key,
        entry: Entry,
        holder: Option<ProcessId>,
    ) -> impl Future<Output = Result<Put, BackendError>> + Send;

    /// Runs what may wait for the store in any other way, where it keeps nobody from going on. Once
    /// begun, it runs to its end. `None` if it cannot be begun any more, or panicked.
    fn aside<T: Send + 'static>(
        core: &Arc<Core>,
        run: impl FnOnce(&Arc<Core>) -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send;

    /// Whether waiting holds up the thread.
    const HOLDS_UP: bool;

    /// Waits, for that long at most, for what comes of another's read, if anything.
    fn follow(flight: Following, patience: Duration) -> impl Future<Output = Came> + Send;

    /// Sleeps.
    fn sleep(time: Duration) -> impl Future<Output = ()> + Send;
}

/// The thread waits.
#[derive(Debug)]
pub(crate) struct Thread;

impl Reach for Thread {
    fn fetch(
        core: &Arc<Core>,
        ask: &Ask<'_>,
    ) -> impl Future<Output = Result<Fetched, BackendError>> + Send {
        future::ready(core.backend.fetch(ask))
    }

    fn recall(
        core: &Arc<Core>,
        key: &Key,
    ) -> impl Future<Output = Result<Fetched, BackendError>> + Send {
        future::ready(core.backend.recall(key, &core.attached()))
    }

    fn put(
        core: &Arc<Core>,
        key: Key,
        entry: Entry,
        holder: Option<ProcessId>,
    ) -> impl Future<Output = Result<Put, BackendError>> + Send {
        future::ready(core.backend.put(key, entry, holder))
    }

    fn aside<T: Send + 'static>(
        core: &Arc<Core>,
        run: impl FnOnce(&Arc<Core>) -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send {
        future::ready(Some(run(core)))
    }

    const HOLDS_UP: bool = true;

    fn follow(flight: Following, patience: Duration) -> impl Future<Output = Came> + Send {
        future::ready(flight.wait(patience))
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + Send {
        std::thread::sleep(time);
        future::ready(())
    }
}
