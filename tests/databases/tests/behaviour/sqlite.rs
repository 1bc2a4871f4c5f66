//! The cases, on sqlite.

use diesel_cache_databases::sqlite as engine;

#[path = "cases/smoke.rs"]
mod smoke;
