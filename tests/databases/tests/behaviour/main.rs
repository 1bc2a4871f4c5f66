//! What cached reads return, on every database: the files in `cases` are compiled once per engine.
#![allow(
    clippy::duplicate_mod,
    reason = "a case file is compiled once per engine"
)]
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

mod mysql;
mod postgres;
mod sqlite;
