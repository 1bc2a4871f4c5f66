//! The migration that makes the outbox and its triggers, as Diesel runs it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use thiserror::Error;

use super::triggers::{EVENTS, create, drop, function, quoted};
use super::{Outbox, postgres_body};
use crate::dialect::Dialect;

/// A name that a migration cannot be written for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{name}` cannot stand in a migration: {allowed}")]
#[non_exhaustive]
pub struct InvalidName {
    /// The name.
    pub name: String,
    /// What is allowed.
    pub allowed: &'static str,
}

/// Writes the migration of the outbox: the table, and triggers on chosen tables, for
/// [`Level::Durable`](crate::Level::Durable) and for writers besides the application.
///
/// With a trigger, every write to its table leaves a row in the outbox, whoever makes it: `psql`,
/// another service, a stored procedure, a cascade. The [relay](crate::Builder::relay) tells the
/// store. Rows come and go; the outbox is empty but for the last moments.
///
/// # What it costs
///
/// The migration's own text says it, too.
///
/// - PostgreSQL: one row inserted per statement, and removed later.
/// - MySQL and MariaDB: one row inserted per row written, and removed later.
/// - SQLite: for each row written, a row of the outbox is updated; one is inserted per table. A
///   trigger cannot tell who writes here: what the application itself writes to the table is
///   invalidated a second time, as a whole, by the relay. Choose the tables that others write.
///
/// # What it does not see
///
/// - MySQL and MariaDB fire no triggers for `TRUNCATE`, nor for the rows that a foreign key's
///   action writes. The relay adds the tables that a foreign key's action may have written.
/// - What is written to a table without transactions (`MyISAM`) and rolled back stays, and the
///   outbox' row does not.
/// - PostgreSQL fires none for what is written to a partition by its own name: choose the partition,
///   too. It fires none for what logical replication applies, and a restore may switch them off.
/// - No trigger fires for a change of the schema. After a table with triggers was renamed on MySQL
///   or SQLite, each row of the outbox invalidates everything, until its triggers are made anew.
///
/// ```
/// use diesel_cache::OutboxMigration;
/// use diesel_cache::dialect::Dialect;
///
/// let migration = OutboxMigration::new(Dialect::Postgres).table("posts")?.table("app.authors")?;
/// assert!(migration.up().contains("CREATE TRIGGER"));
/// assert!(migration.down().contains("DROP TABLE"));
/// # let folder = tempfile::tempdir().unwrap();
/// # let migrations = folder.path();
/// // `migrations/2026-11-23-120000_diesel_cache_outbox/up.sql` and `down.sql`:
/// migration.write_to(migrations).unwrap();
/// # Ok::<(), diesel_cache::InvalidOutboxName>(())
/// ```
#[derive(Debug, Clone)]
pub struct OutboxMigration {
    dialect: Dialect,
    outbox: Outbox,
    tables: Vec<Table>,
    makes_outbox: bool,
}

/// A table that gets triggers.
#[derive(Debug, Clone)]
struct Table {
    schema: Option<String>,
    name: String,
}

