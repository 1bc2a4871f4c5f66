//! The cases, on sqlite.

use diesel_cache_databases::sqlite as engine;

#[path = "cases/models.rs"]
mod models;
#[path = "cases/pools.rs"]
mod pools;
