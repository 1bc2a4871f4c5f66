//! The cache's handle.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::catalogue::{Catalogue, Writes};
use crate::core::{Core, OverInvalidation, Way};
use crate::database::{DatabaseId, TagSpace};
use crate::database_state::{Database, Fingerprint, Watches};
use crate::dialect::Dialect;
use crate::error::BackendError;
use crate::event::Source;
use crate::feed::Subscription;
use crate::footprint::{self, Name};
use crate::resolve::{Keys, TableSettings, declarations, declared};
use crate::shared::Delivery;
use crate::signal::Signals;
use crate::stats::Stats;
use crate::token::Opening;

mod backends;
mod builder;
mod lifecycle;
mod relays;
mod switches;

pub use self::builder::Builder;
pub(crate) use self::relays::{Relay, Relays, WeakCache};
use self::switches::Switches;

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
    switches: Switches,
    /// What was seen of the catalogues, of databases that all connections name alike. It
    /// outlives their connections, as entries do.
    watches: Mutex<HashMap<TagSpace, Arc<Watches>>>,
    pure: Arc<BTreeSet<Name>>,
    signals: Signals,
    relays: Arc<Relays>,
    /// Whether it was made for tests, and may hold what is not committed.
    #[cfg(feature = "test")]
    for_tests: std::sync::atomic::AtomicBool,
}

impl Cache {
    pub(crate) fn new(core: Arc<Core>, relays: Vec<Relay>) -> Self {
        let pure = core
            .config
            .pure_functions
            .iter()
            .map(|name| name.to_lowercase().into())
            .collect();
        let cache = Self(Arc::new(Inner {
            switches: Switches::new(&core.config),
            core,
            watches: Mutex::default(),
            pure: Arc::new(pure),
            signals: Signals::default(),
            relays: Relays::new(relays.len()),
            #[cfg(feature = "test")]
            for_tests: std::sync::atomic::AtomicBool::new(false),
        }));
        cache.start(relays);
        cache
    }

