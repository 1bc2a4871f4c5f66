//! Entries: how they are found, stored and evicted.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::change::{Change, Id, Stored};
use super::journal::Turn;
use super::operations::{ids, millis, short};
use super::place::{Place, size_of};
use super::state::State;
use super::{FileBackend, failure};
use crate::backend::wire::{Clock, Digest, mark};
use crate::backend::{Ask, CacheBackend, Databases, Lease, Mark, Put, Unless};
use crate::entry::Entry;
use crate::error::BackendError;
use crate::key::Key;
use crate::protocol::{Fetched, Further, Leased, TagState, TagStates, may_be_made};
use crate::tag::Tag;
use crate::token::{ProcessId, Token};

/// How many entries are removed in one turn at most: others wait for it.
pub(super) const MOST_AT_ONCE: usize = 512;

/// What `fetch` tells of the entry that was read from its file.
fn look(state: &State, ask: &Ask<'_>, read: Option<Entry>) -> Fetched {
    let gate = state.opened(ask.databases);
    let opening = match ask.databases {
        Databases::One(space) => state.opening(space),
        Databases::All(_) | Databases::None => None,
    };
    let states = |tags: &[Tag]| -> TagStates { tags.iter().map(|tag| state.tag(tag)).collect() };
    // An entry of another generation was forgotten.
    let entry = read.filter(|entry| Some(entry.vector.nonce) == state.nonce());
    let begins = |entry: &&Entry| entry.tags.starts_with(ask.tags);
    let further = entry.as_ref().filter(begins).map(|entry| {
        let held = entry.tags.iter().zip(&entry.vector.tokens);
        let rest = held.skip(ask.tags.len());
        Further::of(rest.map(|(tag, token)| (state.tag(tag), *token)))
    });
    Fetched {
        gate,
        opening,
        states: states(ask.tags),
        also: states(ask.also),
        further: further.unwrap_or_default(),
        entry,
        leased: Leased::NotAsked,
    }
}

/// Whether an entry's tokens are all current.
fn is_current(state: &State, entry: &Entry) -> bool {
    let mut held = entry.tags.iter().zip(&entry.vector.tokens);
    entry.tags.len() == entry.vector.tokens.len()
        && state.nonce() == Some(entry.vector.nonce)
        && held.all(|(tag, token)| state.tag(tag) == TagState::Clean(*token))
}

/// An entry that was read from its file.
#[derive(Debug)]
pub(super) struct Read {
    file: File,
    /// Without its payload, if the asker holds it.
    entry: Entry,
    mark: Mark,
    is_held: bool,
}

impl Read {
    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }
}

/// What was read, beside what was told of it.
pub(super) fn unless(mut fetched: Fetched, read: Option<&Read>) -> Unless {
    let read = read.filter(|_| fetched.entry.is_some());
    let is_held = read.is_some_and(|read| read.is_held);
    let entry = fetched.entry.take_if(|_| is_held);
    Unless {
        fetched,
        mark: read.filter(|_| !is_held).map(|read| read.mark),
        held: entry.map(|entry| entry.expires_at),
    }
}

impl FileBackend {
    /// The entry in a file, whatever its tokens are.
    pub(super) fn read(&self, digest: &Digest, held: Option<Mark>) -> Option<Read> {
        let (file, bytes) = self.place.read(&short(digest), self.largest)?;
        let clock = Clock::now();
        let same = held.and_then(|held| self.wire.decode_held(digest, &bytes, held, clock));
        let is_held = same.is_some();
        let entry = match same {
            Some(entry) => entry,
            None => self.wire.decode(digest, &bytes, clock)?,
        };
        Some(Read {
            file,
            entry,
            mark: mark(&bytes)?,
            is_held,
        })
    }

    pub(super) fn read_valid(&self, digest: &Digest, state: &State) -> Option<Entry> {
        let known = state.index.contains(&short(digest));
        let Read { entry, .. } = self.read(digest, None).filter(|_| known)?;
        (entry.expires_at > Instant::now() && is_current(state, &entry)).then_some(entry)
    }

