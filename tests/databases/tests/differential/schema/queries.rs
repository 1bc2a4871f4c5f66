//! Reads, at random. None of them writes, and each has a total order.

use super::{BUILT, Postgres, Query, RoutineKind, Schema, one_of};
use crate::chance::Chance;

impl Schema {
    pub(crate) fn query(&self, chance: &mut Chance) -> Query {
        if chance.percent(25) {
            let text = one_of(chance, &["v > 10", "w IS NULL", "id <= 3", "v % 2 = 0"]);
            return Query::Built(chance.below(BUILT), chance.below(4), text.to_owned());
        }
        let (select, bind) = self.select(chance);
        let cast = |name: &str, alias: char| {
            format!("CAST({name} AS {}) AS {alias}", self.engine.widest())
        };
        let columns = [("one", 'a'), ("two", 'b'), ("three", 'c')]
            .map(|(name, alias)| cast(name, alias))
            .join(", ");
        let text = match chance.below(3) {
            0 => format!("WITH x AS ({select}) SELECT {columns} FROM x ORDER BY 1, 2, 3"),
            _ => format!("SELECT {columns} FROM ({select}) AS x ORDER BY 1, 2, 3"),
        };
        Query::Text(text, bind)
    }

    /// Reads that see every row and column of the tables and views, but for those that write.
    pub(crate) fn sweep(&self) -> Vec<Query> {
        let wide = self.engine.widest();
        let cast = |what: &str| format!("CAST({what} AS {wide})");
        let tables = self.tables.iter().map(|table| {
            let name = &table.name;
            let (v, keys) = (
                cast("v * 1000 + coalesce(w, -1)"),
                cast("coalesce(k, -1) * 1000000 + coalesce(r, -1) * 1000 + coalesce(q, -1)"),
            );
            let id = cast("id");
            format!("SELECT {id} AS a, {v} AS b, {keys} AS c FROM {name} ORDER BY 1, 2, 3")
        });
        let views = self.views.iter().filter(|view| !view.writes).map(|view| {
            let (id, a, b, name) = (cast("id"), cast("a"), cast("b"), &view.name);
            format!("SELECT {id} AS a, {a} AS b, {b} AS c FROM {name} ORDER BY 1, 2, 3")
        });
        tables
            .chain(views)
            .map(|text| Query::Text(text, None))
            .collect()
    }

    /// A select of `one`, `two` and `three`.
    fn select(&self, chance: &mut Chance) -> (String, Option<i32>) {
        let at = chance.below(self.tables.len());
        let island = self.tables[at].island;
        let x = self.alias(chance, at).to_owned();
        let (_, other) = self.near(chance, island);
        let y = &other.name;
        let number = chance.between(1, 4);
        let view = {
            let read: Vec<_> = self.views.iter().filter(|view| !view.writes).collect();
            (!read.is_empty()).then(|| read[chance.below(read.len())].name.clone())
        };
        let mark = if self.engine == Postgres { "$1" } else { "?" };
        let text = match chance.below(16) {
            0 | 1 => format!("SELECT id AS one, v AS two, w AS three FROM {x}"),
            2 => format!("SELECT id AS one, r AS two, q AS three FROM {x}"),
            3 => format!("SELECT id AS one, k AS two, g AS three FROM {x}"),
            4 | 5 => {
                let text =
                    format!("SELECT id AS one, v AS two, s AS three FROM {x} WHERE id = {mark}");
                return (text, Some(number));
            }
            6 => format!("SELECT 0 AS one, count(*) AS two, sum(v) AS three FROM {x}"),
            7 => format!(
                "SELECT x.id AS one, y.id AS two, y.v AS three FROM {x} AS x JOIN {y} AS y ON y.id = x.r"
            ),
            8 => format!(
                "SELECT x.id AS one, y.v AS two, x.v AS three FROM {x} AS x \
                 LEFT JOIN {y} AS y ON y.r = x.id AND y.v > {number}"
            ),
            9 => format!(
                "SELECT id AS one, v AS two, 0 AS three FROM {x} \
                 WHERE EXISTS (SELECT 1 FROM {y} AS y WHERE y.q = {x}.id OR y.r = {number})"
            ),
            10 => format!(
                "SELECT id AS one, v AS two, 0 AS three FROM {x} UNION ALL SELECT id, w, 1 FROM {y}"
            ),
            11 => match self
                .routines
                .iter()
                .find(|routine| routine.kind == RoutineKind::Reader)
            {
                Some(reader) => format!(
                    "SELECT id AS one, {}(id) AS two, v AS three FROM {x}",
                    reader.name
                ),
                None => format!("SELECT max(id) AS one, min(k) AS two, max(v) AS three FROM {x}"),
            },
            _ => match view {
                Some(view) => format!("SELECT id AS one, a AS two, b AS three FROM {view}"),
                None => format!(
                    "SELECT id % 2 AS one, count(v) AS two, max(k) AS three FROM {x} GROUP BY id % 2"
                ),
            },
        };
        (text, None)
    }
}
