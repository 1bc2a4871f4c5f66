//! Where entries and tokens live.

use std::fmt::Debug;
use std::time::Instant;

use crate::config::Level;
use crate::database::TagSpace;
use crate::entry::Entry;
use crate::error::BackendError;
use crate::key::Key;
use crate::protocol::{Fetched, Lift};
use crate::tag::Tag;
use crate::token::{Epoch, Opening, ProcessId, WriterId};

mod ask;
mod awaited;
#[cfg(feature = "conformance")]
pub mod conformance;
mod forward;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "memory")]
pub use self::memory::MemoryBackend;
mod null;
pub use self::null::NullBackend;
mod prefixed;
pub use self::prefixed::PrefixedBackend;

#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
pub(crate) use self::redis::is_scheme as is_redis;
#[cfg(feature = "redis")]
pub use self::redis::{RedisBackend, RedisOptions};

#[cfg(any(feature = "redis", feature = "memcached"))]
mod breaker;
#[cfg(any(feature = "redis", feature = "memcached"))]
pub use self::breaker::BreakerState;

#[cfg(any(feature = "memcached", all(feature = "file", target_os = "linux")))]
mod forked;

#[cfg(feature = "memcached")]
mod memcached;
#[cfg(feature = "memcached")]
pub use self::memcached::{MemcachedBackend, MemcachedOptions};

#[cfg(any(feature = "memory", feature = "tiered"))]
mod weight;

#[cfg(feature = "tiered")]
mod tiered;
#[cfg(feature = "tiered")]
pub use self::tiered::{TieredBackend, TieredOptions};

#[cfg(all(feature = "file", target_os = "linux"))]
mod file;
#[cfg(all(feature = "file", target_os = "linux"))]
pub use self::file::{FileBackend, FileOptions};

#[cfg(any(feature = "redis", feature = "memcached", feature = "file"))]
mod wire;
#[cfg(any(feature = "redis", feature = "memcached", feature = "file"))]
pub use self::wire::EncryptionKey;

pub use crate::database::Declarations;

