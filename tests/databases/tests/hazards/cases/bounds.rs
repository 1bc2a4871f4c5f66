//! What the cache holds at most, and for how long. Engines make no difference here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_cache::{Bypass, Cache, CachedDsl, Outcome, Report};

use super::kit::{Rig, read, rename};
use crate::support::{HIT, MISS, Shelf, until};

/// Reads a text of that length, and says what became of it.
fn echo(conn: &mut SqliteConnection, number: usize, length: usize) -> Outcome {
    let text = format!("{number:0length$}");
    let report = Report::new();
    let query = diesel::select(text.clone().into_sql::<Text>());
    let found: String = query.cached().report(&report).get_result(conn).unwrap();
    assert_eq!(found, text);
    report.outcome().unwrap()
}

#[test]
fn the_capacity_is_never_exceeded() {
    const CAPACITY: u64 = 128 << 10;
    let rig = Rig::with(Cache::builder().capacity(CAPACITY).build().unwrap());
    let mut conn = rig.conn();
    for number in 0..1000 {
        echo(&mut conn, number, 900);
        assert!(rig.cache.stats().usage.bytes <= CAPACITY);
    }
    let usage = rig.cache.stats().usage;
    assert!(usage.evictions > 800, "{usage:?}");
    assert!(usage.bytes > CAPACITY / 2, "{usage:?}");
    assert!(usage.tags < 20, "{usage:?}");
}

#[test]
fn a_result_that_is_too_large_is_not_stored() {
    let rig = Rig::with(Cache::builder().max_entry_bytes(1000).build().unwrap());
    let mut conn = rig.conn();
    let unstored = Outcome::Miss {
        stored: false,
        joined: false,
    };
    for _ in 0..2 {
        assert_eq!(echo(&mut conn, 1, 1001), unstored);
    }
    assert_eq!(rig.cache.stats().rejected_too_large, 2);
    assert_eq!(
        (echo(&mut conn, 1, 500), echo(&mut conn, 1, 500)),
        (MISS, HIT)
    );
}

#[test]
fn the_jitter_stays_within_its_bounds() {
    let shelf = Shelf::careful();
    let put = Arc::clone(&shelf.put);
    let ttl = Duration::from_secs(1000);
    let cache = Cache::builder()
        .backend(shelf)
        .ttl(ttl)
        .jitter(0.2)
        .build()
        .unwrap();
    let rig = Rig::with(cache);
    let mut conn = rig.conn();
    let before = Instant::now();
    for number in 0..200 {
        echo(&mut conn, number, 9);
    }
    let lives: Vec<u64> = put
        .lock()
        .unwrap()
        .iter()
        .map(|entry| (entry.expires_at - before).as_secs())
        .collect();
    assert_eq!(lives.len(), 200);
    assert!(
        lives.iter().all(|life| (800..=1030).contains(life)),
        "{lives:?}"
    );
    // They spread: both ends are reached within a quarter.
    assert!(lives.iter().any(|life| *life < 850) && lives.iter().any(|life| *life > 950));
}

#[test]
fn a_cache_that_is_switched_off_still_follows_writes() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    rig.cache.set_enabled(false);
    assert_eq!(rig.fresh(&mut two), Outcome::Bypass(Bypass::Disabled));
    rename(&mut one, "b").unwrap();
    assert_eq!(rig.fresh(&mut two), Outcome::Bypass(Bypass::Disabled));
    rig.cache.set_enabled(true);
    rig.invalidated(&mut two);
}

/// A fill that is under way when everything is forgotten, or its table invalidated, is dead.
#[test]
fn what_is_forgotten_does_not_come_back_by_a_late_fill() {
    for clear in [true, false] {
        let shelf = Shelf::careful();
        let barrier = Arc::clone(&shelf.barrier);
        let rig = Rig::with(
            Cache::builder()
                .backend(shelf)
                .single_flight(false)
                .build()
                .unwrap(),
        );
        let (mut one, mut two) = (rig.conn(), rig.conn());
        barrier.close();
        std::thread::scope(|scope| {
            let late = scope.spawn(|| read(&mut one));
            until("the fill is under way", || barrier.arrived() == 1);
            if clear {
                rig.cache.clear();
            } else {
                rig.cache.invalidate_table("things");
            }
            barrier.open();
            let (_, outcome) = late.join().unwrap();
            assert_eq!(
                outcome,
                Outcome::Miss {
                    stored: false,
                    joined: false
                }
            );
        });
        assert_eq!(rig.fresh(&mut two), MISS);
    }
}
