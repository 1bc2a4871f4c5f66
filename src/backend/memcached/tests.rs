//! What a server forgets.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel_cache_faults::MemcachedServer;

use super::*;
use crate::backend::{Ask, CacheBackend, Databases, Put, Writer};
use crate::database::TagSpace;
use crate::entry::{Entry, Payload};
use crate::key::{Key, ValueParts};
use crate::protocol::{Judgement, TagState, judge};
use crate::tag::Tag;
use crate::token::{Opening, ProcessId, WriterId};

const SPACE: TagSpace = TagSpace([7; 16]);

/// A server of the test's own.
fn server() -> (MemcachedServer, String) {
    let server = MemcachedServer::start(&["-m", "64"]).unwrap();
    let address = server.address().to_string();
    (server, address)
}

fn raw(address: &str, command: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(format!("{command}\r\n").as_bytes())
        .unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

fn connect(address: &str, namespace: &str) -> MemcachedBackend {
    let options = MemcachedOptions {
        namespace: namespace.to_owned(),
        io_timeout: Duration::from_secs(5),
        ..MemcachedOptions::default()
    };
    MemcachedBackend::connect(address, options).unwrap()
}

fn open(store: &MemcachedBackend) {
    let epoch = store.beat(ProcessId::of(1), &[SPACE]).unwrap().epoch;
    store.open(epoch, SPACE, Opening::fresh()).unwrap();
}

fn key() -> Key {
    Key::of_value(&ValueParts::default())
}

fn hits(store: &MemcachedBackend) -> bool {
    let tags = [Tag::label("t")];
    let key = key();
    let ask = Ask::entry(&key, &tags, Databases::One(SPACE));
    matches!(judge(store.fetch(&ask).unwrap(), &tags), Judgement::Hit(_))
}

fn fill(store: &MemcachedBackend) {
    let tags = [Tag::label("t")];
    let fetched = store.fetch(&Ask::tokens(&tags, Databases::One(SPACE)));
    let Judgement::Miss(vector) = judge(fetched.unwrap(), &tags) else {
        panic!("nothing to capture");
    };
    let now = Instant::now();
    let entry = Entry {
        tags: tags.into(),
        vector,
        payload: Payload::Bytes(Arc::from(*b"old")),
        weight: 1,
        expires_at: now + Duration::from_secs(60),
        lifetime: Duration::from_secs(60),
        stale_until: now,
        not_after: None,
        removed_with: Arc::from([]),
    };
    assert_eq!(store.put(key(), entry, None).unwrap(), Put::Stored);
    assert!(hits(store));
}

#[test]
fn declarations_that_were_evicted_take_the_entries_along() {
    let (_server, address) = server();
    let one = connect(&address, "declared");
    one.declare(SPACE, &[b"a key".to_vec()].into()).unwrap();
    open(&one);
    fill(&one);
    let name = String::from_utf8(one.names.declared(&SPACE.0)).unwrap();
    assert_eq!(raw(&address, &format!("delete {name}")), "DELETED\r\n");
    // Another, which declares nothing, would write without telling that key.
    let two = connect(&address, "declared");
    assert!(two.declare(SPACE, &[].into()).unwrap().is_empty());
    open(&two);
    assert!(
        !hits(&two),
        "an entry that depends on a key nobody tells any more"
    );
}

#[test]
fn a_catalogue_that_was_evicted_is_not_recognised() {
    let (_server, address) = server();
    let store = connect(&address, "catalogue");
    open(&store);
    assert!(store.recognises(SPACE, "user", &[1; 32]).unwrap());
    fill(&store);
    // All that was not asked for lately.
    for line in dump(&address) {
        if line
            .rsplit(':')
            .next()
            .is_some_and(|kind| kind.starts_with('f'))
        {
            raw(&address, &format!("delete {line}"));
        }
    }
    assert!(!store.recognises(SPACE, "user", &[2; 32]).unwrap() || !hits(&store));
}

/// The names of all items.
fn dump(address: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"lru_crawler metadump all\r\n").unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let lines = lines.take_while(|line| line != "END");
    lines
        .filter_map(|line| {
            Some(
                line.split(' ')
                    .next()?
                    .strip_prefix("key=")?
                    .replace("%3A", ":"),
            )
        })
        .collect()
}

#[test]
fn a_quarantine_is_known_in_the_epoch_it_is_told_to_be_in() {
    let (_server, address) = server();
    let store = Arc::new(connect(&address, "epochs"));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flushes = {
        let (stop, address) = (Arc::clone(&stop), address.clone());
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                raw(&address, "flush_all");
                std::thread::sleep(Duration::from_micros(rand::random_range(0..1500)));
            }
        })
    };
    let tags = [Tag::label("t")];
    let mut lost = 0;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) && lost == 0 {
        let writer = Writer {
            id: WriterId::fresh(),
            process: ProcessId::of(1),
            space: Some(SPACE),
            session: None,
        };
        let Ok(known) = store.quarantine(&writer, &tags) else {
            continue;
        };
        let Ok(seen) = store.fetch(&Ask {
            establish: false,
            ..Ask::tokens(&tags, Databases::None)
        }) else {
            continue;
        };
        let Ok(standing) = store.beat(ProcessId::of(1), &[]) else {
            continue;
        };
        if seen.states[0] == TagState::Missing && standing.epoch == known.epoch {
            lost += 1;
        }
        let _ = store.lift(writer.id, &tags, crate::protocol::Lift::Renew);
    }
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    flushes.join().unwrap();
    assert_eq!(lost, 0, "acknowledged in an epoch in which it never was");
}
