//! Building a cache.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::CacheBackend;
use crate::cache::backends::make_backend;
use crate::cache::{Cache, Relay};
use crate::config::{self, Codec, Config, Layer, Level, OnUnreachable, Secret, Source, Url, Value};
use crate::core::Core;
use crate::error::Error;

/// Builds a [`Cache`]; made by [`Cache::builder`].
///
/// # Which setting counts
///
/// Settings come from five places. Of two that set the same thing, the later one in this
/// list counts; in which order the methods are called does not matter:
///
/// 1. the defaults;
/// 2. the code: [`url`](Self::url) and the methods named after settings;
/// 3. TOML given by [`config_file`](Self::config_file) and
///    [`config_toml`](Self::config_toml), the later call over the earlier;
/// 4. with [`env`](Self::env), the file that `DIESEL_CACHE_CONFIG` names;
/// 5. with [`env`](Self::env), the variables `DIESEL_CACHE_…`.
///
/// Each place may give a URL, and a URL's query may hold settings. The highest URL
/// counts, and the others count for nothing, their queries included. The query's settings
/// stand where their URL stands, beneath the other settings of the same place: with
/// `DIESEL_CACHE_URL=memory://?ttl=1m`, a `ttl` in a file does not count, but
/// `DIESEL_CACHE_TTL` does. A list that is set again is replaced, not added to.
///
/// # Settings
///
/// | key | value |
/// |---|---|
/// | `url` | the backend, `memory://`, see [`url`](Self::url). Not in a URL's query |
/// | `namespace` | a text, see [`namespace`](Self::namespace) |
/// | `version` | a whole number, see [`version`](Self::version) |
/// | `database` | a name, see [`database`](Self::database) |
/// | `ttl` | a duration, see [`ttl`](Self::ttl) |
/// | `negative_ttl` | a duration, see [`negative_ttl`](Self::negative_ttl) |
/// | `jitter` | a number from 0 to 0.5, see [`jitter`](Self::jitter) |
/// | `capacity` | bytes, see [`capacity`](Self::capacity) |
/// | `max_entry_bytes` | bytes, see [`max_entry_bytes`](Self::max_entry_bytes) |
/// | `single_flight` | a switch, see [`single_flight`](Self::single_flight) |
/// | `single_flight_wait` | a duration, see [`single_flight_wait`](Self::single_flight_wait) |
/// | `read_committed_ok` | a switch, see [`read_committed_ok`](Self::read_committed_ok) |
/// | `enabled` | a switch, see [`enabled`](Self::enabled) |
/// | `pure_functions` | a list of names, see [`pure_functions`](Self::pure_functions) |
/// | `catalogue_interval` | a duration, see [`catalogue_interval`](Self::catalogue_interval) |
/// | `stale_while_revalidate` | a duration, see [`stale_while_revalidate`](Self::stale_while_revalidate) |
/// | `eager_refresh` | a number from 0 to 0.5, see [`eager_refresh`](Self::eager_refresh) |
///
/// Of shared stores:
///
/// | key | value |
/// |---|---|
/// | `level` | `strong`, `eventual` or `durable`, see [`Level`] |
/// | `on_unreachable` | `proceed` or `abort`, see [`OnUnreachable`] |
/// | `codec` | `msgpack` or `postcard`, see [`Codec`] |
/// | `compress_above` | bytes, see [`compress_above`](Self::compress_above) |
/// | `encryption_key` | 64 hexadecimal digits, see [`encryption_key`](Self::encryption_key) |
/// | `connect_timeout` | a duration, see [`connect_timeout`](Self::connect_timeout) |
/// | `io_timeout` | a duration, see [`io_timeout`](Self::io_timeout) |
/// | `over_invalidation_sample` | a number from 0 to 0.5, see [`over_invalidation_sample`](Self::over_invalidation_sample) |
/// | `outbox` | a name, see [`outbox`](Self::outbox) |
/// | `pool_size` | a whole number, see [`pool_size`](Self::pool_size) |
/// | `relay_interval` | a duration, see [`relay_interval`](Self::relay_interval) |
/// | `staleness` | a duration, see [`staleness`](Self::staleness) |
/// | `tier_capacity` | bytes, see [`tier_capacity`](Self::tier_capacity) |
/// | `tls_ca` | a path, see [`tls_ca`](Self::tls_ca) |
///
/// Durations are texts such as `90s`, `5m` or `1h 30m`; bytes a number or a text such as
/// `64MiB`. In TOML, switches are `true` and `false`, and lists are arrays of strings. In a
/// URL and in the environment switches are `true`, `on`, `1`, `false`, `off` or `0`, and the
/// names of a list are parted by commas.
///
/// # Settings of one table
///
/// A section `[models.posts]` in TOML, named by the table's name in SQL without a
/// schema, in any case, holds for all cached reads of that table, as the attributes of its
/// model do. In the environment, `ttl` of `posts` is `DIESEL_CACHE_MODELS__POSTS__TTL`.
///
/// | key | value |
/// |---|---|
/// | `ttl` | a duration. Counts over the model's |
/// | `enabled` | a switch: whether reads of the table use the cache from the start, see [`Cache::set_table_enabled`] |
/// | `never` | a switch: `true` forbids caching. What a model forbids stays forbidden |
/// | `strategy` | `version`, `delete` or `ttl`, see [`strategy`](crate::strategy). Counts over the model's |
/// | `stale_after_write` | a switch, see [`CacheModel::STALE_AFTER_WRITE`](crate::CacheModel::STALE_AFTER_WRITE). Counts over the model's |
/// | `depends_on` | a list of further tables whose writes invalidate. Adds to the model's |
///
/// A section of a table that does not exist changes nothing, and no error tells.
///
/// # Errors
///
/// A key that does not exist and a value that is not allowed are errors of
/// [`build`](Self::build), which name where it stands, the key, the value and what is
/// allowed. So is every variable that begins with `DIESEL_CACHE_` and does not exist. No
/// error repeats more of a URL than its scheme.
#[derive(Debug, Default)]
#[must_use]
pub struct Builder {
    code: Layer,
    sources: Vec<Source>,
    env: bool,
    backend: Option<Arc<dyn CacheBackend>>,
    pub(crate) relays: Vec<Relay>,
}

