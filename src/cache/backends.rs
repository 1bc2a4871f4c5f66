//! Which backend a URL names, and what the configuration says of it.

use std::sync::Arc;

#[cfg(any(feature = "redis", feature = "memcached", feature = "file"))]
use crate::backend::EncryptionKey;
#[cfg(feature = "memory")]
use crate::backend::MemoryBackend;
use crate::backend::{CacheBackend, NullBackend};
#[cfg(all(feature = "file", target_os = "linux"))]
use crate::backend::{FileBackend, FileOptions};
#[cfg(feature = "memcached")]
use crate::backend::{MemcachedBackend, MemcachedOptions};
#[cfg(feature = "redis")]
use crate::backend::{RedisBackend, RedisOptions, is_redis};
#[cfg(feature = "tiered")]
use crate::backend::{TieredBackend, TieredOptions};
use crate::config::{Config, Url};
use crate::error::Error;

/// The backend that a URL names; without one, that of `memory://`.
pub(super) fn make_backend(
    url: Option<&Url>,
    config: &Config,
) -> Result<Arc<dyn CacheBackend>, Error> {
    let (scheme, body) = url.map_or(("memory", ""), Url::parts);
    #[cfg(feature = "tiered")]
    if let Some(behind) = scheme.strip_prefix("tiered+") {
        return tiered(behind, body, url, config);
    }
    // rule: a-staleness-needs-a-tier
    if !config.staleness.is_zero() {
        return Err(Error::Config {
            place: place_of(url),
            key: "url".to_owned(),
            value: format!("\"{scheme}://…\""),
            allowed: "with `staleness`, a URL that begins with `tiered+`".to_owned(),
        });
    }
    store(scheme, body, url, config)
}

/// Memory in front of the store of that scheme.
#[cfg(feature = "tiered")]
fn tiered(
    scheme: &str,
    body: &str,
    url: Option<&Url>,
    config: &Config,
) -> Result<Arc<dyn CacheBackend>, Error> {
    let behind = store(scheme, body, url, config)?;
    if !behind.is_shared() {
        return Err(Error::Config {
            place: place_of(url),
            key: "url".to_owned(),
            value: format!("\"tiered+{scheme}://…\""),
            allowed: "a shared store behind `tiered+`, such as `tiered+redis://localhost`"
                .to_owned(),
        });
    }
    let options = TieredOptions {
        capacity: config.tier_capacity,
        staleness: config.staleness,
    };
    Ok(Arc::new(TieredBackend::new(behind, options)))
}

fn place_of(url: Option<&Url>) -> String {
    url.map_or_else(|| "the defaults".to_owned(), |url| url.place.clone())
}

/// The store of a scheme.
fn store(
    scheme: &str,
    body: &str,
    url: Option<&Url>,
    config: &Config,
) -> Result<Arc<dyn CacheBackend>, Error> {
    let place = || place_of(url);
    let invalid = |allowed: &str| Error::Config {
        place: place(),
        key: "url".to_owned(),
        value: format!("\"{scheme}://…\""),
        allowed: allowed.to_owned(),
    };
    match scheme {
        "null" if body.is_empty() => Ok(Arc::new(NullBackend)),
        "null" => Err(invalid("nothing between `null://` and a query")),
        #[cfg(feature = "memory")]
        "memory" if body.is_empty() => {
            log::info!(
                "diesel-cache keeps its entries in this process: writes of other processes \
                 to the same database do not invalidate them"
            );
            Ok(Arc::new(MemoryBackend::new(config.capacity)))
        }
        #[cfg(feature = "memory")]
        "memory" => Err(invalid(
            "nothing between `memory://` and a query, such as `memory://?ttl=10m`",
        )),
        #[cfg(all(feature = "file", target_os = "linux"))]
        "file" => {
            let folder = folder(body)
                .ok_or_else(|| invalid("a folder, percent-encoded: `file:///var/cache/shop`"))?;
            Ok(Arc::new(FileBackend::at(&folder, file(config), &place())?))
        }
        #[cfg(feature = "memcached")]
        "memcached" => {
            let store = MemcachedBackend::at(body, memcached(config), &place())?;
            Ok(Arc::new(store))
        }
        #[cfg(feature = "redis")]
        scheme if is_redis(scheme) => {
            let store = RedisBackend::with_parts(scheme, body, redis(config), &place())?;
            Ok(Arc::new(store))
        }
        _ => {
            let _ = (config, body);
            Err(Error::UnknownBackend {
                place: place(),
                // A URL without a scheme may hold a password: it is not repeated.
                scheme: scheme.chars().take(32).collect(),
                known: known_backends(),
            })
        }
    }
}

/// The schemes that this build knows, in words.
fn known_backends() -> String {
    let features = [
        (cfg!(feature = "memory"), "`memory://`"),
        (
            cfg!(all(feature = "file", target_os = "linux")),
            "`file://`",
        ),
        (cfg!(feature = "redis"), "`redis://`"),
        (cfg!(feature = "redis-cluster"), "`redis+cluster://`"),
        (cfg!(feature = "redis-sentinel"), "`redis+sentinel://`"),
        (cfg!(feature = "tls"), "`rediss://`"),
        (cfg!(feature = "memcached"), "`memcached://`"),
        (cfg!(feature = "tiered"), "`tiered+…://`"),
        (true, "`null://`"),
    ];
    let known: Vec<&str> = features
        .into_iter()
        .filter_map(|(on, scheme)| on.then_some(scheme))
        .collect();
    known.join(", ")
}

