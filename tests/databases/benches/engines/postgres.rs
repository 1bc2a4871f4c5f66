//! The pairs, on postgres.

use diesel_cache_databases::postgres as engine;

#[path = "pairs.rs"]
pub(crate) mod pairs;
