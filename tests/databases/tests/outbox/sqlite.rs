//! The cases, on sqlite.

use diesel_cache_databases::sqlite as engine;

#[path = "cases/kit.rs"]
mod kit;

#[path = "cases/crashes.rs"]
mod crashes;
#[path = "cases/explicit.rs"]
mod explicit;
#[path = "cases/relay.rs"]
mod relay;
#[path = "cases/triggers.rs"]
mod triggers;
