//! A connection that counts what it is asked.
//!
//! What the library itself asks of a database is out of the sight of instrumentation. It goes
//! over the connection all the same, so it is counted around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::connection::{
    AnsiTransactionManager, CacheSize, Connection, ConnectionSealed, Instrumentation,
    InstrumentationEvent, LoadConnection, SimpleConnection, TransactionManager,
};
use diesel::expression::QueryMetadata;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::result::{ConnectionResult, QueryResult};

/// A connection that counts the statements that it is given, and passes them on. A text of
/// several statements counts once; preparing a statement does not count.
pub(crate) struct Counted<C> {
    inner: C,
    asked: u64,
}

impl<C> Counted<C> {
    pub(crate) fn new(inner: C) -> Self {
        Self { inner, asked: 0 }
    }

    /// How many statements it was given.
    pub(crate) fn asked(&self) -> u64 {
        self.asked
    }
}

impl<C> ConnectionSealed for Counted<C> {}

impl<C: SimpleConnection> SimpleConnection for Counted<C> {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.asked += 1;
        self.inner.batch_execute(query)
    }
}

impl<C> Connection for Counted<C>
where
    C: Connection<TransactionManager = AnsiTransactionManager>,
{
    type Backend = C::Backend;
    type TransactionManager = AnsiTransactionManager;

    fn establish(url: &str) -> ConnectionResult<Self> {
        C::establish(url).map(Self::new)
    }

    fn execute_returning_count<T>(&mut self, source: &T) -> QueryResult<usize>
    where
        T: QueryFragment<Self::Backend> + QueryId,
    {
        self.asked += 1;
        self.inner.execute_returning_count(source)
    }

    fn transaction_state(
        &mut self,
    ) -> &mut <Self::TransactionManager as TransactionManager<Self>>::TransactionStateData {
        self.inner.transaction_state()
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.inner.instrumentation()
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.inner.set_instrumentation(instrumentation);
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        self.inner.set_prepared_statement_cache_size(size);
    }
}

impl<C> LoadConnection for Counted<C>
where
    C: LoadConnection + Connection<TransactionManager = AnsiTransactionManager>,
{
    type Cursor<'conn, 'query>
        = C::Cursor<'conn, 'query>
    where
        Self: 'conn;
    type Row<'conn, 'query>
        = C::Row<'conn, 'query>
    where
        Self: 'conn;

    fn load<'conn, 'query, T>(
        &'conn mut self,
        source: T,
    ) -> QueryResult<Self::Cursor<'conn, 'query>>
    where
        T: Query + QueryFragment<Self::Backend> + QueryId + 'query,
        Self::Backend: QueryMetadata<T::SqlType>,
    {
        self.asked += 1;
        self.inner.load(source)
    }
}

/// The statements that instrumentation is told of: those of the application.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<AtomicU64>);

impl Seen {
    pub(crate) fn statements(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Instrumentation for Seen {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { .. } = event {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
