//! What became of a cached read.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bypass::Bypass;
use crate::dependencies::Unstored;

/// What became of a cached read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The rows came from the cache.
    Hit,
    /// The rows came from the database: nothing valid was stored. `stored` tells
    /// whether they are stored now.
    Miss {
        /// Whether the rows were stored.
        stored: bool,
        /// Whether they came from another read of the same thing that was under way.
        joined: bool,
    },
    /// The rows came from the database, and were not stored.
    Bypass(Bypass),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hit => f.write_str("hit"),
            Self::Miss { joined: true, .. } => f.write_str("miss (joined another read)"),
            Self::Miss { stored: true, .. } => f.write_str("miss"),
            Self::Miss { .. } => f.write_str("miss (not stored)"),
            Self::Bypass(reason) => write!(f, "bypass ({reason})"),
        }
    }
}

/// A place where cached reads leave their [`Outcome`]; clones share it.
///
/// Give it to a read with [`report`](crate::Cached::report).
#[derive(Debug, Clone, Default)]
pub struct Report(Arc<Mutex<Told>>);

#[derive(Debug, Clone, Copy, Default)]
struct Told {
    outcome: Option<Outcome>,
    unstored: Option<Unstored>,
}

impl Report {
    /// An empty report.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What became of the last read that was given this report.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.told().outcome
    }

    /// Why the last value that was given this report was computed, and not stored.
    #[must_use]
    pub fn unstored(&self) -> Option<Unstored> {
        self.told().unstored
    }

    pub(crate) fn set(&self, outcome: Outcome) {
        self.set_value(outcome, None);
    }

    pub(crate) fn set_value(&self, outcome: Outcome, unstored: Option<Unstored>) {
        *self.told() = Told {
            outcome: Some(outcome),
            unstored,
        };
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
