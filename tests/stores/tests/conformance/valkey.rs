//! Valkey.

use std::path::Path;
use std::sync::LazyLock;

use diesel_cache_faults::RedisServer;
use diesel_cache_stores::{connect, variable};

static SERVER: LazyLock<RedisServer> = LazyLock::new(|| {
    let program = variable("CACHE_TEST_VALKEY");
    RedisServer::start_program(Path::new(&program), &[]).unwrap()
});

diesel_cache::conformance_tests!(|namespace: &str| connect(&SERVER.url(), namespace));
