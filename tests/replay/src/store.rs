//! The cache of a run, built as an application builds it, and what its store was asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use diesel_cache::Cache;
use diesel_cache_faults::Client;

use crate::options::Backend;

/// Nothing is evicted, and nothing ends but by a write.
const SETTINGS: &str = "ttl=1d&capacity=4GiB";
/// How long pending invalidations may take to be delivered.
const DELIVERY: Duration = Duration::from_secs(20);

/// The cache and its store.
#[derive(Debug)]
pub(crate) struct Store {
    cache: Cache,
    redis: Option<SocketAddr>,
}

impl Store {
    /// Opens an empty one.
    ///
    /// # Errors
    /// If no server is named, or it does not answer.
    pub(crate) fn open(backend: Backend) -> Result<Self, String> {
        let (url, redis) = match backend {
            Backend::Memory => (format!("memory://?{SETTINGS}"), None),
            Backend::Redis => {
                let server = server("CACHE_TEST_REDIS_URL")?;
                let namespace = own_name();
                let url = format!("{server}?namespace={namespace}&{SETTINGS}");
                (url, Some(address(&server)?))
            }
        };
        let cache = Cache::from_url(&url).map_err(|error| error.to_string())?;
        Ok(Self { cache, redis })
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// How many scripts the server was asked to run until now, by all of its clients. Each of the
    /// cache's operations is one script, and so one round trip.
    ///
    /// # Errors
    /// If it does not answer.
    pub(crate) fn round_trips(&self) -> Result<u64, String> {
        let Some(address) = self.redis else {
            return Ok(0);
        };
        let told = Client::connect(address)
            .and_then(|mut client| client.text(&["INFO", "commandstats"]))
            .map_err(|error| format!("asking Redis for its counters: {error}"))?;
        Ok(told.lines().filter_map(calls_of_scripts).sum())
    }

    /// Ends the cache as the end of a process does.
    pub(crate) fn close(&self) {
        if !self.cache.shutdown(DELIVERY) {
            eprintln!("replay: some invalidations are not delivered");
        }
    }
}

/// The calls in a line such as `cmdstat_evalsha:calls=5,usec=100,…`.
fn calls_of_scripts(line: &str) -> Option<u64> {
    let (command, counters) = line.split_once(':')?;
    let scripts = ["cmdstat_eval", "cmdstat_evalsha", "cmdstat_fcall"];
    if !scripts.contains(&command) {
        return None;
    }
    let calls = counters.split(',').next()?.strip_prefix("calls=")?;
    calls.parse().ok()
}

/// The address in a URL such as `redis://127.0.0.1:6379/0`.
fn address(url: &str) -> Result<SocketAddr, String> {
    let (_, rest) = url.split_once("://").ok_or("the URL has no scheme")?;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let address = rest.split(['/', '?']).next().unwrap_or_default();
    address
        .parse()
        .map_err(|_| format!("`{address}` is no address and port"))
}

/// The server that a variable names.
///
/// # Errors
/// If it names none.
pub(crate) fn server(variable: &str) -> Result<String, String> {
    std::env::var(variable)
        .map_err(|_| format!("{variable} names no server: run `cargo xtask replay`"))
}

/// A name that no other run uses.
pub(crate) fn own_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("replay_{}_{next}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_of_scripts_are_found() {
        let told = "# Commandstats\r\ncmdstat_evalsha:calls=5,usec=1,usec_per_call=0.2\r\n\
                    cmdstat_get:calls=7,usec=1\r\ncmdstat_eval:calls=2,usec=1\r\n";
        let calls: u64 = told.lines().filter_map(calls_of_scripts).sum();
        assert_eq!(calls, 7);
    }

    #[test]
    fn an_address_is_found_in_its_url() {
        for url in ["redis://127.0.0.1:63/0", "redis://u:p@127.0.0.1:63?x=y"] {
            assert_eq!(address(url), Ok(SocketAddr::from(([127, 0, 0, 1], 63))));
        }
        assert!(address("redis://localhost").is_err());
    }
}
