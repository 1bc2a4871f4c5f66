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
    note = "on SQLite and on `MultiConnection`, cached rows must be `Clone + Send + Sync + 'static`: derive `Clone` on `{U}`"
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

    /// The row at an index, or `None` past the last.
    fn row(stored: &Self::Stored, index: usize) -> Option<QueryResult<U>>;
}

/// Values of the row type, and the length of their texts and blobs.
#[derive(Debug)]
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
    pub fn push<'a, DB, ST, R>(&mut self, row: &R) -> QueryResult<()>
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
    #[must_use]
    pub fn weight(&self) -> usize {
        self.bytes + self.rows.len() * size_of::<U>()
    }
}

/// Stores the values themselves; for databases whose cells cannot outlive their statement.
#[doc(hidden)]
#[macro_export]
macro_rules! __typed_rows {
    ($database:ty) => {
        impl<ST, U> $crate::DatabaseRows<ST, U> for $database
        where
            U: ::diesel::deserialize::FromSqlRow<ST, $database>
                + ::core::clone::Clone
                + ::core::marker::Send
                + ::core::marker::Sync
                + 'static,
        {
            type Stored = $crate::__private::Typed<U>;

            const FORM: $crate::__private::RowForm = $crate::__private::RowForm::Typed;

            fn push<'a, R>(stored: &mut Self::Stored, row: &R) -> ::diesel::QueryResult<()>
            where
                R: ::diesel::row::Row<'a, Self>,
            {
                stored.push::<Self, ST, R>(row)
            }

            fn weight(stored: &Self::Stored) -> usize {
                stored.weight()
            }

            fn row(
                stored: &Self::Stored,
                index: usize,
            ) -> ::core::option::Option<::diesel::QueryResult<U>> {
                stored.get(index)
            }
        }
    };
}

impl<U: Clone> Typed<U> {
    /// A copy of the row at an index, or `None` past the last.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<QueryResult<U>> {
        self.rows.get(index).cloned().map(Ok)
    }
}

#[cfg(feature = "sqlite")]
crate::__typed_rows!(diesel::sqlite::Sqlite);

#[cfg(any(feature = "postgres", feature = "mysql"))]
mod raw;
