//! What every backend promises, on Redis in each of its shapes, in memcached, in files, and through what stands
//! in front of them.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

mod awaited;
mod cluster;
mod example;
mod files;
mod memcached;
mod parts;
mod sentinels;
mod single;
mod tiers;
mod tls;
#[cfg(feature = "valkey")]
mod valkey;
