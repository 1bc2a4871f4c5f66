//! The blog on PostgreSQL.

use diesel::pg::PgConnection;
use diesel::result::QueryResult;

type Conn = PgConnection;

const SCHEMA: &str = include_str!("schema/postgres.sql");

fn prepare(_: &mut Conn) -> QueryResult<()> {
    Ok(())
}

#[path = "user/mod.rs"]
pub(crate) mod user;
