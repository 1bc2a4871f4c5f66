//! What this crate takes for granted of Diesel: which events tell of what, and what errors mean.
//!
//! A new version of Diesel that breaks one of these breaks the cache.
#![allow(
    clippy::duplicate_mod,
    reason = "a case file is compiled once per engine"
)]
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

mod mysql;
mod outside;
mod postgres;
mod sqlite;
#[path = "../hazards/support.rs"]
mod support;
