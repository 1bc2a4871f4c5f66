//! Who waits for the store, and for others that read the same: a thread, or a task.

use std::future::{self, Future};
use std::marker::PhantomData;
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

    /// Ends a lease, some time soon, and waits for nothing.
    fn let_go(core: &Arc<Core>, key: Key);

    /// Whether waiting holds up the thread.
    const HOLDS_UP: bool;

    /// Waits, for that long at most, for what comes of another's read, if anything.
    fn follow(flight: Following, patience: Duration) -> impl Future<Output = Came> + Send;

    /// Sleeps.
    fn sleep(time: Duration) -> impl Future<Output = ()> + Send;
}

/// A lease to make an entry. Dropped before it [has ended](Self::end), since nobody waits for the entry
/// any more, it is given back.
#[derive(Debug)]
pub(crate) struct Held<'c, R: Reach> {
    core: &'c Arc<Core>,
    key: Option<&'c Key>,
    reach: PhantomData<fn(R)>,
}

impl<'c, R: Reach> Held<'c, R> {
    pub(crate) fn new(core: &'c Arc<Core>, key: &'c Key, is_granted: bool) -> Self {
        Self {
            core,
            key: is_granted.then_some(key),
            reach: PhantomData,
        }
    }

    /// Who holds it; nobody, if it was not granted.
    pub(crate) fn holder(&self) -> Option<ProcessId> {
        self.key.map(|_| self.core.process)
    }

    /// It ends with what is stored or given back now.
    pub(crate) fn end(mut self) -> Option<ProcessId> {
        let holder = self.holder();
        self.key = None;
        holder
    }
}

impl<R: Reach> Drop for Held<'_, R> {
    // rule: a-lease-of-one-who-is-gone-is-given-back
    fn drop(&mut self) {
        if let Some(key) = self.key {
            R::let_go(self.core, key.clone());
        }
    }
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

    // It ends by itself: a thread gives up what it makes only when it panics.
    fn let_go(_: &Arc<Core>, _: Key) {}

    const HOLDS_UP: bool = true;

    fn follow(flight: Following, patience: Duration) -> impl Future<Output = Came> + Send {
        future::ready(flight.wait(patience))
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + Send {
        std::thread::sleep(time);
        future::ready(())
    }
}
