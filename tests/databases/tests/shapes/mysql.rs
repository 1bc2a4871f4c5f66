//! The cases, on mysql.

use diesel_cache_databases::mysql as engine;

#[path = "cases/models.rs"]
mod models;
#[path = "cases/pools.rs"]
mod pools;
#[path = "cases/raw_rows.rs"]
mod raw_rows;
