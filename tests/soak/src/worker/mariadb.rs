//! Workers on MariaDB.

use diesel::mysql::MysqlConnection;
use diesel::result::QueryResult;

type Conn = MysqlConnection;

/// Whether a cached read inside a transaction may come before its first write.
const READS_FIRST: bool = true;

/// The place of the n-th bind.
fn bind(_: usize) -> String {
    "?".to_owned()
}

fn prepare(_: &mut Conn) -> QueryResult<()> {
    Ok(())
}

#[path = "user/mod.rs"]
pub(super) mod user;
