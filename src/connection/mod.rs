//! Attaching a cache to connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(feature = "test")]
use diesel::connection::TransactionManager;
use diesel::connection::{Connection, Instrumentation, LoadConnection};
use diesel::result::QueryResult;

use crate::bypass::Bypass;
use crate::cache::Cache;
use crate::core::Way;
use crate::dialect::Dialect;
use crate::error::{Error, StoreUnreachable};
use crate::model::CacheModel;
use crate::now::now;
use crate::statement::CacheDatabase;

mod catalogue;
mod explain;
mod gate;
mod hooks;
mod install;
pub(crate) mod introspect;
mod link;
mod outbox;
#[cfg(feature = "r2d2")]
mod pool;
mod returned;
mod scope;
mod simulated;
mod told;
mod tracker;
mod transaction;
mod unresolved;

pub(crate) use self::catalogue::reread as reread_catalogue;
pub use self::explain::explain_write;
pub(crate) use self::gate::{open as open_gate, resolve_orphans};
#[cfg(any(feature = "async-postgres", feature = "async-mysql"))]
pub(crate) use self::link::texts_of;
pub(crate) use self::link::{Blocking, Link, Quiet, Wire};
#[cfg(feature = "r2d2")]
pub use self::pool::Customizer;
#[cfg(feature = "async-postgres")]
pub(crate) use self::tracker::view;
pub(crate) use self::tracker::{Announced, Manner, Place, Tracker};
pub(crate) use self::transaction::Fill;

/// The tracker of a connection, if a cache is attached to it.
pub(crate) fn tracker<C: Connection>(conn: &mut C) -> Option<&mut Tracker> {
    conn.instrumentation().downcast_mut::<Tracker>()
}

/// The cache of a connection that a model is written through; the model is registered.
pub(crate) fn cache_of<M: CacheModel, C: Connection>(conn: &mut C) -> Option<Cache> {
    let Some(tracker) = tracker(conn) else {
        warn_unattached();
        return None;
    };
    let cache = tracker.cache().clone();
    cache.register::<M>();
    Some(cache)
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

/// A connection that a cache can be attached to.
///
/// Implemented for every connection to a database that this crate knows. For a
/// `#[derive(MultiConnection)]` enum, implement it by matching on the variant.
#[diagnostic::on_unimplemented(
    message = "a cache cannot be attached to `{Self}`",
    label = "not a connection that diesel-cache knows",
    note = "switch on the feature `sqlite`, `postgres` or `mysql` of `diesel-cache`",
    note = "for a `#[derive(MultiConnection)]` enum, implement `AttachConnection` by matching on its variant"
)]
pub trait AttachConnection {
    /// Attaches the cache, and passes every event on to `next`, if there is one.
    ///
    /// # Errors
    /// If the connection cannot be asked about its database.
    fn attach_cache(
        &mut self,
        cache: &Cache,
        next: Option<Box<dyn Instrumentation>>,
    ) -> Result<(), Error>;

    /// Whether this cache is attached.
    fn has_cache(&mut self, cache: &Cache) -> bool;
}

impl<C> AttachConnection for C
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    fn attach_cache(
        &mut self,
        cache: &Cache,
        next: Option<Box<dyn Instrumentation>>,
    ) -> Result<(), Error> {
        self.set_instrumentation(Tracker::new(cache.clone(), next, Manner::Blocks));
        now(introduce(&mut Blocking(self)))
    }

    fn has_cache(&mut self, cache: &Cache) -> bool {
        tracker(self).is_some_and(|tracker| tracker.cache().is(cache))
    }
}

impl Cache {
    /// Attaches this cache to a connection: its cached reads use the cache, and
    /// every write through it invalidates what it touched, when it commits.
    ///
    /// The connection is asked which database it talks to, what its session's
    /// settings are and what the catalogue says; attach it before a transaction is
    /// begun. Instrumentation that was set on it before is replaced; use
    /// [`attach_with`](Self::attach_with) to keep it.
    ///
    /// # Errors
    /// If the connection cannot be asked.
    pub fn attach(&self, conn: &mut impl AttachConnection) -> Result<(), Error> {
        conn.attach_cache(self, None)
    }

    /// Like [`attach`](Self::attach), and passes every event on to `next`.
    ///
    /// # Errors
    /// If the connection cannot be asked.
    pub fn attach_with(
        &self,
        conn: &mut impl AttachConnection,
        next: impl Instrumentation,
    ) -> Result<(), Error> {
        conn.attach_cache(self, Some(Box::new(next)))
    }

