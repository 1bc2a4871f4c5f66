//! Connections of diesel-async, on each database.
#![allow(
    clippy::duplicate_mod,
    reason = "a case file is compiled once per engine"
)]
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

mod mysql;
mod postgres;
mod sqlite;
