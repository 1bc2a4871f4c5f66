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

use crate::backend::{CacheBackend, Put, Usage};
use crate::entry::Entry;
use crate::error::BackendError;
use crate::key::Key;
use crate::protocol::{Fetched, Lift, TagState, TagStates};
use crate::tag::Tag;
use crate::token::{Nonce, WriterId};

mod cells;
mod removable;

use self::cells::{Cell, Cells};
use self::removable::Removable;

/// What every entry weighs besides its key and its rows.
const ENTRY_OVERHEAD: usize = 192;
/// A shard holds this much at least, or there is only one.
const SHARD_BYTES: u64 = 8 << 20;

/// How long a store waits for another of the same key under way; they take microseconds.
const PATIENCE: Duration = Duration::from_millis(100);

/// The embedded backend.
///
/// An entry weighs the bytes of its key, of its rows as the database sent them (or,
/// for typed rows, their in-line size and the length of their texts and blobs) and
/// 192 bytes. The capacity is divided among shards of at least 8 MiB; an entry
/// heavier than a shard is refused.
#[derive(Debug)]
pub struct MemoryBackend {
    generation: AtomicU64,
    entries: Cache<Key, Slot, ByWeight, ahash::RandomState, Evictions>,
    cells: Mutex<Cells>,
    evictions: Evictions,
    largest: u64,
}

#[derive(Debug, Clone)]
struct Slot {
    entry: Entry,
    cells: Box<[Arc<Cell>]>,
}

impl Slot {
    fn states(&self) -> impl Iterator<Item = TagState> + '_ {
        self.cells.iter().map(|cell| cell.read())
    }

    /// Whether a token was renewed, so that it is never served again.
    fn is_dead(&self) -> bool {
        self.states().any(|state| state == TagState::Missing)
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

/// Follows what the entries evict.
#[derive(Debug, Clone, Default)]
struct Evictions {
    count: Arc<AtomicU64>,
    removable: Arc<Removable>,
}

impl Lifecycle<Key, Slot> for Evictions {
    type RequestState = ();

    // Replacing an entry is no eviction, and does not come by here.
    fn before_evict(&self, (): &mut (), key: &Key, slot: &mut Slot) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.removable.forget(key, &slot.entry.removed_with);
    }
}

fn entry_weight(key: &Key, entry: &Entry) -> u64 {
    (key.as_bytes().len() + entry.weight + ENTRY_OVERHEAD) as u64
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
        let cells = self.cells();
        let current: Option<SmallVec<[Arc<Cell>; 8]>> = entry
            .tags
            .iter()
            .zip(&entry.vector.tokens)
            .map(|(tag, token)| {
                let cell = cells.known(tag)?;
                (cell.token == *token).then(|| Arc::clone(cell))
            })
            .collect();
        let cells = current.ok_or(Put::Outdated)?.into_vec().into_boxed_slice();
        Ok(Slot { entry, cells })
    }

    /// Removes what was stored again, if a purge came between its refusal and its insertion.
    fn settle(&self, key: &Key, slot: &Slot) {
        if !slot.entry.removed_with.is_empty() && slot.is_dead() {
            self.entries.remove(key);
        }
    }
}

impl CacheBackend for MemoryBackend {
    fn fetch(&self, key: &Key, tags: &[Tag]) -> Result<Fetched, BackendError> {
        let gate = Some(self.nonce());
        if let Some(slot) = self.entries.get(key) {
            // The cells are those of the entry's tags, so they answer only for the same tags.
            if *slot.entry.tags == *tags {
                return Ok(Fetched {
                    gate,
                    states: slot.states().collect(),
                    entry: Some(slot.entry),
                });
            }
        }
        let cells = self.cells();
        let states = tags
            .iter()
            .map(|tag| {
                let cell = cells.known(tag);
                cell.map_or(TagState::Missing, |cell| cell.read())
            })
            .collect();
        Ok(Fetched {
            gate,
            entry: None,
            states,
        })
    }

    fn recall(&self, key: &Key) -> Result<Fetched, BackendError> {
        let gate = Some(self.nonce());
        let slot = self.entries.get(key);
        Ok(Fetched {
            gate,
            states: slot.iter().flat_map(Slot::states).collect(),
            entry: slot.map(|slot| slot.entry),
        })
    }

    fn establish(&self, tags: &[Tag]) -> Result<Fetched, BackendError> {
        let gate = Some(self.nonce());
        let mut cells = self.cells();
        let states: TagStates = tags.iter().map(|tag| cells.cell(*tag).read()).collect();
        Ok(Fetched {
            gate,
            entry: None,
            states,
        })
    }

    fn put(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        let slot = match self.slot(&key, entry) {
            Ok(slot) => slot,
            Err(refused) => return Ok(refused),
        };
        let removed_with = Arc::clone(&slot.entry.removed_with);
        self.evictions.removable.add(&key, &removed_with);
        let marker = (!removed_with.is_empty()).then(|| (key.clone(), slot.clone()));
        self.entries.insert(key, slot);
        if let Some((key, slot)) = marker {
            self.settle(&key, &slot);
        }
        Ok(Put::Stored)
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        let slot = match self.slot(&key, entry) {
            Ok(slot) => slot,
            Err(refused) => return Ok(refused),
        };
        self.evictions.removable.add(&key, &slot.entry.removed_with);
        let nonce = self.nonce();
        let found = self.entries.entry(&key, Some(PATIENCE), |_, slot| {
            if slot.is_valid(nonce) {
                EntryAction::Retain(())
            } else {
                EntryAction::ReplaceWithGuard
            }
        });
        Ok(match found {
            EntryResult::Vacant(guard) | EntryResult::Replaced(guard, _) => {
                // Refused only if another store came first.
                if guard.insert(slot.clone()).is_ok() {
                    self.settle(&key, &slot);
                    Put::Stored
                } else {
                    Put::Present
                }
            }
            EntryResult::Retained(()) | EntryResult::Removed(..) | EntryResult::Timeout => {
                Put::Present
            }
        })
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        let nonce = self.nonce();
        let found = self.entries.entry(key, Some(PATIENCE), |_, slot| {
            let valid = slot.is_valid(nonce);
            if valid {
                slot.entry.expires_at = expires_at;
            }
            EntryAction::Retain(valid)
        });
        Ok(matches!(found, EntryResult::Retained(true)))
    }

    fn quarantine(&self, writer: WriterId, tags: &[Tag]) -> Result<(), BackendError> {
        let mut cells = self.cells();
        for tag in tags {
            cells.quarantine(writer, *tag);
        }
        Ok(())
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        let mut cells = self.cells();
        for tag in tags {
            cells.lift(writer, *tag, how);
        }
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
            self.evictions
                .removable
                .forget(key, &slot.entry.removed_with);
            slot.is_valid(nonce)
        }))
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        for key in self.evictions.removable.take(tag) {
            self.entries.remove(&key);
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), BackendError> {
        // A new generation first: a fill that is under way lands dead.
        self.generation.store(rand::random(), Ordering::SeqCst);
        self.entries.clear();
        self.evictions.removable.clear();
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
