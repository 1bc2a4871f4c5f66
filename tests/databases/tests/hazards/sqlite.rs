//! The cases, on sqlite.

use diesel_cache_databases::sqlite as engine;

#[path = "kit.rs"]
mod kit;
#[path = "cases/machinery.rs"]
mod machinery;
#[path = "only/sqlite.rs"]
mod only;
#[path = "cases/transactions.rs"]
mod transactions;
