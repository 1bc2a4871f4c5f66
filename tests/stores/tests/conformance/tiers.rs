//! Memory in front of a store.

use diesel_cache::backend::{TieredBackend, TieredOptions};
use diesel_cache_stores::{connect, variable};

use super::files;

diesel_cache::conformance_tests!(|namespace: &str| {
    let behind = connect(&variable("CACHE_TEST_REDIS_URL"), namespace);
    TieredBackend::new(behind, TieredOptions::default())
});

mod over_files {
    use super::*;

    diesel_cache::conformance_tests!(|namespace: &str| {
        let behind = files::open(files::options(namespace));
        TieredBackend::new(behind, TieredOptions::default())
    });
}
