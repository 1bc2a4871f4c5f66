//! SQLite's columns.

use std::collections::HashMap;

use diesel::result::QueryResult;

use super::super::{Texts, cell, flag, texts};
use super::Told;
use crate::catalogue::{ColumnInfo, Shape};
use crate::connection::Link;
use crate::datum::Comparison;

// A temporary table of the same name stands before that of the database.
const COLUMNS: &str = "\
    SELECT m.name, c.name, c.type, c.\"notnull\" <> 0, CAST(c.pk AS TEXT), \
           CAST(c.hidden AS TEXT), m.sql LIKE '%collate%', \
           c.pk > 0 AND EXISTS (SELECT 1 FROM pragma_index_list(m.name, 'main') i \
                                 WHERE i.origin = 'pk') \
      FROM sqlite_master m, pragma_table_xinfo(m.name, 'main') c WHERE m.type = 'table'";

/// The shapes of tables, and whether they have generated columns.
pub(in super::super) async fn shapes<L: Link>(
    conn: &mut L,
) -> QueryResult<HashMap<String, (Option<Shape>, bool)>> {
    let mut tables: HashMap<String, (Told, Vec<Key>)> = HashMap::new();
    for row in texts(conn, COLUMNS).await? {
        let (told, keys) = tables.entry(cell(&row, 0).to_owned()).or_default();
        let name = cell(&row, 1);
        let set_by_server = matches!(cell(&row, 5), "2" | "3");
        // A virtual table has them.
        told.odd |= !set_by_server && cell(&row, 5) != "0";
        let column = ColumnInfo {
            comparison: comparison(cell(&row, 2), flag(&row, 6)),
            set_by_server,
        };
        told.columns.push((name.to_owned(), column));
        if cell(&row, 4) != "0" {
            told.key(cell(&row, 4), name);
            keys.push(Key::of(&row));
        }
    }
    let shapes = tables.into_iter().map(|(table, (mut told, keys))| {
        let generated = told.columns.iter().any(|(_, column)| column.set_by_server);
        if !Key::are_certain(&keys) {
            told.primary.clear();
        }
        (table, (told.shape(), generated))
    });
    Ok(shapes.collect())
}

/// A column of a primary key.
#[derive(Debug)]
struct Key {
    not_null: bool,
    /// Whether it stands for the number of the row, so that nothing else need hold the key.
    is_row: bool,
}

impl Key {
    fn of(row: &Texts) -> Self {
        Self {
            not_null: flag(row, 3),
            // `INT PRIMARY KEY`, and `INTEGER PRIMARY KEY DESC`, have an index.
            is_row: cell(row, 2).eq_ignore_ascii_case("integer") && !flag(row, 7),
        }
    }

    /// Whether none of them is ever NULL. SQLite says so of the key of a table without row
    /// numbers, too.
    // rule: a-key-that-may-be-null-is-no-key
    fn are_certain(keys: &[Self]) -> bool {
        match keys {
            [key] => key.is_row || key.not_null,
            keys => keys.iter().all(|key| key.not_null),
        }
    }
}

/// How values of a column of that declared type are compared, by SQLite's rules of affinity.
fn comparison(declared: &str, has_collation: bool) -> Comparison {
    let declared = declared.to_ascii_uppercase();
    let has = |word: &str| declared.contains(word);
    if has("INT") {
        // rule: a-column-of-numbers-keeps-whole-numbers-whole
        // Of what else could equal 5, the column makes 5 when it is stored: `5.0` and `'5'`.
        // A fraction or a text that stays one equals no whole number. -2^63 given as a real
        // stays one and equals the number; but it was not given as a whole number.
        return Comparison::signed(8);
    }
    if ["CHAR", "CLOB", "TEXT"].into_iter().any(has) {
        // rule: a-text-is-compared-by-bytes-unless-collated
        // Numbers become texts when they are stored, and a blob equals no text.
        return match has_collation {
            true => Comparison::Unknown,
            false => Comparison::Texts(u32::MAX),
        };
    }
    let has_other_affinity = ["BLOB", "REAL", "FLOA", "DOUB"].into_iter().any(has);
    // `ANY` is a number, but in a strict table it is anything.
    match has_other_affinity || declared.is_empty() || declared == "ANY" {
        true => Comparison::Unknown,
        false => Comparison::signed(8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinities() {
        let numbers = Comparison::signed(8);
        let texts = Comparison::Texts(u32::MAX);
        for (declared, expected) in [
            ("INTEGER", numbers),
            ("int", numbers),
            ("UNSIGNED BIG INT", numbers),
            // SQLite's own examples of surprises.
            ("CHARINT", numbers),
            ("FLOATING POINT", numbers),
            ("STRING", numbers),
            ("BOOLEAN", numbers),
            ("DATE", numbers),
            ("DECIMAL(10,5)", numbers),
            ("NUMERIC", numbers),
            ("TEXT", texts),
            ("VARCHAR(255)", texts),
            ("NATIVE CHARACTER(70)", texts),
            ("clob", texts),
            ("", Comparison::Unknown),
            ("BLOB", Comparison::Unknown),
            ("REAL", Comparison::Unknown),
            ("DOUBLE PRECISION", Comparison::Unknown),
            ("FLOAT", Comparison::Unknown),
            ("ANY", Comparison::Unknown),
        ] {
            assert_eq!(comparison(declared, false), expected, "{declared}");
        }
        assert_eq!(comparison("TEXT", true), Comparison::Unknown);
        assert_eq!(comparison("INTEGER", true), numbers);
    }
}