impl OutboxMigration {
    /// The migration of the default outbox `diesel_cache_outbox`, without any triggers yet.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            outbox: Outbox::default(),
            tables: Vec::new(),
            makes_outbox: true,
        }
    }

    /// Another name for the outbox: that of the setting [`outbox`](crate::Builder::outbox).
    ///
    /// # Errors
    /// If it is none that the setting takes.
    pub fn outbox(mut self, name: &str) -> Result<Self, InvalidName> {
        self.outbox = Outbox::named(name).ok_or_else(|| InvalidName {
            name: name.to_owned(),
            allowed: Outbox::ALLOWED,
        })?;
        Ok(self)
    }

    /// Adds the triggers of a table: its name in SQL without quotes, in PostgreSQL with a schema
    /// before it or none. Adding it twice is adding it once.
    ///
    /// # Errors
    /// If no trigger can be made on a table of that name.
    pub fn table(mut self, name: &str) -> Result<Self, InvalidName> {
        let refused = |allowed| InvalidName {
            name: name.to_owned(),
            allowed,
        };
        let (schema, table) = match name.split_once('.') {
            Some((schema, table)) if self.dialect == Dialect::Postgres => (Some(schema), table),
            Some(_) => {
                return Err(refused("a table of the database itself, without a schema"));
            }
            None => (None, name),
        };
        // A backslash means something in MySQL's texts.
        let is_name = |name: &str| {
            let is_odd = |c: char| c.is_control() || matches!(c, '\\' | '.' | '$');
            !name.is_empty() && name.chars().count() <= 64 && !name.contains(is_odd)
        };
        if !is_name(table) || !schema.is_none_or(is_name) {
            return Err(refused(
                "a name of at most 64 characters, without dots, `$` and backslashes",
            ));
        }
        let is_there = |known: &Table| known.name == table && known.schema.as_deref() == schema;
        if !self.tables.iter().any(is_there) {
            self.tables.push(Table {
                schema: schema.map(str::to_owned),
                name: table.to_owned(),
            });
        }
        Ok(self)
    }

    /// Leaves the outbox itself out: for a later migration that adds triggers only.
    #[must_use]
    pub fn triggers_only(mut self) -> Self {
        self.makes_outbox = false;
        self
    }

    /// The statements that make it, and what it costs.
    #[must_use]
    pub fn up(&self) -> String {
        let mut sql = self.preface();
        if self.makes_outbox {
            sql.push_str(&self.make_outbox());
        }
        for table in &self.tables {
            if self.dialect == Dialect::Postgres {
                let (name, on) = (self.function(), self.on(table));
                let function = self.postgres_function();
                sql.push_str(&format!(
                    "CREATE TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {on}\n    \
                     FOR EACH STATEMENT EXECUTE PROCEDURE {function}();\n\
                     -- Also where session_replication_role is replica.\n\
                     ALTER TABLE {on} ENABLE ALWAYS TRIGGER {name};\n"
                ));
                continue;
            }
            for event in EVENTS {
                sql.push_str(&create(&self.outbox, self.dialect, &table.name, event));
                sql.push_str(";\n");
            }
        }
        sql
    }

    /// The statements that remove it. What waits in the outbox is lost: stop the application, or
    /// clear the cache.
    #[must_use]
    pub fn down(&self) -> String {
        let mut sql = String::new();
        for table in &self.tables {
            if self.dialect == Dialect::Postgres {
                let (name, on) = (self.function(), self.on(table));
                sql.push_str(&format!("DROP TRIGGER IF EXISTS {name} ON {on};\n"));
                continue;
            }
            for event in EVENTS {
                sql.push_str(&drop(&self.outbox, self.dialect, &table.name, event));
                sql.push_str(";\n");
            }
        }
        if self.makes_outbox {
            if self.dialect == Dialect::Postgres {
                let function = self.postgres_function();
                sql.push_str(&format!("DROP FUNCTION IF EXISTS {function}();\n"));
            }
            let outbox = self.outbox.sql(self.dialect);
            sql.push_str(&format!("DROP TABLE IF EXISTS {outbox};\n"));
        }
        sql
    }

    /// Writes `up.sql` and `down.sql` into a new folder of `migrations`, named after the time, and
    /// returns that folder.
    ///
    /// # Errors
    /// If they cannot be written. The folder may then be there.
    pub fn write_to(&self, migrations: &Path) -> io::Result<PathBuf> {
        // 2026-11-23T12:00:00Z
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let digits: String = now
            .chars()
            .filter(|c| c.is_ascii_digit() || *c == '-')
            .collect();
        let (date, time) = digits.split_at(10.min(digits.len()));
        let folder = migrations.join(format!("{date}-{time}_{}", self.outbox.table()));
        std::fs::create_dir_all(migrations)?;
        std::fs::create_dir(&folder)?;
        std::fs::write(folder.join("up.sql"), self.up())?;
        std::fs::write(folder.join("down.sql"), self.down())?;
        Ok(folder)
    }

    fn preface(&self) -> String {
        let cost = match self.dialect {
            Dialect::Postgres => {
                "-- Each statement that writes one of these tables inserts one row into the outbox,\n\
                 -- and the relay removes it later.\n"
            }
            Dialect::Mysql => {
                "-- For each row that is written in one of these tables, a row is inserted into the outbox,\n\
                 -- and the relay removes it later. TRUNCATE fires no trigger. The triggers run as the\n\
                 -- account that makes them: if that is dropped, the tables cannot be written.\n"
            }
            Dialect::Sqlite => {
                "-- For each row that is written in one of these tables, a row of the outbox is updated;\n\
                 -- one is inserted per table, and the relay removes it later. Each write of the\n\
                 -- application itself is followed by an invalidation of the whole table. The relay is a\n\
                 -- writer of its own: whoever writes needs a busy_timeout, and BEGIN IMMEDIATE where it\n\
                 -- reads before it writes.\n"
            }
        };
        format!(
            "-- The outbox of diesel-cache: what is written to the tables below is told to the cache\n\
             -- by whoever runs the relay, whoever writes it.\n{cost}"
        )
    }

    fn make_outbox(&self) -> String {
        let outbox = self.outbox.sql(self.dialect);
        // No number that the server counts: an application may ask for the last one.
        // rule: the-outbox-changes-no-last-number
        match self.dialect {
            Dialect::Postgres => {
                let function = self.postgres_function();
                let body = postgres_body(&self.outbox);
                format!(
                    "CREATE TABLE {outbox} (\n    \
                         id uuid PRIMARY KEY DEFAULT gen_random_uuid(),\n    \
                         session text,\n    relation text,\n    event text,\n    tags text,\n    \
                         generation bigint NOT NULL DEFAULT 0\n);\n\
                     -- Whoever writes the tables needs no right to the outbox.\n\
                     CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n    \
                         SET search_path = pg_catalog, pg_temp AS $diesel_cache${body}$diesel_cache$;\n"
                )
            }
            Dialect::Mysql => format!(
                "CREATE TABLE {outbox} (\n    \
                     id bigint unsigned NOT NULL PRIMARY KEY,\n    \
                     session varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,\n    \
                     relation varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,\n    \
                     event varchar(8) CHARACTER SET ascii COLLATE ascii_bin,\n    \
                     tags longtext CHARACTER SET ascii COLLATE ascii_bin,\n    \
                     generation bigint unsigned NOT NULL DEFAULT 0\n) ENGINE = InnoDB;\n"
            ),
            Dialect::Sqlite => {
                let table = quoted(self.outbox.table(), self.dialect);
                format!(
                    "CREATE TABLE {table} (\n    \
                         id text NOT NULL PRIMARY KEY,\n    \
                         session text,\n    relation text,\n    event text,\n    tags text,\n    \
                         generation integer NOT NULL DEFAULT 0\n) WITHOUT ROWID;\n"
                )
            }
        }
    }

    /// PostgreSQL's function in its schema.
    fn postgres_function(&self) -> String {
        let outbox = self.outbox.sql(Dialect::Postgres);
        let schema = outbox.split('.').next().unwrap_or_default();
        format!("{schema}.{}", self.function())
    }

    fn function(&self) -> String {
        quoted(&function(&self.outbox), self.dialect)
    }

    fn on(&self, table: &Table) -> String {
        let name = quoted(&table.name, self.dialect);
        match &table.schema {
            Some(schema) => format!("{}.{name}", quoted(schema, self.dialect)),
            None => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_cannot_be_written_is_refused() {
        let sqlite = || OutboxMigration::new(Dialect::Sqlite);
        let error = sqlite().table("app.posts").unwrap_err().to_string();
        let expected = "`app.posts` cannot stand in a migration: \
                        a table of the database itself, without a schema";
        assert_eq!(error, expected);
        for name in ["", "a\\b", "a$$b", "a\nb"] {
            assert!(sqlite().table(name).is_err(), "{name}");
        }
        assert!(sqlite().outbox("A").is_err());
        let postgres = OutboxMigration::new(Dialect::Postgres);
        assert!(postgres.clone().table("a.b.c").is_err() && postgres.table(".a").is_err());
    }

    #[test]
    fn a_table_is_added_once_and_triggers_may_come_later() {
        let both = OutboxMigration::new(Dialect::Mysql).table("posts").unwrap();
        let both = both.table("posts").unwrap();
        assert_eq!(both.up().matches("CREATE TRIGGER").count(), 3);
        assert_eq!(both.down().matches("DROP TRIGGER").count(), 3);
        let later = both.triggers_only();
        assert!(!later.up().contains("CREATE TABLE") && !later.down().contains("DROP TABLE"));
    }

    #[test]
    fn the_folder_is_named_as_diesels_are() {
        let folder = tempfile::tempdir().unwrap();
        let migration = OutboxMigration::new(Dialect::Sqlite).outbox("box").unwrap();
        let written = migration.write_to(folder.path()).unwrap();
        let name = written.file_name().unwrap().to_str().unwrap();
        // 2026-11-23-120000_box
        assert_eq!((name.len(), &name[17..]), (21, "_box"), "{name}");
        assert!(name.bytes().filter(u8::is_ascii_digit).count() == 14);
        let up = std::fs::read_to_string(written.join("up.sql")).unwrap();
        assert_eq!(up, migration.up());
        assert!(written.join("down.sql").exists());
    }
}
