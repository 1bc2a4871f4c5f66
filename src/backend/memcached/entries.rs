//! Entries: how they are found and stored.

use std::time::{Duration, Instant};

use super::MemcachedBackend;
use super::documents::{Gate, read, state};
use super::items::{Failure, Next};
use super::operations::FOREVER;
use crate::backend::wire::{Clock, Digest, removed_with};
use crate::backend::{Ask, Databases, Lease, Put};
use crate::entry::Entry;
use crate::key::Key;
use crate::protocol::{Fetched, Further, Leased, TagState, TagStates, may_be_made};
use crate::tag::Tag;
use crate::token::{ProcessId, Token};

use super::documents::{cell, written};

/// How many entries are known by a tag that they are removed with.
const MOST_REMOVABLE: usize = 4096;

/// How long something lives that ends then.
fn until(at: Instant) -> Duration {
    at.saturating_duration_since(Instant::now())
}

impl MemcachedBackend {
    /// The states of tags, and the gate, in one round trip.
    fn states(
        &self,
        tags: &[Tag],
        prolong: Option<Duration>,
    ) -> Result<(Option<Gate>, TagStates), Failure> {
        let gate = self.gate()?;
        let cells: Vec<_> = tags.iter().map(|tag| self.names.cell(tag)).collect();
        let found = self.items.get(&cells, prolong)?;
        let states = found
            .iter()
            .map(|item| state(item.as_ref().map(|item| &*item.value)));
        Ok((gate, states.collect()))
    }

    /// How an entry stands by the tags that it has after the first ones.
    fn further(&self, entry: &Entry, asked: &[Tag]) -> Result<Further, Failure> {
        if !entry.tags.starts_with(asked) || entry.tags.len() == asked.len() {
            return Ok(Further::None);
        }
        let rest: Vec<_> = entry.tags[asked.len()..]
            .iter()
            .map(|tag| self.names.cell(tag))
            .collect();
        let found = self.items.get(&rest, None)?;
        let held = entry.vector.tokens.iter().skip(asked.len());
        let states = found
            .iter()
            .map(|item| state(item.as_ref().map(|item| &*item.value)));
        Ok(Further::of(states.zip(held.copied())))
    }

