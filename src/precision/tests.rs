//! The algebra against a table in memory: whatever changes a result touches what it depends on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::database::TagSpace;
use crate::datum::{Comparison, Datum};
use crate::footprint::Name;
use crate::footprint::columns::{
    Change, Columns, Fixed, Given, Operand, Rows, Selection, Shown, Source,
};
use crate::tag::Tag;

const COLUMNS: [&str; 7] = ["id", "a", "b", "c", "d", "e", "f"];

type Row = BTreeMap<&'static str, i128>;

fn table() -> Arc<KeyedTable> {
    let columns = COLUMNS
        .iter()
        .map(|&column| (column.into(), Comparison::signed(8)));
    let keys = vec![
        vec!["id".into()],
        vec!["a".into()],
        vec!["b".into(), "c".into()],
    ];
    let table = KeyedTable::new(TagSpace::of(b"test"), "t".into(), columns.collect(), keys);
    Arc::new(table.unwrap())
}

/// A small generator of numbers: the seed tells all of a run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn value(&mut self) -> i128 {
        self.below(4).into()
    }

    fn column(&mut self) -> &'static str {
        COLUMNS[usize::try_from(self.below(7)).unwrap()]
    }

    fn columns(&mut self, most: u64) -> BTreeSet<&'static str> {
        (0..self.below(most + 1)).map(|_| self.column()).collect()
    }
}

fn names(columns: &BTreeSet<&'static str>) -> BTreeSet<Name> {
    columns.iter().map(|&column| column.into()).collect()
}

/// Conditions: each column has one of these values.
type Conditions = BTreeMap<&'static str, Vec<i128>>;

fn conditions(chance: &mut Chance) -> Conditions {
    let columns = chance.columns(3);
    let mut values = |_| (0..=chance.below(2)).map(|_| chance.value()).collect();
    columns.iter().map(|&column| (column, values(()))).collect()
}

fn fixed(conditions: &Conditions) -> Fixed {
    let given = |values: &Vec<i128>| Given {
        operands: values.iter().map(|v| Operand::Integer(*v)).collect(),
        through: Vec::new(),
    };
    let conditions = conditions.iter();
    conditions
        .map(|(column, values)| ((*column).into(), given(values)))
        .collect()
}

fn meets(row: &Row, conditions: &Conditions) -> bool {
    conditions
        .iter()
        .all(|(column, values)| values.contains(&row[column]))
}

/// A query of one table.
#[derive(Debug)]
struct Query {
    conditions: Conditions,
    /// A condition that fixes nothing: this column is at most that.
    at_most: Option<(&'static str, i128)>,
    order: &'static str,
    limit: usize,
    shown: Vec<&'static str>,
    offset: usize,
    /// Instead of rows, their sum.
    sums: bool,
    /// Whether its rows are looked at.
    observes: bool,
}

impl Query {
    fn random(chance: &mut Chance) -> Self {
        let mut shown: Vec<_> = chance.columns(4).into_iter().collect();
        if chance.below(3) > 0 && !shown.contains(&"id") {
            shown.push("id");
        }
        Self {
            conditions: conditions(chance),
            at_most: (chance.below(2) == 0).then(|| (chance.column(), chance.value())),
            order: chance.column(),
            limit: usize::try_from(1 + chance.below(4)).unwrap(),
            shown,
            offset: usize::try_from(chance.below(5) / 4).unwrap(),
            sums: chance.below(5) == 0,
            observes: chance.below(5) > 0,
        }
    }

    /// The rows, in a total order.
    fn rows<'r>(&self, rows: &'r [Row]) -> Vec<&'r Row> {
        let in_range = |row: &&Row| {
            self.at_most
                .is_none_or(|(column, most)| row[column] <= most)
        };
        let mut found: Vec<&Row> = rows
            .iter()
            .filter(|row| meets(row, &self.conditions))
            .filter(in_range)
            .collect();
        found.sort_by_key(|row| (row[self.order], row["id"]));
        let found = found.into_iter().skip(self.offset);
        found.take(self.limit).collect()
    }

    fn result(&self, rows: &[Row]) -> Vec<Vec<i128>> {
        let found = self.rows(rows);
        let shown = |row: &&Row| self.shown.iter().map(|column| row[column]).collect();
        let all: Vec<Vec<i128>> = found.iter().map(shown).collect();
        match self.sums {
            true => vec![vec![all.iter().flatten().sum()]],
            false => all,
        }
    }

    fn source(&self) -> Source {
        let mut decisive: BTreeSet<Name> = self.conditions.keys().map(|&c| c.into()).collect();
        decisive.extend(self.at_most.map(|(column, _)| Name::from(column)));
        decisive.extend([Name::from(self.order), "id".into()]);
        let place = |(at, column): (usize, &&str)| {
            let through = Vec::new();
            (Name::from(*column), Shown { at, through })
        };
        Source {
            relation: "t".into(),
            decisive: Columns::These(decisive),
            shown: Columns::These(self.shown.iter().map(|&column| column.into()).collect()),
            fixed: fixed(&self.conditions),
            visible: match self.sums {
                true => BTreeMap::new(),
                false => self.shown.iter().enumerate().map(place).collect(),
            },
            nullable: false,
        }
    }

    /// What the result depends on, and whether its rows were observed.
    fn tags(&self, table: &Arc<KeyedTable>, rows: &[Row]) -> (BTreeSet<Tag>, bool) {
        let selection = Selection {
            sources: vec![self.source()],
            plain: !self.sums,
            skips: self.offset > 0,
            ..Selection::default()
        };
        let tables = [Some(Arc::clone(table))];
        let source = &selection.sources[0];
        let read = PreciseRead::new(table, source, &selection, &tables, Binds::default());
        let mut tags = read.tags;
        match &read.observed {
            Some(observed) if self.observes => {
                let mut seen = Seen::default();
                for row in self.result(rows) {
                    let cell = |at: usize| Ok(Some(Datum::Integer(row[at])));
                    observed.see(cell, &mut seen).unwrap();
                }
                tags.extend(observed.finish(seen));
            }
            _ => tags.extend(read.unobserved),
        }
        (tags, read.observed.is_some() && self.observes)
    }
}

