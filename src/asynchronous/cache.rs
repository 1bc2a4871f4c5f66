//! The cache, for those who await it.

use std::future::Future;
use std::ops::Deref;
#[cfg(any(feature = "bb8", feature = "deadpool", feature = "mobc"))]
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::Instrumentation;
use diesel::result::Error as DieselError;
#[cfg(any(feature = "bb8", feature = "deadpool", feature = "mobc"))]
use diesel::result::{ConnectionError, QueryResult};
#[cfg(any(feature = "bb8", feature = "deadpool", feature = "mobc"))]
use diesel_async::pooled_connection::{ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncConnection, TransactionManager};
#[cfg(any(feature = "bb8", feature = "deadpool", feature = "mobc"))]
use futures_util::future::BoxFuture;

use crate::asynchronous::{CacheConnection, aside, transaction};
use crate::cache::Cache;
use crate::error::Error;
use crate::model::CacheModel;

/// A [`Cache`] whose operations are awaited: none of those here keeps a thread of the runtime
/// waiting for a store, nor does [`Value::get_or_insert_async`](crate::Value::get_or_insert_async).
/// All else that [`Cache`] alone has does: with a shared store, ask for it where blocking is allowed.
///
/// Cloning it is cheap; all clones are one cache, and [`Cache`] is another handle to it. What stands
/// here in place of a method of [`Cache`] has its terms.
#[derive(Debug, Clone)]
pub struct AsyncCache(Cache);

impl From<Cache> for AsyncCache {
    fn from(cache: Cache) -> Self {
        Self(cache)
    }
}

impl Deref for AsyncCache {
    type Target = Cache;

    fn deref(&self) -> &Cache {
        &self.0
    }
}

/// An async closure whose future can be named, so that it can be asked to be `Send`: that of
/// `AsyncFnOnce` cannot, as yet. The idea is diesel-async's.
pub trait NamedAsyncFnOnce<A, T>:
    AsyncFnOnce(A) -> T + FnOnce(A) -> <Self as NamedAsyncFnOnce<A, T>>::Future
{
    /// What it returns.
    type Future: Future<Output = T>;
}

impl<F, A, T, Fut> NamedAsyncFnOnce<A, T> for F
where
    F: AsyncFnOnce(A) -> T + FnOnce(A) -> Fut,
    Fut: Future<Output = T>,
{
    type Future = Fut;
}

