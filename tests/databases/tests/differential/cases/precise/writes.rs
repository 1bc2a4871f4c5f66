//! Random writes, and what their texts tell of the rows they are of.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::plan::{Plan, Table};
use super::text::{Draft, Equal, Sql, Val};
use crate::chance::Chance;
use crate::schema::{Mysql, Postgres, Sqlite};

/// What a write does, as far as its text tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Adds rows: for each, the values that are known.
    Insert(Vec<BTreeMap<&'static str, Val>>),
    /// Changes rows.
    Update {
        set: Vec<(&'static str, Option<Val>)>,
        equal: Equal,
    },
    /// Removes rows.
    Delete(Equal),
    /// Anything else.
    Other,
}

/// A write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) table: usize,
    pub(super) kind: Kind,
    pub(super) sql: Sql,
}

const SETTABLE: [&str; 16] = [
    "v", "v", "v", "w", "w", "f", "f", "f", "k", "k", "m", "m", "n", "t", "r", "id",
];

impl Write {
    pub(super) fn random(plan: &Plan, chance: &mut Chance) -> Self {
        let at = chance.below(plan.tables.len());
        let table = &plan.tables[at];
        let binding = chance.percent(60);
        let mut draft = Draft::new(plan.engine, chance, binding);
        let (text, kind) = match draft.chance.below(24) {
            0..=6 => insert(plan, table, &mut draft),
            7..=17 => update(table, &mut draft),
            18..=21 => {
                let mut equal = Equal::new();
                let condition = condition(table, &mut draft, &mut equal);
                let text = format!("DELETE FROM {}{condition}", table.name);
                (text, Kind::Delete(equal))
            }
            22 => (upsert(plan, table, &mut draft), Kind::Other),
            _ => (rare(plan, table, &mut draft), Kind::Other),
        };
        Self {
            table: at,
            kind,
            sql: draft.finish(text),
        }
    }
}

