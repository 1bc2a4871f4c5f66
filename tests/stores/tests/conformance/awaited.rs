//! What reads wait for, awaited: by tasks that share one connection.

use std::sync::LazyLock;

use diesel_cache::backend::conformance::Awaited;
use diesel_cache::backend::{CacheBackend, PrefixedBackend, TieredBackend, TieredOptions};
use diesel_cache_stores::{connect, joined, variable};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

fn awaited<B: CacheBackend>(store: B) -> Awaited<B> {
    Awaited::new(store, RUNTIME.handle().clone())
}

diesel_cache::conformance_tests!(|namespace: &str| {
    awaited(connect(&variable("CACHE_TEST_REDIS_URL"), namespace))
});

mod of_a_cluster {
    use super::*;

    diesel_cache::conformance_tests!(|namespace: &str| {
        let urls = variable("CACHE_TEST_REDIS_CLUSTER_URLS");
        awaited(connect(&joined("redis+cluster", &urls, ""), namespace))
    });
}

mod of_sentinels {
    use super::*;

    diesel_cache::conformance_tests!(|namespace: &str| {
        let urls = variable("CACHE_TEST_REDIS_SENTINEL_URLS");
        let name = variable("CACHE_TEST_REDIS_SENTINEL_NAME");
        let url = joined("redis+sentinel", &urls, &format!("/{name}"));
        awaited(connect(&url, namespace))
    });
}

mod over_tls {
    use super::super::tls::secure;
    use super::*;

    diesel_cache::conformance_tests!(|namespace: &str| awaited(secure(namespace)));
}

mod of_a_part {
    use super::*;

    diesel_cache::conformance_tests!(|namespace: &str| {
        let whole = connect(&variable("CACHE_TEST_REDIS_URL"), namespace);
        awaited(PrefixedBackend::new(whole, "part"))
    });
}

mod in_tiers {
    use super::*;

    diesel_cache::conformance_tests!(|namespace: &str| {
        let behind = connect(&variable("CACHE_TEST_REDIS_URL"), namespace);
        awaited(TieredBackend::new(behind, TieredOptions::default()))
    });
}
