//! Attaching a cache to connections.

use std::sync::atomic::{AtomicBool, Ordering};

use diesel::connection::{Connection, Instrumentation, LoadConnection};
use diesel::result::QueryResult;

use crate::bypass::Bypass;
use crate::cache::Cache;
use crate::catalogue::Catalogue;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::statement::CacheDatabase;

mod install;
mod introspect;
#[cfg(feature = "r2d2")]
mod pool;
mod scope;
mod tracker;
mod transaction;

#[cfg(feature = "r2d2")]
pub use self::pool::Customizer;
pub(crate) use self::tracker::Tracker;
pub(crate) use self::transaction::Fill;

/// The tracker of a connection, if a cache is attached to it.
pub(crate) fn tracker<C: Connection>(conn: &mut C) -> Option<&mut Tracker> {
    conn.instrumentation().downcast_mut::<Tracker>()
}

/// Says once per process that a connection is not attached.
pub(crate) fn warn_unattached() {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        log::warn!(
            "a connection that is not attached to a cache reads uncached, and its writes \
             invalidate nothing: use `Cache::customizer`, `Cache::attach` or `Cache::install`"
        );
    }
}

impl Cache {
    /// Attaches this cache to a connection: its cached reads use the cache, and
    /// every write through it invalidates what it touched, when it commits.
    ///
    /// The connection is asked which database it talks to, what its session's
    /// settings are and what the catalogue says. Instrumentation that was set on it
    /// before is replaced; use [`attach_with`](Self::attach_with) to keep it.
    ///
    /// # Errors
    /// If the connection cannot be asked.
    pub fn attach<C>(&self, conn: &mut C) -> Result<(), Error>
    where
        C: LoadConnection + 'static,
        C::Backend: CacheDatabase,
    {
        self.attach_boxed(conn, None)
    }

    /// Like [`attach`](Self::attach), and passes every event on to `next`.
    ///
    /// # Errors
    /// If the connection cannot be asked.
    pub fn attach_with<C>(&self, conn: &mut C, next: impl Instrumentation) -> Result<(), Error>
    where
        C: LoadConnection + 'static,
        C::Backend: CacheDatabase,
    {
        self.attach_boxed(conn, Some(Box::new(next)))
    }

    pub(crate) fn attach_boxed<C>(
        &self,
        conn: &mut C,
        next: Option<Box<dyn Instrumentation>>,
    ) -> Result<(), Error>
    where
        C: LoadConnection + 'static,
        C::Backend: CacheDatabase,
    {
        conn.set_instrumentation(Tracker::new(self.clone(), next));
        let dialect = C::Backend::detect(conn).ok_or_else(|| {
            Error::Attach(diesel::result::Error::QueryBuilderError(
                "the connection does not tell which database it talks to".into(),
            ))
        })?;
        ask_session(conn, dialect).map_err(Error::Attach)?;
        ask_catalogue(conn).map_err(Error::Attach)
    }
}

/// Makes sure that the database, the session and the catalogue are known.
///
/// # Errors
/// Why they are not.
pub(crate) fn make_known<C>(conn: &mut C) -> Result<(), Bypass>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let known = |conn: &mut C| tracker(conn).ok_or(Bypass::Unattached).map(|t| t.must_ask());
    if known(conn)? {
        let tracker = tracker(conn).ok_or(Bypass::Unattached)?;
        let dialect = C::Backend::DIALECT
            .or(tracker.database().map(|database| database.dialect))
            .ok_or(Bypass::Unidentified)?;
        if !tracker.may_ask() {
            return Err(Bypass::Unidentified);
        }
        ask_session(conn, dialect).map_err(|_| Bypass::Unidentified)?;
    }
    let tracker = tracker(conn).ok_or(Bypass::Unattached)?;
    let database = tracker.database().ok_or(Bypass::Unidentified)?;
    if database.current().is_none() {
        if !tracker.may_ask() {
            return Err(Bypass::Unidentified);
        }
        ask_catalogue(conn).map_err(|_| Bypass::Unidentified)?;
    }
    Ok(())
}

/// Reads the catalogue anew, because it does not know a relation that a query names.
/// At most once a second, and only where a question can do no harm.
pub(crate) fn reread_catalogue<C>(conn: &mut C) -> bool
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
            database.schema_changed();
        }
        return ask_catalogue(conn).is_ok();
    }
    false
}

/// Asks what became of sessions that left a quarantine behind. A refusal changes nothing.
pub(crate) fn resolve_orphans<C>(conn: &mut C)
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let Some(tracker) = tracker(conn).filter(|tracker| tracker.may_ask()) else {
        return;
    };
    let Some(database) = tracker.database().cloned() else {
        return;
    };
    let cache = tracker.cache().clone();
    let space = database.id.tags;
    if !cache.core().has_orphans(space) {
        return;
    }
    for session in cache.core().unresolved(space) {
        let ended = quietly(conn, |conn| {
            introspect::has_ended(conn, database.dialect, &session)
        });
        if ended.unwrap_or(false) {
            cache.core().resolve(space, &session);
        }
    }
}

fn ask_session<C>(conn: &mut C, dialect: Dialect) -> QueryResult<()>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let Some(tracker) = tracker(conn) else {
        return Ok(());
    };
    let name = tracker.cache().core().config.database.clone();
    let info = quietly(conn, |conn| {
        introspect::session(conn, dialect, name.as_deref())
    })?;
    if let Some(tracker) = self::tracker(conn) {
        tracker.identify(dialect, info);
    }
    Ok(())
}

fn ask_catalogue<C>(conn: &mut C) -> QueryResult<()>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let Some(tracker) = tracker(conn) else {
        return Ok(());
    };
    let cache = tracker.cache().clone();
    let Some(database) = tracker.database().cloned() else {
        return Ok(());
    };
    if database.current().is_some() {
        return Ok(());
    }
    // The generation comes first: a change while the catalogue is read makes it outdated.
    let generation = database.generation();
    let catalogue: Catalogue = quietly(conn, |conn| introspect::catalogue(conn, database.dialect))?;
    cache.load_catalogue(&database, generation, catalogue);
    Ok(())
}

/// Runs questions of this crate's own, out of the tracker's and the user's sight.
fn quietly<C, T>(
    conn: &mut C,
    ask: impl FnOnce(&mut C) -> QueryResult<T>,
) -> QueryResult<T>
where
    C: LoadConnection,
{
    if let Some(tracker) = tracker(conn) {
        tracker.set_quiet(true);
    }
    let answer = ask(conn);
    if let Some(tracker) = tracker(conn) {
        tracker.set_quiet(false);
    }
    answer
}
