//! What a connection does that nobody attached.

use diesel::connection::{Connection, SimpleConnection};
use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::{Bypass, Cache, CachedDsl, Outcome, Report};

use super::engine::{self, Arena, Conn};
use crate::{alone, heard};

diesel::table! { things (id) { id -> Integer, name -> Text } }
diesel::table! { others (id) { id -> Integer, note -> Text } }

const MISS: Outcome = Outcome::Miss {
    stored: true,
    joined: false,
};

fn arena() -> Arena {
    let arena = engine::arena();
    arena
        .connect()
        .batch_execute(
            "CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL);
             CREATE TABLE others (id INTEGER PRIMARY KEY, note VARCHAR(99) NOT NULL);
             INSERT INTO things VALUES (1, 'a');
             INSERT INTO others VALUES (1, 'a')",
        )
        .unwrap();
    arena
}

fn read(conn: &mut Conn) -> (String, Outcome) {
    let report = Report::new();
    let query = things::table.select(things::name).cached().report(&report);
    let name = query.get_result(conn).unwrap();
    (name, report.outcome().unwrap())
}

fn read_others(conn: &mut Conn) -> Outcome {
    let report = Report::new();
    let query = others::table.select(others::note).cached().report(&report);
    query.get_result::<String>(conn).unwrap();
    report.outcome().unwrap()
}

fn warm(conn: &mut Conn) {
    read(conn);
    assert_eq!(read(conn).1, Outcome::Hit);
    read_others(conn);
    assert_eq!(read_others(conn), Outcome::Hit);
}

fn rename(conn: &mut Conn, name: &str) -> QueryResult<usize> {
    diesel::update(things::table)
        .set(things::name.eq(name))
        .execute(conn)
}

#[test]
fn hazard_17_a_connection_is_known_from_its_first_cached_read() {
    let (_cache, _alone) = alone();
    let arena = arena();
    let mut one = arena.connect();
    assert_eq!(read(&mut one), ("a".into(), MISS));
    assert_eq!(read(&mut one).1, Outcome::Hit);
    let mut two = arena.connect();
    assert_eq!(read(&mut two).1, Outcome::Hit);
    rename(&mut two, "b").unwrap();
    assert_eq!(read(&mut one), ("b".into(), MISS));
}

#[test]
fn hazard_17_until_then_its_writes_invalidate_everything() {
    let (_cache, _alone) = alone();
    let arena = arena();
    let (mut one, mut two) = (arena.connect(), arena.connect());
    warm(&mut one);
    rename(&mut two, "b").unwrap();
    assert_eq!(read(&mut one), ("b".into(), MISS));
    assert_eq!(read_others(&mut one), MISS);
    warm(&mut one);
    // Once it is known, only what they wrote.
    read(&mut two);
    rename(&mut two, "c").unwrap();
    assert_eq!(read(&mut one), ("c".into(), MISS));
    assert_eq!(read_others(&mut one), Outcome::Hit);
    // Every kind of text counts.
    let mut three = arena.connect();
    three
        .batch_execute("/* x */ UPDATE things SET name = 'd'")
        .unwrap();
    assert_eq!(read(&mut one), ("d".into(), MISS));
}

/// A view `shown` that renames when it is read, and is read before anything is known of the
/// connection, or of the database.
#[allow(dead_code, reason = "SQLite's functions cannot write")]
pub(super) fn a_view_that_writes(statements: &[&str]) {
    let (_cache, _alone) = alone();
    let arena = arena();
    let mut one = arena.connect();
    for sql in statements {
        one.batch_execute(sql).unwrap();
    }
    warm(&mut one);
    // What was a table calls nothing.
    let mut two = arena.connect();
    others::table
        .select(others::note)
        .load::<String>(&mut two)
        .unwrap();
    two.batch_execute("SELECT name FROM things").unwrap();
    assert_eq!(read(&mut one).1, Outcome::Hit);
    two.batch_execute("SELECT note FROM shown").unwrap();
    assert_eq!(read(&mut one), ("b".into(), MISS));
    rename(&mut one, "a").unwrap();
    warm(&mut one);
    let mut three = arena.connect();
    three
        .batch_execute("SELECT note FROM (SELECT * FROM shown) AS s")
        .unwrap();
    assert_eq!(read(&mut one).0, "b");
}

