//! The process-wide cache, on postgres.

use diesel_cache_databases::postgres as engine;

#[path = "cases.rs"]
mod cases;
