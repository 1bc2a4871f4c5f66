//! When the catalogue is read, and how a change of it from elsewhere is found.

use std::sync::Arc;

use diesel::result::{Error, QueryResult};

use crate::bypass::Bypass;
use crate::connection::{Link, Place, introspect};

/// Makes sure that the catalogue is known, and was looked at lately.
///
/// # Errors
/// Why it is not.
pub(super) async fn keep_current<L: Link>(conn: &mut L) -> Result<(), Bypass> {
    let tracker = conn.tracker().ok_or(Bypass::Unattached)?;
    let database = Arc::clone(tracker.database().ok_or(Bypass::Unidentified)?);
    if database.resolver().is_none() {
        let place = tracker.place_to_ask().ok_or_else(|| tracker.silence())?;
        ask(conn, place).await.map_err(|_| Bypass::Unidentified)?;
        return match database.resolver() {
            Some(_) => Ok(()),
            None => Err(Bypass::Backend),
        };
    }
    // rule: a-catalogue-is-looked-at-before-it-is-relied-on
    let interval = tracker.cache().core().config.catalogue_interval;
    let watch = tracker.watch().ok_or(Bypass::Unidentified)?;
    if !watch.is_due(interval) {
        return Ok(());
    }
    let place = tracker.place_to_ask().ok_or(Bypass::CatalogueDue)?;
    look(conn, place).await
}

/// Looks at the catalogue, and reads it if it has changed.
///
/// # Errors
/// If another is looking, or the database does not answer.
async fn look<L: Link>(conn: &mut L, place: Place) -> Result<(), Bypass> {
    let tracker = conn.tracker().ok_or(Bypass::Unattached)?;
    let cache = tracker.cache().clone();
    let space = tracker.database().ok_or(Bypass::Unidentified)?.id.tags;
    let watch = Arc::clone(tracker.watch().ok_or(Bypass::Unidentified)?);
    // rule: one-looks-for-all
    let look = if cache.core().config.catalogue_interval.is_zero() {
        watch.look()
    } else {
        watch.look_alone().ok_or(Bypass::CatalogueDue)?
    };
    let view = ask_in(conn, place, async |conn| introspect::view(conn).await)
        .await
        .map_err(|_| Bypass::CatalogueDue)?;
    note_standby(conn, view.standby);
    let changed = look.finds_change(&view.fingerprint);
    if changed {
        // rule: a-change-from-elsewhere-voids-what-is-cached
        let (telling, seen) = (cache.clone(), Arc::clone(&watch));
        let told = L::with_store(cache.core(), move |_| {
            telling.schema_found_changed(space, seen.user(), &view.fingerprint);
        });
        told.await.ok_or(Bypass::Backend)?;
    }
    // From here on, others go by this look.
    look.end(view.fingerprint);
    if changed {
        return ask(conn, place).await.map_err(|_| Bypass::Unidentified);
    }
    Ok(())
}

/// Reads the catalogue, unless what is known of it is current, or the store cannot be told what is
/// to be known besides.
///
/// # Errors
/// What the database returns.
pub(super) async fn ask<L: Link>(conn: &mut L, place: Place) -> QueryResult<()> {
    let Some(tracker) = conn.tracker() else {
        return Ok(());
    };
    let cache = tracker.cache().clone();
    let (Some(database), Some(watch)) = (tracker.database().cloned(), tracker.watch().cloned())
    else {
        return Ok(());
    };
    if database.resolver().is_some() {
        return Ok(());
    }
    // The generation comes first: a change while the catalogue is read makes it outdated.
    // So does the gate's opening: whatever was at work before it is over.
    let generation = database.generation();
    let opening = cache.core().opening(database.id.tags);
    // rule: keys-are-declared-before-anything-is-resolved
    // rule: a-store-out-of-reach-keeps-nobody-from-connecting
    // Without the catalogue reads bypass, and each write is one to everything.
    let (declaring, id) = (cache.clone(), database.id);
    let keys = L::with_store(cache.core(), move |_| declaring.declare_keys(id));
    let Some(Ok(keys)) = keys.await else {
        return Ok(());
    };
    // rule: the-fingerprint-is-older-than-the-catalogue
    // What changes in between is found by the next look.
    let look = watch.look();
    let outbox = &cache.core().config.outbox;
    let (view, catalogue) = ask_in(conn, place, async |conn| {
        Ok((
            introspect::view(conn).await?,
            introspect::catalogue(conn, outbox).await?,
        ))
    })
    .await?;
    note_standby(conn, view.standby);
    if look.finds_change(&view.fingerprint) {
        // Entries may be left of a time when nobody looked.
        let (meeting, seen) = (cache.clone(), Arc::clone(&watch));
        let met = L::with_store(cache.core(), move |_| {
            meeting.meet_schema(id.tags, seen.user(), &view.fingerprint);
        });
        met.await.ok_or(Error::BrokenTransactionManager)?;
    }
    look.end(view.fingerprint);
    cache.load_catalogue(&database, (generation, opening), catalogue, keys);
    Ok(())
}

/// Reads the catalogue anew, because it does not know a relation that a query names.
/// At most once a second, less often the more often that did not help, and only where a
/// question can do no harm.
pub(crate) async fn reread<L: Link>(conn: &mut L) -> bool {
    let Some(tracker) = conn.tracker().filter(|tracker| tracker.may_ask()) else {
        return false;
    };
    let due = tracker.database().is_some_and(|database| database.is_due());
    if due {
        if let Some(database) = tracker.database() {
            database.reread();
        }
        return ask(conn, Place::Autocommit).await.is_ok();
    }
    false
}

fn note_standby<L: Link>(conn: &mut L, standby: bool) {
    if let Some(tracker) = conn.tracker() {
        tracker.set_standby(standby);
    }
}

/// Runs questions at that place.
async fn ask_in<L: Link, T>(
    conn: &mut L,
    place: Place,
    ask: impl AsyncFnOnce(&mut L) -> QueryResult<T>,
) -> QueryResult<T> {
    if place == Place::Autocommit {
        return ask(conn).await;
    }
    // rule: an-error-of-a-look-ends-no-transaction
    // It also gives back the locks that the questions took.
    conn.batch("SAVEPOINT diesel_cache_look").await?;
    let answer = ask(conn).await;
    conn.batch("ROLLBACK TO SAVEPOINT diesel_cache_look; RELEASE SAVEPOINT diesel_cache_look")
        .await?;
    answer
}
