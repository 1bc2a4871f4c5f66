//! Where entries and tokens live.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use crate::entry::Entry;
use crate::error::BackendError;
use crate::key::Key;
use crate::protocol::{Fetched, Lift};
use crate::tag::Tag;
use crate::token::WriterId;

#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "memory")]
pub use self::memory::MemoryBackend;

/// A store of entries and tokens.
///
/// A backend decides nothing: it fetches, and the protocol judges. What it must
/// keep, for the cache to be right:
///
/// - a tag that some writer has quarantined, and not lifted, is never reported clean;
/// - once [`lift`](Self::lift) with [`Lift::Renew`] or [`renew`](Self::renew) has
///   returned, no token of that tag that was reported before is reported again;
/// - a token, once lost, does not come back; whatever it forgets, it forgets for good,
///   and if it may have forgotten a quarantine, its gate is closed.
///
/// Methods are called from many threads, must not panic and must not block without bound.
pub trait CacheBackend: Debug + Send + Sync + 'static {
    /// The entry under `key`, the state of each of `tags`, and the gate.
    ///
    /// # Errors
    /// If the store cannot be asked; the read then goes to the database.
    fn fetch(&self, key: &Key, tags: &[Tag]) -> Result<Fetched, BackendError>;

    /// The entry under `key`, the state of each of the entry's own tags, and the gate; no
    /// states without an entry.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn recall(&self, key: &Key) -> Result<Fetched, BackendError>;

    /// Like [`fetch`](Self::fetch) without an entry, but gives every missing tag a fresh token.
    ///
    /// # Errors
    /// If the store cannot be asked; the read then goes to the database.
    fn establish(&self, tags: &[Tag]) -> Result<Fetched, BackendError>;

    /// Stores an entry, replacing what was there.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn put(&self, key: Key, entry: Entry) -> Result<Put, BackendError>;

    /// Stores an entry unless a valid one is there, in one step: of several at once, one
    /// stores. An entry that has expired, or whose tokens are no longer current, is not valid.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError>;

    /// Gives a valid entry another end of its life, in one step, but none later than its
    /// [`not_after`](Entry::not_after). Returns whether there was one.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError>;

    /// Puts `tags` under the quarantine of `writer`, until it lifts them.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn quarantine(&self, writer: WriterId, tags: &[Tag]) -> Result<(), BackendError>;

    /// Ends the quarantine of `tags` by `writer`; a tag it does not hold is renewed.
    ///
    /// # Errors
    /// If the store cannot be asked; the quarantine then stands.
    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError>;

    /// Gives `tags` new tokens; their quarantines stand.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError>;

    /// Forgets one entry. Returns whether a valid one was there.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn remove(&self, key: &Key) -> Result<bool, BackendError>;

    /// Forgets every entry that is [to be removed with](Entry::removed_with) this tag.
    ///
    /// Their tokens are no longer current when this is called, so none would be served;
    /// this frees their memory, and ends what must not lie around.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn purge(&self, tag: &Tag) -> Result<(), BackendError>;

    /// Forgets all entries. Quarantines stand.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn clear(&self) -> Result<(), BackendError>;

    /// What it holds now.
    fn usage(&self) -> Usage;
}

/// A backend that several caches share.
impl<B: CacheBackend + ?Sized> CacheBackend for Arc<B> {
    fn fetch(&self, key: &Key, tags: &[Tag]) -> Result<Fetched, BackendError> {
        (**self).fetch(key, tags)
    }

    fn recall(&self, key: &Key) -> Result<Fetched, BackendError> {
        (**self).recall(key)
    }

    fn establish(&self, tags: &[Tag]) -> Result<Fetched, BackendError> {
        (**self).establish(tags)
    }

    fn put(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        (**self).put(key, entry)
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        (**self).put_if_absent(key, entry)
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        (**self).touch(key, expires_at)
    }

    fn quarantine(&self, writer: WriterId, tags: &[Tag]) -> Result<(), BackendError> {
        (**self).quarantine(writer, tags)
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        (**self).lift(writer, tags, how)
    }

    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError> {
        (**self).renew(tags)
    }

    fn remove(&self, key: &Key) -> Result<bool, BackendError> {
        (**self).remove(key)
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        (**self).purge(tag)
    }

    fn clear(&self) -> Result<(), BackendError> {
        (**self).clear()
    }

    fn usage(&self) -> Usage {
        (**self).usage()
    }
}

/// What became of a [`put`](CacheBackend::put).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Put {
    /// It is stored.
    Stored,
    /// Its tokens are no longer current: it would never be served.
    Outdated,
    /// A valid entry is there already, see [`put_if_absent`](CacheBackend::put_if_absent).
    Present,
    /// It is larger than the store takes.
    TooLarge,
}

/// What a backend holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Usage {
    /// Entries.
    pub entries: u64,
    /// Their weight in bytes.
    pub bytes: u64,
    /// Tags it knows the state of.
    pub tags: u64,
    /// Entries it dropped to make room.
    pub evictions: u64,
}
