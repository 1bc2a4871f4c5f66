//! Settings: what there is to set, and where it may be set.
//!
//! A new setting is a field of [`Config`], its default, and a line of [`KEYS`]; one for a
//! table is a field of [`TableConfig`] and a line of [`TABLE_KEYS`]. Everything else goes by
//! these tables: the URL's query, TOML, the environment, the errors and their suggestions.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::footprint::Name;
use crate::outbox::Outbox;
use crate::resolve::{Settings, TableSettings};
use crate::strategy::{self, Chosen};

mod choice;
mod env;
mod kind;
mod layer;
mod toml;

pub(crate) use self::choice::Secret;
pub use self::choice::{Codec, Level, OnUnreachable};
use self::kind::Kind;
pub(crate) use self::kind::Value;
pub(crate) use self::layer::{Layer, Source, Url, gather};

/// The settings of a cache, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) namespace: String,
    pub(crate) version: u32,
    pub(crate) ttl: Duration,
    pub(crate) negative_ttl: Option<Duration>,
    pub(crate) jitter: f64,
    pub(crate) capacity: u64,
    pub(crate) max_entry_bytes: u64,
    pub(crate) single_flight: bool,
    pub(crate) patience: Duration,
    pub(crate) read_committed_ok: bool,
    pub(crate) enabled: bool,
    pub(crate) database: Option<String>,
    pub(crate) pure_functions: Vec<String>,
    pub(crate) catalogue_interval: Duration,
    pub(crate) level: Level,
    pub(crate) on_unreachable: OnUnreachable,
    pub(crate) codec: Codec,
    pub(crate) compress_above: u64,
    pub(crate) encryption_key: Option<Secret>,
    pub(crate) connect_timeout: Duration,
    pub(crate) io_timeout: Duration,
    pub(crate) pool_size: u32,
    pub(crate) tls_ca: Option<String>,
    pub(crate) tier_capacity: u64,
    pub(crate) staleness: Duration,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) eager_refresh: f64,
    pub(crate) over_invalidation_sample: f64,
    pub(crate) outbox: Outbox,
    pub(crate) relay_interval: Duration,
    /// The sections `[models.…]`, by the table's name.
    pub(crate) tables: BTreeMap<Name, TableConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            namespace: String::new(),
            version: 0,
            ttl: Duration::from_secs(300),
            negative_ttl: None,
            jitter: 0.1,
            capacity: 64 << 20,
            max_entry_bytes: 1 << 20,
            single_flight: true,
            patience: Duration::from_secs(1),
            read_committed_ok: false,
            enabled: true,
            database: None,
            pure_functions: Vec::new(),
            catalogue_interval: Duration::from_secs(10),
            level: Level::default(),
            on_unreachable: OnUnreachable::default(),
            codec: Codec::default(),
            compress_above: 2 << 10,
            encryption_key: None,
            connect_timeout: Duration::from_millis(250),
            io_timeout: Duration::from_millis(100),
            pool_size: 8,
            tls_ca: None,
            tier_capacity: 16 << 20,
            staleness: Duration::ZERO,
            stale_while_revalidate: Duration::ZERO,
            eager_refresh: 0.0,
            over_invalidation_sample: 0.0,
            outbox: Outbox::default(),
            relay_interval: Duration::from_millis(250),
            tables: BTreeMap::new(),
        }
    }
}

impl Config {
    /// What is said about tables.
    pub(crate) fn settings(&self) -> Settings {
        let tables = self.tables.iter();
        Settings {
            declared: HashMap::new(),
            configured: tables
                .map(|(name, table)| (name.clone(), table.settings.clone()))
                .collect(),
        }
    }
}

/// The settings of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableConfig {
    /// Whether reads of it use the cache from the start.
    pub(crate) enabled: bool,
    /// What counts over the table's models.
    pub(crate) settings: TableSettings,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            settings: TableSettings::default(),
        }
    }
}

/// One setting of a `T`.
#[derive(Debug)]
pub(crate) struct Key<T> {
    pub(crate) name: &'static str,
    /// A value that is not the default; stands in error texts.
    pub(crate) example: &'static str,
    kind: Kind<T>,
}

impl<T> Key<T> {
    /// A value of this setting as an error shows it.
    fn shown(&self, value: &Value) -> String {
        // rule: a-secret-setting-is-not-repeated
        if self.kind.is_secret() {
            return "\"…\"".to_owned();
        }
        kind::shown(value)
    }
}

const fn key<T>(name: &'static str, example: &'static str, kind: Kind<T>) -> Key<T> {
    Key {
        name,
        example,
        kind,
    }
}

