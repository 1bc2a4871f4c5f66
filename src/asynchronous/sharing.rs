//! A connection to PostgreSQL that several futures read on at once: their statements overlap.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;

use diesel::pg::Pg;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel_async::{AsyncConnectionCore, AsyncPgConnection, SimpleAsyncConnection};

use crate::asynchronous::CacheReader;
use crate::asynchronous::link::{quietly, texts};
use crate::asynchronous::reader::load;
use crate::asynchronous::task::Task;
use crate::connection::introspect::Texts;
use crate::connection::{Link, Tracker, Wire, view};
use crate::dependencies::Dependencies;
use crate::query::{Keep, Observer, Options, Reader, Stored, execute};
use crate::statement;

/// A connection that a future has together with others.
struct Sharing<'c> {
    conn: &'c AsyncPgConnection,
    /// What its tracker knew when the read began.
    view: Option<Box<Tracker>>,
}

impl<'c> Sharing<'c> {
    fn new(mut conn: &'c AsyncPgConnection) -> Self {
        let view = view::ask(|| drop(conn.load(statement::Question("SELECT 1"))));
        Self {
            conn,
            view: view.map(Box::new),
        }
    }
}

impl Wire for Sharing<'_> {
    fn tracker(&mut self) -> Option<&mut Tracker> {
        self.view.as_deref_mut()
    }

    // rule: who-shares-a-transaction-reads-the-database
    fn is_undisturbed(&mut self) -> bool {
        let now = Self::new(self.conn).view;
        match (&self.view, now) {
            (Some(before), Some(now)) => now.is_undisturbed_since(before),
            _ => false,
        }
    }

    fn depth(&mut self) -> QueryResult<Option<NonZeroU32>> {
        // It is asked of what commits, and that has the connection for itself.
        Ok(None)
    }

    async fn batch(&mut self, sql: &str) -> QueryResult<()> {
        quietly(self.conn.batch_execute(sql)).await
    }

    type Store = Task;
}

impl Link for Sharing<'_> {
    type Backend = Pg;

    async fn texts(&mut self, sql: &str) -> QueryResult<Vec<Texts>> {
        quietly(texts(&mut self.conn, sql)).await
    }
}

impl<Q, S> Reader<Q, S> for Sharing<'_>
where
    Q: Query + QueryFragment<Pg> + QueryId + Send,
    S: Stored<Pg>,
{
    fn read(
        &mut self,
        query: Q,
        keep: Keep,
        observer: Option<&mut Observer<'_>>,
        within: Option<&Dependencies>,
    ) -> impl Future<Output = QueryResult<Arc<S>>> + Send {
        load(&mut self.conn, query, keep, observer, within)
    }
}

impl CacheReader for &AsyncPgConnection {
    async fn read_cached<Q, S>(
        &mut self,
        query: Q,
        options: Options,
        row_type: &'static str,
    ) -> QueryResult<Arc<S>>
    where
        Q: Query + QueryFragment<Pg> + QueryId + Send,
        S: Stored<Pg>,
    {
        let mut conn = Sharing::new(self);
        Box::pin(execute(query, options, &mut conn, row_type)).await
    }
}
