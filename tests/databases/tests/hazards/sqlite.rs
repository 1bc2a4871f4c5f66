//! The cases, on sqlite.

use diesel_cache_databases::sqlite as engine;

#[path = "attacks/sqlite.rs"]
mod attacks;
#[path = "attacks/kit.rs"]
mod attacks_kit;
#[path = "cases/bounds.rs"]
mod bounds;
#[path = "cases/code.rs"]
mod code;
#[path = "cases/drift.rs"]
mod drift;
#[path = "kit.rs"]
mod kit;
#[path = "cases/machinery.rs"]
mod machinery;
#[path = "only/sqlite.rs"]
mod only;
#[path = "cases/tags.rs"]
mod tags;
#[path = "cases/transactions.rs"]
mod transactions;
#[path = "values/sqlite.rs"]
mod values;
#[path = "values/kit.rs"]
mod values_kit;
