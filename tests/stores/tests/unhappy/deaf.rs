//! A store that hears no write while its ears are closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use diesel_cache::backend::{
    Acknowledged, Ask, CacheBackend, Declarations, Holder, Put, RedisBackend, Standing, Usage,
    Writer,
};
use diesel_cache::database::TagSpace;
use diesel_cache::entry::Entry;
use diesel_cache::error::BackendError;
use diesel_cache::key::Key;
use diesel_cache::protocol::{Fetched, Lift};
use diesel_cache::tag::Tag;
use diesel_cache::token::{Epoch, Opening, ProcessId, WriterId};

#[derive(Debug, Clone)]
pub(crate) struct Deaf(Arc<(RedisBackend, AtomicBool, AtomicBool)>);

type Answer<T> = Result<T, BackendError>;

impl Deaf {
    pub(crate) fn new(to: RedisBackend) -> Self {
        Self(Arc::new((to, AtomicBool::default(), AtomicBool::default())))
    }

    pub(crate) fn close_ears(&self, closed: bool) {
        self.0.1.store(closed, Ordering::SeqCst);
    }

    /// From now on it panics when it is asked how it stands, or does so no longer.
    pub(crate) fn panic_at_beats(&self, panics: bool) {
        self.0.2.store(panics, Ordering::SeqCst);
    }

    fn to(&self) -> &RedisBackend {
        &self.0.0
    }

    fn heard(&self) -> Answer<&RedisBackend> {
        if self.0.1.load(Ordering::SeqCst) {
            return Err(BackendError::new("deaf".to_owned()));
        }
        Ok(self.to())
    }
}

impl CacheBackend for Deaf {
    fn is_shared(&self) -> bool {
        true
    }
    fn fetch(&self, ask: &Ask<'_>) -> Answer<Fetched> {
        self.to().fetch(ask)
    }
    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Answer<Fetched> {
        self.to().recall(key, attached)
    }
    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Answer<Put> {
        self.to().put(key, entry, holder)
    }
    fn put_if_absent(&self, key: Key, entry: Entry) -> Answer<Put> {
        self.to().put_if_absent(key, entry)
    }
    fn release(&self, key: &Key, holder: ProcessId) -> Answer<()> {
        self.to().release(key, holder)
    }
    fn touch(&self, key: &Key, expires_at: Instant) -> Answer<bool> {
        self.to().touch(key, expires_at)
    }
    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Answer<Acknowledged> {
        self.heard()?.quarantine(writer, tags)
    }
    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Answer<()> {
        self.heard()?.lift(writer, tags, how)
    }
    fn renew(&self, tags: &[Tag]) -> Answer<()> {
        self.heard()?.renew(tags)
    }
    fn remove(&self, key: &Key) -> Answer<bool> {
        self.to().remove(key)
    }
    fn purge(&self, tag: &Tag) -> Answer<()> {
        self.to().purge(tag)
    }
    fn clear(&self) -> Answer<()> {
        self.heard()?.clear()
    }
    fn usage(&self) -> Usage {
        self.to().usage()
    }
    fn holders(&self, tags: &[Tag]) -> Answer<Vec<Holder>> {
        self.to().holders(tags)
    }
    fn beat(&self, process: ProcessId, spaces: &[TagSpace]) -> Answer<Standing> {
        assert!(!self.0.2.load(Ordering::SeqCst), "a beat");
        self.to().beat(process, spaces)
    }
    fn testify(&self, process: ProcessId, epoch: Epoch, spaces: &[TagSpace]) -> Answer<()> {
        self.to().testify(process, epoch, spaces)
    }
    fn open(&self, epoch: Epoch, space: TagSpace, opening: Opening) -> Answer<()> {
        self.to().open(epoch, space, opening)
    }
    fn recognises(&self, space: TagSpace, user: &str, seen: &[u8; 32]) -> Answer<bool> {
        self.to().recognises(space, user, seen)
    }
    fn remember(&self, space: TagSpace, user: &str, seen: &[u8; 32]) -> Answer<()> {
        self.to().remember(space, user, seen)
    }
    fn declare(&self, space: TagSpace, list: &Declarations) -> Answer<Declarations> {
        self.heard()?.declare(space, list)
    }
    fn close(&self, space: Option<TagSpace>) -> Answer<()> {
        self.heard()?.close(space)
    }
}
