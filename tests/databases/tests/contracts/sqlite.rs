//! The cases, on sqlite.

use diesel_cache_databases::sqlite as engine;

#[path = "cases/binds.rs"]
mod binds;
#[path = "only/sqlite_bytes.rs"]
mod bytes;
#[path = "only/sqlite_catalogue.rs"]
mod catalogue;
#[path = "only/sqlite_columns.rs"]
mod columns;
#[path = "cases/events.rs"]
mod events;
#[path = "only/sqlite.rs"]
mod only;
#[path = "cases/outside.rs"]
mod outside;
#[path = "cases/stored.rs"]
mod stored;
