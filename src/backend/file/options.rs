//! What there is to set about a store in files.

use std::time::Duration;

use crate::backend::EncryptionKey;

/// How a [`FileBackend`](super::FileBackend) works. [`Builder`](crate::Builder) fills it from the
/// settings of the same names.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FileOptions {
    /// Separates this cache from others in the same folder: each namespace is a folder in it.
    /// Default: empty.
    pub namespace: String,
    /// What the entries may take of the disk, in bytes; each takes a multiple of 4 KiB. The journal
    /// comes on top: 256 KiB, or four times what is known of tags and writers. Default: 64 MiB.
    pub capacity: u64,
    /// How long an operation waits at most for another that changes the store. Default: 100 ms.
    pub io_timeout: Duration,
    /// From how many bytes on a payload is compressed, with LZ4, if that saves an eighth of it.
    /// Default: 2 KiB.
    pub compress_above: u64,
    /// What payloads are encrypted and entries authenticated with. Default: nothing, entries are
    /// plain and have a checksum.
    pub encryption_key: Option<EncryptionKey>,
    /// A larger payload is not stored, and not read. Default: 1 MiB.
    pub max_entry_bytes: u64,
    /// How long the token of a tag is kept that nobody asks for. A token that ends only costs
    /// hits; storing an entry prolongs its tokens to the entry's end. Default: 10 minutes.
    pub token_ttl: Duration,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            namespace: String::new(),
            capacity: 64 << 20,
            io_timeout: Duration::from_millis(100),
            compress_above: 2 << 10,
            encryption_key: None,
            max_entry_bytes: 1 << 20,
            token_ttl: Duration::from_secs(600),
        }
    }
}

impl FileOptions {
    /// Times that can be waited for: neither none at all, nor more than an hour, and lives of up
    /// to a year.
    pub(super) fn bounded(mut self) -> Self {
        let (least, most) = (Duration::from_millis(1), Duration::from_secs(3600));
        self.io_timeout = self.io_timeout.clamp(least, most);
        self.token_ttl = self.token_ttl.clamp(least, most * 24 * 366);
        self
    }
}
