//! What is known of a table.

use std::collections::{BTreeMap, BTreeSet};

use super::{Binds, MOST_COLUMNS, MOST_VALUES};
use crate::database::TagSpace;
use crate::datum::{Bound, Comparison, Datum};
use crate::footprint::Name;
use crate::footprint::columns::{Columns, Operand};
use crate::tag::{Part, Scope, Tag};

/// Columns whose values tell rows apart.
pub type Key = Vec<Name>;

/// The bytes of a key's value.
pub(super) type Value = Vec<u8>;

/// What is known of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedTable {
    /// Where it is.
    pub space: TagSpace,
    /// Its name.
    pub name: Name,
    /// Its columns, and how their values are compared.
    pub columns: BTreeMap<Name, Comparison>,
    /// Its keys: the primary key first. Never empty.
    pub keys: Vec<Key>,
    /// The columns that an update may change though they do not stand in `SET`.
    pub set_by_server: BTreeSet<Name>,
    /// Whether a zero that is inserted may be stored as another number.
    pub counts_for_zero: bool,
}

impl KeyedTable {
    /// The table, if its rows can be told apart: each column of a key is one of its own.
    #[must_use]
    pub fn new(
        space: TagSpace,
        name: Name,
        columns: BTreeMap<Name, Comparison>,
        keys: Vec<Key>,
    ) -> Option<Self> {
        let known = |column: &Name| columns.contains_key(column);
        let usable = !keys.is_empty()
            && keys
                .iter()
                .all(|key| !key.is_empty() && key.iter().all(known));
        usable.then_some(Self {
            space,
            name,
            columns,
            keys,
            set_by_server: BTreeSet::new(),
            counts_for_zero: false,
        })
    }

    pub(super) fn comparison(&self, column: &str) -> Comparison {
        self.columns.get(column).copied().unwrap_or_default()
    }

    pub(super) fn is_integer(&self, column: &str) -> bool {
        matches!(self.comparison(column), Comparison::Integers(..))
    }

    pub(super) fn primary(&self) -> &Key {
        &self.keys[0]
    }

    pub(super) fn tag(&self, scope: &Scope<'_>, part: Part<'_>) -> Tag {
        Tag::part(self.space, &self.name, scope, part)
    }

    /// The columns of all keys.
    pub(super) fn key_columns(&self) -> BTreeSet<&Name> {
        self.keys.iter().flatten().collect()
    }

    /// The columns to tell apart; `None` if they are too many, or all.
    // rule: what-is-no-column-of-the-table-changes-nothing
    pub(super) fn apart<'c>(&'c self, columns: &Columns) -> Option<Vec<&'c Name>> {
        let Columns::These(names) = columns else {
            return None;
        };
        let own = self.columns.keys().filter(|column| names.contains(*column));
        let is_other = |column: &&Name| !self.primary().contains(*column);
        let apart: Vec<&Name> = own.filter(is_other).take(MOST_COLUMNS + 1).collect();
        // Whoever sets one of all sets any.
        let all = self.columns.keys().filter(is_other).count();
        (apart.len() <= MOST_COLUMNS && (apart.len() < all || all < 2)).then_some(apart)
    }

    /// Whether a new row keeps these values in a column.
    // rule: a-zero-may-become-the-next-number
    pub(super) fn keeps(&self, column: &str, values: &BTreeSet<Value>) -> bool {
        let zero = self.zero(column);
        !(self.counts_for_zero && zero.is_some_and(|zero| values.contains(&zero)))
    }

    /// The zero of a column.
    pub(super) fn zero(&self, column: &str) -> Option<Value> {
        self.comparison(column).bytes(&Datum::Integer(0))
    }

    /// Adds the tags of columns.
    pub(super) fn columns_of(
        &self,
        scope: &Scope<'_>,
        columns: &Columns,
        tags: &mut BTreeSet<Tag>,
    ) {
        match self.apart(columns) {
            Some(columns) => {
                tags.extend(columns.iter().map(|c| self.tag(scope, Part::Column(c))));
            }
            None => {
                tags.insert(self.tag(scope, Part::Columns));
            }
        }
    }

    /// The values of a column that operands name; `None` if one of them is not known.
    pub(super) fn values(
        &self,
        column: &str,
        operands: &[Operand],
        binds: Binds<'_>,
    ) -> Option<BTreeSet<Value>> {
        let comparison = self.comparison(column);
        let mut values = BTreeSet::new();
        let mut add = |datum: &Datum| {
            values.insert(comparison.bytes(datum)?);
            (values.len() <= MOST_VALUES).then_some(())
        };
        for operand in operands {
            match operand {
                Operand::Integer(number) => add(&Datum::Integer(*number))?,
                Operand::Text(text) => add(&Datum::Text(text.clone()))?,
                Operand::Bool(flag) => add(&Datum::Bool(*flag))?,
                // rule: many-numbers-are-true
                Operand::Holds if comparison == Comparison::Bools => add(&Datum::Bool(true))?,
                Operand::Holds => return None,
                Operand::Bind(place) => {
                    for bound in binds.at(*place)? {
                        let Bound::Value(datum) = bound else {
                            return None;
                        };
                        add(datum)?;
                    }
                }
                Operand::Elements(place) => {
                    let [Bound::Elements(elements)] = binds.at(*place)? else {
                        return None;
                    };
                    elements.iter().try_for_each(&mut add)?;
                }
            }
        }
        Some(values)
    }

    /// The values of a key, made of those of its columns: each with each.
    pub(super) fn key_values(
        &self,
        key: &Key,
        mut of: impl FnMut(&Name) -> Option<BTreeSet<Value>>,
    ) -> Option<BTreeSet<Value>> {
        let mut all = BTreeSet::from([Value::new()]);
        for column in key {
            let values = of(column)?;
            if all.len().saturating_mul(values.len()) > MOST_VALUES {
                return None;
            }
            all = all
                .iter()
                .flat_map(|before| values.iter().map(move |value| joined(before, value)))
                .collect();
        }
        Some(all)
    }
}

/// A value after others: none is part of another.
pub(super) fn joined(before: &[u8], value: &[u8]) -> Value {
    let mut joined = before.to_vec();
    joined.extend_from_slice(&(value.len() as u64).to_le_bytes());
    joined.extend_from_slice(value);
    joined
}
