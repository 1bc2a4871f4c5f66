//! Values that tasks compute.

use std::future::Future;

use super::CacheValue;
use super::compute::{Value, anybody};
use crate::asynchronous::Task;
use crate::dependencies::Dependencies;

impl Value {
    /// As [`get_or_insert_with`](Self::get_or_insert_with), for those who await what they compute.
    /// No thread of the runtime waits for the store.
    ///
    /// What is seen is what the task itself does, on whatever thread. What it spawns is not, unless
    /// it is told of the handle. On connections that block, and on SQLite's wrapper, it cannot be told
    /// which task a statement is for: a value is then not stored if anybody used one without the handle while it
    /// was computed.
    ///
    /// If the future is dropped, nothing is stored, and the next who waits for the value computes
    /// it.
    ///
    /// ```
    /// # #[cfg(feature = "async-sqlite")]
    /// # mod page {
    /// use diesel::prelude::*;
    /// use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
    /// use diesel_cache::asynchronous::{AsyncCache, CachedDsl};
    ///
    /// diesel::table! { posts (id) { id -> Integer, title -> Text } }
    ///
    /// async fn page(
    ///     cache: &AsyncCache,
    ///     conn: &mut SyncConnectionWrapper<SqliteConnection>,
    /// ) -> QueryResult<String> {
    ///     let page = cache.value("front page").get_or_insert_async(|page| async move {
    ///         let titles = posts::table.select(posts::title).cached().within(&page);
    ///         let titles: Vec<String> = titles.load(conn).await?;
    ///         Ok(format!("<h1>{}</h1>", titles.join(", ")))
    ///     });
    ///     page.await
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `compute` returns; nothing is then stored.
    pub async fn get_or_insert_async<T, E, F>(
        self,
        compute: impl FnOnce(Dependencies) -> F,
    ) -> Result<T, E>
    where
        T: CacheValue,
        F: Future<Output = Result<T, E>>,
    {
        Box::pin(self.resolve::<Task, _, _, _, _>(anybody(), |_| false, compute)).await
    }

    /// As [`get_or_find_with`](Self::get_or_find_with), under the terms of
    /// [`get_or_insert_async`](Self::get_or_insert_async).
    ///
    /// # Errors
    /// What `find` returns; nothing is then stored.
    pub async fn get_or_find_async<T, E, F>(
        self,
        find: impl FnOnce(Dependencies) -> F,
    ) -> Result<Option<T>, E>
    where
        T: CacheValue,
        F: Future<Output = Result<Option<T>, E>>,
    {
        Box::pin(self.resolve::<Task, _, _, _, _>(anybody(), Option::is_none, find)).await
    }
}