#[cfg(any(feature = "tiered", feature = "async"))]
pub(crate) use self::ask::Which;
pub use self::ask::{Acknowledged, Ask, Databases, Holder, Lease, Mark, Standing, Unless, Writer};
pub use self::awaited::{Answer, AwaitedBackend};
pub(crate) use self::awaited::{Asks, Awaits, Blocks};

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
    /// Whether it lives outside of this process: other processes may use it, and it may lose
    /// what it holds while they go on. It is then given [bytes](crate::entry::Payload::Bytes)
    /// only, and implements all that has a default here.
    fn is_shared(&self) -> bool {
        false
    }

    /// The most that it can keep. A cache that is to keep more is not built.
    fn level(&self) -> Level {
        Level::Strong
    }

    /// The operations that reads wait for, for those who await them. By default none: a store
    /// [outside of this process](Self::is_shared) is then asked on a thread where blocking is
    /// allowed.
    fn awaited(&self) -> Option<&dyn AwaitedBackend> {
        None
    }

    /// The entry under a key, the state of each tag, of each that is wanted [also](Ask::also),
    /// how the [further](crate::protocol::Further) tags of the entry stand, and the gate: all in
    /// one step.
    ///
    /// With `establish`, every tag that is missing is given a fresh token. With a `lease`, if what
    /// is fetched is [judged](crate::protocol::judge) a miss, or a hit that has expired, the asker
    /// gets the lease of that key unless another has it.
    ///
    /// # Errors
    /// If the store cannot be asked; the read then goes to the database.
    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError>;

    /// The entry under `key`, the state of each of the entry's own tags, and the gate (of
    /// [all](Databases::All) databases, if it has tags); no states without an entry.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Result<Fetched, BackendError>;

    /// As [`fetch`](Self::fetch), for an asker that holds a copy of an entry which was
    /// fetched before: if that is still the one that is stored, it need not be sent again.
    ///
    /// A store that knows no marks sends the entry every time.
    ///
    /// # Errors
    /// As those of [`fetch`](Self::fetch).
    fn fetch_unless(&self, ask: &Ask<'_>, _held: Option<Mark>) -> Result<Unless, BackendError> {
        self.fetch(ask).map(Unless::from)
    }

    /// As [`recall`](Self::recall), for an asker that holds a copy of the entry, see
    /// [`fetch_unless`](Self::fetch_unless).
    ///
    /// # Errors
    /// As those of [`recall`](Self::recall).
    fn recall_unless(
        &self,
        key: &Key,
        attached: &[TagSpace],
        _held: Option<Mark>,
    ) -> Result<Unless, BackendError> {
        self.recall(key, attached).map(Unless::from)
    }

    /// Stores an entry, replacing what was there, if all its tokens are current and clean and its
    /// nonce is that of the gate. Ends the lease of `holder`.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError>;

    /// Stores an entry unless a valid one is there, in one step: of several at once, one
    /// stores. An entry that has expired, or whose tokens are no longer current, is not valid.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError>;

    /// Ends a lease; one that the holder does not have is left alone.
    ///
    /// # Errors
    /// If the store cannot be asked; the lease then ends by itself.
    fn release(&self, _key: &Key, _holder: ProcessId) -> Result<(), BackendError> {
        Ok(())
    }

    /// Gives a valid entry another end of its life, in one step, but none later than its
    /// [`not_after`](Entry::not_after). Returns whether there was one.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError>;

    /// Puts `tags` under the quarantine of a writer, until it lifts them; all of them in one step.
    /// Doing it twice is doing it once; the session is the one that was given last.
    ///
    /// # Errors
    /// If the store cannot be asked. It may have done it all the same.
    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError>;

    /// Ends the quarantine of `tags` by `writer`, and of whatever else it holds; a tag it does not
    /// hold is renewed.
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

    /// What it holds now, as far as it can tell without asking anybody.
    fn usage(&self) -> Usage;

    /// Who holds a quarantine of these tags; of any, if there are none.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn holders(&self, _tags: &[Tag]) -> Result<Vec<Holder>, BackendError> {
        Ok(Vec::new())
    }

    /// Says that a process is there, and asks how the store stands with these databases. A store that knows no epoch begins one, in which no database is open.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn beat(&self, _process: ProcessId, spaces: &[TagSpace]) -> Result<Standing, BackendError> {
        Ok(Standing {
            epoch: Epoch::LASTING,
            open: spaces
                .iter()
                .map(|space| (*space, Opening::LASTING))
                .collect(),
            testified: Vec::new(),
            mine: Vec::new(),
        })
    }

    /// A process says that none of its writers to these databases is at work whose quarantine is
    /// not known in this epoch. Ignored if it is no longer the current one.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn testify(
        &self,
        _process: ProcessId,
        _epoch: Epoch,
        _spaces: &[TagSpace],
    ) -> Result<(), BackendError> {
        Ok(())
    }

    /// Opens the gate of a database, from now on under that name. Ignored if the epoch is no longer
    /// the current one, or the gate is open.
    ///
    /// # Errors
    /// If the store cannot be asked; the gate then stays closed.
    fn open(&self, _epoch: Epoch, _space: TagSpace, _opening: Opening) -> Result<(), BackendError> {
        Ok(())
    }

    /// Whether the catalogue of a database looks to a user as it was remembered to. If nothing was
    /// remembered, it is from now on, as long as the entries are.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn recognises(
        &self,
        _space: TagSpace,
        _user: &str,
        _fingerprint: &[u8; 32],
    ) -> Result<bool, BackendError> {
        Ok(false)
    }

    /// Remembers what the catalogue of a database looks like to a user, in place of what it
    /// looked like before.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn remember(
        &self,
        _space: TagSpace,
        _user: &str,
        _fingerprint: &[u8; 32],
    ) -> Result<(), BackendError> {
        Ok(())
    }

    /// Adds to what is declared of a database, and returns all that is, whoever declared it. If that
    /// is more than before, it closes the gate of that database in the same step, as
    /// [`close`](Self::close) does: whoever goes by less must learn it first. What would be too much
    /// to keep is left out. It is forgotten with the gates, and no sooner. A store that keeps none
    /// returns none: the processes that share it then tell no rows apart.
    ///
    /// # Errors
    /// If the store cannot be asked. It may have added it all the same.
    fn declare(
        &self,
        _space: TagSpace,
        _declarations: &Declarations,
    ) -> Result<Declarations, BackendError> {
        Ok(Declarations::new())
    }

    /// Closes the gate of a database, of all without one, and begins a new epoch. The gates of the
    /// others, the entries and the quarantines stay.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn close(&self, _space: Option<TagSpace>) -> Result<(), BackendError> {
        Ok(())
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
