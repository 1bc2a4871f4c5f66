//! memcached.

use diesel_cache::backend::{EncryptionKey, MemcachedBackend, MemcachedOptions};
use diesel_cache_stores::variable;
use std::time::Duration;

fn options(namespace: &str) -> MemcachedOptions {
    let mut options = MemcachedOptions::default();
    options.namespace = namespace.to_owned();
    options.connect_timeout = Duration::from_secs(20);
    options.io_timeout = Duration::from_secs(20);
    options.max_entry_bytes = 16 << 20;
    options
}

fn connect(options: MemcachedOptions) -> MemcachedBackend {
    MemcachedBackend::connect(&variable("CACHE_TEST_MEMCACHED_ADDRESS"), options).unwrap()
}

diesel_cache::conformance_tests!(|namespace: &str| connect(options(namespace)));

/// The same with entries that are encrypted and always compressed.
mod encrypted {
    use super::*;

    diesel_cache::conformance_tests!(|namespace: &str| {
        let mut options = options(namespace);
        options.encryption_key = EncryptionKey::from_hex(&"5a".repeat(32));
        options.compress_above = 0;
        connect(options)
    });
}
