//! The operations of a backend, as changes of items.

use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::MemcachedBackend;
use super::documents::{
    Gate, Id, Record, Records, Testimonies, cell, digest_of, read, state, write, written,
};
use super::items::{Failure, Next};
use crate::backend::wire::{Clock, Digest, EXPIRY};
use crate::backend::{
    Acknowledged, Ask, CacheBackend, Databases, Declarations, Holder, Put, Standing, Usage, Writer,
};
use crate::config::Level;
use crate::database::{TagSpace, declare};
use crate::entry::Entry;
use crate::error::BackendError;
use crate::key::Key;
use crate::protocol::cell::Cell;
use crate::protocol::{Fetched, Further, Leased, Lift, TagStates};
use crate::tag::Tag;
use crate::token::{Epoch, Opening, ProcessId, Token, WriterId};

/// How long what has no end is kept: as long as memcached keeps anything.
pub(super) const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

impl MemcachedBackend {
    /// What an item says, if it is there and understood.
    fn document<T: DeserializeOwned>(&self, name: Vec<u8>) -> Result<Option<T>, Failure> {
        let found = self.items.get(&[name], None)?;
        let bytes = found.first().and_then(|item| Some(&*item.as_ref()?.value));
        Ok(bytes.and_then(read))
    }

    /// The gate, if there is one.
    pub(super) fn gate(&self) -> Result<Option<Gate>, Failure> {
        self.document(self.names.gate())
    }

    /// Changes the gate; one begins if there is none. Returns what it is then.
    fn change_gate(&self, mut change: impl FnMut(&mut Gate)) -> Result<Gate, Failure> {
        let mut now = Gate::begin();
        self.items.update(&[self.names.gate()], |_, bytes| {
            let before: Option<Gate> = bytes.and_then(read);
            now = before.clone().unwrap_or_else(Gate::begin);
            change(&mut now);
            match before {
                Some(before) if before == now => Next::Keep,
                _ => Next::Put(write(&now), FOREVER),
            }
        })?;
        Ok(now)
    }

    /// Changes cells.
    fn change_cells(
        &self,
        tags: &[Tag],
        change: impl Fn(&mut Cell<WriterId, Token>),
    ) -> Result<(), Failure> {
        let mut names: Vec<_> = tags.iter().map(|tag| self.names.cell(tag)).collect();
        names.sort();
        names.dedup();
        self.items.update(&names, |_, bytes| {
            let mut cell = cell(bytes);
            change(&mut cell);
            match written(&cell) {
                Some(written) if Some(&*written) != bytes => {
                    // Nothing that is evicted here is missed: see the level.
                    Next::Put(written, self.token_ttl)
                }
                Some(_) => Next::Keep,
                None => Next::Delete,
            }
        })
    }

    fn records(&self) -> Result<Records, Failure> {
        Ok(self.document(self.names.writers())?.unwrap_or_default())
    }

    fn change_records(&self, mut change: impl FnMut(&mut Records)) -> Result<(), Failure> {
        self.items.update(&[self.names.writers()], |_, bytes| {
            let before: Records = bytes.and_then(read).unwrap_or_default();
            let mut now = before.clone();
            change(&mut now);
            match now == before {
                true => Next::Keep,
                false => Next::Put(write(&now), FOREVER),
            }
        })
    }

    fn testimonies(&self, epoch: Id) -> Result<Testimonies, Failure> {
        let found: Option<Testimonies> = self.document(self.names.testimonies())?;
        // rule: a-testimony-in-memcached-counts-in-its-epoch
        Ok(found
            .filter(|found| found.epoch == epoch)
            .unwrap_or_default())
    }

    /// Whether a catalogue looks as it did, or did not look like anything.
    fn look(
        &self,
        space: TagSpace,
        user: &str,
        seen: &[u8; 32],
        replace: bool,
    ) -> Result<bool, Failure> {
        let who = space.seen_by(user);
        let mut now = [0; 16];
        blake3::Hasher::new()
            .update(seen)
            .finalize_xof()
            .fill(&mut now);
        let mut same = true;
        // Not in an item of its own, which could be evicted while entries are not.
        // rule: a-catalogue-is-remembered-as-long-as-entries-are
        self.change_gate(|gate| {
            let before = gate.catalogues.get(&who).copied();
            same = before.is_none_or(|before| before == now);
            if replace || before.is_none() {
                gate.catalogues.insert(who, now);
            }
        })?;
        Ok(same)
    }
}

impl CacheBackend for MemcachedBackend {
    fn is_shared(&self) -> bool {
        true
    }

