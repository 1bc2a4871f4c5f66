//! `save`, `create`, `delete` and their receivers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::{
    Cache, CacheInvalidate, CachedDsl, CreateDsl, DeleteDsl, Outcome, Report, SaveDsl,
};

use super::engine;

diesel::table! {
    users (id) {
        id -> Integer,
        #[sql_name = "nick"]
        name -> Text,
        age -> Nullable<Integer>,
    }
}

diesel::table! {
    seats (hall, number) {
        hall -> Integer,
        number -> Integer,
        taken -> Bool,
    }
}

#[derive(
    Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, AsChangeset, CacheInvalidate,
)]
struct User {
    id: i32,
    name: String,
    age: Option<i32>,
}

#[derive(Insertable)]
#[diesel(table_name = users)]
struct NewUser {
    name: &'static str,
}

#[derive(Identifiable, AsChangeset, CacheInvalidate)]
#[diesel(primary_key(hall, number))]
struct Seat {
    hall: i32,
    number: i32,
    taken: bool,
}

fn prepared(cache: &Cache, arena: &engine::Arena) -> engine::Conn {
    let mut conn = arena.connect();
    let key = match engine::NAME {
        "mysql" => "INTEGER PRIMARY KEY AUTO_INCREMENT",
        "postgres" => "SERIAL PRIMARY KEY",
        _ => "INTEGER PRIMARY KEY",
    };
    conn.batch_execute(&format!(
        "CREATE TABLE users (id {key}, nick VARCHAR(99) NOT NULL UNIQUE, age INTEGER);
         CREATE TABLE seats (hall INTEGER NOT NULL, number INTEGER NOT NULL,
             taken BOOLEAN NOT NULL, PRIMARY KEY (hall, number));
         INSERT INTO seats VALUES (1, 1, FALSE), (1, 2, FALSE);"
    ))
    .unwrap();
    cache.attach(&mut conn).unwrap();
    conn
}

fn names(conn: &mut engine::Conn, report: &Report) -> Vec<String> {
    let query = users::table.order(users::id).select(users::name);
    query.cached().report(report).load::<String>(conn).unwrap()
}

#[test]
fn the_life_of_a_model() {
    let cache = Cache::from_url("memory://").unwrap();
    let arena = engine::arena();
    let mut conn = prepared(&cache, &arena);
    let mut other = arena.connect();
    cache.attach(&mut other).unwrap();
    let report = Report::new();
    let saves = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&saves);
    cache.on_post_save::<User>(move |event| {
        counted.fetch_add(if event.created { 1 } else { 100 }, Ordering::Relaxed);
        Ok(())
    });
    assert!(names(&mut other, &report).is_empty());
    let mut ada: User = NewUser { name: "ada" }.create::<User>(&mut conn).unwrap();
    assert_eq!(ada.name, "ada");
    let bea: User = NewUser { name: "bea" }.create::<User>(&mut conn).unwrap();
    assert_ne!(ada.id, bea.id);
    assert_eq!(names(&mut other, &report), ["ada", "bea"]);
    ada.name = "eve".into();
    ada.save(&mut conn).unwrap();
    // Saving what is there already finds the row, too.
    ada.save(&mut conn).unwrap();
    assert_eq!(names(&mut other, &report), ["eve", "bea"]);
    ada.delete(&mut conn).unwrap();
    assert_eq!(names(&mut other, &report), ["bea"]);
    assert_eq!(names(&mut conn, &report), ["bea"]);
    assert_eq!(report.outcome(), Some(Outcome::Hit));
    assert_eq!(ada.save(&mut conn), Err(Error::NotFound));
    assert_eq!(ada.delete(&mut conn), Err(Error::NotFound));
    assert_eq!(saves.load(Ordering::Relaxed), 202);
    let twice = NewUser { name: "bea" }.create::<User>(&mut conn);
    assert!(matches!(twice, Err(Error::DatabaseError(..))), "{twice:?}");
    assert_eq!(names(&mut other, &report), ["bea"]);
}

#[test]
fn a_composite_key() {
    let cache = Cache::from_url("memory://").unwrap();
    let arena = engine::arena();
    let mut conn = prepared(&cache, &arena);
    let taken = |conn: &mut engine::Conn| -> i64 {
        let query = seats::table.filter(seats::taken.eq(true)).count();
        query.cached().get_result(conn).unwrap()
    };
    assert_eq!((taken(&mut conn), taken(&mut conn)), (0, 0));
    Seat {
        hall: 1,
        number: 2,
        taken: true,
    }
    .save(&mut conn)
    .unwrap();
    assert_eq!(taken(&mut conn), 1);
    Seat {
        hall: 1,
        number: 2,
        taken: true,
    }
    .delete(&mut conn)
    .unwrap();
    assert_eq!(taken(&mut conn), 0);
    assert_eq!(
        seats::table.count().get_result::<i64>(&mut conn).unwrap(),
        1
    );
}
