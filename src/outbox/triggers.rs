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

/// A text in quotes, of what holds no backslash: names, numbers, our own code.
pub(crate) fn literal(text: &str) -> String {
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
/// A row for each row that is written, and nothing that was there before is touched: to look for a
/// row that the relay has removed would lock the gap that it left, and to change one that it may
/// have changed would fail under some isolation. The number is none that `LAST_INSERT_ID` tells.
// rule: a-trigger-touches-no-row-of-the-outbox
fn mysql_body(outbox: &Outbox, table: &str, event: &str) -> String {
    let (name, table) = (outbox.sql(Dialect::Mysql), literal(table));
    format!(
        "INSERT INTO {name} (id, session, relation, event)\n\
         VALUES (UUID_SHORT(), @diesel_cache_session, {table}, '{event}')"
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
    let key = literal(&format!("{table} {event}"));
    let (outbox, table) = (quoted(outbox.table(), dialect), literal(table));
    // One row for each table and event: SQLite has one writer at a time. A row that was removed comes
    // back with a number that it never had.
    format!(
        "CREATE TRIGGER {name} AFTER {event_sql} ON {on} FOR EACH ROW\nBEGIN\n    \
         UPDATE {outbox} SET generation = generation + 1 WHERE id = {key};\n    \
         INSERT INTO {outbox} (id, relation, event, generation)\n    \
         SELECT {key}, {table}, '{event}', abs(random() / 2)\n     \
         WHERE NOT EXISTS (SELECT 1 FROM {outbox} WHERE id = {key});\nEND"
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
            let more = text.replace("INSERT", "DELETE FROM posts; INSERT");
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
        assert!(text.contains("ON `o'``r` FOR") && text.contains(", 'o''`r', 'insert')"));
    }
}
