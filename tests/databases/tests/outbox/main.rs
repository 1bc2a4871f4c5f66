//! The outbox on each database: rows of the explicit path, triggers, and the relay.
#![allow(
    clippy::duplicate_mod,
    reason = "a case file is compiled once per engine"
)]
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

mod mysql;
mod postgres;
mod sqlite;
