//! The database of a run, and what is done to it directly.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use diesel::connection::{Connection, SimpleConnection};
use diesel::mysql::MysqlConnection;
use diesel::pg::PgConnection;
use diesel::result::QueryResult;
use diesel::sql_query;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use diesel::{QueryableByName, RunQueryDsl};
use diesel_cache::OutboxMigration;
use diesel_cache::dialect::Dialect;
use diesel_cache_faults::{Mode, Proxy};
use tempfile::TempDir;

use crate::event::Value;
use crate::fault::Kind;
use crate::layout::{self, TABLES, name};
use crate::options::{Database, Level, Options};

/// How the coordinator's own sessions are named, so that no fault meets them.
const OWN: &str = "soak";
/// How long a lock may be waited for; longer than any is held.
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// A database of the run's own, with its tables.
#[derive(Debug)]
pub(super) struct Db {
    kind: Database,
    /// Where the coordinator finds it.
    url: String,
    /// Where the workers find it.
    workers: String,
    proxy: Option<Proxy>,
    _folder: Option<TempDir>,
    breaker: Mutex<Direct>,
}

impl Db {
    pub(super) fn start(options: &Options) -> Result<Self, String> {
        let kind = options.database;
        let (url, folder) = create(kind)?;
        let mut direct = Direct::new(kind, &url);
        for statement in layout::create() {
            direct.run(&statement)?;
        }
        if options.level == Level::Durable {
            direct.run(&outbox(options)?)?;
        }
        let proxy = match options.faults.contains(&Kind::DbCut) {
            true => Some(Proxy::start(address(&url)?).map_err(|error| error.to_string())?),
            false => None,
        };
        let workers = match &proxy {
            Some(proxy) => {
                let old = address(&url)?.to_string();
                url.replace(&old, &proxy.address().to_string())
            }
            None => url.clone(),
        };
        Ok(Self {
            kind,
            url,
            workers,
            proxy,
            _folder: folder,
            breaker: Mutex::new(direct),
        })
    }

    pub(super) fn url_for_workers(&self) -> &str {
        &self.workers
    }

    /// Where the coordinator finds it.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// A connection of the coordinator's.
    pub(super) fn direct(&self) -> Direct {
        Direct::new(self.kind, &self.url)
    }

    /// Ends some of the workers' sessions.
    pub(super) fn end_sessions(&self, count: usize) -> Result<(), String> {
        let mut direct = self
            .breaker
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match self.kind {
            Database::Postgres => direct.run(&format!(
                "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid() \
                 AND application_name <> '{OWN}' ORDER BY random() LIMIT {count}) AS chosen"
            )),
            Database::Mariadb => {
                let ids = direct.numbers(&format!(
                    "SELECT CAST(id AS SIGNED) AS n FROM information_schema.processlist \
                     WHERE db = DATABASE() AND id <> CONNECTION_ID() \
                     ORDER BY RAND() LIMIT {count}"
                ))?;
                for id in ids {
                    // It may have ended by itself.
                    let _ = direct.run(&format!("KILL {id}"));
                }
                Ok(())
            }
            Database::Sqlite => Ok(()),
        }
    }

    /// Locks all rows of a table until the result is dropped: statements that write them wait.
    pub(super) fn lock_rows(&self, table: usize) -> Result<Locked, String> {
        let mut direct = self.direct();
        match self.kind {
            Database::Sqlite => direct.run("BEGIN IMMEDIATE")?,
            Database::Postgres | Database::Mariadb => {
                let name = name(table);
                direct.run("BEGIN")?;
                direct.run(&format!("SELECT id FROM {name} ORDER BY id FOR UPDATE"))?;
            }
        }
        Ok(Locked(direct))
    }

    /// Cuts the workers' connections; the server does not notice while it waits for a lock.
    pub(super) fn cut(&self) {
        if let Some(proxy) = &self.proxy {
            proxy.cut();
        }
    }

    pub(super) fn heal(&self) {
        if let Some(proxy) = &self.proxy {
            proxy.set(Mode::Pass);
        }
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        // A server is the user's, or ends with the run; the database need not stay.
        let name = database_name();
        let drop = match self.kind {
            Database::Postgres => format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            Database::Mariadb => format!("DROP DATABASE IF EXISTS {name}"),
            Database::Sqlite => return,
        };
        if let Ok(server) = server_url(self.kind) {
            let _ = Direct::new(self.kind, &server).run(&drop);
        }
    }
}

/// Locks that are held; dropping them lets go.
pub(super) struct Locked(Direct);

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.0.run("ROLLBACK");
    }
}

/// The migration of the outbox, with triggers on the tables that others write.
fn outbox(options: &Options) -> Result<String, String> {
    let dialect = match options.database {
        Database::Postgres => Dialect::Postgres,
        Database::Mariadb => Dialect::Mysql,
        Database::Sqlite => Dialect::Sqlite,
    };
    let mut migration = OutboxMigration::new(dialect);
    for table in (0..TABLES).filter(|table| options.is_outside(*table)) {
        let with = migration.table(&name(table));
        migration = with.map_err(|error| error.to_string())?;
    }
    Ok(migration.up())
}

