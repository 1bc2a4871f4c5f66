//! A store that is given bytes, as one outside of the process is.

use std::time::Instant;

use diesel_cache::backend::{Acknowledged, Ask, CacheBackend, MemoryBackend, Put, Usage, Writer};
use diesel_cache::database::TagSpace;
use diesel_cache::entry::{Entry, Payload};
use diesel_cache::error::BackendError;
use diesel_cache::key::Key;
use diesel_cache::protocol::{Fetched, Lift};
use diesel_cache::tag::Tag;
use diesel_cache::token::{ProcessId, WriterId};

/// Keeps its entries in memory, and takes bytes only.
#[derive(Debug)]
pub(crate) struct Outside(MemoryBackend);

impl Outside {
    pub(crate) fn new() -> Self {
        Self(MemoryBackend::new(1 << 24))
    }
}

impl CacheBackend for Outside {
    fn is_shared(&self) -> bool {
        true
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        assert!(matches!(entry.payload, Payload::Bytes(_)));
        self.0.put(key, entry, holder)
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        assert!(matches!(entry.payload, Payload::Bytes(_)));
        self.0.put_if_absent(key, entry)
    }

    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        self.0.fetch(ask)
    }

    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Result<Fetched, BackendError> {
        self.0.recall(key, attached)
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        self.0.touch(key, expires_at)
    }

    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError> {
        self.0.quarantine(writer, tags)
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        self.0.lift(writer, tags, how)
    }

    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError> {
        self.0.renew(tags)
    }

    fn remove(&self, key: &Key) -> Result<bool, BackendError> {
        self.0.remove(key)
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        self.0.purge(tag)
    }

    fn clear(&self) -> Result<(), BackendError> {
        self.0.clear()
    }

    fn usage(&self) -> Usage {
        self.0.usage()
    }
}