const INSTANT: Duration = Duration::from_nanos(1);
const EXAMPLE_KEY: &str = "8d5c2f3b71e04a96c4d1f20e9b83a7650c1e2d3f4a5b69788796a5b4c3d2e1f0";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// The settings of a cache, sorted by name. Besides these there is `url`.
#[rustfmt::skip]
pub(crate) const KEYS: &[Key<Config>] = &[
    key("capacity", "256MiB", Kind::Bytes(1024, |c, v| c.capacity = v)),
    key("catalogue_interval", "1m", Kind::Duration(Duration::ZERO, YEAR, |c, v| c.catalogue_interval = v)),
    key("codec", "postcard", Kind::Choice(Codec::NAMES, |c, name| c.codec = Codec::by_name(name))),
    key("compress_above", "8KiB", Kind::Bytes(0, |c, v| c.compress_above = v)),
    key("connect_timeout", "500ms", Kind::Duration(INSTANT, MINUTE, |c, v| c.connect_timeout = v)),
    key("database", "blog", Kind::Name(|c, v| c.database = Some(v))),
    key("eager_refresh", "0.1", Kind::Share(|c, v| c.eager_refresh = v)),
    key("enabled", "false", Kind::Switch(|c, v| c.enabled = v)),
    key("encryption_key", EXAMPLE_KEY, Kind::Key(|c, v| c.encryption_key = Some(Secret(v)))),
    key("io_timeout", "200ms", Kind::Duration(INSTANT, MINUTE, |c, v| c.io_timeout = v)),
    key("jitter", "0.2", Kind::Share(|c, v| c.jitter = v)),
    key("level", "eventual", Kind::Choice(Level::NAMES, |c, name| c.level = Level::by_name(name))),
    key("max_entry_bytes", "4MiB", Kind::Bytes(0, |c, v| c.max_entry_bytes = v)),
    key("namespace", "tenant", Kind::Text(|c, v| c.namespace = v)),
    key("negative_ttl", "30s", Kind::Duration(Duration::ZERO, YEAR, |c, v| c.negative_ttl = Some(v))),
    key("on_unreachable", "abort", Kind::Choice(OnUnreachable::NAMES, |c, name| c.on_unreachable = OnUnreachable::by_name(name))),
    key("outbox", "app.outbox", Kind::Outbox(|c, v| c.outbox = v)),
    key("over_invalidation_sample", "0.01", Kind::Share(|c, v| c.over_invalidation_sample = v)),
    key("pool_size", "16", Kind::Positive(|c, v| c.pool_size = v)),
    key("pure_functions", "half,double", Kind::Names(|c, v| c.pure_functions = v)),
    key("read_committed_ok", "true", Kind::Switch(|c, v| c.read_committed_ok = v)),
    key("relay_interval", "100ms", Kind::Duration(INSTANT, MINUTE, |c, v| c.relay_interval = v)),
    key("single_flight", "false", Kind::Switch(|c, v| c.single_flight = v)),
    key("single_flight_wait", "3s", Kind::Duration(Duration::ZERO, HOUR, |c, v| c.patience = v)),
    key("stale_while_revalidate", "30s", Kind::Duration(Duration::ZERO, YEAR, |c, v| c.stale_while_revalidate = v)),
    key("staleness", "250ms", Kind::Duration(Duration::ZERO, HOUR, |c, v| c.staleness = v)),
    key("tier_capacity", "64MiB", Kind::Bytes(1024, |c, v| c.tier_capacity = v)),
    key("tls_ca", "/etc/ssl/redis.pem", Kind::Name(|c, v| c.tls_ca = Some(v))),
    key("ttl", "10m", Kind::Duration(INSTANT, YEAR, |c, v| c.ttl = v)),
    key("version", "2", Kind::Whole(|c, v| c.version = v)),
];

/// The settings of a table, sorted by name.
#[rustfmt::skip]
pub(crate) const TABLE_KEYS: &[Key<TableConfig>] = &[
    key("depends_on", "authors,tags", Kind::Names(|t, v| {
        t.settings.depends_on = v.iter().map(|name| name.to_lowercase().into()).collect();
    })),
    key("enabled", "false", Kind::Switch(|t, v| t.enabled = v)),
    key("never", "true", Kind::Switch(|t, v| t.settings.never = v)),
    key("stale_after_write", "true", Kind::Switch(|t, v| t.settings.stale_after_write = Some(v))),
    key("strategy", "delete", Kind::Choice(&["version", "delete", "ttl"], |t, name| {
        if let Some(strategy) = strategy::by_name(name) {
            t.settings.strategies.add("the configuration", Chosen::new(strategy));
        }
    })),
    key("ttl", "1m", Kind::Duration(INSTANT, YEAR, |t, v| t.settings.ttl = Some(v))),
];

#[cfg(test)]
mod tests;