/// The columns of a new row, the database makes the others.
fn columns(table: &Table, draft: &mut Draft<'_>) -> Vec<&'static str> {
    let leaves_id = if table.made { 50 } else { 4 };
    let mut columns = Vec::new();
    if !draft.percent(leaves_id) {
        columns.push("id");
    }
    for (column, share) in [
        ("k", 85),
        ("t", 85),
        ("m", 50),
        ("n", 50),
        ("v", 60),
        ("w", 40),
        ("f", 40),
        ("r", if table.refers { 40 } else { 20 }),
    ] {
        if draft.percent(share) {
            columns.push(column);
        }
    }
    if table.generated.is_none() && draft.percent(20) {
        columns.push("g");
    }
    if columns.is_empty() {
        columns.push("v");
    }
    columns
}

/// A value for a column, and what is known of it.
fn cell(table: &Table, column: &'static str, draft: &mut Draft<'_>) -> (String, Option<Val>) {
    if draft.percent(12) {
        return (draft.odd(column), None);
    }
    if draft.percent(5) && draft.engine != Sqlite {
        return ("DEFAULT".to_owned(), None);
    }
    let null = if column == "r" { 60 } else { 15 };
    let zero = draft.engine == Mysql && column == "id" && draft.percent(6);
    let val = match table.is_nullable(column) && draft.percent(null) {
        true => Val::Null,
        false if zero => Val::Int(0),
        false => draft.sample(column),
    };
    let known = (!zero).then(|| val.clone());
    (draft.put(&val), known)
}

fn rows(
    table: &Table,
    columns: &[&'static str],
    draft: &mut Draft<'_>,
) -> (String, Vec<BTreeMap<&'static str, Val>>) {
    let count = if draft.percent(30) { 3 } else { 1 };
    let (mut text, mut known) = (String::new(), Vec::new());
    for at in 0..count {
        let mut row = BTreeMap::new();
        let mut cells = Vec::new();
        for column in columns.iter().copied() {
            let (written, val) = cell(table, column, draft);
            cells.push(written);
            row.extend(val.map(|val| (column, val)));
        }
        let comma = if at == 0 { "" } else { ", " };
        write!(text, "{comma}({})", cells.join(", ")).unwrap();
        known.push(row);
    }
    (text, known)
}

fn insert(plan: &Plan, table: &Table, draft: &mut Draft<'_>) -> (String, Kind) {
    let columns = columns(table, draft);
    let (text, rows) = rows(table, &columns, draft);
    let (name, columns) = (&table.name, columns.join(", "));
    let ignores = draft.percent(25);
    let text = match plan.engine {
        Mysql if ignores => format!("INSERT IGNORE INTO {name} ({columns}) VALUES {text}"),
        Sqlite if ignores => format!("INSERT OR IGNORE INTO {name} ({columns}) VALUES {text}"),
        _ if ignores => {
            format!("INSERT INTO {name} ({columns}) VALUES {text} ON CONFLICT DO NOTHING")
        }
        _ => format!("INSERT INTO {name} ({columns}) VALUES {text}"),
    };
    // What does not fit, MySQL makes fit.
    let kind = match plan.lenient || plan.engine == Mysql && ignores {
        true => Kind::Insert(vec![BTreeMap::new(); rows.len()]),
        false => Kind::Insert(rows),
    };
    (text, kind)
}

fn condition(table: &Table, draft: &mut Draft<'_>, equal: &mut Equal) -> String {
    let mut all = Vec::new();
    for _ in 0..1 + draft.chance.below(3) / 2 {
        let column = match draft.chance.below(9) {
            0..=3 => "id",
            4 | 5 => "k",
            6 => "t",
            7 => "n",
            _ => "f",
        };
        let text = match draft.chance.below(14) {
            0 => "v > 1".to_owned(),
            1 => format!("{column} IS NOT NULL"),
            2 => {
                let mut alone = Equal::new();
                let one = draft.equality(table, "", column, &mut alone);
                let id = draft.chance.between(1, 4);
                let mixes = draft.engine == Mysql && draft.percent(40);
                match mixes {
                    true => {
                        equal.clear();
                        all = vec![all.join(" AND ")];
                        all.retain(|text| !text.is_empty());
                        format!("{one} XOR id = {id}")
                    }
                    false => format!("({one} OR id = {id})"),
                }
            }
            3 => {
                let mut alone = Equal::new();
                format!("NOT ({})", draft.equality(table, "", column, &mut alone))
            }
            4 if column != "f" && (draft.engine != Postgres || column == "id") => {
                let odd = match draft.engine {
                    Postgres => "'3'".to_owned(),
                    _ => draft.odd(column),
                };
                format!("{column} = {odd}")
            }
            _ => draft.equality(table, "", column, equal),
        };
        let mixes = text.contains(" XOR ");
        all.push(text);
        if mixes {
            break;
        }
    }
    if draft.percent(4) {
        equal.clear();
        draft.binds.clear();
        return String::new();
    }
    format!(" WHERE {}", all.join(" AND "))
}

fn update(table: &Table, draft: &mut Draft<'_>) -> (String, Kind) {
    let (mut set, mut text) = (Vec::<(&'static str, Option<Val>)>::new(), Vec::new());
    for _ in 0..1 + draft.chance.below(2) {
        let column = SETTABLE[draft.chance.below(SETTABLE.len())];
        if set.iter().any(|(other, _)| *other == column) {
            continue;
        }
        let is_number = !matches!(column, "t" | "n" | "f");
        let (written, val) = match draft.chance.below(12) {
            0 => (column.to_owned(), None),
            1 | 2 if is_number => (format!("{column} + 1"), None),
            3 if is_number => ("v".to_owned(), None),
            4 if column == "k" => ("id".to_owned(), None),
            1 | 2 if column == "f" => ("NOT f".to_owned(), None),
            3 if column == "f" => ("v > 1".to_owned(), None),
            1 | 2 if column == "n" => ("t".to_owned(), None),
            _ => cell(table, column, draft),
        };
        text.push(format!("{column} = {written}"));
        set.push((column, val));
    }
    let set_text = text.join(", ");
    let before = draft.binds.len();
    let mut equal = Equal::new();
    let condition = condition(table, draft, &mut equal);
    let text = if condition.is_empty() && before > 0 {
        // Its binds were thrown away with the condition's.
        set = vec![("v", None)];
        format!("UPDATE {} SET v = v + 1", table.name)
    } else {
        format!("UPDATE {} SET {set_text}{condition}", table.name)
    };
    (text, Kind::Update { set, equal })
}

fn upsert(plan: &Plan, table: &Table, draft: &mut Draft<'_>) -> String {
    let columns = ["id", "k", "t", "v"];
    let (text, _) = rows(table, &columns, draft);
    let (name, columns) = (&table.name, columns.join(", "));
    match (plan.engine, draft.percent(50)) {
        (Mysql, true) => format!("REPLACE INTO {name} ({columns}) VALUES {text}"),
        (Mysql, false) => format!(
            "INSERT INTO {name} ({columns}) VALUES {text} ON DUPLICATE KEY UPDATE v = v + 1"
        ),
        (Sqlite, true) => format!("INSERT OR REPLACE INTO {name} ({columns}) VALUES {text}"),
        _ => format!(
            "INSERT INTO {name} ({columns}) VALUES {text} ON CONFLICT (id) DO UPDATE SET v = 2, k = 3"
        ),
    }
}

/// Writes of which only the table is known.
fn rare(plan: &Plan, table: &Table, draft: &mut Draft<'_>) -> String {
    let name = &table.name;
    let other = &plan.tables[draft.chance.below(plan.tables.len())].name;
    let n = draft.chance.between(1, 4);
    match draft.chance.below(7) {
        0 => format!("INSERT INTO {name} (id, k, t) SELECT id + {n}, k, t FROM {other}"),
        1 => format!("UPDATE {name} SET v = (SELECT max(v) FROM {other}) WHERE k = {n}"),
        2 => format!("DELETE FROM {name} WHERE k IN (SELECT k FROM {other} WHERE v > {n})"),
        3 if plan.engine == Sqlite => format!("UPDATE OR REPLACE {name} SET id = {n} WHERE v > 1"),
        4 if plan.engine == Sqlite => format!("UPDATE OR IGNORE {name} SET id = {n} WHERE v > 1"),
        3 if plan.engine == Mysql => {
            format!("UPDATE {name} SET k = {n} WHERE v > 0 ORDER BY id LIMIT 1")
        }
        4 if plan.engine == Mysql => format!("UPDATE IGNORE {name} SET id = {n} WHERE v > 1"),
        3 => format!("UPDATE {name} AS q SET k = {n} WHERE q.id = {n}"),
        4 => format!("UPDATE {name} SET (k, v) = ({n}, 1) WHERE id = {n}"),
        5 if plan.engine != Mysql => {
            format!(
                "INSERT INTO {name} (id, k, t) VALUES ({n}, 2, 'a'), ({n} + 4, 3, 'b') ON CONFLICT DO NOTHING"
            )
        }
        _ => format!("INSERT INTO {name} DEFAULT VALUES"),
    }
}
