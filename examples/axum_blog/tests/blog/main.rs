//! The blog, as its visitors have it: a process of its own, asked over HTTP.
//!
//! - `sqlite`: with a file and memory, for which nothing has to run
//! - `postgres`: with PostgreSQL and Redis, which `cargo xtask test` starts and names; the files
//!   in `cases` are compiled once for each
//! - `browser`: in Chromium, with its keyboard and its mouse
#![allow(
    clippy::duplicate_mod,
    reason = "a case file is compiled once per database"
)]
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

mod browser;
mod postgres;
mod sqlite;
mod support;
