//! A server with TLS, whose certificate only the tests' own authority vouches for.

use std::path::PathBuf;

use diesel_cache::Error;
use diesel_cache::backend::{CacheBackend, RedisBackend};
use diesel_cache::token::ProcessId;
use diesel_cache_stores::{options, variable};

pub(crate) fn secure(namespace: &str) -> RedisBackend {
    let mut options = options(namespace);
    options.tls_ca = Some(PathBuf::from(variable("CACHE_TEST_REDIS_TLS_CA")));
    RedisBackend::connect(&variable("CACHE_TEST_REDIS_TLS_URL"), options).unwrap()
}

diesel_cache::conformance_tests!(secure);

#[test]
fn a_server_that_nobody_vouches_for_is_not_talked_to() {
    let url = variable("CACHE_TEST_REDIS_TLS_URL");
    // By the authorities of the web alone.
    match RedisBackend::connect(&url, options("stranger")) {
        Err(Error::Store { .. }) => {}
        Ok(backend) => assert!(backend.beat(ProcessId::fresh(), &[]).is_err()),
        Err(other) => panic!("{other}"),
    }
}

/// The certificate is for `localhost` and `127.0.0.1`: of another name it is not valid.
#[test]
fn a_server_of_another_name_is_not_talked_to() {
    let url = variable("CACHE_TEST_REDIS_TLS_URL").replace("localhost", "127.0.0.2");
    let mut options = options("another name");
    options.tls_ca = Some(PathBuf::from(variable("CACHE_TEST_REDIS_TLS_CA")));
    let backend = RedisBackend::connect(&url, options);
    assert!(backend.is_err() || backend.unwrap().beat(ProcessId::fresh(), &[]).is_err());
}
