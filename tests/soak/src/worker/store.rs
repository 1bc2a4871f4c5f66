//! The cache of a worker, built as an application builds it.

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::Connection;
use diesel::mysql::MysqlConnection;
use diesel::pg::PgConnection;
use diesel::result::Error;
use diesel::sqlite::SqliteConnection;
use diesel_cache::backend::{
    CacheBackend, FileBackend, FileOptions, MemoryBackend, RedisBackend, RedisOptions,
    TieredBackend, TieredOptions,
};
use diesel_cache::{Builder, Cache, Level, OnUnreachable, Stats, StoreUnreachable};
use serde_json::{Map, Value, json};

use super::Setup;
use crate::options::{self, Backend, Database};
use crate::points::Armed;
use crate::sabotage::Broken;
use crate::wrap::Wrapped;

/// How much the embedded backend holds, in bytes.
const CAPACITY: u64 = 64 << 20;
/// How long pending invalidations may take to be delivered.
const DELIVERY: Duration = Duration::from_secs(20);

/// The cache.
///
/// # Errors
/// If it cannot be built.
pub(super) fn cache(setup: &Setup, armed: &Arc<Armed>) -> Result<Cache, String> {
    let level = match setup.options.level {
        options::Level::Strong => Level::Strong,
        options::Level::Eventual => Level::Eventual,
        options::Level::Durable => Level::Durable,
    };
    let backend: Arc<dyn CacheBackend> = match setup.options.backend {
        Backend::Memory => Arc::new(MemoryBackend::new(CAPACITY)),
        Backend::Redis => Arc::new(redis(setup, level)?),
        Backend::Tiered => {
            let mut options = TieredOptions::default();
            options.staleness = Duration::from_millis(setup.options.staleness_ms);
            Arc::new(TieredBackend::new(redis(setup, level)?, options))
        }
        Backend::File => {
            let folder = setup.store.as_deref().ok_or("there is no folder")?;
            let mut options = FileOptions::default();
            // Little, so that entries are evicted.
            options.capacity = 2 << 20;
            Arc::new(FileBackend::open(folder, options).map_err(|error| error.to_string())?)
        }
    };
    let wrapped = Wrapped {
        broken: Broken::new(setup.options.sabotage, &backend),
        to: backend,
        armed: Arc::clone(armed),
    };
    let on_unreachable = match setup.options.on_unreachable {
        options::OnUnreachable::Proceed => OnUnreachable::Proceed,
        options::OnUnreachable::Abort => OnUnreachable::Abort,
    };
    let builder = Cache::builder()
        .backend(wrapped)
        .level(level)
        .on_unreachable(on_unreachable);
    let builder = match level {
        Level::Durable => relayed(builder, setup),
        _ => builder,
    };
    builder.build().map_err(|error| error.to_string())
}

/// With a relay of the run's database.
fn relayed(builder: Builder, setup: &Setup) -> Builder {
    let url = setup.database.clone();
    match setup.options.database {
        Database::Postgres => builder.relay(move || PgConnection::establish(&url)),
        Database::Mariadb => builder.relay(move || MysqlConnection::establish(&url)),
        Database::Sqlite => builder.relay(move || SqliteConnection::establish(&url)),
    }
}

fn redis(setup: &Setup, level: Level) -> Result<RedisBackend, String> {
    let url = setup.store.as_deref().ok_or("there is no store")?;
    let mut options = RedisOptions::default();
    options.level = level;
    RedisBackend::connect(url, options).map_err(|error| error.to_string())
}

/// Whether a write failed because the cache refused it.
pub(super) fn is_refusal(error: &Error) -> bool {
    match error {
        Error::QueryBuilderError(error) => error.is::<StoreUnreachable>(),
        _ => false,
    }
}

/// Delivers what is pending.
pub(super) fn flush(cache: &Cache) {
    if !cache.flush(DELIVERY) {
        eprintln!("soak: some invalidations are not delivered");
    }
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
        outbox_failures,
        relayed,
        relay_failures,
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
        "outbox_failures": outbox_failures,
        "relayed": relayed,
        "relay_failures": relay_failures,
    })
}
