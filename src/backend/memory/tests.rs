//! What the protocol asks of a backend, and what memory promises besides.

use std::time::{Duration, Instant};

use super::cells::SWEEP_EVERY;
use super::*;
use crate::backend::Databases;
use crate::database::{KeySpace, TagSpace};
use crate::dialect::Dialect;
use crate::entry::{Payload, Vector};
use crate::key::{KeyParts, RowForm};
use crate::protocol::{Judgement, judge};

fn key(sql: &str) -> Key {
    Key::new(&KeyParts {
        namespace: "",
        database: KeySpace([0; 16]),
        dialect: Dialect::Sqlite,
        session: &[0; 32],
        version: 0,
        versions: b"",
        scope: None,
        rows: (RowForm::Typed, ""),
        platform: b"",
        sql,
        binds: &[],
    })
}

fn writing<'a>(id: WriterId) -> Writer<'a> {
    Writer {
        id,
        process: ProcessId::of(0),
        space: None,
        session: None,
    }
}

fn tag(name: &str) -> Tag {
    Tag::any(TagSpace::of(b"test"), name)
}

fn tags(names: &[&str]) -> Arc<[Tag]> {
    names.iter().map(|name| tag(name)).collect()
}

/// What a read of `tags` under `key` would do.
fn look(backend: &MemoryBackend, key: &Key, tags: &[Tag]) -> Judgement {
    match judge(
        backend
            .fetch(&Ask::entry(key, tags, Databases::All(&[])))
            .unwrap(),
        tags,
    ) {
        Judgement::Establish => judge(
            backend
                .fetch(&Ask::tokens(tags, Databases::All(&[])))
                .unwrap(),
            tags,
        ),
        judgement => judgement,
    }
}

fn capture(backend: &MemoryBackend, key: &Key, tags: &[Tag]) -> Vector {
    match look(backend, key, tags) {
        Judgement::Miss(vector) => vector,
        other => panic!("nothing to capture: {other:?}"),
    }
}

fn entry(tags: &Arc<[Tag]>, vector: Vector, weight: usize) -> Entry {
    Entry {
        tags: Arc::clone(tags),
        vector,
        payload: Payload::Typed(Arc::new(())),
        weight,
        expires_at: Instant::now() + Duration::from_secs(60),
        lifetime: Duration::from_secs(60),
        stale_until: Instant::now() + Duration::from_secs(60),
        not_after: None,
        removed_with: Arc::from([]),
    }
}

fn fill(backend: &MemoryBackend, sql: &str, tags: &Arc<[Tag]>) {
    let key = key(sql);
    let vector = capture(backend, &key, tags);
    assert_eq!(
        backend.put(key, entry(tags, vector, 10), None).unwrap(),
        Put::Stored
    );
}

fn hits(backend: &MemoryBackend, sql: &str, tags: &[Tag]) -> bool {
    matches!(look(backend, &key(sql), tags), Judgement::Hit(_))
}

#[test]
fn a_quarantine_blocks_until_the_lift_and_renews() {
    let backend = MemoryBackend::new(1 << 20);
    let (t, u) = (tags(&["t"]), tags(&["u"]));
    fill(&backend, "t", &t);
    fill(&backend, "u", &u);
    let writer = WriterId::fresh();
    backend.quarantine(&writing(writer), &t).unwrap();
    assert!(matches!(
        look(&backend, &key("t"), &t),
        Judgement::Quarantined
    ));
    assert!(matches!(
        look(&backend, &key("new"), &t),
        Judgement::Quarantined
    ));
    assert!(hits(&backend, "u", &u));
    backend.lift(writer, &t, Lift::Renew).unwrap();
    assert!(!hits(&backend, "t", &t));
    fill(&backend, "t", &t);
    assert!(hits(&backend, "t", &t));
}

