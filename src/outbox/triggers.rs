//! The triggers that tell the outbox of a write, whoever makes it; and how they are known again.
//!
//! What a trigger writes is found in its text, as of any other. These are known to the letter, and
//! do nothing to what is cached: a text that differs in anything is taken for what it may be.

use super::{Outbox, SESSION};
use crate::dialect::Dialect;

/// A kind of write that a trigger fires for.
pub(super) const EVENTS: [&str; 3] = ["insert", "update", "delete"];

/// A name in quotes.
pub(super) fn quoted(name: &str, dialect: Dialect) -> String {
    let quote = if dialect == Dialect::Mysql { '`' } else { '"' };
    let doubled = name.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{doubled}{quote}")
}

/// A text in quotes. The names that a migration is asked for hold no backslash.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The name of PostgreSQL's function, and of the triggers that call it.
pub(super) fn function(outbox: &Outbox) -> String {
    format!("{}_write", outbox.table())
}

/// The body of PostgreSQL's function.
pub(crate) fn postgres_body(outbox: &Outbox) -> String {
    format!(
        "\nBEGIN\n    INSERT INTO {} (session, relation, event)\n    \
         VALUES (nullif(current_setting('{SESSION}', true), ''), TG_TABLE_NAME, lower(TG_OP));\n    \
         RETURN NULL;\nEND\n",
        outbox.sql(Dialect::Postgres)
    )
}

/// MySQL's variable that holds the number of the row that the session wrote last for an event.
fn last_row(table: &str, event: &str) -> String {
    let digest = blake3::hash(table.as_bytes()).to_hex();
    format!("@diesel_cache_{event}_{}", &digest[..16])
}

/// The name of a trigger for one table, where each must have a name of its own.
fn trigger(outbox: &Outbox, table: &str, event: &str) -> String {
    let name = format!("{}_{table}_{event}", outbox.table());
    // MySQL takes 64 characters.
    if name.chars().count() <= 64 {
        return name;
    }
    let digest = blake3::hash(table.as_bytes()).to_hex();
    format!("{}_{}_{event}", outbox.table(), &digest[..12])
}

/// The body of one of MySQL's triggers.
///
/// One row per session and transaction, not one per row that is written: a row that this session
/// made, and that is still there, is counted up. It is found by its number alone, so that no gap
/// of an index is locked, and only this session looks for it.
fn mysql_body(outbox: &Outbox, table: &str, event: &str) -> String {
    let name = outbox.sql(Dialect::Mysql);
    let (last, table) = (last_row(table, event), literal(table));
    format!(
        "BEGIN\n    UPDATE {name} SET generation = generation + 1\n     \
         WHERE id = {last} AND session <=> @diesel_cache_session AND relation = {table}\n       \
         AND event = '{event}';\n    \
         IF ROW_COUNT() = 0 THEN\n        \
         INSERT INTO {name} (session, relation, event)\n        \
         VALUES (@diesel_cache_session, {table}, '{event}');\n        \
         SET {last} = LAST_INSERT_ID();\n    \
         END IF;\nEND"
    )
}

/// The statement that makes MySQL's or SQLite's trigger.
pub(super) fn create(outbox: &Outbox, dialect: Dialect, table: &str, event: &str) -> String {
    let (name, on) = (
        quoted(&trigger(outbox, table, event), dialect),
        quoted(table, dialect),
    );
    let event_sql = event.to_uppercase();
    if dialect == Dialect::Mysql {
        let body = mysql_body(outbox, table, event);
        return format!("CREATE TRIGGER {name} AFTER {event_sql} ON {on} FOR EACH ROW\n{body}");
    }
    let (outbox, table) = (quoted(outbox.table(), dialect), literal(table));
    format!(
        "CREATE TRIGGER {name} AFTER {event_sql} ON {on} FOR EACH ROW\nBEGIN\n    \
         UPDATE {outbox} SET generation = generation + 1\n     \
         WHERE relation = {table} AND event = '{event}';\n    \
         INSERT INTO {outbox} (relation, event) SELECT {table}, '{event}' WHERE NOT EXISTS (\n        \
         SELECT 1 FROM {outbox} WHERE relation = {table} AND event = '{event}');\nEND"
    )
}

/// The statement that removes a trigger.
pub(super) fn drop(outbox: &Outbox, dialect: Dialect, table: &str, event: &str) -> String {
    let name = quoted(&trigger(outbox, table, event), dialect);
    format!("DROP TRIGGER IF EXISTS {name}")
}

/// Whether that is one of this outbox' triggers, to the letter: SQLite's whole definition, MySQL's
/// body.
// rule: own-triggers-are-known-to-the-letter
pub(crate) fn is_own_trigger(outbox: &Outbox, dialect: Dialect, table: &str, text: &str) -> bool {
    match dialect {
        Dialect::Mysql => EVENTS
            .iter()
            .any(|event| text == mysql_body(outbox, table, event)),
        Dialect::Sqlite => EVENTS
            .iter()
            .any(|event| text == create(outbox, dialect, table, event)),
        Dialect::Postgres => false,
    }
}

/// Whether that is the function of this outbox' triggers, to the letter.
pub(crate) fn is_own_function(outbox: &Outbox, name: &str, body: &str) -> bool {
    name == function(outbox) && body == postgres_body(outbox)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_anything_is_another_trigger() {
        let (outbox, other) = (Outbox::default(), Outbox::named("other").unwrap());
        for dialect in [Dialect::Mysql, Dialect::Sqlite] {
            let text = match dialect {
                Dialect::Mysql => mysql_body(&outbox, "posts", "update"),
                _ => create(&outbox, dialect, "posts", "update"),
            };
            assert!(is_own_trigger(&outbox, dialect, "posts", &text));
            assert!(!is_own_trigger(&outbox, dialect, "authors", &text));
            assert!(!is_own_trigger(&other, dialect, "posts", &text));
            let more = text.replace("BEGIN\n", "BEGIN\n DELETE FROM posts;");
            assert!(!is_own_trigger(&outbox, dialect, "posts", &more));
        }
        let body = postgres_body(&outbox);
        assert!(is_own_function(&outbox, "diesel_cache_outbox_write", &body));
        assert!(!is_own_function(&outbox, "another", &body));
        assert!(!is_own_function(&other, "other_write", &body));
    }

    #[test]
    fn a_name_is_short_enough_for_mysql_and_stays_one() {
        let outbox = Outbox::default();
        let long = "t".repeat(64);
        let name = trigger(&outbox, &long, "insert");
        assert!(name.len() <= 64, "{name}");
        assert_ne!(name, trigger(&outbox, &"t".repeat(63), "insert"));
        let text = create(&outbox, Dialect::Mysql, "o'`r", "insert");
        assert!(text.contains("ON `o'``r` FOR") && text.contains("relation = 'o''`r'"));
    }
}
