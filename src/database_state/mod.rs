//! What a cache knows about one database: its catalogue, as long as it is current.

mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::catalogue::Catalogue;
use crate::database::DatabaseId;
use crate::dialect::Dialect;
use crate::footprint::Name;
use crate::resolve::{Keys, Resolver, Settings};
use crate::token::Opening;

pub(crate) use self::watch::{Fingerprint, Watch, Watches};

/// How often a catalogue is read again because a query names what it does not know.
const REREAD_EVERY: Duration = Duration::from_secs(1);
/// Each time doubles the wait, this many times.
const REREAD_SLOWEST: u32 = 9;

/// One database and its catalogue.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) id: DatabaseId,
    pub(crate) dialect: Dialect,
    /// Grows with every change of the schema that was seen.
    generation: AtomicU64,
    loaded: RwLock<Option<Loaded>>,
    /// How often it was read again on suspicion since the schema last changed.
    rereads: AtomicU32,
    /// The writes under way, by the generation that they were resolved by.
    under_way: Mutex<BTreeMap<u64, usize>>,
    /// The oldest of those generations.
    oldest: AtomicU64,
    watches: Arc<Watches>,
}

#[derive(Debug, Clone)]
struct Loaded {
    generation: u64,
    /// The opening of the store's gate that was known before it was read.
    opening: Option<Opening>,
    at: Instant,
    resolver: Arc<Resolver>,
}

impl Database {
    pub(crate) fn new(id: DatabaseId, dialect: Dialect, watches: Arc<Watches>) -> Self {
        Self {
            id,
            dialect,
            generation: AtomicU64::new(0),
            loaded: RwLock::new(None),
            rereads: AtomicU32::new(0),
            under_way: Mutex::default(),
            oldest: AtomicU64::new(u64::MAX),
            watches,
        }
    }

    /// The looks at the catalogue by that database user.
    pub(crate) fn watch(&self, user: &str) -> Arc<Watch> {
        self.watches.of(user)
    }

    /// The schema may have changed, or may be about to: it is looked at before the next
    /// cached read.
    pub(crate) fn suspect(&self) {
        self.watches.suspect();
    }

    /// The schema's generation. Ask before the catalogue is read.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// The schema has changed, or is about to.
    pub(crate) fn schema_changed(&self) {
        self.rereads.store(0, Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// The catalogue as it was when the schema had that generation, and the gate that opening.
    pub(crate) fn load(
        &self,
        (generation, opening): (u64, Option<Opening>),
        catalogue: Catalogue,
        settings: Arc<Settings>,
        pure: Arc<BTreeSet<Name>>,
        keys: Keys,
    ) {
        let resolver = Resolver::new(
            self.dialect,
            self.id.tags,
            Arc::new(catalogue),
            settings,
            pure,
            Arc::new(keys),
        );
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Some(Loaded {
            generation,
            opening,
            at: Instant::now(),
            resolver: Arc::new(resolver),
        });
    }

    /// Whether the catalogue is old enough to be read again on suspicion.
    pub(crate) fn is_due(&self) -> bool {
        let doublings = self.rereads.load(Ordering::Relaxed).min(REREAD_SLOWEST);
        let wait = REREAD_EVERY * (1 << doublings);
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded
            .as_ref()
            .is_none_or(|loaded| loaded.at.elapsed() >= wait)
    }

    /// The catalogue is read again on suspicion.
    pub(crate) fn reread(&self) {
        self.rereads.fetch_add(1, Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// The models have changed, but for the keys that they declare.
    pub(crate) fn configure(&self, settings: &Arc<Settings>, pure: &Arc<BTreeSet<Name>>) {
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = loaded.as_mut() {
            loaded.resolver = Arc::new(Resolver::new(
                self.dialect,
                self.id.tags,
                Arc::clone(loaded.resolver.catalogue()),
                Arc::clone(settings),
                Arc::clone(pure),
                Arc::clone(loaded.resolver.keys()),
            ));
        }
    }

    /// What resolves statements, if the catalogue it goes by is current, and no write is
    /// under way that was resolved by an older one.
    pub(crate) fn current(&self) -> Option<Arc<Resolver>> {
        self.resolver()
            .filter(|_| self.oldest.load(Ordering::SeqCst) >= self.generation())
    }

    /// What resolves statements, if the catalogue it goes by is current.
    pub(crate) fn resolver(&self) -> Option<Arc<Resolver>> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded
            .as_ref()
            .filter(|loaded| loaded.generation == self.generation())
            .map(|loaded| Arc::clone(&loaded.resolver))
    }

    /// What resolved statements last, by a catalogue that may be outdated.
    pub(crate) fn last_resolver(&self) -> Option<Arc<Resolver>> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.as_ref().map(|loaded| Arc::clone(&loaded.resolver))
    }

    /// The opening of the store's gate that was known before the catalogue was read.
    pub(crate) fn opening(&self) -> Option<Opening> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.as_ref().and_then(|loaded| loaded.opening)
    }

    /// A write is about to be sent that was resolved when the schema had that generation.
    pub(crate) fn govern(self: &Arc<Self>, generation: u64) -> Governed {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *under_way.entry(generation).or_default() += 1;
        self.note_oldest(&under_way);
        Governed {
            database: Arc::clone(self),
            generation,
        }
    }

    fn note_oldest(&self, under_way: &BTreeMap<u64, usize>) {
        let oldest = under_way.keys().next().copied().unwrap_or(u64::MAX);
        self.oldest.store(oldest, Ordering::SeqCst);
    }
}

/// A write under way, and the generation of the schema that it was resolved by. As long as
/// it lives, no read goes by a newer catalogue: the write may do what only that one tells.
#[derive(Debug)]
pub(crate) struct Governed {
    database: Arc<Database>,
    generation: u64,
}

impl Drop for Governed {
    fn drop(&mut self) {
        let database = &self.database;
        let mut under_way = database
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = under_way.get_mut(&self.generation) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.generation);
            }
        }
        database.note_oldest(&under_way);
    }
}
