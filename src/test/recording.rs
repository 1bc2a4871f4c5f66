//! A backend that records what it is asked.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::backend::{
    Acknowledged, Ask, CacheBackend, Declarations, Holder, Put, Standing, Usage, Writer,
};
use crate::database::TagSpace;
use crate::entry::Entry;
use crate::error::BackendError;
use crate::key::Key;
use crate::protocol::{Fetched, Lift};
use crate::tag::Tag;
use crate::token::{Epoch, Opening, ProcessId, WriterId};

/// What a backend was asked to do. Each is one round trip to a store outside of the process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Command {
    /// What.
    pub kind: Kind,
    /// A digest of the key, if it names one: equal for equal keys, and tells nothing of them.
    pub key: Option<[u8; 8]>,
    /// How many tags it names.
    pub tags: usize,
}

/// A method of [`CacheBackend`]; `usage` is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// [`fetch`](CacheBackend::fetch): looks for an entry.
    Fetch,
    /// [`recall`](CacheBackend::recall): looks for an entry and the tags it has.
    Recall,
    /// [`fetch`](CacheBackend::fetch) that also makes the tokens of tags that have none.
    Establish,
    /// [`put`](CacheBackend::put): stores an entry.
    Put,
    /// [`put_if_absent`](CacheBackend::put_if_absent): stores an entry that is not there.
    PutIfAbsent,
    /// [`touch`](CacheBackend::touch): lets an entry live longer, or shorter.
    Touch,
    /// [`quarantine`](CacheBackend::quarantine): a write is about to commit.
    Quarantine,
    /// [`lift`](CacheBackend::lift) with new tokens: a write has committed, or may have.
    LiftRenew,
    /// [`lift`](CacheBackend::lift) with the old tokens: nothing was written.
    LiftRestore,
    /// [`renew`](CacheBackend::renew): invalidates at once.
    Renew,
    /// [`remove`](CacheBackend::remove): forgets one entry.
    Remove,
    /// [`purge`](CacheBackend::purge): forgets the entries of a tag.
    Purge,
    /// [`clear`](CacheBackend::clear): forgets all entries.
    Clear,
    /// [`release`](CacheBackend::release): gives a lease back.
    Release,
    /// [`holders`](CacheBackend::holders): asks who holds a quarantine.
    Holders,
    /// [`beat`](CacheBackend::beat): asks how the store stands.
    Beat,
    /// [`testify`](CacheBackend::testify): a process knows the epoch.
    Testify,
    /// [`open`](CacheBackend::open): opens the gate.
    Open,
    /// [`recognises`](CacheBackend::recognises): asks whether a catalogue has changed.
    Recognises,
    /// [`remember`](CacheBackend::remember): remembers a catalogue.
    Remember,
    /// [`close`](CacheBackend::close): closes the gate.
    Close,
    /// What is declared of a database is added to.
    Declare,
}

/// A backend that hands everything on to another one, and records it. Clones share the record.
///
/// ```
/// use diesel_cache::backend::MemoryBackend;
/// use diesel_cache::test::{Kind, RecordingBackend};
/// use diesel_cache::Cache;
///
/// let backend = RecordingBackend::new(MemoryBackend::new(1 << 20));
/// let cache = Cache::builder().backend(backend.clone()).build()?;
/// cache.clear();
/// assert_eq!(backend.count(Kind::Clear), 1);
/// assert_eq!(backend.clear_commands().len(), 2);
/// assert!(backend.commands().is_empty());
/// # Ok::<(), diesel_cache::Error>(())
/// ```
pub struct RecordingBackend<B>(Arc<Inner<B>>);

struct Inner<B> {
    to: B,
    commands: Mutex<Vec<Command>>,
}

impl<B> RecordingBackend<B> {
    /// Records what `to` is asked.
    #[must_use]
    pub fn new(to: B) -> Self {
        Self(Arc::new(Inner {
            to,
            commands: Mutex::default(),
        }))
    }

    /// The backend that does the work.
    #[must_use]
    pub fn inner(&self) -> &B {
        &self.0.to
    }

    /// What was asked since the beginning or since [`clear_commands`](Self::clear_commands),
    /// in order.
    #[must_use]
    pub fn commands(&self) -> Vec<Command> {
        self.lock().clone()
    }

    /// Forgets what was asked, and returns it.
    pub fn clear_commands(&self) -> Vec<Command> {
        std::mem::take(&mut *self.lock())
    }

