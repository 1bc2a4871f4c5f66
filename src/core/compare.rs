//! Results that were invalidated for nothing: a sample of them is compared.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Core, Reach};
use crate::entry::Entry;
use crate::key::Key;
use crate::protocol::TagState;
use crate::stats::count;
use crate::tag::Tag;

/// Of so many different causes it is remembered how often they were for nothing.
const MOST_CAUSES: usize = 1000;

/// How often a cause of invalidations was for nothing: see
/// [`over_invalidations`](crate::Cache::over_invalidations).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverInvalidation {
    /// What was renewed: the table, and what of it. It names no values.
    pub cause: String,
    /// How many results were compared that it invalidated.
    pub compared: u64,
    /// How many of them were the same when they were read anew.
    pub same: u64,
}

/// The causes, and how often each was compared and for nothing.
#[derive(Debug, Default)]
pub(crate) struct Causes(Mutex<HashMap<String, (u64, u64)>>);

impl Causes {
    fn add(&self, cause: String, same: bool) {
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if causes.len() >= MOST_CAUSES && !causes.contains_key(&cause) {
            return;
        }
        let (compared, for_nothing) = causes.entry(cause).or_default();
        *compared += 1;
        *for_nothing += u64::from(same);
    }

    /// All of them, the most frequent first.
    pub(crate) fn all(&self) -> Vec<OverInvalidation> {
        let causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = causes
            .iter()
            .map(|(cause, (compared, same))| OverInvalidation {
                cause: cause.clone(),
                compared: *compared,
                same: *same,
            });
        let mut all: Vec<_> = all.collect();
        all.sort_by(|a, b| (b.same, &a.cause).cmp(&(a.same, &b.cause)));
        all
    }
}

/// A result that a write has invalidated.
#[derive(Debug)]
pub(crate) struct Dropped {
    pub(crate) entry: Entry,
    /// What was renewed of what it depends on.
    pub(crate) renewed: Vec<Tag>,
}

impl Core {
    /// Whether the result under that key is one of the sample: always, or never.
    pub(crate) fn is_sampled(&self, key: &Key) -> bool {
        let share = self.config.over_invalidation_sample;
        if share <= 0.0 {
            return false;
        }
        let mut first = [0; 4];
        first.copy_from_slice(&blake3::hash(key.as_bytes()).as_bytes()[..4]);
        f64::from(u32::from_le_bytes(first)) < share * f64::from(u32::MAX)
    }

    /// The result under a key, if it is stored and a write has invalidated it.
    pub(crate) async fn dropped<R: Reach>(self: &Arc<Self>, key: &Key) -> Option<Dropped> {
        let recalled = R::recall(self, key).await.ok()?;
        let entry = recalled.entry?;
        if recalled.gate != Some(entry.vector.nonce) || entry.tags.len() != recalled.states.len() {
            return None;
        }
        let held = entry.tags.iter().zip(&entry.vector.tokens);
        let renewed: Vec<Tag> = held
            .zip(&recalled.states)
            .filter(|((_, token), state)| **state != TagState::Clean(**token))
            .map(|((tag, _), _)| *tag)
            .collect();
        (!renewed.is_empty()).then_some(Dropped { entry, renewed })
    }

    /// Notes whether a result that was invalidated is the same now. `names` are those of tags.
    pub(crate) fn compared(&self, dropped: &Dropped, same: bool, names: &HashMap<Tag, String>) {
        count(&self.counters.invalidations_compared);
        if same {
            count(&self.counters.over_invalidations);
        }
        let unnamed = "a row that the result shows";
        let named = dropped.renewed.iter().map(|tag| names.get(tag));
        let mut causes: Vec<&str> = named
            .map(|name| name.map_or(unnamed, |name| name))
            .collect();
        causes.sort_unstable();
        causes.dedup();
        for cause in causes {
            self.causes.add(cause.to_owned(), same);
        }
    }
}
