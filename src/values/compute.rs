//! Values that are computed from the database, and what they depend on.

use std::collections::BTreeSet;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backend::{Ask, Databases};
use crate::bypass::Bypass;
use crate::cache::Cache;
use crate::connection::Fill;
use crate::core::{Held as Lease, Lives, Patience, Reach, TRIES, Thread};
use crate::dependencies::watch::{self, Place};
use crate::dependencies::{Collected, Dependencies, Owed, Read, Unstored};
use crate::entry::{Entry, Vector};
use crate::flight::{Came, Leader, Seat};
use crate::footprint::{self, Name};
use crate::key::{Key, ValueParts};
use crate::now::now;
use crate::outcome::{Outcome, Report};
use crate::protocol::Leased;
use crate::stats::count;
use crate::strategy::Strategies;
use crate::tag::Tag;
use crate::token::ProcessId;
use crate::values::bytes::Unfit;
use crate::values::held::Held;
use crate::values::{CacheValue, look};

/// A value by name that is computed when it is not there; made by [`Cache::value`].
///
/// It is valid as long as everything is that it depends on: the tables and tags that are
/// named here, and whatever the cached reads depended on that were told of the handle
/// by [`within`](crate::Cached::within).
#[derive(Debug, Clone)]
#[must_use = "a value is only looked for by `get_or_insert_with` and its kin"]
pub struct Value {
    cache: Cache,
    name: String,
    version: u32,
    ttl: Option<Duration>,
    negative_ttl: Option<Duration>,
    tables: BTreeSet<Name>,
    labels: BTreeSet<Name>,
    scope: Option<Vec<u8>>,
    within: Option<Dependencies>,
    refresh: bool,
    no_cache: bool,
    /// Whether cached reads that are told of no handle are told of this one.
    adopts: bool,
    report: Option<Report>,
}

impl Cache {
    /// A value by name that is computed when it is not there.
    pub fn value(&self, name: impl Into<String>) -> Value {
        Value {
            cache: self.clone(),
            name: name.into(),
            version: 0,
            ttl: None,
            negative_ttl: None,
            tables: BTreeSet::new(),
            labels: BTreeSet::new(),
            scope: None,
            within: None,
            refresh: false,
            no_cache: false,
            adopts: false,
            report: None,
        }
    }

    /// The value of that name; computed, and stored, if it is not there. See
    /// [`Value::get_or_insert_with`].
    ///
    /// # Errors
    /// What `compute` returns.
    pub fn get_or_insert_with<T: CacheValue, E>(
        &self,
        name: impl Into<String>,
        compute: impl FnOnce(&Dependencies) -> Result<T, E>,
    ) -> Result<T, E> {
        self.value(name).get_or_insert_with(compute)
    }
}

