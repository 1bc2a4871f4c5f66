//! What SQLite's binds look like, and what ends its transactions unseen.

use diesel::backend::Backend;
use diesel::connection::{Connection, SimpleConnection};
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{BigInt, Binary, Bool, Double, Float, Integer, Nullable, SmallInt, Text};
use diesel::sqlite::Sqlite;

use super::engine;
use crate::support::Witness;

/// The `Debug` of the collected binds, which keys are made of.
fn collected(query: &impl QueryFragment<Sqlite>) -> String {
    let mut collector = <Sqlite as Backend>::BindCollector::default();
    query
        .collect_binds(&mut collector, &mut (), &Sqlite)
        .unwrap();
    format!("{collector:?}")
}

#[test]
fn the_debug_of_collected_binds_tells_every_value_and_type() {
    let text = |text: &'static str| collected(&text.into_sql::<Text>());
    assert_eq!(
        text("alice"),
        r#"SqliteBindCollector { binds: [(BorrowedString("alice"), Text)] }"#
    );
    assert_eq!(
        text("BorrowedString"),
        text("alice").replace("alice", "BorrowedString")
    );
    assert_eq!(
        text("a\"\\"),
        r#"SqliteBindCollector { binds: [(BorrowedString("a\"\\"), Text)] }"#
    );
    let of = |binds: String| {
        let binds = binds
            .strip_prefix("SqliteBindCollector { binds: [(")
            .unwrap();
        binds.strip_suffix(")] }").unwrap().to_owned()
    };
    assert_eq!(of(collected(&1.into_sql::<Integer>())), "I32(1), Integer");
    assert_eq!(
        of(collected(&1_i16.into_sql::<SmallInt>())),
        "I32(1), SmallInt"
    );
    assert_eq!(of(collected(&1_i64.into_sql::<BigInt>())), "I64(1), Long");
    assert_eq!(of(collected(&true.into_sql::<Bool>())), "I32(1), Integer");
    assert_eq!(
        of(collected(&0.1_f64.into_sql::<Double>())),
        "F64(0.1), Double"
    );
    assert_eq!(
        of(collected(&0.1_f32.into_sql::<Float>())),
        "F64(0.10000000149011612), Float"
    );
    assert_eq!(
        of(collected(&vec![0_u8, 255].into_sql::<Binary>())),
        "BorrowedBinary([0, 255]), Binary"
    );
    assert_eq!(
        of(collected(&None::<i32>.into_sql::<Nullable<Integer>>())),
        "Null, Integer"
    );
    assert_eq!(
        of(collected(&None::<String>.into_sql::<Nullable<Text>>())),
        "Null, Text"
    );
}

/// Floating-point values whose shortest text is another value's would share a key.
#[test]
fn the_debug_of_a_float_is_read_back_as_itself() {
    let mut bits = 0x3FB9_9999_9999_999A_u64;
    for _ in 0..10_000 {
        bits = bits
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let value = f64::from_bits(bits);
        if value.is_finite() {
            let text = collected(&value.into_sql::<Double>());
            let text = text.split(['(', ')']).nth(2).unwrap();
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits, "{text}");
        }
    }
}

fn watched() -> (engine::Arena, SqliteConnection, Witness) {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         INSERT INTO things VALUES (1, 'a');
         CREATE TABLE parents (id INTEGER PRIMARY KEY);
         CREATE TABLE children (id INTEGER PRIMARY KEY,
            parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED);",
    )
    .unwrap();
    let witness = Witness::default();
    conn.set_instrumentation(witness.clone());
    (arena, conn, witness)
}

#[test]
fn a_statement_may_end_the_transaction_without_an_event() {
    let (_arena, mut conn, witness) = watched();
    conn.batch_execute("BEGIN").unwrap();
    witness.take();
    let sql = "INSERT OR ROLLBACK INTO things VALUES (1, 'again')";
    assert!(conn.batch_execute(sql).is_err());
    assert_eq!(
        witness.take(),
        [format!("start {sql}"), format!("finish {sql} failed")]
    );
    assert!(
        conn.batch_execute("COMMIT").is_err(),
        "there is no transaction any more"
    );
}
