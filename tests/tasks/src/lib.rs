//! Where the tests get their databases from, and how futures are given up.
//!
//! Each engine has the same face: `Conn`, `arena()` and [`Arena`]'s `connect`. A test file is
//! compiled once per engine. The servers are named by `CACHE_TEST_POSTGRES_URL`,
//! `CACHE_TEST_MYSQL_URL` and `CACHE_TEST_REDIS_URL`, which `cargo xtask test` sets. Without
//! them the tests fail.

#![allow(clippy::unwrap_used, reason = "a test's support fails the test")]
#![allow(missing_docs, reason = "a test's support")]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use diesel_cache::asynchronous::{AsyncCache, CacheConnection};

pub fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("a_{}_{next}", std::process::id())
}

fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} names no server: run the tests by `cargo xtask test`")
    })
}

/// The URL of a store in Redis that no other test uses.
pub fn redis() -> String {
    let url = server("CACHE_TEST_REDIS_URL");
    format!("{url}?namespace={}&io_timeout=5s", unique())
}

fn in_database(url: &str, name: &str) -> String {
    let base = url.split('?').next().unwrap();
    let slash = base.rfind('/').unwrap();
    format!("{}/{name}", &base[..slash])
}

/// Does that on a thread and a runtime of its own: also where futures cannot be awaited.
fn elsewhere<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let thread = std::thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(work)
    });
    thread.join().unwrap()
}

/// Runs a statement on a connection of its own.
fn run_on<C>(url: &str, sql: String)
where
    C: AsyncConnection + SimpleAsyncConnection + 'static,
{
    let url = url.to_owned();
    elsewhere(async move {
        let mut conn = C::establish(&url).await.unwrap();
        conn.batch_execute(&sql).await.unwrap();
    });
}

/// A connection with that cache attached.
pub async fn attached<C: CacheConnection>(mut conn: C, cache: &AsyncCache) -> C {
    cache.attach(&mut conn).await.unwrap();
    conn
}

/// Polls a future, and gives it up when it would wait for that many times, from zero. Returns
/// what it came to, if it came to anything.
pub async fn give_up<T>(after: u32, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut waits = 0;
    poll_fn(|task| {
        if waits == after && waits == 0 {
            waits += 1;
            return Poll::Ready(None);
        }
        match work.as_mut().poll(task) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if waits + 1 >= after => Poll::Ready(None),
            Poll::Pending => {
                waits += 1;
                Poll::Pending
            }
        }
    })
    .await
}

pub mod sqlite {
    use diesel::prelude::*;
    use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
    use diesel_async::{AsyncConnection, SimpleAsyncConnection};

    pub type Conn = SyncConnectionWrapper<SqliteConnection>;
    pub const NAME: &str = "sqlite";

    /// A database of its own, in a file.
    #[derive(Debug)]
    pub struct Arena {
        folder: tempfile::TempDir,
    }

    pub fn arena() -> Arena {
        Arena {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    impl Arena {
        pub fn url(&self) -> String {
            let file = self.folder.path().join("db.sqlite");
            file.to_str().unwrap().to_owned()
        }

        pub async fn connect(&self) -> Conn {
            let mut conn = Conn::establish(&self.url()).await.unwrap();
            conn.batch_execute(
                "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF",
            )
            .await
            .unwrap();
            conn
        }
    }
}

pub mod postgres {
    use diesel_async::{AsyncConnection, AsyncPgConnection};

    pub type Conn = AsyncPgConnection;
    pub const NAME: &str = "postgres";

    /// A database of its own.
    #[derive(Debug)]
    pub struct Arena {
        server: String,
        name: String,
    }

    pub fn arena() -> Arena {
        let server = super::server("CACHE_TEST_POSTGRES_URL");
        let name = super::unique();
        super::run_on::<Conn>(&server, format!("CREATE DATABASE {name}"));
        Arena { server, name }
    }

    impl Arena {
        pub fn url(&self) -> String {
            super::in_database(&self.server, &self.name)
        }

        pub async fn connect(&self) -> Conn {
            Conn::establish(&self.url()).await.unwrap()
        }
    }

    impl Drop for Arena {
        fn drop(&mut self) {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
            super::run_on::<Conn>(&self.server, drop);
        }
    }
}

pub mod mysql {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use diesel_async::{AsyncConnection, AsyncMysqlConnection};

    pub type Conn = AsyncMysqlConnection;
    pub const NAME: &str = "mysql";

    // A MySQL server is one database to the cache: two tests at once would see each other.
    static ALONE: Mutex<()> = Mutex::new(());

    /// A schema of its own, alone on the server.
    #[derive(Debug)]
    pub struct Arena {
        server: String,
        name: String,
        _alone: MutexGuard<'static, ()>,
    }

    pub fn arena() -> Arena {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let server = super::server("CACHE_TEST_MYSQL_URL");
        let name = super::unique();
        super::run_on::<Conn>(&server, format!("CREATE DATABASE {name}"));
        Arena {
            server,
            name,
            _alone: alone,
        }
    }

    impl Arena {
        pub fn url(&self) -> String {
            super::in_database(&self.server, &self.name)
        }

        pub async fn connect(&self) -> Conn {
            Conn::establish(&self.url()).await.unwrap()
        }
    }

    impl Drop for Arena {
        fn drop(&mut self) {
            let drop = format!("DROP DATABASE {}", self.name);
            super::run_on::<Conn>(&self.server, drop);
        }
    }
}
