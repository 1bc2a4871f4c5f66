//! The cases, on postgres.

use diesel_cache_databases::postgres as engine;

#[path = "cases/smoke.rs"]
mod smoke;