    /// How often a command of that kind was asked.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        let commands = self.lock();
        commands.iter().filter(|asked| asked.kind == kind).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Command>> {
        let commands = &self.0.commands;
        commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, kind: Kind, key: Option<&Key>, tags: usize) {
        let key = key.map(|key| {
            let mut digest = [0; 8];
            digest.copy_from_slice(&blake3::hash(key.as_bytes()).as_bytes()[..8]);
            digest
        });
        self.lock().push(Command { kind, key, tags });
    }
}

impl<B> Clone for RecordingBackend<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: fmt::Debug> fmt::Debug for RecordingBackend<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingBackend")
            .field("to", &self.0.to)
            .field("commands", &self.lock().len())
            .finish()
    }
}

impl<B: CacheBackend> CacheBackend for RecordingBackend<B> {
    fn is_shared(&self) -> bool {
        self.0.to.is_shared()
    }

    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        let kind = if ask.establish {
            Kind::Establish
        } else {
            Kind::Fetch
        };
        self.record(kind, ask.key, ask.tags.len());
        self.0.to.fetch(ask)
    }

    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Result<Fetched, BackendError> {
        self.record(Kind::Recall, Some(key), 0);
        self.0.to.recall(key, attached)
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        self.record(Kind::Put, Some(&key), entry.tags.len());
        self.0.to.put(key, entry, holder)
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        self.record(Kind::PutIfAbsent, Some(&key), entry.tags.len());
        self.0.to.put_if_absent(key, entry)
    }

    fn release(&self, key: &Key, holder: ProcessId) -> Result<(), BackendError> {
        self.record(Kind::Release, Some(key), 0);
        self.0.to.release(key, holder)
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        self.record(Kind::Touch, Some(key), 0);
        self.0.to.touch(key, expires_at)
    }

    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError> {
        self.record(Kind::Quarantine, None, tags.len());
        self.0.to.quarantine(writer, tags)
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        let kind = match how {
            Lift::Renew => Kind::LiftRenew,
            Lift::Restore => Kind::LiftRestore,
        };
        self.record(kind, None, tags.len());
        self.0.to.lift(writer, tags, how)
    }

    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError> {
        self.record(Kind::Renew, None, tags.len());
        self.0.to.renew(tags)
    }

    fn remove(&self, key: &Key) -> Result<bool, BackendError> {
        self.record(Kind::Remove, Some(key), 0);
        self.0.to.remove(key)
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        self.record(Kind::Purge, None, 1);
        self.0.to.purge(tag)
    }

    fn clear(&self) -> Result<(), BackendError> {
        self.record(Kind::Clear, None, 0);
        self.0.to.clear()
    }

    fn usage(&self) -> Usage {
        self.0.to.usage()
    }

    fn holders(&self, tags: &[Tag]) -> Result<Vec<Holder>, BackendError> {
        self.record(Kind::Holders, None, tags.len());
        self.0.to.holders(tags)
    }

    fn beat(&self, process: ProcessId, spaces: &[TagSpace]) -> Result<Standing, BackendError> {
        self.record(Kind::Beat, None, 0);
        self.0.to.beat(process, spaces)
    }

    fn testify(
        &self,
        process: ProcessId,
        epoch: Epoch,
        spaces: &[TagSpace],
    ) -> Result<(), BackendError> {
        self.record(Kind::Testify, None, 0);
        self.0.to.testify(process, epoch, spaces)
    }

    fn open(&self, epoch: Epoch, space: TagSpace, opening: Opening) -> Result<(), BackendError> {
        self.record(Kind::Open, None, 0);
        self.0.to.open(epoch, space, opening)
    }

    fn recognises(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<bool, BackendError> {
        self.record(Kind::Recognises, None, 0);
        self.0.to.recognises(space, user, fingerprint)
    }

    fn remember(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<(), BackendError> {
        self.record(Kind::Remember, None, 0);
        self.0.to.remember(space, user, fingerprint)
    }

    fn declare(
        &self,
        space: TagSpace,
        declarations: &Declarations,
    ) -> Result<Declarations, BackendError> {
        self.record(Kind::Declare, None, 0);
        self.0.to.declare(space, declarations)
    }

    fn close(&self, space: Option<TagSpace>) -> Result<(), BackendError> {
        self.record(Kind::Close, None, 0);
        self.0.to.close(space)
    }
}
