//! SQLite behind diesel-async's wrapper: its statements block a thread where that is allowed, and
//! so does all that this crate does with it.

use std::future::Future;
use std::sync::Arc;

use diesel::backend::Backend;
use diesel::connection::{Instrumentation, SimpleConnection};
use diesel::query_builder::{
    CollectedQuery, MoveableBindCollector, Query, QueryBuilder, QueryFragment, QueryId,
};
use diesel::result::QueryResult;
use diesel::sqlite::query_builder::SqliteQueryBuilder;
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_async::AsyncConnectionCore;
use diesel_async::sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper};

use crate::asynchronous::{CacheConnection, CacheReader};
use crate::cache::Cache;
use crate::connection::{self, AttachConnection, Blocking, Tracker, quietly};
use crate::error::Error;
use crate::now::now;
use crate::query::{Options, Stored, execute};

/// A query that borrows nothing: its text and its binds.
fn owned<Q: QueryFragment<Sqlite>>(
    query: &Q,
) -> QueryResult<
    CollectedQuery<
        <<Sqlite as Backend>::BindCollector<'static> as MoveableBindCollector<Sqlite>>::BindData,
    >,
> {
    let mut builder = SqliteQueryBuilder::new();
    query.to_sql(&mut builder, &Sqlite)?;
    let mut binds = <Sqlite as Backend>::BindCollector::default();
    query.collect_binds(&mut binds, &mut (), &Sqlite)?;
    let may_stay = query.is_safe_to_cache_prepared(&Sqlite)?;
    Ok(CollectedQuery::new(
        builder.finish(),
        may_stay,
        binds.moveable(),
    ))
}

impl<R> CacheReader for SyncConnectionWrapper<SqliteConnection, R>
where
    Self: AsyncConnectionCore<Backend = Sqlite>,
    R: SpawnBlocking + Send,
{
    fn read_cached<Q, S>(
        &mut self,
        query: Q,
        mut options: Options,
        row_type: &'static str,
    ) -> impl Future<Output = QueryResult<Arc<S>>> + Send
    where
        Q: Query + QueryFragment<Sqlite> + QueryId + Send,
        S: Stored<Sqlite>,
    {
        let query = owned(&query);
        async move {
            let query = query?;
            options.leave();
            // The thread goes on when this is dropped, and tells when nobody listens any more.
            let owed = options.owe();
            let read = move |conn: &mut SqliteConnection| {
                now(execute(query, options, &mut Blocking(conn), row_type))
            };
            let rows = self.spawn_blocking(read).await;
            owed.settle();
            rows
        }
    }
}

impl<R> CacheConnection for SyncConnectionWrapper<SqliteConnection, R>
where
    Self: AsyncConnectionCore<Backend = Sqlite>,
    R: SpawnBlocking + Send,
{
    async fn attach_cache(
        &mut self,
        cache: &Cache,
        next: Option<Box<dyn Instrumentation>>,
    ) -> Result<(), Error> {
        let cache = cache.clone();
        let attached = self.spawn_blocking(move |conn| Ok(conn.attach_cache(&cache, next)));
        attached.await.map_err(Error::Attach)?
    }

    async fn has_cache(&mut self, cache: &Cache) -> bool {
        let cache = cache.clone();
        let attached = self.spawn_blocking(move |conn| Ok(conn.has_cache(&cache)));
        attached.await.unwrap_or(false)
    }

    async fn with_tracker<T: Send + 'static>(
        &mut self,
        run: impl FnOnce(Option<&mut Tracker>) -> T + Send + 'static,
    ) -> Option<T> {
        let done = self.spawn_blocking(|conn| Ok(run(connection::tracker(conn))));
        done.await.ok()
    }

    async fn announce_writes(&mut self) -> QueryResult<()> {
        self.spawn_blocking(|conn| now(connection::announce(&mut Blocking(conn))))
            .await
    }

    // Its thread told the store.
    async fn tell_committed(&mut self) {}

    async fn ask_for_life(&mut self) -> QueryResult<()> {
        self.spawn_blocking(|conn| quietly(conn, |conn| conn.batch_execute("SELECT 1")))
            .await
    }
}
