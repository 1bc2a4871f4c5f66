//! What a write touches.

use std::collections::BTreeSet;

use super::table::{Key, KeyedTable, Value, joined};
use super::{Binds, MOST_VALUES};
use crate::datum::Bound;
use crate::footprint::Name;
use crate::footprint::columns::{Change, Fixed, Rows};
use crate::tag::{Part, Scope, Tag};

/// At most so many tags stand for one statement.
const MOST_TAGS: usize = 1000;

/// What a write to `table` touches besides `any`; `None` if that is `wide`.
#[must_use]
pub fn touched(table: &KeyedTable, change: &Change, binds: Binds<'_>) -> Option<BTreeSet<Tag>> {
    let tags = match change {
        Change::Insert(rows) => inserted(table, rows, binds)?,
        Change::Delete { fixed } => deleted(table, fixed, binds),
        Change::Update {
            columns,
            becomes,
            fixed,
        } => {
            // rule: what-is-no-column-may-be-another-name-of-one
            // SQLite's `rowid`, a field of a composite column.
            let is_column = |name: &Name| table.columns.contains_key(name);
            if !columns.iter().all(is_column) {
                return None;
            }
            let becomes = |column: &Name| {
                let operand = becomes.get(column)?;
                table.values(column, std::slice::from_ref(operand), binds)
            };
            // rule: what-the-server-sets-is-set
            let mut columns: BTreeSet<Name> =
                columns.union(&table.set_by_server).cloned().collect();
            // rule: a-value-that-a-row-has-already-is-not-set
            columns.retain(|column| {
                let after = becomes(column).filter(|values| values.len() == 1);
                after.is_none() || after != fixed_column(table, column, fixed, binds)
            });
            updated(table, &columns, becomes, fixed, binds)
        }
    };
    (tags.len() <= MOST_TAGS).then_some(tags)
}

/// The values of a key in the rows that a write names, before it; or after it, if it adds them.
pub(super) fn values_of(
    table: &KeyedTable,
    key: &Key,
    change: &Change,
    binds: Binds<'_>,
) -> Option<BTreeSet<Value>> {
    match change {
        Change::Insert(rows) => added(table, key, rows, binds),
        Change::Update { fixed, .. } | Change::Delete { fixed } => {
            fixed_values(table, key, fixed, binds)
        }
    }
}

/// The values of a key that the rows must have which a statement names.
fn fixed_values(
    table: &KeyedTable,
    key: &Key,
    fixed: &Fixed,
    binds: Binds<'_>,
) -> Option<BTreeSet<Value>> {
    table.key_values(key, |column| fixed_column(table, column, fixed, binds))
}

/// The values of a column that the rows must have which a statement names.
fn fixed_column(
    table: &KeyedTable,
    column: &Name,
    fixed: &Fixed,
    binds: Binds<'_>,
) -> Option<BTreeSet<Value>> {
    // By way of another column, it would depend on the types of both.
    let given = fixed.get(column).filter(|given| given.through.is_empty())?;
    table.values(column, &given.operands, binds)
}

fn inserted(table: &KeyedTable, rows: &Rows, binds: Binds<'_>) -> Option<BTreeSet<Tag>> {
    let mut tags = Tags::new(table);
    tags.add(&Scope::All, Part::Added);
    for key in &table.keys {
        match added(table, key, rows, binds) {
            None if key == table.primary() => tags.add(&Scope::IsUnknown(key), Part::Made),
            values => tags.part_of(key, values.as_ref(), Part::Added),
        }
    }
    Some(tags.tags)
}

fn deleted(table: &KeyedTable, fixed: &Fixed, binds: Binds<'_>) -> BTreeSet<Tag> {
    let mut tags = Tags::new(table);
    tags.add(&Scope::All, Part::Removed);
    let mut address = None;
    for key in &table.keys {
        let values = fixed_values(table, key, fixed, binds);
        tags.part_of(key, values.as_ref(), Part::Removed);
        address = address.or(values.map(|values| (key, values)));
    }
    tags.addressed(address.as_ref(), Part::Removed);
    tags.tags
}

/// The values of a key in the rows that are added.
fn added(table: &KeyedTable, key: &Key, rows: &Rows, binds: Binds<'_>) -> Option<BTreeSet<Value>> {
    let mut values = BTreeSet::new();
    match rows {
        Rows::Listed(rows) => {
            for row in rows {
                // rule: a-value-that-is-not-given-is-not-known
                let one = table.key_values(key, |column| {
                    let operand = row.get(column)?;
                    let values = table.values(column, std::slice::from_ref(operand), binds)?;
                    table.keeps(column, &values).then_some(values)
                })?;
                // A list stands for other rows.
                values.extend((one.len() == 1).then_some(one)?);
            }
        }
        Rows::Bound {
            placeholder,
            columns,
        } => {
            let bound = binds.at(*placeholder)?;
            if bound.len() % columns.len() != 0 {
                return None;
            }
            for row in bound.chunks(columns.len()) {
                let mut value = Value::new();
                for column in key {
                    let at = columns.iter().position(|other| other == column)?;
                    let Bound::Value(datum) = row.get(at)? else {
                        return None;
                    };
                    let bytes = table.comparison(column).bytes(datum)?;
                    if !table.keeps(column, &BTreeSet::from([bytes.clone()])) {
                        return None;
                    }
                    value = joined(&value, &bytes);
                }
                values.insert(value);
            }
        }
    }
    (values.len() <= MOST_VALUES).then_some(values)
}

