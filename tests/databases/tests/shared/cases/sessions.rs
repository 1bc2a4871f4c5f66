//! Sessions are marked, named in quarantines, and asked for when their process says nothing.

use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::{SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel_cache::backend::{CacheBackend, Holder, RedisBackend, RedisOptions};
use diesel_cache::{Cache, CachedDsl, OnUnreachable, Outcome, Report};
use diesel_cache_faults::{Mode, Proxy, RedisServer};

use super::engine;

diesel::table! {
    items (id) {
        id -> Integer,
        name -> Text,
    }
}

type Manager = <engine::Conn as Connection>::TransactionManager;

fn prepared(arena: &engine::Arena) -> engine::Conn {
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL);
         INSERT INTO items VALUES (1, 'old');",
    )
    .unwrap();
    conn
}

/// A cache of its own process, as it were.
fn cache(url: &str) -> Cache {
    let url = format!("{url}?namespace=shared&io_timeout=5s&connect_timeout=5s");
    let cache = Cache::builder()
        .url(url)
        .on_unreachable(OnUnreachable::Abort);
    cache.build().unwrap()
}

fn attached(cache: &Cache, arena: &engine::Arena) -> engine::Conn {
    let mut conn = arena.connect();
    if engine::NAME == "sqlite" {
        conn.batch_execute("PRAGMA busy_timeout = 60000").unwrap();
    }
    cache.attach(&mut conn).unwrap();
    conn
}

fn read(conn: &mut engine::Conn) -> (String, Outcome) {
    let report = Report::new();
    let query = items::table.select(items::name).filter(items::id.eq(1));
    let names: Vec<String> = query.cached().report(&report).load(conn).unwrap();
    (names.join(""), report.outcome().unwrap())
}

fn rename(conn: &mut engine::Conn, name: &str) -> QueryResult<usize> {
    diesel::update(items::table.filter(items::id.eq(1)))
        .set(items::name.eq(name))
        .execute(conn)
}

fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !ready() {
        assert!(Instant::now() < limit, "not after a minute: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn until_hit(conn: &mut engine::Conn) {
    until("the gate is open", || read(conn).1 == Outcome::Hit);
}

/// The store itself.
struct Store {
    server: RedisServer,
    backend: RedisBackend,
}

impl Store {
    fn start() -> Self {
        let server = RedisServer::start(&[]).unwrap();
        let mut options = RedisOptions::default();
        options.namespace = "shared".to_owned();
        options.io_timeout = Duration::from_secs(5);
        options.connect_timeout = Duration::from_secs(5);
        let backend = RedisBackend::connect(&server.url(), options).unwrap();
        Self { server, backend }
    }

    fn holders(&self) -> Vec<Holder> {
        self.backend.holders(&[]).unwrap()
    }
}

/// A write that waits for another transaction's lock is quarantined in the store, under the name
/// of its session, while the database still has the old row; afterwards nothing is left of it.
#[test]
fn a_write_is_announced_before_the_database_has_it() {
    let arena = engine::arena();
    let mut plain = prepared(&arena);
    let store = Store::start();
    let cache = cache(&store.server.url());
    let mut writer = attached(&cache, &arena);
    until_hit(&mut writer);
    for in_a_transaction in [false, true] {
        Manager::begin_transaction(&mut plain).unwrap();
        rename(&mut plain, "plain").unwrap();
        thread::scope(|scope| {
            let written = scope.spawn(|| match in_a_transaction {
                false => rename(&mut writer, "new"),
                true => cache.transaction(&mut writer, |conn| rename(conn, "newer")),
            });
            if in_a_transaction {
                // It is announced at its end, and has not come that far.
                thread::sleep(Duration::from_millis(200));
                assert_eq!(store.holders(), []);
            } else {
                until("the write is announced", || !store.holders().is_empty());
                let holders = store.holders();
                assert_eq!(holders.len(), 1);
                assert!(holders[0].session.is_some(), "{holders:?}");
            }
            Manager::rollback_transaction(&mut plain).unwrap();
            assert_eq!(written.join().unwrap().unwrap(), 1);
        });
        assert_eq!(store.holders(), []);
    }
    assert_eq!(read(&mut writer).0, "newer");
    until_hit(&mut writer);
}

/// A process that cannot speak to the store any more holds the gate shut with its sessions, and no
/// longer than it has them.
#[test]
fn a_silent_process_keeps_the_gate_shut_while_it_has_a_session() {
    let arena = engine::arena();
    prepared(&arena);
    let store = Store::start();
    let proxy = Proxy::start(store.server.address()).unwrap();
    let near = cache(&store.server.url());
    let far = cache(&format!("redis://{}/", proxy.address()));
    let mut reader = attached(&near, &arena);
    let mut silent = attached(&far, &arena);
    until_hit(&mut silent);
    until_hit(&mut reader);
    proxy.set(Mode::Refuse);
    // All that the store knew is gone, also what it knew of writers.
    store.server.command(&["FLUSHALL"]).unwrap();
    let shut = Instant::now();
    let mut reads = 0;
    while shut.elapsed() < Duration::from_secs(3) {
        let (_, outcome) = read(&mut reader);
        assert!(matches!(outcome, Outcome::Bypass(_)), "{outcome:?}");
        reads += 1;
    }
    assert!(reads > 3);
    drop(silent);
    // SQLite knows no sessions: what is marked is the process, as long as it has its cache.
    if engine::NAME == "sqlite" {
        drop(far);
    }
    until_hit(&mut reader);
}
