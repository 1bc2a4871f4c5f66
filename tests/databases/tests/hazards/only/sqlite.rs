//! Hazards of SQLite, and those that no engine changes.

use diesel::connection::Connection;
use diesel::prelude::*;
use diesel_cache::{Bypass, Cache, Outcome};

use super::kit::{
    Rig, Rows, add, fail, read, read_others, read_sql, rename, run, things, transact,
};
use crate::support::{HIT, MISS};

type Conn = SqliteConnection;

const ATTACHED: Outcome = Outcome::Bypass(Bypass::AttachedDatabase);

/// Another database with one row in `things`, and the cache on a connection to it.
fn database(cache: &Cache, url: &str, name: &str) -> Conn {
    let mut conn = Conn::establish(url).unwrap();
    run(
        &mut conn,
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    );
    add(&mut conn, 1, name).unwrap();
    cache.attach(&mut conn).unwrap();
    conn
}

/// What `SELECT` finds, uncached.
fn plain(conn: &mut Conn) -> Rows {
    things::table.order(things::id).load(conn).unwrap()
}

#[test]
fn every_way_to_begin_is_followed() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    for begin in [
        "BEGIN DEFERRED",
        "BEGIN IMMEDIATE TRANSACTION",
        "BEGIN EXCLUSIVE",
    ] {
        rig.warm(&mut two);
        run(&mut one, begin);
        rename(&mut one, begin).unwrap();
        assert_eq!(read(&mut one).1, Outcome::Bypass(Bypass::OwnWrites));
        assert_eq!(rig.fresh(&mut two), HIT);
        run(&mut one, "END TRANSACTION");
        rig.invalidated(&mut two);
    }
    one.immediate_transaction(|one| {
        rename(one, "immediate")?;
        assert_eq!(rig.fresh(&mut two), HIT);
        QueryResult::Ok(())
    })
    .unwrap();
    rig.invalidated(&mut two);
    one.exclusive_transaction(|one| rename(one, "exclusive"))
        .unwrap();
    rig.invalidated(&mut two);
}

#[test]
fn a_savepoint_outside_of_a_transaction_begins_one() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    run(&mut one, "SAVEPOINT outer_one");
    rename(&mut one, "b").unwrap();
    assert_eq!(read(&mut one).1, Outcome::Bypass(Bypass::OwnWrites));
    assert_eq!(rig.fresh(&mut two), HIT);
    run(&mut one, "SAVEPOINT inner_one");
    rename(&mut one, "c").unwrap();
    run(&mut one, "RELEASE inner_one");
    assert_eq!(rig.fresh(&mut two), HIT);
    run(&mut one, "RELEASE SAVEPOINT outer_one");
    rig.invalidated(&mut two);
    run(
        &mut one,
        "SAVEPOINT s; UPDATE things SET name = 'd'; ROLLBACK TO s; RELEASE s",
    );
    rig.fresh(&mut two);
    run(
        &mut one,
        "SAVEPOINT s; UPDATE things SET name = 'e'; RELEASE s",
    );
    rig.invalidated(&mut two);
}

#[test]
fn hazard_02_a_statement_that_rolls_the_transaction_back() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    run(&mut one, "BEGIN");
    rename(&mut one, "lost").unwrap();
    fail(
        &mut one,
        "INSERT OR ROLLBACK INTO things VALUES (1, 'again')",
    );
    // In autocommit again, behind the tracker's back.
    rename(&mut one, "b").unwrap();
    rig.invalidated(&mut two);
    rename(&mut one, "c").unwrap();
    rig.invalidated(&mut two);
    fail(&mut one, "COMMIT");
    rename(&mut one, "d").unwrap();
    rig.invalidated(&mut two);
    run(&mut one, "BEGIN; COMMIT");
    rig.warm(&mut one);
}

#[test]
fn hazard_02_a_returning_statement_that_rolls_the_transaction_back_without_an_event() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    run(&mut one, "BEGIN");
    // Its Finish carries no error.
    let failed =
        diesel::sql_query("INSERT OR ROLLBACK INTO things VALUES (1, 'again') RETURNING name")
            .load::<Named>(&mut one);
    assert!(failed.is_err());
    rename(&mut one, "b").unwrap();
    rig.invalidated(&mut two);
}

