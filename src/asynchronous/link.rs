//! A connection that tasks wait for, as the core uses it.

use std::future::{Future, poll_fn};
use std::num::NonZeroU32;
use std::pin::pin;

use diesel::result::QueryResult;
use diesel_async::{AsyncConnection, AsyncConnectionCore, TransactionManager};
use futures_util::StreamExt;

use crate::asynchronous::task::Task;
use crate::connection::introspect::Texts;
use crate::connection::{Link, Manner, Quiet, Tracker, Wire, texts_of};
use crate::statement::{self, CacheDatabase};

/// A connection that a task has for itself, and waits for.
#[derive(Debug)]
pub(super) struct Awaiting<'c, C>(pub(super) &'c mut C);

/// Does work of this crate's own, out of the tracker's and the user's sight. Events are told in
/// the middle of a poll, on its thread; whatever else runs meanwhile is heard.
// rule: quiet-is-kept-for-each-poll
pub(super) async fn quietly<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|task| {
        let _quiet = Quiet::begin();
        work.as_mut().poll(task)
    })
    .await
}

/// Runs a query, and reads every value as text.
pub(super) async fn texts<C>(conn: &mut C, sql: &str) -> QueryResult<Vec<Texts>>
where
    C: AsyncConnectionCore<Backend: CacheDatabase>,
{
    let mut rows = pin!(conn.load(statement::Question(sql)).await?);
    let mut texts = Vec::new();
    while let Some(row) = rows.next().await {
        texts.push(texts_of(&row?));
    }
    Ok(texts)
}

impl<C: AsyncConnection> Awaiting<'_, C> {
    /// A statement of this crate's own is sent. If nobody waits for its answer to the end, the
    /// tracker is told so when it is asked for the next time.
    fn asks(&mut self) {
        if let Some(tracker) = self.tracker() {
            tracker.set_asking(true);
        }
    }

    /// The session has answered: what was given up before is over.
    fn answered<T>(&mut self, answer: QueryResult<T>) -> QueryResult<T> {
        if let Some(tracker) = self.0.instrumentation().downcast_mut::<Tracker>() {
            tracker.set_asking(false);
            if answer.is_ok() {
                tracker.answered();
            }
        }
        answer
    }
}

impl<C: AsyncConnection> Wire for Awaiting<'_, C> {
    fn tracker(&mut self) -> Option<&mut Tracker> {
        let tracker = self.0.instrumentation().downcast_mut::<Tracker>()?;
        tracker.set_manner(Manner::Awaits);
        tracker.is_exclusive();
        Some(tracker)
    }

    fn depth(&mut self) -> QueryResult<Option<NonZeroU32>> {
        C::TransactionManager::transaction_manager_status_mut(self.0).transaction_depth()
    }

    async fn batch(&mut self, sql: &str) -> QueryResult<()> {
        self.asks();
        let done = quietly(self.0.batch_execute(sql)).await;
        self.answered(done)
    }

    type Store = Task;
}

impl<C> Link for Awaiting<'_, C>
where
    C: AsyncConnection<Backend: CacheDatabase>,
{
    type Backend = C::Backend;

    async fn texts(&mut self, sql: &str) -> QueryResult<Vec<Texts>> {
        self.asks();
        let answer = quietly(texts(self.0, sql)).await;
        self.answered(answer)
    }
}
