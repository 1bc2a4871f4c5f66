//! Connections that cached reads run on: with what a link can do, they load rows.

use std::future::{self, Future};
use std::sync::Arc;

use diesel::connection::LoadConnection;
use diesel::expression::QueryMetadata;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::result::QueryResult;

use crate::connection::{Blocking, Link};
use crate::dependencies::{Dependencies, watch};
use crate::query::observe::Observer;
use crate::query::rows::{Keep, Stored};
use crate::statement::CacheDatabase;

/// A connection that loads the rows of a query.
pub(crate) trait Reader<Q, S>: Link {
    /// Asks the database. The handle, if there is one, is told by the caller what this read is.
    fn read(
        &mut self,
        query: Q,
        keep: Keep,
        observer: Option<&mut Observer<'_>>,
        within: Option<&Dependencies>,
    ) -> impl Future<Output = QueryResult<Arc<S>>> + Send;
}

impl<C, Q, S> Reader<Q, S> for Blocking<'_, C>
where
    C: LoadConnection,
    C::Backend: CacheDatabase + QueryMetadata<Q::SqlType>,
    Q: Query + QueryFragment<C::Backend> + QueryId,
    S: Stored<C::Backend>,
{
    fn read(
        &mut self,
        query: Q,
        keep: Keep,
        observer: Option<&mut Observer<'_>>,
        within: Option<&Dependencies>,
    ) -> impl Future<Output = QueryResult<Arc<S>>> + Send {
        let _told = within.map(watch::told);
        future::ready(load(self.0, query, keep, observer))
    }
}

fn load<C, Q, S>(
    conn: &mut C,
    query: Q,
    keep: Keep,
    mut observer: Option<&mut Observer<'_>>,
) -> QueryResult<Arc<S>>
where
    C: LoadConnection,
    C::Backend: CacheDatabase + QueryMetadata<Q::SqlType>,
    Q: Query + QueryFragment<C::Backend> + QueryId,
    S: Stored<C::Backend>,
{
    let mut stored = S::new(keep);
    for row in conn.load(query)? {
        let row = row?;
        stored.push(&row)?;
        if let Some(observer) = &mut observer {
            observer.see(&row);
        }
    }
    Ok(Arc::new(stored))
}
