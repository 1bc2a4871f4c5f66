//! SQLite's cells, copied out of their statement.

use std::ops::Range;

use diesel::deserialize::FromSqlRow;
use diesel::result::{Error, QueryResult};
use diesel::row::{Field, Row};
use diesel::sqlite::{Sqlite, SqliteType};

use crate::codec::{self, Bytes};
use crate::query::rows::replay::{Replay, Value};
use crate::query::rows::wire;
use crate::query::rows::{DatabaseCells, DatabaseRows, Typed};

/// The cells of one result.
#[derive(Debug, Default)]
pub struct SqliteCells {
    names: Vec<Box<str>>,
    bytes: Vec<u8>,
    cells: Vec<Cell>,
    rows: usize,
}

#[derive(Debug)]
enum Cell {
    Null,
    Integer(i64),
    Double(f64),
    /// Where it lies in the bytes.
    Text(Range<usize>),
    Blob(Range<usize>),
}

/// A kind, and its number or bytes.
type WireCell<'a> = (u8, i64, Bytes<'a>);

/// Names, the number of rows, and all cells, row by row.
type WireRows<'a> = (Vec<&'a str>, u64, Vec<WireCell<'a>>);

fn unstorable(why: &str) -> Error {
    Error::DeserializationError(why.into())
}

impl SqliteCells {
    fn add<'a, R: Row<'a, Sqlite>>(&mut self, row: &R) -> QueryResult<()> {
        let count = row.field_count();
        for index in 0..count {
            let field = Row::get(row, index).ok_or_else(|| unstorable("a column is missing"))?;
            if self.rows == 0 {
                let name = field.field_name();
                let name = name.ok_or_else(|| unstorable("a column has no name"))?;
                self.names.push(name.into());
            }
            let cell = self.cell(&field)?;
            self.cells.push(cell);
        }
        if count != self.names.len() {
            return Err(unstorable("rows differ in their number of columns"));
        }
        self.rows += 1;
        Ok(())
    }

    fn cell<'f>(&mut self, field: &impl Field<'f, Sqlite>) -> QueryResult<Cell> {
        let Some(mut value) = field.value() else {
            return Ok(Cell::Null);
        };
        Ok(match value.value_type() {
            None => Cell::Null,
            Some(SqliteType::SmallInt | SqliteType::Integer | SqliteType::Long) => {
                Cell::Integer(value.read_long())
            }
            Some(SqliteType::Float | SqliteType::Double) => Cell::Double(value.read_double()),
            Some(SqliteType::Text) => {
                let range = self.append(value.read_blob());
                // rule: a-text-that-is-not-its-bytes-is-not-kept
                // Neither one that is not UTF-8, nor one of a database in UTF-16.
                if self.bytes.get(range.clone()) != Some(value.read_text().as_bytes()) {
                    return Err(unstorable("a text is not its bytes"));
                }
                Cell::Text(range)
            }
            Some(SqliteType::Binary) => Cell::Blob(self.append(value.read_blob())),
        })
    }

    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    fn to_bytes(&self) -> Option<Vec<u8>> {
        if !wire::is_table(self.names.len(), self.rows, self.cells.len()) {
            return None;
        }
        let names = self.names.iter().map(|name| &**name).collect();
        let mut cells: Vec<WireCell<'_>> = Vec::with_capacity(self.cells.len());
        let none = Bytes(&[]);
        for cell in &self.cells {
            cells.push(match cell {
                Cell::Null => (0, 0, none),
                Cell::Integer(number) => (1, *number, none),
                Cell::Double(number) => (2, number.to_bits().cast_signed(), none),
                Cell::Text(range) => (3, 0, Bytes(self.bytes.get(range.clone())?)),
                Cell::Blob(range) => (4, 0, Bytes(self.bytes.get(range.clone())?)),
            });
        }
        let rows: WireRows<'_> = (names, self.rows as u64, cells);
        codec::seal(Sqlite::fingerprint(), &rows)
    }
}

fn value<'a>((kind, number, bytes): WireCell<'a>) -> Option<Value<'a>> {
    Some(match (kind, number, bytes.0) {
        (0, 0, []) => Value::Null,
        (1, number, []) => Value::Integer(number),
        (2, bits, []) => Value::Double(f64::from_bits(bits.cast_unsigned())),
        (3, 0, bytes) => Value::Text(std::str::from_utf8(bytes).ok()?),
        (4, 0, bytes) => Value::Blob(bytes),
        _ => return None,
    })
}

impl DatabaseCells for Sqlite {
    type Cells = SqliteCells;

    fn keep<'a, R>(cells: &mut SqliteCells, row: &R) -> QueryResult<()>
    where
        R: Row<'a, Self>,
    {
        cells.add(row)
    }

    fn encode(cells: &SqliteCells) -> Option<Vec<u8>> {
        cells.to_bytes()
    }

    fn replay<ST, U>(bytes: &[u8]) -> Option<Vec<U>>
    where
        U: FromSqlRow<ST, Self>,
    {
        let (names, rows, cells): WireRows<'_> = codec::open(Self::fingerprint(), bytes)?;
        if !wire::is_table(names.len(), usize::try_from(rows).ok()?, cells.len()) {
            return None;
        }
        if rows == 0 {
            return Some(Vec::new());
        }
        let cells = cells.into_iter().map(value).collect::<Option<Vec<_>>>()?;
        Replay::new(names, cells)?.rows()
    }

    fn fingerprint() -> [u8; 16] {
        wire::fingerprint("cells of SQLite", "")
    }
}

impl<ST, U> DatabaseRows<ST, U> for Sqlite
where
    ST: 'static,
    U: FromSqlRow<ST, Self> + Clone + Send + Sync + 'static,
{
    type Stored = Typed<Self, ST, U>;

    fn row(stored: &Self::Stored, index: usize) -> Option<QueryResult<U>> {
        stored.as_ref().get(index).cloned().map(Ok)
    }
}
