//! A shared store in front of each database: what the database says of its sessions decides.
#![allow(
    clippy::duplicate_mod,
    reason = "a case file is compiled once per engine"
)]
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

mod mysql;
mod postgres;
mod sqlite;
