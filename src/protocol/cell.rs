//! The cell of a tag: what a store knows of it.
//!
//! Pure transitions, over whatever names writers and tokens. A store that keeps its cells in
//! another form does the same; the memory backend and the model of the protocol can be
//! compared with this one.
//!
//! ```
//! use diesel_cache::protocol::Lift;
//! use diesel_cache::protocol::cell::Cell;
//!
//! let mut cell = Cell::default();
//! assert_eq!(cell, Cell::Missing);
//! cell.establish(|| "a token");
//! cell.quarantine(1);
//! cell.quarantine(2);
//! // The first wrote nothing, but the second did.
//! cell.lift(&1, Lift::Restore);
//! assert!(cell.is_quarantined());
//! cell.lift(&2, Lift::Renew);
//! assert_eq!(cell, Cell::Missing);
//! ```

use smallvec::SmallVec;

use super::{Lift, TagState};
use crate::token::Token;

/// The writers that hold a cell, in order.
pub type Writers<W> = SmallVec<[W; 2]>;

/// The state of one tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Cell<W, T> {
    /// Nobody knows it: it was never captured, or its token is dead.
    #[default]
    Missing,
    /// No writer holds it.
    Clean(T),
    /// Some writers may be about to commit.
    Quarantined {
        /// Who. Never empty.
        writers: Writers<W>,
        /// The token it gets back if all of them, and all before them, wrote nothing. `None` if
        /// one did, or there was none.
        kept: Option<T>,
    },
}

impl<W: Ord, T> Cell<W, T> {
    /// A writer puts the tag under quarantine. Doing it twice is doing it once.
    pub fn quarantine(&mut self, writer: W) {
        match std::mem::take(self) {
            Self::Quarantined { mut writers, kept } => {
                if let Err(at) = writers.binary_search(&writer) {
                    writers.insert(at, writer);
                }
                *self = Self::Quarantined { writers, kept };
            }
            Self::Clean(token) => *self = Self::held_by(writer, Some(token)),
            Self::Missing => *self = Self::held_by(writer, None),
        }
    }

    /// A writer says how it ended. One that does not hold the tag renews it.
    pub fn lift(&mut self, writer: &W, how: Lift) {
        // rule: the-cell-renews-for-a-stranger
        if !self.is_held_by(writer) {
            self.renew();
            return;
        }
        let Self::Quarantined { mut writers, kept } = std::mem::take(self) else {
            return;
        };
        writers.retain(|other| other != writer);
        // rule: the-cell-remembers-who-wrote
        let kept = kept.filter(|_| how == Lift::Restore);
        // rule: the-cell-waits-for-its-last-writer
        *self = match (writers.is_empty(), kept) {
            (false, kept) => Self::Quarantined { writers, kept },
            (true, Some(token)) => Self::Clean(token),
            (true, None) => Self::Missing,
        };
    }

    /// The token dies; the quarantines stand.
    pub fn renew(&mut self) {
        if let Self::Quarantined { kept, .. } = self {
            *kept = None;
        } else {
            *self = Self::Missing;
        }
    }

    /// A reader wants to capture the token: one that is missing is made.
    pub fn establish(&mut self, fresh: impl FnOnce() -> T) {
        if matches!(self, Self::Missing) {
            *self = Self::Clean(fresh());
        }
    }

    /// The store needs room: whatever is not under quarantine may go. Returns whether it went.
    pub fn forget(&mut self) -> bool {
        // rule: a-quarantine-is-never-forgotten
        let goes = matches!(self, Self::Clean(_));
        if goes {
            *self = Self::Missing;
        }
        goes
    }

    /// Whether some writer holds it.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        matches!(self, Self::Quarantined { .. })
    }

    /// Whether that writer holds it.
    #[must_use]
    pub fn is_held_by(&self, writer: &W) -> bool {
        self.writers().contains(writer)
    }

    /// Who holds it, in order.
    #[must_use]
    pub fn writers(&self) -> &[W] {
        match self {
            Self::Quarantined { writers, .. } => writers,
            _ => &[],
        }
    }

    fn held_by(writer: W, kept: Option<T>) -> Self {
        let writers = Writers::from_iter([writer]);
        Self::Quarantined { writers, kept }
    }
}

