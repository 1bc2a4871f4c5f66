//! Rows, connections and models of every shape, on every database.
#![allow(
    clippy::duplicate_mod,
    reason = "a case file is compiled once per engine"
)]
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

mod multi;
mod mysql;
mod ordinary;
mod postgres;
mod sqlite;
