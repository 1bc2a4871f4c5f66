//! The engines, by connections of diesel-async: each statement and each cached read is awaited, by
//! a thread that blocks on one runtime that all share. So the tables of cases and the random runs
//! that are written for connections that block run on the awaited ones, without another word.

use std::future::Future;
use std::sync::LazyLock;

use diesel::query_builder::AsQuery;
use diesel::query_dsl::methods::LimitDsl;
use diesel::result::QueryResult;
use diesel_async::AsyncConnection;
use diesel_async::async_connection_wrapper::{AsyncConnectionWrapper, BlockOn};
use diesel_cache::asynchronous::{
    AsyncCache, AsyncCached, CacheConnection, CachedDsl as Awaited, LoadCached,
};
use diesel_cache::{Cache, CacheableQuery, Report};
use tokio::runtime::{Handle, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// A runtime that goes on while nobody blocks on it.
#[derive(Debug)]
pub struct Shared(Handle);

impl BlockOn for Shared {
    fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.0.block_on(work)
    }

    fn get_runtime() -> Self {
        Self(RUNTIME.handle().clone())
    }
}

/// A connection of diesel-async, as one that blocks.
pub type Blocking<C> = AsyncConnectionWrapper<C, Shared>;

/// Attaches a cache, in the way of connections that are awaited.
pub fn attach<C>(cache: &Cache, conn: &mut Blocking<C>)
where
    C: AsyncConnection + CacheConnection,
{
    let cache = AsyncCache::from(cache.clone());
    RUNTIME.block_on(cache.attach(&mut **conn)).unwrap();
}

/// A cached read that is awaited by a thread.
#[must_use]
#[derive(Debug)]
pub struct Read<Q>(AsyncCached<Q>);

/// The `.cached()` of connections that are awaited.
pub trait CachedDsl: AsQuery + Sized {
    fn cached<Kind>(self) -> Read<Self::Query>
    where
        Self::Query: CacheableQuery<Kind>;
}

impl<T: AsQuery> CachedDsl for T {
    fn cached<Kind>(self) -> Read<Self::Query>
    where
        Self::Query: CacheableQuery<Kind>,
    {
        Read(Awaited::cached(self))
    }
}

impl<Q> Read<Q> {
    pub fn report(self, report: &Report) -> Self {
        Self(self.0.report(report))
    }

    pub fn depends_on(self, table: &str) -> Self {
        Self(self.0.depends_on(table))
    }

    pub fn scope(self, scope: impl AsRef<[u8]>) -> Self {
        Self(self.0.scope(scope))
    }

    pub fn no_cache(self) -> Self {
        Self(self.0.no_cache())
    }

    pub fn load<U>(self, conn: &mut Blocking<impl LoadCached<Q, U>>) -> QueryResult<Vec<U>> {
        RUNTIME.block_on(self.0.load(&mut **conn))
    }

    pub fn get_results<U>(self, conn: &mut Blocking<impl LoadCached<Q, U>>) -> QueryResult<Vec<U>> {
        RUNTIME.block_on(self.0.get_results(&mut **conn))
    }

    /// All rows, one by one: there is no other way on connections that are awaited.
    pub fn load_iter<U, Mode>(
        self,
        conn: &mut Blocking<impl LoadCached<Q, U>>,
    ) -> QueryResult<impl Iterator<Item = QueryResult<U>>> {
        Ok(self.load(conn)?.into_iter().map(Ok))
    }

    pub fn get_result<U: Send>(self, conn: &mut Blocking<impl LoadCached<Q, U>>) -> QueryResult<U> {
        RUNTIME.block_on(self.0.get_result(&mut **conn))
    }

    pub fn first<U: Send>(
        self,
        conn: &mut Blocking<impl LoadCached<Q::Output, U>>,
    ) -> QueryResult<U>
    where
        Q: LimitDsl,
    {
        RUNTIME.block_on(self.0.first(&mut **conn))
    }
}

/// An engine whose databases are those of another.
macro_rules! engine {
    ($name:ident, $conn:ty) => {
        pub mod $name {
            use diesel::Connection;
            #[allow(unused_imports, reason = "what else a connection is given")]
            use diesel::connection::SimpleConnection;

            pub use super::{CachedDsl, attach};
            pub use crate::$name::{Db, NAME};

            pub type Conn = super::Blocking<$conn>;

            #[derive(Debug)]
            pub struct Arena(crate::$name::Arena);

            pub fn arena() -> Arena {
                Arena(crate::$name::arena())
            }

            impl Arena {
                pub fn url(&self) -> String {
                    self.0.url()
                }

                pub fn connect(&self) -> Conn {
                    let mut conn = Conn::establish(&self.url()).unwrap();
                    conn.batch_execute(crate::$name::PREPARATION).unwrap();
                    conn
                }
            }
        }
    };
}

engine!(postgres, diesel_async::AsyncPgConnection);
engine!(mysql, diesel_async::AsyncMysqlConnection);
engine!(
    sqlite,
    diesel_async::sync_connection_wrapper::SyncConnectionWrapper<diesel::SqliteConnection>
);
