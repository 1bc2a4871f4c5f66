//! The cases, on mysql.

use diesel_cache_databases::mysql as engine;

#[path = "cases/sessions.rs"]
mod sessions;
