//! A store's awaited operations, in place of those that block.

use std::future::Future;
use std::time::Instant;

use tokio::runtime::Handle;

use crate::backend::forward::forward;
use crate::backend::{
    Acknowledged, Ask, AwaitedBackend, CacheBackend, Declarations, Holder, Mark, Put, Standing,
    Unless, Usage, Writer,
};
use crate::config::Level;
use crate::database::TagSpace;
use crate::entry::Entry;
use crate::error::BackendError;
use crate::key::Key;
use crate::protocol::{Fetched, Lift};
use crate::tag::Tag;
use crate::token::{Epoch, Opening, ProcessId, WriterId};

/// A backend whose [awaited](AwaitedBackend) operations are checked: what reads wait for is
/// awaited on a runtime, by threads that wait for it there.
///
/// ```no_run
/// use diesel_cache::backend::conformance::{self, Awaited};
/// # #[cfg(feature = "redis")]
/// use diesel_cache::backend::{RedisBackend, RedisOptions};
///
/// # #[cfg(feature = "redis")]
/// # fn check() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// conformance::run(|namespace: &str| {
///     let mut options = RedisOptions::default();
///     options.namespace = namespace.to_owned();
///     let store = RedisBackend::connect("redis://localhost", options);
///     Awaited::new(store.unwrap(), runtime.handle().clone())
/// });
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Awaited<B> {
    inner: B,
    runtime: Handle,
}

impl<B: CacheBackend> Awaited<B> {
    /// That backend, awaited on that runtime.
    pub fn new(inner: B, runtime: Handle) -> Self {
        Self { inner, runtime }
    }

    fn wait<T>(
        &self,
        ask: impl AsyncFnOnce(&dyn AwaitedBackend) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        let unawaited = || BackendError::new("the backend cannot be awaited");
        let awaited = self.inner.awaited().ok_or_else(unawaited)?;
        self.block_on(ask(awaited))
    }

    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

impl<B: CacheBackend> CacheBackend for Awaited<B> {
    forward!(self => self.inner);

    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        Ok(self.fetch_unless(ask, None)?.fetched)
    }

    fn fetch_unless(&self, ask: &Ask<'_>, held: Option<Mark>) -> Result<Unless, BackendError> {
        self.wait(async |awaited| awaited.fetch_unless(*ask, held).await)
    }

    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Result<Fetched, BackendError> {
        Ok(self.recall_unless(key, attached, None)?.fetched)
    }

    fn recall_unless(
        &self,
        key: &Key,
        attached: &[TagSpace],
        held: Option<Mark>,
    ) -> Result<Unless, BackendError> {
        self.wait(async |awaited| awaited.recall_unless(key, attached, held).await)
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        self.wait(async |awaited| awaited.put(key, entry, holder).await)
    }

    fn release(&self, key: &Key, holder: ProcessId) -> Result<(), BackendError> {
        self.wait(async |awaited| awaited.release(key, holder).await)
    }
}
