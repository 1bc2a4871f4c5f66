//! Cells: the state of each known tag.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::protocol::{Lift, TagState};
use crate::tag::Tag;
use crate::token::{Token, WriterId};

/// Unused cells are swept when there are this many more than after the last sweep.
pub(super) const SWEEP_EVERY: usize = 4096;

/// A tag's token and its state: the number of writers that hold it, whether one of
/// them committed, and whether the token is dead.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) token: Token,
    state: AtomicU32,
}

const DEAD: u32 = 1 << 31;
const DIRTY: u32 = 1 << 30;
const WRITERS: u32 = DIRTY - 1;

impl Cell {
    fn new(state: u32) -> Arc<Self> {
        Arc::new(Self {
            token: Token::fresh(),
            state: AtomicU32::new(state),
        })
    }

    pub(super) fn read(&self) -> TagState {
        let state = self.state.load(Ordering::SeqCst);
        if state & DEAD != 0 {
            TagState::Missing
        } else if state & WRITERS != 0 {
            TagState::Quarantined
        } else {
            TagState::Clean(self.token)
        }
    }
}

/// The cells of all known tags. Cells change only under this lock; they are read without it.
#[derive(Debug, Default)]
pub(super) struct Cells {
    by_tag: HashMap<Tag, Arc<Cell>, ahash::RandomState>,
    pub(super) held: HashMap<(WriterId, Tag), (), ahash::RandomState>,
    swept_at: usize,
}

impl Cells {
    /// The cell of a tag, if there is one.
    pub(super) fn known(&self, tag: &Tag) -> Option<&Arc<Cell>> {
        self.by_tag.get(tag)
    }

    /// How many tags have a cell.
    pub(super) fn len(&self) -> usize {
        self.by_tag.len()
    }

    /// The cell of a tag, made clean if there is none.
    pub(super) fn cell(&mut self, tag: Tag) -> Arc<Cell> {
        if self.by_tag.len() > self.swept_at + SWEEP_EVERY {
            self.sweep();
        }
        Arc::clone(self.by_tag.entry(tag).or_insert_with(|| Cell::new(0)))
    }

    /// Forgets clean cells that no entry holds. Their tokens die with them.
    pub(super) fn sweep(&mut self) {
        self.by_tag.retain(|_, cell| {
            let unused =
                Arc::strong_count(cell) == 1 && cell.state.load(Ordering::SeqCst) & WRITERS == 0;
            if unused {
                cell.state.store(DEAD, Ordering::SeqCst);
            }
            !unused
        });
        self.swept_at = self.by_tag.len();
    }

    pub(super) fn quarantine(&mut self, writer: WriterId, tag: Tag) {
        if self.held.insert((writer, tag), ()).is_none() {
            self.cell(tag).state.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(super) fn lift(&mut self, writer: WriterId, tag: Tag, how: Lift) {
        // rule: a-lift-that-finds-nothing-renews
        if self.held.remove(&(writer, tag)).is_none() {
            self.renew(tag);
            return;
        }
        let Some(cell) = self.by_tag.get(&tag).map(Arc::clone) else {
            return;
        };
        let dirty = if how == Lift::Renew { DIRTY } else { 0 };
        let state = (cell.state.load(Ordering::SeqCst) | dirty) - 1;
        // rule: the-last-writer-out-makes-it-clean
        if state & WRITERS == 0 && state & DIRTY != 0 {
            self.by_tag.remove(&tag);
            cell.state.store(DEAD, Ordering::SeqCst);
        } else {
            cell.state.store(state, Ordering::SeqCst);
        }
    }

    pub(super) fn renew(&mut self, tag: Tag) {
        let Some(cell) = self.by_tag.get(&tag) else {
            return;
        };
        let state = cell.state.load(Ordering::SeqCst);
        if state & WRITERS == 0 {
            cell.state.store(DEAD, Ordering::SeqCst);
            self.by_tag.remove(&tag);
        } else {
            cell.state.store(state | DIRTY, Ordering::SeqCst);
        }
    }
}
