//! The columns of tables, and how each database compares their values.

pub(super) mod mysql;
pub(super) mod postgres;
pub(super) mod sqlite;

use crate::catalogue::{ColumnInfo, Shape};

/// The columns of a table and its primary key, as they are told.
#[derive(Debug, Default)]
struct Told {
    columns: Vec<(String, ColumnInfo)>,
    /// The columns of the primary key, each with its place.
    primary: Vec<(u32, String)>,
    /// Whether it is no table to have a shape.
    odd: bool,
}

impl Told {
    /// Adds a column of the primary key; no key is certain if its place is no number.
    fn key(&mut self, place: &str, name: &str) {
        match place.parse() {
            Ok(place) => self.primary.push((place, name.to_owned())),
            Err(_) => self.odd = true,
        }
    }

    fn shape(mut self) -> Option<Shape> {
        self.primary.sort();
        let primary = self.primary.into_iter().map(|(_, name)| name);
        let shape = Shape::new(self.columns, primary);
        shape.filter(|_| !self.odd)
    }
}
