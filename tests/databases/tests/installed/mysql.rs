//! The process-wide cache, on mysql.

use diesel_cache_databases::mysql as engine;

#[path = "cases.rs"]
mod cases;
