#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

use diesel::connection::{Connection, LoadConnection, SimpleConnection};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::row::{Field, Row};
use diesel::sql_types::Untyped;
use diesel::sqlite::{Sqlite, SqliteConnection, SqliteType};
use proptest::prelude::*;

use super::{DatabaseCells, Keep, Stored, Typed};
use crate::statement::Question;

/// A row of whatever SQLite hands out: each cell by its name, type and bytes.
#[derive(Debug, Clone, PartialEq)]
struct Anything(Vec<(String, Cell)>);

#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Null,
    Integer(i64),
    Double(u64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl FromSqlRow<Untyped, Sqlite> for Anything {
    fn build_from_row<'a>(row: &impl Row<'a, Sqlite>) -> deserialize::Result<Self> {
        let mut cells = Vec::new();
        for index in 0..row.field_count() {
            let field = Row::get(row, index).ok_or("a column is missing")?;
            let name = field.field_name().ok_or("no name")?.to_owned();
            let Some(mut value) = field.value() else {
                cells.push((name, Cell::Null));
                continue;
            };
            let cell = match value.value_type() {
                None => Cell::Null,
                Some(SqliteType::Text) => Cell::Text(value.read_blob().to_vec()),
                Some(SqliteType::Binary) => Cell::Blob(value.read_blob().to_vec()),
                Some(SqliteType::Double | SqliteType::Float) => {
                    Cell::Double(value.read_double().to_bits())
                }
                Some(_) => Cell::Integer(value.read_long()),
            };
            cells.push((name, cell));
        }
        Ok(Self(cells))
    }
}

type Anythings = Typed<Sqlite, Untyped, Anything>;

fn load(conn: &mut SqliteConnection, sql: &str, keep: Keep) -> Anythings {
    let mut stored = Anythings::new(keep);
    for row in conn.load(Question(sql)).unwrap() {
        stored.push(&row.unwrap()).unwrap();
    }
    stored
}

fn empty() -> SqliteConnection {
    SqliteConnection::establish(":memory:").unwrap()
}

/// What a hit on the result of `sql` returns, which must be what the database returns.
#[track_caller]
fn check_in(conn: &mut SqliteConnection, sql: &str) -> Vec<Anything> {
    let stored = load(conn, sql, Keep::Bytes);
    let bytes = stored.encode().expect("it can be stored");
    let back = Anythings::decode(&bytes).expect("it can be read");
    assert_eq!(back.as_ref(), stored.as_ref(), "{sql}");
    assert_eq!(back.is_empty(), stored.is_empty());
    back.as_ref().to_vec()
}

#[track_caller]
fn check(sql: &str) -> Vec<Anything> {
    check_in(&mut empty(), sql)
}

#[test]
fn every_kind_of_cell_comes_back() {
    let rows = check(
        "SELECT 1 AS a, -9223372036854775808 AS b, 9223372036854775807 AS c, 0.1 AS d, -0.0 AS e, \
         9e999 AS f, -9e999 AS g, 5e-324 AS h, 2.0 AS i, 'x' AS j, '' AS k, x'' AS l, x'00ff' AS m, \
         NULL AS n, 'a' || char(0) || 'b' AS o, 'á€😀' AS p, zeroblob(3) AS q, 0 AS r",
    );
    let cells: Vec<&Cell> = rows[0].0.iter().map(|(_, cell)| cell).collect();
    assert_eq!(*cells[1], Cell::Integer(i64::MIN));
    assert_eq!(*cells[4], Cell::Double((-0.0_f64).to_bits()));
    assert_eq!(*cells[8], Cell::Double(2.0_f64.to_bits()));
    assert_eq!(*cells[10], Cell::Text(Vec::new()));
    assert_eq!(*cells[11], Cell::Blob(Vec::new()));
    assert_eq!(*cells[13], Cell::Null);
    assert_eq!(*cells[14], Cell::Text(b"a\0b".to_vec()));
    assert_eq!(*cells[16], Cell::Blob(vec![0; 3]));
}