#[derive(QueryableByName)]
#[allow(dead_code, reason = "only its loading counts")]
struct Named {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

#[test]
fn hazard_02_a_trigger_that_rolls_the_transaction_back() {
    for returning in [false, true] {
        let rig = Rig::new();
        run(
            &mut rig.plain(),
            "CREATE TRIGGER guard BEFORE INSERT ON things WHEN NEW.id < 0
             BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
        );
        let (mut one, mut two) = (rig.conn(), rig.conn());
        rig.warm(&mut two);
        run(&mut one, "BEGIN");
        rename(&mut one, "lost").unwrap();
        let new =
            diesel::insert_into(things::table).values((things::id.eq(-1), things::name.eq("bad")));
        if returning {
            assert!(
                new.returning(things::id)
                    .get_result::<i32>(&mut one)
                    .is_err()
            );
        } else {
            assert!(new.execute(&mut one).is_err());
        }
        rename(&mut one, "b").unwrap();
        rig.invalidated(&mut two);
    }
}

#[test]
fn hazard_03_a_commit_that_fails_may_be_tried_again() {
    let rig = Rig::new();
    run(
        &mut rig.plain(),
        "CREATE TABLE parents (id INTEGER PRIMARY KEY);
         CREATE TABLE children (id INTEGER PRIMARY KEY,
            parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED);",
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    // By Diesel, which rolls back by itself.
    let failed = transact(&mut one, |one| {
        rename(one, "lost").unwrap();
        run(one, "INSERT INTO children VALUES (1, 99)");
    });
    assert!(failed.is_err());
    rig.fresh(&mut two);
    rig.warm(&mut two);
    rig.warm(&mut one);
    // By hand: the transaction stays open, is mended, and commits.
    run(&mut one, "BEGIN");
    rename(&mut one, "b").unwrap();
    run(&mut one, "INSERT INTO children VALUES (1, 99)");
    fail(&mut one, "COMMIT");
    rig.fresh(&mut two);
    run(&mut one, "INSERT INTO parents VALUES (99)");
    rig.fresh(&mut two);
    run(&mut one, "COMMIT");
    rig.fresh(&mut two);
    rig.warm(&mut two);
    rig.warm(&mut one);
}

#[test]
fn hazard_05_dirty_reads_neither_hit_nor_fill() {
    let cache = Cache::from_url("memory://").unwrap();
    let url = "file:hazard_05?mode=memory&cache=shared";
    let mut one = database(&cache, url, "a");
    let mut two = Conn::establish(url).unwrap();
    cache.attach(&mut two).unwrap();
    read(&mut two);
    assert_eq!(read(&mut two).1, HIT);
    run(&mut two, "PRAGMA read_uncommitted = ON");
    run(&mut one, "BEGIN");
    rename(&mut one, "dirty").unwrap();
    assert_eq!(
        read(&mut two),
        (
            vec![(1, "dirty".into())],
            Outcome::Bypass(Bypass::Isolation)
        )
    );
    run(&mut one, "ROLLBACK");
    run(&mut two, "PRAGMA read_uncommitted = OFF");
    assert_eq!(read(&mut two).0, vec![(1, "a".into())]);
    run(&mut two, "PRAGMA read_uncommitted(1)");
    assert_eq!(read(&mut two).1, Outcome::Bypass(Bypass::Isolation));
}

#[test]
fn hazard_09_case_sensitive_like_is_part_of_the_session() {
    let rig = Rig::new();
    let (mut one, mut two, mut three) = (rig.conn(), rig.conn(), rig.conn());
    let sql = "SELECT name FROM things WHERE name LIKE 'A'";
    assert_eq!(read_sql(&mut one, sql), (vec!["a".into()], MISS));
    run(&mut two, "PRAGMA case_sensitive_like = ON");
    assert_eq!(read_sql(&mut two, sql), (vec![], MISS));
    assert_eq!(read_sql(&mut one, sql), (vec!["a".into()], HIT));
    run(&mut three, "PRAGMA case_sensitive_like = ON");
    assert_eq!(read_sql(&mut three, sql), (vec![], HIT));
    run(&mut three, "PRAGMA case_sensitive_like = OFF");
    assert_eq!(read_sql(&mut three, sql).0, ["a"]);
}

#[test]
fn hazard_10_two_files_are_two_databases() {
    let cache = Cache::from_url("memory://").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut one = database(&cache, &path("one"), "one");
    let mut two = database(&cache, &path("two"), "two");
    assert_eq!(read(&mut one), (vec![(1, "one".into())], MISS));
    assert_eq!(read(&mut two), (vec![(1, "two".into())], MISS));
    assert_eq!(read(&mut one).1, HIT);
    rename(&mut one, "changed").unwrap();
    assert_eq!(read(&mut two), (vec![(1, "two".into())], HIT));
    assert_eq!(read(&mut one), (vec![(1, "changed".into())], MISS));
}

#[test]
fn hazard_10_one_file_under_several_names_is_one_database() {
    let cache = Cache::from_url("memory://").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let path = file.to_str().unwrap();
    let mut one = database(&cache, path, "a");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let hard = folder.path().join("hard");
    std::fs::hard_link(&file, &hard).unwrap();
    let detour = folder
        .path()
        .join("..")
        .join(folder.path().file_name().unwrap())
        .join("file");
    let names = [
        format!("file:{path}"),
        link.to_str().unwrap().to_owned(),
        detour.to_str().unwrap().to_owned(),
        hard.to_str().unwrap().to_owned(),
    ];
    read(&mut one);
    for (at, name) in names.iter().enumerate() {
        let mut other = Conn::establish(name).unwrap();
        cache.attach(&mut other).unwrap();
        assert_eq!(read(&mut other).1, HIT, "{name}");
        rename(&mut other, &format!("{at}")).unwrap();
        assert_eq!(read(&mut one), (vec![(1, format!("{at}"))], MISS), "{name}");
    }
}

#[test]
fn hazard_10_every_database_in_memory_is_its_own() {
    let cache = Cache::from_url("memory://").unwrap();
    let mut one = database(&cache, ":memory:", "one");
    let mut two = database(&cache, ":memory:", "two");
    let mut three = database(&cache, "", "three");
    for _ in 0..2 {
        assert_eq!(read(&mut one).0, vec![(1, "one".into())]);
        assert_eq!(read(&mut two).0, vec![(1, "two".into())]);
        assert_eq!(read(&mut three).0, vec![(1, "three".into())]);
    }
    assert_eq!(read(&mut one).1, HIT);
    // The session is asked again, and the database keeps its name.
    fail(&mut one, "SELECT nothing_of_the_kind()");
    run(&mut one, "PRAGMA user_version = 7");
    assert_eq!(read(&mut one).0, vec![(1, "one".into())]);
}

#[test]
fn hazard_10_a_shared_database_in_memory_is_one() {
    let cache = Cache::from_url("memory://").unwrap();
    for url in [
        "file::memory:?cache=shared",
        "file:hazard_10?mode=memory&cache=shared",
    ] {
        let mut one = database(&cache, url, "a");
        let mut two = Conn::establish(url).unwrap();
        cache.attach(&mut two).unwrap();
        assert_eq!(read(&mut two).0, vec![(1, "a".into())]);
        assert_eq!(read(&mut two).1, HIT);
        rename(&mut one, "b").unwrap();
        assert_eq!(read(&mut two), (vec![(1, "b".into())], MISS));
        assert_eq!(read(&mut one), (vec![(1, "b".into())], MISS));
    }
}

#[test]
fn hazard_10_a_file_that_is_made_anew_is_another_database() {
    let cache = Cache::from_url("memory://").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file").to_str().unwrap().to_owned();
    for round in 0..20 {
        // The first connection is gone, or still has the file that is deleted.
        let mut one = database(&cache, &path, &format!("{round}"));
        assert_eq!(read(&mut one), (vec![(1, format!("{round}"))], MISS));
        assert_eq!(read(&mut one).1, HIT);
        if round % 2 == 0 {
            drop(one);
            std::fs::remove_file(&path).unwrap();
            continue;
        }
        std::fs::remove_file(&path).unwrap();
        let mut two = database(&cache, &path, "new");
        assert_eq!(read(&mut two), (vec![(1, "new".into())], MISS));
        assert_eq!(read(&mut one).0, vec![(1, format!("{round}"))]);
        drop(two);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn hazard_10_an_attached_database_is_written_to_from_elsewhere() {
    let cache = Cache::from_url("memory://").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut one = database(&cache, &path("one"), "one");
    let mut two = database(&cache, &path("two"), "two");
    let attach = format!("ATTACH '{}' AS far", path("two"));
    read(&mut two);
    assert_eq!(read(&mut two).1, HIT);
    run(&mut one, &attach);
    // No cached read has asked what is attached since.
    run(&mut one, "UPDATE far.things SET name = 'changed'");
    assert_eq!(read(&mut two).0, vec![(1, "changed".into())]);
    assert_eq!(read(&mut one).1, ATTACHED);
    run(&mut one, "UPDATE far.things SET name = 'again'");
    assert_eq!(read(&mut two).0, vec![(1, "again".into())]);
    run(&mut one, "DETACH far");
    assert_eq!(read(&mut one), (vec![(1, "one".into())], MISS));
    run(
        &mut one,
        &format!("{attach}; UPDATE far.things SET name = 'batch'"),
    );
    assert_eq!(read(&mut two).0, vec![(1, "batch".into())]);
    run(&mut one, "BEGIN");
    run(&mut one, "UPDATE far.things SET name = 'committed'");
    assert_eq!(read(&mut two).0, vec![(1, "batch".into())]);
    run(&mut one, "COMMIT");
    assert_eq!(read(&mut two).0, vec![(1, "committed".into())]);
}

#[test]
fn hazard_11_a_temporary_table_shadows_a_real_one() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    run(
        &mut one,
        "CREATE TEMP TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         INSERT INTO temp.things VALUES (1, 'temporary')",
    );
    for _ in 0..2 {
        assert_eq!(
            read(&mut one),
            (
                vec![(1, "temporary".into())],
                Outcome::Bypass(Bypass::Uncacheable)
            )
        );
        rig.fresh(&mut two);
    }
    // A view counts too, and so does what stood there before the cache came.
    let mut three = rig.plain();
    run(
        &mut three,
        "CREATE TEMP VIEW things AS SELECT 1 AS id, 'view' AS name",
    );
    rig.cache.attach(&mut three).unwrap();
    assert_eq!(plain(&mut three), vec![(1, "view".into())]);
    assert_eq!(read(&mut three).0, vec![(1, "view".into())]);
    run(&mut three, "DROP VIEW temp.things");
    assert_eq!(read(&mut three).0, vec![(1, "a".into())]);
}

#[test]
fn hazard_19_harmless_statements_flush_nothing() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    for sql in [
        "PRAGMA foreign_keys",
        "PRAGMA table_info(things)",
        "PRAGMA cache_size = 100",
        "PRAGMA optimize",
        "PRAGMA wal_checkpoint",
        "ANALYZE",
        "EXPLAIN SELECT * FROM things",
        "EXPLAIN QUERY PLAN DELETE FROM things",
        "BEGIN; COMMIT",
        "SAVEPOINT s; RELEASE s",
        "-- nothing but a comment",
        "PRAGMA data_version",
        "SELECT count(*) FROM things",
    ] {
        run(&mut one, sql);
        assert_eq!(rig.fresh(&mut two), HIT, "{sql}");
        assert_eq!(rig.fresh(&mut one), HIT, "{sql}");
    }
    read_others(&mut two);
}

/// SQLite lists its temporary tables, so an unknown statement need not end the caching of a connection.
#[test]
fn an_unknown_statement_does_not_end_the_caching_of_its_connection() {
    let rig = Rig::new();
    let mut one = rig.conn();
    rig.warm(&mut one);
    run(&mut one, "PRAGMA user_version = 7");
    rig.warm(&mut one);
}

#[test]
fn a_batch_with_a_bad_end_is_followed() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    fail(
        &mut one,
        "BEGIN; UPDATE things SET name = 'b'; COMMIT; nonsense",
    );
    rig.invalidated(&mut two);
    fail(
        &mut one,
        "SAVEPOINT s; UPDATE things SET name = 'c'; nonsense",
    );
    rig.fresh(&mut two);
    run(&mut one, "RELEASE s");
    rig.fresh(&mut two);
    rig.warm(&mut two);
}
