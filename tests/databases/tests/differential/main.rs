//! Cached reads against uncached ones, under random operations.
//!
//! `CACHE_TEST_SEED=n` repeats a run, `CACHE_TEST_STEPS=n` makes runs longer,
//! `CACHE_TEST_ROUNDS=n` makes fewer of them.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]
#![allow(clippy::duplicate_mod, reason = "compiled once per engine")]

mod chance;
mod mysql;
mod postgres;
mod schema;
mod sqlite;
