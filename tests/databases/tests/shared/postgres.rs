//! The cases, on postgres.

use diesel_cache_databases::postgres as engine;

#[path = "cases/sessions.rs"]
mod sessions;
