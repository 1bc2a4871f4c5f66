//! Further tags of an entry, and tags that are wanted also.

use super::*;
use crate::backend::EncryptionKey;
use crate::backend::Lease;
use crate::protocol::{Fetched, Further, Leased, Lift, TagState};

/// What is fetched under the name `k`, with a lease if one is wanted.
fn fetched(store: &RedisBackend, asked: &[Tag], holder: Option<u64>) -> Fetched {
    let key = key("k");
    let ask = Ask {
        lease: holder.map(|holder| Lease {
            holder: ProcessId::of(holder),
            patience: Duration::from_secs(60),
        }),
        ..Ask::entry(&key, asked, Databases::One(space()))
    };
    store.fetch(&ask).unwrap()
}

fn further(store: &RedisBackend, asked: &[Tag]) -> Further {
    fetched(store, asked, None).further
}

#[test]
fn one_letter_tells_how_all_further_tags_stand() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t", "u", "v", "w"]);
    assert_eq!(further(&store, &t[..1]), Further::None);
    fill(&store, "k", &t);
    assert_eq!(further(&store, &t), Further::None);
    for asked in 0..4 {
        assert_eq!(further(&store, &t[..asked]), Further::Current);
        assert!(hits(&store, "k", &t[..asked]));
    }
    for other in [&["u"][..], &["t", "v"], &["t", "u", "v", "w", "x"]] {
        assert_eq!(further(&store, &tags(other)), Further::None, "{other:?}");
        assert!(!hits(&store, "k", &tags(other)), "{other:?}");
    }
    let writer = WriterId::fresh();
    quarantine(&store, writer, &t[3..]);
    assert_eq!(further(&store, &t[..1]), Further::Quarantined);
    store.renew(&t[1..2]).unwrap();
    assert_eq!(further(&store, &t[..1]), Further::Quarantined);
    store.lift(writer, &t[3..], Lift::Restore).unwrap();
    assert_eq!(further(&store, &t[..1]), Further::Outdated);
    // With another token it is outdated, too.
    capture(&store, &key("other"), &t);
    assert_eq!(further(&store, &t[..1]), Further::Outdated);
    assert!(!hits(&store, "k", &t[..1]));
    // The last of them alone.
    fill(&store, "k", &t);
    store.renew(&t[3..]).unwrap();
    assert_eq!(further(&store, &t[..1]), Further::Outdated);
    assert!(!hits(&store, "k", &t[..1]));
}

#[test]
fn what_is_under_another_generation_or_cannot_be_read_has_no_further_tags() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t", "u"]);
    fill(&store, "k", &t);
    let mut keyed = options();
    keyed.encryption_key = EncryptionKey::from_hex(&"0f".repeat(32));
    let other = RedisBackend::connect(&server.url(), keyed).unwrap();
    assert_eq!(further(&other, &t[..1]), Further::None);
    assert_eq!(further(&store, &t[..1]), Further::Current);
    store.clear().unwrap();
    assert_eq!(further(&store, &t[..1]), Further::None);
    fill(&store, "k", &t);
    store.close(Some(space())).unwrap();
    let closed = fetched(&store, &t[..1], Some(1));
    assert!(closed.gate.is_none() && closed.leased == Leased::NotAsked);
    assert!(matches!(judge(closed, &t[..1]), Judgement::Closed));
}

#[test]
fn the_lease_agrees_with_the_judgement() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t", "u", "v"]);
    let asked = &t[..2];
    fill(&store, "k", &t);
    let leased = || fetched(&store, asked, Some(1)).leased;
    assert_eq!(leased(), Leased::NotAsked);
    let writer = WriterId::fresh();
    quarantine(&store, writer, &t[2..]);
    assert_eq!(leased(), Leased::NotAsked);
    store.lift(writer, &t[2..], Lift::Restore).unwrap();
    assert_eq!(leased(), Leased::NotAsked);
    store.renew(&t[2..]).unwrap();
    assert_eq!(leased(), Leased::Granted);
    assert_eq!(fetched(&store, asked, Some(2)).leased, Leased::Taken);
    store.release(&key("k"), ProcessId::of(1)).unwrap();
    // One that has expired is made anew, but not under a quarantine.
    let mut old = entry(&t, capture(&store, &key("other"), &t), b"k");
    old.expires_at = Instant::now();
    store.put(key("k"), old, None).unwrap();
    quarantine(&store, writer, &t[2..]);
    assert_eq!(leased(), Leased::NotAsked);
    store.lift(writer, &t[2..], Lift::Restore).unwrap();
    assert_eq!(leased(), Leased::Granted);
}

#[test]
fn what_is_wanted_also_is_told_and_has_no_say() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t", "u"]);
    fill(&store, "k", &t);
    let wanted = tags(&["x", "u", "x", "y"]);
    quarantine(&store, WriterId::fresh(), &wanted[3..]);
    let key = key("k");
    let fetch = |asked, establish| {
        let ask = Ask {
            also: &wanted,
            establish,
            lease: Some(Lease {
                holder: ProcessId::of(1),
                patience: Duration::from_secs(60),
            }),
            ..Ask::entry(&key, asked, Databases::One(space()))
        };
        store.fetch(&ask).unwrap()
    };
    let (gone, held) = (TagState::Missing, TagState::Quarantined);
    let found = fetch(&t, false);
    assert_eq!(found.also[..], [gone, found.states[1], gone, held]);
    assert_eq!(found.leased, Leased::NotAsked);
    let found = fetch(&t[..1], true);
    assert_eq!(found.further, Further::Current);
    let x = found.also[0];
    assert!(matches!(x, TagState::Clean(_)));
    assert_eq!((found.also[2], found.also[3]), (x, held));
    assert_eq!(fetch(&t, false).also[0], x);
    assert!(matches!(judge(found, &t[..1]), Judgement::Hit(_)));
    // Nor where there is something to make.
    store.renew(&t[1..]).unwrap();
    assert_eq!(fetch(&t[..1], false).leased, Leased::Granted);
}

/// More than one call of the server's may be asked for.
#[test]
fn thousands_of_further_tags_and_of_others_are_looked_up() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let names: Vec<_> = (0..2500).map(|n| n.to_string()).collect();
    let t: Arc<[Tag]> = names.iter().map(|name| tag(name)).collect();
    fill(&store, "k", &t);
    assert_eq!(further(&store, &t[..2]), Further::Current);
    let ask = Ask {
        also: &t[1..],
        ..Ask::tokens(&t[..1], Databases::One(space()))
    };
    let found = store.fetch(&ask).unwrap();
    let all: Vec<_> = found.states.iter().chain(&found.also).copied().collect();
    let held = store.recall(&key("k"), &[]).unwrap().states;
    assert_eq!(*all, *held);
    store.renew(&t[2499..]).unwrap();
    assert_eq!(further(&store, &t[..2]), Further::Outdated);
}
