//! The plainest backend there is.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::rule::Rule;
use super::state::{Cell, Record, State};
use crate::backend::{
    Acknowledged, Ask, CacheBackend, Databases, Declarations, Holder, Lease, Put, Standing, Usage,
    Writer,
};
use crate::database::TagSpace;
use crate::entry::Entry;
use crate::error::BackendError;
use crate::key::Key;
use crate::protocol::{Fetched, Further, Leased, Lift, TagState, TagStates};
use crate::tag::Tag;
use crate::token::{Epoch, Nonce, Opening, ProcessId, Token, WriterId};

mod asked;

/// A shared store behind one lock, in this process: what the trait says, and nothing else.
///
/// Clones share what they hold, as processes share a store, and [`lose`](Self::lose) empties it,
/// as a restart does. Nothing bounds it: it is for tests.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    state: Arc<Mutex<State>>,
    broken: Option<Rule>,
}

impl Reference {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that breaks one rule.
    #[must_use]
    pub fn breaking(rule: Rule) -> Self {
        Self {
            broken: Some(rule),
            ..Self::default()
        }
    }

    /// Forgets everything, as a server does that is restarted empty.
    pub fn lose(&self) {
        *self.lock() = State::default();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn breaks(&self, rule: Rule) -> bool {
        self.broken == Some(rule)
    }

    /// The token of a tag that has none.
    fn fresh(&self, tag: Tag) -> Token {
        if self.breaks(Rule::TokensAreUnique) {
            return Token::from_bytes(tag.to_bytes());
        }
        Token::fresh()
    }

    fn state(&self, state: &State, tag: &Tag) -> TagState {
        match state.cells.get(tag) {
            None => TagState::Missing,
            Some(Cell::Clean(token)) => TagState::Clean(*token),
            Some(Cell::Held { old, .. }) => match old {
                Some(token) if self.breaks(Rule::QuarantinesBlock) => TagState::Clean(*token),
                _ => TagState::Quarantined,
            },
        }
    }

    fn is_current(&self, state: &State, entry: &Entry) -> bool {
        let nonce = state.gate.as_ref().map(|gate| gate.nonce);
        let mut tokens = entry.tags.iter().zip(&entry.vector.tokens);
        entry.tags.len() == entry.vector.tokens.len()
            && (nonce == Some(entry.vector.nonce) || self.breaks(Rule::ClearsReachFills))
            && tokens.all(|(tag, token)| self.state(state, tag) == TagState::Clean(*token))
    }

    fn is_valid(&self, state: &State, key: &Key) -> bool {
        let found = state.entries.get(key);
        found
            .is_some_and(|entry| entry.expires_at > Instant::now() && self.is_current(state, entry))
    }

    fn renew_one(&self, state: &mut State, tag: &Tag) {
        match state.cells.get_mut(tag) {
            Some(Cell::Clean(_)) => {
                state.cells.remove(tag);
            }
            Some(Cell::Held { dirty, .. }) => {
                *dirty |= !self.breaks(Rule::RenewalsMarkWhatIsHeld);
            }
            None => {}
        }
    }

    fn lift_one(&self, state: &mut State, writer: WriterId, tag: &Tag, how: Lift) {
        let Some(Cell::Held {
            writers,
            dirty,
            old,
        }) = state.cells.get_mut(tag)
        else {
            if !self.breaks(Rule::LateLiftsRenew) {
                self.renew_one(state, tag);
            }
            return;
        };
        if writers.remove(&writer) {
            *dirty |= how == Lift::Renew;
            if self.breaks(Rule::DirtStays) {
                *dirty = how == Lift::Renew;
            }
        } else if !self.breaks(Rule::LateLiftsRenew) {
            *dirty = true;
        }
        if self.breaks(Rule::LiftsSpareOthers) {
            writers.clear();
        }
        if !writers.is_empty() {
            return;
        }
        let old = match *old {
            Some(token) if !*dirty && !self.breaks(Rule::RestoresRestore) => Some(token),
            _ => None,
        };
        match old {
            Some(token) => state.cells.insert(*tag, Cell::Clean(token)),
            None => state.cells.remove(tag),
        };
    }

    fn lease(&self, state: &mut State, key: &Key, lease: Lease) -> Leased {
        let now = Instant::now();
        let ends = !self.breaks(Rule::LeasesEndByThemselves);
        let taken = state
            .leases
            .get(key)
            .is_some_and(|(holder, until)| *holder != lease.holder && (*until > now || !ends));
        if taken && !self.breaks(Rule::LeasesAreExclusive) {
            return Leased::Taken;
        }
        let until = now + lease.patience;
        state.leases.insert(key.clone(), (lease.holder, until));
        Leased::Granted
    }

    fn end_lease(&self, state: &mut State, key: &Key, holder: ProcessId) {
        let own = state.leases.get(key).is_some_and(|(h, _)| *h == holder);
        if own || self.breaks(Rule::ReleasesSpareOthers) {
            state.leases.remove(key);
        }
    }

    fn cut(&self, mut entry: Entry) -> Entry {
        if let (true, crate::entry::Payload::Bytes(bytes)) =
            (self.breaks(Rule::EntriesAreWhole), &entry.payload)
        {
            let length = bytes.len().min(1 << 20);
            entry.payload = crate::entry::Payload::Bytes(Arc::from(&bytes[..length]));
        }
        entry
    }

    fn place(&self, key: Key) -> Key {
        if self.breaks(Rule::KeysDiffer) {
            let text = String::from_utf8_lossy(key.as_bytes()).to_lowercase();
            return super::world::key(&text);
        }
        key
    }
}

impl CacheBackend for Reference {
    fn is_shared(&self) -> bool {
        true
    }

    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        let mut state = self.lock();
        let mut gate = state.opened(ask.databases);
        if gate.is_none() && self.breaks(Rule::EmptyStoresAreClosed) {
            gate = Some(state.gate().nonce);
        }
        self.establish(&mut state, ask);
        let states: TagStates = ask.tags.iter().map(|tag| self.state(&state, tag)).collect();
        let mut also: TagStates = ask.also.iter().map(|tag| self.state(&state, tag)).collect();
        if self.breaks(Rule::AlsoIsInOrder) {
            also.reverse();
        }
        let key = ask.key.cloned().map(|key| self.place(key));
        let entry = key.as_ref().and_then(|key| state.entries.get(key)).cloned();
        let opening = match ask.databases {
            Databases::One(space) => state.opening(space),
            Databases::All(_) | Databases::None => None,
        };
        let mut fetched = Fetched {
            gate,
            opening,
            further: self.further(&state, entry.as_ref(), ask.tags),
            entry,
            states,
            also,
            leased: Leased::NotAsked,
        };
        if let (Some(key), Some(lease)) = (&key, ask.lease)
            && self.may_be_made(&fetched, ask.tags)
        {
            fetched.leased = self.lease(&mut state, key, lease);
        }
        Ok(fetched)
    }

    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Result<Fetched, BackendError> {
        let state = self.lock();
        let entry = state.entries.get(&self.place(key.clone())).cloned();
        let tags = entry.iter().flat_map(|entry| entry.tags.iter());
        let states: TagStates = tags.map(|tag| self.state(&state, tag)).collect();
        let databases = if states.is_empty() {
            Databases::None
        } else {
            Databases::All(attached)
        };
        Ok(Fetched {
            gate: state.opened(databases),
            opening: None,
            entry,
            states,
            also: TagStates::new(),
            further: Further::None,
            leased: Leased::NotAsked,
        })
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        let mut state = self.lock();
        let key = self.place(key);
        if let Some(holder) = holder.filter(|_| !self.breaks(Rule::LeasesEndWithThePut)) {
            self.end_lease(&mut state, &key, holder);
        }
        if !self.is_current(&state, &entry) && !self.breaks(Rule::LateFillsAreRefused) {
            return Ok(Put::Outdated);
        }
        let entry = self.cut(entry);
        state.entries.insert(key, entry);
        Ok(Put::Stored)
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        let mut state = self.lock();
        let key = self.place(key);
        if !self.is_current(&state, &entry) {
            return Ok(Put::Outdated);
        }
        let present = self.is_valid(&state, &key) && !self.breaks(Rule::AddsAdd)
            || state.entries.contains_key(&key) && self.breaks(Rule::AddsReplaceTheDead);
        if present {
            return Ok(Put::Present);
        }
        state.entries.insert(key, entry);
        Ok(Put::Stored)
    }

