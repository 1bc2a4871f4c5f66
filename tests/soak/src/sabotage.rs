//! Rules of the protocol that are broken on purpose: the checker must notice each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use diesel_cache::backend::{Acknowledged, CacheBackend, Standing, Writer};
use diesel_cache::database::TagSpace;
use diesel_cache::entry::Entry;
use diesel_cache::error::BackendError;
use diesel_cache::protocol::{Fetched, Lift, TagState};
use diesel_cache::tag::Tag;
use diesel_cache::token::{Epoch, Opening, Token, WriterId};

use crate::options::Sabotage;

/// How long a writer is waited for before it is taken for gone.
const IMPATIENCE: Duration = Duration::from_millis(100);

/// A broken rule, between the cache and its store.
#[derive(Debug)]
pub(crate) struct Broken {
    what: Sabotage,
    /// How the store stood last.
    standing: Mutex<Option<Standing>>,
    /// The tokens behind the counters.
    real: Mutex<HashMap<(Tag, u8), Token>>,
    /// The quarantines that were not lifted yet.
    held: Mutex<HashMap<WriterId, (Instant, Vec<Tag>)>>,
}

impl Broken {
    /// Breaks that rule; nothing, if it is broken elsewhere.
    pub(crate) fn new(what: Option<Sabotage>, to: &Arc<dyn CacheBackend>) -> Option<Arc<Self>> {
        // The incarnation is hidden between the worker and its store.
        let what = what.filter(|what| *what != Sabotage::Incarnation)?;
        let broken = Arc::new(Self {
            what,
            standing: Mutex::default(),
            real: Mutex::default(),
            held: Mutex::default(),
        });
        if what == Sabotage::Lift {
            let (broken, to) = (Arc::clone(&broken), Arc::clone(to));
            thread::spawn(move || broken.lift_for_ever(&*to));
        }
        Some(broken)
    }

    /// Lifts what is held for long, whatever its writer does.
    fn lift_for_ever(&self, to: &dyn CacheBackend) {
        loop {
            thread::sleep(IMPATIENCE / 4);
            let mut late = Vec::new();
            lock(&self.held).retain(|writer, (since, tags)| {
                let patient = since.elapsed() < IMPATIENCE;
                if !patient {
                    late.push((*writer, std::mem::take(tags)));
                }
                patient
            });
            for (writer, tags) in late {
                let _ = to.lift(writer, &tags, Lift::Renew);
            }
        }
    }

    /// What is said instead of a quarantine being made.
    pub(crate) fn acknowledged(&self, writer: &Writer<'_>, tags: &[Tag]) -> Option<Acknowledged> {
        match self.what {
            Sabotage::Quarantine => {
                let standing = lock(&self.standing);
                let standing = standing.as_ref();
                let opening = standing.zip(writer.space);
                Some(Acknowledged {
                    epoch: standing.map_or(Epoch::LASTING, |standing| standing.epoch),
                    opening: opening.and_then(|(standing, space)| standing.opening(space)),
                })
            }
            Sabotage::Lift => {
                lock(&self.held).insert(writer.id, (Instant::now(), tags.to_vec()));
                None
            }
            _ => None,
        }
    }

    pub(crate) fn lifted(&self, writer: WriterId) {
        lock(&self.held).remove(&writer);
    }

    /// How the store stands: its gates open at once.
    pub(crate) fn stands(
        &self,
        to: &dyn CacheBackend,
        mut standing: Standing,
        spaces: &[TagSpace],
    ) -> Result<Standing, BackendError> {
        if self.what == Sabotage::Gate {
            for space in spaces {
                if standing.opening(*space).is_none() {
                    let opening = Opening::fresh();
                    to.open(standing.epoch, *space, opening)?;
                    standing.open.push((*space, opening));
                }
            }
        }
        *lock(&self.standing) = Some(standing.clone());
        Ok(standing)
    }

    /// What was fetched, with tokens that come back.
    pub(crate) fn fetched(&self, mut fetched: Fetched, tags: &[Tag]) -> Fetched {
        if self.what != Sabotage::Tokens {
            return fetched;
        }
        if let Some(entry) = &mut fetched.entry {
            let tokens = entry.vector.tokens.iter();
            entry.vector.tokens = tokens.map(|token| counter(*token)).collect();
        }
        let mut real = lock(&self.real);
        for (state, tag) in fetched.states.iter_mut().zip(tags) {
            if let TagState::Clean(token) = state {
                real.insert((*tag, number(*token)), *token);
                *token = counter(*token);
            }
        }
        drop(real);
        fetched
    }

    /// An entry as the store is to get it.
    pub(crate) fn stored(&self, mut entry: Entry) -> Entry {
        if self.what == Sabotage::Tokens {
            let real = lock(&self.real);
            let tokens = entry.vector.tokens.iter().zip(entry.tags.iter());
            let found = |(token, tag): (&Token, &Tag)| {
                let found = real.get(&(*tag, number(*token)));
                found.copied().unwrap_or(*token)
            };
            entry.vector.tokens = tokens.map(found).collect();
        }
        entry
    }
}

/// A token as a counter that soon begins anew.
fn counter(token: Token) -> Token {
    let mut bytes = [0; 16];
    bytes[15] = number(token);
    Token::from_bytes(bytes)
}

fn number(token: Token) -> u8 {
    token.to_bytes()[15] & 1
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
