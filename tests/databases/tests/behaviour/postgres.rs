//! The cases, on postgres.

use diesel_cache_databases::postgres as engine;

#[path = "cases/bad_input.rs"]
mod bad_input;
#[path = "cases/postgres_blocking.rs"]
mod blocking;
#[path = "cases/postgres_only.rs"]
mod dialect;
#[path = "cases/reads.rs"]
mod reads;
#[path = "cases/schema.rs"]
mod schema;
#[path = "cases/shared.rs"]
mod shared;
#[path = "cases/signals.rs"]
mod signals;
#[path = "cases/signals_postgres.rs"]
mod signals_only;
#[path = "cases/smoke.rs"]
mod smoke;
#[path = "cases/table.rs"]
mod table;
#[path = "cases/test_transactions.rs"]
mod test_transactions;
#[path = "cases/world.rs"]
mod world;