impl Cache {
    /// A cache with the backend and the settings that a URL names.
    ///
    /// `memory://` keeps entries in this process. Settings follow as a query:
    /// `memory://?capacity=256MiB&ttl=10m`. They are listed at [`Builder`].
    ///
    /// ```
    /// let cache = diesel_cache::Cache::from_url("memory://?capacity=16MiB&ttl=90s")?;
    /// assert!(cache.is_enabled());
    /// let error = diesel_cache::Cache::from_url("memory://?ttl=soon").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     r#"invalid value "soon" for `ttl` in the query of the URL: a duration, such as 90s or 10m"#,
    /// );
    /// # Ok::<(), diesel_cache::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the URL names no backend of this build, or a setting is unknown or invalid.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        Self::builder().url(url).build()
    }

    /// A cache with the settings of the environment: `DIESEL_CACHE_URL`,
    /// `DIESEL_CACHE_TTL` and so on, over those of the TOML file that
    /// `DIESEL_CACHE_CONFIG` names, over the defaults.
    ///
    /// Without any of these variables it is the cache of `memory://`. The settings and the
    /// rules are those of [`Builder`].
    ///
    /// ```
    /// let cache = diesel_cache::Cache::from_env()?;
    /// # Ok::<(), diesel_cache::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read, if a setting is unknown or invalid, or if the URL names
    /// no backend of this build.
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().env().build()
    }

    /// A builder with the default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// The backend and settings of a URL, see [`Cache::from_url`]. The settings that
    /// this builder is told by its other methods count over those of the URL's query.
    /// Default: `memory://`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.code.url(url.into(), "the URL");
        self
    }

    /// Reads the environment, and the file that `DIESEL_CACHE_CONFIG` names, when the
    /// cache is built. Default: it is not read.
    pub fn env(mut self) -> Self {
        self.env = true;
        self
    }

    /// Reads settings from a file in TOML, when the cache is built.
    ///
    /// ```no_run
    /// let cache = diesel_cache::Cache::builder().config_file("cache.toml").env().build()?;
    /// # Ok::<(), diesel_cache::Error>(())
    /// ```
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.push(Source::File(path.into()));
        self
    }

    /// Settings in TOML.
    ///
    /// ```
    /// let cache = diesel_cache::Cache::builder()
    ///     .config_toml(
    ///         r#"
    ///         url = "memory://"
    ///         ttl = "10m"
    ///         capacity = "256MiB"
    ///
    ///         [models.posts]
    ///         ttl = "30s"
    ///         depends_on = ["authors"]
    ///
    ///         [models.sessions]
    ///         enabled = false
    ///         "#,
    ///     )
    ///     .build()?;
    /// assert!(!cache.is_table_enabled("sessions"));
    /// # Ok::<(), diesel_cache::Error>(())
    /// ```
    pub fn config_toml(mut self, text: impl Into<String>) -> Self {
        self.sources.push(Source::Text(text.into()));
        self
    }

    /// Whether there is a backend of the user's own.
    #[cfg(feature = "test")]
    pub(crate) fn has_backend(&self) -> bool {
        self.backend.is_some()
    }

    /// A backend of your own, instead of one named by a URL: no place may then name one.
    pub fn backend(mut self, backend: impl CacheBackend) -> Self {
        self.backend = Some(Arc::new(backend));
        self
    }

    fn set(mut self, key: &str, value: Value) -> Self {
        self.code.set(key, value, format!("`Builder::{key}`"));
        self
    }

    /// Separates this cache's keys from those of others in the same store. Default: empty.
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        self.set("namespace", Value::Text(namespace.into()))
    }

    /// The version of everything that is stored: programs with different versions share no
    /// result. To be raised when the meaning of the rows changes, as after a migration that
    /// the row types do not show. One model has a version of its own,
    /// `#[cache(version = 2)]`. Default: 0.
    pub fn version(self, version: u32) -> Self {
        self.set("version", Value::Integer(version.into()))
    }

    /// Names the database, instead of asking it who it is: for databases whose nodes
    /// answer differently, or clones that answer alike. All connections of this cache
    /// then count as connections to one database. Default: ask.
    pub fn database(self, name: impl Into<String>) -> Self {
        self.set("database", Value::Text(name.into()))
    }

    /// How long a result lives at most, if nothing invalidates it. Default: 5 minutes.
    pub fn ttl(self, ttl: Duration) -> Self {
        self.set("ttl", Value::Duration(ttl))
    }

    /// How long a result without rows, or a value that is `None`, lives at most; zero stores
    /// none. Such a result is invalidated like any other, so this matters only for rows that
    /// are written behind the cache's back. Default: as long as others.
    pub fn negative_ttl(self, ttl: Duration) -> Self {
        self.set("negative_ttl", Value::Duration(ttl))
    }

    /// By which share of it, at most, a time to live is shortened at random, so
    /// that results stored together do not expire together; from 0 to 0.5. Default: 0.1.
    pub fn jitter(self, share: f64) -> Self {
        self.set("jitter", Value::Float(share))
    }

    /// What the entries of the memory backend weigh at most, and those of a store in files, in
    /// bytes. Default: 64 MiB.
    pub fn capacity(self, bytes: u64) -> Self {
        self.set("capacity", Value::Bytes(bytes))
    }

    /// Results that weigh more are not stored. Default: 1 MiB.
    pub fn max_entry_bytes(self, bytes: u64) -> Self {
        self.set("max_entry_bytes", Value::Bytes(bytes))
    }

    /// Whether, of several reads that miss the same thing at once, only one asks the
    /// database. Default: yes.
    pub fn single_flight(self, on: bool) -> Self {
        self.set("single_flight", Value::Switch(on))
    }

    /// How long a read waits for another's result before it asks the database itself; at
    /// most a day. Default: 1 second.
    pub fn single_flight_wait(self, wait: Duration) -> Self {
        self.set("single_flight_wait", Value::Duration(wait))
    }

    /// Whether a cached read inside a transaction of REPEATABLE READ or above may be
    /// answered with rows that were committed after the transaction's snapshot.
    /// Nothing is stored from inside such a transaction either way. Default: no.
    pub fn read_committed_ok(self, on: bool) -> Self {
        self.set("read_committed_ok", Value::Switch(on))
    }

    /// Whether reads use the cache from the start, see [`Cache::set_enabled`]. Default: yes.
    pub fn enabled(self, on: bool) -> Self {
        self.set("enabled", Value::Switch(on))
    }

    /// Functions of the database, by name and without a schema, whose result depends on
    /// their arguments alone and which write nothing. A query that calls any other function
    /// which this crate does not know is never cached. It counts as a write to what the
    /// function's code names, and where the catalogue does not show that, to everything.
    /// Further calls add to the list. Default: none.
    pub fn pure_functions<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.code
            .extend("pure_functions", names, "`Builder::pure_functions`");
        self
    }

    /// How old the last look at a database's catalogue may be when a cached read relies on
    /// it. Default: 10 seconds.
    ///
    /// What attached connections change of the schema is known at once. A change by others
    /// (a migration job, `psql`) is found by a look: a short question that a cached read
    /// asks first when the last one is older than this. So no cached read that begins later
    /// than this after such a change is answered by the schema of before. Zero asks before
    /// every cached read.
    ///
    /// A read bypasses the cache if a look is due and its connection cannot ask: inside a
    /// transaction, unless it is one of PostgreSQL's at READ COMMITTED.
    pub fn catalogue_interval(self, interval: Duration) -> Self {
        self.set("catalogue_interval", Value::Duration(interval))
    }

    /// For how long an entry may be served after its time to live, while one reader makes it
    /// anew. What was written is never served: the entry's tokens must be current all the
    /// same. Default: not at all.
    pub fn stale_while_revalidate(self, time: Duration) -> Self {
        self.set("stale_while_revalidate", Value::Duration(time))
    }

    /// In which last share of an entry's life, from 0 to 0.5, one reader may make it anew
    /// before it ends, while the others are served; the nearer the end, the likelier. Default: 0,
    /// none.
    pub fn eager_refresh(self, share: f64) -> Self {
        self.set("eager_refresh", Value::Float(share))
    }

    /// Of which share of the results, from 0 to 0.5, it is found out whether they were invalidated
    /// for nothing: see [`over_invalidations`](crate::Cache::over_invalidations). It costs those
    /// reads a comparison, and in memory a copy of their cells. Default: 0, none.
    pub fn over_invalidation_sample(self, share: f64) -> Self {
        self.set("over_invalidation_sample", Value::Float(share))
    }

    /// What reads through a shared store promise. Default: `Level::Strong`.
    pub fn level(self, level: Level) -> Self {
        self.set("level", Value::Text(level.to_string()))
    }

    /// What a write does when a shared store is out of reach. Default: `OnUnreachable::Proceed`.
    pub fn on_unreachable(self, choice: OnUnreachable) -> Self {
        self.set("on_unreachable", Value::Text(choice.to_string()))
    }

    /// The name of the outbox, with a schema before it or none: the one that the
    /// [migration](crate::OutboxMigration) was written for. One outbox belongs to one cache: to all
    /// processes with the same store and namespace, and to nobody else. Default: `diesel_cache_outbox`,
    /// in PostgreSQL in the schema `public`.
    pub fn outbox(self, name: impl Into<String>) -> Self {
        self.set("outbox", Value::Text(name.into()))
    }

    /// How often the [relay](Self::relay) looks at the outbox. Default: 250 ms.
    pub fn relay_interval(self, time: Duration) -> Self {
        self.set("relay_interval", Value::Duration(time))
    }

    /// How values are written to a shared store. Default: `Codec::Msgpack`.
    pub fn codec(self, codec: Codec) -> Self {
        self.set("codec", Value::Text(codec.to_string()))
    }

    /// From how many bytes on an entry is compressed on its way to a shared store. Default: 2 KiB.
    pub fn compress_above(self, bytes: u64) -> Self {
        self.set("compress_above", Value::Bytes(bytes))
    }

    /// The key that entries in a shared store are encrypted and authenticated with: 32 bytes as
    /// 64 hexadecimal digits. An entry that was not written with it is a miss. No error, log or
    /// `Debug` repeats it. Default: none, entries are plain.
    pub fn encryption_key(self, key: impl Into<String>) -> Self {
        self.set("encryption_key", Value::Secret(Secret(key.into())))
    }

    /// How long connecting to a shared store may take. Default: 250 ms.
    pub fn connect_timeout(self, time: Duration) -> Self {
        self.set("connect_timeout", Value::Duration(time))
    }

    /// How long one round trip to a shared store may take, and the wait for a free connection.
    /// Default: 100 ms.
    pub fn io_timeout(self, time: Duration) -> Self {
        self.set("io_timeout", Value::Duration(time))
    }

    /// How many connections to a shared store a process has at most, from 1. Default: 8.
    pub fn pool_size(self, connections: u32) -> Self {
        self.set("pool_size", Value::Integer(connections.into()))
    }

    /// For how long a result may be served out of the memory in front of a shared store after the
    /// store was asked about it: with `tiered+redis://…`, no read is older than this. Default: zero,
    /// the store is asked each time.
    pub fn staleness(self, time: Duration) -> Self {
        self.set("staleness", Value::Duration(time))
    }

    /// What the memory in front of a shared store holds at most, in bytes: with `tiered+redis://…`.
    /// Default: 16 MiB.
    pub fn tier_capacity(self, bytes: u64) -> Self {
        self.set("tier_capacity", Value::Bytes(bytes))
    }

    /// A file with the certificates, in PEM, of those who may sign a shared store's certificate.
    /// Default: those that the crate `webpki-roots` knows.
    pub fn tls_ca(self, path: impl Into<String>) -> Self {
        self.set("tls_ca", Value::Text(path.into()))
    }

    /// The cache.
    ///
    /// # Errors
    /// If a file cannot be read, if a setting is unknown or invalid, if the URL names no
    /// backend of this build, or if there is both a URL and a [`backend`](Self::backend).
    pub fn build(self) -> Result<Cache, Error> {
        self.build_with(make_backend)
    }

    /// The cache, with the backend that `make` makes unless there is one of the user's own.
    pub(crate) fn build_with(
        self,
        make: impl FnOnce(Option<&Url>, &Config) -> Result<Arc<dyn CacheBackend>, Error>,
    ) -> Result<Cache, Error> {
        let environment = self.env.then(|| std::env::vars_os().collect());
        let (config, url) = config::gather(self.code, &self.sources, environment)?;
        let url_place = url.as_ref().map(|url| url.place.clone());
        let backend = match (self.backend, url) {
            (Some(_), Some(url)) => return Err(Error::TwoBackends { place: url.place }),
            (Some(backend), None) => (backend, false),
            (None, url) => (make(url.as_ref(), &config)?, true),
        };
        let (backend, owned) = backend;
        // rule: no-store-is-asked-for-more-than-it-keeps
        if config.level >= Level::Strong && backend.level() == Level::Eventual {
            return Err(Error::Store {
                place: url_place.unwrap_or_else(|| "`Builder::backend`".to_owned()),
                reason: "it cannot keep `strong`: it may forget what writers have announced; \
                         choose `level = \"eventual\"`"
                    .to_owned(),
            });
        }
        // rule: what-is-kept-is-relayed
        if config.level == Level::Durable && self.relays.is_empty() {
            return Err(Error::Config {
                place: "the settings".to_owned(),
                key: "level".to_owned(),
                value: "\"durable\"".to_owned(),
                allowed: "with `Builder::relay`, which tells the store of what the outbox keeps"
                    .to_owned(),
            });
        }
        Ok(Cache::new(Core::new(backend, owned, config), self.relays))
    }
}
