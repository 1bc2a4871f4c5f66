//! A shared store in Redis or Valkey.
//!
//! Every operation is one script, and so one round trip and one step of the server:
//! `scripts/*.lua`, each with `common.lua` before it. [`script`] says which may run when the
//! server is out of memory. [`names`] says what the keys are called, and [`wire`](super::wire) what
//! an entry looks like.
//!
//! Beneath that, from the bottom: [`transport`] counts the time of an operation down, [`link`] is one
//! connection to one server in one term, [`manager`] makes such connections ([`address`],
//! `locate`, [`greeting`], [`server`]), [`pool`] keeps them, [`breaker`](super::breaker) keeps off a
//! store that fails. What reads wait for ([`reads`]) can be awaited, on a connection that tasks share
//! (`multiplexed`); all [`call`] scripts in one way.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::Value;

use crate::backend::breaker::{Breaker, BreakerState};
use crate::backend::wire::{self, Clock, Digest, Wire};
use crate::error::{BackendError, Error};
use crate::now::now;

mod address;
mod call;
mod failure;
mod greeting;
mod link;
#[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
mod locate;
mod manager;
#[cfg(feature = "async")]
mod multiplexed;
mod names;
mod operations;
mod options;
mod pool;
mod reads;
mod reply;
mod script;
mod server;
#[cfg(feature = "tls")]
mod tls;
mod transport;

pub(crate) use self::address::is_scheme;
pub use self::options::RedisOptions;

use self::address::Address;
use self::call::{Request, Requests, call};
use self::failure::{Failure, Loss};
use self::manager::Target;
use self::names::Names;
use self::pool::Pools;
use self::script::Op;
use self::transport::Cover;

/// A shared store in Redis 7.0 or later, or Valkey: on a single server, on the node of a cluster
/// that owns the namespace, or on the master that sentinels name.
///
/// | URL | what it names |
/// |---|---|
/// | `redis://host:port/0` | one server, and the index of a database |
/// | `redis+unix:///run/redis.sock` | one server, by its socket |
/// | `redis+cluster://h1,h2:7001,h3` | a cluster, by some of its nodes. Feature `redis-cluster` |
/// | `redis+sentinel://h1,h2/mymaster/0` | the master of that name, by some of its sentinels. Feature `redis-sentinel` |
///
/// With `rediss` instead of `redis`, all of it goes through TLS (feature `tls`). A user and a
/// password stand before the hosts, `user:password@`, percent-encoded. Sentinels are not sent them.
///
/// # What the server must be
///
/// The master of its data, with scripts (`EVAL`, `EVALSHA`) and `INFO`. At `Level::Strong` its
/// `maxmemory-policy` must be `noeviction` or one of `volatile-…`: a policy that evicts keys without
/// a lifetime may evict quarantines. A server that says nothing of itself, because it refuses `INFO`,
/// can be used at `Level::Eventual` alone; there a restored snapshot may then bring back old
/// entries, for their time to live at most.
///
/// # What it costs
///
/// Each operation is one round trip, whatever the number of tags: a hit is one, a miss is one and
/// one to store. A further one is needed when the server does not know the script yet, when
/// a pooled connection turns out to have been closed, and when a server that is out of memory
/// is asked for new tokens.
///
/// # When it fails
///
/// An operation takes `io_timeout` at most for a free connection and as long again for its
/// answer. A connection is thrown away after anything but an answer. After
/// [`breaker_failures`](RedisOptions::breaker_failures) failures in a row operations fail at once
/// for a while, see [`breaker`](Self::breaker).
///
/// No text of the server is repeated in errors or logs but the code of an error.
#[derive(Debug)]
pub struct RedisBackend {
    target: Arc<Target>,
    pools: Pools,
    breaker: Breaker,
    wire: Wire,
    io_timeout: Duration,
    token_ttl: Duration,
    /// The longest entry that a script hands out.
    largest: u64,
}

impl RedisBackend {
    /// A backend on the store that a URL names, without a query. It connects at once, to say
    /// what is wrong with a store that cannot be used. A store that cannot be reached is no
    /// error: it may come back.
    ///
    /// ```no_run
    /// use diesel_cache::Cache;
    /// use diesel_cache::backend::{RedisBackend, RedisOptions};
    ///
    /// let mut options = RedisOptions::default();
    /// options.namespace = "shop".to_owned();
    /// let store = RedisBackend::connect("redis://localhost", options)?;
    /// let cache = Cache::builder().backend(store).build()?;
    /// # Ok::<(), diesel_cache::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the URL or an option is not understood, or if the store answers and cannot be used.
    pub fn connect(url: &str, options: RedisOptions) -> Result<Self, Error> {
        let (scheme, body) = url.split_once("://").unwrap_or(("", ""));
        Self::with_parts(scheme, body, options, "the URL")
    }