impl<W> Cell<W, Token> {
    /// What a fetch tells of it.
    #[must_use]
    pub fn state(&self) -> TagState {
        match self {
            Self::Missing => TagState::Missing,
            Self::Clean(token) => TagState::Clean(*token),
            Self::Quarantined { .. } => TagState::Quarantined,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean() -> Cell<u8, &'static str> {
        Cell::Clean("old")
    }

    #[test]
    fn who_wrote_nothing_gives_the_token_back() {
        let mut cell = clean();
        cell.quarantine(1);
        assert!(cell.is_quarantined());
        cell.lift(&1, Lift::Restore);
        assert_eq!(cell, clean());
    }

    #[test]
    fn who_wrote_leaves_no_token() {
        let mut cell = clean();
        cell.quarantine(1);
        cell.lift(&1, Lift::Renew);
        assert_eq!(cell, Cell::Missing);
    }

    #[test]
    fn one_of_several_that_wrote_is_enough_in_any_order() {
        for (first, second) in [(1, 2), (2, 1)] {
            let mut cell = clean();
            cell.quarantine(1);
            cell.quarantine(2);
            let how = |writer| [Lift::Renew, Lift::Restore][writer as usize - 1];
            cell.lift(&first, how(first));
            assert_eq!(cell.writers(), [second]);
            cell.lift(&second, how(second));
            assert_eq!(cell, Cell::Missing);
        }
    }

    #[test]
    fn a_writer_that_comes_after_one_that_wrote_restores_nothing() {
        let mut cell = clean();
        cell.quarantine(1);
        cell.quarantine(2);
        cell.lift(&1, Lift::Renew);
        cell.quarantine(3);
        cell.lift(&2, Lift::Restore);
        cell.lift(&3, Lift::Restore);
        assert_eq!(cell, Cell::Missing);
    }

    #[test]
    fn the_same_writer_twice_is_one_writer() {
        let mut cell = clean();
        cell.quarantine(2);
        cell.quarantine(1);
        cell.quarantine(2);
        assert_eq!(cell.writers(), [1, 2]);
        cell.lift(&2, Lift::Restore);
        cell.lift(&1, Lift::Restore);
        assert_eq!(cell, clean());
    }

    #[test]
    fn a_strangers_lift_renews_and_frees_nobody() {
        let mut cell = clean();
        cell.lift(&1, Lift::Restore);
        assert_eq!(cell, Cell::Missing);
        let mut cell = clean();
        cell.quarantine(1);
        cell.lift(&2, Lift::Restore);
        assert_eq!(cell.writers(), [1]);
        cell.lift(&1, Lift::Restore);
        assert_eq!(cell, Cell::Missing);
    }

    #[test]
    fn what_is_renewed_under_quarantine_has_no_token_to_give_back() {
        let mut cell = clean();
        cell.quarantine(1);
        cell.renew();
        assert!(cell.is_quarantined());
        cell.lift(&1, Lift::Restore);
        assert_eq!(cell, Cell::Missing);
    }

    #[test]
    fn a_token_is_made_only_where_there_is_none() {
        let mut cell = clean();
        cell.establish(|| "new");
        assert_eq!(cell, clean());
        cell.quarantine(1);
        cell.establish(|| "new");
        assert!(cell.is_quarantined());
        let mut cell = Cell::<u8, _>::Missing;
        cell.establish(|| "new");
        assert_eq!(cell, Cell::Clean("new"));
    }

    #[test]
    fn only_what_is_clean_may_be_forgotten() {
        let mut cell = clean();
        cell.quarantine(1);
        assert!(!cell.forget());
        assert!(cell.is_quarantined());
        cell.lift(&1, Lift::Restore);
        assert!(cell.forget());
        assert_eq!(cell, Cell::Missing);
    }

    #[test]
    fn a_fetch_is_told_the_state() {
        let token = Token::fresh();
        let mut cell = Cell::<u8, _>::Missing;
        assert_eq!(cell.state(), TagState::Missing);
        cell.establish(|| token);
        assert_eq!(cell.state(), TagState::Clean(token));
        cell.quarantine(1);
        assert_eq!(cell.state(), TagState::Quarantined);
    }
}
