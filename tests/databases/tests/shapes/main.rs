//! Rows, connections and models of every shape, on every database.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

mod multi;
mod mysql;
mod postgres;
mod sqlite;
