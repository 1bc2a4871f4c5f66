//! What it costs to tell rows apart.
//!
//! A hit on a result that depends on the rows it shows, next to a hit on the same result that
//! depends on its whole table: `DISTINCT` cannot be taken apart. A write that names many rows,
//! next to the same write of a table of which nothing was read. More than 100 values are not told
//! apart: such a write touches what every read of its table depends on, so that it is no dearer
//! than one of a whole table.
//!
//! Medians on two cores, November 2026, in memory on SQLite in memory. A hit, of rows that are told
//! apart by the whole table: 1 row 0.98 (2.07 µs), 20 rows 1.08 (3.18 µs), 1000 rows 1.53 (59 µs: the
//! states of a thousand tags). A write by key, of a table that was read by one never read: 1 row 0.86
//! (11.6 µs), 20 rows 0.74 (77 µs), 1000 rows 0.87 (476 µs): within what the machine varies.
#![allow(clippy::unwrap_used, reason = "a bench that fails must stop")]
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{Cache, CachedDsl, Outcome, Report};

diesel::table! { posts (id) { id -> Integer, author -> Integer, title -> Text } }
diesel::table! { unread (id) { id -> Integer, author -> Integer, title -> Text } }

type Post = (i32, i32, String);

const SIZES: [i32; 3] = [1, 20, 1000];

fn attached() -> (SqliteConnection, Cache) {
    let cache = Cache::from_url("memory://").unwrap();
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    for table in ["posts", "unread"] {
        conn.batch_execute(&format!(
            "CREATE TABLE {table} (id INTEGER PRIMARY KEY, author INTEGER NOT NULL,
                 title TEXT NOT NULL);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
             INSERT INTO {table} SELECT i, i % 100, 'title ' || i FROM n;"
        ))
        .unwrap();
    }
    cache.attach(&mut conn).unwrap();
    (conn, cache)
}

macro_rules! hits {
    ($conn:expr, $query:expr, $rows:expr) => {{
        let report = Report::new();
        for _ in 0..2 {
            let rows: Vec<Post> = $query.cached().report(&report).load($conn).unwrap();
            assert_eq!(rows.len(), usize::try_from($rows).unwrap());
        }
        assert_eq!(report.outcome(), Some(Outcome::Hit));
    }};
}

/// A hit on so many rows.
fn hit(c: &mut Criterion) {
    let (mut conn, _cache) = attached();
    for size in SIZES {
        let apart = || posts::table.filter(posts::id.le(size));
        let whole = || apart().distinct();
        hits!(&mut conn, apart(), size);
        hits!(&mut conn, whole(), size);
        let mut group = c.benchmark_group(format!("hit of {size} observed"));
        group.bench_function("baseline whole table", |b| {
            b.iter(|| black_box(whole().cached().load::<Post>(&mut conn).unwrap()));
        });
        group.bench_function("rows told apart", |b| {
            b.iter(|| black_box(apart().cached().load::<Post>(&mut conn).unwrap()));
        });
        group.finish();
    }
}

/// A write of so many rows.
fn write(c: &mut Criterion) {
    let (mut conn, _cache) = attached();
    for size in SIZES {
        hits!(&mut conn, posts::table.filter(posts::id.le(size)), size);
        let ids: Vec<i32> = (1001..=1000 + size).collect();
        let mut group = c.benchmark_group(format!("write of {size} by key"));
        group.bench_function("baseline never read", |b| {
            b.iter(|| {
                let rows = diesel::update(unread::table.filter(unread::id.eq_any(&ids)));
                black_box(rows.set(unread::author.eq(7)).execute(&mut conn).unwrap())
            });
        });
        group.bench_function("read", |b| {
            b.iter(|| {
                let rows = diesel::update(posts::table.filter(posts::id.eq_any(&ids)));
                black_box(rows.set(posts::author.eq(7)).execute(&mut conn).unwrap())
            });
        });
        group.finish();
    }
}

criterion_group!(benches, hit, write);
criterion_main!(benches);
