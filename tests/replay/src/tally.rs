//! The counters of a run.

use std::collections::BTreeMap;

use diesel_cache::Outcome;
use serde_json::{Map, Value, json};

/// The reads of one kind, or of all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reads {
    reads: u64,
    hits: u64,
}

impl Reads {
    #[allow(clippy::cast_precision_loss, reason = "there are few")]
    pub(crate) fn ratio(self) -> f64 {
        match self.reads {
            0 => 0.0,
            reads => self.hits as f64 / reads as f64,
        }
    }
}

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    kinds: BTreeMap<&'static str, Reads>,
    bypasses: BTreeMap<String, u64>,
    pub(crate) writes: u64,
    /// Reads that differ from what the database says.
    pub(crate) mismatches: u64,
    /// What the cached connection was asked: see [`Counted`](crate::counted::Counted).
    pub(crate) database_statements: u64,
    /// Those of them that the application's instrumentation was told of.
    pub(crate) of_the_application: u64,
    /// How many scripts Redis was asked to run; of the cache's worker, too.
    pub(crate) store_round_trips: u64,
    pub(crate) seconds: f64,
    pub(crate) sha256: String,
}

impl Tally {
    pub(crate) fn read(&mut self, kind: &'static str, outcome: Option<Outcome>, differs: bool) {
        let reads = self.kinds.entry(kind).or_default();
        reads.reads += 1;
        match outcome {
            Some(Outcome::Hit) => reads.hits += 1,
            Some(Outcome::Bypass(reason)) => {
                *self.bypasses.entry(format!("{reason:?}")).or_default() += 1;
            }
            _ => {}
        }
        self.mismatches += u64::from(differs);
    }

    /// The reads of all kinds.
    pub(crate) fn total(&self) -> Reads {
        let add = |sum: Reads, one: &Reads| Reads {
            reads: sum.reads + one.reads,
            hits: sum.hits + one.hits,
        };
        self.kinds.values().fold(Reads::default(), add)
    }

    /// All of it, as JSON.
    pub(crate) fn line(&self) -> Value {
        let of = |reads: &Reads| json!({ "reads": reads.reads, "hits": reads.hits, "ratio": reads.ratio() });
        let kinds = self
            .kinds
            .iter()
            .map(|(kind, reads)| ((*kind).to_owned(), of(reads)));
        let total = self.total();
        json!({
            "hit_ratio": total.ratio(),
            "reads": total.reads,
            "hits": total.hits,
            "writes": self.writes,
            "by_kind": kinds.collect::<Map<_, _>>(),
            "bypasses": self.bypasses,
            "database_statements": self.database_statements,
            "database_statements_of_library": self.database_statements - self.of_the_application,
            "store_round_trips": self.store_round_trips,
            "mismatches": self.mismatches,
            "sha256": self.sha256,
            "seconds": self.seconds,
        })
    }
}
