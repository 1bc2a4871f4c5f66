//! Random tables: how their rows are told apart, and what a write to one does besides.

use crate::chance::Chance;
use crate::schema::{Engine, Mysql, Postgres, Sqlite};

/// How many tables there may be.
pub(super) const TABLES: usize = 4;

/// The columns that all tables have.
pub(super) const COLUMNS: [&str; 10] = ["id", "k", "m", "t", "n", "v", "w", "f", "g", "r"];

/// The columns of each row that tell it from all others: what to order by.
pub(super) const TOTAL: [&str; 3] = ["id", "k", "t"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Primary {
    Id,
    Pair,
    Text,
    TextPair,
    Uuid,
}

/// What is known of a table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    /// Whether the database makes the `id` of a row that is given none.
    pub(super) made: bool,
    /// What `g` is made of, if it is generated.
    pub(super) generated: Option<&'static str>,
    /// Whether `r` refers to another table.
    pub(super) refers: bool,
    k_is_null: bool,
    t_is_odd: bool,
}

/// The tables of a run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) engine: Engine,
    /// Whether MySQL takes what does not fit, and makes something of it.
    pub(super) lenient: bool,
    pub(super) tables: Vec<Table>,
    pub(super) made: Vec<String>,
}

impl Plan {
    /// Makes tables in an empty database. A statement that is refused is left out, but for those
    /// that make the tables.
    pub(super) fn make(
        engine: Engine,
        chance: &mut Chance,
        mut offer: impl FnMut(&str) -> bool,
    ) -> Self {
        let count = 2 + chance.below(TABLES - 1);
        let mut plan = Self {
            engine,
            lenient: engine == Mysql && chance.percent(50),
            tables: Vec::new(),
            made: Vec::new(),
        };
        if engine == Postgres {
            let nocase = "CREATE COLLATION nocase \
                (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";
            plan.offer(nocase, &mut offer);
        }
        for at in 0..count {
            let sql = plan.define(chance, at);
            assert!(plan.offer(&sql, &mut offer), "refused: {sql}");
        }
        for at in 0..count {
            if chance.percent(20) {
                for sql in plan.trigger(chance, at) {
                    plan.offer(&sql, &mut offer);
                }
            }
        }
        for at in 0..count {
            for id in 1..=4 {
                let sql = plan.seed(chance, at, id);
                plan.offer(&sql, &mut offer);
            }
        }
        plan
    }

    fn offer(&mut self, sql: &str, offer: &mut impl FnMut(&str) -> bool) -> bool {
        let taken = offer(sql);
        if taken {
            self.made.push(format!("  {sql};"));
        }
        taken
    }

    fn define(&mut self, chance: &mut Chance, at: usize) -> String {
        let engine = self.engine;
        let primary = match chance.below(10) {
            0..=4 => Primary::Id,
            5 | 6 => Primary::Pair,
            7 => Primary::Text,
            8 => Primary::TextPair,
            _ if engine == Postgres => Primary::Uuid,
            _ => Primary::Id,
        };
        let made = chance.percent(60) && (engine != Sqlite || primary == Primary::Id);
        let k_is_null = !matches!(primary, Primary::Pair | Primary::TextPair) && chance.percent(60);
        let t_is_odd = chance.percent(if primary == Primary::Id { 40 } else { 20 });
        let generated = match chance.below(3) {
            0 => Some("v"),
            1 => Some("k"),
            _ => None,
        };
        let mut lines = vec![
            id(engine, primary, made, chance),
            format!("k INTEGER{}", nullable(k_is_null, "1")),
            "m SMALLINT".to_owned(),
            format!("t {} NOT NULL DEFAULT 'a'", text(engine, t_is_odd, chance)),
            format!("n {}", text(engine, false, chance)),
            "v INTEGER NOT NULL DEFAULT 0".to_owned(),
            "w INTEGER".to_owned(),
            format!("f BOOLEAN NOT NULL DEFAULT {}", truth(engine)),
            match generated {
                Some(of) => format!("g INTEGER GENERATED ALWAYS AS ({of} + 1) STORED"),
                None => "g INTEGER".to_owned(),
            },
            "r INTEGER".to_owned(),
        ];
        if engine == Postgres {
            lines.push("u UUID NOT NULL DEFAULT gen_random_uuid()".to_owned());
        }
        if engine == Mysql && chance.percent(30) {
            lines.push("at TIMESTAMP(6) NULL ON UPDATE CURRENT_TIMESTAMP(6)".to_owned());
        }
        let key = match primary {
            Primary::Id => "id",
            Primary::Pair => "k, id",
            Primary::Text => "t",
            Primary::TextPair => "t, k",
            Primary::Uuid => "u",
        };
        // SQLite's number of a row is told by the word on the column.
        if !(engine == Sqlite && primary == Primary::Id && made) {
            lines.push(format!("PRIMARY KEY ({key})"));
        }
        if primary != Primary::Id {
            lines.push("UNIQUE (id)".to_owned());
        }
        if chance.percent(15) {
            lines.push("UNIQUE (k, n)".to_owned());
        }
        let refers = chance.percent(15);
        if refers {
            let to = chance.below(at + 1);
            let delete = ["CASCADE", "SET NULL"][chance.below(2)];
            let update = ["CASCADE", "SET NULL", "NO ACTION"][chance.below(3)];
            lines.push(format!(
                "FOREIGN KEY (r) REFERENCES p{to} (id) ON DELETE {delete} ON UPDATE {update}"
            ));
        }
        self.tables.push(Table {
            name: format!("p{at}"),
            made,
            generated,
            refers,
            k_is_null,
            t_is_odd,
        });
        let tail = match engine {
            Sqlite if !made && chance.percent(20) => " WITHOUT ROWID",
            _ => "",
        };
        format!("CREATE TABLE p{at} ({}){tail}", lines.join(", "))
    }

