//! Tables, their keys and the references between them.

use super::{Key, Mysql, Offer, Postgres, Reference, Schema, Sqlite, Table, one_of};
use crate::chance::Chance;

const NAMES: [&str; 8] = [
    "calm waters",
    "alpha",
    "Beta",
    "gamma delta",
    "order",
    "ALPHA",
    "eta_6",
    "Theta Iota",
];

/// A table on which no trigger stands and that refers to none: what is written there at the
/// end of a transaction begins nothing anew.
pub(super) const CALM: usize = 0;

impl Schema {
    pub(super) fn make_tables(&mut self, chance: &mut Chance, offer: &mut Offer<'_>) {
        let count = chance.between(6, 8) as usize;
        for (at, bare) in NAMES.into_iter().enumerate().take(count) {
            // SQLite does not tell `ALPHA` from `alpha`, and MariaDB not in foreign keys.
            let bare = match self.engine {
                Sqlite | Mysql if bare == "ALPHA" => "zeta",
                _ => bare,
            };
            self.tables.push(Table {
                name: self.engine.quote(bare),
                island: at % self.islands,
                partitioned: false,
                chained: false,
                parts: Vec::new(),
                keys: vec![Key::Id],
                first: None,
                second: None,
            });
        }
        let mut definitions = Vec::new();
        for at in 0..count {
            definitions.push(self.define(chance, at));
        }
        // Only now are all keys known, and only with all tables made can they be referred to.
        let mut pending = Vec::new();
        for (at, definition) in definitions.into_iter().enumerate() {
            let mut parts = vec![definition];
            let references = [
                ("r", at > CALM && chance.percent(70)),
                ("q", at > CALM && chance.percent(40)),
            ];
            let mut later = Vec::new();
            for (column, wanted) in references {
                if !wanted {
                    continue;
                }
                let (reference, clause) = self.reference(chance, at, column);
                if self.engine == Sqlite {
                    parts.push(clause);
                    self.refer(at, column, reference);
                } else {
                    later.push((column, reference, clause));
                }
            }
            let tail = self.tail(chance, at);
            let name = self.tables[at].name.clone();
            let made = offer(&format!("CREATE TABLE {name} ({}){tail}", parts.join(", ")));
            assert!(made, "{name} was not made");
            self.divide(chance, at, offer);
            for (column, reference, clause) in later {
                pending.push((at, column, reference, clause));
            }
        }
        for (at, column, reference, clause) in pending {
            let name = &self.tables[at].name;
            if offer(&format!("ALTER TABLE {name} ADD {clause}")) {
                self.refer(at, column, reference);
            }
        }
    }

    fn refer(&mut self, at: usize, column: &str, reference: Reference) {
        let table = &mut self.tables[at];
        if column == "r" {
            table.first = Some(reference);
        } else {
            table.second = Some(reference);
        }
    }

    /// The columns and keys of a table.
    fn define(&mut self, chance: &mut Chance, at: usize) -> String {
        let engine = self.engine;
        let table = &mut self.tables[at];
        table.partitioned = engine == Postgres && at > CALM && chance.percent(20);
        let mut lines = vec![
            "id INTEGER NOT NULL PRIMARY KEY".to_owned(),
            "v INTEGER NOT NULL DEFAULT 0".to_owned(),
            "w INTEGER".to_owned(),
            format!("r INTEGER DEFAULT {}", one_of(chance, &["NULL", "1", "2"])),
            "s INTEGER".to_owned(),
            "q INTEGER DEFAULT NULL".to_owned(),
        ];
        let mut k = "k INTEGER".to_owned();
        if !table.partitioned {
            k.push_str(" UNIQUE");
            table.keys.push(Key::K);
            if engine == Sqlite && chance.percent(20) {
                k.push_str(" ON CONFLICT REPLACE");
            }
        }
        lines.push(k);
        let stored = match engine {
            Postgres => "STORED",
            _ => one_of(chance, &["STORED", "VIRTUAL"]),
        };
        let (value, unique) = match chance.below(4) {
            _ if at == CALM => ("v + 1", false),
            0 => ("v % 5", false),
            1 => ("r + 100", chance.percent(30)),
            _ => ("k + 100", true),
        };
        let unique = unique && !table.partitioned;
        lines.push(format!(
            "g INTEGER GENERATED ALWAYS AS ({value}) {stored}{}",
            if unique { " UNIQUE" } else { "" }
        ));
        if unique {
            table.keys.push(Key::G);
            table.chained = value == "r + 100";
        }
        if engine == Mysql {
            lines.push(
                "at TIMESTAMP(6) NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP(6)".to_owned(),
            );
        }
        if chance.percent(50) {
            lines.push("UNIQUE (id, k)".to_owned());
            table.keys.push(Key::Pair);
        }
        lines.join(", ")
    }

