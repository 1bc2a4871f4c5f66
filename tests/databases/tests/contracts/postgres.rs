//! The cases, on postgres.

use diesel_cache_databases::postgres as engine;

#[path = "cases/binds.rs"]
mod binds;
#[path = "only/postgres_bytes.rs"]
mod bytes;
#[path = "only/postgres_catalogue.rs"]
mod catalogue;
#[path = "only/postgres_columns.rs"]
mod columns;
#[path = "cases/events.rs"]
mod events;
#[path = "only/postgres.rs"]
mod only;
#[path = "cases/outside.rs"]
mod outside;
#[path = "cases/stored.rs"]
mod stored;
