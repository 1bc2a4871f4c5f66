//! The process-wide cache, on sqlite.

use diesel_cache_databases::sqlite as engine;

#[path = "cases.rs"]
mod cases;
