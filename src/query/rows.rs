//! How rows cross the cache, for each database.

use diesel::result::QueryResult;
use diesel::row::Row;

use crate::key::RowForm;
use crate::statement::CacheDatabase;

mod cells;
#[cfg(any(feature = "postgres_backend", feature = "mysql_backend"))]
mod raw;
#[cfg(any(feature = "postgres_backend", feature = "mysql_backend"))]
mod raw_bytes;
#[cfg(feature = "sqlite")]
mod replay;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(all(test, feature = "sqlite"))]
mod tests;
mod typed;
#[cfg(any(
    feature = "sqlite",
    feature = "postgres_backend",
    feature = "mysql_backend"
))]
mod wire;

pub(crate) use self::cells::DatabaseCells;
pub(crate) use self::typed::Typed;

/// How rows of type `U`, selected as `ST`, cross the cache when they come from this database.
///
/// On PostgreSQL and MySQL the cells are stored as the server sent them, so any `U`
/// that Diesel can load will do. SQLite's cells cannot outlive their statement, so
/// the values themselves are stored, and must be `Clone + Send + Sync`. A store outside of
/// the process is given the cells, on every database.
#[diagnostic::on_unimplemented(
    message = "rows of type `{U}` cannot be cached when they come from `{Self}`",
    label = "this row type cannot be cached on `{Self}`",
    note = "on SQLite, cached rows must be `Clone + Send + Sync + 'static`: derive `Clone` on `{U}`"
)]
pub trait DatabaseRows<ST, U>: CacheDatabase {
    /// The rows of one result.
    type Stored: Stored<Self>;

    /// The row at an index, or `None` past the last.
    fn row(stored: &Self::Stored, index: usize) -> Option<QueryResult<U>>;
}

/// What the rows of a result are collected for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// To be stored in this process.
    Values,
    /// To be stored as bytes: whatever [`Stored::encode`] needs is kept as well.
    Bytes,
}

/// The rows of one result, as they are stored.
pub trait Stored<DB: CacheDatabase>: Sized + Send + Sync + 'static {
    /// How they are stored.
    const FORM: RowForm;

    /// No rows yet.
    fn new(keep: Keep) -> Self;

    /// Adds a row.
    ///
    /// # Errors
    /// If the row cannot be read. That its bytes cannot be kept is no error.
    fn push<'a, R>(&mut self, row: &R) -> QueryResult<()>
    where
        R: Row<'a, DB>;

    /// What the rows weigh, in bytes.
    fn weight(&self) -> usize;

    /// Whether there are no rows.
    fn is_empty(&self) -> bool;

    /// The rows as bytes, or `None` if these rows cannot cross as bytes, or were not collected
    /// for it.
    fn encode(&self) -> Option<Vec<u8>>;

    /// Rows from the bytes of [`encode`](Self::encode); `None` for bytes of whatever else, and
    /// for those of another library, version or platform. It never panics, and allocates no more
    /// than a constant factor of the length of the bytes.
    fn decode(bytes: &[u8]) -> Option<Self>;

    /// A digest of what the bytes must agree in: readers that differ in it cannot read each
    /// other's bytes. Part of a key, it keeps them from overwriting each other's entries in turns.
    fn fingerprint() -> [u8; 16];
}
