//! The blog on SQLite.

use diesel::connection::SimpleConnection;
use diesel::result::QueryResult;
use diesel::sqlite::SqliteConnection;

type Conn = SqliteConnection;

const SCHEMA: &str = include_str!("schema/sqlite.sql");

fn prepare(conn: &mut Conn) -> QueryResult<()> {
    conn.batch_execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
         PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON;",
    )
}

#[path = "user/mod.rs"]
pub(crate) mod user;
