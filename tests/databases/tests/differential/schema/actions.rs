//! What triggers and routines do: statements that write, in an island.

use super::{Mysql, Postgres, RoutineKind, Schema, Sqlite, one_of};
use crate::chance::Chance;

impl Schema {
    /// A statement that writes somewhere in the island. `key` is a number that it may use: of
    /// the row that a trigger is for, or a routine's argument.
    pub(super) fn action(&self, chance: &mut Chance, island: usize, key: &str) -> String {
        let (at, table) = self.near(chance, island);
        let name = match chance.below(8) {
            0 => self.alias(chance, at).to_owned(),
            // PostgreSQL folds a name that is not quoted.
            1 if self.engine == Postgres && table.name == "\"alpha\"" => "ALPHA".to_owned(),
            2 if self.engine == Postgres => format!("public.{}", table.name),
            // SQLite takes any quotes for a name's.
            2..=4 if self.engine == Sqlite => {
                let bare = table.name.replace('"', "");
                let quotes = one_of(chance, &["``", "[]", "''"]);
                format!("{}{bare}{}", &quotes[..1], &quotes[1..])
            }
            _ => table.name.clone(),
        };
        let number = chance.between(1, 6);
        let key = match chance.below(3) {
            0 => number.to_string(),
            _ => key.to_owned(),
        };
        match chance.below(10) {
            0..=3 => format!("UPDATE {name} SET v = (v + 1) % 50 WHERE id = {key}"),
            4 => format!("UPDATE {name} SET w = {key}, v = v WHERE id <= {number}"),
            5 => self.insert_or_skip(
                &name,
                &format!("({key}, {number}, {number}, NULL, NULL, NULL, NULL)"),
            ),
            6 => format!("DELETE FROM {name} WHERE id = {key} AND v % 2 = 0"),
            7 => format!("UPDATE {name} SET k = NULL WHERE id = {key}"),
            8 => format!(
                "UPDATE {name} SET w = (SELECT count(*) FROM {} AS y WHERE y.v > {number}) \
                 WHERE id = {key}",
                self.near(chance, island).1.name
            ),
            _ => match self
                .views
                .iter()
                .find(|view| view.updatable && view.island == island)
            {
                Some(view) => format!("UPDATE {} SET a = {number} WHERE id = {key}", view.name),
                None => format!("UPDATE {name} SET r = NULL WHERE id = {key}"),
            },
        }
    }

    /// A statement of a routine's or trigger's body: a write, or a call of what writes.
    pub(super) fn body(&self, chance: &mut Chance, island: usize, key: &str) -> String {
        let called = |kinds: &[RoutineKind]| {
            self.routines
                .iter()
                .rev()
                .find(|routine| routine.island == island && kinds.contains(&routine.kind))
        };
        let calls = chance.percent(35);
        match self.engine {
            Postgres if calls => match called(&[RoutineKind::Writer, RoutineKind::Procedure]) {
                Some(routine) if routine.kind == RoutineKind::Procedure => {
                    format!("CALL {}({key})", routine.name)
                }
                Some(routine) => format!("PERFORM {}({key})", routine.name),
                None => self.action(chance, island, key),
            },
            Postgres if chance.percent(14) => self.dynamic(chance, island, key),
            Mysql if calls => match called(&[RoutineKind::Writer, RoutineKind::Procedure]) {
                Some(routine) if routine.kind == RoutineKind::Procedure => {
                    format!("CALL {}({key})", routine.name)
                }
                Some(routine) => format!("DO {}({key})", routine.name),
                None => self.action(chance, island, key),
            },
            // A comment that is none. A connection that runs such a text is not followed any more.
            Mysql if !self.settled && chance.percent(15) => {
                let how = one_of(chance, &["/*!", "/*!40000", "/*M!"]);
                format!("{how} {} */", self.action(chance, island, key))
            }
            _ => self.action(chance, island, key),
        }
    }

    /// PostgreSQL's statement whose text is made when it runs.
    fn dynamic(&self, chance: &mut Chance, island: usize, key: &str) -> String {
        let name = self.near(chance, island).1.name.replace('"', "");
        let (one, other) = name.split_at(2);
        match chance.below(2) {
            0 => format!(
                "EXECUTE format('UPDATE %I SET v = (v + 1) %% 50 WHERE id = $1', '{name}') USING {key}"
            ),
            _ => format!(
                "EXECUTE 'UPDATE ' || quote_ident('{one}' || '{other}') || ' SET v = (v + 1) % 50 WHERE id = ' || {key}"
            ),
        }
    }

    /// A condition on a row.
    pub(super) fn condition(&self, chance: &mut Chance, row: &str) -> String {
        let number = chance.between(0, 20);
        match chance.below(3) {
            0 => format!("{row}.v > {number}"),
            1 => format!("{row}.id % 2 = {}", number % 2),
            _ => format!("{row}.w IS NOT NULL"),
        }
    }

    /// Changes the row that is about to be written.
    pub(super) fn amend(&self, chance: &mut Chance) -> Option<String> {
        let change = one_of(
            chance,
            &[
                "v := (NEW.v + 1) % 50",
                "k := NEW.v % 8 + 1",
                "k := NULL",
                "id := NEW.v % 8 + 1",
                "r := NULL",
                "w := 3",
            ],
        );
        let (column, value) = change.split_once(" := ")?;
        match self.engine {
            Postgres => Some(format!("NEW.{column} := {value}")),
            Mysql => Some(format!("SET NEW.{column} = {value}")),
            Sqlite => None,
        }
    }
}
