//! What this process has invalidated itself not long ago.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use super::moment::Moment;
use crate::tag::Tag;

/// Of how many tags it is known one by one.
const MANY: usize = 4096;

/// When each tag was invalidated last by this process, as long as that matters.
#[derive(Debug)]
pub(super) struct Recent {
    matters_for: Duration,
    noted: RwLock<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    tags: HashMap<Tag, Moment>,
    /// When any tag may have been invalidated.
    all: Option<Moment>,
}

impl Recent {
    pub(super) fn new(matters_for: Duration) -> Self {
        Self {
            matters_for,
            noted: RwLock::default(),
        }
    }

    /// These tags are invalidated now.
    pub(super) fn note(&self, tags: &[Tag]) {
        if self.matters_for.is_zero() || tags.is_empty() {
            return;
        }
        let mut noted = self.noted.write().unwrap_or_else(PoisonError::into_inner);
        if noted.tags.len() + tags.len() > MANY {
            let matters = |at: &Moment| at.elapsed().is_none_or(|ago| ago < self.matters_for);
            noted.tags.retain(|_, at| matters(at));
        }
        let now = Moment::now();
        if noted.tags.len() + tags.len() > MANY {
            noted.tags.clear();
            noted.all = Some(now);
            return;
        }
        noted.tags.extend(tags.iter().map(|tag| (*tag, now)));
    }

    /// Anything may be invalidated now.
    pub(super) fn note_all(&self) {
        if self.matters_for.is_zero() {
            return;
        }
        let mut noted = self.noted.write().unwrap_or_else(PoisonError::into_inner);
        noted.tags.clear();
        noted.all = Some(Moment::now());
    }

    /// Whether one of these tags was invalidated at that moment or after it.
    pub(super) fn any_since(&self, tags: &[Tag], moment: Moment) -> bool {
        let noted = self.noted.read().unwrap_or_else(PoisonError::into_inner);
        let since = |at: &Moment| *at >= moment;
        noted.all.as_ref().is_some_and(since)
            || (!noted.tags.is_empty()
                && tags
                    .iter()
                    .any(|tag| noted.tags.get(tag).is_some_and(since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(from: usize, to: usize) -> Vec<Tag> {
        (from..to).map(|n| Tag::label(&n.to_string())).collect()
    }

    #[test]
    fn what_was_invalidated_is_known_since_then() {
        let recent = Recent::new(Duration::from_secs(60));
        let before = Moment::now();
        assert!(!recent.any_since(&tags(0, 3), before));
        recent.note(&tags(1, 2));
        assert!(recent.any_since(&tags(0, 3), before));
        assert!(!recent.any_since(&tags(2, 3), before));
        std::thread::sleep(Duration::from_millis(2));
        assert!(!recent.any_since(&tags(0, 3), Moment::now()));
        recent.note_all();
        assert!(recent.any_since(&tags(2, 3), before));
    }

    #[test]
    fn too_many_tags_are_all_tags() {
        let recent = Recent::new(Duration::from_secs(60));
        let before = Moment::now();
        for from in 0..5 {
            recent.note(&tags(from * 1000, from * 1000 + 1000));
        }
        assert!(recent.any_since(&[Tag::label("another")], before));
        assert!(recent.noted.read().unwrap().tags.len() <= MANY);
    }
}
