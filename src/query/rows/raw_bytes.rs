//! Rows as the server sent them, as bytes.

use std::sync::Arc;

use diesel::deserialize::FromSqlRow;

use super::raw::{Column, RawDatabase, RawRows};
use super::wire;
use crate::codec::{self, Bytes};

/// A name and, if any cell is not NULL, the number of the type.
type WireColumn<'a> = (Option<&'a str>, Option<u32>);

/// Columns, the number of rows, and all cells, row by row.
type WireRows<'a> = (Vec<WireColumn<'a>>, u64, Vec<Option<Bytes<'a>>>);

impl<DB: RawDatabase> RawRows<DB> {
    pub(super) fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in self.columns.iter() {
            // A type that has no number cannot be told to another process.
            let cell_type = match &column.cell_type {
                Some(cell_type) => Some(DB::number(cell_type)?),
                None => None,
            };
            columns.push((column.name.as_deref(), cell_type));
        }
        if !wire::is_table(columns.len(), self.rows, self.cells.len()) {
            return None;
        }
        let mut cells = Vec::with_capacity(self.cells.len());
        for cell in &self.cells {
            cells.push(match cell {
                Some(range) => Some(Bytes(self.bytes.get(range.clone())?)),
                None => None,
            });
        }
        let rows: WireRows<'_> = (columns, self.rows as u64, cells);
        codec::seal(fingerprint::<DB>(), &rows)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (columns, rows, cells): WireRows<'_> = codec::open(fingerprint::<DB>(), bytes)?;
        let rows = usize::try_from(rows).ok()?;
        if !wire::is_table(columns.len(), rows, cells.len()) {
            return None;
        }
        let mut typed = Vec::with_capacity(columns.len());
        for (name, number) in columns {
            let cell_type = match number {
                Some(number) => Some(DB::cell_type(number)?),
                None => None,
            };
            typed.push(Column {
                name: name.map(Box::from),
                cell_type,
            });
        }
        let mut found = Self {
            columns: Arc::from(typed),
            bytes: Vec::with_capacity(bytes.len()),
            cells: Vec::with_capacity(cells.len()),
            rows,
        };
        for (index, cell) in cells.iter().enumerate() {
            let Some(Bytes(cell)) = cell else {
                found.cells.push(None);
                continue;
            };
            let column = found.columns.get(index % found.columns.len())?;
            // rule: a-cell-fits-its-type
            if !DB::fits(cell, column.cell_type.as_ref()?) {
                return None;
            }
            let start = found.bytes.len();
            found.bytes.extend_from_slice(cell);
            found.cells.push(Some(start..found.bytes.len()));
        }
        Some(found)
    }
}

pub(super) fn fingerprint<DB: RawDatabase>() -> [u8; 16] {
    wire::fingerprint("cells as the server sent them", &DB::platform())
}

/// The rows in the bytes, made as Diesel makes them from the server's.
pub(super) fn replay<DB, ST, U>(bytes: &[u8]) -> Option<Vec<U>>
where
    DB: RawDatabase,
    U: FromSqlRow<ST, DB>,
{
    let rows = RawRows::<DB>::from_bytes(bytes)?;
    let mut made = Vec::new();
    while let Some(row) = rows.row(made.len()) {
        made.push(U::build_from_row(&row).ok()?);
    }
    Some(made)
}
