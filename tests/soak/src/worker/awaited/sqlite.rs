//! Workers on SQLite.

use diesel::result::QueryResult;
use diesel::sqlite::SqliteConnection;
use diesel_async::SimpleAsyncConnection;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;

type Conn = SyncConnectionWrapper<SqliteConnection>;

/// Whether an update can return rows.
const RETURNS: bool = true;

/// The place of the n-th bind.
fn bind(_: usize) -> String {
    "?".to_owned()
}

async fn prepare(conn: &mut Conn) -> QueryResult<()> {
    conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA synchronous = OFF;")
        .await
}

#[path = "user/mod.rs"]
pub(in crate::worker) mod user;
