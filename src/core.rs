//! The cache beneath its handle: the backend, the counters and the protocol's driver.

mod compare;
mod complaints;
mod lookup;
mod reach;
mod relayed;

use self::compare::Causes;
pub(crate) use self::compare::Dropped;
pub use self::compare::OverInvalidation;
use self::complaints::Complaints;
pub(crate) use self::lookup::{Asking, Awaited, Found, Patience, Question};
pub(crate) use self::reach::{Held, Reach, Thread};

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant, SystemTime};

use crate::backend::{Ask, CacheBackend, Lease, Put, Standing};
use crate::bypass::Bypass;
use crate::config::Config;
use crate::database::{DatabaseId, TagSpace};
use crate::database_state::Database;
use crate::entry::{Entry, Vector};
use crate::error::BackendError;
use crate::event::Invalidation;
use crate::explain::Renewal;
use crate::feed::Feed;
use crate::flight::Flights;
use crate::invalidate::Orphan;
use crate::key::Key;
use crate::outbox::sessions::Sessions;
use crate::protocol::{Fetched, Judgement, Leased, Lift, judge};
use crate::resolve::Settings;
use crate::shared::{self, Delivery, Shared};
use crate::stats::{Counters, count};
use crate::tag::Tag;
use crate::token::{Opening, ProcessId};

/// No entry lives longer.
pub(crate) const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// How many leaders may be given up before a reader asks the database itself.
pub(crate) const TRIES: u32 = 16;

/// What both reads and writes go through.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) backend: Arc<dyn CacheBackend>,
    /// Whether no other cache can use it: this one made it, in this process.
    pub(crate) owns_backend: bool,
    /// What a shared store knows this cache by.
    pub(crate) process: ProcessId,
    /// The process that made it.
    pid: u32,
    pub(crate) counters: Counters,
    complaints: Complaints,
    /// What is said of the outbox and its relay.
    complaints_of_outbox: Complaints,
    pub(crate) config: Config,
    pub(crate) flights: Flights,
    pub(crate) orphans: Mutex<Vec<Orphan>>,
    pub(crate) feed: Feed,
    /// The databases that were ever seen.
    pub(crate) spaces: Mutex<HashSet<TagSpace>>,
    /// Which rows of an outbox are those of this process.
    pub(crate) sessions: Sessions,
    /// What is known of a store that others use too.
    pub(crate) shared: Arc<Shared>,
    /// The databases that connections are attached to.
    databases: Mutex<HashMap<DatabaseId, Weak<Database>>>,
    /// What the models and the configuration say.
    settings: RwLock<Arc<Settings>>,
    /// What renewed tags last.
    renewals: quick_cache::sync::Cache<Tag, Renewal>,
    /// What invalidated results for nothing.
    pub(crate) causes: Causes,
}

/// Of how many tags it is remembered what renewed them last.
const RENEWALS: usize = 16_384;

impl Drop for Core {
    fn drop(&mut self) {
        // rule: what-is-left-behind-is-evidence
        // Whoever finds a quarantine of this process looks for its file.
        #[cfg(feature = "sqlite")]
        if !self.shared.owes_nothing() {
            self.shared.lock_files.abandon();
        }
        self.shared.stop();
    }
}

/// How a store that others use too is told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By whoever has something to tell, who waits for it.
    Here,
    /// By the worker: a thread that tasks run on waits for nothing.
    Handed,
}

/// Who says how long an entry lives.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lives {
    /// The query, of any result.
    pub(crate) asked: Option<Duration>,
    /// The query, of an empty result.
    pub(crate) negative: Option<Duration>,
    /// The models, or the configuration of their tables.
    pub(crate) models: Option<Duration>,
}

