//! What memory in front of a store saves.

use diesel_cache::backend::{TieredBackend, TieredOptions};
use std::time::Duration;

use super::*;

/// What the server has sent, in bytes.
fn sent(server: &RedisServer) -> u64 {
    let told = server.info("stats").unwrap();
    told["total_net_output_bytes"].parse().unwrap()
}

const LARGE: usize = 400_000;

/// Reads an entry many times; says what the server was asked, and what it sent.
fn reads(staleness: Duration) -> (Vec<String>, u64) {
    let server = RedisServer::start(&[]).unwrap();
    let mut options = TieredOptions::default();
    options.staleness = staleness;
    let store = TieredBackend::new(connect(&server.url(), NAMESPACE), options);
    let space = TagSpace::of(b"tiers");
    let epoch = store.beat(ProcessId::of(1), &[space]).unwrap().epoch;
    store.open(epoch, space, Opening::fresh()).unwrap();
    let tags = [Tag::any(space, "t")];
    let databases = Databases::One(space);
    let captured = store.fetch(&Ask::tokens(&tags, databases)).unwrap();
    let Judgement::Miss(vector) = judge(captured, &tags) else {
        panic!("no tokens");
    };
    let key = Key::of_value(&ValueParts::default());
    // What cannot be compressed.
    let bytes: Vec<u8> = (0..LARGE).map(|_| rand::random()).collect();
    store
        .put(key.clone(), entry(&tags, vector, &bytes), None)
        .unwrap();
    let read = || {
        let ask = Ask::entry(&key, &tags, databases);
        let fetched = store.fetch(&ask).unwrap();
        assert!(matches!(judge(fetched, &tags), Judgement::Hit(_)));
    };
    // The first brings it here.
    read();
    let mut watch = Watch::start(&server);
    let before = sent(&server);
    for _ in 0..50 {
        read();
    }
    let told = sent(&server) - before;
    // But for the questions of this test.
    let asked = watch.seen();
    let asked = asked.into_iter().filter(|asked| asked != "info stats");
    (asked.collect(), told)
}

#[test]
fn a_hit_that_is_validated_is_one_round_trip_without_the_rows() {
    let (asked, sent) = reads(Duration::ZERO);
    assert_eq!(asked.len(), 50, "{asked:?}");
    assert!(sent < LARGE as u64 / 2, "{sent}");
}

#[test]
fn a_hit_within_the_staleness_is_no_round_trip() {
    let (asked, _) = reads(Duration::from_secs(3600));
    assert!(asked.is_empty(), "{asked:?}");
}
