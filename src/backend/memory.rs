//! The embedded backend: entries and tokens in this process.
//!
//! Each known tag has a *cell*: an immutable token and an atomic state. An entry
//! holds the cells its tokens came from, so that a hit reads a few atomics and
//! takes no lock. A renewed tag gets no new cell: the old one is marked dead and
//! forgotten, and the next capture makes one. Nothing grows with the number of
//! invalidations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::sync::{Cache, EntryAction, EntryResult};
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use smallvec::SmallVec;

use crate::backend::weight::entry_weight;
use crate::backend::{Acknowledged, Ask, CacheBackend, Put, Usage, Writer};
use crate::database::TagSpace;
use crate::entry::Entry;
use crate::error::BackendError;
use crate::key::Key;
use crate::protocol::{Fetched, Further, Leased, Lift, TagState, TagStates};
use crate::tag::Tag;
use crate::token::{Epoch, Nonce, Opening, ProcessId, WriterId};

mod cells;
mod removable;

use self::cells::{Cell, Cells};
use self::removable::Removable;

/// A shard holds this much at least, or there is only one.
const SHARD_BYTES: u64 = 8 << 20;

/// How often a store that keeps being overtaken tries.
const ATTEMPTS: usize = 16;
/// How long a store waits for another of the same key under way; they take microseconds.
const PATIENCE: Duration = Duration::from_millis(100);

/// The embedded backend.
///
/// An entry weighs the bytes of its key and its tags, of its rows as the database sent them (or,
/// for typed rows, their in-line size and the length of their texts and blobs) and
/// 192 bytes. The capacity is divided among shards of at least 8 MiB; an entry
/// heavier than a shard is refused.
#[derive(Debug)]
pub struct MemoryBackend {
    generation: AtomicU64,
    /// The number of the next entry.
    next: AtomicU64,
    entries: Cache<Key, Slot, ByWeight, ahash::RandomState, Evictions>,
    cells: Mutex<Cells>,
    evictions: Evictions,
    largest: u64,
}

#[derive(Debug, Clone)]
struct Slot {
    /// Unlike that of any other, also of one that is stored under the same key.
    id: u64,
    entry: Entry,
    cells: Box<[Arc<Cell>]>,
}

type CellList<'a> = &'a [Arc<Cell>];

impl Slot {
    fn states(&self) -> impl Iterator<Item = TagState> + '_ {
        self.cells.iter().map(|cell| cell.read())
    }

    /// The cells of the tags that are asked for, and those of its further ones, if its tags
    /// begin with them. They are those of the entry's tags, so they answer for no others.
    // rule: cells-answer-for-their-own-tags
    fn split(&self, asked: &[Tag]) -> Option<(CellList<'_>, CellList<'_>)> {
        let begins = self.entry.tags.starts_with(asked);
        begins.then(|| self.cells.split_at_checked(asked.len()))?
    }

    /// Whether it would be served.
    fn is_valid(&self, nonce: Nonce) -> bool {
        self.entry.vector.nonce == nonce
            && self.entry.expires_at > Instant::now()
            && self
                .states()
                .all(|state| matches!(state, TagState::Clean(_)))
    }
}

#[derive(Debug, Clone)]
struct ByWeight;

impl Weighter<Key, Slot> for ByWeight {
    fn weight(&self, key: &Key, slot: &Slot) -> u64 {
        entry_weight(key, &slot.entry)
    }
}

/// Follows what the entries evict and replace.
#[derive(Debug, Clone, Default)]
struct Evictions {
    count: Arc<AtomicU64>,
    removable: Arc<Removable>,
}

impl Lifecycle<Key, Slot> for Evictions {
    // What was evicted is dropped after the shard's lock is released: a value of the
    // user's may ask the cache when it is dropped.
    type RequestState = SmallVec<[(Key, Slot); 2]>;

    // Replacing an entry is no eviction, and does not come by here.
    fn before_evict(&self, _: &mut Self::RequestState, _: &Key, _: &mut Slot) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn on_evict(&self, dropped: &mut Self::RequestState, key: Key, slot: Slot) {
        self.removable.forget(slot.id, &slot.entry.removed_with);
        dropped.push((key, slot));
    }
}