fn updated(
    table: &KeyedTable,
    columns: &BTreeSet<Name>,
    mut becomes: impl FnMut(&Name) -> Option<BTreeSet<Value>>,
    fixed: &Fixed,
    binds: Binds<'_>,
) -> BTreeSet<Tag> {
    let mut tags = Tags::new(table);
    let set: Vec<(&Name, Option<Value>)> = columns
        .iter()
        .map(|column| (column, becomes(column).and_then(only)))
        .collect();
    // rule: another-primary-key-is-another-row
    let renames = table
        .primary()
        .iter()
        .any(|column| columns.contains(column));
    let mut address = None;
    for key in &table.keys {
        let before = fixed_values(table, key, fixed, binds);
        let moves = key.iter().any(|column| columns.contains(column));
        if moves {
            // The columns of a key that are not set keep what they have.
            let after = table.key_values(key, |column| match columns.contains(column) {
                true => becomes(column),
                false => fixed_column(table, column, fixed, binds),
            });
            tags.part_of(key, before.as_ref(), Part::Removed);
            tags.part_of(key, after.as_ref(), Part::Added);
            // rule: a-row-that-moves-is-changed-where-it-comes-from-and-goes
            tags.columns_of(key, before.as_ref(), &set);
            tags.columns_of(key, after.as_ref(), &set);
        } else {
            if renames {
                tags.part_of(key, before.as_ref(), Part::Removed);
                tags.part_of(key, before.as_ref(), Part::Added);
            }
            tags.columns_of(key, before.as_ref(), &set);
        }
        address = address.or(before.map(|values| (key, values)));
    }
    let moves = table
        .key_columns()
        .iter()
        .any(|column| columns.contains(*column));
    if moves {
        tags.add(&Scope::All, Part::Added);
        tags.add(&Scope::All, Part::Removed);
        // rule: a-row-that-moves-goes-where-it-is-shown
        tags.addressed(address.as_ref(), Part::Removed);
    }
    tags.columns(&Scope::All, &set);
    tags.addressed(address.as_ref(), Part::Columns);
    for column in columns {
        tags.addressed(address.as_ref(), Part::Column(column));
    }
    tags.tags
}

/// Tags of one table.
struct Tags<'t> {
    table: &'t KeyedTable,
    tags: BTreeSet<Tag>,
}

impl<'t> Tags<'t> {
    fn new(table: &'t KeyedTable) -> Self {
        Self {
            table,
            tags: BTreeSet::new(),
        }
    }

    fn add(&mut self, scope: &Scope<'_>, part: Part<'_>) {
        self.tags.insert(self.table.tag(scope, part));
    }

    /// A part of rows with these values of a key.
    fn part_of(&mut self, key: &Key, values: Option<&BTreeSet<Value>>, part: Part<'_>) {
        match values {
            Some(values) => {
                for value in values {
                    self.add(&Scope::Is(key, value), part);
                }
            }
            None => self.add(&Scope::IsUnknown(key), part),
        }
    }

    /// A part of the rows that a write names.
    fn addressed(&mut self, address: Option<&(&Key, BTreeSet<Value>)>, part: Part<'_>) {
        match address {
            Some((key, values)) => {
                for value in values {
                    self.add(&Scope::At(key, value), part);
                }
                self.add(&Scope::AtSome(key), part);
            }
            // rule: a-write-without-an-address-may-be-of-any-row
            None => self.add(&Scope::AtUnknown, part),
        }
    }

    /// Columns of rows with these values of a key are set.
    fn columns_of(&mut self, key: &Key, values: Option<&BTreeSet<Value>>, set: &Set<'_>) {
        match values {
            Some(values) => {
                for value in values {
                    self.columns(&Scope::Is(key, value), set);
                }
            }
            None => self.columns(&Scope::IsUnknown(key), set),
        }
    }

    fn columns(&mut self, scope: &Scope<'_>, set: &Set<'_>) {
        self.add(scope, Part::Columns);
        for (column, becomes) in set {
            self.add(scope, Part::Column(column));
            match becomes {
                Some(value) => {
                    self.add(scope, Part::Becomes(column, value));
                    // rule: what-is-not-zero-is-true
                    if self.table.zero(column).as_ref() != Some(value) {
                        self.add(scope, Part::BecomesTrue(column));
                    }
                }
                None => self.add(scope, Part::BecomesAny(column)),
            }
        }
    }
}

/// Columns that are set, and the value that each becomes, where it is known.
type Set<'s> = [(&'s Name, Option<Value>)];

/// The value, if there is one.
fn only(values: BTreeSet<Value>) -> Option<Value> {
    let mut values = values.into_iter();
    values.next().filter(|_| values.next().is_none())
}
