//! How rows cross the cache, for each database.

use diesel::deserialize::FromSqlRow;
use diesel::result::{Error, QueryResult};
use diesel::row::{Field, Row};

use crate::key::RowForm;
use crate::statement::CacheDatabase;

/// How rows of type `U`, selected as `ST`, cross the cache when they come from this database.
///
/// On PostgreSQL and MySQL the cells are stored as the server sent them, so any `U`
/// that Diesel can load will do. SQLite's cells cannot outlive their statement, so
/// the values themselves are stored, and must be `Clone + Send + Sync`.
#[diagnostic::on_unimplemented(
    message = "rows of type `{U}` cannot be cached when they come from `{Self}`",
    label = "this row type cannot be cached on `{Self}`",
    note = "on SQLite, cached rows must be `Clone + Send + Sync + 'static`: derive `Clone` on `{U}`"
)]
pub trait DatabaseRows<ST, U>: CacheDatabase {
    /// The rows of one result.
    type Stored: Default + Send + Sync + 'static;

    /// How they are stored.
    const FORM: RowForm;

    /// Adds a row.
    ///
    /// # Errors
    /// If the row cannot be read.
    fn push<'a, R>(stored: &mut Self::Stored, row: &R) -> QueryResult<()>
    where
        R: Row<'a, Self>;

    /// What the rows weigh, in bytes.
    fn weight(stored: &Self::Stored) -> usize;

    /// Whether there are no rows.
    fn is_empty(stored: &Self::Stored) -> bool;

    /// The row at an index, or `None` past the last.
    fn row(stored: &Self::Stored, index: usize) -> Option<QueryResult<U>>;
}

/// Values of the row type, and the length of their texts and blobs.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "sqlite"),
    allow(unreachable_pub, reason = "only SQLite's rows name it in public")
)]
pub struct Typed<U> {
    pub(crate) rows: Vec<U>,
    pub(crate) bytes: usize,
}

impl<U> Default for Typed<U> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            bytes: 0,
        }
    }
}

impl<U> Typed<U> {
    /// Adds a row.
    ///
    /// # Errors
    /// If the row cannot be read.
    pub(crate) fn push<'a, DB, ST, R>(&mut self, row: &R) -> QueryResult<()>
    where
        DB: CacheDatabase,
        U: FromSqlRow<ST, DB>,
        R: Row<'a, DB>,
    {
        for index in 0..row.field_count() {
            let field = Row::get(row, index);
            self.bytes += field
                .as_ref()
                .and_then(Field::value)
                .map_or(0, DB::value_weight);
        }
        self.rows
            .push(U::build_from_row(row).map_err(Error::DeserializationError)?);
        Ok(())
    }

    /// What the rows weigh, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.bytes + self.rows.len() * size_of::<U>()
    }
}

#[cfg(feature = "sqlite")]
impl<ST, U> DatabaseRows<ST, U> for diesel::sqlite::Sqlite
where
    U: FromSqlRow<ST, Self> + Clone + Send + Sync + 'static,
{
    type Stored = Typed<U>;

    const FORM: RowForm = RowForm::Typed;

    fn push<'a, R>(stored: &mut Self::Stored, row: &R) -> QueryResult<()>
    where
        R: Row<'a, Self>,
    {
        stored.push::<Self, ST, R>(row)
    }

    fn weight(stored: &Self::Stored) -> usize {
        stored.weight()
    }

    fn is_empty(stored: &Self::Stored) -> bool {
        stored.rows.is_empty()
    }

    fn row(stored: &Self::Stored, index: usize) -> Option<QueryResult<U>> {
        stored.rows.get(index).cloned().map(Ok)
    }
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
mod raw;
