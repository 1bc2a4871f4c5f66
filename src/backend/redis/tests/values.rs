//! Entries: recalled, added, touched, removed, purged; and leases on them.

use super::*;
use crate::backend::EncryptionKey;
use crate::backend::Lease;
use crate::protocol::Leased;

fn lease(store: &RedisBackend, name: &str, tags: &[Tag], holder: u64) -> Leased {
    let key = key(name);
    let ask = Ask {
        lease: Some(Lease {
            holder: ProcessId::of(holder),
            patience: Duration::from_secs(60),
        }),
        ..ask(&key, tags)
    };
    store.fetch(&ask).unwrap().leased
}

/// A valid entry that ends then.
fn ending(store: &RedisBackend, name: &str, tags: &Arc<[Tag]>, after: Duration) -> Entry {
    let mut entry = entry(tags, capture(store, &key(name), tags), name.as_bytes());
    entry.expires_at = Instant::now() + after;
    entry.stale_until = entry.expires_at;
    entry
}

fn valid(store: &RedisBackend, name: &str) -> bool {
    let recalled = store.recall(&key(name), &[]).unwrap();
    recalled
        .entry
        .is_some_and(|entry| entry.expires_at > Instant::now())
}

#[test]
fn a_recalled_entry_brings_its_own_tags() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let none = store.recall(&key("k"), &[]).unwrap();
    assert!(none.entry.is_none() && none.states.is_empty() && none.gate.is_some());
    let t = tags(&["t", "u"]);
    fill(&store, "k", &t);
    let recalled = store.recall(&key("k"), &[]).unwrap();
    let found = recalled.entry.clone().unwrap();
    assert_eq!(*found.tags, *t);
    assert!(matches!(judge(recalled, &t), Judgement::Hit(_)));
    store.renew(&tags(&["u"])).unwrap();
    let recalled = store.recall(&key("k"), &[]).unwrap();
    assert!(!matches!(judge(recalled, &t), Judgement::Hit(_)));
    // Its databases are not known, so all that the asker has must be open.
    let closed = [TagSpace::of(b"closed")];
    assert!(store.recall(&key("k"), &closed).unwrap().gate.is_none());
}

#[test]
fn what_is_stored_comes_back_as_it_was() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    let mut stored = entry(&t, capture(&store, &key("k"), &t), &[7; 5000]);
    stored.removed_with = tags(&["r", "s"]);
    stored.not_after = Some(Instant::now() + Duration::from_secs(500));
    stored.stale_until = Instant::now() + Duration::from_secs(100);
    stored.lifetime = Duration::from_millis(1234);
    stored.weight = 77;
    store.put(key("k"), stored.clone(), None).unwrap();
    let found = store.recall(&key("k"), &[]).unwrap().entry.unwrap();
    let near =
        |a: Instant, b: Instant| a.max(b).duration_since(a.min(b)) < Duration::from_millis(1000);
    assert_eq!(found.tags, stored.tags);
    assert_eq!(found.vector, stored.vector);
    assert_eq!(found.removed_with, stored.removed_with);
    assert_eq!((found.weight, found.lifetime), (77, stored.lifetime));
    assert!(near(found.expires_at, stored.expires_at));
    assert!(near(found.stale_until, stored.stale_until));
    assert!(near(found.not_after.unwrap(), stored.not_after.unwrap()));
    assert!(matches!(found.payload, Payload::Bytes(bytes) if *bytes == [7; 5000]));
}

#[test]
fn only_a_valid_entry_is_in_the_way() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    let add = |name: &str| {
        let made = ending(&store, name, &t, Duration::from_secs(60));
        store.put_if_absent(key(name), made).unwrap()
    };
    assert_eq!(add("k"), Put::Stored);
    assert_eq!(add("k"), Put::Present);
    store.renew(&t).unwrap();
    assert_eq!(add("k"), Put::Stored);
    store.clear().unwrap();
    assert_eq!(add("k"), Put::Stored);
    let mut old = ending(&store, "old", &t, Duration::ZERO);
    old.stale_until = Instant::now() + Duration::from_secs(60);
    assert_eq!(store.put(key("old"), old, None).unwrap(), Put::Stored);
    assert_eq!(add("old"), Put::Stored);
    assert_eq!(add("old"), Put::Present);
}

