//! The cases, on mysql.

use diesel_cache_databases::awaited::mysql as engine;

#[path = "mysql_behaviour.rs"]
mod behaviour;
#[path = "differential.rs"]
mod differential;
