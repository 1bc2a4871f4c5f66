//! What tags stand for, in words: never with a value.

use std::sync::Arc;

use super::reads::{entries, keyed};
use super::table::{Key, KeyedTable};
use super::{Binds, Entry};
use crate::footprint::columns::Source;
use crate::tag::{Part, Scope, Tag};

/// The tags that a read by a source may depend on, and what they stand for.
#[must_use]
pub fn names(
    table: &KeyedTable,
    source: &Source,
    tables: &[Option<Arc<KeyedTable>>],
    binds: Binds<'_>,
) -> Vec<(Tag, String)> {
    let name = &table.name;
    let mut scopes = vec![(Scope::All, String::from("any row"))];
    let keyed = keyed(table, source, tables, binds);
    if let Some((key, values)) = &keyed {
        let asked = format!("rows with the {} that is asked for", key.join(" and "));
        let asked = values
            .iter()
            .map(|value| (Scope::Is(key, value), asked.clone()));
        scopes.extend(asked);
    }
    for key in &table.keys {
        let unknown = format!("rows of whatever {}", key.join(" and "));
        scopes.push((Scope::IsUnknown(key), unknown));
    }
    let entries = entries(table, source, tables, binds);
    let mut named = vec![(
        Tag::wide(table.space, name),
        format!("{name}: writes of which no more is known"),
    )];
    for (scope, rows) in &scopes {
        let mut add = |part, what: &str| {
            let tag = Tag::part(table.space, name, scope, part);
            named.push((tag, format!("{name}: {rows}: {what}")));
        };
        add(Part::Added, "that are added");
        add(Part::Made, "that are added with a key of the database's");
        add(Part::Removed, "that are removed");
        add(Part::Columns, "any column");
        for column in table.columns.keys() {
            add(Part::Column(column), column);
            add(
                Part::BecomesAny(column),
                &format!("{column}, set to whatever"),
            );
            add(
                Part::BecomesTrue(column),
                &format!("{column}, set to what is true"),
            );
            if let Some(Entry::By(values)) = entries.get(column) {
                let what = format!("{column}, set to what is asked for");
                for value in values {
                    add(Part::Becomes(column, value), &what);
                }
            }
        }
    }
    named
}

/// For each key of a table, whether a write names its values.
#[must_use]
pub fn told_keys(
    table: &KeyedTable,
    change: &crate::footprint::columns::Change,
    binds: Binds<'_>,
) -> Vec<(Key, bool)> {
    let keys = table.keys.iter();
    keys.map(|key| {
        let told = super::writes::values_of(table, key, change, binds).is_some();
        (key.clone(), told)
    })
    .collect()
}
