//! The cases, on sqlite.

use diesel_cache_tasks::sqlite as engine;

#[path = "cases.rs"]
mod cases;
#[path = "../tasks/cases/kit.rs"]
mod kit;
