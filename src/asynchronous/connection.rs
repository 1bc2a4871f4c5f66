//! Connections that a cache can be attached to.

use std::future::Future;
use std::sync::Arc;

use diesel::connection::Instrumentation;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel_async::AsyncConnectionCore;

use crate::cache::Cache;
use crate::connection::Tracker;
use crate::error::Error;
use crate::query::{Options, Stored};
use crate::statement::CacheDatabase;

/// A connection of [`diesel_async`] that reads are cached on: each that a cache can be
/// [attached](CacheConnection) to, and `&AsyncPgConnection`, on which several futures may read at
/// once.
///
/// What it asks for is of this crate alone: it cannot be implemented elsewhere.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a connection of diesel-async that diesel-cache knows",
    label = "reads cannot be cached on this",
    note = "switch on the feature `async-postgres`, `async-mysql` or `async-sqlite` of `diesel-cache`; for a connection from a pool also `bb8`, `deadpool` or `mobc`"
)]
pub trait CacheReader: AsyncConnectionCore<Backend: CacheDatabase> {
    /// Runs a cached read.
    #[doc(hidden)]
    fn read_cached<Q, S>(
        &mut self,
        query: Q,
        options: Options,
        row_type: &'static str,
    ) -> impl Future<Output = QueryResult<Arc<S>>> + Send
    where
        Q: Query + QueryFragment<Self::Backend> + QueryId + Send,
        S: Stored<Self::Backend>;
}

/// A connection of [`diesel_async`] that a cache can be attached to: `AsyncPgConnection`,
/// `AsyncMysqlConnection`, `SyncConnectionWrapper<SqliteConnection>`, and those of the pools of
/// bb8, deadpool and mobc.
///
/// What it asks for is of this crate alone: it cannot be implemented elsewhere.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a connection of diesel-async that diesel-cache knows",
    label = "a cache cannot be attached to this",
    note = "switch on the feature `async-postgres`, `async-mysql` or `async-sqlite` of `diesel-cache`; for a connection from a pool also `bb8`, `deadpool` or `mobc`"
)]
pub trait CacheConnection: CacheReader {
    /// Attaches the cache, and passes every event on to `next`, if there is one.
    #[doc(hidden)]
    fn attach_cache(
        &mut self,
        cache: &Cache,
        next: Option<Box<dyn Instrumentation>>,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Whether this cache is attached.
    #[doc(hidden)]
    fn has_cache(&mut self, cache: &Cache) -> impl Future<Output = bool> + Send;

    /// Does something with what follows the connection; with nothing, if no cache is attached.
    /// `None` if it could not be done.
    #[doc(hidden)]
    fn with_tracker<T: Send + 'static>(
        &mut self,
        run: impl FnOnce(Option<&mut Tracker>) -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send;

    /// Announces what the open transaction is about to commit.
    #[doc(hidden)]
    fn announce_writes(&mut self) -> impl Future<Output = QueryResult<()>> + Send;

    /// Tells the store of what that transaction has committed.
    #[doc(hidden)]
    fn tell_committed(&mut self) -> impl Future<Output = ()> + Send;

    /// Asks the server for a sign of life: whatever was given up before is over then.
    #[doc(hidden)]
    fn ask_for_life(&mut self) -> impl Future<Output = QueryResult<()>> + Send;
}

/// Implements it for a connection that answers to tasks.
#[cfg(any(feature = "async-postgres", feature = "async-mysql"))]
macro_rules! awaited {
    ($connection:ty) => {
        impl CacheReader for $connection {
            fn read_cached<Q, S>(
                &mut self,
                query: Q,
                options: Options,
                row_type: &'static str,
            ) -> impl Future<Output = QueryResult<Arc<S>>> + Send
            where
                Q: Query + QueryFragment<Self::Backend> + QueryId + Send,
                S: Stored<Self::Backend>,
            {
                // In its own place: as a part of every future that reads it would be too large.
                Box::pin(
                    async move { execute(query, options, &mut Awaiting(self), row_type).await },
                )
            }
        }

        impl CacheConnection for $connection {
            async fn attach_cache(
                &mut self,
                cache: &Cache,
                next: Option<Box<dyn Instrumentation>>,
            ) -> Result<(), Error> {
                if Awaiting(self)
                    .tracker()
                    .is_some_and(|tracker| tracker.is_out_of_step())
                {
                    return Err(Error::Attach(out_of_step()));
                }
                let tracker = Tracker::new(cache.clone(), next, Manner::Awaits);
                self.set_instrumentation(tracker);
                connection::introduce(&mut Awaiting(self)).await
            }

            async fn has_cache(&mut self, cache: &Cache) -> bool {
                let tracker = Awaiting(self)
                    .tracker()
                    .map(|tracker| tracker.cache().is(cache));
                tracker.unwrap_or(false)
            }

            async fn with_tracker<T: Send + 'static>(
                &mut self,
                run: impl FnOnce(Option<&mut Tracker>) -> T + Send + 'static,
            ) -> Option<T> {
                Some(run(Awaiting(self).tracker()))
            }

            async fn announce_writes(&mut self) -> QueryResult<()> {
                connection::announce(&mut Awaiting(self)).await
            }

            async fn tell_committed(&mut self) {
                connection::tell_committed(&mut Awaiting(self)).await;
            }

            async fn ask_for_life(&mut self) -> QueryResult<()> {
                let mut conn = Awaiting(self);
                if conn
                    .tracker()
                    .is_some_and(|tracker| tracker.is_out_of_step())
                {
                    return Err(out_of_step());
                }
                conn.batch("SELECT 1").await
            }
        }
    };
}

#[cfg(any(feature = "async-postgres", feature = "async-mysql"))]
use self::of_servers::*;

#[cfg(any(feature = "async-postgres", feature = "async-mysql"))]
mod of_servers {
    /// What a connection is refused with whose answers can no longer be told apart.
    pub(super) fn out_of_step() -> diesel::result::Error {
        let why = "a statement on this connection was given up, and what is left of its answer may \
                   be taken for the next";
        diesel::result::Error::QueryBuilderError(why.into())
    }

    pub(super) use diesel_async::AsyncConnection;

    pub(super) use crate::asynchronous::link::Awaiting;
    pub(super) use crate::connection::{self, Manner, Wire};
    pub(super) use crate::query::execute;
}

#[cfg(feature = "async-postgres")]
awaited!(diesel_async::AsyncPgConnection);

#[cfg(feature = "async-mysql")]
awaited!(diesel_async::AsyncMysqlConnection);
