//! Commits that are played in a test transaction: a cached read is what a plain one would be.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::test::{self, TestCache};
use diesel_cache::{Bypass, CachedDsl};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::engine::{self, Conn};

diesel::table! { inner_rows (id) { id -> Integer, value -> Integer } }
diesel::table! { outer_rows (id) { id -> Integer, value -> Integer } }

type Rows = QueryResult<Vec<(i32, i32)>>;

struct World {
    cache: TestCache,
    /// In the test transaction; the only one that writes to `inner_rows`.
    inside: Conn,
    /// Outside of it.
    outside: Conn,
    _arena: engine::Arena,
}

fn world() -> World {
    let arena = engine::arena();
    let cache = test::cache();
    let mut outside = arena.connect();
    for table in ["inner_rows", "outer_rows"] {
        outside
            .batch_execute(&format!(
                "CREATE TABLE {table} (id INTEGER PRIMARY KEY, value INTEGER NOT NULL);
                 INSERT INTO {table} VALUES (1, 0), (2, 0)"
            ))
            .unwrap();
    }
    let mut inside = arena.connect();
    cache.attach(&mut outside).unwrap();
    cache.attach(&mut inside).unwrap();
    // What is there before must not be served inside.
    inner(&mut outside).unwrap();
    test::begin(&mut inside).unwrap();
    World {
        cache,
        inside,
        outside,
        _arena: arena,
    }
}

fn inner(conn: &mut Conn) -> Rows {
    inner_rows::table.order(inner_rows::id).cached().load(conn)
}

/// Reads everything through the cache, and again without.
#[track_caller]
fn check(conn: &mut Conn) {
    let plain: Vec<(i32, i32)> = inner_rows::table.order(inner_rows::id).load(conn).unwrap();
    assert_eq!(inner(conn).unwrap(), plain);
    let query = outer_rows::table.order(outer_rows::id);
    let plain: Vec<(i32, i32)> = query.load(conn).unwrap();
    let cached: Vec<(i32, i32)> = query.cached().load(conn).unwrap();
    assert_eq!(cached, plain);
}

fn write(conn: &mut Conn, value: i32) -> QueryResult<usize> {
    diesel::update(inner_rows::table.find(1 + value % 2))
        .set(inner_rows::value.eq(value))
        .execute(conn)
}

fn duplicate(conn: &mut Conn) -> QueryResult<usize> {
    diesel::insert_into(inner_rows::table)
        .values((inner_rows::id.eq(1), inner_rows::value.eq(9)))
        .execute(conn)
}

#[test]
fn commits_and_rollbacks_are_played() {
    let World {
        _arena,
        cache,
        mut inside,
        mut outside,
        ..
    } = world();
    let conn = &mut inside;
    for round in 1..4 {
        test::assert_invalidated_by(conn, inner, |conn| write(conn, 10 * round));
        test::assert_invalidated_by(conn, inner, |conn| {
            conn.transaction(|conn| {
                write(conn, 10 * round + 1)?;
                test::assert_bypass(&cache, Bypass::OwnWrites, || inner(conn))
            })
        });
        test::assert_not_invalidated_by(conn, inner, |conn| {
            let undone = conn.transaction(|conn| {
                write(conn, 10 * round + 2)?;
                Err::<(), _>(Error::RollbackTransaction)
            });
            assert!(undone.is_err());
            Ok(())
        });
        // An error that undoes its savepoint takes nothing else with it.
        test::assert_not_invalidated_by(conn, inner, |conn| {
            assert!(conn.transaction(duplicate).is_err());
            Ok(())
        });
        assert_eq!(inner(conn).unwrap()[1].1, 10 * round + 1);
        check(conn);
        // Nobody else sees any of it.
        assert_eq!(inner(&mut outside).unwrap(), [(1, 0), (2, 0)]);
        check(&mut outside);
    }
    conn.batch_execute("ROLLBACK").unwrap();
    assert_eq!(cache.stats().usage.entries, 0);
    check(conn);
    test::assert_hit(&cache, || inner(conn)).unwrap();
}

#[test]
fn an_error_outside_of_a_savepoint_is_not_taken_lightly() {
    let World {
        _arena,
        cache,
        mut inside,
        ..
    } = world();
    let conn = &mut inside;
    write(conn, 3).unwrap();
    check(conn);
    assert!(duplicate(conn).is_err());
    if engine::NAME == "postgres" {
        // Nothing but a rollback works now: the database would refuse this read.
        let failed = Bypass::FailedTransaction;
        assert!(test::assert_bypass(&cache, failed, || inner(conn)).is_err());
        assert!(inner(conn).is_err());
        conn.batch_execute("ROLLBACK").unwrap();
    } else {
        // The database says that the transaction is still open.
        test::assert_miss(&cache, || inner(conn)).unwrap();
        test::assert_hit(&cache, || inner(conn)).unwrap();
    }
    check(conn);
}

#[test]
fn what_counted_as_committed_can_be_undone() {
    let World {
        _arena,
        cache,
        mut inside,
        ..
    } = world();
    let conn = &mut inside;
    conn.batch_execute("SAVEPOINT a").unwrap();
    write(conn, 3).unwrap();
    conn.batch_execute("ROLLBACK TO SAVEPOINT a").unwrap();
    write(conn, 5).unwrap();
    check(conn);
    test::assert_hit(&cache, || inner(conn)).unwrap();
    conn.batch_execute("ROLLBACK TO SAVEPOINT a").unwrap();
    test::assert_miss(&cache, || inner(conn)).unwrap();
    check(conn);
    // Released, what is in it stays.
    write(conn, 7).unwrap();
    conn.batch_execute("RELEASE SAVEPOINT a").unwrap();
    check(conn);
    assert_eq!(inner(conn).unwrap()[1].1, 7);
}