fn database_name() -> String {
    format!("soak_{}", std::process::id())
}

fn server_url(kind: Database) -> Result<String, String> {
    let variable = match kind {
        Database::Postgres => "CACHE_TEST_POSTGRES_URL",
        Database::Mariadb | Database::Sqlite => "CACHE_TEST_MYSQL_URL",
    };
    std::env::var(variable).map_err(|_| {
        format!("{variable} names no server: run `cargo xtask soak`, which starts them")
    })
}

fn create(kind: Database) -> Result<(String, Option<TempDir>), String> {
    if kind == Database::Sqlite {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let url = folder.path().join("db.sqlite").display().to_string();
        return Ok((url, Some(folder)));
    }
    let server = server_url(kind)?;
    let name = database_name();
    let mut direct = Direct::new(kind, &server);
    direct.run(&format!("CREATE DATABASE {name}"))?;
    let base = server.split('?').next().unwrap_or_default();
    let (base, _) = base
        .rsplit_once('/')
        .ok_or("the server's URL has no path")?;
    Ok((format!("{base}/{name}"), None))
}

/// The address in a URL such as `postgres://user@127.0.0.1:5432/name`.
fn address(url: &str) -> Result<SocketAddr, String> {
    let (_, rest) = url.split_once("://").ok_or("the URL has no scheme")?;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let address = rest.split('/').next().unwrap_or_default();
    address
        .parse()
        .map_err(|_| format!("`{address}` is no address and port"))
}

/// A connection of the coordinator's, which connects again when it is broken.
pub(super) struct Direct {
    kind: Database,
    url: String,
    open: Option<Open>,
}

enum Open {
    Postgres(PgConnection),
    Mariadb(MysqlConnection),
    Sqlite(SqliteConnection),
}

impl std::fmt::Debug for Direct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Direct").finish_non_exhaustive()
    }
}

#[derive(Debug, QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    value: i64,
}

#[derive(Debug, QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// Runs with the connection, whichever it is.
macro_rules! with {
    ($direct:expr, |$conn:ident| $run:expr) => {{
        let done: QueryResult<_> = match $direct.connect()? {
            Open::Postgres($conn) => $run,
            Open::Mariadb($conn) => $run,
            Open::Sqlite($conn) => $run,
        };
        done.map_err(|error| {
            $direct.open = None;
            error.to_string()
        })
    }};
}

impl Direct {
    fn new(kind: Database, url: &str) -> Self {
        Self {
            kind,
            url: url.to_owned(),
            open: None,
        }
    }

    fn connect(&mut self) -> Result<&mut Open, String> {
        if self.open.is_none() {
            self.open = Some(open(self.kind, &self.url)?);
        }
        self.open.as_mut().ok_or_else(|| "not connected".to_owned())
    }

    pub(super) fn run(&mut self, sql: &str) -> Result<(), String> {
        with!(self, |conn| conn.batch_execute(sql))
    }

    fn numbers(&mut self, sql: &str) -> Result<Vec<i64>, String> {
        let rows = with!(self, |conn| sql_query(sql).load::<Number>(conn))?;
        Ok(rows.into_iter().map(|row| row.n).collect())
    }

    /// The rows of a table and their values.
    pub(super) fn rows(&mut self, table: usize) -> Result<Vec<(usize, Value)>, String> {
        let sql = format!("SELECT id, value FROM {}", name(table));
        let rows = with!(self, |conn| sql_query(&sql).load::<Row>(conn))?;
        let rows = rows.into_iter();
        Ok(rows
            .map(|row| (row.id as usize, row.value.unsigned_abs()))
            .collect())
    }
}

fn open(kind: Database, url: &str) -> Result<Open, String> {
    let told = |error: diesel::ConnectionError| error.to_string();
    let limit = LOCK_LIMIT.as_secs();
    let (open, first) = match kind {
        Database::Postgres => (
            Open::Postgres(PgConnection::establish(url).map_err(told)?),
            format!("SET application_name = '{OWN}'; SET lock_timeout = '{limit}s'"),
        ),
        Database::Mariadb => (
            Open::Mariadb(MysqlConnection::establish(url).map_err(told)?),
            format!("SET SESSION innodb_lock_wait_timeout = {limit}"),
        ),
        Database::Sqlite => (
            Open::Sqlite(SqliteConnection::establish(url).map_err(told)?),
            "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF"
                .to_owned(),
        ),
    };
    let mut direct = Direct {
        kind,
        url: url.to_owned(),
        open: Some(open),
    };
    direct.run(&first)?;
    direct.open.take().ok_or_else(|| "not connected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_a_url() {
        for url in [
            "postgres://postgres@127.0.0.1:5432/postgres",
            "mysql://cache:c@che@127.0.0.1:5432/cache_test?x=y/z",
            "redis://127.0.0.1:5432/",
        ] {
            assert_eq!(address(url).unwrap().port(), 5432, "{url}");
        }
        assert!(address("postgres://localhost/postgres").is_err());
    }
}
