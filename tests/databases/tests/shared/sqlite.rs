//! The cases, on sqlite.

use diesel_cache_databases::sqlite as engine;

#[path = "cases/sessions.rs"]
mod sessions;