impl AsyncCache {
    /// As [`Cache::from_url`].
    ///
    /// # Errors
    /// If the URL is not understood.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        Cache::from_url(url).map(Self)
    }

    /// As [`Cache::from_env`].
    ///
    /// # Errors
    /// If the configuration is not understood.
    pub fn from_env() -> Result<Self, Error> {
        Cache::from_env().map(Self)
    }

    /// Attaches this cache to a connection: its cached reads use the cache, and every write
    /// through it is seen.
    ///
    /// # Errors
    /// If the connection cannot be asked.
    pub fn attach(
        &self,
        conn: &mut impl CacheConnection,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        conn.attach_cache(&self.0, None)
    }

    /// Like [`attach`](Self::attach), and passes every event on to `next`.
    ///
    /// # Errors
    /// If the connection cannot be asked.
    pub fn attach_with(
        &self,
        conn: &mut impl CacheConnection,
        next: impl Instrumentation,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        conn.attach_cache(&self.0, Some(Box::new(next)))
    }

    /// What to give to `AsyncDieselConnectionManager::new_with_config`: this cache is attached to
    /// each connection that the pool makes, and each is asked for a sign of life before it is
    /// handed out, which tells that whatever was given up on it is over.
    #[cfg(any(feature = "bb8", feature = "deadpool", feature = "mobc"))]
    #[must_use]
    pub fn manager_config<C>(&self) -> ManagerConfig<C>
    where
        C: CacheConnection + AsyncConnection + 'static,
    {
        self.manager_config_with(|_| Box::pin(std::future::ready(Ok(()))))
    }

    /// Like [`manager_config`](Self::manager_config); each new connection is prepared before it is
    /// asked anything, and before the cache hears of it: with a `busy_timeout` on SQLite, say.
    ///
    /// ```
    /// # #[cfg(all(feature = "async-sqlite", feature = "deadpool"))]
    /// # fn config() -> Result<(), diesel_cache::Error> {
    /// use diesel::SqliteConnection;
    /// use diesel_async::SimpleAsyncConnection;
    /// use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
    /// use diesel_cache::asynchronous::AsyncCache;
    ///
    /// let cache = AsyncCache::from_url("memory://")?;
    /// let config = cache.manager_config_with::<SyncConnectionWrapper<SqliteConnection>>(|conn| {
    ///     Box::pin(conn.batch_execute("PRAGMA busy_timeout = 2000"))
    /// });
    /// # drop(config);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(any(feature = "bb8", feature = "deadpool", feature = "mobc"))]
    #[must_use]
    pub fn manager_config_with<C>(
        &self,
        prepare: impl Fn(&mut C) -> BoxFuture<'_, QueryResult<()>> + Send + Sync + 'static,
    ) -> ManagerConfig<C>
    where
        C: CacheConnection + AsyncConnection + 'static,
    {
        fn recycle<C: CacheConnection>(conn: &mut C) -> BoxFuture<'_, QueryResult<()>> {
            Box::pin(conn.ask_for_life())
        }

        let (cache, prepare) = (self.clone(), Arc::new(prepare));
        let mut config = ManagerConfig::<C>::default();
        config.custom_setup = Box::new(move |url| {
            let (cache, prepare) = (cache.clone(), Arc::clone(&prepare));
            Box::pin(async move {
                let refused = ConnectionError::CouldntSetupConfiguration;
                let mut conn = C::establish(url).await?;
                prepare(&mut conn).await.map_err(refused)?;
                let attached = cache.attach(&mut conn).await;
                attached.map_err(|error| {
                    refused(match error {
                        Error::Attach(error) => error,
                        other => DieselError::QueryBuilderError(other.into()),
                    })
                })?;
                Ok(conn)
            })
        });
        config.recycling_method = RecyclingMethod::CustomFunction(Box::new(recycle::<C>));
        config
    }

    /// Runs a transaction of which every write is seen, and announced to the store before it is
    /// committed.
    ///
    /// Like diesel-async's `transaction`, but refuses to begin where the cache is not attached to
    /// the connection. If the future is dropped, the connection is left with an open
    /// transaction, as diesel-async leaves it: pools close it when its turn comes to be handed
    /// out again. Until then it keeps its locks, and what it wrote is read from the database. Spawn
    /// what must not be given up: servers drop the request of a client that hangs up.
    ///
    /// # Errors
    /// What `run` returns, what the database returns, or
    /// [`QueryBuilderError`](DieselError::QueryBuilderError) if this cache is not attached, or if
    /// a shared store is out of reach and
    /// [`OnUnreachable::Abort`](crate::OnUnreachable::Abort) was chosen; nothing is written then.
    pub async fn transaction<C, T, E, F>(&self, conn: &mut C, run: F) -> Result<T, E>
    where
        C: CacheConnection + AsyncConnection,
        for<'c> F: AsyncFnOnce(&'c mut C) -> Result<T, E>
            + NamedAsyncFnOnce<&'c mut C, Result<T, E>, Future: Send>
            + Send,
        E: From<DieselError> + Send,
        T: Send,
    {
        if !conn.has_cache(&self.0).await {
            let why = "the cache is not attached to this connection";
            return Err(DieselError::QueryBuilderError(why.into()).into());
        }
        C::TransactionManager::begin_transaction(conn).await?;
        let result = run(conn).await;
        transaction::end(conn, result).await
    }

    /// Waits until everything that was invalidated is delivered to a shared store, for that long
    /// at most. Returns whether it is.
    pub async fn flush(&self, patience: Duration) -> bool {
        let cache = self.0.clone();
        aside(move || cache.flush(patience)).await.unwrap_or(false)
    }

    /// As [`Cache::shutdown`].
    pub async fn shutdown(&self, patience: Duration) -> bool {
        let cache = self.0.clone();
        aside(move || cache.shutdown(patience))
            .await
            .unwrap_or(false)
    }

    /// As [`Cache::invalidate_table`].
    pub async fn invalidate_table(&self, table: &str) {
        let (cache, table) = (self.0.clone(), table.to_owned());
        aside(move || cache.invalidate_table(&table)).await;
    }

    /// As [`Cache::invalidate_row`].
    pub async fn invalidate_row<M: CacheModel>(&self, instance: &M) {
        let _ = instance;
        self.invalidate_table(M::TABLE).await;
    }

    /// As [`Cache::invalidate_tag`].
    pub async fn invalidate_tag(&self, name: &str) {
        let (cache, name) = (self.0.clone(), name.to_owned());
        aside(move || cache.invalidate_tag(&name)).await;
    }

    /// As [`Cache::clear`].
    pub async fn clear(&self) {
        let cache = self.0.clone();
        aside(move || cache.clear()).await;
    }
}
