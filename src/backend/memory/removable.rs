//! Which entries are to be removed with a tag.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::key::Key;
use crate::tag::Tag;

/// The entries that are removed with each tag: each by a number of its own, since one key
/// may be stored again and again. It holds no more than what is stored.
#[derive(Debug, Default)]
pub(super) struct Removable(Mutex<HashMap<Tag, HashMap<u64, Key>>>);

impl Removable {
    /// That entry has been stored.
    pub(super) fn add(&self, id: u64, key: &Key, tags: &[Tag]) {
        if tags.is_empty() {
            return;
        }
        let mut entries = self.entries();
        for tag in tags {
            entries.entry(*tag).or_default().insert(id, key.clone());
        }
    }

    /// That entry is no longer stored.
    pub(super) fn forget(&self, id: u64, tags: &[Tag]) {
        if tags.is_empty() {
            return;
        }
        let mut entries = self.entries();
        for tag in tags {
            if let Some(known) = entries.get_mut(tag) {
                known.remove(&id);
                if known.is_empty() {
                    entries.remove(tag);
                }
            }
        }
    }

    /// The entries of a tag, which it then no longer knows by that tag.
    pub(super) fn take(&self, tag: &Tag) -> HashMap<u64, Key> {
        self.entries().remove(tag).unwrap_or_default()
    }

    /// How many entries it knows, each by each of its tags.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries().values().map(HashMap::len).sum()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Tag, HashMap<u64, Key>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