    /// It may evict a quarantine without a trace.
    fn level(&self) -> Level {
        Level::Eventual
    }

    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        Ok(self.find(ask)?)
    }

    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Result<Fetched, BackendError> {
        let digest = Digest::of(key);
        let names = [self.names.gate(), self.names.entry(digest.short())];
        let found = self.items.get(&names, None)?;
        let bytes = |at: usize| found.get(at).and_then(|item| Some(&*item.as_ref()?.value));
        let gate: Option<Gate> = bytes(0).and_then(read);
        let entry = bytes(1).and_then(|bytes| self.wire.decode(&digest, bytes, Clock::now()));
        let nonce = gate.as_ref().map(|gate| gate.nonce);
        let entry = entry.filter(|entry| Some(entry.vector.nonce.to_bytes()) == nonce);
        let tags = entry.iter().flat_map(|entry| entry.tags.iter());
        let cells: Vec<_> = tags.map(|tag| self.names.cell(tag)).collect();
        let cells = self.items.get(&cells, None)?;
        let states: TagStates = cells
            .iter()
            .map(|item| state(item.as_ref().map(|item| &*item.value)))
            .collect();
        let databases = match states.is_empty() {
            true => Databases::None,
            false => Databases::All(attached),
        };
        Ok(Fetched {
            gate: gate.and_then(|gate| gate.opened(databases)),
            opening: None,
            entry,
            states,
            also: TagStates::new(),
            further: Further::None,
            leased: Leased::NotAsked,
        })
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        Ok(self.store(&key, &entry, holder, false)?)
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        Ok(self.store(&key, &entry, None, true)?)
    }

    fn release(&self, key: &Key, holder: ProcessId) -> Result<(), BackendError> {
        Ok(self.end_lease(&Digest::of(key), holder)?)
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        let digest = Digest::of(key);
        let Some(entry) = self.valid(&digest)? else {
            return Ok(false);
        };
        let expires_at = entry.not_after.map_or(expires_at, |at| at.min(expires_at));
        let field = self.wire.expiry(&digest, Clock::now().to_unix(expires_at));
        let life = expires_at
            .max(entry.stale_until)
            .saturating_duration_since(Instant::now());
        let cells: Vec<_> = entry.tags.iter().map(|tag| self.names.cell(tag)).collect();
        self.items.get(&cells, Some(life.max(self.token_ttl)))?;
        let mut touched = false;
        self.items
            .update(&[self.names.entry(digest.short())], |_, bytes| {
                // It may have been replaced meanwhile: by one whose end is later or earlier, and is
                // moved then; or it may be gone.
                let found = bytes.filter(|bytes| {
                    let found = self.wire.decode(&digest, bytes, Clock::now());
                    found.is_some_and(|found| found.vector == entry.vector)
                });
                touched = found.is_some();
                match found {
                    Some(found) => {
                        let mut bytes = found.to_vec();
                        bytes[EXPIRY].copy_from_slice(&field);
                        Next::Put(bytes, life)
                    }
                    None => Next::Keep,
                }
            })?;
        Ok(touched)
    }

    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError> {
        // A server that loses it meanwhile is in a later one, in which it is not known.
        // rule: the-epoch-of-a-quarantine-is-read-before-it
        let epoch = self.change_gate(|_| {})?.epoch;
        let id = writer.id.to_bytes();
        self.change_records(|records| {
            let record = records.entry(id).or_insert_with(|| Record {
                process: writer.process.number(),
                space: writer.space.map(|space| space.0),
                session: writer.session.map(str::to_owned),
                tags: Default::default(),
            });
            record.session = writer.session.map(str::to_owned);
            record.tags.extend(tags.iter().map(|tag| tag.to_bytes()));
        })?;
        self.change_cells(tags, |cell| cell.quarantine(writer.id))?;
        let gate = self.gate()?.filter(|gate| gate.epoch == epoch);
        Ok(Acknowledged {
            epoch: Epoch::from_bytes(epoch),
            opening: writer
                .space
                .zip(gate)
                .and_then(|(space, gate)| gate.opening(space)),
        })
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        let mut all = tags.to_vec();
        if let Some(record) = self.records()?.get(&writer.to_bytes()) {
            all.extend(record.tags.iter().map(|tag| Tag::from_bytes(*tag)));
        }
        self.change_cells(&all, |cell| cell.lift(&writer, how))?;
        // Last: who does not get here is still known.
        self.change_records(|records| drop(records.remove(&writer.to_bytes())))?;
        Ok(())
    }

    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError> {
        Ok(self.change_cells(tags, Cell::renew)?)
    }

    fn remove(&self, key: &Key) -> Result<bool, BackendError> {
        let digest = Digest::of(key);
        let found = self.valid(&digest)?.is_some();
        self.items.delete(&self.names.entry(digest.short()))?;
        Ok(found)
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        Ok(self.purge_all(tag)?)
    }

    fn clear(&self) -> Result<(), BackendError> {
        self.change_gate(Gate::renew)?;
        Ok(())
    }

    /// Nothing: only the server knows.
    fn usage(&self) -> Usage {
        Usage::default()
    }

    fn holders(&self, tags: &[Tag]) -> Result<Vec<Holder>, BackendError> {
        let records = self.records()?;
        let holds = |record: &Record| {
            tags.is_empty() || tags.iter().any(|tag| record.tags.contains(&tag.to_bytes()))
        };
        let found = records.into_iter().filter(|(_, record)| holds(record));
        Ok(found
            .map(|(writer, record)| record.holder(writer))
            .collect())
    }

    fn beat(&self, process: ProcessId, spaces: &[TagSpace]) -> Result<Standing, BackendError> {
        let gate = self.change_gate(|_| {})?;
        let testified = self.testimonies(gate.epoch)?;
        let records = self.records()?;
        let mine = records
            .iter()
            .filter(|(_, record)| record.process == process.number());
        Ok(Standing {
            epoch: Epoch::from_bytes(gate.epoch),
            open: spaces
                .iter()
                .filter_map(|space| Some((*space, gate.opening(*space)?)))
                .collect(),
            testified: testified
                .of
                .iter()
                .map(|(process, space)| (ProcessId::of(*process), TagSpace(*space)))
                .collect(),
            mine: mine
                .map(|(writer, _)| WriterId::from_bytes(*writer))
                .collect(),
        })
    }

    fn testify(
        &self,
        process: ProcessId,
        epoch: Epoch,
        spaces: &[TagSpace],
    ) -> Result<(), BackendError> {
        let epoch = epoch.to_bytes();
        let Some(gate) = self.gate()?.filter(|gate| gate.epoch == epoch) else {
            return Ok(());
        };
        self.items.update(&[self.names.testimonies()], |_, bytes| {
            let before: Option<Testimonies> = bytes.and_then(read);
            let mut now = before
                .filter(|before| before.epoch == epoch)
                .unwrap_or_default();
            now.epoch = epoch;
            // Where the gate is open, nobody asks for testimonies any more.
            let closed = spaces
                .iter()
                .filter(|space| gate.opening(**space).is_none());
            now.of
                .extend(closed.map(|space| (process.number(), space.0)));
            Next::Put(write(&now), FOREVER)
        })?;
        Ok(())
    }

    fn open(&self, epoch: Epoch, space: TagSpace, opening: Opening) -> Result<(), BackendError> {
        let epoch = epoch.to_bytes();
        self.items.update(&[self.names.gate()], |_, bytes| {
            // rule: an-opening-in-memcached-counts-in-its-epoch
            let gate: Option<Gate> = bytes.and_then(read);
            match gate.filter(|gate| gate.epoch == epoch && !gate.open.contains_key(&space.0)) {
                Some(mut gate) => {
                    gate.open.insert(space.0, opening.to_bytes());
                    Next::Put(write(&gate), FOREVER)
                }
                None => Next::Keep,
            }
        })?;
        self.items.update(&[self.names.testimonies()], |_, bytes| {
            let before: Option<Testimonies> = bytes.and_then(read);
            match before.filter(|before| before.epoch == epoch) {
                Some(mut now) if now.of.iter().any(|(_, of)| *of == space.0) => {
                    now.of.retain(|(_, of)| *of != space.0);
                    Next::Put(write(&now), FOREVER)
                }
                _ => Next::Keep,
            }
        })?;
        Ok(())
    }

    fn recognises(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<bool, BackendError> {
        Ok(self.look(space, user, fingerprint, false)?)
    }

    fn remember(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<(), BackendError> {
        self.look(space, user, fingerprint, true)?;
        Ok(())
    }

    fn declare(
        &self,
        space: TagSpace,
        declarations: &Declarations,
    ) -> Result<Declarations, BackendError> {
        let mut all = Declarations::new();
        let mut found = digest_of(&all);
        self.items
            .update(&[self.names.declared(&space.0)], |_, bytes| {
                all = bytes.and_then(read).unwrap_or_default();
                found = digest_of(&all);
                let before = all.len();
                declare(&mut all, declarations);
                match all.len() == before {
                    true => Next::Keep,
                    false => Next::Put(write(&all), FOREVER),
                }
            })?;
        // Who does not know it yet must learn it before any result is relied on. Whoever declares
        // after one who died before this closes the gate in its place.
        // rule: a-declaration-in-memcached-closes-the-gate
        let digest = digest_of(&all);
        self.change_gate(|gate| {
            let known = gate.declared.get(&space.0).copied();
            // What was declared was evicted: there may be entries that depend on keys which
            // nobody tells any more.
            // rule: declarations-that-are-lost-take-the-entries-along
            if known.is_some_and(|known| known != found && known != digest) {
                gate.renew();
            }
            if known.unwrap_or_else(|| digest_of(&Declarations::new())) != digest {
                gate.declared.insert(space.0, digest);
                gate.close(Some(space));
            }
        })?;
        Ok(all)
    }

    fn close(&self, space: Option<TagSpace>) -> Result<(), BackendError> {
        self.change_gate(|gate| gate.close(space))?;
        Ok(())
    }
}
