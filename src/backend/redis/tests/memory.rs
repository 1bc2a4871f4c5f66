//! A server's memory: bounded, full, and full of something else.

use super::*;
use crate::protocol::{Lift, TagState};

fn used(server: &Server) -> u64 {
    let info = server.text(&["INFO", "memory"]);
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    line.unwrap().trim().parse().unwrap()
}

/// Leaves the server less than it uses.
fn exhaust(server: &Server) {
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(server.refuses(&["SET", "filler", "x"]));
}

#[test]
fn a_full_server_serves_and_lifts_and_quarantines_and_stores_nothing() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let (t, u) = (tags(&["t"]), tags(&["u"]));
    fill(&store, "t", &t);
    fill(&store, "u", &u);
    exhaust(&server);
    assert!(hits(&store, "t", &t));
    let entry = entry(&t, capture(&store, &key("t"), &t), &[1; 100]);
    assert_eq!(store.put(key("new"), entry, None).unwrap(), Put::TooLarge);
    // Nobody makes tokens.
    let fetched = store.fetch(&ask(&key("v"), &tags(&["v"]))).unwrap();
    assert_eq!(*fetched.states, [TagState::Missing]);
    // A quarantine that is not in the store would let others hit.
    let writer = WriterId::fresh();
    quarantine(&store, writer, &t);
    assert!(matches!(
        look(&store, &key("t"), &t),
        Judgement::Quarantined
    ));
    store.lift(writer, &t, Lift::Renew).unwrap();
    assert!(!hits(&store, "t", &t));
    store.renew(&u).unwrap();
    assert!(!hits(&store, "u", &u));
    assert!(store.beat(ProcessId::of(1), &[space()]).is_ok());
    assert_eq!(store.breaker(), BreakerState::Closed);
}

#[test]
fn eviction_takes_entries_and_tokens_and_no_quarantine() {
    let server = Server::start(&["--maxmemory-policy", "volatile-lru"]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    let writer = WriterId::fresh();
    quarantine(&store, writer, &t);
    let limit = used(&server) + (3 << 20);
    server.ask(&["CONFIG", "SET", "maxmemory", &limit.to_string()]);
    for n in 0..400 {
        let (name, table) = (n.to_string(), tags(&[&format!("t{n}")]));
        let key = key(&name);
        if let Judgement::Miss(vector) = look(&store, &key, &table) {
            let noise: Vec<u8> = (0..20_000).map(|_| rand::random()).collect();
            let _ = store.put(key, entry(&table, vector, &noise), None).unwrap();
        }
    }
    let evicted = server.text(&["INFO", "stats"]);
    let evicted = evicted
        .lines()
        .find_map(|line| line.strip_prefix("evicted_keys:"));
    assert!(
        evicted.unwrap().trim().parse::<u64>().unwrap() > 50,
        "{evicted:?}"
    );
    assert!(matches!(
        look(&store, &key("t"), &t),
        Judgement::Quarantined
    ));
    assert_eq!(store.holders(&t).unwrap().len(), 1);
    assert!(
        store
            .fetch(&Ask::tokens(&[], Databases::One(space())))
            .unwrap()
            .gate
            .is_some()
    );
}

#[test]
fn invalidations_leave_the_memory_where_it_was() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t", "u", "v"]);
    fill(&store, "t", &t);
    let mut before = 0;
    for n in 0..3000 {
        let writer = WriterId::fresh();
        quarantine(&store, writer, &t);
        let how = if n % 2 == 0 {
            Lift::Renew
        } else {
            Lift::Restore
        };
        store.lift(writer, &t, how).unwrap();
        fill(&store, "t", &t);
        store.renew(&t).unwrap();
        if n == 500 {
            before = server.number(&["DBSIZE"]);
        }
    }
    assert_eq!(server.number(&["DBSIZE"]), before);
}

#[test]
fn garbage_is_no_entry_and_no_token() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "k", &t);
    let spoil = |of: &str, script: &str| {
        let keys = kind(of);
        let script = format!(
            "local n = 0 for _, k in ipairs(redis.call('KEYS', '{keys}')) do {script} n = n + 1 end return n"
        );
        assert_eq!(
            server.ask(&["EVAL", &script, "0"]),
            redis::Value::Int(1),
            "{of}"
        );
    };
    for script in [
        "redis.call('SET', k, 'garbage')",
        "redis.call('SET', k, '')",
        "redis.call('SET', k, string.rep('x', 1000))",
        "redis.call('SET', k, 'dcE\\1' .. string.rep('\\255', 500))",
        "redis.call('SET', k, string.rep('x', 5000000))",
        "redis.call('DEL', k) redis.call('HSET', k, 'a', 'b')",
        "redis.call('SET', k, string.sub(redis.call('GET', k), 1, 100))",
    ] {
        spoil("e", script);
        assert!(!hits(&store, "k", &t), "{script}");
        assert!(
            store.recall(&key("k"), &[]).unwrap().entry.is_none(),
            "{script}"
        );
        assert!(!store.touch(&key("k"), Instant::now()).unwrap());
        fill(&store, "k", &t);
        assert!(hits(&store, "k", &t), "{script}");
    }
    spoil("c", "redis.call('SET', k, 'garbage')");
    assert!(!hits(&store, "k", &t));
    store.renew(&t).unwrap();
    fill(&store, "k", &t);
    spoil("c", "redis.call('DEL', k) redis.call('HSET', k, 'a', 'b')");
    assert!(!hits(&store, "k", &t));
    let writer = WriterId::fresh();
    quarantine(&store, writer, &t);
    store.lift(writer, &t, Lift::Renew).unwrap();
    fill(&store, "k", &t);
    assert!(hits(&store, "k", &t));
    // A gate of another kind keeps everybody out, and nobody from reading the database.
    let gate = server
        .keys()
        .into_iter()
        .find(|key| key.ends_with(":gate"))
        .unwrap();
    server.ask(&["SET", &gate, "garbage"]);
    assert!(store.fetch(&ask(&key("k"), &t)).is_err());
}
