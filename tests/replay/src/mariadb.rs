//! The blog on MariaDB.

use diesel::mysql::MysqlConnection;
use diesel::result::QueryResult;

type Conn = MysqlConnection;

const SCHEMA: &str = include_str!("schema/mariadb.sql");

fn prepare(_: &mut Conn) -> QueryResult<()> {
    Ok(())
}

#[path = "user/mod.rs"]
pub(crate) mod user;