/// How long tokens are kept: longer than any entry that holds them.
#[cfg(any(feature = "redis", feature = "memcached", feature = "file"))]
fn token_ttl(config: &Config) -> std::time::Duration {
    let tables = config.tables.values();
    let longest = tables.filter_map(|table| table.settings.ttl).max();
    let longest = longest.unwrap_or(config.ttl).max(config.ttl);
    longest.saturating_mul(2)
}

#[cfg(any(feature = "redis", feature = "memcached", feature = "file"))]
fn encryption_key(config: &Config) -> Option<EncryptionKey> {
    let key = config.encryption_key.as_ref();
    key.and_then(|key| EncryptionKey::from_hex(&key.0))
}

/// The path that stands in a URL.
#[cfg(all(feature = "file", target_os = "linux"))]
fn folder(body: &str) -> Option<std::path::PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(body).collect();
    let usable = !bytes.is_empty() && !bytes.contains(&0);
    usable.then(|| std::ffi::OsString::from_vec(bytes).into())
}

/// What the configuration says of a store in files.
#[cfg(all(feature = "file", target_os = "linux"))]
fn file(config: &Config) -> FileOptions {
    let mut options = FileOptions::default();
    options.namespace.clone_from(&config.namespace);
    options.capacity = config.capacity;
    options.io_timeout = config.io_timeout;
    options.max_entry_bytes = config.max_entry_bytes;
    options.compress_above = config.compress_above;
    options.encryption_key = encryption_key(config);
    options.token_ttl = token_ttl(config);
    options
}

/// What the configuration says of a store in memcached.
#[cfg(feature = "memcached")]
fn memcached(config: &Config) -> MemcachedOptions {
    let mut options = MemcachedOptions::default();
    options.namespace.clone_from(&config.namespace);
    options.connect_timeout = config.connect_timeout;
    options.io_timeout = config.io_timeout;
    options.pool_size = config.pool_size;
    options.max_entry_bytes = config.max_entry_bytes;
    options.compress_above = config.compress_above;
    options.encryption_key = encryption_key(config);
    options.token_ttl = token_ttl(config);
    options
}

/// What the configuration says of a store in Redis.
#[cfg(feature = "redis")]
fn redis(config: &Config) -> RedisOptions {
    let mut options = RedisOptions::default();
    options.namespace.clone_from(&config.namespace);
    options.level = config.level;
    options.connect_timeout = config.connect_timeout;
    options.io_timeout = config.io_timeout;
    options.pool_size = config.pool_size;
    options.max_entry_bytes = config.max_entry_bytes;
    options.compress_above = config.compress_above;
    options.encryption_key = encryption_key(config);
    options.tls_ca = config.tls_ca.clone().map(std::path::PathBuf::from);
    options.token_ttl = token_ttl(config);
    options
}

#[cfg(test)]
mod tests {
    use crate::cache::Cache;

    fn error(url: &str) -> String {
        Cache::from_url(url).unwrap_err().to_string()
    }

    #[test]
    fn a_url_names_a_backend_or_says_what_it_may_name() {
        assert!(Cache::from_url("null://?ttl=1m").is_ok());
        assert!(error("null://x").contains("nothing between `null://`"));
        assert!(error("nothing://").contains("`null://`"));
    }

    #[test]
    fn a_staleness_needs_a_tier() {
        let error = error("null://?staleness=1s");
        assert!(
            error.contains("a URL that begins with `tiered+`"),
            "{error}"
        );
    }

    #[test]
    #[cfg(feature = "tiered")]
    fn a_tier_needs_a_shared_store_behind_it() {
        for url in ["tiered+null://", "tiered+null://?staleness=1s"] {
            assert!(error(url).contains("a shared store behind"), "{url}");
        }
        assert!(error("tiered+tiered+null://").contains("no backend for `tiered+null`"));
    }

    #[test]
    #[cfg(feature = "memcached")]
    fn a_store_is_not_asked_for_more_than_it_keeps() {
        let error = error("memcached://127.0.0.1:1");
        assert!(error.contains("it cannot keep `strong`"), "{error}");
        assert!(Cache::from_url("memcached://127.0.0.1:1?level=eventual").is_ok());
        for url in [
            "memcached://",
            "memcached://a,b",
            "memcached://u:p@h",
            "memcached://h:x",
        ] {
            assert!(super::super::Cache::from_url(url).is_err(), "{url}");
        }
    }

    #[test]
    #[cfg(all(feature = "file", feature = "tiered", target_os = "linux"))]
    fn a_folder_stands_in_a_url() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b");
        let encoded = path.display().to_string().replace(' ', "%20");
        for scheme in ["file", "tiered+file"] {
            let url = format!("{scheme}://{encoded}?namespace=n&tier_capacity=1MiB");
            assert!(Cache::from_url(&url).is_ok(), "{url}");
            assert!(path.join("diesel-cache-n").is_dir());
        }
        assert!(error("file://").contains("a folder, percent-encoded"));
        assert!(error("file://%00").contains("a folder, percent-encoded"));
    }
}
