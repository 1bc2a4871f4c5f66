//! Connections from pools.

use std::future::Future;
use std::ops::DerefMut;
use std::sync::Arc;

use diesel::connection::Instrumentation;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel_async::AsyncConnectionCore;

use crate::asynchronous::{CacheConnection, CacheReader};
use crate::cache::Cache;
use crate::connection::Tracker;
use crate::error::Error;
use crate::query::{Options, Stored};

/// Does all with the connection that was taken from the pool.
macro_rules! pooled {
    ($pooled:ty, $manager:path, $connection:ty) => {
        impl<M> CacheReader for $pooled
        where
            M: $manager,
            $connection: CacheReader,
            Self: AsyncConnectionCore<Backend = <$connection as AsyncConnectionCore>::Backend>
                + DerefMut<Target = $connection>,
        {
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
                self.deref_mut().read_cached(query, options, row_type)
            }
        }

        impl<M> CacheConnection for $pooled
        where
            M: $manager,
            $connection: CacheConnection,
            Self: AsyncConnectionCore<Backend = <$connection as AsyncConnectionCore>::Backend>
                + DerefMut<Target = $connection>,
        {
            fn attach_cache(
                &mut self,
                cache: &Cache,
                next: Option<Box<dyn Instrumentation>>,
            ) -> impl Future<Output = Result<(), Error>> + Send {
                self.deref_mut().attach_cache(cache, next)
            }

            fn has_cache(&mut self, cache: &Cache) -> impl Future<Output = bool> + Send {
                self.deref_mut().has_cache(cache)
            }

            fn with_tracker<T: Send + 'static>(
                &mut self,
                run: impl FnOnce(Option<&mut Tracker>) -> T + Send + 'static,
            ) -> impl Future<Output = Option<T>> + Send {
                self.deref_mut().with_tracker(run)
            }

            fn announce_writes(&mut self) -> impl Future<Output = QueryResult<()>> + Send {
                self.deref_mut().announce_writes()
            }

            fn tell_committed(&mut self) -> impl Future<Output = ()> + Send {
                self.deref_mut().tell_committed()
            }

            fn ask_for_life(&mut self) -> impl Future<Output = QueryResult<()>> + Send {
                self.deref_mut().ask_for_life()
            }
        }
    };
}

#[cfg(feature = "bb8")]
pooled!(
    bb8::PooledConnection<'_, M>,
    bb8::ManageConnection,
    M::Connection
);

#[cfg(feature = "deadpool")]
pooled!(
    deadpool::managed::Object<M>,
    deadpool::managed::Manager,
    M::Type
);

#[cfg(feature = "mobc")]
pooled!(mobc::Connection<M>, mobc::Manager, M::Connection);
