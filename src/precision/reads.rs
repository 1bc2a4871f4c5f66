//! What a read depends on.

use std::collections::BTreeSet;

use super::Binds;
use super::table::{Key, Table, Value, joined};
use crate::datum::Datum;
use crate::footprint::columns::{Column, Columns, Given, Shown, Source};
use crate::tag::{Part, Scope, Tag};

/// What a read of one table depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreciseRead {
    /// Which rows there are, and in which order.
    pub tags: BTreeSet<Tag>,
    /// How the rows that are shown are told; `None` if `tags` are all.
    pub observed: Option<Observed>,
}

/// How to tell from a row of the result which row of a table it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    table: Table,
    /// For each key, where its columns are shown. Always there for the primary key.
    places: Vec<Option<Vec<usize>>>,
    /// What of the row matters.
    parts: Option<Vec<crate::footprint::Name>>,
}

impl PreciseRead {
    /// What a read of `table` by `source` depends on. `tables` are those of all sources, to
    /// compare types where values pass from one to another; `None` for those not known.
    #[must_use]
    pub fn new(
        table: &Table,
        source: &Source,
        is_plain: bool,
        tables: &[Option<&Table>],
        binds: Binds<'_>,
    ) -> Self {
        let observed = is_plain
            .then(|| Observed::new(table, source, tables))
            .flatten();
        let mut decisive = source.decisive.clone();
        if observed.is_none() {
            // rule: what-is-not-observed-decides
            decisive.merge(&source.shown);
        }
        let mut tags = BTreeSet::from([Tag::wide(table.space, &table.name)]);
        let mut depend = |scope: &Scope<'_>| {
            tags.insert(table.tag(scope, Part::Rows));
            match table.apart(&decisive) {
                Some(columns) => {
                    tags.extend(columns.iter().map(|c| table.tag(scope, Part::Column(c))));
                }
                None => {
                    tags.insert(table.tag(scope, Part::Columns));
                }
            }
        };
        match keyed(table, source, tables, binds) {
            Some((key, values)) => {
                for value in &values {
                    depend(&Scope::Is(key, value));
                }
                depend(&Scope::IsUnknown(key));
            }
            None => depend(&Scope::All),
        }
        Self { tags, observed }
    }
}

/// The key whose values the read fixes, and the values.
fn keyed<'t>(
    table: &'t Table,
    source: &Source,
    tables: &[Option<&Table>],
    binds: Binds<'_>,
) -> Option<(&'t Key, BTreeSet<Value>)> {
    let of = |column: &crate::footprint::Name| {
        let Given { operands, through } = source.fixed.get(column)?;
        // rule: a-value-passes-between-equal-types
        same_type(table, column, through, tables).then_some(())?;
        table.values(column, operands, binds)
    };
    table
        .keys
        .iter()
        .find_map(|key| Some((key, table.key_values(key, of)?)))
}

/// Whether what was compared on the way is compared as the column is.
fn same_type(table: &Table, column: &str, through: &[Column], tables: &[Option<&Table>]) -> bool {
    let own = std::mem::discriminant(&table.comparison(column));
    through.iter().all(|(of, name)| {
        let other = tables.get(*of).copied().flatten();
        other.is_some_and(|other| std::mem::discriminant(&other.comparison(name)) == own)
    })
}

impl Observed {
    fn new(table: &Table, source: &Source, tables: &[Option<&Table>]) -> Option<Self> {
        let place = |column: &crate::footprint::Name| {
            let Shown { at, through } = source.visible.get(column)?;
            same_type(table, column, through, tables).then_some(*at)
        };
        let places: Vec<Option<Vec<usize>>> = table
            .keys
            .iter()
            .map(|key| key.iter().map(place).collect())
            .collect();
        places.first()?.as_ref()?;
        let mut shown = source.shown.clone();
        // rule: what-was-seen-in-a-key-is-depended-on
        if let Columns::These(_) = shown {
            for column in table.key_columns() {
                shown.add(column);
            }
        }
        let parts = table.apart(&shown);
        Some(Self {
            parts: parts.map(|columns| columns.into_iter().cloned().collect()),
            places,
            table: table.clone(),
        })
    }

    /// The tags of the row that a row of the result shows; none if it shows no row of this
    /// table. `None` if that cannot be told.
    ///
    /// `cell` gives the value at a place: `Ok(None)` for NULL, `Err` for what is no plain value.
    pub fn tags(&self, cell: impl Fn(usize) -> Result<Option<Datum>, ()>) -> Option<BTreeSet<Tag>> {
        let table = &self.table;
        let mut tags = BTreeSet::new();
        let mut depend = |scope: &Scope<'_>| match &self.parts {
            Some(columns) => {
                tags.extend(columns.iter().map(|c| table.tag(scope, Part::Column(c))));
            }
            None => {
                tags.insert(table.tag(scope, Part::Columns));
            }
        };
        for (at, (key, places)) in table.keys.iter().zip(&self.places).enumerate() {
            let mut value = Some(Value::new());
            for (column, place) in key.iter().zip(places.iter().flatten()) {
                let datum = cell(*place).ok()?;
                // rule: a-primary-key-that-is-null-is-no-row
                if datum.is_none() && at == 0 {
                    return Some(BTreeSet::new());
                }
                let bytes = datum.and_then(|datum| table.comparison(column).bytes(&datum));
                value = value
                    .zip(bytes)
                    .map(|(before, bytes)| joined(&before, &bytes));
            }
            let known = value.filter(|_| places.is_some());
            match (known, at) {
                (Some(value), _) => depend(&Scope::At(key, &value)),
                // The row is not known.
                (None, 0) => return None,
                (None, _) => depend(&Scope::AtSome(key)),
            }
        }
        depend(&Scope::AtUnknown);
        Some(tags)
    }
}
