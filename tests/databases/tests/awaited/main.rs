//! The table of cases and the random runs, on connections of diesel-async: what is written for
//! connections that block, with every statement and every cached read awaited.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]
#![allow(clippy::duplicate_mod, reason = "compiled once per engine")]

#[path = "../differential/chance.rs"]
mod chance;
mod mysql;
mod postgres;
mod sqlite;
