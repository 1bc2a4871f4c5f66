//! Which entries are to be removed with a tag.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::key::Key;
use crate::tag::Tag;

/// The keys of the entries that are removed with each tag. It knows no key whose entry is
/// not in the store, or about to be.
#[derive(Debug, Default)]
pub(super) struct Removable(Mutex<HashMap<Tag, HashSet<Key>>>);

impl Removable {
    /// The entry under `key` is about to be stored.
    pub(super) fn add(&self, key: &Key, tags: &[Tag]) {
        if tags.is_empty() {
            return;
        }
        let mut keys = self.keys();
        for tag in tags {
            keys.entry(*tag).or_default().insert(key.clone());
        }
    }

    /// The entry under `key` is no longer stored.
    pub(super) fn forget(&self, key: &Key, tags: &[Tag]) {
        if tags.is_empty() {
            return;
        }
        let mut keys = self.keys();
        for tag in tags {
            if let Some(known) = keys.get_mut(tag) {
                known.remove(key);
                if known.is_empty() {
                    keys.remove(tag);
                }
            }
        }
    }

    /// The keys of a tag, which it then no longer knows.
    pub(super) fn take(&self, tag: &Tag) -> HashSet<Key> {
        self.keys().remove(tag).unwrap_or_default()
    }

    pub(super) fn clear(&self) {
        self.keys().clear();
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<Tag, HashSet<Key>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
