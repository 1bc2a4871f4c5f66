//! Random queries, each with a total order, and which columns and values they go by.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::plan::{COLUMNS, Plan, TOTAL};
use super::text::{Bind, Draft, Equal, Sql};
use crate::chance::Chance;
use crate::schema::{Mysql, Postgres};

/// What a query does with one of its tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Use {
    pub(super) table: usize,
    /// The columns that it looks at.
    pub(super) columns: BTreeSet<&'static str>,
    /// Only rows with these values matter.
    pub(super) equal: Equal,
    /// How its columns are named.
    prefix: String,
}

/// How a query is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// As a text.
    Text(Sql),
    /// By the query builder: the kind, and its parameters.
    Built(usize, [i32; 2], &'static str),
}

/// A query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) how: How,
    pub(super) uses: Vec<Use>,
}

/// How many kinds of queries the builder makes.
pub(super) const BUILT: usize = 14;

const TEXTS: [&str; 4] = ["a", "b", "ab", "A"];

impl Query {
    pub(super) fn random(plan: &Plan, chance: &mut Chance) -> Self {
        if chance.percent(30) {
            let kind = chance.below(BUILT);
            let of = [chance.between(1, 5), chance.between(1, 4)];
            return Self::built(
                plan,
                chance.below(plan.tables.len()),
                kind,
                of,
                TEXTS[chance.below(4)],
            );
        }
        let binding = chance.percent(65);
        let mut maker = Maker {
            plan,
            draft: Draft::new(plan.engine, chance, binding),
            uses: Vec::new(),
            limit: true,
            missing: None,
        };
        let text = maker.query();
        Self {
            uses: maker.uses,
            how: How::Text(maker.draft.finish(text)),
        }
    }

    /// What the builder's queries go by, see `built.rs`.
    fn built(plan: &Plan, table: usize, kind: usize, of: [i32; 2], text: &'static str) -> Self {
        use super::text::Val;
        let int = |number: i32| vec![Val::Int(number)];
        let t = || vec![Val::Text(text.to_owned())];
        let (columns, mut equal): (&[&'static str], Equal) = match kind {
            0 => (&["id", "v", "n"], vec![("id", int(of[0]))]),
            1 => (&["id", "k", "t", "v"], vec![("k", int(of[1]))]),
            2 => (
                &["id", "k", "t"],
                vec![("id", [int(of[0]), int(of[1])].concat())],
            ),
            3 => (
                &["id", "k", "t", "f", "v"],
                vec![("k", int(of[1])), ("f", vec![Val::Bool(true)])],
            ),
            4 => (&["k"], vec![("k", int(of[1]))]),
            5 => (&["id", "k", "t", "w"], vec![("t", t())]),
            6 => (&["k", "v"], vec![("k", int(of[1]))]),
            7 => (&["id", "k", "t", "g"], vec![("k", int(of[1])), ("t", t())]),
            8 => (&["k", "f"], Vec::new()),
            9 => (&["id", "k", "t", "m", "v"], vec![("m", int(of[1]))]),
            10..=12 => (&COLUMNS, Vec::new()),
            _ => (&["id", "k", "t", "n"], Vec::new()),
        };
        equal.retain(|(column, _)| plan.tables[table].is_plain(column));
        let mut uses = vec![Use {
            table,
            columns: columns.iter().copied().collect(),
            equal,
            prefix: String::new(),
        }];
        if (10..=12).contains(&kind) {
            let other = Use {
                table: (table + 1) % plan.tables.len(),
                columns: COLUMNS.into(),
                ..Use::default()
            };
            uses.push(other);
        }
        Self {
            how: How::Built(kind, of, text),
            uses,
        }
    }
}

struct Maker<'c, 'p> {
    plan: &'p Plan,
    draft: Draft<'c>,
    uses: Vec<Use>,
    limit: bool,
    /// A condition that asks for rows without a match.
    missing: Option<String>,
}

impl Maker<'_, '_> {
    /// A column, which counts as looked at.
    fn col(&mut self, source: usize, column: &'static str) -> String {
        let of = &mut self.uses[source];
        of.columns.insert(column);
        format!("{}{column}", of.prefix)
    }

