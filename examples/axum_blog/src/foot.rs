//! What became of the reads of one page: its foot.

use std::time::{Duration, Instant};

use diesel::QueryResult;
use diesel_cache::{Outcome, Report};

/// What became of the reads of one page so far.
#[derive(Debug, Default)]
pub(crate) struct Foot {
    pub(crate) reads: Vec<Read>,
}

/// One read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) label: &'static str,
    outcome: Option<Outcome>,
    took: Duration,
}

impl Foot {
    /// Runs a read that is given a report, and keeps what that says.
    ///
    /// # Errors
    /// What the read returns.
    pub(crate) async fn read<T>(
        &mut self,
        label: &'static str,
        read: impl AsyncFnOnce(&Report) -> QueryResult<T>,
    ) -> QueryResult<T> {
        let report = Report::new();
        let began = Instant::now();
        let result = read(&report).await;
        self.reads.push(Read {
            label,
            outcome: report.outcome(),
            took: began.elapsed(),
        });
        result
    }
}

impl Read {
    /// `hit`, `miss`, `bypass`, or `none` of a read that failed.
    pub(crate) fn kind(&self) -> &'static str {
        match self.outcome {
            Some(Outcome::Hit) => "hit",
            Some(Outcome::Miss { .. }) => "miss",
            Some(Outcome::Bypass(_)) => "bypass",
            _ => "none",
        }
    }

    /// What there is to say besides the kind.
    pub(crate) fn detail(&self) -> &'static str {
        match self.outcome {
            Some(Outcome::Miss { joined: true, .. }) => "joined another read",
            Some(Outcome::Miss { stored: true, .. }) => "stored",
            Some(Outcome::Miss { stored: false, .. }) => "not stored",
            Some(Outcome::Bypass(why)) => why.reason(),
            _ => "",
        }
    }

    /// How long it took, in milliseconds.
    pub(crate) fn took(&self) -> String {
        format!("{:.2} ms", self.took.as_secs_f64() * 1e3)
    }
}