    /// Runs a transaction of which every write is seen.
    ///
    /// Like Diesel's `transaction`, but refuses to begin where the cache is not
    /// attached to the connection, since its writes would invalidate nothing.
    ///
    /// # Errors
    /// What `run` returns, what the database returns, or
    /// [`QueryBuilderError`](diesel::result::Error::QueryBuilderError) if this cache is
    /// not attached, or if a shared store is out of reach and
    /// [`OnUnreachable::Abort`](crate::OnUnreachable::Abort) was chosen; nothing is written then.
    pub fn transaction<C, T, E>(
        &self,
        conn: &mut C,
        run: impl FnOnce(&mut C) -> Result<T, E>,
    ) -> Result<T, E>
    where
        C: Connection + AttachConnection,
        E: From<diesel::result::Error>,
    {
        if !conn.has_cache(self) {
            let why = "the cache is not attached to this connection";
            return Err(diesel::result::Error::QueryBuilderError(why.into()).into());
        }
        let done = conn.transaction(|conn| {
            let value = run(conn)?;
            now(announce(&mut Blocking(conn)))?;
            Ok(value)
        });
        now(tell_committed(&mut Blocking(conn)));
        done
    }
}

/// Asks a connection that a tracker was just set on what that must know.
///
/// # Errors
/// If the connection cannot be asked.
pub(crate) async fn introduce<L: Link>(conn: &mut L) -> Result<(), Error> {
    ask_session(conn).await.map_err(Error::Attach)?;
    outbox::check(conn).await?;
    let asked = catalogue::ask(conn, Place::Autocommit).await;
    asked.map_err(Error::Attach)?;
    // The schema may have changed in between, and with it what is to be asked.
    if conn
        .tracker()
        .is_some_and(|tracker| tracker.looks_elsewhere())
    {
        ask_session(conn).await.map_err(Error::Attach)?;
    }
    // rule: attaching-inside-a-transaction-is-late
    if !matches!(conn.depth(), Ok(None))
        && let Some(tracker) = conn.tracker()
    {
        tracker.joined_late();
    }
    // A lost connection is often replaced by one that may ask what became of it.
    resolve_orphans(conn, &[]).await;
    // Whoever reads only values has no cached read that would.
    let closed = conn
        .tracker()
        .is_some_and(|tracker| tracker.meets_closed_gate());
    if closed {
        open_gate(conn).await;
    }
    Ok(())
}

/// Announces what is about to be committed, where a write that cannot be announced is given up, or
/// leaves a row in the outbox.
///
/// # Errors
/// If it is to be given up, or the database has given it up.
pub(crate) async fn announce<L: Wire>(conn: &mut L) -> QueryResult<()> {
    // A savepoint commits nothing. The database's own depth may be more: Diesel rolls back to a
    // savepoint without releasing it.
    let depth = conn.depth().ok().flatten();
    if depth.is_some_and(|depth| depth.get() > 1) {
        return Ok(());
    }
    if conn.tracker().is_some_and(|tracker| tracker.must_prove())
        && conn.batch("SELECT 1").await.is_ok()
        && let Some(tracker) = conn.tracker()
    {
        tracker.vouch(false);
    }
    let Some(guard) = conn.tracker().and_then(Tracker::about_to_commit) else {
        return Ok(());
    };
    let core = Arc::clone(guard.core());
    let guard = L::with_store(&core, move |_| guard.announce_all()).await;
    let tell = |tracker: &mut Tracker| Some(tracker.announced(guard?));
    match conn.tracker().and_then(tell).unwrap_or(Announced::Ready) {
        Announced::Ready => Ok(()),
        Announced::Outbox(tags) => outbox::write(conn, &tags).await,
        Announced::Refused => Err(diesel::result::Error::QueryBuilderError(
            StoreUnreachable.into(),
        )),
    }
}

/// Tells the store of what an announced transaction has committed.
pub(crate) async fn tell_committed<L: Wire>(conn: &mut L) {
    let Some((guard, source)) = conn.tracker().and_then(Tracker::take_committed) else {
        return;
    };
    let core = Arc::clone(guard.core());
    L::with_store(&core, move |_| guard.told_by(Way::Here).renew(source)).await;
    if let Some(tracker) = conn.tracker() {
        tracker.note_turn();
    }
}

/// Makes sure that the database, the session and the catalogue are known.
///
/// # Errors
/// Why they are not.
pub(crate) async fn make_known<L: Link>(conn: &mut L) -> Result<(), Bypass> {
    ask_whether_open(conn).await;
    let tracker = conn.tracker().ok_or(Bypass::Unattached)?;
    if tracker.must_ask() {
        ask_session_now(conn).await?;
    }
    let tracker = conn.tracker().ok_or(Bypass::Unattached)?;
    tracker.database().ok_or(Bypass::Unidentified)?;
    catalogue::keep_current(conn).await?;
    // Policies may look at other settings by now.
    if conn
        .tracker()
        .is_some_and(|tracker| tracker.looks_elsewhere())
    {
        ask_session_now(conn).await?;
    }
    Ok(())
}

