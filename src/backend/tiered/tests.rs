//! What is kept in front of a store, and for how long.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::backend::Databases;
use crate::backend::conformance::{self, Reference};
use crate::entry::Vector;
use crate::key::ValueParts;
use crate::protocol::TagState;

/// A store that knows marks, and counts what it is asked. It is the suite's reference with a mark
/// for each content.
#[derive(Debug, Default)]
struct Marked {
    inner: Reference,
    fetches: AtomicU64,
    sent: AtomicU64,
    fails: std::sync::atomic::AtomicBool,
}

fn mark_of(entry: &Entry) -> Mark {
    let Payload::Bytes(bytes) = &entry.payload else {
        panic!("a shared store has bytes");
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(bytes);
    for token in &entry.vector.tokens {
        hasher.update(&token.to_bytes());
    }
    let mut mark = [0; 16];
    hasher.finalize_xof().fill(&mut mark);
    Mark(mark)
}

impl Marked {
    fn unless(&self, fetched: Fetched, held: Option<Mark>) -> Result<Unless, BackendError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            return Err(BackendError::new("out of reach"));
        }
        let mut fetched = fetched;
        let mark = fetched.entry.as_ref().map(mark_of);
        if mark.is_some() && mark == held {
            let held = fetched.entry.take().map(|entry| entry.expires_at);
            let mark = None;
            return Ok(Unless {
                fetched,
                mark,
                held,
            });
        }
        self.sent
            .fetch_add(u64::from(mark.is_some()), Ordering::SeqCst);
        let held = None;
        Ok(Unless {
            fetched,
            mark,
            held,
        })
    }

    fn counts(&self) -> (u64, u64) {
        let count = |of: &AtomicU64| of.swap(0, Ordering::SeqCst);
        (count(&self.fetches), count(&self.sent))
    }
}

macro_rules! on {
    ($($name:ident(&self $(, $arg:ident: $type:ty)*) -> $to:ty;)+) => {
        $(fn $name(&self $(, $arg: $type)*) -> $to {
            self.inner.$name($($arg),*)
        })+
    };
}

impl CacheBackend for Marked {
    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        Ok(self.fetch_unless(ask, None)?.fetched)
    }

    fn fetch_unless(&self, ask: &Ask<'_>, held: Option<Mark>) -> Result<Unless, BackendError> {
        self.unless(self.inner.fetch(ask)?, held)
    }

    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Result<Fetched, BackendError> {
        Ok(self.recall_unless(key, attached, None)?.fetched)
    }

    fn recall_unless(
        &self,
        key: &Key,
        attached: &[TagSpace],
        held: Option<Mark>,
    ) -> Result<Unless, BackendError> {
        self.unless(self.inner.recall(key, attached)?, held)
    }

    on! {
        is_shared(&self) -> bool;
        put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError>;
        put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError>;
        release(&self, key: &Key, holder: ProcessId) -> Result<(), BackendError>;
        touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError>;
        quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError>;
        lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError>;
        renew(&self, tags: &[Tag]) -> Result<(), BackendError>;
        remove(&self, key: &Key) -> Result<bool, BackendError>;
        purge(&self, tag: &Tag) -> Result<(), BackendError>;
        clear(&self) -> Result<(), BackendError>;
        usage(&self) -> Usage;
        holders(&self, tags: &[Tag]) -> Result<Vec<Holder>, BackendError>;
        beat(&self, process: ProcessId, spaces: &[TagSpace]) -> Result<Standing, BackendError>;
        testify(&self, process: ProcessId, epoch: Epoch, spaces: &[TagSpace]) -> Result<(), BackendError>;
        open(&self, epoch: Epoch, space: TagSpace, opening: Opening) -> Result<(), BackendError>;
        recognises(&self, space: TagSpace, user: &str, fingerprint: &[u8; 32]) -> Result<bool, BackendError>;
        remember(&self, space: TagSpace, user: &str, fingerprint: &[u8; 32]) -> Result<(), BackendError>;
        declare(&self, space: TagSpace, declarations: &Declarations) -> Result<Declarations, BackendError>;
        close(&self, space: Option<TagSpace>) -> Result<(), BackendError>;
    }
}

#[test]
fn memory_in_front_of_a_store_conforms() {
    let stores: Mutex<HashMap<String, Arc<Marked>>> = Mutex::default();
    conformance::run(|namespace| {
        let mut stores = stores.lock().unwrap();
        tier(stores.entry(namespace.to_owned()).or_default(), 0)
    });
}