    fn release(&self, key: &Key, holder: ProcessId) -> Result<(), BackendError> {
        self.end_lease(&mut self.lock(), key, holder);
        Ok(())
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        let mut state = self.lock();
        let valid = self.is_valid(&state, key) || self.breaks(Rule::TouchesReviveNothing);
        let Some(entry) = state.entries.get_mut(key).filter(|_| valid) else {
            return Ok(false);
        };
        let latest = entry
            .not_after
            .filter(|_| !self.breaks(Rule::TouchesHeedTheLatestEnd));
        if !self.breaks(Rule::TouchesMoveTheEnd) {
            entry.expires_at = expires_at.min(latest.unwrap_or(expires_at));
        }
        Ok(true)
    }

    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError> {
        let mut state = self.lock();
        let epoch = state.gate().epoch;
        for tag in tags {
            let held = match state.cells.remove(tag) {
                Some(Cell::Held {
                    mut writers,
                    dirty,
                    old,
                }) => {
                    writers.insert(writer.id);
                    Cell::Held {
                        writers,
                        dirty,
                        old,
                    }
                }
                other => Cell::Held {
                    writers: BTreeSet::from([writer.id]),
                    dirty: false,
                    old: match other {
                        Some(Cell::Clean(token)) => Some(token),
                        _ => None,
                    },
                },
            };
            state.cells.insert(*tag, held);
        }
        let record = state.writers.entry(writer.id).or_insert_with(|| Record {
            process: writer.process,
            space: writer.space,
            session: writer.session.map(str::to_owned),
            tags: BTreeSet::new(),
        });
        record.session = writer.session.map(str::to_owned);
        record.tags.extend(tags);
        Ok(Acknowledged {
            epoch,
            opening: writer.space.and_then(|space| state.opening(space)),
        })
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        let mut state = self.lock();
        let mut all: BTreeSet<Tag> = tags.iter().copied().collect();
        if !self.breaks(Rule::LiftsAreWhole) {
            let record = state.writers.remove(&writer);
            all.extend(record.iter().flat_map(|record| &record.tags));
        } else if let Some(record) = state.writers.get_mut(&writer) {
            record.tags.retain(|tag| !all.contains(tag));
        }
        for tag in &all {
            self.lift_one(&mut state, writer, tag, how);
        }
        if self.breaks(Rule::InvalidationsLeaveNothing) {
            state
                .cells
                .entry(Tag::label(&format!("{writer:?}")))
                .or_insert(Cell::Clean(Token::fresh()));
        }
        Ok(())
    }

    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError> {
        let mut state = self.lock();
        for tag in tags.iter().filter(|_| !self.breaks(Rule::RenewalsRenew)) {
            self.renew_one(&mut state, tag);
        }
        Ok(())
    }