/// A random write, done to the rows.
fn write(chance: &mut Chance, rows: &mut Vec<Row>) -> Change {
    match chance.below(5) {
        0 => {
            let listed: Vec<Row> = (0..=chance.below(2))
                .map(|_| COLUMNS.iter().map(|&c| (c, chance.value())).collect())
                .collect();
            // Sometimes a value is not told.
            let untold = chance.columns(1);
            let told = |row: &Row| {
                row.iter()
                    .filter(|(column, _)| !untold.contains(*column))
                    .map(|(column, value)| ((*column).into(), Operand::Integer(*value)))
                    .collect()
            };
            let change = Change::Insert(Rows::Listed(listed.iter().map(told).collect()));
            for row in listed {
                if !rows.iter().any(|other| other["id"] == row["id"]) {
                    rows.push(row);
                }
            }
            change
        }
        1 => {
            let conditions = conditions(chance);
            rows.retain(|row| !meets(row, &conditions));
            Change::Delete {
                fixed: fixed(&conditions),
            }
        }
        _ => {
            let conditions = conditions(chance);
            let set = chance.columns(2);
            let set = if set.is_empty() {
                BTreeSet::from(["d"])
            } else {
                set
            };
            let values: BTreeMap<&str, i128> = set.iter().map(|&c| (c, chance.value())).collect();
            let untold = chance.columns(1);
            let mut changed = rows.clone();
            for row in changed.iter_mut().filter(|row| meets(row, &conditions)) {
                row.extend(values.iter().map(|(column, value)| (*column, *value)));
            }
            // A primary key is there once, or the statement is refused.
            let ids: BTreeSet<i128> = changed.iter().map(|row| row["id"]).collect();
            if ids.len() == changed.len() {
                *rows = changed;
            }
            Change::Update {
                becomes: values
                    .iter()
                    .filter(|(column, _)| !untold.contains(*column))
                    .map(|(column, value)| ((*column).into(), Operand::Integer(*value)))
                    .collect(),
                columns: names(&set),
                fixed: fixed(&conditions),
            }
        }
    }
}

/// What changes a result touches it; and much that does not, does not.
#[test]
fn whatever_changes_a_result_touches_what_it_depends_on() {
    let table = table();
    let (mut changed, mut spared, mut observed) = (0, 0, 0);
    for seed in 0..20_000 {
        let mut chance = Chance(seed);
        let mut rows: Vec<Row> = Vec::new();
        for id in 0..chance.below(5) {
            let mut row: Row = COLUMNS.iter().map(|&c| (c, chance.value())).collect();
            row.insert("id", id.into());
            rows.push(row);
        }
        let query = Query::random(&mut chance);
        let before = query.result(&rows);
        let (tags, observes) = query.tags(&table, &rows);
        let past = rows.clone();
        // The result may have been read some writes ago.
        for _ in 0..=chance.below(2) {
            let change = write(&mut chance, &mut rows);
            let touches = touched(&table, &change, Binds::default());
            let hit = touches.is_none_or(|touched| !touched.is_disjoint(&tags));
            let same = query.result(&rows) == before;
            assert!(
                same || hit,
                "seed {seed}: {query:?} of {past:?} is not told of {change:?}"
            );
            if hit {
                changed += u32::from(!same);
                break;
            }
            spared += 1;
            observed += u32::from(observes);
        }
    }
    assert!(changed > 1_000, "{changed}");
    assert!(spared > 5_000, "{spared}");
    assert!(observed > 2_000, "{observed}");
}

#[test]
fn a_name_that_is_no_column_may_set_any() {
    let update = |columns: &[&str]| Change::Update {
        columns: columns.iter().map(|&column| column.into()).collect(),
        becomes: BTreeMap::new(),
        fixed: Fixed::new(),
    };
    let touches = |columns| touched(&table(), &update(columns), Binds::default());
    assert!(touches(&["d"]).is_some());
    for odd in [&["rowid"][..], &["d", "_rowid_"], &["address", "d"]] {
        assert_eq!(touches(odd), None, "{odd:?}");
    }
}

#[test]
fn binds_that_are_not_as_many_are_not_known() {
    use crate::datum::Bound;
    let places = (vec![0..1, 1..2], 2);
    let values = [1, 2, 3].map(|number| Bound::Value(Datum::Integer(number)));
    assert_eq!(Binds::new(&places, &values[..2]).at(1), Some(&values[1..2]));
    for odd in [&values[..], &values[..1], &[]] {
        assert_eq!(Binds::new(&places, odd).at(0), None);
    }
}
