//! Epochs, gates, testimonies and incarnations.

use super::*;
use crate::protocol::Lift;
use crate::token::Epoch;

fn gate(store: &RedisBackend, databases: Databases) -> bool {
    store
        .fetch(&Ask::tokens(&[], databases))
        .unwrap()
        .gate
        .is_some()
}

#[test]
fn an_epoch_begins_with_every_database_closed() {
    let server = Server::start(&[]);
    let store = connect(&server);
    assert!(!gate(&store, Databases::None));
    let standing = store.beat(ProcessId::of(1), &[space()]).unwrap();
    assert!(standing.open.is_empty() && standing.testified.is_empty());
    assert!(gate(&store, Databases::None));
    assert!(!gate(&store, Databases::One(space())));
    assert!(!gate(&store, Databases::All(&[space()])));
    let opening = Opening::fresh();
    store.open(standing.epoch, space(), opening).unwrap();
    // An open gate stays open under its name.
    store
        .open(standing.epoch, space(), Opening::fresh())
        .unwrap();
    let asked = Ask::tokens(&[], Databases::One(space()));
    assert_eq!(store.fetch(&asked).unwrap().opening, Some(opening));
    assert!(gate(&store, Databases::One(space())));
    assert!(gate(&store, Databases::All(&[space()])));
    let other = TagSpace::of(b"other");
    assert!(!gate(&store, Databases::One(other)));
    let again = store.beat(ProcessId::of(2), &[other, space()]).unwrap();
    assert_eq!(again.epoch, standing.epoch);
    assert_eq!(again.open, [(space(), opening)]);
    assert!(!gate(&store, Databases::All(&[space(), other])));
}

#[test]
fn testimonies_and_openings_of_another_epoch_do_not_count() {
    let server = Server::start(&[]);
    let store = connect(&server);
    let epoch = store.beat(ProcessId::of(1), &[space()]).unwrap().epoch;
    store
        .testify(ProcessId::of(1), Epoch::fresh(), &[space()])
        .unwrap();
    store
        .open(Epoch::fresh(), space(), Opening::fresh())
        .unwrap();
    let standing = store.beat(ProcessId::of(1), &[]).unwrap();
    assert!(standing.testified.is_empty() && standing.open.is_empty());
    store.testify(ProcessId::of(1), epoch, &[space()]).unwrap();
    store.testify(ProcessId::of(2), epoch, &[space()]).unwrap();
    let mut standing = store.beat(ProcessId::of(1), &[]).unwrap();
    standing.testified.sort();
    assert_eq!(
        standing.testified,
        [(ProcessId::of(1), space()), (ProcessId::of(2), space())]
    );
    store.close(Some(space())).unwrap();
    let standing = store.beat(ProcessId::of(1), &[]).unwrap();
    assert_ne!(standing.epoch, epoch);
    assert!(standing.testified.is_empty());
    store.open(epoch, space(), Opening::fresh()).unwrap();
    assert!(!gate(&store, Databases::One(space())));
}

#[test]
fn closing_one_database_leaves_the_others_and_the_entries() {
    let server = Server::start(&[]);
    let store = connect(&server);
    let other = TagSpace::of(b"other");
    let epoch = store
        .beat(ProcessId::of(1), &[space(), other])
        .unwrap()
        .epoch;
    store.open(epoch, space(), Opening::fresh()).unwrap();
    store.open(epoch, other, Opening::fresh()).unwrap();
    let t = tags(&["t"]);
    fill(&store, "t", &t);
    let writer = WriterId::fresh();
    quarantine(&store, writer, &tags(&["u"]));
    store.close(Some(other)).unwrap();
    assert!(gate(&store, Databases::One(space())) && !gate(&store, Databases::One(other)));
    assert!(hits(&store, "t", &t));
    assert_eq!(store.holders(&tags(&["u"])).unwrap().len(), 1);
    store.close(None).unwrap();
    assert!(!gate(&store, Databases::One(space())));
    let epoch = store.beat(ProcessId::of(1), &[]).unwrap().epoch;
    store.open(epoch, space(), Opening::fresh()).unwrap();
    assert!(hits(&store, "t", &t));
}

