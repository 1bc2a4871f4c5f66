//! Binds: those that cannot be made, and those that keys are made of.

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, Bool, Double, Integer, Nullable, Text};
use diesel_cache::{Cache, CachedDsl, Outcome, Report};

use super::engine::{self, Conn, Db, NAME};
use crate::support::Witness;

#[derive(Debug, Clone, AsExpression)]
#[diesel(sql_type = Text)]
struct Unbindable;

impl ToSql<Text, Db> for Unbindable {
    fn to_sql<'b>(&'b self, _: &mut Output<'b, '_, Db>) -> serialize::Result {
        Err("cannot be bound".into())
    }
}

#[test]
fn a_bind_that_fails_may_leave_a_start_without_a_finish() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    let witness = Witness::default();
    conn.set_instrumentation(witness.clone());
    let failed = diesel::select(Unbindable.into_sql::<Text>()).get_result::<String>(&mut conn);
    assert!(failed.is_err());
    let events = witness.take();
    assert!(events[0].starts_with("start SELECT "));
    let finishes: Vec<_> = events
        .iter()
        .filter(|event| event.starts_with("finish"))
        .collect();
    match NAME {
        "mysql" => assert_eq!(finishes, ["finish SELECT ? -- binds: [Unbindable] failed"]),
        _ => assert!(finishes.is_empty(), "{events:?}"),
    }
}

struct Reader {
    conn: Conn,
    _arena: engine::Arena,
}

impl Reader {
    fn new() -> Self {
        let arena = engine::arena();
        let mut conn = arena.connect();
        Cache::from_url("memory://")
            .unwrap()
            .attach(&mut conn)
            .unwrap();
        Self {
            conn,
            _arena: arena,
        }
    }

    fn text(&mut self, value: &str) -> (String, bool) {
        let report = Report::new();
        let query = diesel::select(value.into_sql::<Text>());
        let found = query
            .cached()
            .report(&report)
            .get_result(&mut self.conn)
            .unwrap();
        (found, report.outcome() == Some(Outcome::Hit))
    }
}

#[test]
fn no_two_texts_share_an_entry() {
    let texts = [
        "BorrowedString",
        "String",
        "Borrowed",
        "OwnedString",
        "",
        " ",
        "a",
        "A",
        "a ",
        "á",
        "\u{301}a",
        "\"",
        "\\",
        "\\\"",
        "\\\\\"",
        "\"), (Borrowed",
        "\"), (String(\"",
        "'",
        "''",
        "NULL",
        "null",
        "1",
        "01",
        "1.0",
        "\n",
        "\\n",
        "\t",
        "\u{7f}",
        "\u{200b}",
        "\\u{200b}",
        "[",
        "]",
        ",",
        "a\"Borrowed\"b",
        "BorrowedBinary([97])",
        "$1",
        "?",
        "-- binds: [1]",
        "🦀",
        "\u{fffd}",
    ];
    let mut reader = Reader::new();
    for text in texts {
        assert_eq!(
            reader.text(text),
            (text.to_owned(), false),
            "first {text:?}"
        );
    }
    for text in texts {
        assert_eq!(reader.text(text), (text.to_owned(), true), "again {text:?}");
    }
}

#[test]
fn a_borrowed_bind_and_an_owned_one_share_an_entry() {
    let mut reader = Reader::new();
    reader.text("BorrowedString");
    let report = Report::new();
    let query = diesel::select("BorrowedString".to_owned().into_sql::<Text>());
    let found: String = query
        .cached()
        .report(&report)
        .get_result(&mut reader.conn)
        .unwrap();
    assert_eq!(
        (found.as_str(), report.outcome()),
        ("BorrowedString", Some(Outcome::Hit))
    );
}

/// Reads a value of one type, and says whether it hit.
macro_rules! read {
    ($reader:expr, $value:expr, $sql:ty, $rust:ty) => {{
        let report = Report::new();
        let query = diesel::select($value.into_sql::<$sql>());
        let found: $rust = query
            .cached()
            .report(&report)
            .get_result(&mut $reader.conn)
            .unwrap();
        assert_eq!(found, $value);
        report.outcome() == Some(Outcome::Hit)
    }};
}

#[test]
fn no_two_values_share_an_entry() {
    let mut reader = Reader::new();
    for hit in [false, true] {
        for value in [0, 1, -1, 10, i32::MAX, i32::MIN] {
            assert_eq!(read!(reader, value, Integer, i32), hit);
        }
        for value in [0, 1, i64::MAX, i64::MIN] {
            assert_eq!(read!(reader, value, BigInt, i64), hit);
        }
        for value in [
            0.0,
            1.0,
            0.1,
            0.1 + 0.2,
            1e300,
            f64::MIN_POSITIVE,
            1.0 / 3.0,
        ] {
            assert_eq!(read!(reader, value, Double, f64), hit);
        }
        for value in [
            b"".to_vec(),
            vec![0],
            vec![0, 0],
            vec![49],
            vec![34, 92],
            vec![255; 9],
        ] {
            assert_eq!(read!(reader, value.clone(), Binary, Vec<u8>), hit);
        }
        for value in [true, false] {
            assert_eq!(read!(reader, value, Bool, bool), hit);
        }
        for value in [None, Some("None".to_owned()), Some(String::new())] {
            assert_eq!(
                read!(reader, value.clone(), Nullable<Text>, Option<String>),
                hit
            );
        }
    }
}

/// A type that hides its value from `Debug`, as those of secrets do.
#[derive(Clone, PartialEq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl ToSql<Text, Db> for Secret {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Db>) -> serialize::Result {
        <String as ToSql<Text, Db>>::to_sql(&self.0, out)
    }
}

#[test]
fn a_type_that_hides_its_value_has_a_key_of_its_own() {
    let mut reader = Reader::new();
    for hit in [false, true] {
        for value in ["one", "two"] {
            let report = Report::new();
            let query = diesel::select(Secret(value.to_owned()).into_sql::<Text>());
            let found: String = query
                .cached()
                .report(&report)
                .get_result(&mut reader.conn)
                .unwrap();
            assert_eq!(
                (found.as_str(), report.outcome() == Some(Outcome::Hit)),
                (value, hit)
            );
        }
    }
}
