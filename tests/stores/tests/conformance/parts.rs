//! A part of a store.

use diesel_cache::backend::PrefixedBackend;
use diesel_cache_stores::{connect, variable};

use super::files;

diesel_cache::conformance_tests!(|namespace: &str| {
    let whole = connect(&variable("CACHE_TEST_REDIS_URL"), namespace);
    PrefixedBackend::new(whole, "part")
});

mod of_files {
    use super::*;

    diesel_cache::conformance_tests!(|namespace: &str| {
        let whole = files::open(files::options(namespace));
        PrefixedBackend::new(whole, "part")
    });
}
