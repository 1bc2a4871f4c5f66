//! The pairs, on sqlite.

use diesel_cache_databases::sqlite as engine;

#[path = "pairs.rs"]
pub(crate) mod pairs;