#[test]
fn any_number_of_rows_and_columns_comes_back() {
    for rows in [0, 1, 15, 16, 17, 31, 32, 33, 500, 1000] {
        let found = check(&format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
             SELECT i, 'row ' || i AS name, i / 3.0 AS third FROM n WHERE i <= {rows}"
        ));
        assert_eq!(found.len(), rows);
    }
    for columns in [1, 31, 32, 33, 500, 1000, 2000] {
        let list: Vec<String> = (0..columns).map(|i| format!("i + {i} AS c{i}")).collect();
        let found = check(&format!(
            "SELECT {} FROM (SELECT 1 AS i UNION ALL SELECT 7)",
            list.join(", ")
        ));
        assert_eq!((found.len(), found[0].0.len()), (2, columns));
    }
}

#[test]
fn columns_keep_their_names() {
    for name in [
        "a", "", " ", "\"", "a\"\"b", "'", "?", "?1", "á", "a.b", "count(*)", "--", "/*",
    ] {
        let quoted = name.replace('"', "\"\"");
        let rows = check(&format!("SELECT 1 AS \"{quoted}\", 2 AS \"{quoted}\""));
        assert_eq!(rows[0].0[1].0, name);
    }
    check("SELECT 1, 'a', count(*), NULL");
}

#[test]
fn cells_of_one_column_may_differ_in_type() {
    check(
        "SELECT 1 AS a UNION ALL SELECT 'x' UNION ALL SELECT NULL UNION ALL SELECT x'01' UNION ALL SELECT 0.5",
    );
    let mut conn = empty();
    conn.batch_execute(
        "CREATE TABLE t (i INTEGER, r REAL, t TEXT, b BLOB, n NUMERIC);
         INSERT INTO t VALUES (1, 1, 1, 1, 1), ('1', '1', '1', '1', '1'), (1.5, 1.5, 1.5, 1.5, 1.5), \
            ('x', 'x', 'x', 'x', 'x'), (x'01', x'01', x'01', x'01', x'01')",
    )
    .unwrap();
    check_in(&mut conn, "SELECT * FROM t ORDER BY rowid");
}

#[test]
fn a_text_that_is_not_utf_8_is_not_stored() {
    for sql in [
        "SELECT CAST(x'ff' AS TEXT) AS a",
        "SELECT 'fine' AS a UNION ALL SELECT CAST(x'61ff62' AS TEXT)",
    ] {
        let stored = load(&mut empty(), sql, Keep::Bytes);
        assert!(!stored.is_empty() && stored.encode().is_none(), "{sql}");
    }
    // The replacement character itself is a text like others.
    check("SELECT CAST(x'efbfbd' AS TEXT) AS a");
}

#[test]
fn a_text_in_utf_16_comes_back_as_it_was_read_or_is_not_stored() {
    let mut conn = empty();
    conn.batch_execute(
        "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('ab')",
    )
    .unwrap();
    // `Anything` reads texts as blobs.
    let stored = load(&mut conn, "SELECT a FROM t", Keep::Bytes);
    assert_eq!(stored.as_ref()[0].0[0].1, Cell::Text(b"a\0b\0".to_vec()));
    assert!(stored.encode().is_none());
    let mut stored = Typed::<Sqlite, diesel::sql_types::Text, String>::new(Keep::Bytes);
    for row in conn.load(Question("SELECT a FROM t")).unwrap() {
        stored.push(&row.unwrap()).unwrap();
    }
    let bytes = stored.encode().expect("it can be stored");
    let back = Typed::<Sqlite, diesel::sql_types::Text, String>::decode(&bytes).unwrap();
    assert_eq!(back.as_ref(), ["ab"]);
}

#[test]
fn rows_for_memory_keep_no_cells() {
    let stored = load(&mut empty(), "SELECT 'x' AS a", Keep::Values);
    assert!(stored.encode().is_none());
    assert_eq!(stored.weight(), size_of::<Anything>() + 1);
    // What was read from bytes is not turned into bytes again: the entry has them.
    let bytes = load(&mut empty(), "SELECT 'x' AS a", Keep::Bytes).encode();
    let back = Anythings::decode(&bytes.unwrap()).unwrap();
    assert!(back.encode().is_none() && back.weight() > 0);
}