impl Value {
    /// The value of that version, apart from those of any other. Default: 0.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// How long it lives at most. Default: the cache's time to live. It never outlives a
    /// cached read that it was made from.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long `None` lives at most, for [`get_or_find_with`](Self::get_or_find_with); zero stores none.
    /// Default: what [`negative_ttl`](crate::Builder::negative_ttl) says for the cache.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = Some(ttl);
        self
    }

    /// Makes it depend on a table, by its name in SQL without a schema, in whatever
    /// database: any write to it invalidates the value. For what is read without the
    /// handle. May be called several times.
    pub fn depends_on(mut self, table: impl AsRef<str>) -> Self {
        let table = footprint::bare(table.as_ref());
        self.tables.insert(table);
        self
    }

    /// Makes [`invalidate_tag`](Cache::invalidate_tag) of that name invalidate it. May be
    /// called several times.
    pub fn tag(mut self, name: impl AsRef<str>) -> Self {
        self.labels.insert(name.as_ref().into());
        self
    }

    /// Keeps it apart from the values of the same name for other askers. Needed where it is
    /// made from reads that have a [scope](crate::Cached::scope): without one of its own, such a value is not stored.
    pub fn scope(mut self, scope: impl AsRef<[u8]>) -> Self {
        self.scope = Some(scope.as_ref().to_vec());
        self
    }

    /// Makes another value that is being computed depend on this one.
    pub fn within(mut self, value: &Dependencies) -> Self {
        self.within = Some(value.clone());
        self
    }

    /// Computes it anew, and stores it in place of what was there.
    pub fn refresh(mut self) -> Self {
        self.refresh = true;
        self
    }

    /// Computes it, and leaves the cache alone.
    pub fn no_cache(mut self) -> Self {
        self.no_cache = true;
        self
    }

    /// Cached reads that are told of no handle are told of this value's, where it is computed.
    #[cfg(feature = "tower")]
    pub(crate) fn adopting(mut self) -> Self {
        self.adopts = true;
        self
    }

    /// Tells `report` what became of it: hit, miss or bypass, and why it was not stored.
    pub fn report(mut self, report: &Report) -> Self {
        self.report = Some(report.clone());
        self
    }

    /// The value; computed, and stored, if it is not there.
    ///
    /// `compute` is given a handle. Whatever it reads through the cache and tells of the
    /// handle, the value depends on. It is returned but not stored if
    ///
    /// - it read through the cache without telling the handle;
    /// - it read without the cache, from tables that are not named by
    ///   [`depends_on`](Self::depends_on), or where others would read something else: inside of
    ///   a transaction that has written, or with row-level security;
    /// - a read bypassed the cache, or never returned;
    /// - it wrote, or others wrote what it had read.
    ///
    /// [`Report::unstored`] tells which. All that is seen for attached connections, on this
    /// thread. What other threads read without the handle, and what is no table at all, is
    /// not seen: name it by [`tag`](Self::tag), or let it be.
    ///
    /// Of several that miss it at once, one computes it; the others wait, for as long as
    /// [`single_flight_wait`](crate::Builder::single_flight_wait) says.
    ///
    /// Called inside of an open transaction, it may wait for another's value while it holds
    /// locks; the wait is bounded. `get_or_insert_on` never waits there.
    ///
    /// The name is all that tells values apart, with the version and the
    /// [scope](Self::scope): where sessions differ in what the same SQL returns them (the search path, the
    /// role, the database), let the name say so, or use [`get_or_insert_on`](Self::get_or_insert_on).
    ///
    /// A value that is found is not older than the last commit of what it depends on.
    /// Inside a transaction that has written some of that, it does not hold the
    /// transaction's own writes: use [`get_or_insert_on`](Self::get_or_insert_on) there.
    ///
    /// ```
    /// use diesel::prelude::*;
    /// use diesel_cache::{Cache, CachedDsl};
    ///
    /// diesel::table! { posts (id) { id -> Integer, title -> Text } }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut conn = SqliteConnection::establish(":memory:")?;
    /// # diesel::sql_query("CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL)")
    /// #     .execute(&mut conn)?;
    /// let cache = Cache::from_url("memory://")?;
    /// cache.attach(&mut conn)?;
    ///
    /// let mut page = |conn: &mut SqliteConnection| {
    ///     cache.get_or_insert_with("front page", |page| {
    ///         let titles: Vec<String> = posts::table
    ///             .select(posts::title)
    ///             .order(posts::id)
    ///             .cached()
    ///             .within(page)
    ///             .load(conn)?;
    ///         QueryResult::Ok(format!("<h1>{}</h1>", titles.join(", ")))
    ///     })
    /// };
    /// assert_eq!(page(&mut conn)?, "<h1></h1>");
    /// diesel::insert_into(posts::table).values(posts::title.eq("new")).execute(&mut conn)?;
    /// assert_eq!(page(&mut conn)?, "<h1>new</h1>");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `compute` returns; nothing is then stored.
    pub fn get_or_insert_with<T: CacheValue, E>(
        self,
        compute: impl FnOnce(&Dependencies) -> Result<T, E>,
    ) -> Result<T, E> {
        now(self.resolve::<Thread, _, _, _, _>(
            anybody(),
            |_| false,
            |value| ready(compute(&value)),
        ))
    }

    /// Like [`get_or_insert_with`](Self::get_or_insert_with), for what may not exist: `None` lives for
    /// [`negative_ttl`](Self::negative_ttl) at most. What is stored is the `Option`.
    ///
    /// # Errors
    /// What `find` returns; nothing is then stored.
    pub fn get_or_find_with<T: CacheValue, E>(
        self,
        find: impl FnOnce(&Dependencies) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        now(self
            .resolve::<Thread, _, _, _, _>(anybody(), Option::is_none, |value| ready(find(&value))))
    }
}

