//! What the hazards need besides databases: slow stores, lost connections, witnesses.
#![allow(dead_code, reason = "shared by several test binaries and engines")]

use std::collections::HashMap;
use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel_cache::Outcome;
use diesel_cache::backend::{Acknowledged, Ask, CacheBackend, MemoryBackend, Put, Usage, Writer};
use diesel_cache::database::TagSpace;
use diesel_cache::entry::Entry;
use diesel_cache::error::BackendError;
use diesel_cache::key::Key;
use diesel_cache::protocol::{Fetched, Further, Lift};
use diesel_cache::tag::Tag;
use diesel_cache::token::{ProcessId, WriterId};

pub(crate) const MISS: Outcome = Outcome::Miss {
    stored: true,
    joined: false,
};
pub(crate) const HIT: Outcome = Outcome::Hit;

/// Waits until `done` says so; fails after five seconds.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Holds threads up until it is opened.
#[derive(Debug, Default)]
pub(crate) struct Barrier {
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Barrier {
    pub(crate) fn close(&self) {
        self.state.lock().unwrap().0 = true;
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = false;
        self.changed.notify_all();
    }

    /// Waits here while it is closed.
    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.changed.notify_all();
        let (state, timeout) = self
            .changed
            .wait_timeout_while(state, Duration::from_secs(10), |state| state.0)
            .unwrap();
        drop(state);
        assert!(!timeout.timed_out(), "nobody opened the barrier");
    }

    /// How many threads have come here so far.
    pub(crate) fn arrived(&self) -> usize {
        self.state.lock().unwrap().1
    }
}

/// A store whose `put` can be held up, which checks no token itself, and which remembers what was put.
#[derive(Debug)]
pub(crate) struct Shelf {
    tokens: MemoryBackend,
    entries: Mutex<HashMap<Key, Entry>>,
    pub(crate) barrier: Arc<Barrier>,
    /// Whether `put` asks the real store first, which refuses what is outdated.
    careful: bool,
    pub(crate) put: Arc<Mutex<Vec<Entry>>>,
}

impl Shelf {
    /// Refuses outdated entries, as the memory backend does.
    pub(crate) fn careful() -> Self {
        Self {
            tokens: MemoryBackend::new(64 << 20),
            entries: Mutex::default(),
            barrier: Arc::default(),
            careful: true,
            put: Arc::default(),
        }
    }

    /// Stores everything: only the comparison of tokens at the read protects from late fills.
    pub(crate) fn careless() -> Self {
        Self {
            careful: false,
            ..Self::careful()
        }
    }
}

impl CacheBackend for Shelf {
    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        let mut fetched = self.tokens.fetch(ask)?;
        if let (false, Some(key)) = (self.careful, ask.key) {
            fetched.entry = self.entries.lock().unwrap().get(key).cloned();
            let entry = fetched.entry.as_ref();
            if let Some(entry) = entry.filter(|entry| entry.tags.starts_with(ask.tags)) {
                let from = ask.tags.len();
                let ask = Ask {
                    key: None,
                    tags: &entry.tags[from..],
                    also: &[],
                    establish: false,
                    ..*ask
                };
                let states = self.tokens.fetch(&ask)?.states;
                let held = entry.vector.tokens[from..].iter().copied();
                fetched.further = Further::of(states.into_iter().zip(held));
            }
        }
        Ok(fetched)
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        self.barrier.pass();
        self.put.lock().unwrap().push(entry.clone());
        if self.careful {
            return self.tokens.put(key, entry, holder);
        }
        self.entries.lock().unwrap().insert(key, entry);
        Ok(Put::Stored)
    }

    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError> {
        self.tokens.quarantine(writer, tags)
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        self.tokens.lift(writer, tags, how)
    }

    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError> {
        self.tokens.renew(tags)
    }

    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Result<Fetched, BackendError> {
        self.tokens.recall(key, attached)
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        self.tokens.put_if_absent(key, entry)
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        self.tokens.touch(key, expires_at)
    }

    fn remove(&self, key: &Key) -> Result<bool, BackendError> {
        self.entries.lock().unwrap().remove(key);
        self.tokens.remove(key)
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        self.tokens.purge(tag)
    }

    fn clear(&self) -> Result<(), BackendError> {
        self.tokens.clear()
    }

    fn usage(&self) -> Usage {
        self.tokens.usage()
    }
}

/// Every event that an instrumentation is told of, as text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Witness(Arc<Mutex<Vec<String>>>);

impl Witness {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// How many statements that hold `text` were started.
    pub(crate) fn started(&self, text: &str) -> usize {
        let events = self.0.lock().unwrap();
        events
            .iter()
            .filter(|e| e.starts_with("start ") && e.contains(text))
            .count()
    }

    fn note(&self, event: String) {
        self.0.lock().unwrap().push(event);
    }
}

impl Instrumentation for Witness {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        use InstrumentationEvent as E;
        self.note(match event {
            E::StartEstablishConnection { .. } => "establishing".to_owned(),
            E::FinishEstablishConnection { error, .. } => {
                format!(
                    "established{}",
                    if error.is_some() { " failed" } else { "" }
                )
            }
            E::StartQuery { query, .. } => format!("start {query}"),
            E::CacheQuery { sql, .. } => format!("prepare {sql}"),
            E::FinishQuery { query, error, .. } => {
                format!(
                    "finish {query}{}",
                    if error.is_some() { " failed" } else { "" }
                )
            }
            E::BeginTransaction { depth, .. } => format!("begin {depth}"),
            E::CommitTransaction { depth, .. } => format!("commit {depth}"),
            E::RollbackTransaction { depth, .. } => format!("rollback {depth}"),
            other => format!("{other:?}"),
        });
    }
}

/// A way to a server that can be cut.
#[derive(Debug)]
pub(crate) struct Wire {
    port: u16,
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    /// A wire to the server of `url`.
    pub(crate) fn to(url: &str) -> Self {
        let server = authority(url).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ends: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let kept = Arc::clone(&ends);
        // Ends with the test's process; it holds no connection of its own.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else {
                    return;
                };
                let mut kept = kept.lock().unwrap();
                kept.push(client.try_clone().unwrap());
                kept.push(server.try_clone().unwrap());
                drop(kept);
                carry(client.try_clone().unwrap(), server.try_clone().unwrap());
                carry(server, client);
            }
        });
        Self { port, ends }
    }

    /// The same URL, along the wire.
    pub(crate) fn url(&self, url: &str) -> String {
        url.replacen(authority(url), &format!("127.0.0.1:{}", self.port), 1)
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        for end in self.ends.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn authority(url: &str) -> &str {
    let rest = url.split_once('@').unwrap().1;
    rest.split('/').next().unwrap()
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(n) = from.read(&mut buffer) {
            if n == 0 || to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
