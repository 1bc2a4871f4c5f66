//! Asks the database itself what became of writes whose outcome is not known, and has the workers
//! read their rows: before it is known, so that they are cached, and right after.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use smallvec::smallvec;

use crate::clock::now;
use crate::coordinator::collector::{Collector, Feed, Unknown};
use crate::coordinator::database::{Db, Direct};
use crate::coordinator::workers::Inputs;
use crate::event::{Event, Found, Origin, Value};
use crate::layout::{Key, TABLES};

/// How often it asks.
const EVERY: Duration = Duration::from_millis(10);
/// How long it asks about one row.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the workers read such a row at least.
const PROBE_EVERY: Duration = Duration::from_millis(200);

/// Its answers are part of the history: whatever it saw, no later read may miss.
#[derive(Debug)]
pub(super) struct Oracle {
    asked: Arc<Asked>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Asked {
    ended: AtomicBool,
    all: AtomicBool,
}

impl Oracle {
    pub(super) fn start(db: &Db, collector: &Collector, inputs: Inputs) -> Self {
        let asked = Arc::new(Asked {
            ended: AtomicBool::new(false),
            all: AtomicBool::new(false),
        });
        let asking = Asking {
            asked: Arc::clone(&asked),
            direct: db.direct(),
            feed: collector.feed(),
            unknown: collector.unknown(),
            inputs,
            rows: HashMap::new(),
            known: HashMap::new(),
            probed: Instant::now(),
        };
        Self {
            asked,
            thread: Mutex::new(Some(thread::spawn(move || asking.run()))),
        }
    }

    /// Asks for every row, and returns when the answers are written down.
    pub(super) fn ask_all(&self) -> Result<(), String> {
        self.asked.all.store(true, Ordering::SeqCst);
        let until = Instant::now() + PATIENCE;
        while self.asked.all.load(Ordering::SeqCst) {
            if Instant::now() > until {
                return Err("the database does not answer".to_owned());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    pub(super) fn end(&self) {
        self.asked.ended.store(true, Ordering::SeqCst);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.end();
    }
}

struct Asking {
    asked: Arc<Asked>,
    direct: Direct,
    feed: Feed,
    unknown: Unknown,
    inputs: Inputs,
    /// The rows to ask about, what might be in them, and until when.
    rows: HashMap<Key, (Value, Instant)>,
    /// What the database has said of each row.
    known: HashMap<Key, Value>,
    /// When the workers were last told to read those rows.
    probed: Instant,
}

impl Asking {
    fn run(mut self) {
        while !self.asked.ended.load(Ordering::SeqCst) {
            if self.asked.all.load(Ordering::SeqCst) {
                if (0..TABLES).all(|table| self.ask(table)) {
                    self.asked.all.store(false, Ordering::SeqCst);
                }
            } else {
                self.ask_about_unknown();
            }
            self.feed.tell(Event::Mark { at: now() });
            thread::sleep(EVERY);
        }
    }

    fn ask_about_unknown(&mut self) {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + PATIENCE;
        for (key, value) in unknown.drain() {
            if self.known.get(&key).is_some_and(|known| *known >= value) {
                continue;
            }
            let row = self.rows.entry(key).or_insert((value, until));
            *row = (row.0.max(value), until);
        }
        drop(unknown);
        // Whoever may cache them now, does.
        if self.probed.elapsed() > PROBE_EVERY {
            self.probed = Instant::now();
            self.probe(self.rows.keys().copied().collect());
        }
        let mut tables: Vec<usize> = self.rows.keys().map(|key| key.table()).collect();
        tables.sort_unstable();
        tables.dedup();
        for table in tables {
            self.ask(table);
        }
        let now = Instant::now();
        self.rows.retain(|_, (_, until)| *until > now);
    }

    /// Asks for all rows of a table. Returns whether it was answered.
    fn ask(&mut self, table: usize) -> bool {
        let start = now();
        let Ok(rows) = self.direct.rows(table) else {
            return false;
        };
        let end = now();
        let mut confirmed = Vec::new();
        for (row, value) in rows {
            let key = Key::new(table, row);
            self.known.insert(key, value);
            if self
                .rows
                .get(&key)
                .is_some_and(|(sought, _)| *sought <= value)
            {
                self.rows.remove(&key);
                confirmed.push(key);
            }
            let found = Found::Rows(smallvec![(key, value)]);
            self.feed.tell(Event::Read {
                start,
                end,
                origin: Origin::Database,
                found,
            });
        }
        // Whoever has cached what was there before, is to be seen with it.
        self.probe(confirmed);
        true
    }

    fn probe(&self, keys: Vec<Key>) {
        let mut groups: Vec<_> = keys.iter().map(|key| (key.table(), key.owner())).collect();
        groups.sort_unstable();
        groups.dedup();
        for (table, owner) in groups {
            self.inputs.probe(table, owner);
        }
    }
}
