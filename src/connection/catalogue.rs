//! When the catalogue is read, and how a change of it from elsewhere is found.

use std::sync::Arc;

use diesel::connection::LoadConnection;
use diesel::result::QueryResult;

use crate::bypass::Bypass;
use crate::connection::{Place, introspect, quietly, tracker};
use crate::statement::CacheDatabase;

/// Makes sure that the catalogue is known, and was looked at lately.
///
/// # Errors
/// Why it is not.
pub(super) fn keep_current<C>(conn: &mut C) -> Result<(), Bypass>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let tracker = tracker(conn).ok_or(Bypass::Unattached)?;
    let database = Arc::clone(tracker.database().ok_or(Bypass::Unidentified)?);
    if database.resolver().is_none() {
        let place = tracker.place_to_ask().ok_or_else(|| tracker.silence())?;
        ask(conn, place).map_err(|_| Bypass::Unidentified)?;
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
    look(conn, place)
}

/// Looks at the catalogue, and reads it if it has changed.
///
/// # Errors
/// If another is looking, or the database does not answer.
fn look<C>(conn: &mut C, place: Place) -> Result<(), Bypass>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let tracker = tracker(conn).ok_or(Bypass::Unattached)?;
    let cache = tracker.cache().clone();
    let space = tracker.database().ok_or(Bypass::Unidentified)?.id.tags;
    let watch = Arc::clone(tracker.watch().ok_or(Bypass::Unidentified)?);
    // rule: one-looks-for-all
    let look = if cache.core().config.catalogue_interval.is_zero() {
        watch.look()
    } else {
        watch.look_alone().ok_or(Bypass::CatalogueDue)?
    };
    let view = ask_in(conn, place, introspect::view).map_err(|_| Bypass::CatalogueDue)?;
    note_standby(conn, view.standby);
    let changed = look.finds_change(&view.fingerprint);
    if changed {
        // rule: a-change-from-elsewhere-voids-what-is-cached
        cache.schema_found_changed(space, watch.user(), &view.fingerprint);
    }
    // From here on, others go by this look.
    look.end(view.fingerprint);
    if changed {
        return ask(conn, place).map_err(|_| Bypass::Unidentified);
    }
    Ok(())
}

/// Reads the catalogue, unless what is known of it is current, or the store cannot be told what is
/// to be known besides.
///
/// # Errors
/// What the database returns.
pub(super) fn ask<C>(conn: &mut C, place: Place) -> QueryResult<()>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let Some(tracker) = tracker(conn) else {
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
    let Ok(keys) = cache.declare_keys(database.id) else {
        return Ok(());
    };
    // rule: the-fingerprint-is-older-than-the-catalogue
    // What changes in between is found by the next look.
    let look = watch.look();
    let outbox = &cache.core().config.outbox;
    let (view, catalogue) = ask_in(conn, place, |conn| {
        Ok((
            introspect::view(conn)?,
            introspect::catalogue(conn, outbox)?,
        ))
    })?;
    note_standby(conn, view.standby);
    if look.finds_change(&view.fingerprint) {
        // Entries may be left of a time when nobody looked.
        cache.meet_schema(database.id.tags, watch.user(), &view.fingerprint);
    }
    look.end(view.fingerprint);
    cache.load_catalogue(&database, (generation, opening), catalogue, keys);
    Ok(())
}

/// Reads the catalogue anew, because it does not know a relation that a query names.
/// At most once a second, less often the more often that did not help, and only where a
/// question can do no harm.
pub(crate) fn reread<C>(conn: &mut C) -> bool
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let Some(tracker) = tracker(conn).filter(|tracker| tracker.may_ask()) else {
        return false;
    };
    let due = tracker.database().is_some_and(|database| database.is_due());
    if due {
        if let Some(database) = tracker.database() {
            database.reread();
        }
        return ask(conn, Place::Autocommit).is_ok();
    }
    false
}

fn note_standby<C>(conn: &mut C, standby: bool)
where
    C: LoadConnection,
{
    if let Some(tracker) = tracker(conn) {
        tracker.set_standby(standby);
    }
}

/// Runs questions at that place.
fn ask_in<C, T>(
    conn: &mut C,
    place: Place,
    ask: impl FnOnce(&mut C) -> QueryResult<T>,
) -> QueryResult<T>
where
    C: LoadConnection,
{
    quietly(conn, |conn| {
        if place == Place::Autocommit {
            return ask(conn);
        }
        // rule: an-error-of-a-look-ends-no-transaction
        // It also gives back the locks that the questions took.
        conn.batch_execute("SAVEPOINT diesel_cache_look")?;
        let answer = ask(conn);
        conn.batch_execute(
            "ROLLBACK TO SAVEPOINT diesel_cache_look; RELEASE SAVEPOINT diesel_cache_look",
        )?;
        answer
    })
}
