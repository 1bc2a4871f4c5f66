//! The outbox: a table in the application's own database, for what must not be lost.
//!
//! A row of it says what a transaction wrote, and is committed with it, or not at all. Rows come
//! from two sides: the explicit path writes one with the tags before its COMMIT, and
//! [triggers](crate::OutboxMigration) write the names of tables, whoever writes to them. The relay
//! tells the store of each row, and removes it when the store has answered.
//!
//! A row that this cache's own session made is told by that session, too, and sooner: see
//! [`sessions`].

use crate::dialect::Dialect;
use crate::tag::Tag;

mod migration;
pub(crate) mod sessions;
mod triggers;

pub use self::migration::{InvalidName, OutboxMigration};
pub(crate) use self::triggers::{is_own_function, is_own_trigger, literal, postgres_body};

/// The setting of PostgreSQL's, and with `_` MySQL's variable, that a session's name stands in.
pub(crate) const SESSION: &str = "diesel_cache.session";

/// The longest name of an outbox: the names of triggers are made of it.
const LONGEST: usize = 40;

/// The name of an outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outbox {
    schema: Option<Box<str>>,
    table: Box<str>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            schema: None,
            table: "diesel_cache_outbox".into(),
        }
    }
}

impl Outbox {
    /// What a name may be.
    pub(crate) const ALLOWED: &str = "a name of at most 40 lower-case letters, digits and `_`, \
                                      with a schema before it or none";

    /// The outbox of that name, if it is one.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let is_name = |name: &str| {
            let mut bytes = name.bytes();
            let begins = bytes
                .next()
                .is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
            let goes_on = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            begins && bytes.all(goes_on) && name.len() <= LONGEST
        };
        let (schema, table) = match name.split_once('.') {
            Some((schema, table)) => (Some(schema), table),
            None => (None, name),
        };
        (schema.is_none_or(is_name) && is_name(table)).then(|| Self {
            schema: schema.map(Into::into),
            table: table.into(),
        })
    }

    /// The name of the table alone.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// The name as it stands in a statement.
    ///
    /// In PostgreSQL it is never looked for on the search path: a session may have any. SQLite's
    /// triggers know no schemas, and its outbox is in the main one.
    // rule: the-outbox-is-not-looked-for
    pub(crate) fn sql(&self, dialect: Dialect) -> String {
        let (schema, table) = (self.schema.as_deref(), &self.table);
        match dialect {
            Dialect::Postgres => format!("\"{}\".\"{table}\"", schema.unwrap_or("public")),
            Dialect::Mysql => {
                let schema = schema.map_or_else(String::new, |schema| format!("`{schema}`."));
                format!("{schema}`{table}`")
            }
            Dialect::Sqlite => format!("\"main\".\"{table}\""),
        }
    }

    /// The statement that puts a row with these tags into it.
    pub(crate) fn insert(&self, dialect: Dialect, session: Option<&str>, tags: &[Tag]) -> String {
        let session = session.map_or_else(|| "NULL".to_owned(), |session| format!("'{session}'"));
        // Nobody has it: it is drawn.
        let id = rand::random::<u128>();
        let id = match dialect {
            Dialect::Postgres => format!("'{id:032x}'::uuid"),
            Dialect::Mysql => (id >> 64).to_string(),
            Dialect::Sqlite => format!("'{id:032x}'"),
        };
        format!(
            "INSERT INTO {} (id, session, tags) VALUES ({id}, {session}, '{}')",
            self.sql(dialect),
            to_hex(tags)
        )
    }
}

/// The bytes of tags, one after the other, in hexadecimal digits.
fn to_hex(tags: &[Tag]) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(tags.len() * 32);
    for byte in tags.iter().flat_map(|tag| tag.to_bytes()) {
        // A String takes all that is written to it.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// The tags of a row; `None` if that is not how tags are written.
pub(crate) fn from_hex(hex: &str) -> Option<Vec<Tag>> {
    let digits = hex.as_bytes();
    if digits.is_empty()
        || !digits.len().is_multiple_of(32)
        || !digits.iter().all(u8::is_ascii_hexdigit)
    {
        return None;
    }
    let tags = digits.chunks_exact(32).map(|digits| {
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Tag::from_bytes(bytes))
    });
    tags.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_needs_no_quotes() {
        for name in ["outbox", "_o1", "app.outbox", "diesel_cache_outbox"] {
            assert!(Outbox::named(name).is_some(), "{name}");
        }
        let long = "a".repeat(41);
        for name in [
            "", ".", "a.", ".a", "a.b.c", "A", "1a", "a b", "a\"", "a'", "ä", &long,
        ] {
            assert_eq!(Outbox::named(name), None, "{name}");
        }
        assert_eq!(
            Outbox::named("diesel_cache_outbox"),
            Some(Outbox::default())
        );
    }

    #[test]
    fn tags_come_back_from_a_row() {
        let tags = [Tag::root(), Tag::named("posts")];
        assert_eq!(from_hex(&to_hex(&tags)), Some(tags.to_vec()));
        for hex in ["", "00", &"g".repeat(32), &"+0".repeat(16), &"0".repeat(33)] {
            assert_eq!(from_hex(hex), None, "{hex}");
        }
    }

    #[test]
    fn a_row_names_no_table_of_another() {
        let outbox = Outbox::default();
        let sql = outbox.insert(Dialect::Postgres, Some("ab-1"), &[]);
        let expected =
            "INSERT INTO \"public\".\"diesel_cache_outbox\" (id, session, tags) VALUES ('";
        assert!(
            sql.starts_with(expected) && sql.ends_with("'::uuid, 'ab-1', '')"),
            "{sql}"
        );
        let outbox = Outbox::named("app.box").unwrap();
        assert_eq!(outbox.sql(Dialect::Mysql), "`app`.`box`");
        assert_eq!(outbox.sql(Dialect::Sqlite), "\"main\".\"box\"");
    }
}