    fn remove(&self, key: &Key) -> Result<bool, BackendError> {
        let mut state = self.lock();
        let valid = self.is_valid(&state, key);
        if !self.breaks(Rule::RemovalsRemove) {
            state.entries.remove(key);
        }
        Ok(valid)
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        if !self.breaks(Rule::PurgesPurge) {
            let mut state = self.lock();
            state
                .entries
                .retain(|_, entry| !entry.removed_with.contains(tag));
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), BackendError> {
        let mut state = self.lock();
        if let Some(gate) = state
            .gate
            .as_mut()
            .filter(|_| !self.breaks(Rule::ClearsReachEntries))
        {
            gate.nonce = Nonce::fresh();
        }
        state.catalogues.clear();
        if self.breaks(Rule::ClearsSpareQuarantines) {
            state.cells.clear();
        }
        if !self.breaks(Rule::ClearsReachEntries) {
            state.entries.clear();
        }
        Ok(())
    }

    fn usage(&self) -> Usage {
        let state = self.lock();
        let weights = state.entries.values().map(|entry| entry.weight as u64);
        Usage {
            entries: state.entries.len() as u64,
            bytes: weights.sum(),
            tags: state.cells.len() as u64,
            evictions: 0,
        }
    }

    fn holders(&self, tags: &[Tag]) -> Result<Vec<Holder>, BackendError> {
        let state = self.lock();
        let holds = |record: &Record| {
            let told = !self.breaks(Rule::HoldersAreTold);
            told && (tags.is_empty() || tags.iter().any(|tag| record.tags.contains(tag)))
        };
        let found = state.writers.iter().filter(|(_, record)| holds(record));
        Ok(found
            .map(|(writer, record)| Holder {
                writer: *writer,
                process: record.process,
                space: record.space,
                session: record.session.clone(),
                tags: record.tags.iter().copied().collect(),
            })
            .collect())
    }

    fn beat(&self, process: ProcessId, spaces: &[TagSpace]) -> Result<Standing, BackendError> {
        let mut state = self.lock();
        let held = state
            .writers
            .iter()
            .filter(|(_, record)| record.process == process);
        let mine = held.map(|(writer, _)| *writer).collect();
        let gate = state.gate();
        Ok(Standing {
            epoch: gate.epoch,
            open: gate
                .open
                .iter()
                .filter(|(space, _)| spaces.contains(space))
                .map(|(space, opening)| (*space, *opening))
                .collect(),
            testified: gate.testified.iter().copied().collect(),
            mine,
        })
    }

    fn testify(
        &self,
        process: ProcessId,
        epoch: Epoch,
        spaces: &[TagSpace],
    ) -> Result<(), BackendError> {
        let mut state = self.lock();
        let gate = state.gate();
        if gate.epoch == epoch || self.breaks(Rule::TestimoniesAreOfTheirEpoch) {
            let spaces = spaces.iter().map(|space| (process, *space));
            gate.testified.extend(spaces);
        }
        Ok(())
    }

    fn open(&self, epoch: Epoch, space: TagSpace, opening: Opening) -> Result<(), BackendError> {
        let mut state = self.lock();
        let gate = state.gate();
        if self.breaks(Rule::OpeningsLast) {
            gate.open.remove(&space);
        }
        if gate.epoch == epoch || self.breaks(Rule::OpeningsAreOfTheirEpoch) {
            gate.open.entry(space).or_insert(opening);
        }
        Ok(())
    }

    fn recognises(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<bool, BackendError> {
        let mut state = self.lock();
        let place = (space, user.to_owned());
        let known = *state.catalogues.entry(place).or_insert(*fingerprint);
        Ok(known == *fingerprint || self.breaks(Rule::CataloguesAreRemembered))
    }

    fn remember(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<(), BackendError> {
        let place = (space, user.to_owned());
        self.lock().catalogues.insert(place, *fingerprint);
        Ok(())
    }

    fn declare(
        &self,
        space: TagSpace,
        declarations: &Declarations,
    ) -> Result<Declarations, BackendError> {
        let mut state = self.lock();
        let gate = state.gate();
        let declared = gate.declared.entry(space).or_default();
        let before = declared.len();
        if self.breaks(Rule::DeclarationsAddUp) {
            declared.clear();
        }
        declared.extend(declarations.iter().cloned());
        let all = declared.clone();
        if all.len() > before && !self.breaks(Rule::DeclarationsClose) {
            gate.epoch = Epoch::fresh();
            gate.testified.clear();
            gate.open.remove(&space);
        }
        Ok(all)
    }

    fn close(&self, space: Option<TagSpace>) -> Result<(), BackendError> {
        let mut state = self.lock();
        let gate = state.gate();
        if !self.breaks(Rule::ClosingsBeginAnEpoch) {
            gate.epoch = Epoch::fresh();
            gate.testified.clear();
        }
        match space.filter(|_| !self.breaks(Rule::ClosingsSpareOthers)) {
            Some(space) => {
                gate.open.remove(&space);
            }
            None => gate.open.clear(),
        }
        Ok(())
    }
}
