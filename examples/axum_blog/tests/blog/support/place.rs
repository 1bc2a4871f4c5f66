//! Databases and stores of a test's own.

use std::sync::atomic::{AtomicU32, Ordering};

use diesel::sql_types::BigInt;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Where a blog's rows are, and where its cache is.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) database: String,
    /// If there is none: in memory.
    pub(crate) cache: Option<String>,
    kept: Kept,
}

/// What ends with a place.
#[derive(Debug)]
enum Kept {
    Folder { _folder: TempDir },
    Database { server: String, name: String },
}

/// A file, and memory.
pub(crate) fn sqlite() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blog.sqlite");
    Place {
        database: format!("sqlite://{}", file.display()),
        cache: None,
        kept: Kept::Folder { _folder: folder },
    }
}

/// A database of PostgreSQL, and a namespace in Redis.
pub(crate) fn postgres() -> Place {
    let server = self::server("CACHE_TEST_POSTGRES_URL");
    let store = self::server("CACHE_TEST_REDIS_URL");
    let name = unique();
    on_postgres(&server, &format!("CREATE DATABASE {name}"));
    let base = server.split('?').next().unwrap();
    let slash = base.rfind('/').unwrap();
    Place {
        database: format!("{}/{name}", &base[..slash]),
        cache: Some(format!("{store}?namespace={name}&io_timeout=5s")),
        kept: Kept::Database { server, name },
    }
}

impl Place {
    /// Runs statements past the blog and its cache.
    pub(crate) fn run(&self, sql: &str) {
        match &self.kept {
            Kept::Folder { .. } => {
                diesel::sql_query(sql).execute(&mut self.file()).unwrap();
            }
            Kept::Database { .. } => on_postgres(&self.database, sql),
        }
    }

    /// The number that a query returns as `n`, past the cache.
    pub(crate) fn count(&self, sql: &str) -> usize {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = BigInt)]
            n: i64,
        }
        let count: Count = match &self.kept {
            Kept::Folder { .. } => diesel::sql_query(sql).get_result(&mut self.file()).unwrap(),
            Kept::Database { .. } => runtime().block_on(async {
                let mut conn = AsyncPgConnection::establish(&self.database).await.unwrap();
                let query = diesel::sql_query(sql);
                diesel_async::RunQueryDsl::get_result(query, &mut conn)
                    .await
                    .unwrap()
            }),
        };
        usize::try_from(count.n).unwrap()
    }

    fn file(&self) -> SqliteConnection {
        let file = self.database.strip_prefix("sqlite://").unwrap();
        let mut conn = SqliteConnection::establish(file).unwrap();
        diesel::sql_query("PRAGMA busy_timeout = 5000")
            .execute(&mut conn)
            .unwrap();
        conn
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Kept::Database { server, name } = &self.kept {
            on_postgres(server, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

fn on_postgres(url: &str, sql: &str) {
    runtime().block_on(async {
        let mut conn = AsyncPgConnection::establish(url).await.unwrap();
        conn.batch_execute(sql).await.unwrap();
    });
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} names no server: run the tests by `cargo xtask test`")
    })
}

fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("blog_{}_{next}", std::process::id())
}
