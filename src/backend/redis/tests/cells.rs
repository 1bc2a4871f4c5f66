//! Tags: captured, quarantined, lifted.

use super::*;
use crate::backend::Writer;
use crate::protocol::{Lift, TagState};

fn states(store: &RedisBackend, tags: &[Tag]) -> Vec<TagState> {
    let ask = Ask {
        establish: false,
        ..Ask::tokens(tags, Databases::One(space()))
    };
    store.fetch(&ask).unwrap().states.to_vec()
}

#[test]
fn what_is_put_is_hit_under_its_own_key_alone() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t", "u"]);
    fill(&store, "one", &t);
    assert!(hits(&store, "one", &t));
    assert!(!hits(&store, "two", &t));
    assert!(!hits(&store, "one", &tags(&["u"])));
}

#[test]
fn a_quarantine_blocks_until_the_lift_and_renews() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let (t, u) = (tags(&["t"]), tags(&["u"]));
    fill(&store, "t", &t);
    fill(&store, "u", &u);
    let writer = WriterId::fresh();
    quarantine(&store, writer, &t);
    assert_eq!(states(&store, &t), [TagState::Quarantined]);
    assert!(matches!(
        look(&store, &key("new"), &t),
        Judgement::Quarantined
    ));
    assert!(hits(&store, "u", &u));
    store.lift(writer, &t, Lift::Renew).unwrap();
    assert_eq!(states(&store, &t), [TagState::Missing]);
    assert!(!hits(&store, "t", &t));
    fill(&store, "t", &t);
    assert!(hits(&store, "t", &t));
}

#[test]
fn a_restored_quarantine_changes_nothing() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t", "new"]);
    fill(&store, "t", &tags(&["t"]));
    let writer = WriterId::fresh();
    quarantine(&store, writer, &t);
    store.lift(writer, &t, Lift::Restore).unwrap();
    assert!(hits(&store, "t", &tags(&["t"])));
    // What had no token has none.
    assert_eq!(states(&store, &t)[1], TagState::Missing);
}

#[test]
fn the_last_of_several_writers_makes_a_tag_clean() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "t", &t);
    let (one, two) = (WriterId::fresh(), WriterId::fresh());
    quarantine(&store, one, &t);
    quarantine(&store, two, &t);
    // The same writer twice is one writer.
    quarantine(&store, one, &t);
    store.lift(one, &t, Lift::Renew).unwrap();
    assert_eq!(states(&store, &t), [TagState::Quarantined]);
    store.lift(two, &t, Lift::Restore).unwrap();
    // The first wrote.
    assert_eq!(states(&store, &t), [TagState::Missing]);
}

#[test]
fn two_writers_that_wrote_nothing_restore() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "t", &t);
    let (one, two) = (WriterId::fresh(), WriterId::fresh());
    quarantine(&store, one, &t);
    quarantine(&store, two, &t);
    store.lift(one, &t, Lift::Restore).unwrap();
    assert_eq!(states(&store, &t), [TagState::Quarantined]);
    store.lift(two, &t, Lift::Restore).unwrap();
    assert!(hits(&store, "t", &t));
}

#[test]
fn a_lift_that_finds_nothing_renews() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "t", &t);
    store.lift(WriterId::fresh(), &t, Lift::Restore).unwrap();
    assert_eq!(states(&store, &t), [TagState::Missing]);
    // Nor does it end another's quarantine, but that one's tokens are new.
    fill(&store, "t", &t);
    let writer = WriterId::fresh();
    quarantine(&store, writer, &t);
    store.lift(WriterId::fresh(), &t, Lift::Restore).unwrap();
    assert_eq!(states(&store, &t), [TagState::Quarantined]);
    store.lift(writer, &t, Lift::Restore).unwrap();
    assert_eq!(states(&store, &t), [TagState::Missing]);
}

#[test]
fn a_lift_ends_all_that_the_writer_holds() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let writer = WriterId::fresh();
    quarantine(&store, writer, &tags(&["t"]));
    quarantine(&store, writer, &tags(&["u", "t"]));
    assert_eq!(
        store.holders(&tags(&["u"])).unwrap()[0].tags,
        *tags(&["t", "u"])
    );
    store.lift(writer, &[], Lift::Renew).unwrap();
    let both = tags(&["t", "u"]);
    assert_eq!(states(&store, &both), [TagState::Missing; 2]);
    assert!(store.holders(&both).unwrap().is_empty());
    assert!(store.beat(ProcessId::of(1), &[]).unwrap().mine.is_empty());
}

