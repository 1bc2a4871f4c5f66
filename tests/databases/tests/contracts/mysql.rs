//! The cases, on mysql.

use diesel_cache_databases::mysql as engine;

#[path = "cases/binds.rs"]
mod binds;
#[path = "only/mysql_bytes.rs"]
mod bytes;
#[path = "only/mysql_catalogue.rs"]
mod catalogue;
#[path = "only/mysql_columns.rs"]
mod columns;
#[path = "cases/events.rs"]
mod events;
#[path = "only/mysql.rs"]
mod only;
#[path = "cases/outside.rs"]
mod outside;
#[path = "cases/stored.rs"]
mod stored;