#[test]
fn of_many_that_add_at_once_one_does() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    let vector = capture(&store, &key("k"), &t);
    let stored = std::thread::scope(|scope| {
        let adders: Vec<_> = (0..8)
            .map(|_| {
                let made = entry(&t, vector.clone(), b"k");
                let store = &store;
                scope.spawn(move || store.put_if_absent(key("k"), made).unwrap())
            })
            .collect();
        let puts = adders.into_iter().map(|adder| adder.join().unwrap());
        puts.filter(|put| *put == Put::Stored).count()
    });
    assert_eq!(stored, 1);
}

#[test]
fn a_touch_moves_the_end_of_a_valid_entry_and_no_further_than_its_limit() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    let end = |name: &str| {
        store
            .recall(&key(name), &[])
            .unwrap()
            .entry
            .unwrap()
            .expires_at
    };
    let later = Instant::now() + Duration::from_secs(1000);
    assert!(!store.touch(&key("k"), later).unwrap());
    fill(&store, "k", &t);
    assert!(store.touch(&key("k"), later).unwrap());
    assert!(end("k") > Instant::now() + Duration::from_secs(900));
    assert!(hits(&store, "k", &t));
    let mut limited = ending(&store, "limited", &t, Duration::from_secs(10));
    limited.not_after = Some(Instant::now() + Duration::from_secs(100));
    store.put(key("limited"), limited, None).unwrap();
    assert!(store.touch(&key("limited"), later).unwrap());
    assert!(end("limited") < Instant::now() + Duration::from_secs(101));
    assert!(end("limited") > Instant::now() + Duration::from_secs(90));
    // To an end that has come.
    assert!(store.touch(&key("k"), Instant::now()).unwrap());
    std::thread::sleep(Duration::from_millis(5));
    assert!(!valid(&store, "k"));
    assert!(!store.touch(&key("k"), later).unwrap());
    fill(&store, "k", &t);
    store.renew(&t).unwrap();
    assert!(!store.touch(&key("k"), later).unwrap());
}

#[test]
fn a_removed_entry_is_gone_and_says_whether_it_was_valid() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "k", &t);
    assert!(store.remove(&key("k")).unwrap());
    assert!(!store.remove(&key("k")).unwrap());
    fill(&store, "k", &t);
    store.renew(&t).unwrap();
    assert!(!store.remove(&key("k")).unwrap());
    assert!(store.recall(&key("k"), &[]).unwrap().entry.is_none());
}

