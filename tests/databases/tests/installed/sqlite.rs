//! The process-wide cache, on sqlite.

use diesel_cache_databases::sqlite as engine;

#[path = "cases.rs"]
mod cases;
#[path = "../hazards/kit.rs"]
mod kit;
#[path = "only/sqlite.rs"]
mod only;
#[path = "cases/texts.rs"]
mod texts;