    fn reference(&self, chance: &mut Chance, at: usize, column: &str) -> (Reference, String) {
        let (_, target) = self.near(chance, self.tables[at].island);
        // What is made of an `r` is referred to by a `q` alone: no update goes round for ever.
        let fits = |key: &Key| match key {
            Key::Id | Key::K => true,
            Key::G => column == "q" || !target.chained,
            Key::Pair => column == "r",
        };
        let keys: Vec<Key> = target.keys.iter().copied().filter(fits).collect();
        let key = keys[chance.below(keys.len())];
        let (mine, theirs) = match key {
            Key::Id => (column, "id"),
            Key::K => (column, "k"),
            Key::G => (column, "g"),
            Key::Pair => ("r, s", "id, k"),
        };
        let mut acts = String::new();
        for when in ["DELETE", "UPDATE"] {
            let act = match chance.below(10) {
                0..=4 => "CASCADE",
                5 | 6 => "SET NULL",
                7 => "SET DEFAULT",
                8 => "RESTRICT",
                _ => "NO ACTION",
            };
            acts.push_str(&format!(" ON {when} {act}"));
            if when == "DELETE"
                && act.starts_with("SET")
                && self.engine == Postgres
                && chance.percent(20)
            {
                acts.push_str(&format!(" ({column})"));
            }
        }
        if self.engine != Mysql && chance.percent(30) {
            acts.push_str(one_of(
                chance,
                &[" DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED"],
            ));
        }
        let clause = format!(
            "FOREIGN KEY ({mine}) REFERENCES {} ({theirs}){acts}",
            target.name
        );
        (Reference { key }, clause)
    }

    fn tail(&self, chance: &mut Chance, at: usize) -> String {
        match self.engine {
            Postgres if self.tables[at].partitioned => " PARTITION BY RANGE (id)".to_owned(),
            Postgres => String::new(),
            Sqlite if chance.percent(20) => " WITHOUT ROWID".to_owned(),
            Sqlite => String::new(),
            // Its rows are not rolled back, and it keeps no references.
            Mysql if self.heavy && chance.percent(20) => " ENGINE=MyISAM".to_owned(),
            Mysql => " ENGINE=InnoDB".to_owned(),
        }
    }

    /// Partitions and heirs.
    fn divide(&mut self, chance: &mut Chance, at: usize, offer: &mut Offer<'_>) {
        let name = self.tables[at].name.clone();
        let mut parts = Vec::new();
        if self.tables[at].partitioned {
            for (part, bounds) in [
                ("low", "FOR VALUES FROM (MINVALUE) TO (4)"),
                ("High", "FOR VALUES FROM (4) TO (7)"),
                ("rest", "DEFAULT"),
            ] {
                let part = self.engine.quote(&format!("p{at} {part}"));
                if offer(&format!("CREATE TABLE {part} PARTITION OF {name} {bounds}")) {
                    parts.push(part);
                }
            }
        } else if self.engine == Postgres && chance.percent(20) {
            let heir = self.engine.quote(&format!("Heir {at}"));
            if offer(&format!(
                "CREATE TABLE {heir} (more INTEGER, PRIMARY KEY (id)) INHERITS ({name})"
            )) {
                parts.push(heir);
            }
        }
        self.tables[at].parts = parts;
    }

    /// An island in which a name of the table's rows stands: itself, a partition, an heir.
    pub(super) fn alias(&self, chance: &mut Chance, at: usize) -> &str {
        let table = &self.tables[at];
        if !table.parts.is_empty() && chance.percent(40) {
            &table.parts[chance.below(table.parts.len())]
        } else {
            &table.name
        }
    }

    /// Fills a table up, as far as its keys and references allow.
    pub(super) fn refill(&self, chance: &mut Chance, at: usize) -> String {
        let rows: Vec<String> = (1..=4)
            .map(|id| {
                let (v, low) = (chance.between(0, 40), chance.between(1, 4));
                format!("({id}, {id}, {v}, {low}, NULL, {id}, NULL)")
            })
            .collect();
        self.insert_or_skip(&self.tables[at].name, &rows.join(", "))
    }

