//! What the journal adds up to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::change::{Change, Id, Record};
use super::index::Index;
use crate::backend::{Databases, Declarations, Holder};
use crate::database::TagSpace;
use crate::protocol::cell::Cell;
use crate::protocol::{Lift, TagState};
use crate::tag::Tag;
use crate::token::{Epoch, Nonce, Opening, ProcessId, Token, WriterId};

/// Leases that have ended are swept when there are more than this.
const MANY_LEASES: usize = 1024;

/// How many tokens a journal keeps that is written anew.
const MOST_TOKENS: usize = 1 << 18;

/// The state of the store.
#[derive(Debug, Default)]
pub(super) struct State {
    gate: Option<Gate>,
    cells: HashMap<Tag, Known>,
    writers: HashMap<WriterId, Held>,
    leases: HashMap<Id, Lease>,
    pub(super) index: Index,
}

/// Whether results may be relied on.
#[derive(Debug)]
struct Gate {
    epoch: Epoch,
    nonce: Nonce,
    open: BTreeMap<TagSpace, Opening>,
    testified: BTreeSet<(ProcessId, TagSpace)>,
    declared: BTreeMap<TagSpace, Declarations>,
    catalogues: BTreeMap<Id, [u8; 32]>,
}

#[derive(Debug, Default)]
struct Known {
    cell: Cell<WriterId, Token>,
    /// When its token may be forgotten.
    ends: u64,
}

#[derive(Debug)]
struct Held {
    record: Record,
    tags: BTreeSet<Tag>,
}

/// Who makes an entry, and for how long that is waited for.
#[derive(Debug, Clone, Copy)]
struct Lease {
    holder: u64,
    until: u64,
}

fn tags(ids: &[Id]) -> impl Iterator<Item = Tag> + '_ {
    ids.iter().map(|id| Tag::from_bytes(*id))
}

impl State {
    /// The nonce, if the gate is open for these databases.
    pub(super) fn opened(&self, databases: Databases<'_>) -> Option<Nonce> {
        let gate = self.gate.as_ref()?;
        let is_open = |space: &TagSpace| gate.open.contains_key(space);
        let open = match databases {
            Databases::One(space) => is_open(&space),
            // rule: a-file-store-opens-for-what-is-attached
            Databases::All(attached) => attached.iter().all(is_open),
            Databases::None => true,
        };
        open.then_some(gate.nonce)
    }