impl Core {
    pub(crate) fn new(
        backend: Arc<dyn CacheBackend>,
        owns_backend: bool,
        config: Config,
    ) -> Arc<Self> {
        let core = Arc::new(Self {
            backend,
            owns_backend,
            process: ProcessId::fresh(),
            pid: std::process::id(),
            counters: Counters::default(),
            complaints: Complaints::default(),
            complaints_of_outbox: Complaints::default(),
            flights: Flights::default(),
            orphans: Mutex::default(),
            feed: Feed::default(),
            spaces: Mutex::default(),
            sessions: Sessions::default(),
            shared: Arc::default(),
            databases: Mutex::default(),
            settings: RwLock::new(Arc::new(config.settings())),
            renewals: quick_cache::sync::Cache::new(RENEWALS),
            causes: Causes::default(),
            config,
        });
        if core.is_shared() {
            shared::start(&core);
        }
        core
    }

    /// Whether other processes use the store too.
    pub(crate) fn is_shared(&self) -> bool {
        self.backend.is_shared()
    }

    /// Whether this is a child of the process that made the cache. It has its parent's name and
    /// its marks, but neither its worker nor its writers.
    pub(crate) fn is_forked(&self) -> bool {
        self.pid != std::process::id()
    }

    /// The databases that connections are attached to.
    pub(crate) fn databases(&self) -> MutexGuard<'_, HashMap<DatabaseId, Weak<Database>>> {
        self.databases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of them that are still in use.
    pub(crate) fn live_databases(&self) -> Vec<Arc<Database>> {
        let databases = self.databases();
        databases.values().filter_map(Weak::upgrade).collect()
    }

    /// The gate of a database is open since then, or closed. A catalogue that was read before
    /// is not relied on.
    // rule: a-new-opening-outdates-the-catalogue
    pub(crate) fn learn_opening(&self, space: TagSpace, opening: Option<Opening>) {
        if !self.shared.learn_opening(space, opening) {
            return;
        }
        for database in self.live_databases() {
            if database.id.tags == space {
                database.schema_changed();
            }
        }
    }

    /// Since when the gate of a database is open, as far as is known.
    pub(crate) fn opening(&self, space: TagSpace) -> Option<Opening> {
        if self.is_shared() {
            self.shared.opening(space)
        } else {
            Some(Opening::LASTING)
        }
    }

    /// The databases that this process is attached to, and others may be, too.
    pub(crate) fn attached(&self) -> Vec<TagSpace> {
        // In memory there is no gate to ask for.
        if !self.is_shared() {
            return Vec::new();
        }
        let live = self.live_databases();
        let shared = live.iter().filter(|database| !database.id.is_private());
        let spaces: BTreeSet<TagSpace> = shared.map(|database| database.id.tags).collect();
        spaces.into_iter().collect()
    }

    /// Says to the store that this process is there, and learns how the store stands.
    pub(crate) fn beat(&self) -> Option<Standing> {
        if self.is_forked() {
            return None;
        }
        let mut spaces = self.attached();
        // What was left behind in others keeps their gates closed until it is resolved.
        for space in self.shared.written() {
            if !spaces.contains(&space) {
                spaces.push(space);
            }
        }
        let mut standing = match self.backend.beat(self.process, &spaces) {
            Ok(standing) => standing,
            Err(error) => {
                self.failed(&error);
                return None;
            }
        };
        // The openings first: a write that is not announced belongs to an epoch only if it goes
        // by what is known of the gate in it.
        for space in &spaces {
            self.learn_opening(*space, standing.opening(*space));
        }
        self.shared.learn(standing.epoch);
        // rule: a-quarantine-that-came-late-is-lifted
        // The store ran a command late that was given up here.
        for writer in &standing.mine {
            // A writer that is over has told the store of its schema change, or that waits.
            // rule: nothing-is-lifted-before-what-was-told-earlier
            if !self.shared.is_under_way(*writer)
                && self.shared.is_idle()
                && let Err(error) = self.backend.lift(*writer, &[], Lift::Renew)
            {
                self.failed(&error);
            }
        }
        let testify: Vec<TagSpace> = spaces
            .into_iter()
            .filter(|space| {
                standing.opening(*space).is_none()
                    && !standing.testified.contains(&(self.process, *space))
                    && self.shared.may_testify(standing.epoch, *space)
            })
            .collect();
        if !testify.is_empty() {
            let told = self.backend.testify(self.process, standing.epoch, &testify);
            if let Err(error) = told {
                self.failed(&error);
                return None;
            }
            let testified = testify.iter().map(|space| (self.process, *space));
            standing.testified.extend(testified);
        }
        Some(standing)
    }