#[test]
fn bytes_of_another_kind_or_version_are_a_miss() {
    let bytes = load(&mut empty(), "SELECT 'x' AS a", Keep::Bytes)
        .encode()
        .unwrap();
    assert!(Anythings::decode(&bytes).is_some());
    assert_eq!(bytes[..16], Anythings::fingerprint());
    for place in 0..16 {
        let mut other = bytes.clone();
        other[place] ^= 1;
        assert!(Anythings::decode(&other).is_none());
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Anythings::decode(&longer).is_none());
    for length in 0..bytes.len() {
        assert!(Anythings::decode(&bytes[..length]).is_none(), "{length}");
    }
    assert_ne!(
        super::wire::fingerprint("a", "b"),
        super::wire::fingerprint("b", "a")
    );
}

#[test]
fn a_row_of_another_type_is_a_miss() {
    let bytes = load(&mut empty(), "SELECT NULL AS a", Keep::Bytes)
        .encode()
        .unwrap();
    assert!(Anythings::decode(&bytes).is_some());
    assert!(Typed::<Sqlite, diesel::sql_types::Integer, i32>::decode(&bytes).is_none());
    // The scratch database is as good as new after it.
    check("SELECT 1 AS a");
}

/// A row that replays others while it is made.
struct Nesting(i64);

impl FromSqlRow<Untyped, Sqlite> for Nesting {
    fn build_from_row<'a>(row: &impl Row<'a, Sqlite>) -> deserialize::Result<Self> {
        check("SELECT 5 AS inner_one UNION ALL SELECT 6");
        let field = Row::get(row, 0).ok_or("a column is missing")?;
        Ok(Self(
            <i64 as FromSql<diesel::sql_types::BigInt, Sqlite>>::from_nullable_sql(field.value())?,
        ))
    }
}

#[test]
fn a_replay_inside_of_a_replay_has_a_database_of_its_own() {
    let bytes = load(
        &mut empty(),
        "SELECT 1 AS a UNION ALL SELECT 2",
        Keep::Bytes,
    )
    .encode()
    .unwrap();
    let rows: Vec<Nesting> = Sqlite::replay::<Untyped, _>(&bytes).unwrap();
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_fingerprint_is_of_the_library_and_the_platform() {
    let order = if cfg!(target_endian = "big") {
        "big"
    } else {
        "little"
    };
    let library = concat!("diesel-cache ", env!("CARGO_PKG_VERSION"));
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let texts = [library, "kind", "cells", os, arch, order];
    let numbers = [usize::BITS, 1].map(u32::to_le_bytes);
    let parts = texts.iter().map(|text| text.as_bytes());
    let parts = parts.chain(numbers.iter().map(|number| &number[..]));
    let found = super::wire::fingerprint("kind", "cells");
    assert_eq!(found, crate::codec::fingerprint(parts));
}

/// A cell's SQL.
fn cell() -> impl Strategy<Value = String> {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    prop_oneof![
        Just("NULL".to_owned()),
        any::<i64>().prop_map(|number| if number == i64::MIN {
            "-9223372036854775807 - 1".to_owned()
        } else {
            number.to_string()
        }),
        any::<f64>()
            .prop_filter("a number", |n| n.is_finite())
            .prop_map(|n| format!("{n:e}")),
        any::<String>().prop_map(move |text| format!("CAST(x'{}' AS TEXT)", hex(text.as_bytes()))),
        any::<Vec<u8>>().prop_map(move |bytes| format!("x'{}'", hex(&bytes))),
    ]
}

proptest! {
    #[test]
    fn whatever_is_stored_comes_back(
        rows in (1..6_usize).prop_flat_map(|columns| {
            prop::collection::vec(prop::collection::vec(cell(), columns), 1..40)
        })
    ) {
        let rows: Vec<String> = rows.iter().map(|row| format!("({})", row.join(", "))).collect();
        check(&format!("VALUES {}", rows.join(", ")));
    }

    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
        let mut sealed = Anythings::fingerprint().to_vec();
        sealed.extend_from_slice(&bytes);
        let _ = Anythings::decode(&bytes);
        let _ = Anythings::decode(&sealed);
    }

    #[test]
    fn no_damage_panics(at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let sql = "SELECT 1 AS a, 'x' AS b, 0.5 AS c UNION ALL SELECT NULL, x'00', -1";
        let mut bytes = load(&mut empty(), sql, Keep::Bytes).encode().unwrap();
        let place = 16 + at.index(bytes.len() - 16);
        bytes[place] = to;
        let _ = Anythings::decode(&bytes);
        let _ = Anythings::decode(&bytes[..cut.index(bytes.len())]);
    }
}
