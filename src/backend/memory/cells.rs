//! Cells: the state of each known tag.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::protocol::cell::Cell as Pure;
use crate::protocol::{Lift, TagState};
use crate::tag::Tag;
use crate::token::{Token, WriterId};

/// Unused cells are swept when there are this many more than after the last sweep.
pub(super) const SWEEP_EVERY: usize = 4096;

/// What readers see of a tag without a lock: its token, and whether that is clean, held by a
/// writer or dead. A dead one never revives.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) token: Token,
    state: AtomicU8,
}

const CLEAN: u8 = 0;
const HELD: u8 = 1;
const DEAD: u8 = 2;

impl Cell {
    pub(super) fn read(&self) -> TagState {
        match self.state.load(Ordering::SeqCst) {
            CLEAN => TagState::Clean(self.token),
            HELD => TagState::Quarantined,
            _ => TagState::Missing,
        }
    }

    fn show(&self, pure: &Pure<WriterId, Token>) {
        let state = match pure {
            Pure::Clean(_) => CLEAN,
            Pure::Quarantined { .. } => HELD,
            Pure::Missing => DEAD,
        };
        self.state.store(state, Ordering::SeqCst);
    }
}

/// A known tag: the protocol's cell, and what readers see of it.
#[derive(Debug)]
struct Known {
    pure: Pure<WriterId, Token>,
    shown: Arc<Cell>,
}

impl Known {
    fn of(token: Token, pure: Pure<WriterId, Token>) -> Self {
        let state = AtomicU8::new(DEAD);
        let shown = Arc::new(Cell { token, state });
        shown.show(&pure);
        Self { pure, shown }
    }
}

/// The cells of all known tags. Cells change only under this lock; they are read without it.
#[derive(Debug, Default)]
pub(super) struct Cells {
    by_tag: HashMap<Tag, Known, ahash::RandomState>,
    by_writer: HashMap<WriterId, BTreeSet<Tag>, ahash::RandomState>,
    swept_at: usize,
}

impl Cells {
    /// The cell of a tag, if there is one.
    pub(super) fn known(&self, tag: &Tag) -> Option<&Arc<Cell>> {
        self.by_tag.get(tag).map(|known| &known.shown)
    }

    /// The state of a tag.
    pub(super) fn state(&self, tag: &Tag) -> TagState {
        self.known(tag)
            .map_or(TagState::Missing, |cell| cell.read())
    }

    /// How many tags have a cell.
    pub(super) fn len(&self) -> usize {
        self.by_tag.len()
    }

    /// The cell of a tag, made clean if there is none.
    pub(super) fn cell(&mut self, tag: Tag) -> Arc<Cell> {
        self.make_room();
        let known = self.by_tag.entry(tag).or_insert_with(|| {
            let token = Token::fresh();
            Known::of(token, Pure::Clean(token))
        });
        Arc::clone(&known.shown)
    }

    /// Forgets clean cells that no entry holds. Their tokens die with them.
    pub(super) fn sweep(&mut self) {
        self.by_tag.retain(|_, known| {
            let forgotten = Arc::strong_count(&known.shown) == 1 && known.pure.forget();
            known.shown.show(&known.pure);
            !forgotten
        });
        self.swept_at = self.by_tag.len();
    }

    pub(super) fn quarantine(&mut self, writer: WriterId, tag: Tag) {
        self.make_room();
        let unknown = || Known::of(Token::fresh(), Pure::Missing);
        let known = self.by_tag.entry(tag).or_insert_with(unknown);
        known.pure.quarantine(writer);
        known.shown.show(&known.pure);
        self.by_writer.entry(writer).or_default().insert(tag);
    }

    /// Ends the quarantine of `tags` by a writer, and of whatever else it holds.
    pub(super) fn lift(&mut self, writer: WriterId, tags: &[Tag], how: Lift) {
        // rule: a-lift-ends-all-that-its-writer-holds
        let mut all = self.by_writer.remove(&writer).unwrap_or_default();
        all.extend(tags);
        for tag in all {
            self.change(tag, |cell| cell.lift(&writer, how));
        }
    }

    pub(super) fn renew(&mut self, tag: Tag) {
        self.change(tag, Pure::renew);
    }

    /// How many quarantines there are.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let known = self.by_tag.values();
        known.map(|known| known.pure.writers().len()).sum()
    }

    /// Changes what is known of a tag. What becomes missing is forgotten: the next capture
    /// makes another.
    fn change(&mut self, tag: Tag, change: impl FnOnce(&mut Pure<WriterId, Token>)) {
        let Entry::Occupied(mut known) = self.by_tag.entry(tag) else {
            return;
        };
        change(&mut known.get_mut().pure);
        known.get().shown.show(&known.get().pure);
        if known.get().pure == Pure::Missing {
            known.remove();
        }
    }

    fn make_room(&mut self) {
        if self.by_tag.len() > self.swept_at + SWEEP_EVERY {
            self.sweep();
        }
    }
}
