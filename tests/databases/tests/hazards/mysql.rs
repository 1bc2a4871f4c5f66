//! The cases, on mysql.

use diesel_cache_databases::mysql as engine;

#[path = "attacks/mysql.rs"]
mod attacks;
#[path = "attacks/kit.rs"]
mod attacks_kit;
#[path = "cases/code.rs"]
mod code;
#[path = "cases/drift.rs"]
mod drift;
#[path = "kit.rs"]
mod kit;
#[path = "cases/machinery.rs"]
mod machinery;
#[path = "only/mysql_code.rs"]
mod of_code;
#[path = "only/mysql.rs"]
mod only;
#[path = "cases/tags.rs"]
mod tags;
#[path = "cases/transactions.rs"]
mod transactions;
#[path = "values/mysql.rs"]
mod values;
#[path = "values/kit.rs"]
mod values_kit;
