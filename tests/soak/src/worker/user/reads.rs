//! Cached reads.

use diesel::result::QueryResult;
use smallvec::SmallVec;

use super::{Broken, Conn, User, raw, typed};
use crate::clock::now;
use crate::event::{Found, Time};
use crate::layout::{Key, OWNERS, TABLES, TYPED, owned};

/// With how many other tables a table is joined.
const OTHERS: usize = 3;

/// `id`, `owner` and `value` of a row.
pub(super) type Cells = (i64, i64, i64);

/// How a read is told apart from others'.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) report: &'a diesel_cache::Report,
    /// Who is asking, where the read is of one owner's.
    pub(super) scope: Option<i64>,
}

impl User {
    /// One of the reads of the workload.
    pub(super) fn read(&mut self, conn: &mut Conn) -> Result<(), Broken> {
        let key = self.popular();
        match self.chance.below(100) {
            0..45 => self.read_one(conn, key),
            45..60 => self.read_mine(conn, key),
            60..78 => self.read_group(conn, key.table(), key.owner()),
            78..88 => self.read_highest(conn, key.table(), key.owner()),
            _ => {
                let other = (key.table() + 1 + self.chance.below(OTHERS)) % TABLES;
                self.read_pairs(conn, key, other)
            }
        }
    }

    /// All that is read of an owner's rows in a table.
    pub(super) fn read_all(
        &mut self,
        conn: &mut Conn,
        (table, owner): (usize, usize),
    ) -> Result<(), Broken> {
        self.read_group(conn, table, owner)?;
        self.read_highest(conn, table, owner)?;
        for key in owned(table, owner) {
            self.read_one(conn, key)?;
            self.read_mine(conn, key)?;
        }
        for other in 1..=OTHERS {
            self.read_pairs(conn, Key::new(table, owner), (table + other) % TABLES)?;
        }
        Ok(())
    }

    /// A row by its key.
    pub(super) fn read_one(&mut self, conn: &mut Conn, key: Key) -> Result<(), Broken> {
        let start = now();
        let asked = self.asked(None);
        let rows = if key.table() < TYPED {
            typed::one(conn, key, asked)
        } else {
            raw::one(conn, key, asked)
        };
        self.found(start, &[key], rows)
    }

    /// A row that the reader owns; others who ask for it get none.
    fn read_mine(&mut self, conn: &mut Conn, key: Key) -> Result<(), Broken> {
        let stranger = self.chance.percent(20);
        let owner = if stranger {
            (key.owner() + 1) % OWNERS
        } else {
            key.owner()
        };
        let start = now();
        let asked = self.asked(Some(owner as i64));
        let rows = if key.table() < TYPED {
            typed::mine(conn, key, owner as i64, asked)
        } else {
            raw::mine(conn, key, owner as i64, asked)
        };
        let keys = if stranger { &[][..] } else { &[key] };
        self.found(start, keys, rows)
    }

    /// All rows of an owner in a table.
    fn read_group(&mut self, conn: &mut Conn, table: usize, owner: usize) -> Result<(), Broken> {
        let start = now();
        let asked = self.asked(Some(owner as i64));
        let rows = if table < TYPED {
            typed::group(conn, table, owner as i64, asked)
        } else {
            raw::group(conn, table, owner as i64, asked)
        };
        let keys: SmallVec<[Key; 8]> = owned(table, owner).collect();
        self.found(start, &keys, rows)
    }

    /// The highest value of an owner's rows in a table.
    fn read_highest(&mut self, conn: &mut Conn, table: usize, owner: usize) -> Result<(), Broken> {
        let start = now();
        let asked = self.asked(None);
        let highest = if table < TYPED {
            typed::highest(conn, table, owner as i64, asked)
        } else {
            raw::highest(conn, table, owner as i64, asked)
        };
        let keys = owned(table, owner).collect();
        match highest {
            Ok(Some(value)) => {
                let found = Found::Highest(keys, value.unsigned_abs());
                self.log.read(start, self.origin(), found);
                Ok(())
            }
            Ok(None) => {
                self.log.foreign(Key::new(table, owner));
                Ok(())
            }
            Err(error) => self.failed(&error),
        }
    }

    /// The rows of an owner in two tables, side by side.
    fn read_pairs(&mut self, conn: &mut Conn, key: Key, other: usize) -> Result<(), Broken> {
        let (table, owner) = (key.table(), key.owner());
        let start = now();
        let asked = self.asked(None);
        let pairs = raw::pairs(conn, table, other, owner as i64, asked);
        let left = owned(table, owner);
        let right = owned(other, owner);
        let keys: SmallVec<[Key; 16]> = left.zip(right).flat_map(|(a, b)| [a, b]).collect();
        let rows = pairs.map(|pairs| {
            let both = |(a, b): (Cells, i64)| [a, (a.0, a.1, b)];
            pairs.into_iter().flat_map(both).collect()
        });
        self.found(start, &keys, rows)
    }

    fn asked(&self, scope: Option<i64>) -> Asked<'_> {
        Asked {
            report: &self.report,
            scope,
        }
    }

    /// Writes down what was found. It must be exactly these rows, in their order.
    fn found(
        &mut self,
        start: Time,
        keys: &[Key],
        rows: QueryResult<Vec<Cells>>,
    ) -> Result<(), Broken> {
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => return self.failed(&error),
        };
        let is = |key: &Key, row: &Cells| key.id() == row.0 && key.owner() as i64 == row.1;
        let same = keys.len() == rows.len();
        if !same || keys.iter().zip(&rows).any(|(key, row)| !is(key, row)) {
            let strange = rows.first().map_or(0, |row| row.0.unsigned_abs() as usize);
            let key = keys.first().copied();
            self.log
                .foreign(key.unwrap_or_else(|| Key::new(0, strange % crate::layout::ROWS)));
            return Ok(());
        }
        let values = keys.iter().zip(rows);
        let values = values.map(|(key, row)| (*key, row.2.unsigned_abs()));
        let found = Found::Rows(values.collect());
        self.log.read(start, self.origin(), found);
        Ok(())
    }

    fn failed(&mut self, error: &diesel::result::Error) -> Result<(), Broken> {
        log::debug!("a read failed: {error}");
        self.log.failed();
        Err(Broken)
    }
}
