//! Where the tests get their stores from.
//!
//! Servers that a test only uses are named by variables that `cargo xtask test` sets. Without
//! them the tests fail: a test that did not run must not look like one that passed. A test that
//! breaks a server, or counts what it is asked, starts one of its own.

#![allow(clippy::unwrap_used, reason = "a test's support fails the test")]
#![allow(missing_docs, reason = "a test's support")]

mod watch;

pub use self::watch::Watch;

use std::time::{Duration, Instant};

use diesel_cache::backend::{RedisBackend, RedisOptions};
use diesel_cache::entry::{Entry, Payload, Vector};
use diesel_cache::tag::Tag;

/// A store of the test run's: `CACHE_TEST_…`.
///
/// # Panics
/// If the variable is not set.
#[must_use]
pub fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests by `cargo xtask test`"))
}

/// Options with time-outs that a busy machine keeps, and room for large entries.
#[must_use]
pub fn options(namespace: &str) -> RedisOptions {
    let mut options = RedisOptions::default();
    options.namespace = namespace.to_owned();
    options.connect_timeout = Duration::from_secs(20);
    options.io_timeout = Duration::from_secs(20);
    options.max_entry_bytes = 16 << 20;
    options
}

/// A backend on that store.
#[must_use]
pub fn connect(url: &str, namespace: &str) -> RedisBackend {
    RedisBackend::connect(url, options(namespace)).unwrap()
}

/// One URL for a list of URLs: those of a cluster's nodes, or of sentinels.
#[must_use]
pub fn joined(scheme: &str, urls: &str, path: &str) -> String {
    let hosts = urls.split(',').map(|url| {
        let rest = url.split_once("://").unwrap().1;
        rest.trim_end_matches('/')
    });
    let hosts: Vec<_> = hosts.collect();
    format!("{scheme}://{}{path}", hosts.join(","))
}

/// An entry that lives for an hour.
#[must_use]
pub fn entry(tags: &[Tag], vector: Vector, bytes: &[u8]) -> Entry {
    let hour = Duration::from_secs(3600);
    let ends = Instant::now() + hour;
    Entry {
        tags: tags.into(),
        vector,
        payload: Payload::Bytes(bytes.into()),
        weight: bytes.len(),
        expires_at: ends,
        lifetime: hour,
        stale_until: ends,
        not_after: None,
        removed_with: [].into(),
    }
}

/// Waits until something is so.
///
/// # Panics
/// If it is not after a minute.
pub fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !ready() {
        assert!(Instant::now() < limit, "not after a minute: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
