//! A backend of one's own: everything in a few maps behind one lock.
//!
//! It decides nothing; the protocol does. What a backend must keep is said at `CacheBackend`, and
//! whether it does is found out by the conformance suite, which this program runs first:
//!
//! ```sh
//! cargo run --example custom_backend
//! ```
#![allow(clippy::print_stdout, reason = "a program that shows what it does")]
#![allow(missing_docs, reason = "Diesel's macros make public items")]

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use diesel::prelude::*;
use diesel_cache::backend::{Acknowledged, Ask, CacheBackend, Put, Usage, Writer, conformance};
use diesel_cache::database::TagSpace;
use diesel_cache::entry::Entry;
use diesel_cache::error::BackendError;
use diesel_cache::key::Key;
use diesel_cache::protocol::cell::Cell;
use diesel_cache::protocol::{Fetched, Further, Leased, Lift, TagState};
use diesel_cache::tag::Tag;
use diesel_cache::token::{Epoch, Nonce, Opening, ProcessId, Token, WriterId};
use diesel_cache::{Cache, CachedDsl, Outcome, Report};

type Answer<T> = Result<T, BackendError>;

#[derive(Debug)]
pub(crate) struct Shelf(Mutex<State>);

#[derive(Debug)]
struct State {
    nonce: Nonce,
    entries: HashMap<Key, Entry>,
    cells: HashMap<Tag, Cell<WriterId, Token>>,
    held: HashMap<WriterId, BTreeSet<Tag>>,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            nonce: Nonce::fresh(),
            entries: HashMap::new(),
            cells: HashMap::new(),
            held: HashMap::new(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn tag(&self, tag: &Tag) -> TagState {
        self.cells.get(tag).map_or(TagState::Missing, Cell::state)
    }

    fn change(&mut self, tag: &Tag, change: impl FnOnce(&mut Cell<WriterId, Token>)) {
        let cell = self.cells.entry(*tag).or_default();
        change(cell);
        if *cell == Cell::Missing {
            self.cells.remove(tag);
        }
    }

    fn is_current(&self, entry: &Entry) -> bool {
        let mut held = entry.tags.iter().zip(&entry.vector.tokens);
        entry.vector.nonce == self.nonce
            && entry.tags.len() == entry.vector.tokens.len()
            && held.all(|(tag, token)| self.tag(tag) == TagState::Clean(*token))
    }

    fn is_valid(&self, key: &Key) -> bool {
        let found = self.entries.get(key);
        found.is_some_and(|entry| entry.expires_at > Instant::now() && self.is_current(entry))
    }

    fn fetched(&self, key: Option<&Key>, tags: &[Tag], also: &[Tag]) -> Fetched {
        let entry = key.and_then(|key| self.entries.get(key)).cloned();
        let begins = entry.as_ref().filter(|entry| entry.tags.starts_with(tags));
        let further = begins.map(|entry| {
            let held = entry.tags.iter().zip(&entry.vector.tokens);
            Further::of(
                held.skip(tags.len())
                    .map(|(tag, token)| (self.tag(tag), *token)),
            )
        });
        Fetched {
            gate: Some(self.nonce),
            opening: Some(Opening::LASTING),
            states: tags.iter().map(|tag| self.tag(tag)).collect(),
            also: also.iter().map(|tag| self.tag(tag)).collect(),
            further: further.unwrap_or_default(),
            entry,
            leased: Leased::NotAsked,
        }
    }
}

impl CacheBackend for Shelf {
    fn fetch(&self, ask: &Ask<'_>) -> Answer<Fetched> {
        let mut state = self.state();
        for tag in ask.tags.iter().chain(ask.also).filter(|_| ask.establish) {
            state.change(tag, |cell| cell.establish(Token::fresh));
        }
        Ok(state.fetched(ask.key, ask.tags, ask.also))
    }

    fn recall(&self, key: &Key, _: &[TagSpace]) -> Answer<Fetched> {
        let state = self.state();
        let tags = state.entries.get(key).map(|entry| entry.tags.clone());
        Ok(state.fetched(Some(key), tags.as_deref().unwrap_or_default(), &[]))
    }

    fn put(&self, key: Key, entry: Entry, _: Option<ProcessId>) -> Answer<Put> {
        let mut state = self.state();
        if !state.is_current(&entry) {
            return Ok(Put::Outdated);
        }
        state.entries.insert(key, entry);
        Ok(Put::Stored)
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Answer<Put> {
        let mut state = self.state();
        if !state.is_current(&entry) {
            return Ok(Put::Outdated);
        }
        if state.is_valid(&key) {
            return Ok(Put::Present);
        }
        state.entries.insert(key, entry);
        Ok(Put::Stored)
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Answer<bool> {
        let mut state = self.state();
        let valid = state.is_valid(key);
        if let Some(entry) = state.entries.get_mut(key).filter(|_| valid) {
            entry.expires_at = expires_at.min(entry.not_after.unwrap_or(expires_at));
        }
        Ok(valid)
    }

    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Answer<Acknowledged> {
        let mut state = self.state();
        for tag in tags {
            state.change(tag, |cell| cell.quarantine(writer.id));
        }
        state.held.entry(writer.id).or_default().extend(tags);
        Ok(Acknowledged {
            epoch: Epoch::LASTING,
            opening: Some(Opening::LASTING),
        })
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Answer<()> {
        let mut state = self.state();
        let mut all = state.held.remove(&writer).unwrap_or_default();
        all.extend(tags);
        for tag in all {
            state.change(&tag, |cell| cell.lift(&writer, how));
        }
        Ok(())
    }

    fn renew(&self, tags: &[Tag]) -> Answer<()> {
        let mut state = self.state();
        for tag in tags {
            state.change(tag, Cell::renew);
        }
        Ok(())
    }

    fn remove(&self, key: &Key) -> Answer<bool> {
        let mut state = self.state();
        let valid = state.is_valid(key);
        state.entries.remove(key);
        Ok(valid)
    }

    fn purge(&self, tag: &Tag) -> Answer<()> {
        let mut state = self.state();
        state
            .entries
            .retain(|_, entry| !entry.removed_with.contains(tag));
        Ok(())
    }

    fn clear(&self) -> Answer<()> {
        let mut state = self.state();
        state.nonce = Nonce::fresh();
        state.entries.clear();
        Ok(())
    }

    fn usage(&self) -> Usage {
        let state = self.state();
        let mut usage = Usage::default();
        usage.entries = state.entries.len() as u64;
        usage.tags = state.cells.len() as u64;
        usage
    }
}

diesel::table! { notes (id) { id -> Integer, text -> Text } }

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    conformance::run(|_namespace| Shelf::new());
    println!("it conforms");

    let cache = Cache::builder().backend(Shelf::new()).build()?;
    let mut conn = SqliteConnection::establish(":memory:")?;
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        .execute(&mut conn)?;
    cache.attach(&mut conn)?;
    let read = |conn: &mut SqliteConnection| {
        let report = Report::new();
        let query = notes::table.select(notes::text).cached().report(&report);
        let texts: Vec<String> = query.load(conn)?;
        QueryResult::Ok((texts, report.outcome()))
    };
    read(&mut conn)?;
    assert_eq!(read(&mut conn)?, (vec![], Some(Outcome::Hit)));
    diesel::insert_into(notes::table)
        .values(notes::text.eq("kept on a shelf"))
        .execute(&mut conn)?;
    let (texts, outcome) = read(&mut conn)?;
    println!("{texts:?}, {outcome:?}");
    assert_eq!(texts, ["kept on a shelf"]);
    Ok(())
}
