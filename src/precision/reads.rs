//! What a read depends on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Binds;
use super::table::{Key, KeyedTable, Value, joined};
use crate::datum::Datum;
use crate::footprint::Name;
use crate::footprint::columns::{Column, Columns, Given, Operand, Selection, Shown, Source};
use crate::tag::{Part, Scope, Tag};

/// What a read of one table depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreciseRead {
    /// Whatever the result is: which rows there are, and in which order.
    pub tags: BTreeSet<Tag>,
    /// How the rows that are shown are told; `None` if `tags` are all.
    pub observed: Option<Observed>,
    /// What it depends on besides if the rows that are shown are not told.
    pub unobserved: BTreeSet<Tag>,
}

/// How to tell from a row of the result which row of a table it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    table: Arc<KeyedTable>,
    /// For each key, where its columns are shown. Always there for the primary key.
    places: Vec<Option<Vec<usize>>>,
    /// For each key, the value that all rows of the result have in it, if the read fixes one.
    fixed: Vec<Option<Value>>,
    /// What of the row matters.
    parts: Option<Vec<Name>>,
    /// Whether a value of the primary key is shown only where there is a row of it: not by a
    /// column of another table that equals it where there is one.
    proves: bool,
    /// The values of the primary key that are asked for. If a row is seen of each, then none
    /// can come by a value that the database makes.
    asked_for: Option<BTreeSet<Value>>,
}

/// What was seen of a result.
#[derive(Debug, Default)]
pub struct Seen {
    /// The tags of the rows.
    pub tags: BTreeSet<Tag>,
    rows: BTreeSet<Value>,
}

impl PreciseRead {
    /// What a read of `table` by one of the sources of `selection` depends on. `tables` are
    /// those of all sources, to compare types where values pass from one to another; `None` for
    /// those not known.
    #[must_use]
    pub fn new(
        table: &Arc<KeyedTable>,
        source: &Source,
        selection: &Selection,
        tables: &[Option<Arc<KeyedTable>>],
        binds: Binds<'_>,
    ) -> Self {
        let keyed = keyed(table, source, tables, binds);
        // A row that goes and is not shown changes nothing, unless it was counted, or its
        // absence shows.
        // rule: a-row-that-goes-counts-where-it-is-shown
        let counted = selection.skips || source.nullable;
        let narrow = match counted {
            true => BTreeMap::new(),
            false => entries(table, source, tables, binds),
        };
        let observed = selection
            .plain
            .then(|| Observed::new(table, source, tables, binds, keyed.as_ref(), &narrow))
            .flatten();
        let mut read = Self {
            tags: BTreeSet::from([Tag::wide(table.space, &table.name)]),
            observed,
            unobserved: BTreeSet::new(),
        };
        let scopes = match &keyed {
            Some((key, values)) => {
                let known = values.iter().map(|value| Scope::Is(key, value));
                known.chain([Scope::IsUnknown(key)]).collect()
            }
            None => vec![Scope::All],
        };
        for scope in &scopes {
            read.depend(table, source, scope, &narrow, counted);
        }
        if let Some((key, _)) = keyed
            && key == table.primary()
        {
            let made = table.tag(&Scope::IsUnknown(key), Part::Made);
            read.unobserved.insert(made);
        }
        // rule: what-is-not-observed-decides
        if read.observed.is_none() {
            read.tags.append(&mut read.unobserved);
        }
        read
    }

    /// Depends on rows of a scope.
    fn depend(
        &mut self,
        table: &KeyedTable,
        source: &Source,
        scope: &Scope<'_>,
        narrow: &BTreeMap<Name, Entry>,
        counted: bool,
    ) {
        self.tags.insert(table.tag(scope, Part::Added));
        let removed = table.tag(scope, Part::Removed);
        match counted {
            true => self.tags.insert(removed),
            false => self.unobserved.insert(removed),
        };
        table.columns_of(scope, &source.shown, &mut self.unobserved);
        let Some(decisive) = table.apart(&source.decisive) else {
            self.tags.insert(table.tag(scope, Part::Columns));
            return;
        };
        for column in decisive {
            let whole = table.tag(scope, Part::Column(column));
            // rule: a-row-comes-by-the-value-that-is-asked-for
            let Some(entry) = narrow.get(column) else {
                self.tags.insert(whole);
                continue;
            };
            self.unobserved.insert(whole);
            self.tags.insert(table.tag(scope, Part::BecomesAny(column)));
            match entry {
                Entry::By(values) => {
                    let parts = values.iter().map(|value| Part::Becomes(column, value));
                    self.tags.extend(parts.map(|part| table.tag(scope, part)));
                }
                Entry::ByTruth => {
                    self.tags
                        .insert(table.tag(scope, Part::BecomesTrue(column)));
                }
            }
        }
    }
}

/// By which values of a column a row comes into the result.
#[derive(Debug)]
pub(super) enum Entry {
    /// By one of these.
    By(BTreeSet<Value>),
    /// By one that is true.
    ByTruth,
}

/// The columns in which the read fixes the values.
pub(super) fn entries(
    table: &KeyedTable,
    source: &Source,
    tables: &[Option<Arc<KeyedTable>>],
    binds: Binds<'_>,
) -> BTreeMap<Name, Entry> {
    let fixed = source.fixed.iter().filter_map(|(column, given)| {
        let Given { operands, through } = given;
        same_type(table, column, through, tables).then_some(())?;
        let entry = match (table.values(column, operands, binds), operands.as_slice()) {
            (Some(values), _) => Entry::By(values),
            (None, [Operand::Holds]) if table.is_integer(column) => Entry::ByTruth,
            _ => return None,
        };
        Some((column.clone(), entry))
    });
    fixed.collect()
}