#[test]
fn a_restored_quarantine_changes_nothing() {
    let backend = MemoryBackend::new(1 << 20);
    let t = tags(&["t"]);
    fill(&backend, "t", &t);
    let writer = WriterId::fresh();
    backend.quarantine(&writing(writer), &t).unwrap();
    backend.lift(writer, &t, Lift::Restore).unwrap();
    assert!(hits(&backend, "t", &t));
}

#[test]
fn the_last_of_several_writers_makes_a_tag_clean() {
    let backend = MemoryBackend::new(1 << 20);
    let t = tags(&["t"]);
    fill(&backend, "t", &t);
    let (one, two) = (WriterId::fresh(), WriterId::fresh());
    backend.quarantine(&writing(one), &t).unwrap();
    backend.quarantine(&writing(two), &t).unwrap();
    // The same writer twice is one writer.
    backend.quarantine(&writing(one), &t).unwrap();
    backend.lift(one, &t, Lift::Renew).unwrap();
    assert!(matches!(
        look(&backend, &key("t"), &t),
        Judgement::Quarantined
    ));
    // The other wrote nothing, but the first did.
    backend.lift(two, &t, Lift::Restore).unwrap();
    assert!(!hits(&backend, "t", &t));
    fill(&backend, "t", &t);
}

#[test]
fn a_lift_that_finds_nothing_renews() {
    let backend = MemoryBackend::new(1 << 20);
    let t = tags(&["t"]);
    fill(&backend, "t", &t);
    backend.lift(WriterId::fresh(), &t, Lift::Restore).unwrap();
    assert!(!hits(&backend, "t", &t));
}

#[test]
fn renewing_a_quarantined_tag_keeps_the_quarantine() {
    let backend = MemoryBackend::new(1 << 20);
    let t = tags(&["t"]);
    fill(&backend, "t", &t);
    let writer = WriterId::fresh();
    backend.quarantine(&writing(writer), &t).unwrap();
    backend.renew(&t).unwrap();
    assert!(matches!(
        look(&backend, &key("t"), &t),
        Judgement::Quarantined
    ));
    backend.lift(writer, &t, Lift::Restore).unwrap();
    assert!(!hits(&backend, "t", &t));
}

#[test]
fn a_late_fill_is_dead_on_arrival() {
    let backend = MemoryBackend::new(1 << 20);
    let t = tags(&["t", "u"]);
    let key = key("t");
    let vector = capture(&backend, &key, &t);
    backend.renew(&tags(&["u"])).unwrap();
    let put = backend
        .put(key.clone(), entry(&t, vector.clone(), 10), None)
        .unwrap();
    assert_eq!(put, Put::Outdated);
    // One that captured before a writer that is still at work, too.
    let vector = capture(&backend, &key, &t);
    let writer = WriterId::fresh();
    backend.quarantine(&writing(writer), &tags(&["u"])).unwrap();
    backend
        .put(key.clone(), entry(&t, vector, 10), None)
        .unwrap();
    assert!(matches!(look(&backend, &key, &t), Judgement::Quarantined));
    backend.lift(writer, &tags(&["u"]), Lift::Renew).unwrap();
    assert!(matches!(look(&backend, &key, &t), Judgement::Miss(_)));
}

#[test]
fn a_fill_from_before_a_clear_is_dead() {
    let backend = MemoryBackend::new(1 << 20);
    let t = tags(&["t"]);
    let key = key("t");
    let vector = capture(&backend, &key, &t);
    backend.clear().unwrap();
    backend.put(key, entry(&t, vector, 10), None).unwrap();
    assert!(!hits(&backend, "t", &t));
}

#[test]
fn a_quarantine_survives_clear() {
    let backend = MemoryBackend::new(1 << 20);
    let t = tags(&["t"]);
    backend.quarantine(&writing(WriterId::fresh()), &t).unwrap();
    backend.clear().unwrap();
    assert!(matches!(
        look(&backend, &key("t"), &t),
        Judgement::Quarantined
    ));
}

