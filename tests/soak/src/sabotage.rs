//! Backends that break one rule of the protocol: the checker must notice each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use diesel_cache::backend::{Ask, CacheBackend, Holder, Put, Standing, Usage, Writer};
use diesel_cache::database::TagSpace;
use diesel_cache::entry::Entry;
use diesel_cache::error::BackendError;
use diesel_cache::key::Key;
use diesel_cache::protocol::{Fetched, Lift, TagState};
use diesel_cache::tag::Tag;
use diesel_cache::token::{Epoch, ProcessId, Token, WriterId};

use crate::options::Sabotage;

/// How long a writer is waited for before it is taken for gone.
const IMPATIENCE: Duration = Duration::from_millis(100);

/// The backend, with that rule broken.
pub(crate) fn sabotaged(
    what: Option<Sabotage>,
    backend: Arc<dyn CacheBackend>,
) -> Arc<dyn CacheBackend> {
    match what {
        // The latter is broken between the worker and its store.
        None | Some(Sabotage::Incarnation) => backend,
        Some(what) => {
            let broken = Arc::new(Broken {
                what,
                to: backend,
                epoch: Mutex::new(Epoch::LASTING),
                real: Mutex::default(),
                held: Mutex::default(),
            });
            if what == Sabotage::Lift {
                let broken = Arc::clone(&broken);
                thread::spawn(move || broken.lift_for_ever());
            }
            broken
        }
    }
}

#[derive(Debug)]
struct Broken {
    what: Sabotage,
    to: Arc<dyn CacheBackend>,
    epoch: Mutex<Epoch>,
    /// The tokens behind the counters.
    real: Mutex<HashMap<(Tag, u8), Token>>,
    /// The quarantines that were not lifted yet.
    held: Mutex<HashMap<WriterId, (Instant, Vec<Tag>)>>,
}

impl Broken {
    fn lift_for_ever(&self) {
        loop {
            thread::sleep(IMPATIENCE / 4);
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let late: Vec<_> = held
                .iter()
                .filter(|(_, (since, _))| since.elapsed() > IMPATIENCE)
                .map(|(writer, (_, tags))| (*writer, tags.clone()))
                .collect();
            drop(held);
            for (writer, tags) in late {
                let _ = self.lift(writer, &tags, Lift::Renew);
            }
        }
    }

    /// A token as a counter that begins anew: it comes back.
    fn count(&self, tag: Tag, token: Token) -> Token {
        let number = token.to_bytes()[15] & 1;
        let mut real = self.real.lock().unwrap_or_else(PoisonError::into_inner);
        real.insert((tag, number), token);
        let mut bytes = [0; 16];
        bytes[15] = number;
        Token::from_bytes(bytes)
    }

    fn counted(&self, mut fetched: Fetched, tags: &[Tag]) -> Fetched {
        if let Some(entry) = &mut fetched.entry {
            let tags = Arc::clone(&entry.tags);
            let tokens = entry.vector.tokens.iter().zip(tags.iter());
            entry.vector.tokens = tokens
                .map(|(token, _)| {
                    let mut bytes = [0; 16];
                    bytes[15] = token.to_bytes()[15] & 1;
                    Token::from_bytes(bytes)
                })
                .collect();
        }
        for (state, tag) in fetched.states.iter_mut().zip(tags) {
            if let TagState::Clean(token) = state {
                *token = self.count(*tag, *token);
            }
        }
        fetched
    }

    fn real(&self, mut entry: Entry) -> Entry {
        let real = self.real.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = entry.vector.tokens.iter().zip(entry.tags.iter());
        entry.vector.tokens = tokens
            .map(|(token, tag)| {
                let number = token.to_bytes()[15] & 1;
                real.get(&(*tag, number)).copied().unwrap_or(*token)
            })
            .collect();
        entry
    }
}

impl CacheBackend for Broken {
    fn is_shared(&self) -> bool {
        self.to.is_shared()
    }

    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        let fetched = self.to.fetch(ask)?;
        Ok(match self.what {
            Sabotage::Tokens => self.counted(fetched, ask.tags),
            _ => fetched,
        })
    }

    fn recall(&self, key: &Key) -> Result<Fetched, BackendError> {
        self.to.recall(key)
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        let entry = match self.what {
            Sabotage::Tokens => self.real(entry),
            _ => entry,
        };
        self.to.put(key, entry, holder)
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        self.to.put_if_absent(key, entry)
    }

    fn release(&self, key: &Key, holder: ProcessId) -> Result<(), BackendError> {
        self.to.release(key, holder)
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        self.to.touch(key, expires_at)
    }

    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Epoch, BackendError> {
        match self.what {
            Sabotage::Quarantine => {
                return Ok(*self.epoch.lock().unwrap_or_else(PoisonError::into_inner));
            }
            Sabotage::Lift => {
                let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
                held.insert(writer.id, (Instant::now(), tags.to_vec()));
            }
            _ => {}
        }
        self.to.quarantine(writer, tags)
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&writer);
        drop(held);
        self.to.lift(writer, tags, how)
    }

    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError> {
        self.to.renew(tags)
    }

    fn remove(&self, key: &Key) -> Result<bool, BackendError> {
        self.to.remove(key)
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        self.to.purge(tag)
    }

    fn clear(&self) -> Result<(), BackendError> {
        self.to.clear()
    }

    fn usage(&self) -> Usage {
        self.to.usage()
    }

    fn holders(&self, tags: &[Tag]) -> Result<Vec<Holder>, BackendError> {
        self.to.holders(tags)
    }

    fn beat(&self, process: ProcessId, spaces: &[TagSpace]) -> Result<Standing, BackendError> {
        let mut standing = self.to.beat(process, spaces)?;
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = standing.epoch;
        if self.what == Sabotage::Gate {
            for space in spaces {
                self.to.open(standing.epoch, *space)?;
            }
            standing.open = spaces.to_vec();
        }
        Ok(standing)
    }

    fn testify(
        &self,
        process: ProcessId,
        epoch: Epoch,
        spaces: &[TagSpace],
    ) -> Result<(), BackendError> {
        self.to.testify(process, epoch, spaces)
    }

    fn open(&self, epoch: Epoch, space: TagSpace) -> Result<(), BackendError> {
        self.to.open(epoch, space)
    }

    fn close(&self, space: Option<TagSpace>) -> Result<(), BackendError> {
        self.to.close(space)
    }
}
