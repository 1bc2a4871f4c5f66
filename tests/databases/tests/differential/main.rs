//! Cached reads against uncached ones, under random operations.
//!
//! `DIESEL_CACHE_SEED=n` repeats a run, `DIESEL_CACHE_STEPS=n` makes runs longer.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]
#![allow(clippy::duplicate_mod, reason = "compiled once per engine")]

mod chance;
mod mysql;
mod postgres;
mod schema;
mod sqlite;
