//! The way of a cached read.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::query_builder::QueryFragment;
use diesel::result::QueryResult;

use crate::bypass::Bypass;
use crate::cache::Cache;
use crate::connection::{self, Fill};
use crate::core::{
    Asking, Awaited, Core, Dropped, Found, Held, Lives, Patience, Question, Reach, TRIES,
};
use crate::dependencies::watch::{self, Place};
use crate::dependencies::{self, Unstored};
use crate::entry::{Entry, Payload};
use crate::flight::{Came, Leader, Seat};
use crate::outcome::Outcome;
use crate::protocol::Leased;
use crate::query::Options;
use crate::query::observe::Observer;
use crate::query::plan::{self, Plan};
use crate::query::reader::Reader;
use crate::query::rows::{Keep, Stored};
use crate::statement::CacheDatabase;
use crate::stats::count;
use crate::tag::Tag;

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
pub(crate) async fn execute<Q, R, S>(
    query: Q,
    mut options: Options,
    conn: &mut R,
    row_type: &'static str,
) -> QueryResult<Arc<S>>
where
    R: Reader<Q, S>,
    Q: QueryFragment<R::Backend>,
    S: Stored<R::Backend>,
{
    options.adopt();
    let within = options.within.clone();
    // rule: a-read-that-never-returns-makes-no-value
    let owed = options.owe();
    let mut read = pin!(read(query, options, conn, row_type));
    let mut is_under_way = false;
    let rows = poll_fn(|task| {
        // Several may wait for one read, each computing a value.
        // rule: whoever-polls-a-read-knows-of-it
        if std::mem::replace(&mut is_under_way, true) {
            watch::cached(within.as_ref(), Place::Here);
        }
        read.as_mut().poll(task)
    })
    .await;
    owed.settle();
    rows
}

