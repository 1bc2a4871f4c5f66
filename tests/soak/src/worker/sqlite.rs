//! Workers on SQLite.

use diesel::connection::SimpleConnection;
use diesel::result::QueryResult;
use diesel::sqlite::SqliteConnection;

type Conn = SqliteConnection;

/// Whether a cached read inside a transaction may come before its first write. Here the
/// write would fail whenever another came in between.
const READS_FIRST: bool = false;

/// The place of the n-th bind.
fn bind(_: usize) -> String {
    "?".to_owned()
}

fn prepare(conn: &mut Conn) -> QueryResult<()> {
    conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA synchronous = OFF;")
}

#[path = "user/mod.rs"]
pub(super) mod user;