impl MemoryBackend {
    /// A backend that holds entries of up to `capacity` bytes in all.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let shards = (capacity / SHARD_BYTES).clamp(1, 16);
        let items = usize::try_from(capacity / 1024)
            .unwrap_or(usize::MAX)
            .clamp(64, 1 << 20);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(capacity)
            .shards(usize::try_from(shards).unwrap_or(1))
            .build();
        let evictions = Evictions::default();
        let hasher = ahash::RandomState::new();
        let entries = match options {
            Ok(options) => Cache::with_options(options, ByWeight, hasher, evictions.clone()),
            Err(_) => Cache::with(items, capacity, ByWeight, hasher, evictions.clone()),
        };
        Self {
            generation: AtomicU64::new(rand::random()),
            next: AtomicU64::new(0),
            largest: entries.shard_capacity(),
            entries,
            cells: Mutex::default(),
            evictions,
        }
    }

    fn cells(&self) -> MutexGuard<'_, Cells> {
        // A panic cannot leave the map half changed: each step is complete in itself.
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nonce(&self) -> Nonce {
        Nonce::from_bits(self.generation.load(Ordering::SeqCst))
    }

    /// The entry with the cells of its tokens, or why it is refused.
    fn slot(&self, key: &Key, entry: Entry) -> Result<Slot, Put> {
        if entry_weight(key, &entry) > self.largest {
            return Err(Put::TooLarge);
        }
        // rule: a-fill-of-another-generation-is-refused
        if entry.vector.nonce != self.nonce() {
            return Err(Put::Outdated);
        }
        // rule: an-entry-has-a-token-for-each-tag
        // One that has not could never be served.
        if entry.vector.tokens.len() != entry.tags.len() {
            return Err(Put::Outdated);
        }
        let cells = self.cells();
        let current: Option<SmallVec<[Arc<Cell>; 8]>> = entry
            .tags
            .iter()
            .zip(&entry.vector.tokens)
            .map(|(tag, token)| {
                let cell = cells.known(tag)?;
                (cell.read() == TagState::Clean(*token)).then(|| Arc::clone(cell))
            })
            .collect();
        let cells = current.ok_or(Put::Outdated)?.into_vec().into_boxed_slice();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(Slot { id, entry, cells })
    }

    /// What must be known of an entry after it is inserted; mostly nothing.
    fn follow(&self, key: &Key, slot: &Slot) -> Option<Follow> {
        // The store may drop at once what fills a shard almost alone.
        let heavy = entry_weight(key, &slot.entry) > self.largest / 2;
        (heavy || !slot.entry.removed_with.is_empty()).then(|| Follow {
            key: key.clone(),
            id: slot.id,
            cells: slot.cells.clone(),
            removed_with: Arc::clone(&slot.entry.removed_with),
        })
    }

    /// Follows up on an insertion: an entry that is to be removed with a tag is known by it
    /// as long as it is stored, and no longer.
    fn settle(&self, follow: Option<Follow>) -> Put {
        let Some(entry) = follow else {
            return Put::Stored;
        };
        let removable = &self.evictions.removable;
        removable.add(entry.id, &entry.key, &entry.removed_with);
        // rule: a-purge-that-overtook-an-insertion-counts
        if entry
            .cells
            .iter()
            .any(|cell| cell.read() == TagState::Missing)
        {
            self.remove_slot(entry.id, &entry.key);
        }
        let found = self.entries.peek(&entry.key);
        if found.is_some_and(|slot| slot.id == entry.id) {
            return Put::Stored;
        }
        removable.forget(entry.id, &entry.removed_with);
        Put::TooLarge
    }

    /// Removes that entry, and no other that is stored under its key by now.
    fn remove_slot(&self, id: u64, key: &Key) {
        if let Some((_, slot)) = self.entries.remove_if(key, |slot| slot.id == id) {
            self.forget(&slot);
        }
    }

    /// An entry is no longer stored.
    fn forget(&self, slot: &Slot) {
        let tags = &slot.entry.removed_with;
        self.evictions.removable.forget(slot.id, tags);
    }
}

/// An entry that was just inserted.
struct Follow {
    key: Key,
    id: u64,
    cells: Box<[Arc<Cell>]>,
    removed_with: Arc<[Tag]>,
}

