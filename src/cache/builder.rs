//! Building a cache.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::CacheBackend;
use crate::cache::Cache;
use crate::config::Config;
use crate::core::Core;
use crate::error::Error;

/// Builds a [`Cache`]; made by [`Cache::builder`].
#[derive(Debug, Default)]
#[must_use]
pub struct Builder {
    config: Config,
    url: Option<String>,
    backend: Option<Arc<dyn CacheBackend>>,
}

impl Cache {
    /// A cache with the backend and the settings that a URL names.
    ///
    /// `memory://` keeps entries in this process. Settings follow as a query:
    /// `memory://?capacity=256MiB&ttl=10m`. They are `namespace`, `version`, `database`,
    /// `ttl`, `negative_ttl`, `jitter`, `capacity`, `max_entry_bytes`, `single_flight`, `single_flight_wait`,
    /// `read_committed_ok` and `enabled`, each described at the method of
    /// [`Builder`] of that name.
    ///
    /// ```
    /// let cache = diesel_cache::Cache::from_url("memory://?capacity=16MiB&ttl=90s")?;
    /// assert!(cache.is_enabled());
    /// let error = diesel_cache::Cache::from_url("memory://?ttl=soon").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     r#"invalid value "soon" for `ttl`: a duration, such as 90s or 5m"#,
    /// );
    /// # Ok::<(), diesel_cache::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the URL names no backend of this build, or a setting is unknown or invalid.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        Self::builder().url(url).build()
    }

    /// A builder with the default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// The backend and settings of a URL, see [`Cache::from_url`]. What the URL sets
    /// counts over what the builder was told. Default: `memory://`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// A backend of your own, instead of one named by a URL.
    pub fn backend(mut self, backend: impl CacheBackend) -> Self {
        self.backend = Some(Arc::new(backend));
        self
    }

    /// Separates this cache's keys from those of others in the same store. Default: empty.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.config.namespace = namespace.into();
        self
    }

    /// The version of everything that is stored: programs with different versions share no
    /// result. To be raised when the meaning of the rows changes, as after a migration that
    /// the row types do not show. One model has a version of its own,
    /// `#[cache(version = 2)]`. Default: 0.
    pub fn version(mut self, version: u32) -> Self {
        self.config.version = version;
        self
    }

    /// Names the database, instead of asking it who it is: for databases whose nodes
    /// answer differently, or clones that answer alike. All connections of this cache
    /// then count as connections to one database. Default: ask.
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.config.database = Some(name.into());
        self
    }

    /// How long a result lives at most, if nothing invalidates it. Default: 5 minutes.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.config.ttl = ttl;
        self
    }

    /// How long a result without rows, or a value that is `None`, lives at most; zero stores
    /// none. Such a result is invalidated like any other, so this matters only for rows that
    /// are written behind the cache's back. Default: as long as others.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.config.negative_ttl = Some(ttl);
        self
    }

    /// By which share of it a time to live is lengthened or shortened at random, so
    /// that results stored together do not expire together; from 0 to 0.5. Default: 0.1.
    pub fn jitter(mut self, share: f64) -> Self {
        self.config.jitter = share;
        self
    }

    /// What the memory backend holds at most, in bytes. Default: 64 MiB.
    pub fn capacity(mut self, bytes: u64) -> Self {
        self.config.capacity = bytes;
        self
    }

    /// Results that weigh more are not stored. Default: 1 MiB.
    pub fn max_entry_bytes(mut self, bytes: u64) -> Self {
        self.config.max_entry_bytes = bytes;
        self
    }

    /// Whether, of several reads that miss the same thing at once, only one asks the
    /// database. Default: yes.
    pub fn single_flight(mut self, on: bool) -> Self {
        self.config.single_flight = on;
        self
    }

    /// How long a read waits for another's result before it asks the database itself.
    /// Default: 1 second.
    pub fn single_flight_wait(mut self, wait: Duration) -> Self {
        self.config.patience = wait;
        self
    }

    /// Whether a cached read inside a transaction of REPEATABLE READ or above may be
    /// answered with rows that were committed after the transaction's snapshot.
    /// Nothing is stored from inside such a transaction either way. Default: no.
    pub fn read_committed_ok(mut self, on: bool) -> Self {
        self.config.read_committed_ok = on;
        self
    }

    /// Whether reads use the cache from the start, see [`Cache::set_enabled`]. Default: yes.
    pub fn enabled(mut self, on: bool) -> Self {
        self.config.enabled = on;
        self
    }

    /// Functions of the database, by name, whose result depends on their arguments
    /// alone and which write nothing. A query that calls any other function which this
    /// crate does not know is never cached, and counts as a write to everything.
    /// Default: none.
    pub fn pure_functions<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.config
            .pure_functions
            .extend(names.into_iter().map(Into::into));
        self
    }

    /// The cache.
    ///
    /// # Errors
    /// If the URL names no backend of this build, or a setting is unknown or invalid.
    pub fn build(self) -> Result<Cache, Error> {
        let mut config = self.config;
        let url = self.url.as_deref().unwrap_or("memory://");
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let query = rest.split_once('?').map_or("", |(_, query)| query);
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            config.set(&key, &value)?;
        }
        config.check()?;
        let backend = match self.backend {
            Some(backend) => backend,
            None => make_backend(scheme, &config)?,
        };
        Ok(Cache::new(Core::new(backend, config)))
    }
}

fn make_backend(scheme: &str, config: &Config) -> Result<Arc<dyn CacheBackend>, Error> {
    match scheme {
        #[cfg(feature = "memory")]
        "memory" => {
            log::info!(
                "diesel-cache keeps its entries in this process: writes of other processes \
                 to the same database do not invalidate them"
            );
            Ok(Arc::new(crate::backend::MemoryBackend::new(
                config.capacity,
            )))
        }
        _ => {
            let _ = config;
            Err(Error::UnknownBackend {
                // A URL without a scheme may hold a password: it is not repeated.
                scheme: scheme.chars().take(32).collect(),
                known: if cfg!(feature = "memory") {
                    "`memory://`".to_owned()
                } else {
                    "none: switch on the feature `memory`".to_owned()
                },
            })
        }
    }
}
