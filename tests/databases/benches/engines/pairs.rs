//! Pairs of writes.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{
    Bypass, Cache, CacheDatabase, CachedDsl, Level, OutboxMigration, Outcome, Report,
};
use diesel_cache_faults::RedisServer;

use super::engine::{self, Arena, Conn};

diesel::table! { plain (id) { id -> Integer, title -> Text } }
diesel::table! { told (id) { id -> Integer, title -> Text } }

/// How many pairs.
const PAIRS: usize = 300;

fn prepare() -> Arena {
    let arena = engine::arena();
    let mut conn = arena.connect();
    for table in ["plain", "told"] {
        conn.batch_execute(&format!(
            "CREATE TABLE {table} (id INTEGER PRIMARY KEY, title VARCHAR(99) NOT NULL)"
        ))
        .unwrap();
        let rows: Vec<String> = (0..1000).map(|id| format!("({id}, 'title')")).collect();
        conn.batch_execute(&format!("INSERT INTO {table} VALUES {}", rows.join(", ")))
            .unwrap();
    }
    let dialect = <engine::Db as CacheDatabase>::DIALECT;
    let migration = OutboxMigration::new(dialect).table("told").unwrap();
    conn.batch_execute(&migration.up()).unwrap();
    arena
}

/// A cache of that level, whose relay looks every quarter of a second.
fn cache(level: Level, server: &RedisServer, arena: &Arena) -> Cache {
    let url = arena.url();
    let builder = Cache::builder()
        .url(server.url())
        .namespace(level.to_string())
        .io_timeout(Duration::from_secs(5))
        .level(level);
    let builder = match level {
        Level::Durable => builder.relay(move || Conn::establish(&url)),
        _ => builder,
    };
    builder.build().unwrap()
}

fn attached(cache: &Cache, arena: &Arena) -> Conn {
    let mut conn = arena.connect();
    cache.attach(&mut conn).unwrap();
    let report = Report::new();
    loop {
        let read = plain::table.select(plain::title).filter(plain::id.eq(1));
        let _: Vec<String> = read.cached().report(&report).load(&mut conn).unwrap();
        let waits = [Bypass::Behind, Bypass::Closed, Bypass::CatalogueDue];
        match report.outcome() {
            Some(Outcome::Bypass(why)) if waits.contains(&why) => {}
            _ => return conn,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn time(run: impl FnOnce()) -> f64 {
    let began = Instant::now();
    run();
    began.elapsed().as_secs_f64()
}

/// Compares two writes, each in its turn first.
fn compare(what: &str, mut without: impl FnMut(usize), mut with: impl FnMut(usize)) {
    let mut ratios = Vec::new();
    let mut times = Vec::new();
    for pair in 0..PAIRS + 20 {
        let (base, more) = if pair % 2 == 0 {
            let base = time(|| without(pair));
            (base, time(|| with(pair)))
        } else {
            let more = time(|| with(pair));
            (time(|| without(pair)), more)
        };
        // The first ones warm up.
        if pair >= 20 {
            ratios.push(more / base);
            times.push(base);
        }
    }
    ratios.sort_by(f64::total_cmp);
    times.sort_by(f64::total_cmp);
    let [lower, median, upper] = [PAIRS / 4, PAIRS / 2, PAIRS * 3 / 4].map(|at| ratios[at]);
    println!(
        "{:<10}{what:<44}{lower:>8.2}{median:>8.2}{upper:>8.2}{:>9.0} µs",
        engine::NAME,
        times[PAIRS / 2] * 1e6
    );
}

fn update(conn: &mut Conn, table: &str, rows: i32, value: usize) {
    let sql = format!("UPDATE {table} SET title = 'title {value}' WHERE id < {rows}");
    conn.batch_execute(&sql).unwrap();
}

/// All pairs.
pub(crate) fn run() {
    let arena = prepare();
    let mut conn = arena.connect();
    let mut other = arena.connect();
    for rows in [1, 100, 1000] {
        let without = |value| update(&mut conn, "plain", rows, value);
        let with = |value| {
            update(&mut other, "told", rows, value);
        };
        compare(&format!("trigger, {rows} row(s)"), without, with);
        arena
            .connect()
            .batch_execute("DELETE FROM diesel_cache_outbox")
            .unwrap();
    }
    let server = RedisServer::start(&[]).unwrap();
    let (strong, durable) = (
        cache(Level::Strong, &server, &arena),
        cache(Level::Durable, &server, &arena),
    );
    let (mut at_strong, mut at_durable) = (attached(&strong, &arena), attached(&durable, &arena));
    let write = |cache: &Cache, conn: &mut Conn, value: usize| {
        let written = cache.transaction(conn, |conn| {
            diesel::update(plain::table.filter(plain::id.eq(1)))
                .set(plain::title.eq(format!("title {value}")))
                .execute(conn)
        });
        assert_eq!(written, Ok(1));
    };
    compare(
        "transaction, durable by strong",
        |value| write(&strong, &mut at_strong, value),
        |value| write(&durable, &mut at_durable, value),
    );
    let mut plain_conn = arena.connect();
    compare(
        "transaction, durable by no cache",
        |value| {
            let written = plain_conn.transaction(|conn| {
                diesel::update(plain::table.filter(plain::id.eq(1)))
                    .set(plain::title.eq(format!("title {value}")))
                    .execute(conn)
            });
            assert_eq!(written, Ok(1));
        },
        |value| write(&durable, &mut at_durable, value),
    );
}
