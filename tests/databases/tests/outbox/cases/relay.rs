//! The relay tells a shared store of what nobody else will.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{Bypass, Cache, Level, Outcome};
use diesel_cache_faults::{Mode, Proxy, RedisServer};

use super::engine::{Arena, Conn};
use super::kit::{
    attached, posts, relayed, title, until, until_empty, until_hit, waiting, with_outbox,
    with_triggers,
};

/// A cache of its own process, as it were, whose store is at that address.
fn cache(address: std::net::SocketAddr, arena: &Arena) -> Cache {
    let builder = Cache::builder()
        .url(format!("redis://{address}"))
        .namespace("outbox")
        .connect_timeout(Duration::from_secs(1))
        .io_timeout(Duration::from_millis(300))
        .level(Level::Durable);
    relayed(builder, arena).build().unwrap()
}

fn retitle(conn: &mut Conn, title: &str) -> QueryResult<usize> {
    diesel::update(posts::table.filter(posts::id.eq(1)))
        .set(posts::title.eq(title))
        .execute(conn)
}

/// A process that cannot reach the store, commits, and is never heard of again.
#[test]
fn what_a_process_left_behind_is_told() {
    for with_helper in [true, false] {
        let arena = if with_helper {
            with_outbox()
        } else {
            with_triggers()
        };
        let server = RedisServer::start(&[]).unwrap();
        let proxy = Proxy::start(server.address()).unwrap();
        let ours = cache(server.address(), &arena);
        let mut reader = attached(&ours, &arena);
        until_hit(&mut reader, 1);
        let theirs = cache(proxy.address(), &arena);
        let mut writer = attached(&theirs, &arena);
        until_hit(&mut writer, 1);
        proxy.set(Mode::Refuse);
        proxy.cut();
        match with_helper {
            true => theirs.transaction(&mut writer, |conn| retitle(conn, "left")),
            false => retitle(&mut writer, "left"),
        }
        .unwrap();
        drop((writer, theirs));
        until("it is told", || {
            title(&mut reader, 1).0.as_deref() == Some("left")
        });
        until_empty(&mut arena.connect());
        assert!(ours.stats().relayed > 0);
    }
}

/// Who leads may hang: another tells then.
#[test]
fn another_tells_if_who_leads_does_not() {
    let arena = with_triggers();
    let server = RedisServer::start(&[]).unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let first = cache(proxy.address(), &arena);
    let mut conn = attached(&first, &arena);
    until_hit(&mut conn, 1);
    let second = cache(server.address(), &arena);
    let mut reader = attached(&second, &arena);
    until_hit(&mut reader, 1);
    proxy.set(Mode::Refuse);
    proxy.cut();
    arena
        .connect()
        .batch_execute("UPDATE posts SET title = 'told' WHERE id = 1")
        .unwrap();
    until("it is told", || {
        title(&mut reader, 1).0.as_deref() == Some("told")
    });
    until_empty(&mut arena.connect());
    assert!(second.stats().relayed > 0 && first.stats().relay_failures > 0);
}