    pub(super) fn fetch_now(
        &self,
        ask: &Ask<'_>,
        held: Option<Mark>,
    ) -> Result<Unless, BackendError> {
        let digest = ask.key.map(Digest::of);
        // The entry first: the state is read after it, and judges it.
        // rule: a-file-is-read-before-the-state-that-judges-it
        let read = digest.as_ref().and_then(|digest| self.read(digest, held));
        let now = Clock::now().unix();
        let (fetched, used) = self.see(|state| {
            let known = digest.as_ref().map(short);
            let known = known.filter(|id| state.index.contains(id));
            let used = known.is_some_and(|id| state.index.used(&id, now));
            let entry = read.as_ref().map(|read| read.entry.clone());
            (look(state, ask, entry.filter(|_| known.is_some())), used)
        })?;
        if let Some(read) = read.as_ref().filter(|_| used) {
            Place::mark(&read.file);
        }
        Ok(unless(fetched, read.as_ref()))
    }

    /// Tokens for what has none, and the lease.
    pub(super) fn capture(
        &self,
        ask: &Ask<'_>,
        held: Option<Mark>,
    ) -> Result<Unless, BackendError> {
        let digest = ask.key.map(Digest::of);
        let clock = Clock::now();
        let turn = self.turn()?;
        let mut changes = Vec::new();
        if ask.establish {
            let mut tokens: Vec<(Id, Id)> = Vec::new();
            turn.see(|state| {
                for tag in ask.tags.iter().chain(ask.also) {
                    let is_new = tokens.iter().all(|(other, _)| *other != tag.to_bytes());
                    if is_new && state.tag(tag) == TagState::Missing {
                        tokens.push((tag.to_bytes(), Token::fresh().to_bytes()));
                    }
                }
            });
            let ends = clock.unix().saturating_add(millis(self.token_ttl));
            if !tokens.is_empty() {
                changes.push(Change::Establish { tokens, ends });
            }
        }
        self.note(&turn, &changes)?;
        let read = digest.as_ref().and_then(|digest| self.read(digest, held));
        let (mut fetched, lease) = turn.see(|state| {
            let known = digest.as_ref().map(short);
            let known = known.filter(|id| state.index.contains(id));
            let entry = read.as_ref().map(|read| read.entry.clone());
            let entry = entry.filter(|_| known.is_some());
            let fetched = look(state, ask, entry);
            let lease = digest.zip(ask.lease);
            let lease = lease.filter(|_| may_be_made(&fetched, ask.tags));
            let lease = lease.map(|(digest, lease)| {
                let id = short(&digest);
                (id, lease, state.lease(&id, clock.unix()))
            });
            (fetched, lease)
        });
        if let Some((digest, Lease { holder, patience }, other)) = lease {
            if other.is_some_and(|other| other != holder.number()) {
                fetched.leased = Leased::Taken;
            } else {
                let until = clock.unix().saturating_add(millis(patience));
                let holder = holder.number();
                self.note(
                    &turn,
                    &[Change::Lease {
                        digest,
                        holder,
                        until,
                    }],
                )?;
                fetched.leased = Leased::Granted;
            }
        }
        Ok(unless(fetched, read.as_ref()))
    }

