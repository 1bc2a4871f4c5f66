//! The cases, on postgres.

use diesel_cache_tasks::postgres as engine;

#[path = "cases.rs"]
mod cases;
#[path = "../tasks/cases/kit.rs"]
mod kit;
