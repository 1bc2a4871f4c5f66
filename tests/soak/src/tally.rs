//! What is counted in a run.

use crate::clock::millis;
use crate::event::{Origin, Time};
use crate::fault::Kind;
use crate::layout::{self, Key};

/// How many violations are told of in words.
const TOLD: u64 = 20;

/// What may be wrong with a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    Stale {
        late: Time,
    },
    Phantom,
    Foreign,
    /// The database contradicts itself: the checker is wrong.
    Checker,
}

/// The reads of one kind of fault.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OfFault {
    /// That began while it was at work or shortly after.
    pub(crate) reads: u64,
    /// That began shortly after.
    pub(crate) reads_after: u64,
    /// Of those, how many hit.
    pub(crate) hits_after: u64,
    /// How many were stale.
    pub(crate) stale: u64,
}

/// All counters of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) reads: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) bypasses: u64,
    pub(crate) failed_reads: u64,
    pub(crate) writes: u64,
    pub(crate) committed_writes: u64,
    pub(crate) rolled_back_writes: u64,
    pub(crate) refused_writes: u64,
    pub(crate) overtaken_writes: u64,
    pub(crate) unknown_writes: u64,
    pub(crate) stale_reads: u64,
    pub(crate) phantom_reads: u64,
    pub(crate) foreign_reads: u64,
    pub(crate) checker_errors: u64,
    /// Nanoseconds.
    pub(crate) longest_staleness: Time,
    /// While the store could not be reached, or shortly after.
    pub(crate) stale_while_cut_off: u64,
    pub(crate) stale_at_end: u64,
    /// Of tables that nobody writes but the application, while the store could be reached.
    pub(crate) stale_inside: u64,
    /// The longest staleness without that of outages, in nanoseconds; and in quiet times.
    pub(crate) longest_lag: Time,
    pub(crate) longest_quiet: Time,
    pub(crate) reads_at_end: u64,
    pub(crate) quiet: (u64, u64),
    pub(crate) calm: (u64, u64),
    faults: [OfFault; Kind::ALL.len()],
    told: u64,
    aloud: bool,
}

impl Tally {
    /// With `aloud`, the first violations are told of on standard error.
    pub(crate) fn new(aloud: bool) -> Self {
        Self {
            aloud,
            ..Self::default()
        }
    }

    pub(crate) fn of(&self, kind: Kind) -> OfFault {
        self.faults[kind as usize]
    }

    pub(crate) fn count_read(&mut self, origin: Origin, active: u32, lately: u32) {
        self.reads += 1;
        let hit = u64::from(origin == Origin::Hit);
        self.hits += hit;
        self.misses += u64::from(origin == Origin::Miss);
        self.bypasses += u64::from(origin == Origin::Bypass);
        if lately & Kind::AT_END != 0 {
            self.reads_at_end += 1;
            return;
        }
        if active == Kind::NONE {
            self.quiet.0 += 1;
            self.quiet.1 += hit;
        }
        if lately & Kind::CALM != 0 {
            self.calm.0 += 1;
            self.calm.1 += hit;
        }
        if active | lately == 0 {
            return;
        }
        for (place, of) in self.faults.iter_mut().enumerate() {
            let bit = 1 << place;
            if active & bit != 0 {
                of.reads += 1;
            } else if lately & bit != 0 {
                of.reads += 1;
                of.reads_after += 1;
                of.hits_after += hit;
            }
        }
    }

    pub(crate) fn count_stale(&mut self, late: Time, faults: u32) {
        self.stale_reads += 1;
        self.stale_at_end += u64::from(faults & Kind::AT_END != 0);
        self.stale_while_cut_off += u64::from(faults & Kind::CUTS_OFF != 0);
        self.longest_staleness = self.longest_staleness.max(late);
    }

    /// A read was stale by so much, besides for as long as something was out of reach.
    pub(crate) fn count_late(&mut self, lag: Time, outage: Time, outside: bool, faults: u32) {
        let inside = !outside && faults & Kind::CUTS_OFF == 0;
        self.stale_inside += u64::from(inside);
        self.longest_lag = self.longest_lag.max(lag);
        if outage == 0 {
            self.longest_quiet = self.longest_quiet.max(lag);
        }
    }

    pub(crate) fn violated(
        &mut self,
        what: Violation,
        key: Key,
        (start, end): (Time, Time),
        (active, lately): (u32, u32),
        text: &str,
    ) {
        if matches!(what, Violation::Stale { .. }) {
            for (place, of) in self.faults.iter_mut().enumerate() {
                of.stale += u64::from((active | lately) & (1 << place) != 0);
            }
        }
        self.told += 1;
        if !self.aloud || self.told > TOLD {
            return;
        }
        let table = layout::name(key.table());
        let how = match what {
            Violation::Stale { late } => format!("STALE by {:.1} ms", millis(late)),
            other => format!("{other:?}").to_uppercase(),
        };
        eprintln!(
            "soak: {how}: {table} {} of {}: {text}; began {start}, took {:.1} ms; faults {}, lately {}",
            key.id(),
            key.owner(),
            millis(end - start),
            Kind::names(active),
            Kind::names(lately),
        );
    }
}