    /// Lets rows refer to others, as far as there are such.
    pub(super) fn bind(&self, chance: &mut Chance, at: usize) -> String {
        let table = &self.tables[at];
        let (column, reference) = match (&table.first, &table.second) {
            (None, Some(second)) => ("q", Some(second)),
            (Some(_), Some(second)) if chance.percent(40) => ("q", Some(second)),
            (first, _) => ("r", first.as_ref()),
        };
        let value = match reference {
            Some(Reference { key: Key::G }) => "id + 100",
            _ => "id",
        };
        let below = chance.between(1, 4);
        format!(
            "UPDATE {} SET {column} = {value} WHERE id <= {below}",
            table.name
        )
    }

    /// A value for `r` that a row may well have.
    fn referring(&self, at: usize, id: i32) -> i32 {
        match self.tables[at].first {
            Some(Reference { key: Key::G }) => id + 100,
            _ => id,
        }
    }

    pub(super) fn insert_or_skip(&self, name: &str, rows: &str) -> String {
        let columns = "(id, k, v, w, r, s, q)";
        match self.engine {
            Postgres => {
                format!("INSERT INTO {name} {columns} VALUES {rows} ON CONFLICT DO NOTHING")
            }
            Mysql => format!("INSERT IGNORE INTO {name} {columns} VALUES {rows}"),
            Sqlite => format!("INSERT OR IGNORE INTO {name} {columns} VALUES {rows}"),
        }
    }

    /// The values of a row.
    pub(super) fn row(&self, chance: &mut Chance, at: usize) -> String {
        let id = chance.between(1, 8);
        let k = match chance.below(4) {
            0 => "NULL".to_owned(),
            1 => chance.between(1, 8).to_string(),
            _ => id.to_string(),
        };
        let (v, w) = (chance.between(0, 40), chance.between(0, 9));
        let r = match chance.below(3) {
            0 => "NULL".to_owned(),
            _ => self.referring(at, chance.between(1, 5)).to_string(),
        };
        let s = match chance.below(2) {
            0 => r.clone(),
            _ => "NULL".to_owned(),
        };
        let q = match self.tables[at].second {
            Some(Reference { key }) if chance.percent(60) => {
                let to = chance.between(1, 5);
                if key == Key::G { to + 100 } else { to }.to_string()
            }
            _ => "NULL".to_owned(),
        };
        format!("({id}, {k}, {v}, {w}, {r}, {s}, {q})")
    }

    pub(super) fn alter_table(&mut self, chance: &mut Chance, offer: &mut Offer<'_>) {
        let at = 1 + chance.below(self.tables.len() - 1);
        let name = self.tables[at].name.clone();
        let fresh = self.fresh_name("extra");
        match chance.below(6) {
            0 => {
                offer(&format!(
                    "ALTER TABLE {name} ADD COLUMN {fresh} INTEGER DEFAULT 7"
                ));
            }
            1 => {
                offer(&format!("CREATE INDEX {fresh} ON {name} (v)"));
            }
            2 | 3 if self.engine != Sqlite => {
                let column = one_of(chance, &["r", "q"]);
                let (reference, clause) = self.reference(chance, at, column);
                let fresh = self.fresh_name("fk");
                if offer(&format!(
                    "ALTER TABLE {name} ADD CONSTRAINT {fresh} {clause}"
                )) {
                    self.refer(at, column, reference);
                }
            }
            4 if self.engine == Postgres => {
                offer(&if chance.percent(50) {
                    format!("ALTER TABLE {name} ALTER COLUMN w SET DEFAULT to_calm(1)")
                } else {
                    format!("ALTER TABLE {name} ADD CHECK (to_calm(1) IS NOT NULL) NOT VALID")
                });
            }
            5 if self.engine == Postgres && self.tables[at].partitioned => {
                let part = self.tables[at].parts[0].clone();
                offer(&format!("ALTER TABLE {name} DETACH PARTITION {part}"));
                offer(&format!(
                    "ALTER TABLE {name} ATTACH PARTITION {part} FOR VALUES FROM (MINVALUE) TO (4)"
                ));
            }
            _ => {
                offer(&format!("ALTER TABLE {name} RENAME TO moved_away"));
                offer(&format!("ALTER TABLE moved_away RENAME TO {name}"));
            }
        }
    }
}
