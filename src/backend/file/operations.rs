//! The operations of a backend, as changes of the journal.

use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::change::{Change, Id, Record, Stored};
use super::entries::{MOST_AT_ONCE, unless};
use super::journal::Turn;
use super::state::State;
use super::{FileBackend, failure};
use crate::backend::wire::{Clock, Digest, EXPIRY};
use crate::backend::{
    Acknowledged, Ask, CacheBackend, Databases, Declarations, Holder, Mark, Put, Standing, Unless,
    Usage, Writer,
};
use crate::database::{TagSpace, declare};
use crate::entry::Entry;
use crate::error::BackendError;
use crate::key::Key;
use crate::protocol::{Fetched, Further, Leased, Lift, TagState, TagStates, may_be_made};
use crate::tag::Tag;
use crate::token::{Epoch, Nonce, Opening, ProcessId, WriterId};

pub(super) fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

pub(super) fn short(digest: &Digest) -> Id {
    let mut id = [0; 16];
    id.copy_from_slice(digest.short());
    id
}

pub(super) fn ids(tags: &[Tag]) -> Vec<Id> {
    tags.iter().map(|tag| tag.to_bytes()).collect()
}

/// The changes that an operation needs which is the first in its store.
fn ensure(state: &State) -> (Epoch, Option<Change>) {
    if let Some(epoch) = state.epoch() {
        return (epoch, None);
    }
    let epoch = Epoch::fresh();
    let begin = Change::Epoch {
        epoch: epoch.to_bytes(),
        nonce: Nonce::fresh().to_bytes(),
    };
    (epoch, Some(begin))
}

impl FileBackend {
    pub(super) fn turn(&self) -> Result<Turn<'_>, BackendError> {
        self.journal.turn(&self.place).map_err(failure)
    }

    pub(super) fn see<R>(&self, ask: impl FnOnce(&State) -> R) -> Result<R, BackendError> {
        self.journal.see(&self.place, ask).map_err(failure)
    }

    /// Writes down what is nice to have.
    pub(super) fn note(&self, turn: &Turn<'_>, changes: &[Change]) -> Result<(), BackendError> {
        turn.commit(changes).map_err(failure)
    }

    /// Writes down what must be known: entries make room for it, and then what the journal has in
    /// excess; and if there is none all the same, the store is lost, so that no entry is relied on.
    fn tell(&self, turn: &Turn<'_>, mut changes: Vec<Change>) -> Result<(), BackendError> {
        let Err(first) = turn.commit(&changes) else {
            return Ok(());
        };
        if turn.reload().is_ok() {
            let digests = turn.see(|state| state.index.digests());
            for digest in &digests {
                self.place.remove(digest);
            }
            changes.push(Change::Drop { digests });
            let done = turn.commit(&changes).is_ok() || turn.commit_anew(&changes).is_ok();
            if done {
                log::warn!("the cache's entries made room for an invalidation: {first}");
                return Ok(());
            }
        }
        // rule: what-cannot-be-written-down-empties-the-store
        match turn.lose() {
            Ok(()) => log::warn!("the cache's store was emptied: {first}"),
            Err(error) => {
                log::warn!("the cache's store can be neither written nor emptied: {error}");
            }
        }
        Err(failure(first))
    }
}

