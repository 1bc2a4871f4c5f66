//! The cases, on postgres.

use diesel_cache_tasks::postgres as engine;

#[path = "cases/cancelled.rs"]
mod cancelled;
#[path = "cases/kit.rs"]
mod kit;
#[path = "cases/many.rs"]
mod many;
#[path = "cases/models.rs"]
mod models;
#[path = "cases/pools.rs"]
mod pools;
#[path = "cases/reads.rs"]
mod reads;
#[path = "cases/stores.rs"]
mod stores;
#[path = "cases/writes.rs"]
mod writes;

#[path = "cases/pipelined.rs"]
mod pipelined;
#[path = "cases/unseen.rs"]
mod unseen;
