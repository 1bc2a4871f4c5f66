//! What the store does. Each function is one atomic step of it.

use diesel_cache::protocol::Lift;
use diesel_cache::protocol::cell::Cell;

use crate::rule::Rule;
use crate::scope::{Scope, Set, TAGS};
use crate::world::{CONSTANT, Captured, FRESH, Gate, Id, Reply, Store, Stored};

/// Makes random numbers.
#[derive(Debug)]
pub struct Fresh(Id);

impl Fresh {
    /// For one step.
    #[must_use]
    pub fn new() -> Self {
        Self(FRESH)
    }

    /// One that nobody has seen before.
    pub fn id(&mut self) -> Id {
        self.0 += 1;
        self.0
    }
}

impl Default for Fresh {
    fn default() -> Self {
        Self::new()
    }
}

/// The tags of a set.
pub fn members(set: Set) -> impl Iterator<Item = usize> {
    (0..TAGS).filter(move |tag| set & 1 << tag != 0)
}

impl Store {
    /// The epoch; one begins if there is none.
    pub fn epoch(&mut self, scope: &Scope, fresh: &mut Fresh) -> Gate {
        *self.gate.get_or_insert_with(|| Gate {
            epoch: fresh.id(),
            nonce: fresh.id(),
            opening: (!scope.keeps(Rule::LossClosesTheGate)).then(|| fresh.id()),
        })
    }

    /// A writer puts its tags under quarantine.
    pub fn quarantine(
        &mut self,
        scope: &Scope,
        writer: usize,
        tags: Set,
        fresh: &mut Fresh,
    ) -> Reply {
        let gate = self.epoch(scope, fresh);
        for tag in members(tags) {
            let cell = &mut self.cells[tag];
            if !scope.keeps(Rule::SetOfWriters)
                && let Cell::Quarantined { writers, .. } = cell
            {
                writers.clear();
            }
            cell.quarantine(writer as u8);
        }
        Reply {
            epoch: gate.epoch,
            opening: gate.opening,
        }
    }

    /// A writer lifts its tags, and whatever else it holds.
    pub fn lift(&mut self, scope: &Scope, writer: usize, tags: Set, how: Lift) {
        let writer = writer as u8;
        for tag in 0..TAGS {
            let cell = &mut self.cells[tag];
            let held = cell.is_held_by(&writer);
            if !held && tags & 1 << tag == 0 {
                continue;
            }
            if !held && !scope.keeps(Rule::StrangersRenew) {
                continue;
            }
            let before = cell.clone();
            let mut how = how;
            if let Cell::Quarantined { writers, .. } = cell {
                if !scope.keeps(Rule::LastOneOut) && held {
                    writers.retain(|other| *other == writer);
                }
                if !scope.keeps(Rule::DirtyIsNotRestored) && writers.len() > 1 {
                    how = Lift::Restore;
                }
            }
            cell.lift(&writer, how);
            self.count(scope, tag, &before);
        }
    }

    /// The tags get new tokens.
    pub fn renew(&mut self, scope: &Scope, tags: Set) {
        for tag in members(tags) {
            let before = self.cells[tag].clone();
            self.cells[tag].renew();
            self.count(scope, tag, &before);
        }
    }

    /// Broken: tokens count their renewals.
    fn count(&mut self, scope: &Scope, tag: usize, before: &Cell<u8, Id>) {
        let renewed = self.cells[tag] == Cell::Missing && *before != Cell::Missing;
        if renewed && !scope.keeps(Rule::TokensAreRandom) {
            self.counts[tag] += 1;
        }
    }

    /// Missing tokens are made.
    pub fn establish(&mut self, scope: &Scope, tags: Set, fresh: &mut Fresh) {
        for tag in members(tags) {
            let count = self.counts[tag];
            self.cells[tag].establish(|| {
                if !scope.keeps(Rule::MissingIsNew) {
                    CONSTANT
                } else if !scope.keeps(Rule::TokensAreRandom) {
                    CONSTANT + count
                } else {
                    fresh.id()
                }
            });
        }
    }

    /// The store needs room. Returns whether something went.
    pub fn evict(&mut self, scope: &Scope, tag: usize) -> bool {
        let counted = std::mem::take(&mut self.counts[tag]) != 0;
        if self.cells[tag].is_quarantined() && !scope.keeps(Rule::QuarantinesStay) {
            self.cells[tag] = Cell::Missing;
            return true;
        }
        self.cells[tag].forget() || counted
    }

    /// An entry is stored, if it is current.
    pub fn put(&mut self, scope: &Scope, captured: Captured, value: u8) {
        if !scope.keeps(Rule::PutCompares) || self.is_current(scope, &captured) {
            self.entry = Some(Stored { captured, value });
        }
    }

    /// Whether all that was captured is still so.
    #[must_use]
    pub fn is_current(&self, scope: &Scope, captured: &Captured) -> bool {
        let tokens = |tag: usize| self.cells[tag] == Cell::Clean(captured.tokens[tag]);
        let one = |gate: Gate| gate.nonce == captured.nonce || !scope.keeps(Rule::NonceInEntries);
        self.gate.is_some_and(one) && members(captured.tags).all(tokens)
    }

    /// A process testifies.
    pub fn testify(&mut self, scope: &Scope, process: usize, epoch: Id) {
        let current = self.gate.is_some_and(|gate| gate.epoch == epoch);
        if current || !scope.keeps(Rule::TestifyComparesEpochs) {
            self.testified |= 1 << process;
        }
    }

    /// The gate is opened.
    pub fn open(&mut self, scope: &Scope, epoch: Id, fresh: &mut Fresh) {
        if let Some(gate) = &mut self.gate
            && gate.opening.is_none()
            && (gate.epoch == epoch || !scope.keeps(Rule::OpenComparesEpochs))
        {
            gate.opening = Some(fresh.id());
        }
    }

    /// The gate is closed, and a new epoch begins.
    pub fn close(&mut self, scope: &Scope, fresh: &mut Fresh) {
        if let Some(gate) = &mut self.gate {
            gate.opening = None;
            if scope.keeps(Rule::CloseBeginsAnEpoch) {
                gate.epoch = fresh.id();
                self.testified = 0;
            }
        }
    }

    /// All entries die.
    pub fn clear(&mut self, scope: &Scope, fresh: &mut Fresh) {
        if let Some(gate) = &mut self.gate {
            gate.nonce = fresh.id();
        }
        self.entry = None;
        if !scope.keeps(Rule::ClearSparesQuarantines) {
            self.cells = Default::default();
        }
    }

    /// The token of a tag; zero unless it is clean.
    #[must_use]
    pub fn clean(&self, tag: usize) -> Id {
        match self.cells[tag] {
            Cell::Clean(id) => id,
            _ => 0,
        }
    }

    /// Whether a writer holds anything.
    #[must_use]
    pub fn is_held_by(&self, writer: usize) -> bool {
        let writer = writer as u8;
        self.cells.iter().any(|cell| cell.is_held_by(&writer))
    }
}
