//! A master that sentinels name, before, during and after a failover.

use std::thread;
use std::time::{Duration, Instant};

use diesel_cache::backend::conformance;
use diesel_cache::backend::{Ask, CacheBackend, Databases, RedisBackend};
use diesel_cache::database::TagSpace;
use diesel_cache::entry::{Entry, Payload};
use diesel_cache::key::{Key, ValueParts};
use diesel_cache::protocol::{Judgement, judge};
use diesel_cache::tag::Tag;
use diesel_cache::token::{Opening, ProcessId};
use diesel_cache_faults::RedisSentinels;
use diesel_cache_stores::{connect, joined, options, variable};

diesel_cache::conformance_tests!(|namespace: &str| {
    let urls = variable("CACHE_TEST_REDIS_SENTINEL_URLS");
    let name = variable("CACHE_TEST_REDIS_SENTINEL_NAME");
    connect(
        &joined("redis+sentinel", &urls, &format!("/{name}")),
        namespace,
    )
});

/// What was stored on the old master is not served by the new one, though that has all of it;
/// and the new one then keeps every promise.
#[test]
fn a_promoted_replica_is_an_empty_store() {
    let all = RedisSentinels::start(&[]).unwrap();
    let path = format!("/{}", all.name());
    let url = joined("redis+sentinel", &all.urls().join(","), &path);
    let backend = connect(&url, "failover");
    let space = TagSpace::of(b"failover");
    let tags = [Tag::any(space, "t")];
    let key = Key::of_value(&ValueParts {
        name: "k",
        ..ValueParts::default()
    });
    let epoch = open(&backend, space);
    let ask = Ask::tokens(&tags, Databases::One(space));
    let Judgement::Miss(vector) = judge(backend.fetch(&ask).unwrap(), &tags) else {
        panic!("no tokens");
    };
    let now = Instant::now();
    let hour = Duration::from_secs(3600);
    let entry = Entry {
        tags: tags.into(),
        vector,
        payload: Payload::Bytes((*b"old").into()),
        weight: 3,
        expires_at: now + hour,
        lifetime: hour,
        stale_until: now + hour,
        not_after: None,
        removed_with: [].into(),
    };
    backend.put(key.clone(), entry, None).unwrap();
    let read = || {
        let ask = Ask::entry(&key, &tags, Databases::One(space));
        backend.fetch(&ask).map(|fetched| judge(fetched, &tags))
    };
    assert!(matches!(read(), Ok(Judgement::Hit(_))));
    // The replica has it all.
    let [_, replica] = all.servers();
    let size = || replica.command(&["DBSIZE"]).unwrap().text().unwrap();
    until(|| size() != "0");

    all.fail_over().unwrap();
    assert_ne!(size(), "0");
    until(|| read().is_ok());
    assert!(matches!(read(), Ok(Judgement::Closed)), "{:?}", read());
    let now = open(&backend, space);
    assert_ne!(now, epoch);
    assert!(!matches!(read(), Ok(Judgement::Hit(_))), "{:?}", read());

    conformance::run(|namespace| RedisBackend::connect(&url, options(namespace)).unwrap());

    // The old master comes back as a replica, and does not split anything.
    let [old, _] = all.servers();
    old.restart().unwrap();
    // Whoever it was a master to is cut off then, and asks again.
    until(|| {
        let told = old.info("replication");
        told.is_ok_and(|told| told["role"] == "slave")
    });
    assert_eq!(open(&backend, space), now);
    let check = "readers_and_writers_at_once";
    conformance::check(check, |namespace| connect(&url, namespace)).unwrap();
}

fn open(backend: &RedisBackend, space: TagSpace) -> diesel_cache::token::Epoch {
    let epoch = backend.beat(ProcessId::fresh(), &[space]).unwrap().epoch;
    backend.open(epoch, space, Opening::fresh()).unwrap();
    epoch
}

fn until(mut ready: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !ready() {
        assert!(Instant::now() < limit, "waited for a minute");
        thread::sleep(Duration::from_millis(20));
    }
}
