//! Rows that are awaited.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel_async::{AsyncConnection, AsyncConnectionCore};
use futures_util::StreamExt;

use crate::asynchronous::link::Awaiting;
use crate::dependencies::{Dependencies, watch};
use crate::query::{Keep, Observer, Reader, Stored};
use crate::statement::CacheDatabase;

impl<C, Q, S> Reader<Q, S> for Awaiting<'_, C>
where
    C: AsyncConnection<Backend: CacheDatabase>,
    Q: Query + QueryFragment<C::Backend> + QueryId + Send,
    S: Stored<C::Backend>,
{
    fn read(
        &mut self,
        query: Q,
        keep: Keep,
        observer: Option<&mut Observer<'_>>,
        within: Option<&Dependencies>,
    ) -> impl Future<Output = QueryResult<Arc<S>>> + Send {
        load(self.0, query, keep, observer, within)
    }
}

/// Asks the database.
pub(super) async fn load<C, Q, S>(
    conn: &mut C,
    query: Q,
    keep: Keep,
    mut observer: Option<&mut Observer<'_>>,
    within: Option<&Dependencies>,
) -> QueryResult<Arc<S>>
where
    C: AsyncConnectionCore<Backend: CacheDatabase>,
    Q: Query + QueryFragment<C::Backend> + QueryId + Send,
    S: Stored<C::Backend>,
{
    let rows = async {
        let mut rows = pin!(conn.load(query).await?);
        let mut stored = S::new(keep);
        while let Some(row) = rows.next().await {
            let row = row?;
            stored.push(&row)?;
            if let Some(observer) = &mut observer {
                observer.see(&row);
            }
        }
        Ok(Arc::new(stored))
    };
    telling(within, rows).await
}

/// Does work that a handle is told of. Whatever else runs meanwhile is not told by that.
async fn telling<T>(within: Option<&Dependencies>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|task| {
        let _told = within.map(watch::told);
        work.as_mut().poll(task)
    })
    .await
}