    /// A trigger on a table: it writes an earlier one, or changes the row before it is stored.
    fn trigger(&self, chance: &mut Chance, at: usize) -> Vec<String> {
        let event = ["INSERT", "UPDATE", "DELETE"][chance.below(3)];
        let before = chance.percent(35);
        let when = if before { "BEFORE" } else { "AFTER" };
        let other = chance.below(at + 1);
        let row = if event == "DELETE" { "OLD" } else { "NEW" };
        let mut body = match chance.below(3) {
            0 => format!("UPDATE p{other} SET v = v + 1 WHERE id = {row}.id"),
            1 => format!("UPDATE p{other} SET k = 2 WHERE k = 3"),
            _ => format!("DELETE FROM p{other} WHERE v > 90"),
        };
        if before && self.engine != Sqlite && event != "DELETE" {
            body = ["NEW.v = 3", "NEW.k = 2", "NEW.w = NEW.v"][chance.below(3)].to_owned();
            if self.engine == Mysql {
                body = format!("SET {body}");
            }
        }
        let name = format!("tr{at}");
        match self.engine {
            Postgres => vec![
                format!(
                    "CREATE FUNCTION f_{name}() RETURNS trigger LANGUAGE plpgsql AS \
                     $$ BEGIN IF pg_trigger_depth() < 3 THEN {body}; END IF; RETURN {row}; END $$"
                ),
                format!(
                    "CREATE TRIGGER {name} {when} {event} ON p{at} FOR EACH ROW \
                     EXECUTE FUNCTION f_{name}()"
                ),
            ],
            Mysql if before || other != at => vec![format!(
                "CREATE TRIGGER {name} {when} {event} ON p{at} FOR EACH ROW {body}"
            )],
            Mysql => Vec::new(),
            Sqlite => vec![format!(
                "CREATE TRIGGER {name} {when} {event} ON p{at} FOR EACH ROW BEGIN {body}; END"
            )],
        }
    }

    fn seed(&self, chance: &mut Chance, at: usize, id: i32) -> String {
        let text = ["'a'", "'b'", "'ab'", "'c'"][usize::try_from(id - 1).unwrap()];
        format!(
            "INSERT INTO p{at} (id, k, m, t, n, v, f) VALUES ({id}, {}, {}, {text}, 'b', {}, {})",
            chance.between(1, 4),
            chance.between(1, 3),
            chance.between(0, 3),
            truth(self.engine),
        )
    }
}

impl Table {
    /// Whether NULL may stand in a column.
    pub(super) fn is_nullable(&self, column: &str) -> bool {
        match column {
            "id" | "t" | "v" | "f" | "u" => false,
            "k" => self.k_is_null,
            _ => true,
        }
    }

    /// Whether texts in a column equal if their bytes do.
    pub(super) fn is_plain(&self, column: &str) -> bool {
        column != "t" || !self.t_is_odd
    }
}

fn nullable(is_null: bool, default: &str) -> String {
    match is_null {
        true => String::new(),
        false => format!(" NOT NULL DEFAULT {default}"),
    }
}

pub(super) fn truth(engine: Engine) -> &'static str {
    match engine {
        Postgres | Mysql => "TRUE",
        Sqlite => "1",
    }
}

fn id(engine: Engine, primary: Primary, made: bool, chance: &mut Chance) -> String {
    match engine {
        _ if !made && chance.percent(25) => "id INTEGER NOT NULL DEFAULT 3".to_owned(),
        _ if !made => "id INTEGER NOT NULL".to_owned(),
        Postgres => {
            "id INTEGER NOT NULL GENERATED BY DEFAULT AS IDENTITY (START WITH 5)".to_owned()
        }
        Mysql => "id INTEGER NOT NULL AUTO_INCREMENT".to_owned(),
        Sqlite if primary == Primary::Id => "id INTEGER PRIMARY KEY".to_owned(),
        Sqlite => "id INTEGER NOT NULL".to_owned(),
    }
}

/// A type for texts, one that compares bytes or one that does not.
fn text(engine: Engine, odd: bool, chance: &mut Chance) -> String {
    let collation = match (engine, odd) {
        (Postgres, false) => ["", " COLLATE \"C\""][chance.below(2)],
        (Postgres, true) => " COLLATE nocase",
        (Mysql, false) => " CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
        (Mysql, true) => [
            " CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
            " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        ][chance.below(2)],
        (Sqlite, false) => "",
        (Sqlite, true) => " COLLATE NOCASE",
    };
    format!("VARCHAR(4){collation}")
}