    fn any(&mut self, source: usize, of: &[&'static str]) -> String {
        let column = of[self.draft.chance.below(of.len())];
        self.col(source, column)
    }

    fn source(&mut self, prefix: &str) -> usize {
        let table = self.draft.chance.below(self.plan.tables.len());
        self.uses.push(Use {
            table,
            prefix: prefix.to_owned(),
            ..Use::default()
        });
        table
    }

    fn query(&mut self) -> String {
        let joins = self.draft.percent(40);
        let from = if joins {
            self.join()
        } else {
            let alias = self.draft.one(&["", "", "AS x", "x"]);
            let prefix = if alias.is_empty() { "" } else { "x." };
            let table = self.source(prefix);
            // By its own name.
            if alias.is_empty() && self.draft.percent(30) {
                self.uses[0].prefix = format!("p{table}.");
            }
            format!("p{table} {alias}")
        };
        // A condition stands behind what is shown, and so do its binds.
        let (select, tail) = self.shape();
        let mut conditions = Vec::from_iter(self.missing.take());
        // Most ask for some rows of the first table by their values.
        if self.draft.percent(60) {
            conditions.push(self.fixed(0, &["id", "k", "k", "t", "m"]));
        }
        if self.draft.percent(40) {
            conditions.push(self.fixed(0, &["f", "f", "f", "m", "m", "n"]));
        }
        let more = self.draft.chance.below(5).saturating_sub(2);
        for _ in 0..more {
            let source = self.draft.chance.below(self.uses.len().min(2));
            conditions.push(self.condition(source, 2));
        }
        let mut text = format!("SELECT {select} FROM {from}");
        if !conditions.is_empty() {
            write!(text, " WHERE {}", conditions.join(" AND ")).unwrap();
        }
        text.push_str(&tail);
        if self.limit && self.draft.percent(40) {
            let limit = self.draft.chance.between(1, 3);
            let limit = match self.draft.binding && self.plan.engine != Postgres {
                true => self.draft.bind(Bind::Int(Some(limit))),
                false => limit.to_string(),
            };
            write!(text, " LIMIT {limit}").unwrap();
            if self.draft.percent(40) {
                write!(text, " OFFSET {}", self.draft.chance.between(1, 2)).unwrap();
            }
        }
        text
    }

    /// The `FROM` of a join.
    fn join(&mut self) -> String {
        const PAIRS: [(&str, &str); 9] = [
            ("k", "k"),
            ("id", "r"),
            ("r", "id"),
            ("k", "id"),
            ("id", "id"),
            ("t", "n"),
            ("m", "k"),
            ("n", "n"),
            ("id", "k"),
        ];
        let x = self.source("x.");
        let mut from = format!("p{x} AS x");
        for alias in ["y.", "z."] {
            let at = self.uses.len();
            let y = self.source(alias);
            let kind = self
                .draft
                .one(&["JOIN", "LEFT JOIN", "LEFT JOIN", "INNER JOIN"]);
            let (left, right) = PAIRS[self.draft.chance.below(PAIRS.len())];
            let before = self.draft.chance.below(at);
            let (left, right) = (self.col(before, left), self.col(at, right));
            let (one, other) = match self.draft.percent(50) {
                true => (left, right),
                false => (right, left),
            };
            write!(from, " {kind} p{y} AS {} ON {one} = {other}", &alias[..1]).unwrap();
            if self.draft.percent(30) {
                // What it fixes on the one side of an outer join, it does not fix on the other.
                let of = if self.draft.percent(50) { at } else { before };
                let own = self.uses[of].equal.clone();
                let condition = self.condition(of, 0);
                write!(from, " AND {condition}").unwrap();
                if kind == "LEFT JOIN" {
                    self.uses[of].equal = own;
                }
            }
            if kind == "LEFT JOIN" && self.draft.percent(30) {
                let column = self.any(at, &["id", "v", "t"]);
                self.missing = Some(format!("{column} IS NULL"));
            }
            if self.draft.percent(80) {
                break;
            }
        }
        from
    }

    /// What is shown, and how it is grouped and ordered.
    fn shape(&mut self) -> (String, String) {
        match self.draft.chance.below(12) {
            0 => {
                self.limit = false;
                ("count(*) AS cnt".to_owned(), String::new())
            }
            1 => {
                self.limit = false;
                let of = self.any(0, &["v", "w", "k", "id"]);
                let call = self.draft.one(&["max", "min"]);
                (format!("{call}({of}) AS e"), String::new())
            }
            2 => {
                self.limit = false;
                let of = self.any(0, &["v", "w"]);
                let cast = if self.plan.engine == Mysql {
                    "SIGNED"
                } else {
                    "BIGINT"
                };
                (format!("CAST(sum({of}) AS {cast}) AS cnt"), String::new())
            }
            3 => {
                let by = self.any(0, &["k", "f", "v", "m"]);
                let having = self.draft.one(&["", " HAVING count(*) > 1"]);
                let tail = format!(" GROUP BY {by}{having} ORDER BY {by}");
                (format!("{by}, count(*) AS cnt"), tail)
            }
            4 => {
                let by = self.any(0, &["k", "f", "v", "w"]);
                (format!("DISTINCT {by}"), format!(" ORDER BY {by}"))
            }
            5 if self.plan.engine == Postgres && self.uses.len() == 1 => {
                let by = self.col(0, "k");
                self.all(0);
                let order = self.order(std::slice::from_ref(&by));
                let whole = self.draft.one(&["*", "id, k, t, v, w"]);
                (format!("DISTINCT ON ({by}) {whole}"), order)
            }
            _ => {
                let shown = self.shown();
                let first = match self.draft.chance.below(4) {
                    0 => {
                        let by = self.any(0, &["v", "w", "k", "n", "g"]);
                        let down = self.draft.one(&["", " DESC"]);
                        vec![format!("{by}{down}")]
                    }
                    1 if shown.contains(" AS e") => vec!["e".to_owned()],
                    _ => Vec::new(),
                };
                let order = self.order(&first);
                (shown, order)
            }
        }
    }

    /// A total order behind what is there.
    fn order(&mut self, first: &[String]) -> String {
        let mut by = first.to_vec();
        for source in 0..self.uses.len() {
            for column in TOTAL {
                by.push(self.col(source, column));
            }
        }
        format!(" ORDER BY {}", by.join(", "))
    }

    fn all(&mut self, source: usize) {
        self.uses[source].columns = COLUMNS.into();
    }

    fn shown(&mut self) -> String {
        if self.uses.len() == 1 && self.draft.percent(12) {
            self.all(0);
            return "*".to_owned();
        }
        let mut shown = Vec::new();
        for source in 0..self.uses.len() {
            let share = self.draft.one(&["90", "90", "30"]).parse().unwrap();
            for column in COLUMNS {
                let is_key = matches!(column, "id" | "k" | "t");
                if !self.draft.percent(if is_key { share } else { 25 }) {
                    continue;
                }
                let name = self.col(source, column);
                shown.push(match source {
                    0 => name,
                    1 => format!("{name} AS y_{column}"),
                    _ => format!("{name} AS z_{column}"),
                });
            }
        }
        if self.draft.percent(25) || shown.is_empty() {
            let v = self.any(0, &["v", "w", "k"]);
            shown.push(match self.draft.chance.below(5) {
                0 => format!("{v} + 1 AS e"),
                1 => format!("{v} * 2 AS e"),
                2 => format!("CASE WHEN {v} > 2 THEN 1 ELSE 0 END AS e"),
                3 => format!("{v} AS e"),
                _ => {
                    let other = self.draft.chance.below(self.plan.tables.len());
                    self.uses_elsewhere(other);
                    let id = self.col(0, "id");
                    format!("(SELECT max(s.v) FROM p{other} s WHERE s.id >= {id}) AS e")
                }
            });
        }
        shown.join(", ")
    }

    /// A table is read elsewhere, too, so that all of it counts.
    fn uses_elsewhere(&mut self, table: usize) {
        for of in self.uses.iter_mut().filter(|of| of.table == table) {
            of.columns = COLUMNS.into();
            of.equal.clear();
        }
    }

    /// A condition that fixes the value of one of these columns.
    fn fixed(&mut self, source: usize, of: &[&'static str]) -> String {
        let column = of[self.draft.chance.below(of.len())];
        let own = &mut self.uses[source];
        own.columns.insert(column);
        let table = &self.plan.tables[own.table];
        let (prefix, equal) = (&own.prefix, &mut own.equal);
        self.draft.equality(table, prefix, column, equal)
    }

    /// A condition on a row of a source.
    fn condition(&mut self, source: usize, depth: usize) -> String {
        match self.draft.chance.below(18) {
            0..=7 => self.fixed(source, &["id", "k", "t", "n", "m", "f"]),
            8 => {
                let column = self.any(source, &["v", "id", "w"]);
                let sign = self.draft.one(&[">", "<=", "<>"]);
                format!("{column} {sign} {}", self.draft.chance.between(0, 3))
            }
            9 => {
                let column = self.any(source, &["v", "id", "k"]);
                format!("{column} BETWEEN 1 AND 3")
            }
            10 => {
                let column = self.any(source, &["w", "k", "n", "r", "id"]);
                let is = self.draft.one(&["IS NULL", "IS NOT NULL"]);
                format!("{column} {is}")
            }
            11 | 12 if depth > 0 => {
                let equal = self.uses[source].equal.clone();
                let one = self.condition(source, depth - 1);
                let other = self.condition(source, depth - 1);
                // Neither of them must hold.
                self.uses[source].equal = equal;
                match self.plan.engine {
                    Mysql if self.draft.percent(30) => {
                        let or = self.draft.one(&["XOR", "||"]);
                        // What stands before it belongs to it.
                        self.uses.iter_mut().for_each(|of| of.equal.clear());
                        format!("{one} {or} {other}")
                    }
                    _ => format!("({one} OR {other})"),
                }
            }
            13 if depth > 0 => {
                let equal = self.uses[source].equal.clone();
                let one = self.condition(source, depth - 1);
                self.uses[source].equal = equal;
                format!("NOT ({one})")
            }
            14 => {
                let column = ["k", "m", "id"][self.draft.chance.below(3)];
                let name = self.col(source, column);
                // Strings and numbers, compared.
                let odd = match self.plan.engine {
                    Postgres => format!("'{}'", self.draft.chance.between(1, 4)),
                    _ => self.draft.odd(column),
                };
                format!("{name} = {odd}")
            }
            15 => {
                let (k, v) = (
                    self.any(source, &["k", "id"]),
                    self.any(source, &["v", "m"]),
                );
                format!("{k} = {v}")
            }
            16 if depth == 2 => {
                let other = self.draft.chance.below(self.plan.tables.len());
                self.uses_elsewhere(other);
                let k = self.col(source, "k");
                let not = self.draft.one(&["", "NOT "]);
                let text = match self.draft.chance.below(2) {
                    0 => format!("{not}EXISTS (SELECT 1 FROM p{other} s WHERE s.k = {k})"),
                    _ => format!("{k} IN (SELECT s.k FROM p{other} s WHERE s.v < 3)"),
                };
                self.uses.push(Use {
                    table: other,
                    columns: COLUMNS.into(),
                    ..Use::default()
                });
                text
            }
            _ => {
                let name = self.col(source, "g");
                format!("{name} = {}", self.draft.chance.between(1, 4))
            }
        }
    }
}