    /// Tells the store something that it must be told: now, or as soon as it can be reached.
    pub(crate) fn tell(self: &Arc<Self>, delivery: Delivery, way: Way) {
        // rule: no-thread-of-a-runtime-waits-for-the-store
        if way == Way::Handed && self.is_shared() {
            self.shared.deliver(delivery);
            shared::start(self);
            return;
        }
        // rule: what-is-told-keeps-its-order
        if !self.shared.is_idle() {
            self.shared.deliver(delivery);
            return;
        }
        match delivery.to(&*self.backend) {
            Ok(_) => {
                if let Delivery::Lift(writer, ..) = delivery {
                    self.shared.settle(writer);
                }
            }
            // rule: what-could-not-be-delivered-is-tried-again
            Err(error) => {
                self.failed(&error);
                self.shared.deliver(delivery);
                shared::start(self);
            }
        }
    }

    /// Remembers what renewed tags.
    pub(crate) fn note_renewal(&self, tags: &[Tag], by: &Arc<Invalidation>) {
        let at = SystemTime::now();
        for tag in tags {
            let by = Arc::clone(by);
            self.renewals.insert(*tag, Renewal { at, by });
        }
    }

    /// What renewed a tag last, as far as this process did it and remembers.
    pub(crate) fn renewal(&self, tag: &Tag) -> Option<Renewal> {
        self.renewals.get(tag)
    }

