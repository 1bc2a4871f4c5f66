//! Functions, aggregates and procedures.

use super::tables::CALM;
use super::{Mysql, Offer, Postgres, Routine, RoutineKind, Schema, Sqlite, one_of};
use crate::chance::Chance;

impl Schema {
    pub(super) fn make_routine(&mut self, chance: &mut Chance, offer: &mut Offer<'_>) {
        match self.engine {
            Postgres => self.make_routine_postgres(chance, offer),
            Mysql => self.make_routine_mysql(chance, offer),
            Sqlite => {}
        }
    }

    fn add_routine(&mut self, name: String, island: usize, kind: RoutineKind) {
        self.routines.push(Routine { name, island, kind });
    }

    /// A routine of the island that may write.
    fn writer(&self, island: usize) -> Option<&Routine> {
        let is_one =
            |routine: &&Routine| routine.kind == RoutineKind::Writer && routine.island == island;
        self.routines.iter().rev().find(is_one)
    }

    /// A function that writes the calm table alone: for what is called at each write of another.
    pub(super) fn make_calm_writer(&self, offer: &mut Offer<'_>) {
        let calm = &self.tables[CALM].name;
        if self.engine == Postgres {
            offer(&format!(
                "CREATE FUNCTION to_calm(n integer) RETURNS integer LANGUAGE plpgsql \
                 AS $$ BEGIN UPDATE {calm} SET v = v + 1 WHERE id = n; RETURN n; END $$"
            ));
        }
    }

    fn make_routine_postgres(&mut self, chance: &mut Chance, offer: &mut Offer<'_>) {
        let island = self.any_island(chance);
        let table = self.near(chance, island).1.name.clone();
        let writer = self.writer(island).map(|routine| routine.name.clone());
        let name = match (&writer, chance.below(4)) {
            // The same name for other arguments.
            (Some(writer), 0) => {
                let other = self.body(chance, island, "n");
                offer(&format!(
                    "CREATE OR REPLACE FUNCTION {writer}(n integer, m integer) RETURNS integer \
                     LANGUAGE plpgsql AS $$ BEGIN {other}; RETURN n; END $$"
                ));
                offer(&format!(
                    "CREATE OR REPLACE FUNCTION {writer}(n text) RETURNS integer STABLE \
                     LANGUAGE sql AS $$ SELECT max(v) FROM {table} $$"
                ));
                return;
            }
            // Another body for a function that triggers call.
            (Some(writer), 1) => writer.clone(),
            // A name that the database has a function of, too.
            (_, 2) if chance.percent(30) => "upper".to_owned(),
            _ => self.fresh_name("f"),
        };
        // One that is replaced calls no other: they would call each other without end.
        let again = writer.as_ref() == Some(&name);
        let head = format!("CREATE OR REPLACE FUNCTION {name}(n integer) RETURNS integer");
        if again {
            let action = self.action(chance, island, "n");
            offer(&format!(
                "{head} LANGUAGE plpgsql AS $$ BEGIN {action}; RETURN n; END $$"
            ));
            return;
        }
        let plain =
            |body: &str| format!("{head} LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN n; END $$");
        let (sql, kind) = match (chance.below(12), &writer) {
            (0, _) => (
                format!(
                    "{head} STABLE LANGUAGE sql AS $$ SELECT max(v) FROM {table} WHERE id >= n $$"
                ),
                RoutineKind::Reader,
            ),
            (1, _) => (
                format!(
                    "{head} STABLE LANGUAGE plpgsql AS $$ DECLARE m integer; BEGIN \
                     SELECT count(*) INTO m FROM {table} WHERE v > n; RETURN m; END $$"
                ),
                RoutineKind::Reader,
            ),
            // PostgreSQL keeps a function that says it does not write from doing so, but
            // not from calling one that does.
            (2, Some(writer)) => (
                format!("{head} STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN {writer}(n); END $$"),
                RoutineKind::Writer,
            ),
            (3, Some(writer)) => (
                format!(
                    "CREATE OR REPLACE FUNCTION {name}(n integer DEFAULT 1, m integer DEFAULT {writer}(2)) \
                     RETURNS integer STABLE LANGUAGE sql AS $$ SELECT n $$"
                ),
                RoutineKind::Writer,
            ),
            (4, Some(writer)) => {
                let (step, aggregate) = (self.fresh_name("sf"), self.fresh_name("ag"));
                offer(&format!(
                    "CREATE FUNCTION {step}(n integer, m integer) RETURNS integer \
                     LANGUAGE plpgsql AS $$ BEGIN PERFORM {writer}(m); RETURN m; END $$"
                ));
                let sql = format!(
                    "CREATE AGGREGATE {aggregate}(integer) (SFUNC = {step}, STYPE = integer)"
                );
                if offer(&sql) {
                    self.add_routine(aggregate, island, RoutineKind::Aggregate);
                }
                return;
            }
            // It says that it depends on nothing, so an index may call it at each write.
            (10, _) => {
                let sql = format!(
                    "{head} IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN \
                     PERFORM to_calm(n % 5); RETURN n; END $$"
                );
                // What the calm table calls must not write what writes it at the end.
                let calm = table == self.tables[CALM].name;
                if offer(&sql) {
                    self.add_routine(name.clone(), island, RoutineKind::Writer);
                    if calm {
                        return;
                    }
                    let index = self.fresh_name("i");
                    offer(&match chance.below(3) {
                        0 => format!(
                            "ALTER TABLE {table} ADD {index} INTEGER GENERATED ALWAYS AS ({name}(v)) STORED"
                        ),
                        1 => format!("CREATE INDEX {index} ON {table} (v) WHERE {name}(v) > 0"),
                        _ => format!("CREATE INDEX {index} ON {table} ({name}(v))"),
                    });
                }
                return;
            }
            (5, _) => {
                let body = self.body(chance, island, "n");
                let name = self.fresh_name("pr");
                let sql = format!(
                    "CREATE PROCEDURE {name}(n integer) LANGUAGE plpgsql AS $$ BEGIN {body}; END $$"
                );
                if offer(&sql) {
                    self.add_routine(name, island, RoutineKind::Procedure);
                }
                return;
            }
            (6, _) => {
                let action = self.action(chance, island, "n");
                (
                    format!("{head} LANGUAGE sql AS $$ {action}; SELECT 1 $$"),
                    RoutineKind::Writer,
                )
            }
            // Its body is parsed when it is made, and no text of it is kept.
            (7, _) => {
                let action = self.action(chance, island, "n");
                (
                    format!("{head} LANGUAGE sql BEGIN ATOMIC {action}; SELECT 1; END"),
                    RoutineKind::Writer,
                )
            }
            _ => (plain(&self.body(chance, island, "n")), RoutineKind::Writer),
        };
        if offer(&sql) {
            self.add_routine(name, island, kind);
        }
    }

