//! What there is to set about a shared store in Redis.

use std::path::PathBuf;
use std::time::Duration;

use crate::backend::EncryptionKey;
use crate::config::Level;

/// How a [`RedisBackend`](super::RedisBackend) works. [`Builder`](crate::Builder) fills it from
/// the settings of the same names.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RedisOptions {
    /// Separates this cache from others in the same store. All keys of a namespace begin with
    /// `dc:{namespace}:`, so they lie on one node of a cluster. Default: empty.
    pub namespace: String,
    /// What is promised. A server that cannot keep it is refused. Default: `Level::Strong`.
    pub level: Level,
    /// How long a connection may take to be made, greeting included. Default: 250 ms.
    pub connect_timeout: Duration,
    /// How long a free connection is waited for, and how long the round trips of one operation
    /// may take together. Default: 100 ms each.
    pub io_timeout: Duration,
    /// How many connections there are at most. Default: 8.
    pub pool_size: u32,
    /// From how many bytes on a payload is compressed, with LZ4, if that saves an eighth of it.
    /// Default: 2 KiB.
    pub compress_above: u64,
    /// What payloads are encrypted and entries authenticated with. Default: nothing, entries are
    /// plain and have a checksum.
    pub encryption_key: Option<EncryptionKey>,
    /// A file with certificates in PEM; a server's must be signed by one of them. Default: those
    /// of the crate `webpki-roots`. Only for `rediss`.
    pub tls_ca: Option<PathBuf>,
    /// A larger payload is not stored, and not read. Default: 1 MiB.
    pub max_entry_bytes: u64,
    /// How long the token of a tag is kept that nobody asks for. A token that ends only costs
    /// hits; storing an entry prolongs its tokens to the entry's end. Default: 10 minutes.
    pub token_ttl: Duration,
    /// After how many failures in a row nothing is asked for a while, from 1. Default: 5.
    pub breaker_failures: u32,
    /// For how long nothing is asked then, until one operation tries again. Default: 500 ms.
    pub breaker_pause: Duration,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            namespace: String::new(),
            level: Level::Strong,
            connect_timeout: Duration::from_millis(250),
            io_timeout: Duration::from_millis(100),
            pool_size: 8,
            compress_above: 2 << 10,
            encryption_key: None,
            tls_ca: None,
            max_entry_bytes: 1 << 20,
            token_ttl: Duration::from_secs(600),
            breaker_failures: 5,
            breaker_pause: Duration::from_millis(500),
        }
    }
}

impl RedisOptions {
    /// Times that can be waited for: neither none at all, nor more than an hour, and lives of
    /// up to a year.
    pub(super) fn bounded(mut self) -> Self {
        let (least, most) = (Duration::from_millis(1), Duration::from_secs(3600));
        for time in [
            &mut self.connect_timeout,
            &mut self.io_timeout,
            &mut self.breaker_pause,
        ] {
            *time = (*time).clamp(least, most);
        }
        self.token_ttl = self.token_ttl.clamp(least, most * 24 * 366);
        self
    }
}
