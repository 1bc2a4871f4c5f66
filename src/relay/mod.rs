//! The relay: a thread that tells the store what the outbox says.
//!
//! Each process runs one. The one that *leads* tells of the rows that nobody answers for; the
//! others, and it, remove the rows of their own sessions, whose writes were told without it. What
//! leads is a matter of efficiency alone: to tell the store twice is to tell it once more than
//! needed. So whatever nobody has removed for a while is told by any of them, though another may
//! lead, and hang.
//!
//! Every row that is there is looked at, each time: rows become visible in another order than
//! they are numbered in.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::LoadConnection;
use diesel::result::ConnectionResult;

use crate::cache::{Builder, Cache, Relay, Relays, WeakCache};
use crate::connection::AttachConnection;
use crate::statement::CacheDatabase;
use crate::stats::count;

mod lead;
mod pass;
mod rows;

use self::pass::{Ended, Memory, Trouble};

/// How long it waits at most after failures.
const SLOWEST: Duration = Duration::from_secs(1);

impl Builder {
    /// Looks after the [outbox](crate::OutboxMigration) of a database, from when the cache is built
    /// until it is dropped or [shut down](Cache::shutdown): a thread with a connection of its own,
    /// which `connect` makes, again after each failure. Once for each database that has one.
    ///
    /// It tells the store of each row within [`relay_interval`](Self::relay_interval) and a few
    /// round trips; of one that a process has left behind which was killed, or hangs, within four
    /// seconds more; after a failure of the database or of the store, within a second more. Cached reads
    /// are bypassed with [`Bypass::Behind`](crate::Bypass::Behind) until it has looked for the first
    /// time.
    ///
    /// [`Level::Durable`](crate::Level::Durable) needs it; at other levels it serves the triggers.
    /// It needs PostgreSQL 13, MySQL 8.0 or MariaDB 10.6. Behind a proxy that pools transactions, the names of
    /// sessions pass to strangers: connect past it. On SQLite it is one more writer: other connections need a
    /// `busy_timeout`, and `BEGIN IMMEDIATE` where they read before they write.
    ///
    /// A cache in memory needs the outbox for itself: while another process leads, its reads are bypassed.
    /// [Shut it down](Cache::shutdown) before you build another.
    ///
    /// ```
    /// use diesel::prelude::*;
    /// use diesel_cache::dialect::Dialect;
    /// use diesel_cache::{Cache, Level, OutboxMigration};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let file = folder.path().join("blog.db").display().to_string();
    /// # let mut conn = SqliteConnection::establish(&file)?;
    /// # diesel::connection::SimpleConnection::batch_execute(
    /// #     &mut conn, &OutboxMigration::new(Dialect::Sqlite).up())?;
    /// let cache = Cache::builder()
    ///     .level(Level::Durable)
    ///     .relay(move || SqliteConnection::establish(&file))
    ///     .build()?;
    /// cache.attach(&mut conn)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn relay<C>(mut self, connect: impl Fn() -> ConnectionResult<C> + Send + 'static) -> Self
    where
        C: LoadConnection + AttachConnection + 'static,
        C::Backend: CacheDatabase,
    {
        let run = move |cache: &WeakCache, relays: &Arc<Relays>| run(&connect, cache, relays);
        self.relays.push(Relay(Box::new(run)));
        self
    }
}

fn run<C>(connect: &impl Fn() -> ConnectionResult<C>, weak: &WeakCache, relays: &Relays)
where
    C: LoadConnection + AttachConnection + 'static,
    C::Backend: CacheDatabase,
{
    let mut memory = Memory::default();
    let mut conn = None;
    let mut failures = 0_u32;
    let mut behind = true;
    let mut attached = false;
    loop {
        let Some(cache) = weak.upgrade() else {
            return;
        };
        // What `connect` does is not ours.
        // rule: the-relay-outlives-a-panic
        let round = AssertUnwindSafe(|| round(connect, &cache, &mut conn, &mut memory));
        let ended = catch_unwind(round).unwrap_or(Err(Trouble::Panic));
        let interval = cache.core().config.relay_interval;
        let pause = match ended {
            Ok(Ended::Full) => Duration::ZERO,
            Ok(ended) => {
                failures = 0;
                if ended == Ended::Done && std::mem::take(&mut behind) {
                    relays.caught_up();
                }
                interval
            }
            Err(trouble) => {
                count(&cache.core().counters.relay_failures);
                cache.core().complain(&trouble);
                if trouble.loses_connection() {
                    conn = None;
                    // rule: what-is-not-shared-has-one-relay
                    // Another process may lead from here on, and tell nobody but itself.
                    if !cache.core().is_shared() && !std::mem::replace(&mut behind, true) {
                        relays.fell_behind();
                        memory = Memory::default();
                    }
                }
                failures = failures.saturating_add(1);
                (interval * (1 << failures.min(6))).min(SLOWEST.max(interval))
            }
        };
        relays.note_attached(&mut attached, conn.is_some());
        drop(cache);
        if relays.wait(pause) || weak.is_abandoned(relays) {
            relays.note_attached(&mut attached, false);
            return;
        }
    }
}

/// Connects, if that is to be done, and looks once.
fn round<C>(
    connect: &impl Fn() -> ConnectionResult<C>,
    cache: &Cache,
    conn: &mut Option<C>,
    memory: &mut Memory,
) -> Result<Ended, Trouble>
where
    C: LoadConnection + AttachConnection + 'static,
    C::Backend: CacheDatabase,
{
    let conn = match conn {
        Some(conn) => conn,
        None => {
            let mut new = connect().map_err(|_| Trouble::Connect)?;
            rows::prepare(&mut new)?;
            cache.attach(&mut new).map_err(Trouble::Attach)?;
            memory.leads = false;
            conn.insert(new)
        }
    };
    pass::pass(conn, cache, memory)
}
