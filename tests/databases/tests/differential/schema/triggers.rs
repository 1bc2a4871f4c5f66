//! Triggers and rules.

use super::tables::CALM;
use super::{Mysql, Offer, Postgres, Schema, Sqlite, one_of};
use crate::chance::Chance;

impl Schema {
    pub(super) fn make_trigger(&mut self, chance: &mut Chance, offer: &mut Offer<'_>) {
        match self.engine {
            Postgres if chance.percent(12) => self.make_rule(chance, offer),
            Postgres => self.make_trigger_postgres(chance, offer),
            Mysql => self.make_trigger_mysql(chance, offer),
            Sqlite => self.make_trigger_sqlite(chance, offer),
        }
    }

    pub(super) fn drop_trigger(&mut self, chance: &mut Chance, offer: &mut Offer<'_>) {
        if self.triggers.is_empty() {
            return;
        }
        let at = chance.below(self.triggers.len());
        let (name, on) = self.triggers.swap_remove(at);
        offer(&match self.engine {
            Postgres if name.starts_with("ru") => format!("DROP RULE IF EXISTS {name} ON {on}"),
            Postgres => format!("DROP TRIGGER IF EXISTS {name} ON {on}"),
            Mysql | Sqlite => format!("DROP TRIGGER IF EXISTS {name}"),
        });
    }

    /// Something that triggers may stand on: an island, a quoted name, whether it is a view.
    fn subject(&self, chance: &mut Chance) -> (usize, String, bool) {
        if self.engine != Mysql && chance.percent(20) && !self.views.is_empty() {
            let view = &self.views[chance.below(self.views.len())];
            if !view.materialised {
                return (view.island, view.name.clone(), true);
            }
        }
        let at = CALM + 1 + chance.below(self.tables.len() - 1);
        let name = self.alias(chance, at).to_owned();
        (self.tables[at].island, name, false)
    }

    fn make_trigger_postgres(&mut self, chance: &mut Chance, offer: &mut Offer<'_>) {
        let (island, on, view) = self.subject(chance);
        let events = one_of(
            chance,
            &[
                "INSERT",
                "UPDATE",
                "DELETE",
                "INSERT OR UPDATE",
                "UPDATE OF v",
                "UPDATE OF k",
            ],
        );
        let events = if view {
            one_of(chance, &["INSERT", "UPDATE", "DELETE"])
        } else {
            events
        };
        let row = if events == "DELETE" { "OLD" } else { "NEW" };
        let whole = !view && chance.percent(20);
        let truncate = whole && chance.percent(30);
        let before = !view && chance.percent(40);
        let transition = whole && !before && !truncate && matches!(events, "INSERT" | "UPDATE");
        let key = if transition {
            "(SELECT min(id) FROM fresh)".to_owned()
        } else if whole {
            chance.between(1, 5).to_string()
        } else {
            format!("{row}.id")
        };
        let deferred = !view && !before && !whole && chance.percent(25);
        let mut steps = Vec::new();
        if before && !whole && row == "NEW" && chance.percent(50) {
            steps.extend(self.amend(chance));
        }
        if steps.is_empty() || chance.percent(40) {
            steps.push(if deferred {
                // Others might write what this one waits for, at the end of each transaction.
                let calm = &self.tables[CALM].name;
                format!("UPDATE {calm} SET v = v + 1 WHERE id = {key}")
            } else {
                self.body(chance, island, &key)
            });
        }
        let steps = steps.join("; ");
        let steps = match chance.below(10) {
            0 => format!("BEGIN {steps}; EXCEPTION WHEN OTHERS THEN NULL; END"),
            1 if !whole => {
                format!("IF {row}.v = 13 THEN RAISE EXCEPTION 'thirteen'; END IF; {steps}")
            }
            _ => steps,
        };
        let function = self.fresh_name("tf");
        let made = offer(&format!(
            "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF pg_trigger_depth() < 4 THEN {steps}; END IF; RETURN {}; END $$",
            if whole { "NULL" } else { row }
        ));
        if !made {
            return;
        }
        let name = self.fresh_name("tr");
        let each = if whole { "STATEMENT" } else { "ROW" };
        let when = if whole || view || chance.percent(60) {
            String::new()
        } else {
            match chance.below(3) {
                0 => format!("WHEN (to_calm({row}.id) IS NOT NULL)"),
                _ => format!("WHEN ({})", self.condition(chance, row)),
            }
        };
        let time = if view {
            "INSTEAD OF"
        } else if before {
            "BEFORE"
        } else {
            "AFTER"
        };
        let events = if truncate { "TRUNCATE" } else { events };
        let sql = if deferred {
            format!(
                "CREATE CONSTRAINT TRIGGER {name} AFTER {events} ON {on} \
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW {when} EXECUTE FUNCTION {function}()"
            )
        } else {
            let fresh = if transition {
                "REFERENCING NEW TABLE AS fresh"
            } else {
                ""
            };
            format!(
                "CREATE TRIGGER {name} {time} {events} ON {on} {fresh} FOR EACH {each} {when} \
                 EXECUTE FUNCTION {function}()"
            )
        };
        if offer(&sql) {
            self.triggers.push((name, on));
        }
    }

