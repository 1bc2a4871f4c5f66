//! The cases, on mysql.

use diesel_cache_tasks::mysql as engine;

#[path = "cases.rs"]
mod cases;
#[path = "../tasks/cases/kit.rs"]
mod kit;