/// The key whose values the read fixes, and the values.
pub(super) fn keyed<'t>(
    table: &'t KeyedTable,
    source: &Source,
    tables: &[Option<Arc<KeyedTable>>],
    binds: Binds<'_>,
) -> Option<(&'t Key, BTreeSet<Value>)> {
    let fixed = |key: &Key| fixed(table, key, source, tables, binds);
    table.keys.iter().find_map(|key| Some((key, fixed(key)?)))
}

/// The values that the read fixes of one key.
fn fixed(
    table: &KeyedTable,
    key: &Key,
    source: &Source,
    tables: &[Option<Arc<KeyedTable>>],
    binds: Binds<'_>,
) -> Option<BTreeSet<Value>> {
    let of = |column: &Name| {
        let Given { operands, through } = source.fixed.get(column)?;
        // rule: a-value-passes-between-equal-types
        same_type(table, column, through, tables).then_some(())?;
        table.values(column, operands, binds)
    };
    table.key_values(key, of)
}

/// Whether what was compared on the way is compared as the column is.
fn same_type(
    table: &KeyedTable,
    column: &str,
    through: &[Column],
    tables: &[Option<Arc<KeyedTable>>],
) -> bool {
    let own = std::mem::discriminant(&table.comparison(column));
    through.iter().all(|(of, name)| {
        let other = tables.get(*of).and_then(Option::as_ref);
        other.is_some_and(|other| std::mem::discriminant(&other.comparison(name)) == own)
    })
}

impl Observed {
    fn new(
        table: &Arc<KeyedTable>,
        source: &Source,
        tables: &[Option<Arc<KeyedTable>>],
        binds: Binds<'_>,
        keyed: Option<&(&Key, BTreeSet<Value>)>,
        narrow: &BTreeMap<Name, Entry>,
    ) -> Option<Self> {
        let place = |column: &Name| {
            let Shown { at, through } = source.visible.get(column)?;
            same_type(table, column, through, tables).then_some(*at)
        };
        let places: Vec<Option<Vec<usize>>> = table
            .keys
            .iter()
            .map(|key| key.iter().map(place).collect())
            .collect();
        places.first()?.as_ref()?;
        let fixed = table.keys.iter().map(|key| {
            let values = fixed(table, key, source, tables, binds)?;
            // rule: of-several-values-none-is-known
            let mut values = values.into_iter();
            values.next().filter(|_| values.next().is_none())
        });
        let fixed = fixed.collect();
        let mut shown = source.shown.clone();
        // rule: what-was-seen-in-a-key-is-depended-on
        if let Columns::These(_) = shown {
            for column in table.key_columns() {
                shown.add(column);
            }
            // rule: a-row-goes-by-any-value
            for column in narrow.keys() {
                shown.add(column);
            }
        }
        let parts = table.apart(&shown);
        let is_own = |column: &Name| source.visible.get(column).is_some_and(Shown::is_own);
        Some(Self {
            // rule: what-a-row-would-be-called-proves-no-row
            proves: !source.nullable || table.primary().iter().all(is_own),
            parts: parts.map(|columns| columns.into_iter().cloned().collect()),
            places,
            fixed,
            asked_for: keyed
                .filter(|(key, _)| *key == table.primary())
                .map(|(_, values)| values.clone()),
            table: Arc::clone(table),
        })
    }

    /// Notes the row that a row of the result shows, if it shows one of this table. `None` if
    /// that cannot be told.
    ///
    /// `cell` gives the value at a place: `Ok(None)` for NULL, `Err` for what is no plain value.
    pub fn see(
        &self,
        cell: impl Fn(usize) -> Result<Option<Datum>, ()>,
        seen: &mut Seen,
    ) -> Option<()> {
        let table = &self.table;
        for (at, (key, places)) in table.keys.iter().zip(&self.places).enumerate() {
            let mut value = Some(Value::new());
            for (column, place) in key.iter().zip(places.iter().flatten()) {
                let datum = cell(*place).ok()?;
                // rule: a-primary-key-that-is-null-is-no-row
                if datum.is_none() && at == 0 {
                    return Some(());
                }
                let bytes = datum.and_then(|datum| table.comparison(column).bytes(&datum));
                value = value
                    .zip(bytes)
                    .map(|(before, bytes)| joined(&before, &bytes));
            }
            // rule: what-is-not-shown-is-what-was-asked-for
            let known = match places {
                Some(_) => value,
                None => self.fixed[at].clone(),
            };
            match (known, at) {
                (Some(value), _) => {
                    self.depend(&Scope::At(key, &value), seen);
                    if at == 0 && self.proves {
                        seen.rows.insert(value);
                    }
                }
                // The row is not known.
                (None, 0) => return None,
                (None, _) => self.depend(&Scope::AtSome(key), seen),
            }
        }
        self.depend(&Scope::AtUnknown, seen);
        Some(())
    }

    fn depend(&self, scope: &Scope<'_>, seen: &mut Seen) {
        let table = &self.table;
        seen.tags.insert(table.tag(scope, Part::Removed));
        match &self.parts {
            Some(columns) => {
                let columns = columns.iter().map(|c| table.tag(scope, Part::Column(c)));
                seen.tags.extend(columns);
            }
            None => {
                seen.tags.insert(table.tag(scope, Part::Columns));
            }
        }
    }

    /// All rows of the result are noted: what it depends on besides.
    // rule: a-made-key-is-none-that-is-there
    #[must_use]
    pub fn finish(&self, seen: Seen) -> BTreeSet<Tag> {
        let mut tags = seen.tags;
        if let Some(asked_for) = &self.asked_for
            && !asked_for.is_subset(&seen.rows)
        {
            let primary = self.table.primary();
            tags.insert(self.table.tag(&Scope::IsUnknown(primary), Part::Made));
        }
        tags
    }
}
