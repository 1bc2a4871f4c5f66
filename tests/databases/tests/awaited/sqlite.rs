//! The cases, on sqlite.

use diesel_cache_databases::awaited::sqlite as engine;

#[path = "sqlite_behaviour.rs"]
mod behaviour;
#[path = "differential.rs"]
mod differential;
