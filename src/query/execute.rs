//! The way of a cached read.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use diesel::connection::LoadConnection;
use diesel::expression::QueryMetadata;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::result::QueryResult;

use crate::backend::Databases;
use crate::bypass::Bypass;
use crate::cache::Cache;
use crate::connection::{self, Fill};
use crate::core::{Found, Lives};
use crate::database::TagSpace;
use crate::dependencies::{self, Dependencies, Unstored, watch};
use crate::entry::{Entry, Payload, Vector};
use crate::flight::Role;
use crate::key::{Key, KeyParts, RowForm};
use crate::outcome::Outcome;
use crate::query::Options;
use crate::query::rows::{Keep, Stored};
use crate::resolve::{ReadFootprint, Resolver};
use crate::statement::CacheDatabase;
use crate::stats::count;
use crate::token::Opening;

/// What a read needs to look into the cache.
struct Plan {
    cache: Cache,
    key: Key,
    footprint: ReadFootprint,
    fill: Fill,
    space: TagSpace,
    opening: Option<Opening>,
    /// What the footprint was resolved by.
    resolver: Arc<Resolver>,
}

const UNSTORED: Outcome = Outcome::Miss {
    stored: false,
    joined: false,
};

/// Runs a cached read.
///
/// `S` is how its rows are stored, `row_type` the name of their type.
///
/// # Errors
/// What the database returns; never because of the cache.
pub(super) fn execute<'query, Q, Conn, S>(
    query: Q,
    options: Options,
    conn: &mut Conn,
    row_type: &'static str,
) -> QueryResult<Arc<S>>
where
    Conn: LoadConnection,
    Conn::Backend: CacheDatabase + QueryMetadata<Q::SqlType>,
    Q: Query + QueryFragment<Conn::Backend> + QueryId + 'query,
    S: Stored<Conn::Backend>,
{
    // rule: a-read-that-never-returns-makes-no-value
    let _owed = options.within.as_ref().map(Dependencies::owe);
    let ask = |query: Q, conn: &mut Conn| -> QueryResult<Arc<S>> {
        // What this read is, its handle is told below.
        let _told = options.within.as_ref().map(watch::told);
        let mut stored = S::new(Keep::Values);
        for row in conn.load(query)? {
            stored.push(&row?)?;
        }
        Ok(Arc::new(stored))
    };
    let report = |cache: Option<&Cache>, outcome: Outcome| {
        if let Some(cache) = cache {
            let counters = &cache.core().counters;
            match outcome {
                Outcome::Hit => count(&counters.hits),
                Outcome::Miss { .. } => count(&counters.misses),
                Outcome::Bypass(reason) => counters.bypass(reason),
            }
        }
        if let Some(report) = &options.report {
            report.set(outcome);
        }
        // rule: a-bypassed-read-makes-no-value
        if let (Outcome::Bypass(reason), Some(value)) = (outcome, &options.within) {
            value.refuse(Unstored::Bypassed(reason));
        }
    };

    let plan = match plan(&query, &options, conn, (S::FORM, row_type)) {
        Ok(plan) => plan,
        Err(reason) => {
            let cache = connection::tracker(conn).map(|tracker| tracker.cache().clone());
            if cache.is_none() {
                connection::warn_unattached();
            }
            report(cache.as_ref(), Outcome::Bypass(reason));
            return ask(query, conn);
        }
    };
    let Plan {
        cache,
        key,
        footprint,
        fill,
        space,
        opening,
        resolver,
    } = plan;
    let core = cache.core();
    watch::cached(options.within.as_ref());
    // rule: uncommitted-rows-make-no-value
    if connection::tracker(conn).is_some_and(|tracker| tracker.is_simulated()) {
        watch::refuse(Unstored::Transaction);
        if let Some(value) = &options.within {
            value.refuse(Unstored::Transaction);
        }
    }
    let depend = |vector: &Vector, expires_at: Option<Instant>| {
        if let Some(value) = &options.within {
            value.add(&dependencies::Read {
                tags: &footprint.tags,
                vector,
                tables: &footprint.reads.tables,
                removed_with: &footprint.removed_with,
                expires_at,
                scoped: options.scope.is_some() || footprint.reads.row_security,
            });
        }
    };
    let mut found = core.lookup(
        &key,
        &footprint.tags,
        Databases::One(space),
        options.refresh,
    );
    // A writer's outcome may be unknown: this read's connection may bring evidence.
    let again = match found {
        Found::Bypass(Bypass::Quarantined) => connection::resolve_orphans(conn, &footprint.tags),
        Found::Bypass(Bypass::Closed) => connection::open_gate(conn),
        _ => false,
    };
    if again {
        found = core.lookup(
            &key,
            &footprint.tags,
            Databases::One(space),
            options.refresh,
        );
    }
    // rule: a-plan-must-outlive-its-lookup
    // The footprint came from a catalogue, and the tokens from later: had the schema
    // changed in between, the footprint would be that of another schema.
    if !is_current(conn, &resolver) {
        report(Some(&cache), Outcome::Bypass(Bypass::Quarantined));
        return ask(query, conn);
    }
    let vector = match found {
        Found::Hit(entry) => match entry.payload.typed::<S>() {
            Some(stored) => {
                depend(&entry.vector, Some(entry.expires_at));
                report(Some(&cache), Outcome::Hit);
                return Ok(stored);
            }
            // Another type of the same name: not ours to read.
            None => entry.vector,
        },
        Found::Miss(vector) => vector,
        Found::Bypass(reason) => {
            report(Some(&cache), Outcome::Bypass(reason));
            return ask(query, conn);
        }
    };
    if fill == Fill::Forbidden {
        report(Some(&cache), Outcome::Bypass(Bypass::Isolation));
        return ask(query, conn);
    }

    // rule: no-flight-inside-a-transaction
    let flight = (core.config.single_flight && !options.refresh && may_wait(conn))
        .then(|| core.flights.join(&key, &vector, core.config.patience))
        .flatten();
    let leader = match flight {
        Some(Role::Follower(Some(entry))) => {
            if let Some(stored) = entry.payload.typed::<S>() {
                depend(&entry.vector, Some(entry.expires_at));
                count(&core.counters.joined);
                report(
                    Some(&cache),
                    Outcome::Miss {
                        stored: true,
                        joined: true,
                    },
                );
                return Ok(stored);
            }
            None
        }
        Some(Role::Leader(leader)) => Some(leader),
        Some(Role::Follower(None)) | None => None,
    };
    let stored = match ask(query, conn) {
        Ok(stored) => stored,
        Err(error) => {
            report(Some(&cache), UNSTORED);
            if let Some(value) = &options.within {
                value.refuse(Unstored::Failed);
            }
            return Err(error);
        }
    };
    let lives = Lives {
        asked: options.ttl,
        negative: options.negative_ttl,
        models: footprint.ttl,
    };
    let lifetime = core.lifetime(lives, stored.is_empty());
    let expires_at = core.expiry(lifetime.unwrap_or_default());
    let entry = Entry {
        tags: Arc::clone(&footprint.tags),
        vector,
        payload: Payload::Typed(Arc::clone(&stored) as Arc<dyn Any + Send + Sync>),
        weight: stored.weight(),
        expires_at,
        lifetime: lifetime.unwrap_or_default(),
        stale_until: expires_at,
        not_after: None,
        removed_with: Arc::clone(&footprint.removed_with),
    };
    depend(&entry.vector, Some(entry.expires_at));
    if let Some(leader) = leader {
        leader.land(entry.clone());
    }
    let older = options.refresh.then(|| key.clone());
    let kept = lifetime.is_some() && core.store(key, entry);
    // rule: a-refresh-leaves-nothing-older
    if let Some(key) = older.filter(|_| !kept) {
        core.forget(&key);
    }
    report(
        Some(&cache),
        Outcome::Miss {
            stored: kept,
            joined: false,
        },
    );
    Ok(stored)
}

