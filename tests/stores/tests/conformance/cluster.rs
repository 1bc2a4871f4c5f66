//! A cluster of three masters: each namespace lies on one of them.

use diesel_cache_stores::{connect, joined, variable};

diesel_cache::conformance_tests!(|namespace: &str| {
    let urls = variable("CACHE_TEST_REDIS_CLUSTER_URLS");
    connect(&joined("redis+cluster", &urls, ""), namespace)
});
