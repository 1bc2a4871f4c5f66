//! One test per hazard of the design, and the transaction matrix, on every database.
//!
//! The files in `cases` are compiled once per engine; those in `only` belong to one.
//! `hazard_NN_…` is hazard NN of the list in ARCHITECTURE.md.
#![allow(
    clippy::duplicate_mod,
    reason = "a case file is compiled once per engine"
)]
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

#[path = "../differential/chance.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod chance;
mod mysql;
mod postgres;
mod sqlite;
mod support;
