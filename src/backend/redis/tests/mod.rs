//! Against real servers, which the tests start and stop themselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::backend::{Ask, CacheBackend, Databases, Put};
use crate::config::Level;
use crate::database::TagSpace;
use crate::entry::{Entry, Payload, Vector};
use crate::key::{Key, ValueParts};
use crate::protocol::{Judgement, judge};
use crate::tag::Tag;
use crate::token::{Opening, ProcessId, WriterId};

mod cells;
mod epochs;
mod faults;
mod further;
mod memory;
#[cfg(feature = "async")]
mod multiplexed;
mod server;
mod setup;
mod topologies;
mod urls;
mod values;

use self::server::Server;

fn space() -> TagSpace {
    TagSpace::of(b"test")
}

fn key(name: &str) -> Key {
    Key::of_value(&ValueParts {
        name,
        ..ValueParts::default()
    })
}

fn tag(name: &str) -> Tag {
    Tag::any(space(), name)
}

fn tags(names: &[&str]) -> Arc<[Tag]> {
    names.iter().map(|name| tag(name)).collect()
}

/// Options whose time-outs a busy machine does not exceed.
fn options() -> RedisOptions {
    RedisOptions {
        connect_timeout: Duration::from_secs(2),
        io_timeout: Duration::from_secs(2),
        ..RedisOptions::default()
    }
}

fn connect(server: &Server) -> RedisBackend {
    RedisBackend::connect(&server.url(), options()).unwrap()
}

/// A store whose database is open.
fn open_store(server: &Server) -> RedisBackend {
    let store = connect(server);
    open(&store);
    store
}

/// Waits until the store answers again, however busy the machine is.
fn until_answered(store: &RedisBackend) {
    let end = Instant::now() + Duration::from_secs(60);
    while store.fetch(&Ask::tokens(&[], Databases::None)).is_err() {
        assert!(Instant::now() < end, "it never answers");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn open(store: &RedisBackend) {
    let standing = store.beat(ProcessId::of(1), &[space()]).unwrap();
    store
        .open(standing.epoch, space(), Opening::fresh())
        .unwrap();
}

fn ask<'a>(key: &'a Key, tags: &'a [Tag]) -> Ask<'a> {
    Ask {
        establish: true,
        ..Ask::entry(key, tags, Databases::One(space()))
    }
}

fn look(store: &RedisBackend, key: &Key, tags: &[Tag]) -> Judgement {
    judge(store.fetch(&ask(key, tags)).unwrap(), tags)
}

fn capture(store: &RedisBackend, key: &Key, tags: &[Tag]) -> Vector {
    match look(store, key, tags) {
        Judgement::Miss(vector) => vector,
        Judgement::Hit(entry) => entry.vector,
        other => panic!("nothing to capture: {other:?}"),
    }
}

fn entry(tags: &Arc<[Tag]>, vector: Vector, payload: &[u8]) -> Entry {
    let expires_at = Instant::now() + Duration::from_secs(60);
    Entry {
        tags: Arc::clone(tags),
        vector,
        payload: Payload::Bytes(payload.into()),
        weight: payload.len(),
        expires_at,
        lifetime: Duration::from_secs(60),
        stale_until: expires_at,
        not_after: None,
        removed_with: Arc::from([]),
    }
}

fn fill(store: &RedisBackend, name: &str, tags: &Arc<[Tag]>) {
    let key = key(name);
    let vector = capture(store, &key, tags);
    let entry = entry(tags, vector, name.as_bytes());
    assert_eq!(store.put(key, entry, None).unwrap(), Put::Stored);
}

fn hits(store: &RedisBackend, name: &str, tags: &[Tag]) -> bool {
    match look(store, &key(name), tags) {
        Judgement::Hit(entry) => {
            let Payload::Bytes(bytes) = entry.payload else {
                panic!("a shared store gave a value");
            };
            assert_eq!(*bytes, *name.as_bytes(), "the entry of another key");
            true
        }
        _ => false,
    }
}

fn quarantine(store: &RedisBackend, writer: WriterId, tags: &[Tag]) {
    let writer = crate::backend::Writer {
        id: writer,
        process: ProcessId::of(1),
        space: Some(space()),
        session: Some("7"),
    };
    store.quarantine(&writer, tags).unwrap();
}

/// The pattern of the keys of that kind: a digest may hold any bytes.
fn kind(kind: &str) -> String {
    format!("dc:{{.}}:{}:{kind}*", "?".repeat(16))
}
