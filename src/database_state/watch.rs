//! When the catalogue was last looked at, and what was seen.
//!
//! A look is a question whose answer, the fingerprint, is another one after every change
//! of the catalogue. A cached read may rely on the catalogue for as long as the last look
//! that found it unchanged began no longer ago than an interval.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A digest of what a database user may see of the catalogue.
pub(crate) type Fingerprint = [u8; 32];

/// The looks at one database's catalogue by one database user: each may see another part.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    user: Box<str>,
    /// When the last look began that counts, plus one; zero if none does.
    looked_at: AtomicU64,
    /// Whether a look is under way that others need not repeat.
    looking: AtomicBool,
    seen: Mutex<Seen>,
}

/// The looks at one database's catalogue, by the database user that they are asked as.
#[derive(Debug, Default)]
pub(crate) struct Watches(Mutex<HashMap<Box<str>, Arc<Watch>>>);

impl Watches {
    pub(crate) fn of(&self, user: &str) -> Arc<Watch> {
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Watch {
            user: user.into(),
            ..Watch::default()
        };
        Arc::clone(
            watches
                .entry(user.into())
                .or_insert_with(|| Arc::new(new())),
        )
    }

    /// The catalogue may have changed: every look that has begun by now no longer counts.
    pub(crate) fn suspect(&self) {
        let watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for watch in watches.values() {
            watch.suspect();
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    fingerprint: Option<Fingerprint>,
    /// When the look began that saw it.
    at: u64,
    /// How often the catalogue was suspected to have changed.
    suspicions: u64,
}

/// A look under way.
#[derive(Debug)]
pub(crate) struct Look {
    watch: Arc<Watch>,
    began: u64,
    suspicions: u64,
    alone: bool,
}

/// The time, in nanoseconds.
fn now() -> u64 {
    static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(EPOCH.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl Watch {
    /// Who looks.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// Whether the last look is older than the interval.
    pub(crate) fn is_due(&self, interval: Duration) -> bool {
        match self.looked_at.load(Ordering::SeqCst).checked_sub(1) {
            // rule: a-look-holds-for-the-interval
            Some(looked_at) => u128::from(now().saturating_sub(looked_at)) >= interval.as_nanos(),
            None => true,
        }
    }

    /// Begins a look, before the question is sent.
    pub(crate) fn look(self: &Arc<Self>) -> Look {
        Look {
            suspicions: self.seen().suspicions,
            began: now(),
            watch: Arc::clone(self),
            alone: false,
        }
    }

    /// Begins a look, unless another that was begun by this is under way.
    pub(crate) fn look_alone(self: &Arc<Self>) -> Option<Look> {
        if self.looking.swap(true, Ordering::SeqCst) {
            return None;
        }
        let mut look = self.look();
        look.alone = true;
        Some(look)
    }

    /// The catalogue may have changed: a look that has begun by now no longer counts.
    fn suspect(&self) {
        let mut seen = self.seen();
        seen.suspicions += 1;
        self.looked_at.store(0, Ordering::SeqCst);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Look {
    /// Whether the catalogue has changed, as far as is known, since the last look.
    // rule: what-was-never-looked-at-may-have-changed
    pub(crate) fn finds_change(&self, fingerprint: &Fingerprint) -> bool {
        let seen = self.watch.seen();
        // An answer that is older than the last one says nothing.
        seen.at <= self.began && seen.fingerprint.as_ref() != Some(fingerprint)
    }

    /// The look is over, and what followed from a change is done.
    pub(crate) fn end(self, fingerprint: Fingerprint) {
        let mut seen = self.watch.seen();
        if seen.at > self.began {
            return;
        }
        seen.fingerprint = Some(fingerprint);
        seen.at = self.began;
        // rule: a-suspicion-outdates-the-looks-under-way
        if seen.suspicions == self.suspicions {
            self.watch
                .looked_at
                .store(self.began.saturating_add(1), Ordering::SeqCst);
        }
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        if self.alone {
            self.watch.looking.store(false, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const ONE: Fingerprint = [1; 32];
    const TWO: Fingerprint = [2; 32];

    #[test]
    fn a_look_holds_for_the_interval() {
        let watch = Arc::new(Watch::default());
        assert!(watch.is_due(LONG) && watch.is_due(Duration::MAX));
        let look = watch.look();
        assert!(look.finds_change(&ONE), "never looked at before");
        look.end(ONE);
        assert!(!watch.is_due(LONG) && !watch.is_due(Duration::MAX));
        assert!(watch.is_due(Duration::ZERO));
        let look = watch.look();
        assert!(!look.finds_change(&ONE) && look.finds_change(&TWO));
    }

    #[test]
    fn a_suspicion_outdates_the_looks_under_way() {
        let watch = Arc::new(Watch::default());
        watch.look().end(ONE);
        watch.suspect();
        assert!(watch.is_due(LONG));
        let look = watch.look();
        watch.suspect();
        look.end(ONE);
        assert!(watch.is_due(LONG), "it may have begun before the change");
        watch.look().end(ONE);
        assert!(!watch.is_due(LONG));
    }

    #[test]
    fn an_older_answer_says_nothing() {
        let watch = Arc::new(Watch::default());
        let older = watch.look();
        std::thread::sleep(Duration::from_millis(1));
        watch.look().end(TWO);
        assert!(!older.finds_change(&ONE));
        older.end(ONE);
        assert!(!watch.look().finds_change(&TWO));
    }

    #[test]
    fn one_looks_alone() {
        let watch = Arc::new(Watch::default());
        let look = watch.look_alone();
        assert!(look.is_some() && watch.look_alone().is_none());
        drop(look);
        assert!(watch.look_alone().is_some());
    }
}
