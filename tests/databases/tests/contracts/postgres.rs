//! The cases, on postgres.

use diesel_cache_databases::postgres as engine;

#[path = "cases/events.rs"]
mod events;
#[path = "only/postgres.rs"]
mod only;