/// Whether the catalogue that the plan went by is still current.
fn is_current<Conn: LoadConnection>(conn: &mut Conn, resolver: &Arc<Resolver>) -> bool {
    connection::tracker(conn)
        .and_then(|tracker| tracker.database())
        .and_then(|database| database.current())
        .is_some_and(|current| Arc::ptr_eq(&current, resolver))
}

/// Whether the thread may wait for another's read: it holds no transaction open.
fn may_wait<Conn: LoadConnection>(conn: &mut Conn) -> bool {
    connection::tracker(conn).is_some_and(|tracker| tracker.may_ask())
}

fn plan<Q, Conn>(
    query: &Q,
    options: &Options,
    conn: &mut Conn,
    rows: (RowForm, &'static str),
) -> Result<Plan, Bypass>
where
    Conn: LoadConnection,
    Conn::Backend: CacheDatabase,
    Q: QueryFragment<Conn::Backend>,
{
    let cache = connection::tracker(conn)
        .ok_or(Bypass::Unattached)?
        .cache()
        .clone();
    if !cache.is_enabled() {
        return Err(Bypass::Disabled);
    }
    if options.no_cache {
        return Err(Bypass::NoCache);
    }
    connection::make_known(conn)?;
    let tracker = connection::tracker(conn).ok_or(Bypass::Unattached)?;
    let database = Arc::clone(tracker.database().ok_or(Bypass::Unidentified)?);
    let statement = Conn::Backend::describe(query).map_err(|_| Bypass::Undescribed)?;
    // A catalogue that is not current, though it was just read, has an older write under way.
    // First: a catalogue that is read after it is known counts in it.
    let mut opening = database.opening();
    let mut resolver = database.current().ok_or(Bypass::Quarantined)?;
    let mut resolved = resolver.resolve(&statement.sql);
    if matches!(resolved.read, Err(Bypass::UnknownRelation)) && connection::reread_catalogue(conn) {
        opening = database.opening();
        resolver = database.current().ok_or(Bypass::Quarantined)?;
        resolved = resolver.resolve(&statement.sql);
    }
    let mut footprint = resolved.read.clone()?;
    if !(options.depends_on.is_empty() && options.labels.is_empty()) {
        footprint = resolver.footprint(footprint.reads, &options.depends_on, &options.labels)?;
    }
    if !cache.are_enabled(&footprint.reads.tables) {
        return Err(Bypass::Disabled);
    }
    // rule: row-level-security-needs-a-scope
    if footprint.reads.row_security && options.scope.is_none() {
        return Err(Bypass::RowSecurity);
    }
    let tracker = connection::tracker(conn).ok_or(Bypass::Unattached)?;
    let fill = tracker.admits(&footprint.reads)?;
    let session = tracker.scope().ok_or(Bypass::Session)?;
    let key = Key::new(&KeyParts {
        namespace: &cache.core().config.namespace,
        database: database.id.keys,
        dialect: database.dialect,
        session: &session,
        version: cache.core().config.version,
        versions: &footprint.versions,
        scope: options.scope.as_deref(),
        rows,
        sql: &statement.sql,
        binds: &statement.binds,
    });
    Ok(Plan {
        cache,
        key,
        footprint,
        fill,
        space: database.id.tags,
        opening,
        resolver,
    })
}