/// Who asks for a value.
pub(super) struct Asker<'a, A> {
    /// Whether a value made from those tables may be found now, and stored.
    pub(super) admits: A,
    /// Whether it must not wait for another's.
    pub(super) hurried: bool,
    /// The state of its session; empty where it is not known.
    pub(super) session: &'a [u8],
}

/// What an [`Asker`] admits.
pub(super) trait Admits: FnMut(&BTreeSet<Name>) -> Result<Fill, Bypass> {}

impl<F: FnMut(&BTreeSet<Name>) -> Result<Fill, Bypass>> Admits for F {}

/// Somebody who names no connection.
pub(super) fn anybody() -> Asker<'static, impl Admits> {
    Asker {
        admits: |_: &BTreeSet<Name>| Ok(Fill::Allowed),
        hurried: false,
        session: &[],
    }
}

/// What a value needs to be stored.
struct Plan<'c> {
    key: Key,
    tags: Arc<[Tag]>,
    vector: Vector,
    fill: Fill,
    leader: Option<Leader<'c>>,
    lease: Option<ProcessId>,
}

/// What became of the look for a value.
enum Found<'c, T> {
    Hit(T),
    Miss(Plan<'c>),
    Bypass(Bypass),
}

impl Value {
    pub(super) async fn resolve<R, T, E, A, Fut>(
        mut self,
        mut asker: Asker<'_, A>,
        is_empty: fn(&T) -> bool,
        compute: impl FnOnce(Dependencies) -> Fut,
    ) -> Result<T, E>
    where
        R: Reach,
        T: CacheValue,
        A: Admits,
        Fut: Future<Output = Result<T, E>>,
    {
        watch::adopt(&mut self.within);
        // rule: a-value-that-never-returns-makes-no-other
        let owed = Owed::to(self.within.as_ref());
        watch::cached(self.within.as_ref(), Place::of(R::HOLDS_UP));
        let computed = self
            .resolve_told::<R, _, _, _, _>(&mut asker, is_empty, compute)
            .await;
        owed.settle();
        computed
    }

