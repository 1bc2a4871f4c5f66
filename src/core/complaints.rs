//! What is said of a store that fails.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long nothing more is said of failures after a line in the log.
const SILENCE: Duration = Duration::from_secs(10);

/// Says that the store fails, but not as often as it does.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    /// The failures since, of which nothing was said.
    unsaid: u64,
}

impl Complaints {
    /// The store failed: each failure is counted elsewhere.
    pub(crate) fn add(&self, error: &impl Display) {
        match self.due(Instant::now()) {
            None => {}
            Some(0) => log::warn!("{error}"),
            Some(unsaid) => log::warn!("{error} ({unsaid} failures since this was said last)"),
        }
    }

    /// How many failures went unsaid, if it is time to say one.
    // rule: an-outage-is-a-line-in-ten-seconds
    fn due(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = said
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < SILENCE);
        if silent {
            said.unsaid += 1;
            return None;
        }
        said.last = Some(now);
        Some(std::mem::take(&mut said.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_failures_are_a_line_and_their_number() {
        let complaints = Complaints::default();
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        assert_eq!(complaints.due(at(0)), Some(0));
        for ms in 1..=30 {
            assert_eq!(complaints.due(at(ms)), None);
        }
        assert_eq!(complaints.due(at(9_999)), None);
        assert_eq!(complaints.due(at(10_000)), Some(31));
        assert_eq!(complaints.due(at(10_001)), None);
        assert_eq!(complaints.due(at(30_000)), Some(1));
    }
}
