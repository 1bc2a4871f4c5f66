//! A folder.

use std::sync::LazyLock;
use std::time::Duration;

use diesel_cache::backend::{EncryptionKey, FileBackend, FileOptions};
use tempfile::TempDir;

/// Of all namespaces. It goes with the process's temporary folder.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

pub(super) fn options(namespace: &str) -> FileOptions {
    let mut options = FileOptions::default();
    options.namespace = namespace.to_owned();
    options.max_entry_bytes = 16 << 20;
    // A busy machine is no reason to fail.
    options.io_timeout = Duration::from_secs(20);
    options
}

pub(super) fn open(options: FileOptions) -> FileBackend {
    FileBackend::open(FOLDER.path(), options).unwrap()
}

diesel_cache::conformance_tests!(|namespace: &str| open(options(namespace)));

/// The same with entries that are encrypted and always compressed.
mod encrypted {
    use super::*;

    diesel_cache::conformance_tests!(|namespace: &str| {
        let mut options = options(namespace);
        options.encryption_key = EncryptionKey::from_hex(&"5a".repeat(32));
        options.compress_above = 0;
        open(options)
    });
}
