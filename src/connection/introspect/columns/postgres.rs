//! PostgreSQL's columns.

use std::collections::HashMap;

use diesel::result::QueryResult;

use super::super::postgres::OURS;
use super::super::{Texts, cell, flag, texts};
use super::Told;
use crate::catalogue::{ColumnInfo, Shape};
use crate::connection::Link;
use crate::datum::Comparison;

/// A name may have 63 bytes. Of longer ones PostgreSQL leaves out what follows, whole
/// characters of at most four bytes: what is shorter than this was never cut.
const MAY_BE_CUT: usize = 60;

/// The shapes of tables, by their numbers.
pub(in super::super) async fn shapes<L: Link>(conn: &mut L) -> QueryResult<HashMap<String, Shape>> {
    // rule: only-a-table-by-itself-has-columns-of-its-own
    let columns = format!(
        "SELECT c.oid::text, a.attname::text, a.atttypid::text, a.atttypmod::text, \
                coalesce(l.collisdeterministic, false)::int::text, \
                (a.attgenerated <> '')::int::text, \
                array_position(k.conkey, a.attnum)::text \
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
           LEFT JOIN pg_collation l ON l.oid = a.attcollation \
           LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p' \
          WHERE c.relkind = 'r' AND NOT c.relispartition AND {OURS} AND NOT EXISTS (\
                SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent))"
    );
    let mut tables: HashMap<String, Told> = HashMap::new();
    for row in texts(conn, &columns).await? {
        let told = tables.entry(cell(&row, 0).to_owned()).or_default();
        let name = cell(&row, 1);
        // rule: a-name-that-may-be-cut-is-another
        told.odd |= name.len() >= MAY_BE_CUT;
        let column = ColumnInfo {
            comparison: comparison(&row),
            set_by_server: flag(&row, 5),
        };
        told.columns.push((name.to_owned(), column));
        if !cell(&row, 6).is_empty() {
            told.key(cell(&row, 6), name);
        }
    }
    let shapes = tables.into_iter();
    Ok(shapes
        .filter_map(|(table, told)| Some((table, told.shape()?)))
        .collect())
}

/// How values of the column are compared: by the numbers of PostgreSQL's own types, which
/// domains, enums and the types of extensions do not have.
fn comparison(row: &Texts) -> Comparison {
    let is_deterministic = flag(row, 4);
    match cell(row, 2) {
        "21" => Comparison::signed(2),
        "23" => Comparison::signed(4),
        "20" => Comparison::signed(8),
        "16" => Comparison::Bools,
        "2950" => Comparison::Uuids,
        // rule: a-deterministic-collation-compares-bytes
        // What its order takes as equal, PostgreSQL compares by the bytes.
        "25" if is_deterministic => Comparison::Texts(u32::MAX),
        "1043" if is_deterministic => varchar(cell(row, 3)),
        _ => Comparison::Unknown,
    }
}

/// `varchar` without a limit, or with one: four less than it says.
fn varchar(modifier: &str) -> Comparison {
    match modifier.parse::<i64>() {
        Ok(-1) => Comparison::Texts(u32::MAX),
        Ok(length) => u32::try_from(length - 4).map_or(Comparison::Unknown, Comparison::Texts),
        Err(_) => Comparison::Unknown,
    }
}
