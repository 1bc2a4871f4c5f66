//! The cache of a worker, built as an application builds it.

use std::sync::Arc;

use diesel::result::Error;
use diesel_cache::backend::{CacheBackend, MemoryBackend};
use diesel_cache::{Cache, Stats};
use serde_json::{Map, Value, json};

use super::Setup;
use crate::options::Backend;
use crate::points::{Armed, Pointed};
use crate::sabotage::sabotaged;

/// How much the embedded backend holds, in bytes.
const CAPACITY: u64 = 64 << 20;

/// The cache.
///
/// # Errors
/// If it cannot be built.
pub(super) fn cache(setup: &Setup, armed: &Arc<Armed>) -> Result<Cache, String> {
    let backend: Arc<dyn CacheBackend> = match setup.options.backend {
        Backend::Memory => Arc::new(MemoryBackend::new(CAPACITY)),
        Backend::Redis => return Err("this build knows no Redis".to_owned()),
    };
    let backend = sabotaged(setup.options.sabotage, backend);
    Cache::builder()
        .backend(Pointed::new(backend, armed))
        .build()
        .map_err(|error| error.to_string())
}

/// Whether a write failed because the cache refused it.
pub(super) fn is_refusal(error: &Error) -> bool {
    let _ = error;
    false
}

/// Delivers what is pending.
pub(super) fn flush(cache: &Cache) {
    let _ = cache;
}

/// The counters of a cache, as one line of JSON.
pub(super) fn stats(cache: &Cache) -> Value {
    let Stats {
        hits,
        misses,
        bypasses,
        puts,
        rejected_outdated,
        quarantines,
        resolves,
        joined,
        backend_errors,
        ..
    } = cache.stats();
    let bypasses: Map<String, Value> = bypasses
        .into_iter()
        .map(|(reason, count)| (format!("{reason:?}"), json!(count)))
        .collect();
    json!({
        "hits": hits,
        "misses": misses,
        "bypasses": bypasses,
        "puts": puts,
        "rejected_outdated": rejected_outdated,
        "quarantines": quarantines,
        "resolves": resolves,
        "joined": joined,
        "backend_errors": backend_errors,
    })
}
