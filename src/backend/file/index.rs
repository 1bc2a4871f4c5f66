//! Which entries there are, and which of them go first.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::change::{Id, Stored};

/// How long after one mark of a use the next is made, in milliseconds.
const MARK_EVERY: u64 = 1_000;

/// How many entries that were used are looked at in one turn at most.
const MOST_SPARED: usize = 256;

/// The entries, in the order in which they came. Which go first is each process' own affair:
/// that they went is what the journal says.
#[derive(Debug, Default)]
pub(super) struct Index {
    slots: HashMap<Id, Slot>,
    queue: VecDeque<(Id, u64)>,
    by_tag: HashMap<Id, Vec<Id>>,
    bytes: u64,
    /// Numbers places in the queue: a slot's own is the newest.
    next: u64,
}

#[derive(Debug)]
struct Slot {
    size: u64,
    ends: u64,
    place: u64,
    removed_with: Arc<[Id]>,
    /// When this process last marked its file as used, in Unix milliseconds.
    marked: AtomicU64,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// What the entries take, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn contains(&self, digest: &Id) -> bool {
        self.slots.contains_key(digest)
    }

    pub(super) fn size(&self, digest: &Id) -> u64 {
        self.slots.get(digest).map_or(0, |slot| slot.size)
    }

    /// The entries that are removed with a tag.
    pub(super) fn removed_with(&self, tag: &Id) -> Vec<Id> {
        self.by_tag.get(tag).cloned().unwrap_or_default()
    }

    /// All entries.
    pub(super) fn digests(&self) -> Vec<Id> {
        self.slots.keys().copied().collect()
    }

    /// The entries that have ended.
    pub(super) fn ended(&self, now: u64) -> Vec<Id> {
        let ended = self.slots.iter().filter(|(_, slot)| slot.ends <= now);
        ended.map(|(digest, _)| *digest).collect()
    }

    /// An entry was used. Returns whether its file should be marked as used, for the others.
    pub(super) fn used(&self, digest: &Id, now: u64) -> bool {
        let Some(slot) = self.slots.get(digest) else {
            return false;
        };
        let last = slot.marked.load(Ordering::Relaxed);
        let due = now.abs_diff(last) >= MARK_EVERY;
        if due {
            slot.marked.store(now, Ordering::Relaxed);
        }
        due
    }

    pub(super) fn put(&mut self, stored: &Stored) {
        self.drop(&stored.digest);
        let place = self.next;
        self.next += 1;
        self.queue.push_back((stored.digest, place));
        self.bytes = self.bytes.saturating_add(stored.size);
        for tag in &stored.removed_with {
            self.by_tag.entry(*tag).or_default().push(stored.digest);
        }
        let slot = Slot {
            size: stored.size,
            ends: stored.ends,
            place,
            removed_with: stored.removed_with.as_slice().into(),
            marked: AtomicU64::new(0),
        };
        self.slots.insert(stored.digest, slot);
        if self.queue.len() > 2 * self.slots.len() + 64 {
            let slots = &self.slots;
            self.queue
                .retain(|(digest, place)| slots.get(digest).is_some_and(|s| s.place == *place));
        }
    }

    pub(super) fn drop(&mut self, digest: &Id) {
        let Some(slot) = self.slots.remove(digest) else {
            return;
        };
        self.bytes = self.bytes.saturating_sub(slot.size);
        for tag in &*slot.removed_with {
            if let Some(digests) = self.by_tag.get_mut(tag) {
                digests.retain(|other| other != digest);
                if digests.is_empty() {
                    self.by_tag.remove(tag);
                }
            }
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self {
            next: self.next,
            ..Self::default()
        };
    }

    /// What is to go so that there is room for `wanted` bytes in `capacity`. What `was_used` since
    /// it came to its place in the queue gets another, once.
    pub(super) fn victims(
        &mut self,
        capacity: u64,
        wanted: u64,
        mut was_used: impl FnMut(&Id) -> bool,
    ) -> Vec<Id> {
        let mut victims = Vec::new();
        let mut freed = 0;
        let mut spared = 0;
        let many = self.slots.len().min(MOST_SPARED);
        while self.bytes.saturating_sub(freed).saturating_add(wanted) > capacity {
            let Some((digest, place)) = self.queue.pop_front() else {
                break;
            };
            let Some(slot) = self.slots.get_mut(&digest).filter(|s| s.place == place) else {
                continue;
            };
            if spared < many && was_used(&digest) {
                spared += 1;
                slot.place = self.next;
                *slot.marked.get_mut() = 0;
                self.next += 1;
                self.queue.push_back((digest, slot.place));
                continue;
            }
            freed += slot.size;
            victims.push(digest);
        }
        victims
    }

    /// What must be put to have the same entries, the first to go first.
    pub(super) fn snapshot(&self) -> impl Iterator<Item = Stored> + '_ {
        let queued = self.queue.iter().filter_map(|(digest, place)| {
            let slot = self.slots.get(digest).filter(|slot| slot.place == *place)?;
            Some((digest, slot))
        });
        queued.map(|(digest, slot)| Stored {
            digest: *digest,
            size: slot.size,
            ends: slot.ends,
            tags: Vec::new(),
            tokens_end: 0,
            removed_with: slot.removed_with.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(name: u8, size: u64) -> Stored {
        Stored {
            digest: [name; 16],
            size,
            ends: 10,
            tags: Vec::new(),
            tokens_end: 0,
            removed_with: vec![[0; 16]],
        }
    }

    #[test]
    fn the_oldest_goes_first_unless_it_was_used() {
        let mut index = Index::default();
        for name in 1..=4 {
            index.put(&stored(name, 10));
        }
        assert_eq!(index.bytes(), 40);
        assert!(index.victims(40, 0, |_| false).is_empty());
        let victims = index.victims(40, 15, |digest| *digest == [1; 16]);
        assert_eq!(victims, [[2; 16], [3; 16]]);
        for digest in victims {
            index.drop(&digest);
        }
        // The first has the last place now.
        assert_eq!(index.victims(20, 1, |_| false), [[4; 16]]);
    }

    #[test]
    fn where_all_are_used_some_go_all_the_same() {
        let mut index = Index::default();
        for name in 1..=4 {
            index.put(&stored(name, 10));
        }
        assert_eq!(index.victims(40, 40, |_| true).len(), 4);
    }

    #[test]
    fn an_entry_that_is_replaced_counts_once() {
        let mut index = Index::default();
        for round in 0..1000 {
            index.put(&stored(1, 10 + round % 2));
        }
        assert_eq!((index.len(), index.bytes()), (1, 11));
        assert!(index.queue.len() < 100);
        assert_eq!(index.removed_with(&[0; 16]), [[1; 16]]);
        let again: Vec<Stored> = index.snapshot().collect();
        assert_eq!(again.len(), 1);
        index.drop(&[1; 16]);
        assert_eq!((index.len(), index.bytes()), (0, 0));
        assert!(index.removed_with(&[0; 16]).is_empty());
    }
}
