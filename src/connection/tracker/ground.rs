//! A transaction that is never committed, and that commits are played in.

use super::Tracker;
use super::flight::InFlight;
#[cfg(feature = "test")]
use crate::connection::hooks::Hooks;
use crate::connection::returned::Returned;
use crate::connection::simulated::{Simulation, Standing};
use crate::dialect::Dialect;

impl Tracker {
    /// Commits are played in the transaction that was just begun. Returns whether it was.
    #[cfg(feature = "test")]
    pub(crate) fn simulate(&mut self) -> bool {
        let Some(dialect) = self.dialect().filter(|_| self.transaction.become_ground()) else {
            return false;
        };
        self.simulation = Some(Simulation::new(dialect));
        // `BEGIN` was the last that they heard.
        self.hooks = Hooks::new();
        true
    }

    /// Whether commits are played on this connection.
    pub(crate) fn is_simulated(&self) -> bool {
        self.simulation.is_some()
    }

    /// Whether the database should tell if the transaction that commits are played in is
    /// still open; and its dialect.
    pub(crate) fn doubts_ground(&self) -> Option<Dialect> {
        let simulation = self.simulation.as_ref()?;
        let may_ask = simulation.may_be_asked() && self.in_flight.is_empty();
        self.dialect().filter(|_| may_ask)
    }

    /// The database told.
    pub(crate) fn told_of_ground(&mut self, open: bool) {
        if let Some(simulation) = &mut self.simulation {
            simulation.told(open);
            if open {
                self.transaction.settle();
            }
        }
    }

    pub(super) fn is_ground_lost(&self) -> bool {
        self.simulation.as_ref().is_some_and(Simulation::is_lost)
    }

    pub(super) fn follow_ground(&mut self, finished: &InFlight, returned: Returned) {
        let Some(simulation) = &mut self.simulation else {
            return;
        };
        match simulation.finish(&finished.resolved, finished.effect.as_ref(), returned) {
            Standing::Open => {}
            Standing::Proven => self.transaction.settle(),
            Standing::Over => self.simulation = None,
        }
    }
}
