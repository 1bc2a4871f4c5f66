//! A shared store in memcached.
//!
//! From the bottom: [`names`] says what the items are called, [`items`] gets and changes them,
//! [`documents`] says what stands in those that are no entries, [`entries`] finds and stores
//! entries, and [`operations`] makes a backend of it. What an entry looks like is
//! [`wire`](super::wire)'s.

use std::net::SocketAddr;
use std::net::ToSocketAddrs;
use std::time::Duration;

use memcache::exp::MetaClient;

use crate::backend::breaker::{Breaker, BreakerState};
use crate::backend::wire::Wire;
use crate::error::Error;

mod documents;
mod entries;
mod items;
mod names;
mod operations;
mod options;

pub use self::options::MemcachedOptions;

use self::items::Items;
use self::names::Names;

/// The port without one in the URL.
const PORT: u16 = 11211;

/// A shared store in memcached 1.6 or later, through its meta protocol: `memcached://host:port`.
///
/// # What it can keep: `Level::Eventual`
///
/// A memcached evicts what it likes when it needs room, and says nothing of it. What is evicted of
/// tokens and entries only costs hits. But a quarantine that is evicted leaves no trace: a read
/// would rely on what a writer is about to change. So the most that this backend keeps is
/// `Level::Eventual`: a read that begins after a write was invalidated is fresh, and between COMMIT
/// and the invalidation it may not be. `Level::Strong` is refused when the cache is built.
///
/// # What it costs
///
/// A hit is one round trip, and one more if the result depends on rows that it shows. A miss is two
/// for what is missing, two for the right to make it, and some five to store. An invalidation is two. None
/// is one step of the server: each item is changed only as it was seen (compare and swap), and
/// whoever reads tokens one after the other reads no result as newer than it is.
///
/// # When it fails
///
/// As with Redis: an operation ends after its time-outs, and a server that fails again and again is
/// left alone for a while. A server that comes back empty answers nobody before all processes have
/// said how they stand.
///
/// Names of items are made of digests, so nothing of the user's can end a command. There is no
/// authentication and no TLS: the server must not be reachable by others, and entries may be
/// [encrypted](MemcachedOptions::encryption_key).
#[derive(Debug)]
pub struct MemcachedBackend {
    items: Items,
    names: Names,
    wire: Wire,
    token_ttl: Duration,
}

impl MemcachedBackend {
    /// A backend on the server at that address, `host` or `host:port`. A server that cannot be
    /// reached is no error: it may come back.
    ///
    /// ```no_run
    /// use diesel_cache::{Cache, Level};
    /// use diesel_cache::backend::{MemcachedBackend, MemcachedOptions};
    ///
    /// let store = MemcachedBackend::connect("localhost:11211", MemcachedOptions::default())?;
    /// let cache = Cache::builder().backend(store).level(Level::Eventual).build()?;
    /// # Ok::<(), diesel_cache::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the address is none.
    pub fn connect(address: &str, options: MemcachedOptions) -> Result<Self, Error> {
        Self::at(address, options, "the address")
    }

    /// The backend of the server that a URL names. `place` says in errors where the URL stands.
    pub(crate) fn at(address: &str, options: MemcachedOptions, place: &str) -> Result<Self, Error> {
        let options = options.bounded();
        let address = resolve(address).ok_or_else(|| Error::Config {
            place: place.to_owned(),
            key: "url".to_owned(),
            value: "\"memcached://…\"".to_owned(),
            allowed: "one host that is known, and a port: `memcached://localhost:11211`".to_owned(),
        })?;
        let builder = MetaClient::builder()
            .connect_timeout(Some(options.connect_timeout))
            .io_timeout(Some(options.io_timeout))
            .max_connections(Some(options.pool_size as usize))
            .max_idle(options.pool_size as usize);
        let breaker = Breaker::new(
            options.breaker_failures,
            options.breaker_pause,
            options.io_timeout.saturating_mul(4),
        );
        let key = options.encryption_key.as_ref().map(|key| &key.0);
        let store = Self {
            items: Items::new(builder, address, breaker),
            names: Names::of(&options.namespace),
            wire: Wire::new(key, options.compress_above, options.max_entry_bytes),
            token_ttl: options.token_ttl,
        };
        if store.items.answers().is_err() {
            log::warn!("the cache begins without its store: memcached does not answer");
        }
        Ok(store)
    }

    /// Whether the store is asked now.
    #[must_use]
    pub fn breaker(&self) -> BreakerState {
        self.items.breaker().state()
    }
}

fn resolve(address: &str) -> Option<SocketAddr> {
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (address, PORT),
    };
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    if host.is_empty() || host.contains(['@', '/', ',']) {
        return None;
    }
    (host, port).to_socket_addrs().ok()?.next()
}

#[cfg(test)]
mod tests;