#[test]
fn other_tags_than_the_entrys_do_not_hit() {
    let backend = MemoryBackend::new(1 << 20);
    fill(&backend, "q", &tags(&["t"]));
    assert!(!hits(&backend, "q", &tags(&["t", "u"])));
    assert!(!hits(&backend, "q", &tags(&["u"])));
}

/// What a fetch tells of the tags that the entry has after these.
fn further(backend: &MemoryBackend, sql: &str, tags: &[Tag]) -> Further {
    let key = key(sql);
    let ask = Ask::entry(&key, tags, Databases::All(&[]));
    backend.fetch(&ask).unwrap().further
}

#[test]
fn a_hit_of_an_entry_with_further_tags_takes_no_lock() {
    let backend = MemoryBackend::new(1 << 20);
    let names: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let t = tags(&names);
    fill(&backend, "q", &t);
    let writer = WriterId::fresh();
    let locked = backend.cells();
    // It would wait for itself.
    assert!(matches!(
        judge(
            backend
                .fetch(&Ask::entry(&key("q"), &t[..3], Databases::All(&[])))
                .unwrap(),
            &t[..3]
        ),
        Judgement::Hit(_)
    ));
    drop(locked);
    backend.quarantine(&writing(writer), &t[200..201]).unwrap();
    let locked = backend.cells();
    assert_eq!(further(&backend, "q", &t[..3]), Further::Quarantined);
    drop(locked);
    backend.lift(writer, &t[200..201], Lift::Renew).unwrap();
    assert_eq!(further(&backend, "q", &t[..3]), Further::Outdated);
}

#[test]
fn a_dead_cell_says_nothing_of_a_further_tag() {
    let backend = MemoryBackend::new(1 << 20);
    let t = tags(&["t", "u", "v"]);
    fill(&backend, "q", &t);
    backend.renew(&t[1..2]).unwrap();
    assert_eq!(further(&backend, "q", &t[..1]), Further::Outdated);
    // Its tag has another cell now.
    capture(&backend, &key("new"), &t);
    assert_eq!(further(&backend, "q", &t[..1]), Further::Outdated);
    let writer = WriterId::fresh();
    backend.quarantine(&writing(writer), &t[1..2]).unwrap();
    assert_eq!(further(&backend, "q", &t[..1]), Further::Quarantined);
    backend.lift(writer, &t[1..2], Lift::Restore).unwrap();
    assert_eq!(further(&backend, "q", &t[..1]), Further::Outdated);
}

#[test]
fn a_sweep_leaves_the_cells_of_further_tags() {
    let backend = MemoryBackend::new(1 << 20);
    let t = tags(&["t", "u", "v"]);
    fill(&backend, "q", &t);
    backend.cells().sweep();
    assert_eq!(backend.usage().tags, 3);
    assert_eq!(further(&backend, "q", &t[..1]), Further::Current);
    backend.remove(&key("q")).unwrap();
    backend.cells().sweep();
    assert_eq!(backend.usage().tags, 0);
}

#[test]
fn an_entry_without_a_token_for_each_tag_is_refused() {
    let backend = MemoryBackend::new(1 << 20);
    let t = tags(&["t", "u", "v"]);
    let vector = capture(&backend, &key("q"), &t);
    for (tags, tokens) in [(3, 2), (2, 3), (3, 0), (0, 1)] {
        let mut short = vector.clone();
        short.tokens = vector.tokens[..tokens].into();
        let made = entry(&Arc::from(&t[..tags]), short, 10);
        let put = backend.put(key("q"), made.clone(), None).unwrap();
        assert_eq!(put, Put::Outdated, "{tokens} tokens of {tags} tags");
        let put = backend.put_if_absent(key("q"), made).unwrap();
        assert_eq!(put, Put::Outdated, "{tokens} tokens of {tags} tags");
    }
    assert_eq!(backend.usage().entries, 0);
}