    fn make_routine_mysql(&mut self, chance: &mut Chance, offer: &mut Offer<'_>) {
        let island = self.any_island(chance);
        let table = self.near(chance, island).1.name.clone();
        let again = self.writer(island).map(|routine| routine.name.clone());
        if let Some(writer) = again.filter(|_| chance.percent(25)) {
            let action = self.action(chance, island, "n");
            offer(&format!(
                "CREATE OR REPLACE FUNCTION {writer}(n INTEGER) RETURNS INTEGER \
                 BEGIN {action}; RETURN n; END"
            ));
            return;
        }
        let name = self.fresh_name("f");
        let head = format!("CREATE FUNCTION {name}(n INTEGER) RETURNS INTEGER");
        let (sql, name, kind) = match chance.below(8) {
            0 | 1 => (
                format!("{head} READS SQL DATA RETURN (SELECT max(v) FROM {table} WHERE id >= n)"),
                name,
                RoutineKind::Reader,
            ),
            2..=4 => {
                let body = self.body(chance, island, "n");
                // It says what it pleases; the server believes it.
                let claim = one_of(
                    chance,
                    &["MODIFIES SQL DATA", "READS SQL DATA", "DETERMINISTIC"],
                );
                (
                    format!("{head} {claim} BEGIN {body}; RETURN n; END"),
                    name,
                    RoutineKind::Writer,
                )
            }
            5 if self.heavy => {
                let action = self.action(chance, island, "1").replace('\'', "''");
                let name = self.fresh_name("pr");
                (
                    format!(
                        "CREATE PROCEDURE {name}(n INTEGER) BEGIN EXECUTE IMMEDIATE '{action}'; END"
                    ),
                    name,
                    RoutineKind::Procedure,
                )
            }
            _ => {
                let body = self.body(chance, island, "n");
                let name = self.fresh_name("pr");
                (
                    format!("CREATE PROCEDURE {name}(n INTEGER) BEGIN {body}; END"),
                    name,
                    RoutineKind::Procedure,
                )
            }
        };
        if offer(&sql) {
            self.add_routine(name, island, kind);
        }
    }
}
