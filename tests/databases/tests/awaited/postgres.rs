//! The cases, on postgres.

use diesel_cache_databases::awaited::postgres as engine;

#[path = "postgres_behaviour.rs"]
mod behaviour;
#[path = "differential.rs"]
mod differential;