#[test]
fn hazard_17_until_then_its_transactions_invalidate_at_their_end() {
    let (_cache, _alone) = alone();
    let arena = arena();
    let (mut one, mut two) = (arena.connect(), arena.connect());
    warm(&mut one);
    two.transaction(|two| {
        rename(two, "b")?;
        // It cannot be asked inside of a transaction.
        let (name, outcome) = read(two);
        assert!(name == "b" && matches!(outcome, Outcome::Bypass(_)));
        assert_eq!(read(&mut one).0, "a");
        QueryResult::Ok(())
    })
    .unwrap();
    assert_eq!(read(&mut one).0, "b");
    warm(&mut one);
    let mut three = arena.connect();
    let ended = three.transaction(|three| {
        rename(three, "lost")?;
        Err::<(), _>(Error::RollbackTransaction)
    });
    assert!(ended.is_err());
    assert_eq!(read(&mut one).0, "b");
    warm(&mut one);
    for end in ["COMMIT", "ROLLBACK"] {
        let mut four = arena.connect();
        four.batch_execute("BEGIN; UPDATE things SET name = 'four'")
            .unwrap();
        four.batch_execute("SAVEPOINT s").unwrap();
        rename(&mut four, end).unwrap();
        four.batch_execute("ROLLBACK TO SAVEPOINT s").unwrap();
        four.batch_execute(end).unwrap();
        assert_eq!(read(&mut one).0, if end == "COMMIT" { "four" } else { "b" });
        rename(&mut four, "b").unwrap();
        assert_eq!(read(&mut one).0, "b");
    }
    // Dropped in the middle.
    let mut five = arena.connect();
    five.batch_execute("BEGIN").unwrap();
    rename(&mut five, "five").unwrap();
    drop(five);
    assert_eq!(read(&mut one).0, "b");
    warm(&mut one);
}

/// Runs a text that fails.
fn fail(conn: &mut Conn, sql: &str) {
    assert!(conn.batch_execute(sql).is_err());
}

#[test]
fn an_error_on_a_connection_that_is_dropped_does_not_end_the_caching() {
    let (_cache, _alone) = alone();
    let arena = arena();
    let mut one = arena.connect();
    warm(&mut one);
    for sql in [
        "INSERT INTO nowhere VALUES (1)",
        "nonsense",
        "BEGIN; UPDATE things SET name = 'b'; nonsense",
    ] {
        let mut two = arena.connect();
        fail(&mut two, sql);
        drop(two);
        assert_eq!(read(&mut one).0, "a");
        warm(&mut one);
    }
}

#[test]
fn hazard_17_a_connection_that_began_with_other_statements_is_known_in_the_end() {
    let (_cache, _alone) = alone();
    let arena = arena();
    let others = [
        "SELECT 1",
        "PRAGMA cache_size",
        "SET NAMES 'utf8'",
        "BEGIN; COMMIT",
        "CREATE TABLE more (id INTEGER)",
        "DROP TABLE more",
    ];
    for sql in others {
        let mut one = arena.connect();
        // Whether this engine knows it or not.
        let _ = one.batch_execute(sql);
        warm(&mut one);
    }
    let mut one = arena.connect();
    rename(&mut one, "b").unwrap();
    assert_eq!(read(&mut one).0, "b");
    warm(&mut one);
}

#[test]
fn the_users_own_instrumentation_hears_everything_but_the_caches_questions() {
    let (_cache, _alone) = alone();
    let arena = arena();
    heard();
    let mut one = arena.connect();
    let said = heard();
    assert_eq!(said[..2], ["establish", "established"]);
    assert!(
        said[2..].iter().all(|text| text.starts_with("PRAGMA")),
        "{said:?}"
    );
    read(&mut one);
    let said = heard();
    assert!(said.len() == 1 && said[0].starts_with("SELECT"), "{said:?}");
    read(&mut one);
    assert_eq!(heard(), [""; 0]);
    rename(&mut one, "b").unwrap();
    assert_eq!(heard().len(), 1);
}

#[test]
fn another_cache_may_be_attached_to_one_connection() {
    let (installed, _alone) = alone();
    let arena = arena();
    let own = Cache::from_url("memory://").unwrap();
    let mut one = arena.connect();
    own.attach(&mut one).unwrap();
    read(&mut one);
    let before = installed.stats().hits;
    assert_eq!(read(&mut one).1, Outcome::Hit);
    assert_eq!((own.stats().hits, installed.stats().hits), (1, before));
}

#[test]
fn hazard_20_a_tracker_that_is_replaced_caches_no_more() {
    let (_cache, _alone) = alone();
    let arena = arena();
    let mut one = arena.connect();
    warm(&mut one);
    one.set_instrumentation(|_: diesel::connection::InstrumentationEvent<'_>| {});
    assert_eq!(read(&mut one).1, Outcome::Bypass(Bypass::Unattached));
}

#[test]
fn an_error_on_a_connection_that_idles_does_not_end_the_caching() {
    let (_cache, _alone) = alone();
    let arena = arena();
    let mut one = arena.connect();
    let mut two = arena.connect();
    fail(&mut two, "INSERT INTO nowhere VALUES (1)");
    warm(&mut one);
    warm(&mut two);
}