    pub(super) fn opening(&self, space: TagSpace) -> Option<Opening> {
        self.gate.as_ref()?.open.get(&space).copied()
    }

    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.gate.as_ref().map(|gate| gate.epoch)
    }

    pub(super) fn nonce(&self) -> Option<Nonce> {
        self.gate.as_ref().map(|gate| gate.nonce)
    }

    pub(super) fn open_spaces(&self) -> impl Iterator<Item = (TagSpace, Opening)> + '_ {
        let open = self.gate.iter().flat_map(|gate| &gate.open);
        open.map(|(space, opening)| (*space, *opening))
    }

    pub(super) fn testified(&self) -> impl Iterator<Item = (ProcessId, TagSpace)> + '_ {
        let all = self.gate.iter().flat_map(|gate| &gate.testified);
        all.copied()
    }

    pub(super) fn declared(&self, space: TagSpace) -> Declarations {
        let gate = self.gate.as_ref();
        let found = gate.and_then(|gate| gate.declared.get(&space));
        found.cloned().unwrap_or_default()
    }

    pub(super) fn catalogue(&self, who: &Id) -> Option<&[u8; 32]> {
        self.gate.as_ref()?.catalogues.get(who)
    }

    pub(super) fn tag(&self, tag: &Tag) -> TagState {
        self.cells
            .get(tag)
            .map_or(TagState::Missing, |known| known.cell.state())
    }

    pub(super) fn tags(&self) -> usize {
        self.cells.len()
    }

    /// Who makes that entry, if somebody does.
    pub(super) fn lease(&self, digest: &Id, now: u64) -> Option<u64> {
        let lease = self.leases.get(digest)?;
        (lease.until > now).then_some(lease.holder)
    }

    /// The writers of a process.
    pub(super) fn writers_of(&self, process: ProcessId) -> impl Iterator<Item = WriterId> + '_ {
        let of = move |held: &Held| held.record.process == process.number();
        let found = self.writers.iter().filter(move |(_, held)| of(held));
        found.map(|(writer, _)| *writer)
    }

    /// Who holds one of these tags; all, if there are none.
    pub(super) fn holders(&self, tags: &[Tag]) -> Vec<Holder> {
        let holds =
            |held: &&Held| tags.is_empty() || tags.iter().any(|tag| held.tags.contains(tag));
        let found = self.writers.values().filter(holds);
        found
            .map(|held| Holder {
                writer: WriterId::from_bytes(held.record.writer),
                process: ProcessId::of(held.record.process),
                space: held.record.space.map(TagSpace),
                session: held.record.session.clone(),
                tags: held.tags.iter().copied().collect(),
            })
            .collect()
    }

    /// Applies a change.
    pub(super) fn apply(&mut self, change: &Change, now: u64) {
        match change {
            Change::Epoch { epoch, nonce } => self.begin(*epoch, *nonce),
            Change::Clear { nonce } => {
                if let Some(gate) = &mut self.gate {
                    gate.nonce = Nonce::from_bytes(*nonce);
                    gate.catalogues.clear();
                }
                self.index.clear();
            }
            Change::Open { space, opening } => self.open(TagSpace(*space), *opening),
            Change::Close { space, epoch } => {
                if let Some(gate) = &mut self.gate {
                    gate.epoch = Epoch::from_bytes(*epoch);
                    gate.testified.clear();
                    match space {
                        Some(space) => drop(gate.open.remove(&TagSpace(*space))),
                        None => gate.open.clear(),
                    }
                }
            }
            Change::Testify { process, spaces } => {
                let of = |space: &Id| (ProcessId::of(*process), TagSpace(*space));
                if let Some(gate) = &mut self.gate {
                    gate.testified.extend(spaces.iter().map(of));
                }
            }
            Change::Declare { space, all } => {
                if let Some(gate) = &mut self.gate {
                    let all = all.iter().cloned().collect();
                    gate.declared.insert(TagSpace(*space), all);
                }
            }
            Change::Remember { who, seen } => {
                if let Some(gate) = &mut self.gate {
                    gate.catalogues.insert(*who, *seen);
                }
            }
            Change::Establish { tokens, ends } => {
                for (tag, token) in tokens {
                    let known = self.cells.entry(Tag::from_bytes(*tag)).or_default();
                    known.cell.establish(|| Token::from_bytes(*token));
                    known.ends = known.ends.max(*ends);
                }
            }
            Change::Quarantine { writer, tags } => self.quarantine(writer, tags),
            Change::Lift {
                writer,
                tags: named,
                renew,
            } => self.lift(WriterId::from_bytes(*writer), tags(named), *renew),
            Change::Renew { tags: named } => {
                for tag in tags(named) {
                    self.change(tag, Cell::renew);
                }
            }
            Change::Put(stored) => {
                for tag in tags(&stored.tags) {
                    if let Some(known) = self.cells.get_mut(&tag) {
                        known.ends = known.ends.max(stored.tokens_end);
                    }
                }
                self.index.put(stored);
            }
            Change::Drop { digests } => {
                for digest in digests {
                    self.index.drop(digest);
                }
            }
            Change::Lease {
                digest,
                holder,
                until,
            } => {
                if self.leases.len() >= MANY_LEASES {
                    self.leases.retain(|_, lease| lease.until > now);
                }
                let (holder, until) = (*holder, *until);
                self.leases.insert(*digest, Lease { holder, until });
            }
            Change::Release { digest } => drop(self.leases.remove(digest)),
        }
    }

    fn begin(&mut self, epoch: Id, nonce: Id) {
        self.gate.get_or_insert_with(|| Gate {
            epoch: Epoch::from_bytes(epoch),
            nonce: Nonce::from_bytes(nonce),
            open: BTreeMap::new(),
            testified: BTreeSet::new(),
            declared: BTreeMap::new(),
            catalogues: BTreeMap::new(),
        });
    }

    fn open(&mut self, space: TagSpace, opening: Id) {
        if let Some(gate) = &mut self.gate {
            gate.open
                .entry(space)
                .or_insert(Opening::from_bytes(opening));
            gate.testified.retain(|(_, of)| *of != space);
        }
    }

    fn quarantine(&mut self, record: &Record, named: &[Id]) {
        let writer = WriterId::from_bytes(record.writer);
        let held = self.writers.entry(writer).or_insert_with(|| Held {
            record: record.clone(),
            tags: BTreeSet::new(),
        });
        held.record = record.clone();
        for tag in tags(named) {
            held.tags.insert(tag);
            self.cells.entry(tag).or_default().cell.quarantine(writer);
        }
    }

    fn lift(&mut self, writer: WriterId, named: impl Iterator<Item = Tag>, renew: bool) {
        let how = if renew { Lift::Renew } else { Lift::Restore };
        let held = self.writers.remove(&writer);
        let mut all = held.map(|held| held.tags).unwrap_or_default();
        all.extend(named);
        for tag in all {
            self.change(tag, |cell| cell.lift(&writer, how));
        }
    }

    /// Changes a cell. What becomes missing is forgotten.
    fn change(&mut self, tag: Tag, change: impl FnOnce(&mut Cell<WriterId, Token>)) {
        if let Some(known) = self.cells.get_mut(&tag) {
            change(&mut known.cell);
            if known.cell == Cell::Missing {
                self.cells.remove(&tag);
            }
        }
    }

    /// The changes that make this state out of none, without what has ended. Tokens that nobody
    /// needs any more are left out: they are lost, and what is lost is new.
    pub(super) fn snapshot(&self, now: u64) -> Vec<Change> {
        let mut changes = self.gate_changes();
        let mut clean: Vec<_> = self
            .cells
            .iter()
            .filter_map(|(tag, known)| {
                let token = match &known.cell {
                    Cell::Clean(token) if known.ends > now => *token,
                    Cell::Quarantined {
                        kept: Some(token), ..
                    } => *token,
                    _ => return None,
                };
                let is_held = known.cell.is_quarantined();
                Some((is_held, known.ends, (tag.to_bytes(), token.to_bytes())))
            })
            .collect();
        // rule: there-are-only-so-many-tokens
        // Those that would end first are lost.
        if clean.len() > MOST_TOKENS {
            clean.sort_unstable();
            clean.drain(..clean.len() - MOST_TOKENS);
        }
        // Many end together: by minutes, so that there are few changes.
        let mut by_end: BTreeMap<u64, Vec<(Id, Id)>> = BTreeMap::new();
        for (_, ends, pair) in clean {
            by_end.entry(ends.div_ceil(60_000)).or_default().push(pair);
        }
        changes.extend(
            by_end
                .into_iter()
                .map(|(minute, tokens)| Change::Establish {
                    tokens,
                    ends: minute.saturating_mul(60_000),
                }),
        );
        changes.extend(self.writers.values().map(|held| Change::Quarantine {
            writer: held.record.clone(),
            tags: held.tags.iter().map(|tag| tag.to_bytes()).collect(),
        }));
        let leases = self.leases.iter().filter(|(_, lease)| lease.until > now);
        changes.extend(leases.map(|(digest, lease)| Change::Lease {
            digest: *digest,
            holder: lease.holder,
            until: lease.until,
        }));
        changes.extend(self.index.snapshot().map(Change::Put));
        changes
    }

    fn gate_changes(&self) -> Vec<Change> {
        let Some(gate) = &self.gate else {
            return Vec::new();
        };
        let mut changes = vec![Change::Epoch {
            epoch: gate.epoch.to_bytes(),
            nonce: gate.nonce.to_bytes(),
        }];
        changes.extend(gate.open.iter().map(|(space, opening)| Change::Open {
            space: space.0,
            opening: opening.to_bytes(),
        }));
        changes.extend(
            gate.testified
                .iter()
                .map(|(process, space)| Change::Testify {
                    process: process.number(),
                    spaces: vec![space.0],
                }),
        );
        changes.extend(gate.declared.iter().map(|(space, all)| Change::Declare {
            space: space.0,
            all: all.iter().cloned().collect(),
        }));
        changes.extend(gate.catalogues.iter().map(|(who, seen)| Change::Remember {
            who: *who,
            seen: *seen,
        }));
        changes
    }
}