#[test]
fn nothing_grows_with_invalidations() {
    let backend = MemoryBackend::new(1 << 20);
    for round in 0..50_000_u32 {
        let t = tags(&[&round.to_string()]);
        let writer = WriterId::fresh();
        backend.quarantine(&writing(writer), &t).unwrap();
        backend.lift(writer, &t, Lift::Renew).unwrap();
        // Captured, but never stored.
        backend
            .fetch(&Ask::tokens(&t, Databases::All(&[])))
            .unwrap();
    }
    assert!(
        backend.usage().tags <= 2 * SWEEP_EVERY as u64,
        "{:?}",
        backend.usage()
    );
    assert!(backend.cells().held() == 0);
}

#[test]
fn the_sweep_spares_what_is_quarantined_or_stored() {
    let backend = MemoryBackend::new(1 << 20);
    let (held, stored) = (tags(&["held"]), tags(&["stored"]));
    fill(&backend, "stored", &stored);
    backend
        .quarantine(&writing(WriterId::fresh()), &held)
        .unwrap();
    backend.cells().sweep();
    assert!(matches!(
        look(&backend, &key("x"), &held),
        Judgement::Quarantined
    ));
    assert!(hits(&backend, "stored", &stored));
}

#[test]
fn the_capacity_bounds_what_is_held() {
    let backend = MemoryBackend::new(64 << 10);
    let t = tags(&["t"]);
    for n in 0..2000 {
        let key = key(&n.to_string());
        let vector = capture(&backend, &key, &t);
        backend.put(key, entry(&t, vector, 1000), None).unwrap();
    }
    let usage = backend.usage();
    assert!(usage.bytes <= 64 << 10, "{usage:?}");
    assert!(usage.entries > 10 && usage.evictions > 1000, "{usage:?}");
    let key = key("large");
    let vector = capture(&backend, &key, &t);
    let put = backend.put(key, entry(&t, vector, 65 << 10), None).unwrap();
    assert_eq!(put, Put::TooLarge);
}

#[test]
fn readers_and_writers_at_once() {
    // A counter stands for the database: a read that hits must not return less than the
    // counter held when the read began.
    let backend = MemoryBackend::new(1 << 20);
    let database = AtomicU64::new(0);
    let committed = AtomicU64::new(0);
    let t = tags(&["t"]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let writer = WriterId::fresh();
                    backend.quarantine(&writing(writer), &t).unwrap();
                    let now = database.fetch_add(1, Ordering::SeqCst) + 1;
                    backend.lift(writer, &t, Lift::Renew).unwrap();
                    committed.fetch_max(now, Ordering::SeqCst);
                }
            });
        }
        for reader in 0..2 {
            let (backend, database, committed, t) = (&backend, &database, &committed, &t);
            scope.spawn(move || {
                let key = key(&reader.to_string());
                for _ in 0..40_000 {
                    let began = committed.load(Ordering::SeqCst);
                    match look(backend, &key, t) {
                        Judgement::Hit(entry) => {
                            let found = entry.payload.typed::<u64>().unwrap();
                            assert!(*found >= began, "stale: {found} < {began}");
                        }
                        Judgement::Miss(vector) => {
                            let found = database.load(Ordering::SeqCst);
                            let mut entry = entry(t, vector, 8);
                            entry.payload = Payload::Typed(Arc::new(found));
                            backend.put(key.clone(), entry, None).unwrap();
                        }
                        _ => {}
                    }
                }
            });
        }
    });
    assert!(backend.cells().held() == 0);
}

fn removable(backend: &MemoryBackend, sql: &str, on: &Arc<[Tag]>, removed: &[&str]) -> Put {
    let key = key(sql);
    let vector = match judge(
        backend
            .fetch(&Ask::tokens(on, Databases::All(&[])))
            .unwrap(),
        on,
    ) {
        Judgement::Miss(vector) => vector,
        other => panic!("nothing to capture: {other:?}"),
    };
    let mut entry = entry(on, vector, 10);
    entry.removed_with = removed.iter().map(|name| tag(name)).collect();
    backend.put(key, entry, None).unwrap()
}

