//! SQLite's answers.

use diesel::result::QueryResult;
use std::collections::BTreeSet;

use super::columns::sqlite::shapes;
use super::{SEPARATOR, SessionInfo, cell, digest, flag, names, texts};
use crate::catalogue::{Catalogue, Child, Trigger};
use crate::connection::Link;
use crate::database::DatabaseId;
use crate::dialect::Dialect;
use crate::footprint::{self, Isolation};
use crate::outbox::{Outbox, is_own_trigger};

pub(super) async fn session<L: Link>(conn: &mut L, name: Option<&str>) -> QueryResult<SessionInfo> {
    let databases = texts(conn, "SELECT name, file FROM pragma_database_list").await?;
    let attached = databases
        .iter()
        .any(|row| !matches!(cell(row, 0), "main" | "temp"));
    let file = databases
        .iter()
        .find(|row| cell(row, 0) == "main")
        .map_or("", |row| cell(row, 1));
    let temporary = texts(
        conn,
        "SELECT lower(name), type = 'trigger' FROM sqlite_temp_master",
    )
    .await?;
    let untrackable = temporary.iter().any(|row| flag(row, 1));
    let temporary: Vec<&str> = temporary.iter().map(|row| cell(row, 0)).collect();
    // What a `LIKE` returns is set by a pragma that cannot be asked for.
    let settings = texts(conn, "SELECT 'a' LIKE 'A'").await?;
    let dirty = texts(conn, "SELECT read_uncommitted FROM pragma_read_uncommitted").await?;
    let dirty = dirty.first().is_some_and(|row| cell(row, 0) == "1");
    Ok(SessionInfo {
        database: identity(file, name),
        session: None,
        settings: digest(&settings),
        isolation: if dirty {
            Isolation::ReadUncommitted
        } else {
            Isolation::Snapshot
        },
        standby: false,
        attached,
        untrackable,
        temporary: names(&temporary.join(&SEPARATOR.to_string())),
        looked_at: None,
        temporary_views: BTreeSet::new(),
        user: String::new(),
    })
}

/// A file is what its device and inode say it is, under any path. Databases in memory
/// have no name: each connection may have its own, or share one.
fn identity(file: &str, name: Option<&str>) -> DatabaseId {
    if let Some(name) = name {
        return DatabaseId::named(format!("sqlite {name}").as_bytes());
    }
    if file.is_empty() {
        return DatabaseId::private(b"sqlite in memory");
    }
    match file_id(file) {
        Some(id) => DatabaseId::named(format!("sqlite {id}").as_bytes()),
        None => DatabaseId::private(b"sqlite in memory"),
    }
}

#[cfg(unix)]
fn file_id(file: &str) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(file).ok()?;
    // An inode is used again after a file is deleted; the time of its birth tells them apart.
    let born = metadata.created().ok();
    Some(format!("{} {} {born:?}", metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn file_id(file: &str) -> Option<String> {
    std::fs::canonicalize(file)
        .ok()
        .map(|path| path.to_string_lossy().into_owned())
}

pub(super) async fn catalogue<L: Link>(conn: &mut L, outbox: &Outbox) -> QueryResult<Catalogue> {
    let mut catalogue = Catalogue::default();
    let mut shapes = shapes(conn).await?;
    let rows = texts(conn, "SELECT type, name, tbl_name, sql FROM sqlite_master").await?;
    // rule: an-outbox-with-triggers-is-any-table
    let touched = |row: &Vec<_>| cell(row, 0) == "trigger" && cell(row, 2) == outbox.table();
    let is_plain = !rows.iter().any(touched);
    let is_own = |row: &Vec<_>| is_own_trigger(outbox, Dialect::Sqlite, cell(row, 2), cell(row, 3));
    for row in &rows {
        match cell(row, 0) {
            "table" => {
                let relation = catalogue.relation(cell(row, 1));
                relation.uncacheable |= is_virtual(cell(row, 3));
                relation.confined |= keeps_its_rows(cell(row, 3));
                relation.replaces |= may_replace(cell(row, 3));
                let (shape, generated) = shapes.remove(cell(row, 1)).unwrap_or_default();
                relation.changes_more |= generated;
                relation
                    .shape
                    .tell(shape.filter(|_| !is_virtual(cell(row, 3))));
            }
            "view" => {
                let definition = footprint::view_definition(cell(row, 3), Dialect::Sqlite);
                catalogue.relation(cell(row, 1)).views.push(definition);
            }
            // It writes to the outbox alone.
            "trigger" if is_plain && is_own(row) => {}
            "trigger" => {
                catalogue.doubts_outbox |= !is_own(row) && cell(row, 3).contains(outbox.table());
                let trigger = Trigger::of_sqlite(cell(row, 3));
                let triggers = &mut catalogue.relation(cell(row, 2)).triggers;
                triggers.push(trigger);
            }
            _ => {}
        }
    }
    // rule: a-virtual-table-writes-its-shadows
    for row in rows.iter().filter(|row| keeps_its_rows(cell(row, 3))) {
        let name = cell(row, 1).to_lowercase();
        let shadows = rows.iter().map(|other| cell(other, 1).to_lowercase());
        for shadow in shadows.filter(|other| other.starts_with(&format!("{name}_"))) {
            catalogue.join_families(&name, &shadow);
        }
    }
    let references = "\
        SELECT f.\"table\", m.name, f.on_delete, f.on_update, coalesce(f.\"to\", '') \
          FROM sqlite_master m, pragma_foreign_key_list(m.name, 'main') f WHERE m.type = 'table'";
    for row in texts(conn, references).await? {
        let acts = |rule: &str| !matches!(rule, "RESTRICT" | "NO ACTION");
        // A composite key has a row per column, so an update of any of them counts.
        catalogue.relation(cell(&row, 0)).children.push(Child {
            table: cell(&row, 1).to_lowercase().into(),
            on_delete: acts(cell(&row, 2)),
            on_update: acts(cell(&row, 3)),
            columns: names(cell(&row, 4)),
        });
    }
    Ok(catalogue)
}

/// Whether the definition may hold `ON CONFLICT REPLACE`.
fn may_replace(sql: &str) -> bool {
    let sql = sql.to_lowercase();
    sql.contains("conflict") && sql.contains("replace")
}

/// Whether the definition is that of a virtual table of SQLite's own, which keeps its rows
/// in tables whose names begin with its own: full-text and spatial indexes.
fn keeps_its_rows(sql: &str) -> bool {
    const OWN: [&str; 6] = ["fts3", "fts4", "fts5", "geopoly", "rtree", "rtree_i32"];
    let sql = sql.to_lowercase();
    let module = sql.split_once(" using ").map_or("", |(_, rest)| rest);
    let module = module
        .trim_start()
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .next();
    is_virtual(&sql)
        && sql.matches(" using ").count() == 1
        && module.is_some_and(|module| OWN.contains(&module))
}

fn is_virtual(sql: &str) -> bool {
    let mut words = sql.split_whitespace();
    words
        .next()
        .is_some_and(|word| word.eq_ignore_ascii_case("create"))
        && words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("virtual"))
}
