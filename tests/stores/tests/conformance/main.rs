//! What every backend promises, on Redis in each of its shapes.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

mod cluster;
mod sentinels;
mod single;
mod tls;
#[cfg(feature = "valkey")]
mod valkey;