#[test]
fn what_is_to_be_removed_is_known_as_long_as_it_is_stored() {
    let backend = MemoryBackend::new(1 << 20);
    let on = tags(&["a", "b"]);
    for n in 0..10_000 {
        removable(&backend, &format!("q{n}"), &on, &["a", "b"]);
        backend.renew(&[tag("a")]).unwrap();
        backend.purge(&tag("a")).unwrap();
    }
    assert_eq!(backend.usage().entries, 0);
    let left = backend.evictions.removable.len();
    assert_eq!(left, 0, "keys of entries that are long gone");
}

#[test]
fn what_is_replaced_is_no_longer_known() {
    let backend = MemoryBackend::new(64 << 10);
    let on = tags(&["a"]);
    for n in 0..10_000 {
        removable(&backend, &format!("q{n}"), &on, &["a"]);
        removable(&backend, &format!("q{n}"), &on, &[]);
    }
    let left = backend.evictions.removable.len();
    assert!(left as u64 <= backend.usage().entries, "{left}");
}

#[test]
fn evictions_at_once_lose_nothing_to_be_removed() {
    let backend = MemoryBackend::new(4 << 10);
    let on = tags(&["a"]);
    let mut lost = 0;
    for _ in 0..8 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..2000 {
                        removable(&backend, &format!("q{}", n % 23), &on, &["a"]);
                    }
                });
            }
        });
        backend.purge(&tag("a")).unwrap();
        lost += backend.usage().entries;
    }
    assert_eq!(lost, 0, "entries that a purge does not find");
}

#[test]
fn a_clear_at_once_loses_nothing_to_be_removed() {
    let backend = MemoryBackend::new(1 << 20);
    let on = tags(&["a"]);
    let mut lost = 0;
    for _ in 0..8 {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..200 {
                    removable(&backend, &format!("q{n}"), &on, &["a"]);
                }
            });
            scope.spawn(|| backend.clear().unwrap());
        });
        backend.purge(&tag("a")).unwrap();
        lost += backend.usage().entries;
    }
    assert_eq!(lost, 0, "entries that a purge does not find");
}

#[test]
fn removals_at_once_lose_nothing_to_be_removed() {
    let backend = MemoryBackend::new(1 << 20);
    let on = tags(&["a"]);
    let mut lost = 0;
    for _ in 0..8 {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..300 {
                    removable(&backend, &format!("q{}", n % 3), &on, &["a"]);
                }
            });
            scope.spawn(|| {
                for n in 0..300 {
                    backend.remove(&key(&format!("q{}", n % 3))).unwrap();
                }
            });
        });
        backend.purge(&tag("a")).unwrap();
        lost += backend.usage().entries;
    }
    assert_eq!(lost, 0, "entries that a purge does not find");
}

#[test]
fn a_touch_moves_no_end_past_the_latest() {
    let backend = MemoryBackend::new(1 << 20);
    let on = tags(&["a"]);
    let vector = match judge(
        backend
            .fetch(&Ask::tokens(&on, Databases::All(&[])))
            .unwrap(),
        &on,
    ) {
        Judgement::Miss(vector) => vector,
        other => panic!("nothing to capture: {other:?}"),
    };
    let latest = Instant::now() + Duration::from_secs(60);
    let mut entry = entry(&on, vector, 10);
    entry.not_after = Some(latest);
    backend.put(key("q"), entry, None).unwrap();
    let later = Instant::now() + Duration::from_secs(3600);
    assert!(backend.touch(&key("q"), later).unwrap());
    let found = backend.recall(&key("q"), &[]).unwrap().entry.unwrap();
    assert_eq!(found.expires_at, latest);
}
