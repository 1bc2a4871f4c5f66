//! The cases, on postgres.

use diesel_cache_databases::postgres as engine;

#[path = "attacks/postgres.rs"]
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
#[path = "only/postgres_code.rs"]
mod of_code;
#[path = "only/postgres.rs"]
mod only;
#[path = "cases/tags.rs"]
mod tags;
#[path = "only/postgres_tenants.rs"]
mod tenants;
#[path = "cases/transactions.rs"]
mod transactions;
#[path = "values/postgres.rs"]
mod values;
#[path = "values/kit.rs"]
mod values_kit;
