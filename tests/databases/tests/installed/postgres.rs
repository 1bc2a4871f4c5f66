//! The process-wide cache, on postgres.

use diesel_cache_databases::postgres as engine;

#[path = "cases.rs"]
mod cases;
#[path = "../hazards/kit.rs"]
mod kit;
#[path = "only/postgres.rs"]
mod only;
#[path = "cases/texts.rs"]
mod texts;
