//! The cache's handle.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use crate::catalogue::{Catalogue, Writes};
use crate::core::Core;
use crate::database::{DatabaseId, TagSpace};
use crate::database_state::Database;
use crate::dialect::Dialect;
use crate::footprint::Name;
use crate::resolve::{Settings, TableSettings, write_tags};
use crate::signal::Signals;
use crate::stats::{Source, Stats, count};
use crate::tag::Tag;

mod builder;

pub use self::builder::Builder;

/// A query cache. Clones are handles to the same one.
///
/// Built by [`from_url`](Self::from_url) or [`builder`](Self::builder), attached to
/// connections by [`customizer`](Self::customizer), [`attach`](Self::attach) or
/// [`install`](Self::install), and read through by
/// [`cached`](crate::CachedDsl::cached).
#[derive(Debug, Clone)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    core: Arc<Core>,
    enabled: AtomicBool,
    databases: Mutex<HashMap<DatabaseId, Weak<Database>>>,
    spaces: Mutex<HashSet<TagSpace>>,
    settings: RwLock<Arc<Settings>>,
    pure: Arc<BTreeSet<Name>>,
    signals: Signals,
}

impl Cache {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        let pure = core
            .config
            .pure_functions
            .iter()
            .map(|name| name.to_lowercase().into())
            .collect();
        Self(Arc::new(Inner {
            enabled: AtomicBool::new(core.config.enabled),
            core,
            databases: Mutex::default(),
            spaces: Mutex::default(),
            settings: RwLock::default(),
            pure: Arc::new(pure),
            signals: Signals::default(),
        }))
    }

    /// Whether cached reads use the cache. Writes invalidate in any case.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.enabled.load(Ordering::Relaxed)
    }

    /// Switches the cache on or off for reads, at once and for all connections.
    pub fn set_enabled(&self, enabled: bool) {
        self.0.enabled.store(enabled, Ordering::Relaxed);
    }

    /// What the cache did since it was built.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.core.counters.snapshot(self.0.core.backend.usage())
    }

    /// Invalidates every cached result that reads `table`, in every database, at once.
    ///
    /// The name is the table's in SQL, without a schema, in any case. Needed only for
    /// writes that no attached connection sees.
    pub fn invalidate_table(&self, table: &str) {
        let writes = Writes::table(&table.to_lowercase());
        let spaces: Vec<TagSpace> = self.spaces().iter().copied().collect();
        let tags: Vec<Tag> = spaces
            .into_iter()
            .flat_map(|space| write_tags(&writes, Some(space)))
            .collect();
        self.0.core.renew(&tags, Source::Explicit);
    }

    /// Forgets everything that is cached. Writes under way keep their quarantine.
    pub fn clear(&self) {
        self.0.core.renew(&[Tag::root()], Source::Explicit);
        if let Err(error) = self.0.core.backend.clear() {
            count(&self.0.core.counters.backend_errors);
            log::warn!("{error}");
        }
    }

    /// Whether the two are handles to one cache.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Changes what is known of a table's models.
    pub(crate) fn configure(&self, table: &str, change: impl FnOnce(&mut TableSettings)) {
        let mut settings = self
            .0
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut changed = Settings::clone(&settings);
        change(changed.entry(table.to_lowercase().into()).or_default());
        if changed == **settings {
            return;
        }
        *settings = Arc::new(changed);
        for database in self.live_databases() {
            database.configure(&settings, &self.0.pure);
        }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    pub(crate) fn signals(&self) -> &Signals {
        &self.0.signals
    }

    /// The database of that identity, known from now on.
    pub(crate) fn database(&self, id: DatabaseId, dialect: Dialect) -> Arc<Database> {
        self.spaces().insert(id.tags);
        let mut databases = self
            .0
            .databases
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = databases.get(&id).and_then(Weak::upgrade) {
            return known;
        }
        databases.retain(|_, database| database.strong_count() > 0);
        let database = Arc::new(Database::new(id, dialect));
        databases.insert(id, Arc::downgrade(&database));
        database
    }

    pub(crate) fn load_catalogue(&self, database: &Database, generation: u64, found: Catalogue) {
        let settings = self
            .0
            .settings
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        database.load(
            generation,
            found,
            Arc::clone(&settings),
            Arc::clone(&self.0.pure),
        );
    }

    /// The schema of every database of that tag space has changed, or is about to; of all
    /// databases, if it is not known which.
    pub(crate) fn schema_changed(&self, space: Option<TagSpace>) {
        for database in self.live_databases() {
            if space.is_none_or(|space| database.id.tags == space) {
                database.schema_changed();
            }
        }
    }

    fn live_databases(&self) -> Vec<Arc<Database>> {
        let databases = self
            .0
            .databases
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        databases.values().filter_map(Weak::upgrade).collect()
    }

    fn spaces(&self) -> std::sync::MutexGuard<'_, HashSet<TagSpace>> {
        self.0.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