/// Nothing is served before somebody has looked at what was left while nobody ran.
#[test]
fn what_was_left_is_told_before_anything_is_served() {
    let arena = with_triggers();
    let server = RedisServer::start(&[]).unwrap();
    let before = cache(server.address(), &arena);
    until_hit(&mut attached(&before, &arena), 1);
    drop(before);
    arena
        .connect()
        .batch_execute("UPDATE posts SET title = 'meanwhile' WHERE id = 1")
        .unwrap();
    let fails = Arc::new(AtomicBool::new(true));
    let (url, stays_away) = (arena.url(), Arc::clone(&fails));
    let builder = Cache::builder()
        .url(format!("redis://{}", server.address()))
        .namespace("outbox")
        .io_timeout(Duration::from_secs(5))
        .relay_interval(Duration::from_millis(20))
        .relay(move || match stays_away.load(Ordering::SeqCst) {
            true => Err(diesel::ConnectionError::BadConnection("not yet".to_owned())),
            false => Conn::establish(&url),
        });
    let after = builder.build().unwrap();
    let mut conn = attached(&after, &arena);
    for _ in 0..20 {
        let found = title(&mut conn, 1);
        let expected = (
            Some("meanwhile".to_owned()),
            Outcome::Bypass(Bypass::Behind),
        );
        assert_eq!(found, expected);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(after.stats().relay_failures > 0);
    fails.store(false, Ordering::SeqCst);
    until_hit(&mut conn, 1);
    assert_eq!(title(&mut conn, 1).0.as_deref(), Some("meanwhile"));
}

/// Connections are made while the store is out of reach, and the application goes on with them.
#[test]
fn a_store_out_of_reach_keeps_nobody_from_connecting() {
    let arena = with_triggers();
    let server = RedisServer::start(&[]).unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let cache = cache(proxy.address(), &arena);
    until_hit(&mut attached(&cache, &arena), 1);
    proxy.set(Mode::Refuse);
    proxy.cut();
    // Nobody else has the catalogue any more.
    let mut conn = attached(&cache, &arena);
    retitle(&mut conn, "alone").unwrap();
    let (found, outcome) = title(&mut conn, 1);
    assert_eq!(found.as_deref(), Some("alone"));
    assert!(matches!(outcome, Outcome::Bypass(_)), "{outcome:?}");
    proxy.set(Mode::Pass);
    until_hit(&mut conn, 1);
    assert_eq!(title(&mut conn, 1).0.as_deref(), Some("alone"));
}

/// A relay that loses its connection, panics or finds no store goes on when it can.
#[test]
fn a_relay_goes_on() {
    let arena = with_triggers();
    let server = RedisServer::start(&[]).unwrap();
    let panics = Arc::new(AtomicBool::new(true));
    let (url, once) = (arena.url(), Arc::clone(&panics));
    let builder = Cache::builder()
        .url(server.url())
        .namespace("outbox")
        .io_timeout(Duration::from_secs(5))
        .relay_interval(Duration::from_millis(20))
        .relay(move || {
            assert!(!once.swap(false, Ordering::SeqCst), "once");
            Conn::establish(&url)
        });
    let cache = builder.build().unwrap();
    let mut conn = attached(&cache, &arena);
    until_hit(&mut conn, 1);
    assert!(cache.stats().relay_failures > 0);
    server.pause().unwrap();
    let mut other = arena.connect();
    other
        .batch_execute("UPDATE posts SET title = 'stopped' WHERE id = 1")
        .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(!waiting(&mut other).is_empty(), "the store was not told");
    server.resume();
    until("it is told", || {
        title(&mut conn, 1).0.as_deref() == Some("stopped")
    });
    until_empty(&mut other);
}

/// A cache in memory is told of nothing by another's relay: without the lead, it serves nothing.
#[test]
fn a_cache_in_memory_needs_the_outbox_for_itself() {
    let arena = with_triggers();
    let memory = || relayed(Cache::builder(), &arena).build().unwrap();
    let first = memory();
    let mut conn = attached(&first, &arena);
    until_hit(&mut conn, 1);
    let second = memory();
    let mut other = attached(&second, &arena);
    for round in 0..20 {
        retitle(&mut arena.connect(), &round.to_string()).unwrap();
        let found = title(&mut other, 1);
        let expected = (Some(round.to_string()), Outcome::Bypass(Bypass::Behind));
        assert_eq!(found, expected);
    }
    until("it is told", || {
        title(&mut conn, 1).0.as_deref() == Some("19")
    });
    drop(conn);
    assert!(first.shutdown(Duration::from_secs(30)));
    drop(first);
    until_hit(&mut other, 1);
    retitle(&mut arena.connect(), "last").unwrap();
    until("it is told", || {
        title(&mut other, 1).0.as_deref() == Some("last")
    });
}

/// A relay ends with its cache, though its connection is attached to that.
#[test]
fn a_relay_does_not_keep_its_cache() {
    let arena = with_triggers();
    let threads = || {
        let all = std::fs::read_dir("/proc/self/task").unwrap();
        let name = |task: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
        };
        // Of those that other tests have, none is of this name.
        all.filter_map(name)
            .filter(|name| name.trim() == "relay-that-ends")
            .count()
    };
    let (url, ends) = (
        arena.url(),
        Cache::builder().relay_interval(Duration::from_millis(5)),
    );
    let named = ends.relay(move || {
        std::fs::write("/proc/thread-self/comm", "relay-that-ends").unwrap();
        Conn::establish(&url)
    });
    let named = named.build().unwrap();
    let mut other = attached(&named, &arena);
    until_hit(&mut other, 1);
    assert_eq!(threads(), 1);
    drop(named);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(threads(), 1, "a connection is attached still");
    drop(other);
    until("the relay ends", || threads() == 0);
}

/// Every process has a relay, and one of them leads.
#[test]
fn one_relay_leads() {
    let arena = with_triggers();
    let server = RedisServer::start(&[]).unwrap();
    let caches: Vec<Cache> = (0..3).map(|_| cache(server.address(), &arena)).collect();
    let mut conns: Vec<Conn> = caches.iter().map(|cache| attached(cache, &arena)).collect();
    for conn in &mut conns {
        until_hit(conn, 1);
    }
    let mut other = arena.connect();
    for round in 0..10 {
        other
            .batch_execute(&format!("UPDATE posts SET title = '{round}' WHERE id = 1"))
            .unwrap();
        for conn in &mut conns {
            until("it is told", || title(conn, 1).0 == Some(round.to_string()));
        }
    }
    let relayed: Vec<u64> = caches.iter().map(|cache| cache.stats().relayed).collect();
    let leading = relayed.iter().filter(|relayed| **relayed > 0).count();
    assert_eq!(leading, 1, "{relayed:?}");
    // The one that led is gone: another leads.
    let led = relayed.iter().position(|relayed| *relayed > 0).unwrap();
    let (mut caches, mut conns) = (caches, conns);
    drop((caches.remove(led), conns.remove(led)));
    other
        .batch_execute("UPDATE posts SET title = 'again' WHERE id = 1")
        .unwrap();
    until("it is told", || {
        title(&mut conns[0], 1).0.as_deref() == Some("again")
    });
}
