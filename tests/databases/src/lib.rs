//! Where the tests get their databases from.
//!
//! Each engine has the same face: `Conn`, `arena()` and [`Arena`]'s `connect`. A
//! test file is compiled once per engine, in a module of its name that says
//! `use diesel_cache_databases::postgres as engine`.
//!
//! The servers are named by `CACHE_TEST_POSTGRES_URL` and
//! `CACHE_TEST_MYSQL_URL`, which `cargo xtask test` sets. Without them the
//! tests fail: a test that did not run must not look like one that passed.

#![allow(clippy::unwrap_used, reason = "a test's support fails the test")]
#![allow(missing_docs, reason = "a test's support")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use diesel::connection::LoadConnection;
use diesel_cache::{AttachConnection, Cache, CacheDatabase};

pub mod awaited;

/// Attaches a cache.
pub fn attach<C>(cache: &Cache, conn: &mut C)
where
    C: AttachConnection + LoadConnection<Backend: CacheDatabase>,
{
    cache.attach(conn).unwrap();
}

fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("t_{}_{next}", std::process::id())
}

fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} names no server: run the tests by `cargo xtask test`")
    })
}

/// Where the caches of a test keep their entries: in memory, or, if `CACHE_TEST_STORE` is
/// `redis`, in the server that `CACHE_TEST_REDIS_URL` names, in a namespace of their own.
#[derive(Debug)]
pub enum Store {
    Memory(Cache),
    Redis(String),
}

impl Store {
    #[allow(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        match std::env::var("CACHE_TEST_STORE").as_deref() {
            Ok("redis") => {
                let url = server("CACHE_TEST_REDIS_URL");
                Self::Redis(format!("{url}?namespace={}&io_timeout=5s", unique()))
            }
            Ok(other) => panic!("there is no store {other}"),
            Err(_) => Self::Memory(Cache::from_url("memory://").unwrap()),
        }
    }

    /// A cache. In memory all are the same one; in Redis each is another process', as it were.
    pub fn cache(&self) -> Cache {
        match self {
            Self::Memory(cache) => cache.clone(),
            Self::Redis(url) => Cache::from_url(url).unwrap(),
        }
    }
}

fn in_database(url: &str, name: &str) -> String {
    let base = url.split('?').next().unwrap();
    let slash = base.rfind('/').unwrap();
    format!("{}/{name}", &base[..slash])
}

pub mod sqlite {
    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;

    pub type Conn = SqliteConnection;
    pub type Db = diesel::sqlite::Sqlite;
    pub const NAME: &str = "sqlite";
    /// What a new connection is told.
    pub const PREPARATION: &str = "PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; \
         PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON;";

    pub use super::attach;
    pub use diesel_cache::CachedDsl;

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
            self.folder
                .path()
                .join("db.sqlite")
                .to_str()
                .unwrap()
                .to_owned()
        }

        pub fn connect(&self) -> Conn {
            let mut conn = Conn::establish(&self.url()).unwrap();
            conn.batch_execute(PREPARATION).unwrap();
            conn
        }
    }
}

pub mod postgres {
    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;

    pub type Conn = PgConnection;
    pub type Db = diesel::pg::Pg;
    pub const NAME: &str = "postgres";
    /// What a new connection is told.
    pub const PREPARATION: &str = "SELECT 1";

    pub use super::attach;
    pub use diesel_cache::CachedDsl;

    /// A database of its own.
    #[derive(Debug)]
    pub struct Arena {
        server: String,
        name: String,
    }

    pub fn arena() -> Arena {
        let server = super::server("CACHE_TEST_POSTGRES_URL");
        let name = super::unique();
        Conn::establish(&server)
            .unwrap()
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .unwrap();
        Arena { server, name }
    }

    impl Arena {
        pub fn url(&self) -> String {
            super::in_database(&self.server, &self.name)
        }

        pub fn connect(&self) -> Conn {
            Conn::establish(&self.url()).unwrap()
        }
    }

    impl Drop for Arena {
        fn drop(&mut self) {
            if let Ok(mut conn) = Conn::establish(&self.server) {
                let _ = conn.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
            }
        }
    }
}

pub mod mysql {
    use super::{Mutex, MutexGuard, PoisonError};
    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;

    pub type Conn = MysqlConnection;
    pub type Db = diesel::mysql::Mysql;
    pub const NAME: &str = "mysql";
    /// What a new connection is told.
    pub const PREPARATION: &str = "SELECT 1";

    pub use super::attach;
    pub use diesel_cache::CachedDsl;

    // A MySQL server is one database to the cache, and tables of one name count as one:
    // two tests at once would see each other's triggers and references.
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
        Conn::establish(&server)
            .unwrap()
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .unwrap();
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

        pub fn connect(&self) -> Conn {
            Conn::establish(&self.url()).unwrap()
        }
    }

    impl Drop for Arena {
        fn drop(&mut self) {
            if let Ok(mut conn) = Conn::establish(&self.server) {
                let _ = conn.batch_execute(&format!("DROP DATABASE {}", self.name));
            }
        }
    }
}