#[test]
fn a_real_commit_reaches_the_others() {
    let World {
        _arena,
        cache,
        mut inside,
        mut outside,
        ..
    } = world();
    write(&mut inside, 3).unwrap();
    check(&mut inside);
    check(&mut outside);
    test::assert_hit(&cache, || inner(&mut outside)).unwrap();
    inside.batch_execute("COMMIT").unwrap();
    assert_eq!(inner(&mut outside).unwrap()[1].1, 3);
    check(&mut inside);
    // From here on, it is an ordinary connection.
    write(&mut inside, 5).unwrap();
    assert_eq!(inner(&mut outside).unwrap()[1].1, 5);
}

/// What a raw `BEGIN` does in an open transaction: nothing, or an error, or a commit.
#[test]
fn a_raw_begin_is_what_the_database_makes_of_it() {
    let World {
        _arena,
        cache,
        mut inside,
        mut outside,
        ..
    } = world();
    write(&mut inside, 3).unwrap();
    check(&mut inside);
    let begun = inside.batch_execute("BEGIN");
    assert_eq!(begun.is_err(), engine::NAME == "sqlite");
    check(&mut inside);
    let committed = engine::NAME == "mysql";
    assert_eq!(
        inner(&mut outside).unwrap()[1].1,
        if committed { 3 } else { 0 }
    );
    write(&mut inside, 5).unwrap();
    check(&mut inside);
    check(&mut outside);
    if committed {
        // It is an ordinary transaction now.
        test::assert_bypass(&cache, Bypass::OwnWrites, || inner(&mut inside)).unwrap();
    } else {
        test::assert_hit(&cache, || inner(&mut inside)).unwrap();
    }
    inside.batch_execute("ROLLBACK").unwrap();
    check(&mut inside);
    check(&mut outside);
}

/// Any mixture of writes, transactions and savepoints.
#[test]
fn cached_and_plain_reads_never_differ() {
    let mut hits = 0;
    for seed in 0..16 {
        let mut world = world();
        let mut random = StdRng::seed_from_u64(seed);
        let mut play = Play {
            random: &mut random,
            savepoints: Vec::new(),
            made: 0,
            outside: &mut world.outside,
        };
        play.some(&mut world.inside, 0).unwrap();
        if seed % 2 == 0 {
            let end = if seed % 4 == 0 { "COMMIT" } else { "ROLLBACK" };
            world.inside.batch_execute(end).unwrap();
            check(&mut world.inside);
        } else {
            drop(world.inside);
        }
        check(&mut world.outside);
        hits += world.cache.stats().hits;
    }
    // Otherwise it would prove nothing.
    assert!(hits > 500, "{hits} hits");
}

struct Play<'a> {
    random: &'a mut StdRng,
    savepoints: Vec<String>,
    made: usize,
    outside: &'a mut Conn,
}

impl Play<'_> {
    fn some(&mut self, conn: &mut Conn, depth: usize) -> QueryResult<()> {
        let steps = if depth == 0 { 40 } else { 6 };
        for _ in 0..steps {
            match self.random.random_range(0..10) {
                0..=2 => {
                    let value = self.random.random_range(1..1000);
                    write(conn, value)?;
                }
                3 | 4 if depth < 3 => {
                    let commits = self.random.random_bool(0.5);
                    let before = self.savepoints.len();
                    let done = conn.transaction(|conn| {
                        self.some(conn, depth + 1)?;
                        if commits {
                            Ok(())
                        } else {
                            Err(Error::RollbackTransaction)
                        }
                    });
                    // Those that were made in it are gone with it.
                    self.savepoints.truncate(before);
                    assert!(
                        matches!(done, Ok(()) | Err(Error::RollbackTransaction)),
                        "{done:?}"
                    );
                }
                5 => {
                    self.made += 1;
                    let name = format!("raw_{}", self.made);
                    conn.batch_execute(&format!("SAVEPOINT {name}"))?;
                    self.savepoints.push(name);
                }
                // In a transaction, only those that were made in it: Diesel knows of no others.
                6 | 7 if depth == 0 && !self.savepoints.is_empty() => {
                    let at = self.random.random_range(0..self.savepoints.len());
                    let name = &self.savepoints[at];
                    if self.random.random_bool(0.5) {
                        conn.batch_execute(&format!("ROLLBACK TO SAVEPOINT {name}"))?;
                        self.savepoints.truncate(at + 1);
                    } else {
                        conn.batch_execute(&format!("RELEASE SAVEPOINT {name}"))?;
                        self.savepoints.truncate(at);
                    }
                }
                8 => {
                    let failed: QueryResult<usize> = conn.transaction(duplicate);
                    assert!(failed.is_err());
                }
                // SQLite lets one connection write at a time.
                9 if engine::NAME != "sqlite" => {
                    let value = self.random.random_range(1..1000);
                    diesel::update(outer_rows::table)
                        .set(outer_rows::value.eq(value))
                        .execute(self.outside)?;
                }
                _ => {}
            }
            check(conn);
            check(self.outside);
        }
        Ok(())
    }
}
