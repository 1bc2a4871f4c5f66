//! The cases, on sqlite.

use diesel_cache_databases::sqlite as engine;

#[path = "cases/bad_input.rs"]
mod bad_input;
#[path = "cases/sqlite_blocking.rs"]
mod blocking;
#[path = "cases/sqlite_only.rs"]
mod dialect;
#[path = "cases/reads.rs"]
mod reads;
#[path = "cases/schema.rs"]
mod schema;
#[path = "cases/shared.rs"]
mod shared;
#[path = "cases/signals.rs"]
mod signals;
#[path = "cases/smoke.rs"]
mod smoke;
#[path = "cases/table.rs"]
mod table;
#[path = "cases/test_transactions.rs"]
mod test_transactions;
#[path = "cases/world.rs"]
mod world;