#[test]
fn clear_kills_entries_and_no_quarantine() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "t", &t);
    let vector = capture(&store, &key("late"), &t);
    let writer = WriterId::fresh();
    quarantine(&store, writer, &tags(&["u"]));
    store.clear().unwrap();
    assert!(!hits(&store, "t", &t));
    let late = entry(&t, vector, b"late");
    assert_eq!(store.put(key("late"), late, None).unwrap(), Put::Outdated);
    assert_eq!(store.holders(&tags(&["u"])).unwrap().len(), 1);
    fill(&store, "t", &t);
    assert!(hits(&store, "t", &t));
}

#[test]
fn a_store_that_was_emptied_is_closed() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "t", &t);
    let epoch = store.beat(ProcessId::of(1), &[]).unwrap().epoch;
    server.ask(&["FLUSHALL"]);
    assert!(matches!(look(&store, &key("t"), &t), Judgement::Closed));
    // A writer is the first to notice.
    let writer = WriterId::fresh();
    quarantine(&store, writer, &t);
    assert!(!gate(&store, Databases::One(space())));
    assert_ne!(store.beat(ProcessId::of(1), &[]).unwrap().epoch, epoch);
    assert_eq!(store.holders(&t).unwrap().len(), 1);
    store.lift(writer, &t, Lift::Renew).unwrap();
}

/// A snapshot brings back the gate, the tokens and the entries, but not the quarantines since.
#[test]
fn a_restored_snapshot_is_another_incarnation() {
    let mut server = Server::start(&["--dbfilename", "dump.rdb"]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "t", &t);
    server.ask(&["SAVE"]);
    let writer = WriterId::fresh();
    quarantine(&store, writer, &t);
    store.lift(writer, &t, Lift::Renew).unwrap();
    server.restart();
    assert!(
        server.keys().iter().any(|key| key.contains(":e")),
        "the snapshot was not loaded"
    );
    assert!(matches!(look(&store, &key("t"), &t), Judgement::Closed));
    open(&store);
    assert!(!hits(&store, "t", &t));
}

#[test]
fn what_has_no_lifetime_goes_with_its_incarnation() {
    let mut server = Server::start(&["--dbfilename", "dump.rdb"]);
    let store = open_store(&server);
    quarantine(&store, WriterId::fresh(), &tags(&["t", "u"]));
    server.ask(&["SAVE"]);
    let before = server.number(&["DBSIZE"]);
    assert!(before >= 5, "{before}");
    for _ in 0..3 {
        server.restart();
        quarantine(&store, WriterId::fresh(), &tags(&["t", "u"]));
        server.ask(&["SAVE"]);
        let lasting = server.number(&["DBSIZE"]);
        assert_eq!(lasting, before, "{:?}", server.keys());
    }
}

/// A server that was demoted and promoted again, behind the back of a connection.
#[test]
fn a_connection_of_another_term_is_of_no_use() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "t", &t);
    server.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    server.ask(&["REPLICAOF", "NO", "ONE"]);
    // A write verifies the term, and begins an epoch in the new one.
    quarantine(&store, WriterId::fresh(), &t);
    assert!(!gate(&store, Databases::One(space())));
}

/// The same, seen by a reader on a connection that nobody used meanwhile.
#[test]
fn a_reader_verifies_the_term_of_its_connection() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "t", &t);
    assert!(hits(&store, "t", &t));
    server.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    server.ask(&["REPLICAOF", "NO", "ONE"]);
    assert!(matches!(look(&store, &key("t"), &t), Judgement::Closed));
}

#[test]
fn a_demoted_server_is_not_read() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "t", &t);
    server.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    let error = store.fetch(&ask(&key("t"), &t)).unwrap_err();
    assert!(error.to_string().contains("replica"), "{error}");
}

#[test]
fn who_cannot_quarantine_cannot_hit() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "t", &t);
    server.ask(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let error = store.fetch(&ask(&key("t"), &t)).unwrap_err();
    assert!(error.to_string().contains("NOREPLICAS"), "{error}");
    let key = key("t");
    let plain = Ask::entry(&key, &t, Databases::One(space()));
    assert!(store.fetch(&plain).is_err());
    assert!(store.recall(&key, &[]).is_err());
    server.ask(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    assert!(hits(&store, "t", &t));
}

#[test]
fn namespaces_share_nothing() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "t", &t);
    let mut options = options();
    options.namespace = "a}b".to_owned();
    let other = RedisBackend::connect(&server.url(), options).unwrap();
    assert!(!gate(&other, Databases::None));
    open(&other);
    fill(&other, "t", &t);
    store.renew(&t).unwrap();
    assert!(hits(&other, "t", &t) && !hits(&store, "t", &t));
}