    /// Writes the bytes of an entry where they are out of the way.
    fn write(&self, bytes: &[u8]) -> io::Result<std::path::PathBuf> {
        let (path, mut file) = self.place.temporary()?;
        if let Err(error) = file.write_all(bytes) {
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(path)
    }

    pub(super) fn store(
        &self,
        key: &Key,
        entry: &Entry,
        holder: Option<ProcessId>,
        if_absent: bool,
    ) -> Result<Put, BackendError> {
        let digest = Digest::of(key);
        let clock = Clock::now();
        let encoded = self.wire.encode(&digest, entry, clock).ok();
        let encoded = encoded.filter(|bytes| size_of(bytes.len()) <= self.capacity);
        let Some(bytes) = encoded else {
            if let Some(holder) = holder {
                self.release(key, holder)?;
            }
            return Ok(Put::TooLarge);
        };
        let made = self.write(&bytes);
        let turn = self.turn().inspect_err(|_| {
            let _ = made.as_ref().map(std::fs::remove_file);
        })?;
        let id = short(&digest);
        let mut changes = Vec::new();
        if let Some(holder) = holder
            && turn.see(|state| state.lease(&id, clock.unix())) == Some(holder.number())
        {
            changes.push(Change::Release { digest: id });
        }
        let refused = turn.see(|state| {
            if !is_current(state, entry) {
                Some(Put::Outdated)
            } else if if_absent && self.read_valid(&digest, state).is_some() {
                Some(Put::Present)
            } else {
                None
            }
        });
        let path = match (made, refused) {
            (Ok(path), None) => path,
            (Ok(path), Some(refused)) => {
                let _ = std::fs::remove_file(path);
                self.note(&turn, &changes)?;
                return Ok(refused);
            }
            (Err(error), refused) => {
                // The disk is full: some room for those that come after.
                let some = turn.see(|state| state.index.bytes() / 4);
                self.evict(&turn, some, &mut changes);
                self.note(&turn, &changes)?;
                log::debug!("an entry was not written: {error}");
                return Ok(refused.unwrap_or(Put::TooLarge));
            }
        };
        let size = size_of(bytes.len());
        let old = turn.see(|state| state.index.size(&id));
        let room = turn.see(|state| self.capacity.saturating_sub(state.index.bytes() - old));
        if size > room {
            self.evict(&turn, size - room, &mut changes);
        }
        let ends = clock.to_unix(entry.expires_at.max(entry.stale_until));
        changes.push(Change::Put(Stored {
            digest: id,
            size,
            ends,
            tags: ids(&entry.tags),
            tokens_end: ends.max(clock.unix().saturating_add(millis(self.token_ttl))),
            removed_with: ids(&entry.removed_with),
        }));
        // What the journal knows of may be gone from the disk; not the other way round.
        // rule: no-file-is-unknown-to-the-journal
        let placed = turn
            .commit(&changes)
            .and_then(|()| self.place.settle(&path, &id));
        if let Err(error) = placed {
            let _ = std::fs::remove_file(&path);
            return Err(failure(error));
        }
        Ok(Put::Stored)
    }

    /// Removes entries that take so many bytes: what has ended, then what is oldest and unused.
    fn evict(&self, turn: &Turn<'_>, bytes: u64, changes: &mut Vec<Change>) {
        let now = Clock::now().unix();
        let mut victims = turn.see(|state| state.index.ended(now));
        // rule: a-turn-is-short
        victims.truncate(MOST_AT_ONCE);
        let freed: u64 = turn.see(|state| victims.iter().map(|id| state.index.size(id)).sum());
        if freed < bytes {
            let more = turn.own(|state| {
                let have = state.index.bytes();
                let used = |id: &Id| !victims.contains(id) && self.place.was_used(id);
                state.index.victims(have, bytes, used)
            });
            self.evictions
                .fetch_add(more.len() as u64, Ordering::Relaxed);
            victims.extend(more);
        }
        if victims.is_empty() {
            return;
        }
        for victim in &victims {
            self.place.remove(victim);
        }
        changes.push(Change::Drop { digests: victims });
    }

    /// Removes files, and what is known of them.
    pub(super) fn drop_entries(
        &self,
        turn: &Turn<'_>,
        digests: Vec<Id>,
    ) -> Result<(), BackendError> {
        if digests.is_empty() {
            return Ok(());
        }
        for digest in &digests {
            self.place.remove(digest);
        }
        self.note(turn, &[Change::Drop { digests }])
    }
}
