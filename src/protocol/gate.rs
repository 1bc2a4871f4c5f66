//! When the gate of a database may be opened after the store has lost something.
//!
//! A writer whose quarantine was lost is known to its own process alone. So the gate opens in
//! an epoch when every process with a session in the database has testified, in that epoch,
//! that none of its writers is at work whose quarantine belongs to another. A process that has
//! died says nothing: its sessions speak for it, until the database has ended them.
//!
//! ```
//! use diesel_cache::protocol::gate::{may_open, may_testify};
//!
//! // Two writers; the quarantine of the second has not been acknowledged.
//! assert!(!may_testify(&"now", [Some("now"), None]));
//! assert!(may_testify(&"now", [Some("now")]));
//! // Two processes have a session, and one has testified.
//! assert!(!may_open([1, 2], |process| *process == 1));
//! ```

/// Whether a process may testify in an epoch. `guards` has, for each of its writers whose
/// outcome the store has not been told, the epoch that its quarantines were acknowledged in:
/// `None` if one of them was not, or if they were in several.
///
/// A writer is among them from before its quarantine is sent, and also if its outcome will
/// never be known. One whose database is not known counts for all.
// rule: testimony-waits-for-every-guard
pub fn may_testify<E: PartialEq>(epoch: &E, guards: impl IntoIterator<Item = Option<E>>) -> bool {
    let mut guards = guards.into_iter();
    guards.all(|acknowledged| acknowledged.as_ref() == Some(epoch))
}

/// Whether the gate may be opened in an epoch. `marked` are the processes with a session in the
/// database, asked of the database *after* the store was asked for the epoch; `has_testified`
/// tells of the testimonies in that epoch.
// rule: every-session-has-its-testimony
pub fn may_open<P>(
    marked: impl IntoIterator<Item = P>,
    has_testified: impl Fn(&P) -> bool,
) -> bool {
    marked.into_iter().all(|process| has_testified(&process))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_of_another_epoch_or_of_none_forbids_to_testify() {
        assert!(may_testify(&2, []));
        assert!(may_testify(&2, [Some(2), Some(2)]));
        assert!(!may_testify(&2, [Some(2), Some(1)]));
        assert!(!may_testify(&2, [None]));
    }

    #[test]
    fn one_session_without_testimony_keeps_the_gate_closed() {
        assert!(may_open([0_u8; 0], |_| false));
        assert!(may_open([1, 2], |process| [1, 2, 3].contains(process)));
        assert!(!may_open([1, 4], |process| [1, 2, 3].contains(process)));
    }
}