/// Asks about the session, if that can do no harm.
async fn ask_session_now<L: Link>(conn: &mut L) -> Result<(), Bypass> {
    let tracker = conn.tracker().ok_or(Bypass::Unattached)?;
    // What it said would not reach the tracker of a connection that several use.
    if !tracker.may_ask() || tracker.is_view() {
        return Err(tracker.silence());
    }
    ask_session(conn).await.map_err(|_| Bypass::Unidentified)
}

/// Asks whether the transaction that commits are played in is still open, where an error
/// may have ended it. What it asks changes nothing in an open transaction.
async fn ask_whether_open<L: Wire>(conn: &mut L) {
    let Some(dialect) = conn.tracker().and_then(|tracker| tracker.doubts_ground()) else {
        return;
    };
    let open = match dialect {
        // Refused inside of a transaction.
        Dialect::Sqlite => match conn.batch("BEGIN").await {
            Ok(()) => conn.batch("ROLLBACK").await.map(|()| false),
            Err(_) => Ok(true),
        },
        // Outside of a transaction a savepoint is gone when its statement is over.
        Dialect::Mysql => match conn.batch("SAVEPOINT diesel_cache_probe").await {
            Ok(()) => {
                let release = conn.batch("RELEASE SAVEPOINT diesel_cache_probe").await;
                release.map(|()| true)
            }
            Err(error) => Err(error),
        },
        Dialect::Postgres => Ok(false),
    };
    if let Some(tracker) = conn.tracker() {
        tracker.told_of_ground(open.unwrap_or(false));
    }
}

/// Begins a transaction that is never committed, and that commits are played in.
#[cfg(feature = "test")]
pub(crate) fn begin_simulated<C>(conn: &mut C) -> Result<(), Error>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let refused = |reason, source| Error::TestTransaction { reason, source };
    let tracker_of =
        |conn: &mut C| -> Option<Cache> { tracker(conn).map(|tracker| tracker.cache().clone()) };
    let cache = tracker_of(conn).ok_or_else(|| refused("no cache is attached", None))?;
    // rule: a-shared-cache-holds-no-uncommitted-rows
    if !cache.is_for_tests() {
        let reason =
            "the attached cache is not one of `test::cache()`, so that others may share it";
        return Err(refused(reason, None));
    }
    let status = C::TransactionManager::transaction_manager_status_mut(conn);
    if !matches!(status.transaction_depth(), Ok(None)) {
        return Err(refused("a transaction is open already", None));
    }
    now(make_known(&mut Blocking(conn)))
        .map_err(|_| refused("the database cannot be asked who it is", None))?;
    if tracker(conn).is_some_and(|tracker| !tracker.may_ask()) {
        return Err(refused(
            "a transaction may be open, or the next one has settings of its own",
            None,
        ));
    }
    conn.begin_test_transaction()
        .map_err(|error| refused("it cannot be begun", Some(error)))?;
    // rule: a-test-transaction-keeps-its-snapshot
    // There, a rollback to a savepoint that is older than the snapshot forgets the snapshot.
    if C::Backend::DIALECT == Dialect::Mysql {
        let begin = "START TRANSACTION WITH CONSISTENT SNAPSHOT";
        quietly(conn, |conn| conn.batch_execute(begin))
            .map_err(|error| refused("its snapshot cannot be taken", Some(error)))?;
    }
    if tracker(conn).is_some_and(Tracker::simulate) {
        Ok(())
    } else {
        let undone = C::TransactionManager::rollback_transaction(conn);
        Err(refused("another transaction may be open", undone.err()))
    }
}

async fn ask_session<L: Link>(conn: &mut L) -> QueryResult<()> {
    let Some(tracker) = conn.tracker() else {
        return Ok(());
    };
    let core = Arc::clone(tracker.cache().core());
    let config = &core.config;
    let asked = introspect::session(conn, config.database.as_deref(), &config.outbox);
    let info = asked.await?;
    if let Some(tracker) = conn.tracker() {
        tracker.identify(L::Backend::DIALECT, info);
    }
    gate::mark(conn).await;
    outbox::name_session(conn).await;
    Ok(())
}

/// Runs questions of this crate's own, out of the tracker's and the user's sight.
pub(crate) fn quietly<C, T>(
    conn: &mut C,
    ask: impl FnOnce(&mut C) -> QueryResult<T>,
) -> QueryResult<T> {
    let _quiet = Quiet::begin();
    ask(conn)
}
