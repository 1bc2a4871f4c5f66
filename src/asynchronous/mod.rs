//! Cached reads, models and transactions on connections of [`diesel_async`].
//!
//! ```no_run
//! # #[cfg(all(feature = "async-postgres", feature = "bb8"))]
//! # mod app {
//! use diesel::prelude::*;
//! use diesel_async::pooled_connection::AsyncDieselConnectionManager;
//! use diesel_async::{AsyncPgConnection, RunQueryDsl};
//! use diesel_cache::asynchronous::{AsyncCache, CachedDsl};
//!
//! diesel::table! { posts (id) { id -> Integer, title -> Text } }
//!
//! pub(crate) async fn run() -> Result<(), Box<dyn std::error::Error>> {
//!     let cache = AsyncCache::from_url("memory://")?;
//!     let config = cache.manager_config::<AsyncPgConnection>();
//!     let manager = AsyncDieselConnectionManager::new_with_config("postgres://localhost/blog", config);
//! #   let pool = bb8::Pool::builder().build(manager).await?;
//!     // … a pool of bb8, deadpool or mobc …
//!     let mut conn = pool.get().await?;
//!     let titles: Vec<String> = posts::table.select(posts::title).cached().load(&mut conn).await?;
//!     rename(&cache, &mut conn, 1, &titles.join(" and ")).await?;
//!     Ok(())
//! }
//!
//! async fn rename(
//!     cache: &AsyncCache,
//!     conn: &mut AsyncPgConnection,
//!     id: i32,
//!     title: &str,
//! ) -> QueryResult<usize> {
//!     cache
//!         .transaction(conn, async |conn| {
//!             let post = posts::table.find(id);
//!             diesel::update(post).set(posts::title.eq(title)).execute(conn).await
//!         })
//!         .await
//! }
//! # }
//! ```
//!
//! # What is promised
//!
//! The core is that of connections that block, and so are the statistics, the reasons and the
//! errors. No thread of the runtime waits for a store: Redis is awaited, on a connection that all
//! tasks of a runtime share; others are asked where blocking is allowed; and what need not be waited
//! for is handed to the cache's own worker. That makes one difference, on a store that other
//! processes share:
//!
//! | write | in this process | in other processes |
//! |---|---|---|
//! | [`AsyncCache::transaction`], and the helpers of models | a read that begins after the commit is fresh | the same: the store has the quarantine before `COMMIT` is sent |
//! | any other statement or transaction | a read that begins after the commit is fresh | a read is stale at most until the worker has told the store, which it is asked to when the statement is sent; [`AsyncCache::flush`] waits for that. If the process dies in between, at most for the time to live |
//!
//! With the store in memory, and on `SyncConnectionWrapper`, each write is as if it blocked. On the
//! latter the values that it writes are not known, for diesel-async tells them in another form: it
//! invalidates by table.
//!
//! A future may be dropped at any time. What it had begun may still be at work on the server, and
//! counts as written: what it touches is read from the database until that is over. What was
//! begun on a connection from a pool is known to be over when the connection is taken from the
//! pool the next time, if the pool was made with [`AsyncCache::manager_config`]; on any other,
//! with its next cached read or transaction.
//!
//! Statements through `&AsyncPgConnection`, which may overlap, can be read through the cache.
//! One that writes is followed until its future has come to its end or is dropped.
//!
//! A statement that returns no rows is to be `execute`d: `load` on one that writes says that it
//! has returned before it has committed. That is expected only of a text with `RETURNING` or `WITH`, or
//! that explains or describes.

mod cache;
mod connection;
#[cfg(any(feature = "async-postgres", feature = "async-mysql"))]
mod link;
mod load;
mod model;
#[cfg(any(feature = "bb8", feature = "deadpool", feature = "mobc"))]
mod pools;
#[cfg(any(feature = "async-postgres", feature = "async-mysql"))]
mod reader;
#[cfg(feature = "async-postgres")]
mod sharing;
mod task;
mod transaction;
#[cfg(feature = "async-sqlite")]
mod wrapper;

pub use self::cache::AsyncCache;
pub use self::connection::{CacheConnection, CacheReader};
pub use self::load::{AsyncCached, CachedDsl, LoadCached, LoadShared};
pub use self::model::{CreateDsl, DeleteAllDsl, DeleteDsl, InsertModel, SaveAllDsl, SaveDsl};
pub(crate) use self::task::Task;

/// Runs what may block where that is allowed. Once begun, it runs to its end, whoever waits.
// rule: no-thread-of-a-runtime-waits-for-the-store
async fn aside<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(run).await.ok(),
        Err(_) => Some(run()),
    }
}