impl CacheBackend for MemoryBackend {
    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        let gate = Some(self.nonce());
        let slot = ask.key.and_then(|key| self.entries.get(key));
        let split = slot.as_ref().and_then(|slot| slot.split(ask.tags));
        if let (Some(slot), Some((asked, rest)), []) = (&slot, split, ask.also) {
            let states: TagStates = asked.iter().map(|cell| cell.read()).collect();
            let further = Further::of(rest.iter().map(|cell| (cell.read(), cell.token)));
            // A dead cell says nothing of the tag, which may have another by now. Of the further
            // ones only a dead one is outdated: their tokens are those of the entry.
            if !states.contains(&TagState::Missing) && further != Further::Outdated {
                return Ok(Fetched {
                    gate,
                    opening: Some(Opening::LASTING),
                    entry: Some(slot.entry.clone()),
                    states,
                    also: TagStates::new(),
                    further,
                    leased: Leased::NotAsked,
                });
            }
        }
        let mut cells = self.cells();
        let mut read = |tags: &[Tag]| -> TagStates {
            let states = tags.iter().map(|tag| match ask.establish {
                true => cells.cell(*tag).read(),
                false => cells.state(tag),
            });
            states.collect()
        };
        let (states, also) = (read(ask.tags), read(ask.also));
        let rest = slot.iter().zip(split).flat_map(|(slot, (asked, rest))| {
            let tags = slot.entry.tags[asked.len()..].iter();
            tags.zip(rest)
        });
        // rule: a-dead-further-cell-says-nothing-of-its-tag
        let further = Further::of(rest.map(|(tag, cell)| match cell.read() {
            TagState::Missing => (cells.state(tag), cell.token),
            state => (state, cell.token),
        }));
        Ok(Fetched {
            gate,
            opening: Some(Opening::LASTING),
            entry: slot.map(|slot| slot.entry),
            states,
            also,
            further,
            leased: Leased::NotAsked,
        })
    }

    fn recall(&self, key: &Key, _: &[TagSpace]) -> Result<Fetched, BackendError> {
        let gate = Some(self.nonce());
        let slot = self.entries.get(key);
        Ok(Fetched {
            gate,
            opening: Some(Opening::LASTING),
            states: slot.iter().flat_map(Slot::states).collect(),
            entry: slot.map(|slot| slot.entry),
            also: TagStates::new(),
            further: Further::None,
            leased: Leased::NotAsked,
        })
    }

    fn put(&self, key: Key, entry: Entry, _: Option<ProcessId>) -> Result<Put, BackendError> {
        let slot = match self.slot(&key, entry) {
            Ok(slot) => slot,
            Err(refused) => return Ok(refused),
        };
        let follow = self.follow(&key, &slot);
        self.entries.insert(key, slot);
        Ok(self.settle(follow))
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        let mut slot = match self.slot(&key, entry) {
            Ok(slot) => slot,
            Err(refused) => return Ok(refused),
        };
        // Whoever stores or removes under the key meanwhile takes the place that was kept
        // for this entry. Then it is asked again whether there is one.
        for _ in 0..ATTEMPTS {
            let nonce = self.nonce();
            let found = self.entries.entry(&key, Some(PATIENCE), |_, slot| {
                if slot.is_valid(nonce) {
                    EntryAction::Retain(())
                } else {
                    EntryAction::ReplaceWithGuard
                }
            });
            let guard = match found {
                EntryResult::Vacant(guard) => guard,
                EntryResult::Replaced(guard, old) => {
                    self.forget(&old);
                    guard
                }
                EntryResult::Retained(()) | EntryResult::Removed(..) | EntryResult::Timeout => {
                    return Ok(Put::Present);
                }
            };
            let follow = self.follow(&key, &slot);
            match guard.insert(slot) {
                Ok(()) => return Ok(self.settle(follow)),
                Err(refused) => slot = refused,
            }
        }
        Ok(Put::Present)
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        let nonce = self.nonce();
        let found = self.entries.entry(key, Some(PATIENCE), |_, slot| {
            let valid = slot.is_valid(nonce);
            if valid {
                let latest = slot.entry.not_after.unwrap_or(expires_at);
                slot.entry.expires_at = expires_at.min(latest);
            }
            EntryAction::Retain(valid)
        });
        Ok(matches!(found, EntryResult::Retained(true)))
    }

    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError> {
        let mut cells = self.cells();
        for tag in tags {
            cells.quarantine(writer.id, *tag);
        }
        Ok(Acknowledged {
            epoch: Epoch::LASTING,
            opening: Some(Opening::LASTING),
        })
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        let mut cells = self.cells();
        cells.lift(writer, tags, how);
        Ok(())
    }

    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError> {
        let mut cells = self.cells();
        for tag in tags {
            cells.renew(*tag);
        }
        Ok(())
    }

    fn remove(&self, key: &Key) -> Result<bool, BackendError> {
        let nonce = self.nonce();
        Ok(self.entries.remove(key).is_some_and(|(_, slot)| {
            self.forget(&slot);
            slot.is_valid(nonce)
        }))
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        for (id, key) in self.evictions.removable.take(tag) {
            self.remove_slot(id, &key);
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), BackendError> {
        // A new generation first: a fill that is under way lands dead.
        self.generation.store(rand::random(), Ordering::SeqCst);
        // One by one, so that none is dropped under a lock.
        for (_, slot) in self.entries.drain() {
            self.forget(&slot);
        }
        Ok(())
    }

    fn usage(&self) -> Usage {
        Usage {
            entries: self.entries.len() as u64,
            bytes: self.entries.weight(),
            tags: self.cells().len() as u64,
            evictions: self.evictions.count.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