    /// What the models and the configuration say.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.with_settings(Arc::clone)
    }

    /// Runs `run` while the settings cannot change.
    pub(crate) fn with_settings<T>(&self, run: impl FnOnce(&Arc<Settings>) -> T) -> T {
        run(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what the models say, and tells `changed` while nobody else may.
    pub(crate) fn change_settings(
        &self,
        change: impl FnOnce(&mut Settings),
        changed: impl FnOnce(&Settings, &Arc<Settings>),
    ) {
        let mut settings = self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut new = Settings::clone(&settings);
        change(&mut new);
        if new != **settings {
            let before = std::mem::replace(&mut *settings, Arc::new(new));
            changed(&before, &settings);
        }
    }

    /// Captures the tokens of tags: what is read from the database from here on may be stored
    /// for them.
    ///
    /// # Errors
    /// Why nothing may be stored.
    pub(crate) async fn capture<R: Reach>(
        self: &Arc<Self>,
        ask: &Ask<'_>,
    ) -> Result<(Vector, Leased), Bypass> {
        let fetched = self.fetch::<R>(ask).await?;
        let leased = fetched.leased;
        match judge(fetched, ask.tags) {
            Judgement::Miss(vector) => Ok((vector, leased)),
            // What is there may depend on more.
            Judgement::Hit(entry) => Ok((entry.vector.of_first(ask.tags.len()), leased)),
            // A tag that is missing again was renewed in between: a writer is at work.
            Judgement::Quarantined | Judgement::Establish => Err(Bypass::Quarantined),
            Judgement::Closed => Err(Bypass::Closed),
        }
    }

    /// Fetches, unless what is asked for must not be served.
    async fn fetch<R: Reach>(self: &Arc<Self>, ask: &Ask<'_>) -> Result<Fetched, Bypass> {
        // rule: a-forked-child-does-without-the-store
        if self.is_shared() && self.is_forked() {
            return Err(Bypass::Forked);
        }
        // Before the store is asked: what is told to it in between is current.
        if self.shared.is_undelivered(ask.tags) {
            return Err(Bypass::Undelivered);
        }
        // Given up before it is answered, it may have been granted.
        let asked = ask
            .key
            .map(|key| Held::<R>::new(self, key, ask.lease.is_some()));
        let fetched = R::fetch(self, ask).await;
        asked.map(Held::end);
        fetched.map_err(|error| self.failed(&error))
    }

    /// The lease to ask a shared store for.
    pub(crate) fn lease(&self) -> Option<Lease> {
        self.is_shared().then_some(Lease {
            holder: self.process,
            patience: self.config.patience,
        })
    }

    /// The backend failed: counts it, and says so now and then.
    pub(crate) fn failed(&self, error: &BackendError) -> Bypass {
        count(&self.counters.backend_errors);
        self.complaints.add(error);
        Bypass::Backend
    }

    /// Says now and then what goes wrong besides the backend.
    pub(crate) fn complain(&self, what: &impl std::fmt::Display) {
        self.complaints_of_outbox.add(what);
    }

    /// Stores a result, and ends the lease. Returns whether it is stored.
    pub(crate) async fn store<R: Reach>(
        self: &Arc<Self>,
        key: Key,
        entry: Entry,
        lease: Option<ProcessId>,
    ) -> bool {
        if self.is_too_large(&entry) {
            return false;
        }
        let put = R::put(self, key, entry, lease).await;
        self.has_stored(put)
    }

    /// Nothing is stored: ends the lease, and with `forget` leaves nothing older either.
    pub(crate) async fn relinquish<R: Reach>(
        self: &Arc<Self>,
        key: &Key,
        lease: Option<ProcessId>,
        forget: bool,
    ) {
        if lease.is_none() && !forget {
            return;
        }
        let key = key.clone();
        let told = R::aside(self, move |core| {
            if let Some(holder) = lease
                && let Err(error) = core.backend.release(&key, holder)
            {
                core.failed(&error);
            }
            if forget {
                core.forget(&key);
            }
        });
        told.await;
    }

    /// Stores a result unless a valid one is there. Returns whether it is stored.
    pub(crate) fn store_if_absent(&self, key: Key, entry: Entry) -> bool {
        !self.is_too_large(&entry) && self.has_stored(self.backend.put_if_absent(key, entry))
    }

    fn is_too_large(&self, entry: &Entry) -> bool {
        let too_large = entry.weight as u64 > self.config.max_entry_bytes;
        if too_large {
            count(&self.counters.rejected_too_large);
        }
        too_large
    }

    /// Counts what became of an entry. Returns whether it is stored.
    fn has_stored(&self, put: Result<Put, BackendError>) -> bool {
        match put {
            Ok(Put::Stored) => count(&self.counters.puts),
            Ok(Put::Outdated) => count(&self.counters.rejected_outdated),
            Ok(Put::Present) => {}
            Ok(Put::TooLarge) => count(&self.counters.rejected_too_large),
            Err(ref error) => {
                self.failed(error);
            }
        }
        matches!(put, Ok(Put::Stored))
    }

    /// Forgets what is stored under a key. Returns whether it was valid.
    pub(crate) fn forget(&self, key: &Key) -> bool {
        self.backend.remove(key).unwrap_or_else(|error| {
            self.failed(&error);
            false
        })
    }

    /// How long an entry with or without rows lives at most: the first of what the query,
    /// the models and the configuration say. `None` if it is not to be stored.
    pub(crate) fn lifetime(&self, lives: Lives, empty: bool) -> Option<Duration> {
        let ttl = lives.asked.or(lives.models).unwrap_or(self.config.ttl);
        // rule: an-empty-result-lives-no-longer
        match lives.negative.or(self.config.negative_ttl) {
            Some(negative) if empty => (!negative.is_zero()).then_some(negative.min(ttl)),
            _ => Some(ttl),
        }
    }

    /// Until when an entry may be served that is being made anew.
    pub(crate) fn stale_until(&self, expires_at: Instant) -> Instant {
        expires_at + self.config.stale_while_revalidate.min(LONGEST)
    }

    /// When an entry that is stored now and lives for `ttl` at most is too old. The jitter
    /// only shortens it.
    pub(crate) fn expiry(&self, ttl: Duration) -> Instant {
        let share: f64 = rand::random_range(0.0..=1.0);
        // rule: every-entry-has-a-lifetime
        Instant::now() + ttl.min(LONGEST).mul_f64(1.0 - self.config.jitter * share)
    }
}
