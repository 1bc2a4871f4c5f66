//! The cases, on sqlite.

use diesel_cache_databases::sqlite as engine;

#[path = "cases/events.rs"]
mod events;
#[path = "only/sqlite.rs"]
mod only;
