//! Workers on MariaDB.

use diesel::result::QueryResult;
use diesel_async::AsyncMysqlConnection;

type Conn = AsyncMysqlConnection;

/// Whether an update can return rows.
const RETURNS: bool = false;

/// The place of the n-th bind.
fn bind(_: usize) -> String {
    "?".to_owned()
}

async fn prepare(_: &mut Conn) -> QueryResult<()> {
    Ok(())
}

#[path = "user/mod.rs"]
pub(in crate::worker) mod user;
