//! The process-wide cache, on mysql.

use diesel_cache_databases::mysql as engine;

#[path = "cases.rs"]
mod cases;
#[path = "../hazards/kit.rs"]
mod kit;
#[path = "only/mysql.rs"]
mod only;
#[path = "cases/texts.rs"]
mod texts;
