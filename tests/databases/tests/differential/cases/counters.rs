//! Threads read and write counters that only grow. A read that begins after a write
//! returned must see it, wherever its rows come from.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::{CachedDsl, Outcome, Report};
use diesel_cache_databases::Store;

use super::engine::{self, Conn, NAME};
use crate::chance::{Chance, seed, steps};

diesel::table! { counters (id) { id -> Integer, n -> Integer } }

const ROWS: usize = 6;
/// What a write that is rolled back adds.
const NEVER: i32 = 1_000_000;

struct Shared {
    /// The highest value of each counter that a write which has returned has committed.
    committed: [AtomicI32; ROWS],
    reads: AtomicUsize,
    hits: AtomicUsize,
    writes: AtomicUsize,
}

impl Shared {
    fn check(&self, report: &Report, before: i32, id: usize, n: i32, how: &str) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let outcome = report.outcome();
        self.hits.fetch_add(
            usize::from(outcome == Some(Outcome::Hit)),
            Ordering::Relaxed,
        );
        assert!(
            n >= before,
            "{NAME}: STALE: {how} sees counter {id} at {n} ({outcome:?}), after {before} was committed"
        );
        assert!(
            n < NEVER,
            "{NAME}: {how} sees what was rolled back ({outcome:?})"
        );
    }

    fn read_one(&self, conn: &mut Conn, id: usize, how: &str) {
        let report = Report::new();
        let before = self.committed[id].load(Ordering::SeqCst);
        let query = counters::table.find(id as i32).select(counters::n);
        let n = query
            .cached()
            .report(&report)
            .get_result::<i32>(conn)
            .unwrap();
        self.check(&report, before, id, n, how);
    }

    fn read_all(&self, conn: &mut Conn) {
        let report = Report::new();
        let before: Vec<i32> = self
            .committed
            .iter()
            .map(|n| n.load(Ordering::SeqCst))
            .collect();
        let query = counters::table.order(counters::id).select(counters::n);
        let rows = query.cached().report(&report).load::<i32>(conn).unwrap();
        assert_eq!(rows.len(), ROWS);
        for (id, (n, before)) in rows.into_iter().zip(before).enumerate() {
            self.check(&report, before, id, n, "a read of all");
        }
    }

    /// Adds one to a counter, in a transaction, and tells of it once it is committed.
    fn write(&self, conn: &mut Conn, chance: &mut Chance, id: usize) {
        let key = id as i32;
        let add = |conn: &mut Conn, by: i32| {
            diesel::update(counters::table.find(key))
                .set(counters::n.eq(counters::n + by))
                .execute(conn)
        };
        let undone = chance.percent(25);
        let savepoint = chance.percent(25);
        let written = conn.transaction::<i32, Error, _>(|conn| {
            add(conn, if undone { NEVER } else { 1 })?;
            if savepoint {
                let _ = conn.transaction::<(), Error, _>(|conn| {
                    add(conn, NEVER)?;
                    Err(Error::RollbackTransaction)
                });
            }
            let n = counters::table
                .find(key)
                .select(counters::n)
                .get_result::<i32>(conn)?;
            // Own writes are seen.
            let cached = counters::table.find(key).select(counters::n).cached();
            assert_eq!(cached.get_result::<i32>(conn)?, n, "{NAME}: an own write");
            if undone {
                Err(Error::RollbackTransaction)
            } else {
                Ok(n)
            }
        });
        // A lock that was waited for too long is no failure of the cache.
        if let Ok(n) = written {
            self.committed[id].fetch_max(n, Ordering::SeqCst);
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sets a counter by a statement of its own. Only the counter's owner does that.
    fn write_alone(&self, conn: &mut Conn, id: usize) {
        let done = diesel::sql_query(format!("UPDATE counters SET n = n + 1 WHERE id = {id}"))
            .execute(conn);
        if done.is_ok() {
            self.committed[id].fetch_add(1, Ordering::SeqCst);
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_read_sees_what_was_committed_before_it_began() {
    let arena = engine::arena();
    let mut plain = arena.connect();
    plain
        .batch_execute(
            "CREATE TABLE counters (id INTEGER PRIMARY KEY, n INTEGER NOT NULL); \
             INSERT INTO counters VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)",
        )
        .unwrap();
    let store = Store::new();
    let shared = Shared {
        committed: Default::default(),
        reads: AtomicUsize::new(0),
        hits: AtomicUsize::new(0),
        writes: AtomicUsize::new(0),
    };
    let first = seed();
    eprintln!("{NAME}: CACHE_TEST_SEED={first}");
    let steps = steps(3000);
    let end = Instant::now() + Duration::from_secs(if steps > 3000 { 3600 } else { 15 });
    std::thread::scope(|threads| {
        for thread in 0..4_usize {
            let (arena, cache, shared) = (&arena, store.cache(), &shared);
            threads.spawn(move || {
                let mut chance = Chance::new(first + thread as u64);
                let mut conn = arena.connect();
                cache.attach(&mut conn).unwrap();
                for _ in 0..steps {
                    if Instant::now() > end {
                        break;
                    }
                    match chance.below(100) {
                        0..=3 => {
                            // The last two counters are written by many, in transactions.
                            let id = 4 + chance.below(2);
                            shared.write(&mut conn, &mut chance, id);
                        }
                        4..=7 => shared.write_alone(&mut conn, thread),
                        8..=20 => shared.read_all(&mut conn),
                        21..=25 => conn
                            .transaction::<(), Error, _>(|conn| {
                                shared.read_one(conn, thread, "a read in a transaction");
                                Ok(())
                            })
                            .unwrap(),
                        26 => {
                            // Attached anew: a fresh session of the same cache.
                            conn = arena.connect();
                            cache.attach(&mut conn).unwrap();
                        }
                        _ => {
                            let id = chance.below(ROWS);
                            shared.read_one(&mut conn, id, "a read by key");
                        }
                    }
                }
            });
        }
    });
    let (reads, hits) = (shared.reads.into_inner(), shared.hits.into_inner());
    let writes = shared.writes.into_inner();
    eprintln!("{NAME}: {reads} reads of counters, {hits} hits, 0 stale; {writes} writes");
    let ends = counters::table
        .order(counters::id)
        .select(counters::n)
        .load::<i32>(&mut plain);
    let committed: Vec<i32> = shared
        .committed
        .into_iter()
        .map(AtomicI32::into_inner)
        .collect();
    assert_eq!(
        ends.unwrap(),
        committed,
        "{NAME}: the test itself lost count"
    );
    assert!(hits * 5 >= reads, "{NAME}: {hits} hits of {reads} reads");
    assert!(writes > 50, "{NAME}: {writes} writes");
}