async fn read<Q, R, S>(
    query: Q,
    options: Options,
    conn: &mut R,
    row_type: &'static str,
) -> QueryResult<Arc<S>>
where
    R: Reader<Q, S>,
    Q: QueryFragment<R::Backend>,
    S: Stored<R::Backend>,
{
    let within = options.within.as_ref();
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

    let rows = (S::FORM, row_type);
    let planned = match plan::cache_for(&options, conn) {
        Ok(cache) => {
            let statement = R::Backend::describe(&query);
            plan::plan(cache, statement, &options, conn, rows, S::fingerprint()).await
        }
        Err(reason) => Err(reason),
    };
    let plan = match planned {
        Ok(plan) => plan,
        Err(reason) => {
            let cache = conn.tracker().map(|tracker| tracker.cache().clone());
            if cache.is_none() {
                connection::warn_unattached();
            }
            report(cache.as_ref(), Outcome::Bypass(reason));
            return conn.read(query, Keep::Values, None, within).await;
        }
    };
    let late = plan.late();
    let Plan {
        cache,
        key,
        footprint,
        fill,
        space,
        opening,
        resolver,
        ..
    } = &plan;
    let (fill, space, opening) = (*fill, *space, *opening);
    let core = cache.core();
    let place = Place::of(R::Store::HOLDS_UP && !options.has_left);
    watch::cached(within, place);
    // rule: uncommitted-rows-make-no-value
    if conn.tracker().is_some_and(|tracker| tracker.is_simulated()) {
        watch::refuse(Unstored::Transaction, place);
        if let Some(value) = &options.within {
            value.refuse(Unstored::Transaction);
        }
    }
    let depend = |entry: &Entry| {
        if let Some(value) = &options.within {
            value.add(&dependencies::Read {
                tags: &entry.tags,
                vector: &entry.vector,
                tables: &footprint.reads.tables,
                removed_with: &footprint.removed_with,
                expires_at: Some(entry.expires_at),
                scoped: options.scope.is_some() || footprint.reads.row_security,
            });
        }
    };
    // An entry's rows, if they can be read here.
    let serve = |entry: &Entry| -> Option<Arc<S>> {
        let stored = match &entry.payload {
            // Another type of the same name is not ours to read.
            Payload::Typed(_) => entry.payload.typed::<S>()?,
            Payload::Bytes(bytes) => Arc::new(S::decode(bytes)?),
        };
        depend(entry);
        Some(stored)
    };
    // rule: no-flight-inside-a-transaction
    let joins = core.config.single_flight && !options.refresh && plan::may_wait(conn);
    let question = Question {
        key,
        tags: &footprint.tags,
        also: late.map_or(&[], |late| &late.also),
        space,
        opening,
        refresh: options.refresh,
        leases: joins && fill == Fill::Allowed,
        stale_after_write: footprint.stale_after_write && joins && options.within.is_none(),
    };
    let ended = core.flights.ended();
    let mut found = core.ask::<R::Store>(&question, Asking::First).await;
    // A writer's outcome may be unknown: this read's connection may bring evidence.
    let again = match found {
        Found::Bypass(Bypass::Quarantined | Bypass::Undelivered) => {
            let tags: Vec<Tag> = question.tags.iter().chain(question.also).copied().collect();
            connection::resolve_orphans(conn, &tags).await
        }
        Found::Bypass(Bypass::Closed) => connection::open_gate(conn).await,
        _ => false,
    };
    if again {
        found = core.ask::<R::Store>(&question, Asking::First).await;
    }
    // rule: a-plan-must-outlive-its-lookup
    // The footprint came from a catalogue, and the tokens from later: had the schema
    // changed in between, the footprint would be that of another schema.
    if !plan::is_current(conn, resolver) {
        report(Some(cache), Outcome::Bypass(Bypass::Quarantined));
        return conn.read(query, Keep::Values, None, within).await;
    }
    let joined = || {
        count(&core.counters.joined);
        let outcome = Outcome::Miss {
            stored: true,
            joined: true,
        };
        report(Some(cache), outcome);
    };
    let mut missing = match found {
        Found::Hit(entry) => match serve(&entry) {
            Some(stored) => {
                report(Some(cache), Outcome::Hit);
                return Ok(stored);
            }
            // Its bytes cannot be read here: it is made anew.
            None => match core.ask::<R::Store>(&question, Asking::Anew(entry)).await {
                Found::Miss(missing) => missing,
                Found::Hit(_) | Found::Bypass(_) => {
                    report(Some(cache), UNSTORED);
                    return conn.read(query, Keep::Values, None, within).await;
                }
            },
        },
        Found::Miss(missing) => missing,
        Found::Bypass(reason) => {
            report(Some(cache), Outcome::Bypass(reason));
            return conn.read(query, Keep::Values, None, within).await;
        }
    };
    if fill == Fill::Forbidden {
        report(Some(cache), Outcome::Bypass(Bypass::Isolation));
        return conn.read(query, Keep::Values, None, within).await;
    }

    // What may be served meanwhile is not waited for.
    let patience = match missing.meanwhile {
        Some(_) => Duration::ZERO,
        None => core.config.patience,
    };
    let fence = joins.then(|| missing.fence(&question)).flatten();
    let mut leader = None;
    let (began, mut tries) = (Instant::now(), 0..TRIES);
    while let (Some(fence), Some(_)) = (&fence, tries.next()) {
        let flight = match core.flights.enter(key, fence, R::Store::HOLDS_UP) {
            Some(Seat::Follower(flight)) => flight,
            Some(Seat::Leader(seat)) => {
                leader = Some(seat);
                break;
            }
            None => break,
        };
        let left = patience.saturating_sub(began.elapsed());
        let came = R::Store::follow(flight, left).await;
        if let Came::Landed(entry) = &came
            && let Some(stored) = serve(entry)
        {
            joined();
            return Ok(stored);
        }
        if let Some(stored) = missing.meanwhile.as_ref().and_then(&serve) {
            count(&core.counters.served_meanwhile);
            report(Some(cache), Outcome::Hit);
            return Ok(stored);
        }
        if !matches!(came, Came::Abandoned) {
            break;
        }
    }
    // What was not there at the lookup may have been stored since.
    if leader.is_some()
        && !core.is_shared()
        && core.flights.ended() != ended
        && let Found::Hit(entry) = core.ask::<R::Store>(&question, Asking::Again).await
        && let Some(stored) = serve(&entry)
    {
        if let Some(leader) = &leader {
            leader.land(entry);
        }
        joined();
        return Ok(stored);
    }
    // Of the processes that miss it one asks the database; the others' leaders wait for it.
    if leader.is_some() && missing.leased == Leased::Taken {
        match await_entry::<R::Store>(core, &question).await {
            Awaited::Landed(entry) => {
                if let Some(stored) = serve(&entry) {
                    if let Some(leader) = &leader {
                        leader.land(entry);
                    }
                    joined();
                    return Ok(stored);
                }
            }
            Awaited::Ours(now) => missing = now,
            Awaited::Nothing | Awaited::Never => {}
        }
    }
    let lease = Held::<R::Store>::new(core, key, missing.leased == Leased::Granted);
    let is_sampled = core.is_sampled(key);
    let dropped = match is_sampled {
        true => core.dropped::<R::Store>(key).await,
        false => None,
    };
    let keep = if core.is_shared() || is_sampled {
        Keep::Bytes
    } else {
        Keep::Values
    };
    // Nothing is stored, and nobody waits for it any more.
    let give_up = async |leader: Option<Leader<'_>>, lease: Held<'_, R::Store>, forget, why| {
        if let Some(leader) = leader {
            leader.fail();
        }
        core.relinquish::<R::Store>(key, lease.end(), forget).await;
        report(Some(cache), UNSTORED);
        if let Some(value) = within {
            value.refuse(why);
        }
    };
    let mut observer = late.map(Observer::new);
    let stored = match conn.read(query, keep, observer.as_mut(), within).await {
        Ok(stored) => stored,
        Err(error) => {
            give_up(leader, lease, false, Unstored::Failed).await;
            return Err(error);
        }
    };
    if let Some(dropped) = &dropped {
        compare::<S, _>(&plan, dropped, &stored);
    }
    let lives = Lives {
        asked: options.ttl,
        negative: options.negative_ttl,
        models: footprint.ttl,
    };
    if !conn.is_undisturbed() {
        give_up(leader, lease, false, Unstored::Transaction).await;
        return Ok(stored);
    }
    let lifetime = core.lifetime(lives, stored.is_empty());
    let expires_at = core.expiry(lifetime.unwrap_or_default());
    let refresh = options.refresh;
    let further = match late {
        Some(late) => {
            let seen = observer.and_then(Observer::finish);
            core.further::<R::Store>(&question, &missing, late.window, seen)
                .await
        }
        None => Some((Vec::new(), Vec::new())),
    };
    // rule: what-is-about-to-be-written-is-not-stored
    let Some((further, tokens)) = further else {
        give_up(leader, lease, refresh, Unstored::Overtaken).await;
        return Ok(stored);
    };
    let mut entry = Entry {
        tags: Arc::clone(&footprint.tags),
        vector: missing.vector,
        payload: Payload::Typed(Arc::clone(&stored) as Arc<dyn Any + Send + Sync>),
        weight: stored.weight(),
        expires_at,
        lifetime: lifetime.unwrap_or_default(),
        stale_until: core.stale_until(expires_at),
        not_after: None,
        removed_with: Arc::clone(&footprint.removed_with),
    };
    entry.depend_on(&further, &tokens);
    depend(&entry);
    if let Some(leader) = &leader {
        leader.land(entry.clone());
    }
    let storable = lifetime.is_some() && (!core.is_shared() || entry.become_bytes(stored.encode()));
    let holder = lease.holder();
    let kept = storable && core.store::<R::Store>(key.clone(), entry, holder).await;
    if !kept {
        // rule: a-refresh-leaves-nothing-older
        core.relinquish::<R::Store>(key, holder, refresh).await;
    }
    lease.end();
    report(
        Some(cache),
        Outcome::Miss {
            stored: kept,
            joined: false,
        },
    );
    Ok(stored)
}

/// Waits for another process that makes the entry, for as long as the configuration says.
async fn await_entry<R: Reach>(core: &Arc<Core>, question: &Question<'_>) -> Awaited {
    let mut patience = Patience::new(core.config.patience);
    while let Some(nap) = patience.next() {
        R::sleep(nap).await;
        match Awaited::of(core.ask::<R>(question, Asking::Again).await) {
            Awaited::Nothing => {}
            come => return come,
        }
    }
    Awaited::Nothing
}

/// Finds out whether a result that was invalidated is the same now.
fn compare<S: Stored<DB>, DB: CacheDatabase>(plan: &Plan, dropped: &Dropped, now: &S) {
    let before = match &dropped.entry.payload {
        Payload::Typed(_) => dropped
            .entry
            .payload
            .typed::<S>()
            .and_then(|rows| rows.encode()),
        Payload::Bytes(bytes) => Some(bytes.to_vec()),
    };
    if let (Some(before), Some(now)) = (before, now.encode()) {
        plan.cache
            .core()
            .compared(dropped, before == now, &plan.names());
    }
}
