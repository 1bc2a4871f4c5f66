//! A connection as this crate itself uses it, whoever waits for the database: the thread, or a
//! task. What is asked of a connection is written once, as `async fn`s over a [`Link`]; on a
//! connection that blocks they are [done at once](crate::now).

use std::cell::Cell;
use std::future::{self, Future};
use std::num::NonZeroU32;
use std::sync::Arc;

use diesel::connection::{Connection, LoadConnection, TransactionManager};
use diesel::result::QueryResult;
use diesel::row::{Field, Row};

use crate::connection::introspect::Texts;
use crate::connection::{Manner, Tracker};
use crate::core::{Core, Reach, Thread};
use crate::statement::{self, CacheDatabase};

/// A connection that statements can be sent on, and that a tracker may be on.
pub(crate) trait Wire {
    /// The tracker, if a cache is attached.
    fn tracker(&mut self) -> Option<&mut Tracker>;

    /// Whether nobody else has used it, since the tracker was asked for first, in a way that might
    /// show a read what is not committed.
    fn is_undisturbed(&mut self) -> bool {
        true
    }

    /// How deep it is in Diesel's transactions; an error if Diesel has lost count.
    ///
    /// # Errors
    /// If Diesel has lost count.
    fn depth(&mut self) -> QueryResult<Option<NonZeroU32>>;

    /// Runs statements of this crate's own, out of the tracker's and the user's sight.
    fn batch(&mut self, sql: &str) -> impl Future<Output = QueryResult<()>> + Send;

    /// How it waits for anything but the database.
    type Store: Reach;

    /// As [`Reach::aside`].
    fn with_store<T: Send + 'static>(
        core: &Arc<Core>,
        run: impl FnOnce(&Arc<Core>) -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send {
        Self::Store::aside(core, run)
    }
}

/// A connection whose database can be asked questions.
pub(crate) trait Link: Wire {
    /// The database.
    type Backend: CacheDatabase;

    /// Runs a query of this crate's own, out of the tracker's and the user's sight, and reads
    /// every value as text.
    fn texts(&mut self, sql: &str) -> impl Future<Output = QueryResult<Vec<Texts>>> + Send;
}

/// A connection that blocks the thread.
#[derive(Debug)]
pub(crate) struct Blocking<'c, C>(pub(crate) &'c mut C);

impl<C: Connection> Wire for Blocking<'_, C> {
    fn tracker(&mut self) -> Option<&mut Tracker> {
        let tracker = super::tracker(self.0)?;
        // One that is awaited may be wrapped.
        if tracker.blocks() {
            tracker.set_manner(Manner::Blocks);
        } else {
            tracker.is_exclusive();
        }
        Some(tracker)
    }

    fn depth(&mut self) -> QueryResult<Option<NonZeroU32>> {
        C::TransactionManager::transaction_manager_status_mut(self.0).transaction_depth()
    }

    fn batch(&mut self, sql: &str) -> impl Future<Output = QueryResult<()>> + Send {
        let _quiet = Quiet::begin();
        future::ready(self.0.batch_execute(sql))
    }

    type Store = Thread;
}

impl<C> Link for Blocking<'_, C>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    type Backend = C::Backend;

    fn texts(&mut self, sql: &str) -> impl Future<Output = QueryResult<Vec<Texts>>> + Send {
        let _quiet = Quiet::begin();
        future::ready(load_texts(self.0, sql))
    }
}

fn load_texts<C>(conn: &mut C, sql: &str) -> QueryResult<Vec<Texts>>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let rows = conn.load(statement::Question(sql))?;
    rows.map(|row| row.map(|row| texts_of(&row))).collect()
}

/// A row's values as texts.
pub(crate) fn texts_of<'a, DB: CacheDatabase>(row: &impl Row<'a, DB>) -> Texts {
    let text = |index| {
        let field = Row::get(row, index);
        let value = field.as_ref().and_then(Field::value);
        value.and_then(DB::text)
    };
    (0..row.field_count()).map(text).collect()
}

thread_local! {
    /// Whether this thread sends statements of this crate's own.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// As long as it lives, the trackers of this thread hear nothing. An event is handed out on the
/// thread that sends or receives, before the call returns: so this covers the statements of
/// whoever holds it, and no others.
#[derive(Debug)]
pub(crate) struct Quiet(bool);

impl Quiet {
    pub(crate) fn begin() -> Self {
        Self(QUIET.replace(true))
    }

    /// Whether this thread's statements are this crate's own.
    pub(crate) fn is_kept() -> bool {
        QUIET.get()
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(self.0);
    }
}
