//! The columns of tables, and how their values are compared.

use std::collections::BTreeMap;

use super::{Catalogue, Relation};
use crate::datum::Comparison;
use crate::footprint::Name;

/// What is told of a thing, perhaps several times.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Known<T> {
    /// Nothing.
    #[default]
    NotTold,
    /// This, each time.
    Told(T),
    /// Now this and now that, or that it cannot be told.
    Contradictory,
}

impl<T: PartialEq> Known<T> {
    /// Adds what is told once more; `None` if it cannot be told.
    pub fn tell(&mut self, told: Option<T>) {
        *self = match (std::mem::take(self), told) {
            (Self::NotTold, Some(told)) => Self::Told(told),
            (Self::Told(before), Some(told)) if before == told => Self::Told(told),
            _ => Self::Contradictory,
        };
    }
}

/// The columns of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    /// All columns that a statement can name.
    pub columns: BTreeMap<Name, ColumnInfo>,
    /// The columns of the primary key, in its order. None of them is ever NULL. Empty if
    /// there is none that is certain.
    pub primary: Vec<Name>,
}

/// What is known of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColumnInfo {
    /// How its values are compared.
    pub comparison: Comparison,
    /// Whether an update may change it without its standing in `SET`, and to another value
    /// than stands there: generated columns, those that the server sets.
    pub set_by_server: bool,
}

impl Shape {
    /// The shape of a table of those columns and that primary key, by their names as the
    /// database spells them.
    ///
    /// `None` where two names are one for this crate. There is no primary key if it has a
    /// column that the table has not.
    // rule: columns-that-differ-by-case-make-no-shape
    #[must_use]
    pub fn new<N: AsRef<str>>(
        columns: impl IntoIterator<Item = (N, ColumnInfo)>,
        primary: impl IntoIterator<Item = N>,
    ) -> Option<Self> {
        let fold = |name: &N| Name::from(name.as_ref().to_lowercase());
        let mut shape = Self::default();
        for (name, info) in columns {
            if shape.columns.insert(fold(&name), info).is_some() {
                return None;
            }
        }
        let primary: Vec<Name> = primary.into_iter().map(|name| fold(&name)).collect();
        if primary.iter().all(|name| shape.columns.contains_key(name)) {
            shape.primary = primary;
        }
        Some(shape)
    }
}

impl Relation {
    /// Whatever an update of the relation sets, it may set that column, too. Returns whether
    /// that is known of it now.
    pub fn sets_besides(&mut self, column: &str) -> bool {
        let Known::Told(shape) = &mut self.shape else {
            return false;
        };
        let column = shape.columns.get_mut(column);
        column.is_some_and(|column| {
            column.set_by_server = true;
            true
        })
    }

    /// The columns, if it is a table that keeps its rows for itself, and shows each of them
    /// to everybody.
    // rule: only-a-plain-table-has-a-shape
    #[must_use]
    pub fn shape(&self) -> Option<&Shape> {
        let plain = self.views.is_empty()
            && self.family.is_empty()
            && !self.uncacheable
            && !self.row_security
            && self.also_reads.is_empty()
            && self.on_access.is_empty();
        match &self.shape {
            Known::Told(shape) if plain => Some(shape),
            _ => None,
        }
    }
}

impl Catalogue {
    /// Tells the columns of no table any longer.
    pub fn forget_shapes(&mut self) {
        for relation in self.relations.values_mut() {
            relation.shape = Known::Contradictory;
        }
    }

    /// The columns of a table of that name: see [`Relation::shape`].
    #[must_use]
    pub fn shape(&self, table: &str) -> Option<&Shape> {
        self.relations.get(table)?.shape()
    }
}