impl CacheBackend for FileBackend {
    fn is_shared(&self) -> bool {
        true
    }

    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        Ok(self.fetch_unless(ask, None)?.fetched)
    }

    fn fetch_unless(&self, ask: &Ask<'_>, held: Option<Mark>) -> Result<Unless, BackendError> {
        let now = self.fetch_now(ask, held)?;
        let missing = |states: &TagStates| states.contains(&TagState::Missing);
        let states = [&now.fetched.states, &now.fetched.also];
        let wants_tokens = ask.establish && states.into_iter().any(missing);
        let wants_lease = ask.key.is_some() && ask.lease.is_some();
        // Whether what the asker holds is a hit, only the step that gives the lease finds out.
        let may_want = || now.held.is_some() || may_be_made(&now.fetched, ask.tags);
        if wants_tokens || wants_lease && may_want() {
            return self.capture(ask, held);
        }
        Ok(now)
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
        let digest = Digest::of(key);
        let read = self.read(&digest, held);
        let fetched = self.see(|state| {
            let known = state.index.contains(&short(&digest));
            let entry = read.as_ref().map(|read| read.entry().clone());
            let entry = entry.filter(|entry| known && Some(entry.vector.nonce) == state.nonce());
            let tags = entry.iter().flat_map(|entry| entry.tags.iter());
            let states: TagStates = tags.map(|tag| state.tag(tag)).collect();
            let databases = match states.is_empty() {
                true => Databases::None,
                false => Databases::All(attached),
            };
            Fetched {
                gate: state.opened(databases),
                opening: None,
                entry,
                states,
                also: TagStates::new(),
                further: Further::None,
                leased: Leased::NotAsked,
            }
        })?;
        Ok(unless(fetched, read.as_ref()))
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        self.store(&key, &entry, holder, false)
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        self.store(&key, &entry, None, true)
    }

    fn release(&self, key: &Key, holder: ProcessId) -> Result<(), BackendError> {
        let digest = short(&Digest::of(key));
        let turn = self.turn()?;
        let now = Clock::now().unix();
        if turn.see(|state| state.lease(&digest, now)) != Some(holder.number()) {
            return Ok(());
        }
        self.note(&turn, &[Change::Release { digest }])
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        let digest = Digest::of(key);
        let turn = self.turn()?;
        let Some(entry) = turn.see(|state| self.read_valid(&digest, state)) else {
            return Ok(false);
        };
        let clock = Clock::now();
        let id = short(&digest);
        let expires_at = entry.not_after.map_or(expires_at, |at| at.min(expires_at));
        let ends = clock.to_unix(expires_at.max(entry.stale_until));
        let stored = Stored {
            digest: id,
            size: turn.see(|state| state.index.size(&id)),
            ends,
            tags: ids(&entry.tags),
            tokens_end: ends.max(clock.unix().saturating_add(millis(self.token_ttl))),
            removed_with: ids(&entry.removed_with),
        };
        self.note(&turn, &[Change::Put(stored)])?;
        let field = self.wire.expiry(&digest, clock.to_unix(expires_at));
        // Whoever reads it half written finds no entry.
        let written = self
            .place
            .change(&id)
            .and_then(|file| file.write_all_at(&field, EXPIRY.start as u64));
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failure(error)),
        }
    }

    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError> {
        let turn = self.turn()?;
        let (epoch, begin) = turn.see(ensure);
        let record = Record {
            writer: writer.id.to_bytes(),
            process: writer.process.number(),
            space: writer.space.map(|space| space.0),
            session: writer.session.map(str::to_owned),
        };
        let mut changes = Vec::from_iter(begin);
        changes.push(Change::Quarantine {
            writer: record,
            tags: ids(tags),
        });
        self.tell(&turn, changes)?;
        let opening = writer
            .space
            .and_then(|space| turn.see(|state| state.opening(space)));
        Ok(Acknowledged { epoch, opening })
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        let change = Change::Lift {
            writer: writer.to_bytes(),
            tags: ids(tags),
            renew: how == Lift::Renew,
        };
        let turn = self.turn()?;
        self.tell(&turn, vec![change])
    }

    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError> {
        let turn = self.turn()?;
        self.tell(&turn, vec![Change::Renew { tags: ids(tags) }])
    }

    fn remove(&self, key: &Key) -> Result<bool, BackendError> {
        let digest = Digest::of(key);
        let turn = self.turn()?;
        let found = turn.see(|state| self.read_valid(&digest, state).is_some());
        let id = short(&digest);
        let known = turn.see(|state| state.index.contains(&id));
        self.drop_entries(&turn, if known { vec![id] } else { Vec::new() })?;
        Ok(found)
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        loop {
            let turn = self.turn()?;
            let mut digests = turn.see(|state| state.index.removed_with(&tag.to_bytes()));
            let is_last = digests.len() <= MOST_AT_ONCE;
            digests.truncate(MOST_AT_ONCE);
            self.drop_entries(&turn, digests)?;
            if is_last {
                return Ok(());
            }
        }
    }

    fn clear(&self) -> Result<(), BackendError> {
        let turn = self.turn()?;
        let nonce = Nonce::fresh().to_bytes();
        self.tell(&turn, vec![Change::Clear { nonce }])?;
        self.place.forget_entries();
        Ok(())
    }

    fn usage(&self) -> Usage {
        let usage = self.journal.last(|state| Usage {
            entries: state.index.len() as u64,
            bytes: state.index.bytes(),
            tags: state.tags() as u64,
            evictions: 0,
        });
        Usage {
            evictions: self.evictions.load(Ordering::Relaxed),
            ..usage
        }
    }

    fn holders(&self, tags: &[Tag]) -> Result<Vec<Holder>, BackendError> {
        self.see(|state| state.holders(tags))
    }

    fn beat(&self, process: ProcessId, spaces: &[TagSpace]) -> Result<Standing, BackendError> {
        if self.see(State::epoch)?.is_none() {
            let turn = self.turn()?;
            let (_, begin) = turn.see(ensure);
            self.tell(&turn, Vec::from_iter(begin))?;
        }
        self.see(|state| Standing {
            epoch: state.epoch().unwrap_or_else(Epoch::fresh),
            open: state
                .open_spaces()
                .filter(|(space, _)| spaces.contains(space))
                .collect(),
            testified: state.testified().collect(),
            mine: state.writers_of(process).collect(),
        })
    }

    fn testify(
        &self,
        process: ProcessId,
        epoch: Epoch,
        spaces: &[TagSpace],
    ) -> Result<(), BackendError> {
        let turn = self.turn()?;
        let spaces = turn.see(|state| {
            // rule: a-testimony-counts-in-its-epoch
            let spaces = spaces.iter().filter(|_| state.epoch() == Some(epoch));
            // Where the gate is open, nobody asks for testimonies any more.
            let closed = spaces.filter(|space| state.opening(**space).is_none());
            closed.map(|space| space.0).collect::<Vec<Id>>()
        });
        if spaces.is_empty() {
            return Ok(());
        }
        let process = process.number();
        self.note(&turn, &[Change::Testify { process, spaces }])
    }

    fn open(&self, epoch: Epoch, space: TagSpace, opening: Opening) -> Result<(), BackendError> {
        let turn = self.turn()?;
        // rule: an-opening-counts-in-its-epoch
        let ignored =
            turn.see(|state| state.epoch() != Some(epoch) || state.opening(space).is_some());
        if ignored {
            return Ok(());
        }
        let opening = opening.to_bytes();
        let space = space.0;
        self.note(&turn, &[Change::Open { space, opening }])
    }

    fn recognises(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<bool, BackendError> {
        let who = space.seen_by(user);
        if let Some(before) = self.see(|state| state.catalogue(&who).copied())? {
            return Ok(before == *fingerprint);
        }
        let turn = self.turn()?;
        if let Some(before) = turn.see(|state| state.catalogue(&who).copied()) {
            return Ok(before == *fingerprint);
        }
        let (_, begin) = turn.see(ensure);
        let mut changes = Vec::from_iter(begin);
        let seen = *fingerprint;
        changes.push(Change::Remember { who, seen });
        self.note(&turn, &changes)?;
        Ok(true)
    }

    fn remember(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<(), BackendError> {
        let who = space.seen_by(user);
        let turn = self.turn()?;
        let (_, begin) = turn.see(ensure);
        let mut changes = Vec::from_iter(begin);
        let seen = *fingerprint;
        changes.push(Change::Remember { who, seen });
        self.tell(&turn, changes)
    }

    fn declare(
        &self,
        space: TagSpace,
        declarations: &Declarations,
    ) -> Result<Declarations, BackendError> {
        let turn = self.turn()?;
        let before = turn.see(|state| state.declared(space));
        let mut all = before.clone();
        declare(&mut all, declarations);
        let (_, begin) = turn.see(ensure);
        let mut changes = Vec::from_iter(begin);
        if all != before {
            changes.push(Change::Declare {
                space: space.0,
                all: all.iter().cloned().collect(),
            });
            // Who does not know it yet must learn it before any result is relied on.
            // rule: a-declaration-in-files-closes-the-gate
            changes.push(Change::Close {
                space: Some(space.0),
                epoch: Epoch::fresh().to_bytes(),
            });
        }
        self.tell(&turn, changes)?;
        Ok(all)
    }

    fn close(&self, space: Option<TagSpace>) -> Result<(), BackendError> {
        let turn = self.turn()?;
        let (_, begin) = turn.see(ensure);
        let mut changes = Vec::from_iter(begin);
        changes.push(Change::Close {
            space: space.map(|space| space.0),
            epoch: Epoch::fresh().to_bytes(),
        });
        self.tell(&turn, changes)
    }
}
