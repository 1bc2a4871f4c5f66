//! Rows that have been bytes are those that the database returned.

use std::fmt::Debug;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::test::as_stored;
use diesel_cache::{Cache, CachedDsl, LoadSharedDsl, Outcome, Report};

use super::engine::{self, Arena, Conn};
use crate::outside::Outside;

diesel::table! {
    things (id) {
        id -> Integer,
        name -> Nullable<Text>,
        size -> Double,
        data -> Nullable<Binary>,
        many -> BigInt,
    }
}
diesel::table! { parts (id) { id -> Integer, thing -> Integer, name -> Text } }
diesel::allow_tables_to_appear_in_same_query!(things, parts);
diesel::joinable!(parts -> things (thing));

fn arena() -> (Arena, Conn) {
    let arena = engine::arena();
    let mut conn = arena.connect();
    let binary = match engine::NAME {
        "postgres" => ("bytea", "'\\x00ff'", "''"),
        "mysql" => ("blob", "x'00ff'", "''"),
        _ => ("blob", "x'00ff'", "x''"),
    };
    conn.batch_execute(&format!(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(99), size DOUBLE PRECISION NOT NULL,
            data {}, many BIGINT NOT NULL);
         INSERT INTO things VALUES
            (1, NULL, 0.1, {}, 9223372036854775807),
            (2, 'two ''\" á€😀', -1e300, NULL, -9223372036854775807),
            (3, '', 0, {}, 0);
         CREATE TABLE parts (id INTEGER PRIMARY KEY, thing INTEGER NOT NULL, name VARCHAR(9) NOT NULL);
         INSERT INTO parts VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 3, 'c')",
        binary.0, binary.1, binary.2
    ))
    .unwrap();
    (arena, conn)
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, QueryableByName)]
struct Thing {
    id: i32,
    name: Option<String>,
    size: f64,
    data: Option<Vec<u8>>,
    many: i64,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, QueryableByName)]
struct Part {
    id: i32,
    name: String,
}

#[track_caller]
fn same<U: Debug + PartialEq>(plain: Vec<U>, stored: Option<Vec<U>>) -> usize {
    assert_eq!(stored.as_ref(), Some(&plain));
    plain.len()
}

macro_rules! check {
    ($conn:expr, $query:expr) => {
        same(
            $query.load($conn).unwrap(),
            as_stored($query, $conn).unwrap(),
        )
    };
    ($conn:expr, $query:expr, $row:ty) => {
        same::<$row>(
            $query.load($conn).unwrap(),
            as_stored($query, $conn).unwrap(),
        )
    };
}

#[test]
fn rows_come_back() {
    let (_arena, conn) = &mut arena();
    let found = check!(
        conn,
        things::table.select(Thing::as_select()).order(things::id)
    );
    assert_eq!(found, 3);
    assert_eq!(
        check!(
            conn,
            things::table.select(things::name).order(things::id),
            Option<String>
        ),
        3
    );
    assert_eq!(check!(conn, things::table.count(), i64), 1);
}

#[test]
fn empty_results_come_back() {
    let (_arena, conn) = &mut arena();
    let none = || {
        things::table
            .select(Thing::as_select())
            .filter(things::id.gt(99))
    };
    assert_eq!(check!(conn, none()), 0);
    let mut rows: Vec<Thing> = as_stored(none(), conn).unwrap().unwrap();
    assert!(rows.pop().is_none());
}

#[test]
fn joins_with_columns_of_one_name_come_back() {
    let (_arena, conn) = &mut arena();
    let inner = || {
        parts::table
            .inner_join(things::table)
            .select((Part::as_select(), Thing::as_select()))
            .order(parts::id)
    };
    assert_eq!(check!(conn, inner(), (Part, Thing)), 3);
    let left = || {
        things::table
            .left_join(parts::table)
            .select((Thing::as_select(), Option::<Part>::as_select()))
            .order((things::id, parts::id))
    };
    assert_eq!(check!(conn, left(), (Thing, Option<Part>)), 4);
    let twice = || {
        things::table
            .select((things::id, things::id, things::id))
            .order(things::id)
    };
    assert_eq!(check!(conn, twice(), (i32, i32, i32)), 3);
}

#[test]
fn rows_by_name_come_back() {
    let (_arena, conn) = &mut arena();
    let columns_in_another_order = || {
        diesel::sql_query("SELECT many, data, size, name, id, id AS other FROM things ORDER BY id")
    };
    assert_eq!(check!(conn, columns_in_another_order(), Thing), 3);
    // Of columns of one name, the first is read.
    let twice = || diesel::sql_query("SELECT id, name, name || 'x' AS name FROM parts ORDER BY id");
    if engine::NAME != "mysql" {
        assert_eq!(check!(conn, twice(), Part), 3);
    }
}

#[test]
fn a_result_of_nothing_but_nulls_comes_back() {
    let (_arena, conn) = &mut arena();
    let nulls = || things::table.select(things::data).filter(things::id.eq(2));
    assert_eq!(check!(conn, nulls(), Option<Vec<u8>>), 1);
    #[derive(Debug, Clone, PartialEq, QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
        a: Option<String>,
    }
    assert_eq!(check!(conn, diesel::sql_query("SELECT NULL AS a"), Row), 1);
}

#[test]
fn a_large_result_comes_back() {
    let (_arena, conn) = &mut arena();
    let rows: Vec<_> = (10..1000)
        .map(|id| {
            (
                parts::id.eq(id),
                parts::thing.eq(id),
                parts::name.eq(id.to_string()),
            )
        })
        .collect();
    diesel::insert_into(parts::table)
        .values(&rows)
        .execute(conn)
        .unwrap();
    assert_eq!(
        check!(conn, parts::table.order(parts::id), (i32, i32, String)),
        993
    );
}

#[test]
fn hits_are_made_from_bytes() {
    let (_arena, conn) = &mut arena();
    let cache = Cache::builder().backend(Outside::new()).build().unwrap();
    cache.attach(conn).unwrap();
    let all = || things::table.select(Thing::as_select()).order(things::id);
    let plain = all().load(conn).unwrap();
    let report = Report::new();
    for hit in [false, true, true] {
        let rows: Vec<Thing> = all().cached().report(&report).load(conn).unwrap();
        assert_eq!(rows, plain);
        assert_eq!(
            report.outcome() == Some(Outcome::Hit),
            hit,
            "{:?}",
            report.outcome()
        );
    }
    for _ in 0..2 {
        let rows = all()
            .cached()
            .report(&report)
            .load_shared::<Thing>(conn)
            .unwrap();
        assert_eq!(rows[..], plain[..]);
    }
    assert_eq!(report.outcome(), Some(Outcome::Hit));
    diesel::delete(things::table.filter(things::id.eq(1)))
        .execute(conn)
        .unwrap();
    let rows: Vec<Thing> = all().cached().report(&report).load(conn).unwrap();
    assert_eq!(
        (rows.len(), report.outcome() == Some(Outcome::Hit)),
        (2, false)
    );
}
