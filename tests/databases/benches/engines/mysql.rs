//! The pairs, on mysql.

use diesel_cache_databases::mysql as engine;

#[path = "pairs.rs"]
pub(crate) mod pairs;
