//! The cases, on mysql.

use diesel_cache_databases::mysql as engine;

#[path = "cases/events.rs"]
mod events;
#[path = "only/mysql.rs"]
mod only;
