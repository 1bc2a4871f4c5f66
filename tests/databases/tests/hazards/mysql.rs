//! The cases, on mysql.

use diesel_cache_databases::mysql as engine;

#[path = "kit.rs"]
mod kit;
#[path = "only/mysql.rs"]
mod only;
#[path = "cases/transactions.rs"]
mod transactions;