    fn make_rule(&mut self, chance: &mut Chance, offer: &mut Offer<'_>) {
        let (island, on, view) = self.subject(chance);
        let name = self.fresh_name("ru");
        let (event, row) =
            [("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")][chance.below(3)];
        let how = if view {
            "INSTEAD"
        } else {
            one_of(chance, &["ALSO", "ALSO", "INSTEAD"])
        };
        let action = self.action(chance, island, &format!("{row}.id"));
        let when = if view || chance.percent(60) {
            String::new()
        } else {
            format!("WHERE {row}.id > 2")
        };
        let sql =
            format!("CREATE OR REPLACE RULE {name} AS ON {event} TO {on} {when} DO {how} {action}");
        if offer(&sql) {
            self.triggers.push((name, on));
        }
    }

    fn make_trigger_mysql(&mut self, chance: &mut Chance, offer: &mut Offer<'_>) {
        let (island, on, _) = self.subject(chance);
        let event = one_of(chance, &["INSERT", "UPDATE", "DELETE"]);
        let row = if event == "DELETE" { "OLD" } else { "NEW" };
        let before = chance.percent(50);
        let mut steps = Vec::new();
        if before && row == "NEW" && chance.percent(50) {
            steps.extend(self.amend(chance));
        }
        if steps.is_empty() || chance.percent(40) {
            steps.push(self.body(chance, island, &format!("{row}.id")));
        }
        if chance.percent(10) {
            steps.push(format!(
                "IF {row}.v = 13 THEN SIGNAL SQLSTATE '45000'; END IF"
            ));
        }
        let steps = steps.join("; ");
        let steps = if chance.percent(40) {
            format!("IF {} THEN {steps}; END IF", self.condition(chance, row))
        } else {
            steps
        };
        let name = self.fresh_name("tr");
        let time = if before { "BEFORE" } else { "AFTER" };
        let sql =
            format!("CREATE TRIGGER {name} {time} {event} ON {on} FOR EACH ROW BEGIN {steps}; END");
        if offer(&sql) {
            self.triggers.push((name, on));
        }
    }

    fn make_trigger_sqlite(&mut self, chance: &mut Chance, offer: &mut Offer<'_>) {
        let (island, on, view) = self.subject(chance);
        let event = one_of(
            chance,
            &["INSERT", "UPDATE", "DELETE", "UPDATE OF v", "UPDATE OF k"],
        );
        let event = if view {
            one_of(chance, &["INSERT", "UPDATE", "DELETE"])
        } else {
            event
        };
        let row = if event == "DELETE" { "OLD" } else { "NEW" };
        let time = if view {
            "INSTEAD OF"
        } else {
            one_of(chance, &["BEFORE", "AFTER"])
        };
        let mut steps = self.body(chance, island, &format!("{row}.id"));
        if time == "AFTER" && row == "NEW" && chance.percent(30) {
            // What a BEFORE trigger of another database would do.
            let change = one_of(chance, &["k = v % 8 + 1", "v = (v + 1) % 50", "r = NULL"]);
            steps = format!("UPDATE {on} SET {change} WHERE id = NEW.id; {steps}");
        }
        if chance.percent(10) && !view {
            let how = one_of(chance, &["ROLLBACK", "ABORT", "FAIL", "IGNORE"]);
            let why = if how == "IGNORE" { "" } else { ", 'thirteen'" };
            steps = format!("SELECT RAISE({how}{why}) WHERE {row}.v = 13; {steps}");
        }
        let when = if view || chance.percent(60) {
            String::new()
        } else {
            format!("WHEN {}", self.condition(chance, row))
        };
        let name = self.fresh_name("tr");
        let sql = format!(
            "CREATE TRIGGER {name} {time} {event} ON {on} FOR EACH ROW {when} BEGIN {steps}; END"
        );
        if offer(&sql) {
            self.triggers.push((name, on));
        }
    }
}
