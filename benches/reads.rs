//! What a cached read costs, next to what it is made of and what it replaces.
//!
//! `cargo xtask bench` prints each group's ratios to its baseline, of one run.
#![allow(clippy::unwrap_used, reason = "a bench that fails must stop")]
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{Cache, CachedDsl, LoadSharedDsl};

diesel::table! {
    posts (id) {
        id -> Integer,
        author_id -> Integer,
        title -> Text,
        body -> Text,
    }
}

#[derive(Debug, Clone, Queryable)]
#[allow(dead_code, reason = "the fields are the row")]
struct Post {
    id: i32,
    author_id: i32,
    title: String,
    body: String,
}

fn connect() -> SqliteConnection {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    conn.batch_execute(
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL,
             title TEXT NOT NULL, body TEXT NOT NULL);
         CREATE INDEX by_author ON posts (author_id);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO posts SELECT i, i % 100, 'title ' || i, hex(zeroblob(100)) FROM n;",
    )
    .unwrap();
    conn
}

fn attached() -> (SqliteConnection, Cache) {
    let cache = Cache::from_url("memory://").unwrap();
    let mut conn = connect();
    cache.attach(&mut conn).unwrap();
    (conn, cache)
}

/// A statement on an attached connection, next to the same on a plain one.
fn attached_connection(c: &mut Criterion) {
    let mut plain = connect();
    let (mut seen, _cache) = attached();
    let mut group = c.benchmark_group("attached");
    let read = |conn: &mut SqliteConnection| -> Post { posts::table.find(7).first(conn).unwrap() };
    group.bench_function("read/baseline plain", |b| {
        b.iter(|| black_box(read(&mut plain)))
    });
    group.bench_function("read/attached", |b| b.iter(|| black_box(read(&mut seen))));
    group.finish();
    let mut group = c.benchmark_group("attached-write");
    let write = |conn: &mut SqliteConnection| -> usize {
        let row = diesel::update(posts::table.find(7));
        row.set(posts::title.eq("changed")).execute(conn).unwrap()
    };
    group.bench_function("baseline plain", |b| {
        b.iter(|| black_box(write(&mut plain)))
    });
    group.bench_function("attached", |b| b.iter(|| black_box(write(&mut seen))));
    group.finish();
}

/// A hit, next to a bare `quick_cache` hit of the same `Arc` and to the uncached query.
fn hit(c: &mut Criterion) {
    let mut plain = connect();
    let (mut conn, cache) = attached();
    let by_author = || posts::table.filter(posts::author_id.eq(7)).order(posts::id);
    for (rows, limit) in [("1 row", 1), ("20 rows", 20)] {
        let query = || by_author().limit(limit);
        let loaded: Vec<Post> = query().load(&mut plain).unwrap();
        assert_eq!(loaded.len(), usize::try_from(limit).unwrap());
        let bare = quick_cache::sync::Cache::<Vec<u8>, Arc<Vec<Post>>>::new(1000);
        let key = vec![7u8; 200];
        bare.insert(key.clone(), Arc::new(loaded));
        let mut group = c.benchmark_group(format!("hit of {rows}"));
        group.bench_function("baseline bare quick_cache", |b| {
            b.iter(|| black_box(bare.get(black_box(&key)).unwrap()));
        });
        group.bench_function("load_shared", |b| {
            b.iter(|| black_box(query().cached().load_shared::<Post>(&mut conn).unwrap()));
        });
        group.bench_function("load", |b| {
            b.iter(|| black_box(query().cached().load::<Post>(&mut conn).unwrap()));
        });
        group.bench_function("uncached", |b| {
            b.iter(|| black_box(query().load::<Post>(&mut plain).unwrap()));
        });
        group.finish();
    }
    assert!(cache.stats().hits > cache.stats().misses);
}

/// A miss that stores its result, next to the uncached query.
fn miss(c: &mut Criterion) {
    let mut plain = connect();
    let (mut conn, cache) = attached();
    let query = || posts::table.filter(posts::author_id.eq(7)).order(posts::id);
    let mut group = c.benchmark_group("miss of 20 rows");
    group.bench_function("baseline uncached", |b| {
        b.iter(|| black_box(query().load::<Post>(&mut plain).unwrap()));
    });
    group.bench_function("miss and store", |b| {
        b.iter(|| {
            cache.invalidate_table("posts");
            black_box(query().cached().load::<Post>(&mut conn).unwrap())
        });
    });
    group.finish();
}

criterion_group!(benches, attached_connection, hit, miss);
criterion_main!(benches);
