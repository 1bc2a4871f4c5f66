//! One server.

use diesel_cache_stores::{connect, variable};

diesel_cache::conformance_tests!(|namespace: &str| {
    connect(&variable("CACHE_TEST_REDIS_URL"), namespace)
});

/// The same with entries that are encrypted and always compressed.
mod encrypted {
    use diesel_cache::backend::{EncryptionKey, RedisBackend};
    use diesel_cache_stores::{options, variable};

    diesel_cache::conformance_tests!(|namespace: &str| {
        let mut options = options(namespace);
        options.encryption_key = EncryptionKey::from_hex(&"5a".repeat(32));
        options.compress_above = 0;
        RedisBackend::connect(&variable("CACHE_TEST_REDIS_URL"), options).unwrap()
    });
}