    /// The backend of a URL's scheme and of what stands between it and the query. `place` says in
    /// errors where the URL stands.
    pub(crate) fn with_parts(
        scheme: &str,
        body: &str,
        options: RedisOptions,
        place: &str,
    ) -> Result<Self, Error> {
        let options = options.bounded();
        let invalid = |key: &str, value: String, allowed: String| Error::Config {
            place: place.to_owned(),
            key: key.to_owned(),
            value,
            allowed,
        };
        let shown = if is_scheme(scheme) { scheme } else { "" };
        let address = Address::parse(scheme, body)
            .map_err(|allowed| invalid("url", format!("\"{shown}://…\""), allowed))?;
        let cover = cover(&address, &options).map_err(|allowed| {
            let file = options.tls_ca.as_ref().map(|path| format!("{path:?}"));
            invalid("tls_ca", file.unwrap_or_default(), allowed)
        })?;
        let largest = wire::longest(options.max_entry_bytes);
        let target = Arc::new(Target {
            address,
            cover,
            level: options.level,
            root: names::root(&options.namespace),
            connect_timeout: options.connect_timeout,
            largest,
        });
        let key = options.encryption_key.as_ref().map(|key| &key.0);
        let store = Self {
            pools: Pools::new(Arc::clone(&target), options.pool_size),
            target,
            breaker: Breaker::new(
                options.breaker_failures,
                options.breaker_pause,
                options.io_timeout.saturating_mul(4),
            ),
            wire: Wire::new(key, options.compress_above, options.max_entry_bytes),
            io_timeout: options.io_timeout,
            token_ttl: options.token_ttl,
            largest,
        };
        store.greet(place)?;
        Ok(store)
    }

    /// Connects once.
    fn greet(&self, place: &str) -> Result<(), Error> {
        let patience = self.target.connect_timeout + self.io_timeout;
        match self.pools.current().get(patience) {
            Ok(_) => Ok(()),
            // rule: a-store-that-cannot-be-used-is-an-error
            Err(Failure::Unusable(reason)) => Err(Error::Store {
                place: place.to_owned(),
                reason,
            }),
            Err(failure) => {
                log::warn!("the cache begins without its store: {failure}");
                Ok(())
            }
        }
    }

    /// Whether the store is asked now.
    #[must_use]
    pub fn breaker(&self) -> BreakerState {
        self.breaker.state()
    }

    /// Why the last attempt to connect failed, in words; `None` if it did not. The words hold no
    /// secret.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let problem = self.pools.current().manager().problem();
        problem.map(|failure| failure.to_string())
    }

    /// Runs a script on some connection, and waits.
    fn run(
        &self,
        op: Op,
        may_be_repeated: bool,
        request: Requests<'_>,
    ) -> Result<Vec<Value>, Failure> {
        now(self.run_by::<Pooled>(op, may_be_repeated, request))
    }

    /// Runs a script on some connection.
    async fn run_by<W: Way>(
        &self,
        op: Op,
        may_be_repeated: bool,
        request: Requests<'_>,
    ) -> Result<Vec<Value>, Failure> {
        if !self.breaker.admits() {
            return Err(Failure::Open);
        }
        let mut outcome = W::attempt(self, op, request).await;
        if let Err(failure) = &outcome {
            let lost = *failure == Failure::Lost(Loss::Ended);
            // The connection had been closed while it lay in the pool, or leads to a server that
            // has another role now.
            // rule: what-may-have-been-done-is-not-done-twice
            if failure.is_elsewhere() || (lost && may_be_repeated) {
                outcome = W::attempt(self, op, request).await;
            }
        }
        match &outcome {
            Err(failure) if failure.counts() => {
                if self.breaker.failed() {
                    log::warn!("the cache's store is left alone for a while: {failure}");
                }
            }
            Err(Failure::Lost(Loss::Busy)) => {}
            _ => self.breaker.succeeded(),
        }
        outcome
    }
}

/// On which connections scripts are run.
trait Way {
    /// Runs a script once.
    fn attempt(
        store: &RedisBackend,
        op: Op,
        request: Requests<'_>,
    ) -> impl Future<Output = Result<Vec<Value>, Failure>> + Send;
}

/// On those of the pool: the thread waits.
#[derive(Debug)]
struct Pooled;

impl Way for Pooled {
    fn attempt(
        store: &RedisBackend,
        op: Op,
        request: Requests<'_>,
    ) -> impl Future<Output = Result<Vec<Value>, Failure>> + Send {
        let attempt = || {
            let pool = store.pools.current();
            let mut link = pool.get(store.io_timeout)?;
            let deadline = Instant::now() + store.io_timeout;
            let answer = now(call(&mut *link, op, &store.target.root, request, deadline));
            if let Err(failure) = &answer
                && failure.ends_others()
            {
                pool.manager().give_up(link.age);
            }
            answer
        };
        std::future::ready(attempt())
    }
}

/// On the one that all tasks of a runtime share.
#[cfg(feature = "async")]
#[derive(Debug)]
struct Multiplexed;

#[cfg(feature = "async")]
impl Way for Multiplexed {
    async fn attempt(
        store: &RedisBackend,
        op: Op,
        request: Requests<'_>,
    ) -> Result<Vec<Value>, Failure> {
        let pool = store.pools.current();
        let mut line = pool.lines().get(pool.manager(), store.io_timeout).await?;
        let deadline = Instant::now() + store.io_timeout;
        let answer = call(&mut line, op, &store.target.root, request, deadline).await;
        if let Err(failure) = &answer
            && failure.ends_others()
        {
            pool.manager().give_up(line.age());
        }
        answer
    }
}

#[cfg(feature = "tls")]
fn cover(address: &Address, options: &RedisOptions) -> Result<Cover, String> {
    let tls = || tls::Tls::new(options.tls_ca.as_deref());
    address.tls.then(tls).transpose()
}

#[cfg(not(feature = "tls"))]
fn cover(_: &Address, _: &RedisOptions) -> Result<Cover, String> {
    Ok(None)
}

impl From<Failure> for BackendError {
    fn from(failure: Failure) -> Self {
        Self::new(failure.to_string())
    }
}

#[cfg(test)]
mod tests;
