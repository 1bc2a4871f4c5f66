//! What a write touches, by its names; and what no token can tell.

use std::time::Duration;

use diesel::prelude::*;
use diesel_cache::{Cache, CachedDsl, Outcome, Report};

use super::engine::{Conn, NAME};
use super::kit::{Rig, add, annotate, others, read, read_others, rename, run, things};
use crate::support::{HIT, MISS};

/// A statement that nobody understands, and that does nothing.
fn unknown() -> &'static str {
    match NAME {
        "postgres" => "DO $$ BEGIN END $$",
        "mysql" => "BEGIN NOT ATOMIC SELECT 1; END",
        _ => "PRAGMA user_version = 7",
    }
}

#[test]
fn hazard_13_a_write_touches_its_table_and_what_is_above() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    let join = |conn: &mut Conn| {
        let report = Report::new();
        let query = things::table
            .inner_join(others::table.on(others::id.eq(things::id)))
            .select((things::name, others::note))
            .order(things::id);
        let rows: Vec<(String, String)> = query.cached().report(&report).load(conn).unwrap();
        (rows, report.outcome().unwrap())
    };
    rig.warm(&mut two);
    join(&mut two);
    rename(&mut one, "b").unwrap();
    assert_eq!(join(&mut two), (vec![("b".into(), "a".into())], MISS));
    assert_eq!(read_others(&mut two).1, HIT);
    rig.invalidated(&mut two);
    annotate(&mut one, "c").unwrap();
    assert_eq!(join(&mut two), (vec![("b".into(), "c".into())], MISS));
    assert_eq!(read(&mut two).1, HIT);
    read_others(&mut two);
    // What may write anything, and what changes the schema, is above all tables.
    for sql in [unknown(), "CREATE TABLE further (id INTEGER PRIMARY KEY)"] {
        assert_eq!(read_others(&mut two).1, HIT);
        run(&mut one, sql);
        assert_ne!(join(&mut two).1, HIT, "{sql}");
        assert_ne!(read_others(&mut two).1, HIT, "{sql}");
        rig.warm(&mut two);
    }
}

#[test]
fn hazard_18_a_table_is_one_under_all_of_its_names() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    let url = rig.arena.url();
    let schema = url.rsplit('/').next().unwrap();
    let names = match NAME {
        "postgres" => vec![
            "THINGS".into(),
            "public.things".into(),
            "\"public\".\"things\"".into(),
        ],
        "mysql" => vec![
            "`things`".into(),
            format!("{schema}.things"),
            format!("`{schema}` . `things`"),
        ],
        _ => vec![
            "THINGS".into(),
            "main.Things".into(),
            "[things]".into(),
            "\"main\".'things'".into(),
        ],
    };
    for (at, name) in names.iter().enumerate() {
        rig.warm(&mut two);
        run(&mut one, &format!("UPDATE {name} SET name = 'name {at}'"));
        rig.invalidated(&mut two);
        run(
            &mut one,
            &format!("UPDATE/**/{name}\nSET name='again {at}'"),
        );
        rig.invalidated(&mut two);
    }
}

/// Rows in no order may be any; but a hit returns those that were stored, and never another limit's.
#[test]
fn hazard_25_a_limit_is_part_of_the_question() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    for id in 2..9 {
        add(&mut one, id, "a").unwrap();
    }
    let some = |conn: &mut Conn, limit: i64, offset: i64| {
        let report = Report::new();
        let query = things::table
            .select(things::id)
            .order(things::id)
            .limit(limit)
            .offset(offset);
        let ids: Vec<i32> = query.cached().report(&report).load(conn).unwrap();
        (ids, report.outcome().unwrap())
    };
    for outcome in [MISS, HIT] {
        assert_eq!(some(&mut one, 2, 0), (vec![1, 2], outcome));
        assert_eq!(some(&mut one, 3, 0), (vec![1, 2, 3], outcome));
        assert_eq!(some(&mut one, 2, 3), (vec![4, 5], outcome));
    }
    let report = Report::new();
    let first = || things::table.select(things::id).cached().report(&report);
    let id: i32 = first().first(&mut one).unwrap();
    assert_eq!(report.outcome(), Some(MISS));
    assert_eq!(first().first::<i32>(&mut two).unwrap(), id);
    assert_eq!(report.outcome(), Some(HIT));
    // `load` is another question than `first`.
    assert_eq!(first().load::<i32>(&mut two).unwrap().len(), 8);
}

/// Two processes, each with its own memory: what the README says is not covered, and how it ends.
#[test]
fn hazard_26_a_write_through_another_cache_is_seen_when_the_entry_expires() {
    let mine = || {
        Cache::builder()
            .ttl(Duration::from_millis(300))
            .jitter(0.0)
            .build()
            .unwrap()
    };
    let (rig, elsewhere) = (Rig::with(mine()), mine());
    let mut one = rig.conn();
    let mut two = rig.plain();
    elsewhere.attach(&mut two).unwrap();
    read(&mut one);
    rename(&mut two, "b").unwrap();
    assert_eq!(read(&mut one), (vec![(1, "a".into())], HIT));
    std::thread::sleep(Duration::from_millis(310));
    assert_eq!(rig.fresh(&mut one), MISS);
    assert_eq!(rig.cache.stats().expirations, 1);
    rename(&mut two, "c").unwrap();
    rig.cache.invalidate_table("THINGS");
    assert_eq!(rig.fresh(&mut one), MISS);
    assert!(matches!(rig.fresh(&mut two), Outcome::Miss { .. }));
}
