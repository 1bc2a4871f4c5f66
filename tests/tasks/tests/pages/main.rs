//! Responses that are cached as a whole, in a process of their own: what is done on connections that block
//! counts for all tasks of a process.
#![allow(
    clippy::duplicate_mod,
    reason = "a case file is compiled once per engine"
)]
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

mod aside;
mod mysql;
mod postgres;
mod sqlite;
