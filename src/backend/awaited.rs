//! What reads ask of a store, for those who await it.

use std::fmt::Debug;
use std::future::{self, Future};
use std::pin::Pin;

use crate::backend::{Ask, CacheBackend, Mark, Put, Unless};
use crate::database::TagSpace;
use crate::entry::Entry;
use crate::error::BackendError;
use crate::key::Key;
use crate::token::ProcessId;

/// What a store will have answered.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, BackendError>> + Send + 'a>>;

/// The operations that reads wait for, of a store that keeps no thread waiting: each under the
/// terms of its namesake in [`CacheBackend`].
///
/// They are awaited on tokio's runtimes. A future may be dropped at any time: the store may have
/// done then what it was asked, or may do it later.
pub trait AwaitedBackend: Debug + Send + Sync {
    /// As [`CacheBackend::fetch_unless`].
    fn fetch_unless<'a>(&'a self, ask: Ask<'a>, held: Option<Mark>) -> Answer<'a, Unless>;

    /// As [`CacheBackend::recall_unless`].
    fn recall_unless<'a>(
        &'a self,
        key: &'a Key,
        attached: &'a [TagSpace],
        held: Option<Mark>,
    ) -> Answer<'a, Unless>;

    /// As [`CacheBackend::put`].
    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Answer<'_, Put>;

    /// As [`CacheBackend::release`].
    fn release<'a>(&'a self, key: &'a Key, holder: ProcessId) -> Answer<'a, ()>;
}

/// How a store is asked what reads wait for. What stands in front of another store is written
/// once, over this.
pub(crate) trait Asks: std::marker::Copy + Send + Sync {
    fn fetch_unless(
        self,
        ask: &Ask<'_>,
        held: Option<Mark>,
    ) -> impl Future<Output = Result<Unless, BackendError>> + Send;

    fn recall_unless(
        self,
        key: &Key,
        attached: &[TagSpace],
        held: Option<Mark>,
    ) -> impl Future<Output = Result<Unless, BackendError>> + Send;

    fn put(
        self,
        key: Key,
        entry: Entry,
        holder: Option<ProcessId>,
    ) -> impl Future<Output = Result<Put, BackendError>> + Send;

    fn release(
        self,
        key: &Key,
        holder: ProcessId,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;
}

/// By a thread that waits.
#[derive(Debug)]
pub(crate) struct Blocks<'a, B: ?Sized>(pub(crate) &'a B);

/// By a task that awaits, if the store can be awaited.
#[derive(Debug)]
pub(crate) struct Awaits<'a, B: ?Sized>(pub(crate) &'a B);

impl<B: ?Sized> Clone for Blocks<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: ?Sized> std::marker::Copy for Blocks<'_, B> {}

impl<B: ?Sized> Clone for Awaits<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: ?Sized> std::marker::Copy for Awaits<'_, B> {}

impl<B: CacheBackend + ?Sized> Asks for Blocks<'_, B> {
    fn fetch_unless(
        self,
        ask: &Ask<'_>,
        held: Option<Mark>,
    ) -> impl Future<Output = Result<Unless, BackendError>> + Send {
        future::ready(self.0.fetch_unless(ask, held))
    }

    fn recall_unless(
        self,
        key: &Key,
        attached: &[TagSpace],
        held: Option<Mark>,
    ) -> impl Future<Output = Result<Unless, BackendError>> + Send {
        future::ready(self.0.recall_unless(key, attached, held))
    }

    fn put(
        self,
        key: Key,
        entry: Entry,
        holder: Option<ProcessId>,
    ) -> impl Future<Output = Result<Put, BackendError>> + Send {
        future::ready(self.0.put(key, entry, holder))
    }

    fn release(
        self,
        key: &Key,
        holder: ProcessId,
    ) -> impl Future<Output = Result<(), BackendError>> + Send {
        future::ready(self.0.release(key, holder))
    }
}

fn unawaited() -> BackendError {
    BackendError::new("a store that cannot be awaited")
}

impl<B: CacheBackend + ?Sized> Asks for Awaits<'_, B> {
    async fn fetch_unless(self, ask: &Ask<'_>, held: Option<Mark>) -> Result<Unless, BackendError> {
        let awaited = self.0.awaited().ok_or_else(unawaited)?;
        awaited.fetch_unless(*ask, held).await
    }

    async fn recall_unless(
        self,
        key: &Key,
        attached: &[TagSpace],
        held: Option<Mark>,
    ) -> Result<Unless, BackendError> {
        let awaited = self.0.awaited().ok_or_else(unawaited)?;
        awaited.recall_unless(key, attached, held).await
    }

    async fn put(
        self,
        key: Key,
        entry: Entry,
        holder: Option<ProcessId>,
    ) -> Result<Put, BackendError> {
        let awaited = self.0.awaited().ok_or_else(unawaited)?;
        awaited.put(key, entry, holder).await
    }

    async fn release(self, key: &Key, holder: ProcessId) -> Result<(), BackendError> {
        let awaited = self.0.awaited().ok_or_else(unawaited)?;
        awaited.release(key, holder).await
    }
}