    /// Gives tags that are missing a token, and says how they stand then.
    fn establish(&self, tags: &[Tag], states: &mut TagStates) -> Result<(), Failure> {
        let mut missing: Vec<Tag> = Vec::new();
        for (tag, state) in tags.iter().zip(states.iter()) {
            if *state == TagState::Missing && !missing.contains(tag) {
                missing.push(*tag);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = missing.iter().map(|tag| self.names.cell(tag)).collect();
        let mut seen = vec![TagState::Missing; missing.len()];
        self.items.update(&names, |at, bytes| {
            let mut cell = cell(bytes);
            cell.establish(Token::fresh);
            seen[at] = cell.state();
            match (bytes, written(&cell)) {
                (None, Some(written)) => Next::Put(written, self.token_ttl),
                _ => Next::Keep,
            }
        })?;
        for (tag, state) in tags.iter().zip(states.iter_mut()) {
            if let Some(at) = missing.iter().position(|other| other == tag) {
                *state = seen[at];
            }
        }
        Ok(())
    }

    pub(super) fn find(&self, ask: &Ask<'_>) -> Result<Fetched, Failure> {
        let digest = ask.key.map(Digest::of);
        let all: Vec<Tag> = ask.tags.iter().chain(ask.also).copied().collect();
        // The gate before all else, and the entry last: what is read later is no older.
        let mut names = vec![self.names.gate()];
        names.extend(all.iter().map(|tag| self.names.cell(tag)));
        names.extend(digest.map(|digest| self.names.entry(digest.short())));
        let found = self.items.get(&names, None)?;
        let bytes = |at: usize| {
            let item: Option<&_> = found.get(at)?.as_ref();
            item.map(|item: &super::items::Item| &*item.value)
        };
        let gate: Option<Gate> = bytes(0).and_then(read);
        let mut states: TagStates = (1..=all.len()).map(|at| state(bytes(at))).collect();
        if ask.establish {
            self.establish(&all, &mut states)?;
        }
        let also = states.drain(ask.tags.len()..).collect();
        let entry = digest.and_then(|digest| {
            self.wire
                .decode(&digest, bytes(all.len() + 1)?, Clock::now())
        });
        // An entry of another generation was forgotten.
        let nonce = gate.as_ref().map(|gate| gate.nonce);
        let entry = entry.filter(|entry| Some(entry.vector.nonce.to_bytes()) == nonce);
        let further = match &entry {
            Some(entry) => self.further(entry, ask.tags)?,
            None => Further::None,
        };
        let mut fetched = Fetched {
            gate: gate.as_ref().and_then(|gate| gate.opened(ask.databases)),
            opening: match ask.databases {
                Databases::One(space) => gate.as_ref().and_then(|gate| gate.opening(space)),
                Databases::All(_) | Databases::None => None,
            },
            entry,
            states,
            also,
            further,
            leased: Leased::NotAsked,
        };
        if let (Some(digest), Some(lease)) = (digest, ask.lease)
            && may_be_made(&fetched, ask.tags)
        {
            fetched.leased = self.lease(&digest, lease)?;
        }
        Ok(fetched)
    }

    fn lease(&self, digest: &Digest, lease: Lease) -> Result<Leased, Failure> {
        let now = Clock::now().unix();
        let patience = u64::try_from(lease.patience.as_millis()).unwrap_or(u64::MAX);
        let own = (lease.holder.number(), now.saturating_add(patience.max(1)));
        let own = super::documents::write(&own);
        let mut leased = Leased::Taken;
        self.items
            .update(&[self.names.lease(digest.short())], |_, bytes| {
                let taken = bytes.and_then(read::<(u64, u64)>);
                let taken = taken
                    .is_some_and(|(holder, until)| holder != lease.holder.number() && until > now);
                leased = if taken {
                    Leased::Taken
                } else {
                    Leased::Granted
                };
                match taken {
                    true => Next::Keep,
                    false => Next::Put(own.clone(), lease.patience),
                }
            })?;
        Ok(leased)
    }

    /// Ends the lease of a holder.
    pub(super) fn end_lease(&self, digest: &Digest, holder: ProcessId) -> Result<(), Failure> {
        let name = self.names.lease(digest.short());
        self.items.update(&[name], |_, bytes| {
            match bytes.and_then(read::<(u64, u64)>) {
                Some((of, _)) if of == holder.number() => Next::Delete,
                _ => Next::Keep,
            }
        })
    }

    /// Whether an entry's tokens are all current.
    fn is_current(&self, entry: &Entry, prolong: Option<Duration>) -> Result<bool, Failure> {
        let (gate, states) = self.states(&entry.tags, prolong)?;
        let mut held = states.iter().zip(&entry.vector.tokens);
        Ok(entry.tags.len() == entry.vector.tokens.len()
            && gate.is_some_and(|gate| gate.nonce == entry.vector.nonce.to_bytes())
            && held.all(|(state, token)| *state == TagState::Clean(*token)))
    }

    fn is_valid(&self, entry: &Entry) -> Result<bool, Failure> {
        Ok(entry.expires_at > Instant::now() && self.is_current(entry, None)?)
    }

    /// The entry under a key, if it is valid.
    pub(super) fn valid(&self, digest: &Digest) -> Result<Option<Entry>, Failure> {
        let found = self.items.get(&[self.names.entry(digest.short())], None)?;
        let bytes = found.first().and_then(|item| Some(&*item.as_ref()?.value));
        let entry = bytes.and_then(|bytes| self.wire.decode(digest, bytes, Clock::now()));
        Ok(match entry {
            Some(entry) if self.is_valid(&entry)? => Some(entry),
            _ => None,
        })
    }

    pub(super) fn store(
        &self,
        key: &Key,
        entry: &Entry,
        holder: Option<ProcessId>,
        if_absent: bool,
    ) -> Result<Put, Failure> {
        let digest = Digest::of(key);
        if let Some(holder) = holder {
            self.end_lease(&digest, holder)?;
        }
        let Ok(bytes) = self.wire.encode(&digest, entry, Clock::now()) else {
            return Ok(Put::TooLarge);
        };
        let life = until(entry.expires_at.max(entry.stale_until));
        if !self.is_current(entry, Some(life.max(self.token_ttl)))? {
            return Ok(Put::Outdated);
        }
        let name = self.names.entry(digest.short());
        let stored = match if_absent {
            false => self.items.set(&name, &bytes, life).map(|()| Put::Stored),
            true => self.add(&digest, name, &bytes, life),
        };
        let stored = match stored {
            Err(Failure::TooLarge) => {
                // What was there before is not what was to be there.
                self.items.delete(&self.names.entry(digest.short()))?;
                return Ok(Put::TooLarge);
            }
            other => other?,
        };
        if stored == Put::Stored && !entry.removed_with.is_empty() {
            self.follow(&digest, &entry.removed_with)?;
        }
        Ok(stored)
    }

    /// Stores an entry unless a valid one is there.
    fn add(
        &self,
        digest: &Digest,
        name: Vec<u8>,
        bytes: &[u8],
        life: Duration,
    ) -> Result<Put, Failure> {
        let mut stored = Put::Present;
        let mut failed = None;
        self.items.update(&[name], |_, found| {
            let found = found.and_then(|found| self.wire.decode(digest, found, Clock::now()));
            let valid = found.map(|entry| self.is_valid(&entry)).transpose();
            match valid {
                Ok(Some(true)) => {
                    stored = Put::Present;
                    Next::Keep
                }
                Ok(_) => {
                    stored = Put::Stored;
                    Next::Put(bytes.to_vec(), life)
                }
                Err(failure) => {
                    failed = Some(failure);
                    Next::Keep
                }
            }
        })?;
        failed.map_or(Ok(stored), Err)
    }

    /// The entry is known by the tags that it is removed with.
    fn follow(&self, digest: &Digest, tags: &[Tag]) -> Result<(), Failure> {
        let names: Vec<_> = tags
            .iter()
            .map(|tag| self.names.removed_with(tag))
            .collect();
        self.items.update(&names, |_, bytes| {
            let mut digests = bytes.map(<[u8]>::to_vec).unwrap_or_default();
            if digests.chunks_exact(16).any(|one| one == digest.short()) {
                return Next::Keep;
            }
            // The oldest are forgotten: they die with their tokens all the same.
            if digests.len() >= 16 * MOST_REMOVABLE {
                digests.drain(..digests.len() / 2 / 16 * 16);
            }
            digests.extend(digest.short());
            Next::Put(digests, FOREVER)
        })
    }

    /// Forgets the entries that are removed with a tag.
    pub(super) fn purge_all(&self, tag: &Tag) -> Result<(), Failure> {
        let list = self.names.removed_with(tag);
        let mut digests = Vec::new();
        self.items.update(&[list], |_, bytes| {
            digests = bytes.map(<[u8]>::to_vec).unwrap_or_default();
            Next::Delete
        })?;
        let names: Vec<_> = digests
            .chunks_exact(16)
            .map(|digest| self.names.entry(digest))
            .collect();
        // What is stored there now may be something else.
        self.items
            .update(&names, |_, bytes| match bytes.and_then(removed_with) {
                Some(tags) if tags.contains(tag) => Next::Delete,
                _ => Next::Keep,
            })
    }
}