#[test]
fn a_renewal_kills_tokens_and_no_quarantine() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "t", &t);
    store.renew(&t).unwrap();
    assert!(!hits(&store, "t", &t));
    fill(&store, "t", &t);
    let writer = WriterId::fresh();
    quarantine(&store, writer, &t);
    store.renew(&t).unwrap();
    assert_eq!(states(&store, &t), [TagState::Quarantined]);
    store.lift(writer, &t, Lift::Restore).unwrap();
    assert!(!hits(&store, "t", &t));
}

#[test]
fn a_fill_that_was_overtaken_is_refused() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t", "u"]);
    let put = |vector| {
        let entry = entry(&t, vector, b"old");
        store.put(key("k"), entry, None).unwrap()
    };
    let vector = capture(&store, &key("k"), &t);
    store.renew(&tags(&["u"])).unwrap();
    assert_eq!(put(vector.clone()), Put::Outdated);
    // Nor with another token in its place.
    capture(&store, &key("k"), &t);
    assert_eq!(put(vector), Put::Outdated);
    let vector = capture(&store, &key("k"), &t);
    quarantine(&store, WriterId::fresh(), &tags(&["t"]));
    assert_eq!(put(vector), Put::Outdated);
}

#[test]
fn a_tag_that_is_asked_for_twice_has_one_token() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t", "u", "t"]);
    fill(&store, "k", &t);
    assert!(hits(&store, "k", &t));
}

#[test]
fn many_tags_are_one_round_trip() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let names: Vec<String> = (0..9000).map(|n| n.to_string()).collect();
    let many: Arc<[Tag]> = names.iter().map(|name| tag(name)).collect();
    let before = server.calls("evalsha") + server.calls("eval");
    fill(&store, "k", &many);
    assert!(hits(&store, "k", &many));
    let writer = WriterId::fresh();
    quarantine(&store, writer, &many);
    store.lift(writer, &many, Lift::Restore).unwrap();
    assert!(hits(&store, "k", &many));
    // Three reads, one store and two for the write; each script may have had to be loaded.
    let after = server.calls("evalsha") + server.calls("eval");
    assert!((6..=10).contains(&(after - before)), "{}", after - before);
}

#[test]
fn a_quarantine_has_no_end_and_a_token_has_one() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    capture(&store, &key("k"), &t);
    let ttl = || {
        let keys = kind("c");
        let script = format!(
            "local n = {{}} for _, k in ipairs(redis.call('KEYS', '{keys}')) do \
             n[#n + 1] = redis.call('PTTL', k) end return {{ #n, n[1] }}"
        );
        match server.ask(&["EVAL", &script, "0"]) {
            redis::Value::Array(found) => {
                assert_eq!(found[0], redis::Value::Int(1));
                found[1].clone()
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(
        matches!(ttl(), redis::Value::Int(1..=600_000)),
        "{:?}",
        ttl()
    );
    let writer = WriterId::fresh();
    quarantine(&store, writer, &t);
    assert_eq!(ttl(), redis::Value::Int(-1));
    store.lift(writer, &t, Lift::Restore).unwrap();
    assert!(matches!(ttl(), redis::Value::Int(1..=600_000)));
    // An entry that lives longer takes its tokens along.
    let mut long = entry(&t, capture(&store, &key("k"), &t), b"long");
    long.expires_at = Instant::now() + Duration::from_secs(7200);
    assert_eq!(store.put(key("k"), long, None).unwrap(), Put::Stored);
    assert!(
        matches!(ttl(), redis::Value::Int(7_100_000..)),
        "{:?}",
        ttl()
    );
}

#[test]
fn holders_are_known_with_all_they_said() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let (one, two) = (WriterId::fresh(), WriterId::fresh());
    quarantine(&store, one, &tags(&["t", "u"]));
    let other = Writer {
        id: two,
        process: ProcessId::of(0xfeed),
        space: None,
        session: None,
    };
    store.quarantine(&other, &tags(&["u"])).unwrap();
    let mut holders = store.holders(&tags(&["u", "t", "v"])).unwrap();
    holders.sort_by_key(|holder| holder.process);
    assert_eq!(holders.len(), 2);
    assert_eq!(holders[0].writer, one);
    assert_eq!(holders[0].space, Some(space()));
    assert_eq!(holders[0].session.as_deref(), Some("7"));
    assert_eq!(holders[0].tags, *tags(&["t", "u"]));
    assert_eq!(holders[1].writer, two);
    assert_eq!(holders[1].process, ProcessId::of(0xfeed));
    assert_eq!((holders[1].space, &holders[1].session), (None, &None));
    assert_eq!(store.beat(ProcessId::of(0xfeed), &[]).unwrap().mine, [two]);
    assert!(store.holders(&tags(&["v"])).unwrap().is_empty());
}
