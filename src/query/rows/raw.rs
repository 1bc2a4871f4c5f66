//! Rows as the server sent them.

use std::ops::Range;
use std::sync::Arc;

use diesel::result::{Error, QueryResult};
use diesel::row::{Field, PartialRow, Row, RowIndex, RowSealed};

use crate::key::RowForm;
use crate::query::rows::{Keep, Stored, raw_bytes};
use crate::statement::CacheDatabase;

/// A database whose cells are bytes with a type.
pub trait RawDatabase: CacheDatabase {
    /// The type of a cell.
    type CellType: Copy + PartialEq + Send + Sync + 'static;

    /// A cell's bytes and type.
    fn cell<'v>(value: &'v Self::RawValue<'_>) -> (&'v [u8], Self::CellType);

    /// A cell made from bytes and a type.
    fn value<'a>(bytes: &'a [u8], cell_type: &'a Self::CellType) -> Self::RawValue<'a>;

    /// The number that a type of cells has in every process, or `None` if it has none.
    fn number(cell_type: &Self::CellType) -> Option<u32>;

    /// The type of that [`number`](Self::number).
    fn cell_type(number: u32) -> Option<Self::CellType>;

    /// Whether a cell of that type may have these bytes.
    fn fits(bytes: &[u8], cell_type: &Self::CellType) -> bool;

    /// What decides how a cell's bytes are read, besides the platform and the version of this
    /// library.
    fn platform() -> String;
}

/// The rows of one result: all cells in one buffer.
pub struct RawRows<DB: RawDatabase> {
    pub(super) columns: Arc<[Column<DB>]>,
    pub(super) bytes: Vec<u8>,
    /// Where each cell lies in `bytes`; `None` for NULL.
    pub(super) cells: Vec<Option<Range<usize>>>,
    pub(super) rows: usize,
}

pub(super) struct Column<DB: RawDatabase> {
    pub(super) name: Option<Box<str>>,
    /// Known from the first cell that is not NULL.
    pub(super) cell_type: Option<DB::CellType>,
}

impl<DB: RawDatabase> std::fmt::Debug for RawRows<DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawRows")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl<DB: RawDatabase> Default for RawRows<DB> {
    fn default() -> Self {
        Self {
            columns: Arc::from([]),
            bytes: Vec::new(),
            cells: Vec::new(),
            rows: 0,
        }
    }
}

fn unstorable(why: &str) -> Error {
    Error::DeserializationError(why.into())
}

impl<DB: RawDatabase> RawRows<DB> {
    pub(super) fn add<'a, R: Row<'a, DB>>(&mut self, row: &R) -> QueryResult<()> {
        let count = row.field_count();
        if self.rows == 0 {
            self.columns = (0..count)
                .map(|index| Column {
                    name: Row::get(row, index)
                        .as_ref()
                        .and_then(Field::field_name)
                        .map(Box::from),
                    cell_type: None,
                })
                .collect();
        }
        for index in 0..count {
            let field = Row::get(row, index).ok_or_else(|| unstorable("a column is missing"))?;
            let Some(value) = field.value() else {
                self.cells.push(None);
                continue;
            };
            let (bytes, cell_type) = DB::cell(&value);
            let column = Arc::get_mut(&mut self.columns)
                .and_then(|columns| columns.get_mut(index))
                .ok_or_else(|| unstorable("rows differ in their number of columns"))?;
            if *column.cell_type.get_or_insert(cell_type) != cell_type {
                return Err(unstorable("rows differ in a column's type"));
            }
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            self.cells.push(Some(start..self.bytes.len()));
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn row(&self, index: usize) -> Option<RawRow<'_, DB>> {
        (index < self.rows).then_some(RawRow { rows: self, index })
    }
}

/// One stored row, as Diesel reads rows.
pub(super) struct RawRow<'s, DB: RawDatabase> {
    rows: &'s RawRows<DB>,
    index: usize,
}

/// One stored cell.
pub(super) struct RawField<'s, DB: RawDatabase> {
    column: &'s Column<DB>,
    bytes: Option<&'s [u8]>,
}

impl<DB: RawDatabase> RowSealed for RawRow<'_, DB> {}

