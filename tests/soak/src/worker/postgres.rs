//! Workers on PostgreSQL.

use diesel::pg::PgConnection;
use diesel::result::QueryResult;

type Conn = PgConnection;

/// Whether a cached read inside a transaction may come before its first write.
const READS_FIRST: bool = true;

/// The place of the n-th bind.
fn bind(n: usize) -> String {
    format!("${n}")
}

fn prepare(_: &mut Conn) -> QueryResult<()> {
    Ok(())
}

#[path = "user/mod.rs"]
pub(super) mod user;