/// The sizes of the sets of what is removed with a tag.
fn followed(server: &Server) -> Vec<i64> {
    let script = "local n = {} for _, k in ipairs(redis.call('KEYS', 'dc:*')) do \
                  if redis.call('TYPE', k).ok == 'zset' then n[#n + 1] = redis.call('ZCARD', k) end \
                  end return n";
    match server.ask(&["EVAL", script, "0"]) {
        redis::Value::Array(sizes) => sizes
            .iter()
            .map(|size| match size {
                redis::Value::Int(size) => *size,
                other => panic!("{other:?}"),
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_purge_removes_what_is_to_be_removed_and_nothing_else() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    let put = |name: &str, with: &[&str]| {
        let mut made = ending(&store, name, &t, Duration::from_secs(60));
        made.removed_with = tags(with);
        assert_eq!(store.put(key(name), made, None).unwrap(), Put::Stored);
    };
    for n in 0..1200 {
        put(&format!("r{n}"), &["r"]);
    }
    put("both", &["s", "r"]);
    put("other", &["s"]);
    put("plain", &[]);
    // What is stored under its key now is not what was to be removed.
    put("replaced", &["r"]);
    put("replaced", &["s"]);
    store.purge(&tag("r")).unwrap();
    for name in ["r0", "r600", "r1199", "both"] {
        assert!(!valid(&store, name), "{name}");
    }
    for name in ["other", "plain", "replaced"] {
        assert!(valid(&store, name), "{name}");
    }
    assert_eq!(followed(&server), [3], "the set is gone");
    store.purge(&tag("r")).unwrap();
    store.purge(&tag("s")).unwrap();
    assert!(!valid(&store, "other") && valid(&store, "plain"));
}

#[test]
fn a_set_forgets_entries_that_have_ended() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    let put = |name: &str, after| {
        let mut made = ending(&store, name, &t, after);
        made.removed_with = tags(&["r"]);
        store.put(key(name), made, None).unwrap();
    };
    for n in 0..50 {
        put(&n.to_string(), Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(20));
    put("last", Duration::from_secs(60));
    assert_eq!(followed(&server), [1]);
}

#[test]
fn one_of_several_gets_the_lease() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    assert_eq!(lease(&store, "k", &t, 1), Leased::Granted);
    assert_eq!(lease(&store, "k", &t, 2), Leased::Taken);
    // Asking again does not lose it.
    assert_eq!(lease(&store, "k", &t, 1), Leased::Granted);
    assert_eq!(lease(&store, "other", &t, 2), Leased::Granted);
    store.release(&key("k"), ProcessId::of(2)).unwrap();
    assert_eq!(lease(&store, "k", &t, 2), Leased::Taken);
    store.release(&key("k"), ProcessId::of(1)).unwrap();
    assert_eq!(lease(&store, "k", &t, 2), Leased::Granted);
}

#[test]
fn storing_ends_the_lease_also_if_it_is_refused() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    assert_eq!(lease(&store, "k", &t, 1), Leased::Granted);
    let made = ending(&store, "k", &t, Duration::from_secs(60));
    // Somebody else's store leaves it alone.
    store
        .put(key("k"), made.clone(), Some(ProcessId::of(2)))
        .unwrap();
    store.remove(&key("k")).unwrap();
    assert_eq!(lease(&store, "k", &t, 2), Leased::Taken);
    store.renew(&t).unwrap();
    let put = store.put(key("k"), made, Some(ProcessId::of(1))).unwrap();
    assert_eq!(put, Put::Outdated);
    assert_eq!(lease(&store, "k", &t, 2), Leased::Granted);
}

#[test]
fn nobody_gets_a_lease_where_nothing_could_be_stored_or_all_is_there() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "k", &t);
    assert_eq!(lease(&store, "k", &t, 1), Leased::NotAsked);
    quarantine(&store, WriterId::fresh(), &t);
    assert_eq!(lease(&store, "k", &t, 1), Leased::NotAsked);
    let u = tags(&["u"]);
    assert_eq!(lease(&store, "new", &u, 1), Leased::Granted);
    store.close(Some(space())).unwrap();
    assert_eq!(lease(&store, "newer", &u, 1), Leased::NotAsked);
}

#[test]
fn an_entry_that_has_expired_may_be_leased_and_is_still_there() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    let mut old = ending(&store, "k", &t, Duration::ZERO);
    old.stale_until = Instant::now() + Duration::from_secs(60);
    store.put(key("k"), old, None).unwrap();
    assert!(store.recall(&key("k"), &[]).unwrap().entry.is_some());
    assert_eq!(lease(&store, "k", &t, 1), Leased::Granted);
    assert_eq!(lease(&store, "k", &t, 2), Leased::Taken);
}

#[test]
fn what_cannot_be_read_is_none_and_is_made_anew() {
    let server = Server::start(&[]);
    let plain = open_store(&server);
    let t = tags(&["t"]);
    fill(&plain, "k", &t);
    let keyed = |digits: &str| {
        let mut options = options();
        options.encryption_key = EncryptionKey::from_hex(&digits.repeat(32));
        assert!(options.encryption_key.is_some());
        RedisBackend::connect(&server.url(), options).unwrap()
    };
    let (one, two) = (keyed("0f"), keyed("10"));
    for store in [&one, &two] {
        assert!(!hits(store, "k", &t));
        assert_eq!(lease(store, "k", &t, 9), Leased::Granted);
    }
    fill(&one, "k", &t);
    assert!(hits(&one, "k", &t));
    assert!(!hits(&two, "k", &t) && !hits(&plain, "k", &t));
}

#[test]
fn what_is_too_large_is_refused_and_its_lease_ended() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    assert_eq!(lease(&store, "k", &t, 1), Leased::Granted);
    let vector = capture(&store, &key("k"), &t);
    let large = entry(&t, vector, &vec![0; (1 << 20) + 1]);
    let put = store.put(key("k"), large, Some(ProcessId::of(1))).unwrap();
    assert_eq!(put, Put::TooLarge);
    assert_eq!(lease(&store, "k", &t, 2), Leased::Granted);
}