    /// What the cache did since it was built.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.core.counters.snapshot(self.0.core.backend.usage())
    }

    /// What invalidated results for nothing, as far as the sample tells: of the results of the
    /// [sample](crate::Builder::over_invalidation_sample) that were read anew because a write had
    /// invalidated them, how many were the same as before; for each cause, the most frequent
    /// first. Up to a thousand causes are told apart.
    ///
    /// A cause that is often for nothing asks for a [key](crate::CacheModel::KEYS).
    #[must_use]
    pub fn over_invalidations(&self) -> Vec<OverInvalidation> {
        self.0.core.causes.all()
    }

    /// Invalidates every cached result that reads `table`, in every database, at once.
    ///
    /// The name is the table's in SQL, in any case; a schema before it does not count. Needed only for
    /// writes that no attached connection sees.
    pub fn invalidate_table(&self, table: &str) {
        let writes = Writes::table(&footprint::bare(table));
        self.0.core.renew_everywhere(&writes);
    }

    /// Invalidates every cached result and value that has this tag, at once; see
    /// [`Cached::tag`](crate::Cached::tag) and [`Value::tag`](crate::Value::tag).
    pub fn invalidate_tag(&self, name: &str) {
        self.0.core.renew_label(&Name::from(name));
    }

    /// Tells of each invalidation from now on: what was invalidated, by which table and
    /// why. `capacity` is how many events wait for the subscriber, from 1 to 65536; what does
    /// not fit is dropped and counted, so that no write ever waits. An event does not say
    /// which database it was.
    ///
    /// ```
    /// use diesel_cache::Cache;
    ///
    /// let cache = Cache::from_url("memory://")?;
    /// let events = cache.subscribe(64);
    /// cache.invalidate_table("posts");
    /// let event = events.try_next().expect("an event");
    /// assert!(event.touches("posts"));
    /// assert_eq!(event.to_string(), "posts by Explicit");
    /// # Ok::<(), diesel_cache::Error>(())
    /// ```
    #[must_use = "events go to the subscription"]
    pub fn subscribe(&self, capacity: usize) -> Subscription {
        self.0.core.feed.subscribe(capacity)
    }

    /// Forgets everything that is cached. Writes under way keep their quarantine.
    pub fn clear(&self) {
        let core = &self.0.core;
        // A new generation first: what is told of it finds nothing.
        core.tell(Delivery::Clear, Way::Here);
        core.renew_root();
    }

    /// A number that no other cache has as long as this one lives.
    pub(crate) fn identity(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    #[cfg(feature = "test")]
    pub(crate) fn make_for_tests(&self) {
        let for_tests = &self.0.for_tests;
        for_tests.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    #[cfg(feature = "test")]
    pub(crate) fn is_for_tests(&self) -> bool {
        let for_tests = &self.0.for_tests;
        for_tests.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Whether the two are handles to one cache.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Changes what is known of a table's models.
    pub(crate) fn configure(&self, table: &str, change: impl FnOnce(&mut TableSettings)) {
        self.0.core.change_settings(
            |settings| {
                let declared = &mut settings.declared;
                change(declared.entry(table.to_lowercase().into()).or_default());
            },
            |before, settings| {
                // A write under way may know nothing of a new key: no read goes by it before
                // that is over.
                // rule: another-key-is-another-catalogue
                let rekeyed = before.keys() != settings.keys();
                for database in self.0.core.live_databases() {
                    if rekeyed {
                        database.schema_changed();
                    }
                    database.configure(settings, &self.0.pure);
                }
            },
        );
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    /// The signals of this cache's models: see [`signal`](crate::signal).
    #[must_use]
    pub fn signals(&self) -> &Signals {
        &self.0.signals
    }

    /// The database of that identity, known from now on.
    pub(crate) fn database(&self, id: DatabaseId, dialect: Dialect) -> Arc<Database> {
        let core = &self.0.core;
        core.spaces().insert(id.tags);
        let mut databases = core.databases();
        if let Some(known) = databases.get(&id).and_then(Weak::upgrade) {
            return known;
        }
        databases.retain(|_, database| database.strong_count() > 0);
        let watches = if id.is_private() {
            Arc::default()
        } else {
            let watches = self.0.watches.lock();
            let mut watches = watches.unwrap_or_else(PoisonError::into_inner);
            Arc::clone(watches.entry(id.tags).or_default())
        };
        let database = Arc::new(Database::new(id, dialect, watches));
        databases.insert(id, Arc::downgrade(&database));
        database
    }

    /// Declares the keys of this cache's models, and returns all that are declared of a database;
    /// `None` if those of others are not understood.
    ///
    /// # Errors
    /// If the store cannot be asked.
    pub(crate) fn declare_keys(&self, id: DatabaseId) -> Result<Option<Keys>, BackendError> {
        let core = &self.0.core;
        let own = core.settings().keys();
        if core.is_shared() && id.is_private() {
            return Ok(Some(own));
        }
        if !core.is_shared() {
            // Of other caches that use this backend, too, nothing is known.
            // rule: a-backend-of-several-caches-knows-no-keys
            return Ok(Some(if core.owns_backend { own } else { Keys::new() }));
        }
        let all = core.backend.declare(id.tags, &declarations(&own));
        match all {
            Ok(all) => Ok(declared(&all)),
            Err(error) => {
                core.failed(&error);
                Err(error)
            }
        }
    }

    pub(crate) fn load_catalogue(
        &self,
        database: &Database,
        known: (u64, Option<Opening>),
        mut found: Catalogue,
        keys: Option<Keys>,
    ) {
        // rule: what-others-declare-is-understood-or-writes-are-wide
        if keys.is_none() {
            found.forget_shapes();
        }
        let keys = keys.unwrap_or_default();
        // The models must not change in between.
        self.0.core.with_settings(|settings| {
            let (settings, pure) = (Arc::clone(settings), Arc::clone(&self.0.pure));
            database.load(known, found, settings, pure, keys);
        });
    }

    /// The schema of every database of that tag space has changed, or is about to; of all
    /// databases, if it is not known which.
    pub(crate) fn schema_changed(&self, space: Option<TagSpace>) {
        for database in self.0.core.live_databases() {
            if space.is_none_or(|space| database.id.tags == space) {
                database.schema_changed();
            }
        }
    }

    /// The schema of every database of that tag space may have changed, or may be about to.
    pub(crate) fn schema_suspected(&self, space: TagSpace) {
        for database in self.0.core.live_databases() {
            if database.id.tags == space {
                database.suspect();
            }
        }
    }

    /// The schema of that tag space has been found changed: what was cached before is void.
    pub(crate) fn schema_found_changed(&self, space: TagSpace, user: &str, now: &Fingerprint) {
        // The generation comes first: a plan by the catalogue of before, whose tokens are
        // new, is then found outdated.
        self.schema_changed(Some(space));
        self.renew_schema(space, user, now);
    }

    /// The schema of that tag space has been looked at for the first time: what was cached
    /// before may be of another, unless the store knows better.
    pub(crate) fn meet_schema(&self, space: TagSpace, user: &str, now: &Fingerprint) {
        let core = &self.0.core;
        let known = core.backend.recognises(space, &looked_at_by(user), now);
        let known = known.unwrap_or_else(|error| {
            core.failed(&error);
            false
        });
        if !known {
            self.renew_schema(space, user, now);
        }
    }

    fn renew_schema(&self, space: TagSpace, user: &str, now: &Fingerprint) {
        let core = &self.0.core;
        let schema = Writes {
            schema: true,
            ..Writes::default()
        };
        core.renew(&schema, Some(space), Source::Catalogue, Way::Here);
        // rule: a-schema-is-remembered-after-its-change-is-told
        if core.shared.is_idle()
            && let Err(error) = core.backend.remember(space, &looked_at_by(user), now)
        {
            core.failed(&error);
        }
    }
}

/// Who looks at a catalogue: versions of this crate may look at it in different ways.
fn looked_at_by(user: &str) -> String {
    format!("{} {user}", env!("CARGO_PKG_VERSION"))
}