    async fn resolve_told<R, T, E, A, Fut>(
        self,
        asker: &mut Asker<'_, A>,
        is_empty: fn(&T) -> bool,
        compute: impl FnOnce(Dependencies) -> Fut,
    ) -> Result<T, E>
    where
        R: Reach,
        T: CacheValue,
        A: Admits,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut plan = match self.find::<R, T>(asker).await {
            Found::Hit(value) => {
                count(&self.cache.core().counters.hits);
                self.tell(Outcome::Hit, None);
                return Ok(value);
            }
            Found::Miss(plan) => plan,
            Found::Bypass(reason) => {
                self.cache.core().counters.bypass(reason);
                self.tell(Outcome::Bypass(reason), Some(Unstored::Bypassed(reason)));
                return compute(Dependencies::new()).await;
            }
        };
        let dependencies = Dependencies::new();
        // What the value is made from, its own handle is told; to an outer one this value is told
        // as a whole.
        let handle = dependencies.clone();
        let watched = watch::Watched {
            dependencies: dependencies.clone(),
            named: self.tables.clone(),
            cache: self.cache.identity(),
            adopts: self.adopts,
            awaited: !R::HOLDS_UP,
        };
        let (key, holder) = (plan.key.clone(), plan.lease);
        let lease = Lease::<R>::new(self.cache.core(), &key, holder.is_some());
        let computed = watch::during(watched, async { compute(handle).await }).await;
        let core = self.cache.core();
        count(&core.counters.misses);
        let leader = plan.leader.take();
        let kept = match &computed {
            Ok(value) => {
                let empty = is_empty(value);
                self.keep::<R, T>(plan, value, empty, &dependencies).await
            }
            Err(_) => Err(Unstored::Failed),
        };
        // After it is stored, so that those who wait find it. What is not stored is not waited for.
        if let Some(leader) = leader {
            match &kept {
                Ok(entry) => leader.land(entry.clone()),
                Err(_) => leader.fail(),
            }
        }
        let kept = kept.map(drop);
        if kept.is_err() {
            // rule: a-refresh-leaves-nothing-older
            let forget = self.refresh && computed.is_ok();
            core.relinquish::<R>(&key, holder, forget).await;
        }
        lease.end();
        if let (Err(why), true) = (kept, computed.is_ok()) {
            count(&core.counters.rejected_dependencies);
            log::debug!("a computed value is not stored: {why}");
        }
        let outcome = Outcome::Miss {
            stored: kept.is_ok(),
            joined: false,
        };
        self.tell(outcome, kept.err());
        computed
    }

    /// Looks for the value, and for leave to store one.
    async fn find<R: Reach, T: CacheValue>(
        &self,
        asker: &mut Asker<'_, impl Admits>,
    ) -> Found<'_, T> {
        let core = self.cache.core();
        if let Some(reason) = self.cache.refuses() {
            return Found::Bypass(reason);
        }
        if self.no_cache {
            return Found::Bypass(Bypass::NoCache);
        }
        let key = Key::of_value(&ValueParts {
            namespace: &core.config.namespace,
            versions: [core.config.version, self.version],
            session: asker.session,
            scope: self.scope.as_deref(),
            name: &self.name,
        });
        // What the value names must be read anew in any case where that is not allowed.
        let fill = match (asker.admits)(&self.tables) {
            Ok(fill) => fill,
            Err(reason) => return Found::Bypass(reason),
        };
        let tags = self.tags();
        if !self.refresh
            && let Some(value) = self.valid::<R, T>(&key, &tags, asker).await
        {
            return Found::Hit(value);
        }
        let spaces = core.attached();
        let joins = core.config.single_flight && !self.refresh && !asker.hurried;
        let ask = Ask {
            key: Some(&key),
            lease: core.lease().filter(|_| joins),
            ..Ask::tokens(&tags, Databases::All(&spaces))
        };
        let (mut vector, mut leased) = match core.capture::<R>(&ask).await {
            Ok(captured) => captured,
            Err(reason) => return Found::Bypass(reason),
        };
        let mut leader = None;
        let (began, mut tries) = (Instant::now(), 0..TRIES);
        while joins && tries.next().is_some() {
            let flight = match core.flights.enter(&key, &vector, R::HOLDS_UP) {
                Some(Seat::Follower(flight)) => flight,
                Some(Seat::Leader(seat)) => {
                    leader = Some(seat);
                    break;
                }
                None => break,
            };
            // rule: a-joined-value-is-judged-anew
            // What the leader collected may be older than this call.
            let left = core.config.patience.saturating_sub(began.elapsed());
            let came = R::follow(flight, left).await;
            if let Some(value) = self.valid::<R, T>(&key, &tags, asker).await {
                count(&core.counters.joined);
                return Found::Hit(value);
            }
            if !matches!(came, Came::Abandoned) {
                break;
            }
        }
        // Of the processes that miss it one computes; the others' leaders wait for it.
        let mut patience = Patience::new(core.config.patience);
        while leader.is_some()
            && leased == Leased::Taken
            && let Some(nap) = patience.next()
        {
            R::sleep(nap).await;
            if let Some(value) = self.valid::<R, T>(&key, &tags, asker).await {
                count(&core.counters.joined);
                return Found::Hit(value);
            }
            (vector, leased) = match core.capture::<R>(&ask).await {
                Ok(captured) => captured,
                Err(reason) => return Found::Bypass(reason),
            };
        }
        Found::Miss(Plan {
            lease: (leased == Leased::Granted).then_some(core.process),
            key,
            tags,
            vector,
            fill,
            leader,
        })
    }

    /// The value that is stored, if it is valid and depends on all of `tags`.
    async fn valid<R: Reach, T: CacheValue>(
        &self,
        key: &Key,
        tags: &[Tag],
        asker: &mut Asker<'_, impl Admits>,
    ) -> Option<T> {
        let (entry, held) = look::valid::<R, T>(self.cache.core(), key).await?;
        // rule: a-value-depends-on-all-that-is-named
        if tags
            .iter()
            .any(|tag| entry.tags.binary_search(tag).is_err())
        {
            return None;
        }
        // rule: a-value-of-other-models-is-another
        if held.settings != self.cache.core().settings().digest(&held.tables)
            || !self.cache.are_enabled(&held.tables)
        {
            return None;
        }
        (asker.admits)(&held.tables).ok()?;
        if let Some(outer) = &self.within {
            outer.add(&Read {
                tags: &entry.tags,
                vector: &entry.vector,
                tables: &held.tables,
                removed_with: &entry.removed_with,
                expires_at: Some(entry.expires_at),
                scoped: self.scope.is_some(),
            });
        }
        Some(held.value.clone())
    }

    /// Stores the value, if it may be.
    async fn keep<R: Reach, T: CacheValue>(
        &self,
        plan: Plan<'_>,
        value: &T,
        empty: bool,
        dependencies: &Dependencies,
    ) -> Result<Entry, Unstored> {
        let core = self.cache.core();
        dependencies.add(&Read {
            tags: &plan.tags,
            vector: &plan.vector,
            tables: &self.tables,
            removed_with: &[],
            expires_at: None,
            scoped: false,
        });
        let mut collected = dependencies.finish()?;
        let settings = core.settings();
        let named = self.tables.iter().filter(|table| {
            let strategies = settings.strategies(table);
            strategies.is_some_and(Strategies::remove)
        });
        collected
            .removed_with
            .extend(named.map(|table| Tag::named(table)));
        let (tags, vector) = collected.vector().ok_or(Unstored::Overtaken)?;
        if plan.fill == Fill::Forbidden {
            return Err(Unstored::Transaction);
        }
        // rule: a-value-of-one-asker-needs-a-scope
        if collected.scoped && self.scope.is_none() {
            return Err(Unstored::Unscoped);
        }
        let lives = Lives {
            asked: self.ttl,
            negative: self.negative_ttl,
            models: None,
        };
        let lifetime = core.lifetime(lives, empty);
        let until = core.expiry(lifetime.unwrap_or_default());
        let Collected {
            tables,
            removed_with,
            expires_at,
            ..
        } = collected;
        let removed_with: Arc<[Tag]> = removed_with.into_iter().collect();
        let not_after = expires_at;
        let expires_at = expires_at.map_or(until, |end| end.min(until));
        if let Some(outer) = &self.within {
            outer.add(&Read {
                tags: &tags,
                vector: &vector,
                tables: &tables,
                removed_with: &removed_with,
                expires_at: Some(expires_at),
                scoped: self.scope.is_some(),
            });
        }
        let held = Held {
            value: value.clone(),
            settings: settings.digest(&tables),
            tables,
        };
        let (payload, weight) = held.payload(core).map_err(|why| match why {
            Unfit::TooLarge => Unstored::Refused,
            Unfit::Unserializable | Unfit::Lossy => Unstored::Unserializable,
        })?;
        let entry = Entry {
            tags,
            vector,
            payload,
            weight,
            expires_at,
            lifetime: lifetime.unwrap_or_default(),
            stale_until: expires_at,
            not_after,
            removed_with,
        };
        let stored =
            lifetime.is_some() && core.store::<R>(plan.key, entry.clone(), plan.lease).await;
        if stored {
            Ok(entry)
        } else {
            Err(Unstored::Refused)
        }
    }

    /// What is named here.
    fn tags(&self) -> Arc<[Tag]> {
        let mut tags = BTreeSet::new();
        if !self.tables.is_empty() {
            tags.extend([Tag::root(), Tag::anywhere()]);
        }
        tags.extend(self.tables.iter().map(|table| Tag::named(table)));
        tags.extend(self.labels.iter().map(|label| Tag::label(label)));
        tags.into_iter().collect()
    }

    fn tell(&self, outcome: Outcome, unstored: Option<Unstored>) {
        if let Some(report) = &self.report {
            report.set_value(outcome, unstored);
        }
        // rule: a-value-that-is-not-stored-makes-no-other
        if let (Some(why), Some(outer)) = (unstored, &self.within)
            && !matches!(why, Unstored::Refused | Unstored::Unserializable)
        {
            outer.refuse(why);
        }
    }
}
