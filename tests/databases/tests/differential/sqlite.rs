//! Random operations on sqlite.

use diesel_cache_databases::sqlite as engine;

#[path = "cases/chains.rs"]
mod chains;
#[path = "cases/counters.rs"]
mod counters;
#[path = "cases/dynamic.rs"]
mod dynamic;
#[path = "cases/random.rs"]
mod random;
#[path = "cases/reads.rs"]
mod reads;
#[path = "cases/schemas.rs"]
mod schemas;
#[path = "cases/values.rs"]
mod values;
