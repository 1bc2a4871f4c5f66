//! Statements that write, at random.

use super::{Mysql, Postgres, RoutineKind, Schema, Sqlite, one_of};
use crate::chance::Chance;

impl Schema {
    /// A statement that writes, or two.
    pub(crate) fn write(&self, chance: &mut Chance) -> String {
        let at = chance.below(self.tables.len());
        match chance.below(100) {
            0..=11 => self.refill(chance, at),
            12..=19 => self.bind(chance, at),
            20..=69 => self.plain_write(chance, at),
            70..=79 => self.own_write(chance, at),
            80..=85 => self
                .write_view(chance)
                .unwrap_or_else(|| self.plain_write(chance, at)),
            86..=94 => self
                .call(chance)
                .unwrap_or_else(|| self.plain_write(chance, at)),
            _ => {
                let other = chance.below(self.tables.len());
                let (one, other) = (
                    self.plain_write(chance, at),
                    self.plain_write(chance, other),
                );
                format!("{one}; {other}")
            }
        }
    }

    /// One that every database knows.
    fn plain_write(&self, chance: &mut Chance, at: usize) -> String {
        let name = self.alias(chance, at);
        let (id, v) = (chance.between(1, 7), chance.between(0, 40));
        match chance.below(16) {
            0..=3 => format!("UPDATE {name} SET v = {v} WHERE id = {id}"),
            4 => format!("UPDATE {name} SET w = w + 1 WHERE v > {v}"),
            5 => format!(
                "/* its key */ UPDATE {name} SET k = {id} WHERE id = {}",
                chance.between(1, 7)
            ),
            6 => format!("UPDATE {name} SET k = NULL WHERE id = {id}"),
            7 => format!(
                "UPDATE {name} SET id = {id} WHERE id = {}",
                chance.between(1, 7)
            ),
            8 => format!("UPDATE {name} SET r = NULL, s = NULL WHERE id = {id}"),
            9 => format!("UPDATE {name} SET r = id WHERE id = {id}"),
            10 | 11 => format!("DELETE FROM {name} WHERE id = {id}"),
            12 | 13 => format!(
                "INSERT INTO {name} (id, k, v, w, r, s, q) VALUES {}",
                self.row(chance, at)
            ),
            14 => format!("INSERT INTO {name} (id, k, v) VALUES ({id}, {id}, {v})"),
            _ => {
                let from = &self.near(chance, self.tables[at].island).1.name;
                format!(
                    "INSERT INTO {name} (id, v, w) SELECT id + 4, v, w FROM {from} WHERE v > {v}"
                )
            }
        }
    }