fn tier(store: &Arc<Marked>, millis: u64) -> TieredBackend<Arc<Marked>> {
    let options = TieredOptions {
        staleness: Duration::from_millis(millis),
        ..TieredOptions::default()
    };
    TieredBackend::new(Arc::clone(store), options)
}

const SPACE: TagSpace = TagSpace([7; 16]);

fn tags() -> Arc<[Tag]> {
    Arc::from([Tag::label("a"), Tag::label("b")])
}

fn key(name: &str) -> Key {
    Key::of_value(&ValueParts {
        name,
        ..ValueParts::default()
    })
}

fn opened() -> Arc<Marked> {
    let store = Arc::new(Marked::default());
    let epoch = store.beat(ProcessId::of(1), &[SPACE]).unwrap().epoch;
    store.open(epoch, SPACE, Opening::fresh()).unwrap();
    store
}

fn fill(tier: &impl CacheBackend, name: &str) {
    let tags = tags();
    let fetched = tier
        .fetch(&Ask::tokens(&tags, Databases::One(SPACE)))
        .unwrap();
    let tokens = fetched.states.iter().map(|state| match state {
        TagState::Clean(token) => *token,
        other => panic!("{other:?}"),
    });
    let now = Instant::now();
    let entry = Entry {
        vector: Vector {
            nonce: fetched.gate.unwrap(),
            tokens: tokens.collect(),
        },
        tags,
        payload: Payload::Bytes(name.as_bytes().into()),
        weight: name.len(),
        expires_at: now + Duration::from_secs(60),
        lifetime: Duration::from_secs(60),
        stale_until: now,
        not_after: None,
        removed_with: Arc::from([]),
    };
    assert_eq!(tier.put(key(name), entry, None).unwrap(), Put::Stored);
}

/// What a read is answered with.
fn read(tier: &impl CacheBackend, name: &str) -> Option<Vec<u8>> {
    let tags = tags();
    let key = key(name);
    let ask = Ask::entry(&key, &tags, Databases::One(SPACE));
    match judge(tier.fetch(&ask).ok()?, &tags) {
        Judgement::Hit(entry) => match entry.payload {
            Payload::Bytes(bytes) => Some(bytes.to_vec()),
            Payload::Typed(_) => None,
        },
        _ => None,
    }
}

#[test]
fn what_is_here_is_not_sent_again() {
    let store = opened();
    let tier = tier(&store, 0);
    fill(&tier, "k");
    store.counts();
    for _ in 0..5 {
        assert_eq!(read(&tier, "k").unwrap(), b"k");
    }
    assert_eq!(store.counts(), (5, 1));
    assert_eq!(tier.copies().entries, 1);
    // Whoever removes it, or changes it.
    store.remove(&key("k")).unwrap();
    assert_eq!(read(&tier, "k"), None);
    assert_eq!(tier.copies().entries, 0);
    fill(&*store, "k");
    assert!(read(&tier, "k").is_some());
    store.renew(&tags()[1..]).unwrap();
    assert_eq!(read(&tier, "k"), None);
}

#[test]
fn an_end_that_was_moved_is_told() {
    let store = opened();
    let tier = tier(&store, 0);
    fill(&tier, "k");
    read(&tier, "k");
    let later = Instant::now() + Duration::from_secs(500);
    assert!(store.touch(&key("k"), later).unwrap());
    let tags = tags();
    let key = key("k");
    let ask = Ask::entry(&key, &tags, Databases::One(SPACE));
    store.counts();
    let entry = tier.fetch(&ask).unwrap().entry.unwrap();
    assert_eq!(entry.expires_at, later);
    assert_eq!(store.counts(), (1, 0));
}

