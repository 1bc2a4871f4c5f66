//! The embedded backend: entries and tokens in this process.
//!
//! Each known tag has a *cell*: an immutable token and an atomic state. An entry
//! holds the cells its tokens came from, so that a hit reads a few atomics and
//! takes no lock. A renewed tag gets no new cell: the old one is marked dead and
//! forgotten, and the next capture makes one. Nothing grows with the number of
//! invalidations.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use smallvec::SmallVec;

use crate::backend::{CacheBackend, Put, Usage};
use crate::entry::Entry;
use crate::error::BackendError;
use crate::key::Key;
use crate::protocol::{Fetched, Lift, TagState, TagStates};
use crate::tag::Tag;
use crate::token::{Nonce, Token, WriterId};

/// What every entry weighs besides its key and its rows.
const ENTRY_OVERHEAD: usize = 192;
/// A shard holds this much at least, or there is only one.
const SHARD_BYTES: u64 = 8 << 20;
/// Unused cells are swept when there are this many more than after the last sweep.
const SWEEP_EVERY: usize = 4096;

/// The embedded backend.
///
/// An entry weighs the bytes of its key, of its rows as the database sent them (or,
/// for typed rows, their in-line size and the length of their texts and blobs) and
/// 192 bytes. The capacity is divided among shards of at least 8 MiB; an entry
/// heavier than a shard is refused.
#[derive(Debug)]
pub struct MemoryBackend {
    generation: AtomicU64,
    entries: Cache<Key, Slot, ByWeight, ahash::RandomState, CountEvictions>,
    cells: Mutex<Cells>,
    evictions: CountEvictions,
    largest: u64,
}

#[derive(Debug, Clone)]
struct Slot {
    entry: Entry,
    cells: Box<[Arc<Cell>]>,
}

#[derive(Debug, Clone)]
struct ByWeight;

impl Weighter<Key, Slot> for ByWeight {
    fn weight(&self, key: &Key, slot: &Slot) -> u64 {
        entry_weight(key, &slot.entry)
    }
}

#[derive(Debug, Clone, Default)]
struct CountEvictions(Arc<AtomicU64>);

impl Lifecycle<Key, Slot> for CountEvictions {
    type RequestState = ();

    // Replacing an entry is no eviction, and does not come by here.
    fn before_evict(&self, (): &mut (), _: &Key, _: &mut Slot) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn entry_weight(key: &Key, entry: &Entry) -> u64 {
    (key.as_bytes().len() + entry.weight + ENTRY_OVERHEAD) as u64
}

/// A tag's token and its state: the number of writers that hold it, whether one of
/// them committed, and whether the token is dead.
#[derive(Debug)]
struct Cell {
    token: Token,
    state: AtomicU32,
}

const DEAD: u32 = 1 << 31;
const DIRTY: u32 = 1 << 30;
const WRITERS: u32 = DIRTY - 1;

impl Cell {
    fn new(state: u32) -> Arc<Self> {
        Arc::new(Self {
            token: Token::fresh(),
            state: AtomicU32::new(state),
        })
    }

    fn read(&self) -> TagState {
        let state = self.state.load(Ordering::SeqCst);
        if state & DEAD != 0 {
            TagState::Missing
        } else if state & WRITERS != 0 {
            TagState::Quarantined
        } else {
            TagState::Clean(self.token)
        }
    }
}

/// The cells of all known tags. Cells change only under this lock; they are read without it.
#[derive(Debug, Default)]
struct Cells {
    by_tag: HashMap<Tag, Arc<Cell>, ahash::RandomState>,
    held: HashMap<(WriterId, Tag), (), ahash::RandomState>,
    swept_at: usize,
}

impl Cells {
    /// The cell of a tag, made clean if there is none.
    fn cell(&mut self, tag: Tag) -> Arc<Cell> {
        if self.by_tag.len() > self.swept_at + SWEEP_EVERY {
            self.sweep();
        }
        Arc::clone(self.by_tag.entry(tag).or_insert_with(|| Cell::new(0)))
    }

