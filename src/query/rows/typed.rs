//! Rows as values of the row type.

use std::fmt;
use std::marker::PhantomData;

use diesel::deserialize::FromSqlRow;
use diesel::result::{Error, QueryResult};
use diesel::row::{Field, Row};

use crate::key::RowForm;
use crate::query::rows::{DatabaseCells, Keep, Stored};

/// Values of the row type, and the length of their texts and blobs.
#[cfg_attr(
    not(feature = "sqlite"),
    allow(unreachable_pub, reason = "only SQLite's rows name it in public")
)]
pub struct Typed<DB: DatabaseCells, ST, U> {
    rows: Vec<U>,
    bytes: usize,
    /// The cells that the rows were made from, where they are to become bytes.
    cells: Option<DB::Cells>,
    of: PhantomData<fn() -> ST>,
}

impl<DB: DatabaseCells, ST, U> fmt::Debug for Typed<DB, ST, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed")
            .field("rows", &self.rows.len())
            .finish_non_exhaustive()
    }
}

impl<DB: DatabaseCells, ST, U> AsRef<[U]> for Typed<DB, ST, U> {
    fn as_ref(&self) -> &[U] {
        &self.rows
    }
}

impl<DB, ST, U> Stored<DB> for Typed<DB, ST, U>
where
    DB: DatabaseCells,
    ST: 'static,
    U: FromSqlRow<ST, DB> + Send + Sync + 'static,
{
    const FORM: RowForm = RowForm::Typed;

    fn new(keep: Keep) -> Self {
        Self {
            rows: Vec::new(),
            bytes: 0,
            cells: (keep == Keep::Bytes).then(DB::Cells::default),
            of: PhantomData,
        }
    }

    fn push<'a, R>(&mut self, row: &R) -> QueryResult<()>
    where
        R: Row<'a, DB>,
    {
        // rule: a-row-is-made-before-its-cells-are-looked-at
        // A look may convert a cell in place: made after it, the row would be another than
        // without a cache. So the cells are kept as the row found them, and weighed at last.
        self.rows
            .push(U::build_from_row(row).map_err(Error::DeserializationError)?);
        // rule: cells-that-cannot-be-kept-are-not-stored
        if let Some(cells) = &mut self.cells
            && DB::keep(cells, row).is_err()
        {
            self.cells = None;
        }
        for index in 0..row.field_count() {
            let field = Row::get(row, index);
            let value = field.as_ref().and_then(Field::value);
            self.bytes += value.map_or(0, DB::value_weight);
        }
        Ok(())
    }

    fn weight(&self) -> usize {
        self.bytes + self.rows.len() * size_of::<U>()
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn encode(&self) -> Option<Vec<u8>> {
        DB::encode(self.cells.as_ref()?)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            rows: DB::replay(bytes)?,
            bytes: bytes.len(),
            cells: None,
            of: PhantomData,
        })
    }

    fn fingerprint() -> [u8; 16] {
        DB::fingerprint()
    }
}