impl<DB: RawDatabase> RowIndex<usize> for RawRow<'_, DB> {
    fn idx(&self, index: usize) -> Option<usize> {
        (index < self.rows.columns.len()).then_some(index)
    }
}

impl<'i, DB: RawDatabase> RowIndex<&'i str> for RawRow<'_, DB> {
    fn idx(&self, name: &'i str) -> Option<usize> {
        self.rows
            .columns
            .iter()
            .position(|column| column.name.as_deref() == Some(name))
    }
}

impl<'s, DB: RawDatabase> Row<'s, DB> for RawRow<'s, DB> {
    type Field<'f>
        = RawField<'f, DB>
    where
        's: 'f,
        Self: 'f;
    type InnerPartialRow = Self;

    fn field_count(&self) -> usize {
        self.rows.columns.len()
    }

    fn get<'b, I>(&'b self, index: I) -> Option<Self::Field<'b>>
    where
        's: 'b,
        Self: RowIndex<I>,
    {
        let index = self.idx(index)?;
        let cell = self
            .rows
            .cells
            .get(self.index * self.field_count() + index)?;
        let bytes = match cell {
            Some(range) => Some(self.rows.bytes.get(range.clone())?),
            None => None,
        };
        Some(RawField {
            column: self.rows.columns.get(index)?,
            bytes,
        })
    }

    fn partial_row(&self, range: Range<usize>) -> PartialRow<'_, Self::InnerPartialRow> {
        PartialRow::new(self, range)
    }
}

impl<'f, DB: RawDatabase> Field<'f, DB> for RawField<'f, DB> {
    fn field_name(&self) -> Option<&str> {
        self.column.name.as_deref()
    }

    fn value(&self) -> Option<DB::RawValue<'_>> {
        Some(DB::value(self.bytes?, self.column.cell_type.as_ref()?))
    }
}

impl<DB: RawDatabase> Stored<DB> for RawRows<DB> {
    const FORM: RowForm = RowForm::Raw;

    fn new(_: Keep) -> Self {
        Self::default()
    }

    fn push<'a, R: Row<'a, DB>>(&mut self, row: &R) -> QueryResult<()> {
        self.add(row)
    }

    fn weight(&self) -> usize {
        self.bytes.len() + self.cells.len() * size_of::<Option<Range<usize>>>()
    }

    fn is_empty(&self) -> bool {
        self.rows == 0
    }

    fn encode(&self) -> Option<Vec<u8>> {
        self.to_bytes()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::from_bytes(bytes)
    }

    fn fingerprint() -> [u8; 16] {
        raw_bytes::fingerprint::<DB>()
    }
}

/// Stores the cells as the server sent them.
macro_rules! raw_rows {
    ($database:ty) => {
        impl<ST, U> crate::query::DatabaseRows<ST, U> for $database
        where
            U: diesel::deserialize::FromSqlRow<ST, $database>,
        {
            type Stored = RawRows<$database>;

            fn row(stored: &Self::Stored, index: usize) -> Option<QueryResult<U>> {
                let row = stored.row(index)?;
                Some(U::build_from_row(&row).map_err(diesel::result::Error::DeserializationError))
            }
        }

        impl crate::query::rows::DatabaseCells for $database {
            type Cells = RawRows<$database>;

            fn keep<'a, R>(cells: &mut Self::Cells, row: &R) -> QueryResult<()>
            where
                R: diesel::row::Row<'a, Self>,
            {
                cells.add(row)
            }

            fn encode(cells: &Self::Cells) -> Option<Vec<u8>> {
                cells.to_bytes()
            }

            fn replay<ST, U>(bytes: &[u8]) -> Option<Vec<U>>
            where
                U: diesel::deserialize::FromSqlRow<ST, Self>,
            {
                raw_bytes::replay(bytes)
            }

            fn fingerprint() -> [u8; 16] {
                raw_bytes::fingerprint::<$database>()
            }
        }
    };
}

#[cfg(feature = "mysql_backend")]
mod mysql;
#[cfg(feature = "postgres_backend")]
mod postgres;
#[cfg(test)]
mod tests;