    /// Forgets clean cells that no entry holds. Their tokens die with them.
    fn sweep(&mut self) {
        self.by_tag.retain(|_, cell| {
            let unused =
                Arc::strong_count(cell) == 1 && cell.state.load(Ordering::SeqCst) & WRITERS == 0;
            if unused {
                cell.state.store(DEAD, Ordering::SeqCst);
            }
            !unused
        });
        self.swept_at = self.by_tag.len();
    }

    fn quarantine(&mut self, writer: WriterId, tag: Tag) {
        if self.held.insert((writer, tag), ()).is_none() {
            self.cell(tag).state.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn lift(&mut self, writer: WriterId, tag: Tag, how: Lift) {
        // rule: a-lift-that-finds-nothing-renews
        if self.held.remove(&(writer, tag)).is_none() {
            self.renew(tag);
            return;
        }
        let Some(cell) = self.by_tag.get(&tag).map(Arc::clone) else {
            return;
        };
        let dirty = if how == Lift::Renew { DIRTY } else { 0 };
        let state = (cell.state.load(Ordering::SeqCst) | dirty) - 1;
        // rule: the-last-writer-out-makes-it-clean
        if state & WRITERS == 0 && state & DIRTY != 0 {
            self.by_tag.remove(&tag);
            cell.state.store(DEAD, Ordering::SeqCst);
        } else {
            cell.state.store(state, Ordering::SeqCst);
        }
    }

    fn renew(&mut self, tag: Tag) {
        let Some(cell) = self.by_tag.get(&tag) else {
            return;
        };
        let state = cell.state.load(Ordering::SeqCst);
        if state & WRITERS == 0 {
            cell.state.store(DEAD, Ordering::SeqCst);
            self.by_tag.remove(&tag);
        } else {
            cell.state.store(state | DIRTY, Ordering::SeqCst);
        }
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
        let evictions = CountEvictions::default();
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
}

impl CacheBackend for MemoryBackend {
    fn fetch(&self, key: &Key, tags: &[Tag]) -> Result<Fetched, BackendError> {
        let gate = Some(self.nonce());
        if let Some(slot) = self.entries.get(key) {
            // The cells are those of the entry's tags, so they answer only for the same tags.
            if *slot.entry.tags == *tags {
                return Ok(Fetched {
                    gate,
                    states: slot.cells.iter().map(|cell| cell.read()).collect(),
                    entry: Some(slot.entry),
                });
            }
        }
        let cells = self.cells();
        let states = tags
            .iter()
            .map(|tag| {
                cells
                    .by_tag
                    .get(tag)
                    .map_or(TagState::Missing, |cell| cell.read())
            })
            .collect();
        Ok(Fetched {
            gate,
            entry: None,
            states,
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
        if entry_weight(&key, &entry) > self.largest {
            return Ok(Put::TooLarge);
        }
        let current: Option<SmallVec<[Arc<Cell>; 8]>> = {
            let cells = self.cells();
            entry
                .tags
                .iter()
                .zip(&entry.vector.tokens)
                .map(|(tag, token)| {
                    let cell = cells.by_tag.get(tag)?;
                    (cell.token == *token).then(|| Arc::clone(cell))
                })
                .collect()
        };
        let Some(cells) = current else {
            return Ok(Put::Outdated);
        };
        let slot = Slot {
            entry,
            cells: cells.into_vec().into_boxed_slice(),
        };
        self.entries.insert(key, slot);
        Ok(Put::Stored)
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

    fn remove(&self, key: &Key) -> Result<(), BackendError> {
        self.entries.remove(key);
        Ok(())
    }

    fn clear(&self) -> Result<(), BackendError> {
        // A new generation first: a fill that is under way lands dead.
        self.generation.store(rand::random(), Ordering::SeqCst);
        self.entries.clear();
        Ok(())
    }

    fn usage(&self) -> Usage {
        Usage {
            entries: self.entries.len() as u64,
            bytes: self.entries.weight(),
            tags: self.cells().by_tag.len() as u64,
            evictions: self.evictions.0.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