#[test]
fn what_was_said_holds_for_a_while() {
    let store = opened();
    let tier = tier(&store, 300);
    fill(&tier, "k");
    read(&tier, "k");
    store.counts();
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(100) {
        assert!(read(&tier, "k").is_some());
    }
    assert_eq!(store.counts(), (0, 0));
    // Others write, and the store cannot be reached.
    store.renew(&tags()).unwrap();
    store.fails.store(true, Ordering::SeqCst);
    let written = Instant::now();
    while read(&tier, "k").is_some() {
        assert!(
            written.elapsed() < Duration::from_millis(300),
            "for too long"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    store.fails.store(false, Ordering::SeqCst);
    assert_eq!(read(&tier, "k"), None);
}

#[test]
fn own_writes_are_seen_at_once() {
    let store = opened();
    let tier = tier(&store, 60_000);
    let id = WriterId::fresh();
    let writer = Writer {
        id,
        process: ProcessId::of(1),
        space: Some(SPACE),
        session: None,
    };
    let warm = || {
        fill(&tier, "k");
        assert!(read(&tier, "k").is_some());
        store.counts();
        assert!(read(&tier, "k").is_some());
        assert_eq!(store.counts(), (0, 0));
    };
    warm();
    tier.renew(&tags()[1..]).unwrap();
    assert_eq!(read(&tier, "k"), None);
    warm();
    tier.quarantine(&writer, &tags()[..1]).unwrap();
    assert_eq!(read(&tier, "k"), None);
    tier.lift(id, &[], Lift::Restore).unwrap();
    assert!(read(&tier, "k").is_some());
    tier.remove(&key("k")).unwrap();
    assert_eq!(read(&tier, "k"), None);
    warm();
    tier.clear().unwrap();
    assert_eq!(read(&tier, "k"), None);
    warm();
    tier.close(None).unwrap();
    assert_eq!(read(&tier, "k"), None);
}

/// An answer that was on its way while this process wrote is not remembered.
#[test]
fn an_answer_of_before_an_own_write_is_not_remembered() {
    let store = opened();
    let tier = tier(&store, 60_000);
    fill(&tier, "k");
    read(&tier, "k");
    let copy = tier.copies.get(&key("k")).unwrap();
    let said = copy.said.lock().unwrap().clone();
    tier.renew(&tags()).unwrap();
    // It comes late.
    *copy.said.lock().unwrap() = said;
    assert_eq!(read(&tier, "k"), None);
}

#[test]
fn another_question_is_asked() {
    let store = opened();
    let tier = tier(&store, 60_000);
    fill(&tier, "k");
    read(&tier, "k");
    store.counts();
    let tags = tags();
    let key = key("k");
    let asks = [
        Ask::entry(&key, &tags[..1], Databases::One(SPACE)),
        Ask::entry(&key, &tags, Databases::None),
        Ask::entry(&key, &tags, Databases::All(&[SPACE])),
        Ask {
            also: &tags,
            ..Ask::entry(&key, &tags, Databases::One(SPACE))
        },
    ];
    for ask in &asks {
        let fetched = tier.fetch(ask).unwrap();
        assert_eq!(store.counts().0, 1);
        assert_eq!(fetched.states.len(), ask.tags.len());
        assert_eq!(fetched.also.len(), ask.also.len());
    }
}

#[test]
fn a_value_of_before_an_own_set_is_not_remembered() {
    let store = opened();
    let tier = tier(&store, 60_000);
    let plain = |bytes: &[u8]| {
        let fetched = tier.fetch(&Ask::tokens(&[], Databases::None)).unwrap();
        let now = Instant::now();
        Entry {
            tags: Arc::from([]),
            vector: Vector {
                nonce: fetched.gate.unwrap(),
                tokens: Box::new([]),
            },
            payload: Payload::Bytes(bytes.into()),
            weight: 1,
            expires_at: now + Duration::from_secs(60),
            lifetime: Duration::from_secs(60),
            stale_until: now,
            not_after: None,
            removed_with: Arc::from([]),
        }
    };
    let get = || match tier.recall(&key("v"), &[]).unwrap().entry.unwrap().payload {
        Payload::Bytes(bytes) => bytes.to_vec(),
        Payload::Typed(_) => panic!("bytes"),
    };
    CacheBackend::put(&tier, key("v"), plain(b"old"), None).unwrap();
    // One thread has asked, and its answer is on its way.
    let (copy, at, changes) = tier.asked_all(&key("v"));
    let unless = tier.inner.recall_unless(&key("v"), &[], None).unwrap();
    // Another sets the value.
    CacheBackend::put(&tier, key("v"), plain(b"new"), None).unwrap();
    let of = Asked::Recall(Vec::new());
    tier.follow(
        &key("v"),
        copy,
        unless,
        Question {
            at,
            of,
            tags: None,
            changes,
        },
    );
    assert_eq!(get(), b"new");
}

#[test]
fn another_epoch_forgets_what_was_said() {
    let store = opened();
    let tier = tier(&store, 60_000);
    tier.beat(ProcessId::of(1), &[SPACE]).unwrap();
    fill(&tier, "k");
    assert!(read(&tier, "k").is_some() && read(&tier, "k").is_some());
    // Another process closes the gate, and this one learns of it.
    store.close(Some(SPACE)).unwrap();
    let standing = tier.beat(ProcessId::of(1), &[SPACE]).unwrap();
    assert_eq!(standing.opening(SPACE), None);
    assert_eq!(read(&tier, "k"), None);
}
