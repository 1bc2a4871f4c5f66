//! A store that fails when it is told to.

use std::sync::Arc;
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

use crate::points::{Fate, Points};

/// Hands everything on, unless it is out of reach.
#[derive(Debug)]
pub(crate) struct Failing {
    pub(crate) to: RedisBackend,
    pub(crate) points: Arc<Points>,
}

impl Failing {
    /// A call that announces or invalidates.
    fn counted<T>(&self, ask: impl FnOnce() -> Result<T, BackendError>) -> Result<T, BackendError> {
        self.points.pass();
        let fate = self.points.count_call();
        let done = Self::befall(fate, ask);
        self.points.pass();
        done
    }

    /// Any other.
    fn any<T>(&self, ask: impl FnOnce() -> Result<T, BackendError>) -> Result<T, BackendError> {
        Self::befall(self.points.fate(), ask)
    }

    fn befall<T>(
        fate: Fate,
        ask: impl FnOnce() -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        let lost = || BackendError::new("out of reach");
        match fate {
            Fate::Works => ask(),
            Fate::Down => Err(lost()),
            Fate::Deaf => ask().and(Err(lost())),
        }
    }
}

impl CacheBackend for Failing {
    fn is_shared(&self) -> bool {
        self.to.is_shared()
    }

    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        self.any(|| self.to.fetch(ask))
    }

    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Result<Fetched, BackendError> {
        self.any(|| self.to.recall(key, attached))
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        self.counted(|| self.to.put(key, entry, holder))
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        self.any(|| self.to.put_if_absent(key, entry))
    }

    fn release(&self, key: &Key, holder: ProcessId) -> Result<(), BackendError> {
        self.any(|| self.to.release(key, holder))
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        self.any(|| self.to.touch(key, expires_at))
    }

    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError> {
        self.counted(|| self.to.quarantine(writer, tags))
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        self.counted(|| self.to.lift(writer, tags, how))
    }

    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError> {
        self.counted(|| self.to.renew(tags))
    }

    fn remove(&self, key: &Key) -> Result<bool, BackendError> {
        self.any(|| self.to.remove(key))
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        self.any(|| self.to.purge(tag))
    }

    fn clear(&self) -> Result<(), BackendError> {
        self.any(|| self.to.clear())
    }

    fn usage(&self) -> Usage {
        self.to.usage()
    }

    fn holders(&self, tags: &[Tag]) -> Result<Vec<Holder>, BackendError> {
        self.any(|| self.to.holders(tags))
    }

    fn beat(&self, process: ProcessId, spaces: &[TagSpace]) -> Result<Standing, BackendError> {
        self.any(|| self.to.beat(process, spaces))
    }

    fn testify(
        &self,
        process: ProcessId,
        epoch: Epoch,
        spaces: &[TagSpace],
    ) -> Result<(), BackendError> {
        self.any(|| self.to.testify(process, epoch, spaces))
    }

    fn open(&self, epoch: Epoch, space: TagSpace, opening: Opening) -> Result<(), BackendError> {
        self.any(|| self.to.open(epoch, space, opening))
    }

    fn recognises(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<bool, BackendError> {
        self.any(|| self.to.recognises(space, user, fingerprint))
    }

    fn remember(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<(), BackendError> {
        self.any(|| self.to.remember(space, user, fingerprint))
    }

    fn declare(
        &self,
        space: TagSpace,
        declarations: &Declarations,
    ) -> Result<Declarations, BackendError> {
        self.any(|| self.to.declare(space, declarations))
    }

    fn close(&self, space: Option<TagSpace>) -> Result<(), BackendError> {
        self.counted(|| self.to.close(space))
    }
}