    /// One that only this database knows.
    fn own_write(&self, chance: &mut Chance, at: usize) -> String {
        let name = &self.tables[at].name;
        let other = &self.near(chance, self.tables[at].island).1.name;
        let row = self.row(chance, at);
        let columns = "(id, k, v, w, r, s, q)";
        let (id, v) = (chance.between(1, 7), chance.between(0, 40));
        match (self.engine, chance.below(8)) {
            (Postgres | Sqlite, 0 | 1) => format!(
                "INSERT INTO {name} {columns} VALUES {row} \
                 ON CONFLICT (id) DO UPDATE SET v = excluded.v, k = excluded.k"
            ),
            (Postgres, 2) => format!(
                "WITH gone AS (DELETE FROM {name} WHERE id = {id} RETURNING id) \
                 UPDATE {other} SET v = {v} WHERE id IN (SELECT id FROM gone)"
            ),
            (Postgres, 3) => format!(
                "MERGE INTO {name} AS t USING (SELECT {id} AS n) AS u ON t.id = u.n \
                 WHEN MATCHED AND t.v > 20 THEN DELETE \
                 WHEN MATCHED THEN UPDATE SET v = {v}, k = NULL \
                 WHEN NOT MATCHED THEN INSERT (id, v) VALUES (u.n, {v})"
            ),
            (Postgres, 4) => format!(
                "UPDATE {name} AS x SET v = y.v, w = {id} FROM {other} AS y WHERE y.id = x.id"
            ),
            (Postgres, 5) if chance.percent(30) => {
                format!("TRUNCATE {name}{}", one_of(chance, &["", " CASCADE"]))
            }
            (Postgres, 5) => format!(
                "DELETE FROM {name} AS x USING {other} AS y WHERE x.r = y.id AND x.id = {id}"
            ),
            (Postgres, 6) => format!("UPDATE ONLY {name} SET v = {v} WHERE id = {id}"),
            (Postgres, _) => match self.views.iter().find(|view| view.materialised) {
                Some(view) => format!("REFRESH MATERIALIZED VIEW {}", view.name),
                None if chance.percent(10) => format!("ANALYZE {name}"),
                None if chance.percent(20) => {
                    format!("EXPLAIN ANALYZE UPDATE {name} SET v = {v} WHERE id = {id}")
                }
                None => format!("INSERT INTO {name} (id, v) VALUES ({id}, {v}) RETURNING id"),
            },
            (Mysql, 0 | 1) => format!(
                "INSERT INTO {name} {columns} VALUES {row} \
                 ON DUPLICATE KEY UPDATE v = {v}, k = VALUES(k)"
            ),
            (Mysql, 2) => format!("REPLACE INTO {name} {columns} VALUES {row}"),
            (Mysql, 3 | 4) => format!(
                "UPDATE {name} AS x JOIN {other} AS y ON y.id = x.id SET x.v = {v}, y.w = {id}"
            ),
            (Mysql, 5) => {
                format!("DELETE x FROM {name} AS x JOIN {other} AS y ON y.r = x.id WHERE x.v > {v}")
            }
            (Mysql, 6) => format!("UPDATE IGNORE {name} SET k = {id} WHERE v > {v}"),
            (Mysql, _) => format!("DELETE FROM {name} WHERE v > {v} ORDER BY id LIMIT 1"),
            (Sqlite, 2 | 3) => format!("REPLACE INTO {name} {columns} VALUES {row}"),
            (Sqlite, 4) => format!("UPDATE OR REPLACE {name} SET k = {id} WHERE v > {v}"),
            (Sqlite, 5) => format!("UPDATE OR IGNORE {name} SET id = {id} WHERE v > {v}"),
            (Sqlite, 6) => format!(
                "UPDATE {name} SET v = y.v FROM {other} AS y WHERE y.id = {name}.id AND y.w = {id}"
            ),
            (Sqlite, _) => format!(
                "WITH y AS (SELECT id FROM {other} WHERE v > {v}) DELETE FROM {name} WHERE id IN y"
            ),
        }
    }

    fn write_view(&self, chance: &mut Chance) -> Option<String> {
        if self.views.is_empty() {
            return None;
        }
        let view = &self.views[chance.below(self.views.len())];
        let name = &view.name;
        let (id, a) = (chance.between(1, 7), chance.between(0, 40));
        Some(match chance.below(4) {
            _ if view.materialised => format!("REFRESH MATERIALIZED VIEW {name}"),
            0 => format!("INSERT INTO {name} (id, a) VALUES ({id}, {a})"),
            1 => format!("DELETE FROM {name} WHERE id = {id}"),
            _ => format!("UPDATE {name} SET a = {a} WHERE id = {id}"),
        })
    }

    /// A read that writes, or a call.
    fn call(&self, chance: &mut Chance) -> Option<String> {
        let number = chance.between(1, 6);
        let writing: Vec<&str> = self
            .views
            .iter()
            .filter(|view| view.writes)
            .map(|view| view.name.as_str())
            .collect();
        if !writing.is_empty() && chance.percent(40) {
            let view = writing[chance.below(writing.len())];
            return Some(format!("SELECT id, b FROM {view}"));
        }
        let called: Vec<_> = self
            .routines
            .iter()
            .filter(|routine| routine.kind != RoutineKind::Reader)
            .collect();
        if called.is_empty() {
            return None;
        }
        let routine = called[chance.below(called.len())];
        let name = &routine.name;
        let table = &self.near(chance, routine.island).1.name;
        Some(match (routine.kind, self.engine) {
            (RoutineKind::Procedure, Postgres) if chance.percent(40) => {
                format!("DO $$ BEGIN CALL {name}({number}); END $$")
            }
            (RoutineKind::Procedure, _) => format!("CALL {name}({number})"),
            (RoutineKind::Aggregate, _) => format!("SELECT {name}(id) FROM {table}"),
            (_, Postgres) => match chance.below(6) {
                0 => format!("SELECT {name}()"),
                1 => format!("SELECT {name}({number}, {number})"),
                2 if chance.percent(30) => {
                    format!("SELECT query_to_xml('SELECT {name}({number})', true, true, '')")
                }
                2 => format!("UPDATE {table} SET w = {name}(id) WHERE id = {number}"),
                _ => format!("SELECT {name}({number})"),
            },
            (_, Mysql | Sqlite) => match chance.below(4) {
                0 => format!("DO {name}({number})"),
                1 => format!("UPDATE {table} SET w = {name}(id) WHERE id = {number}"),
                _ => format!("SELECT {name}({number})"),
            },
        })
    }
}
