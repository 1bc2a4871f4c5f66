//! What an entry weighs that is kept in this process.

use crate::entry::Entry;
use crate::key::Key;

/// What every entry weighs besides its key and its rows.
const ENTRY_OVERHEAD: usize = 192;

/// What an entry weighs, in bytes.
pub(super) fn entry_weight(key: &Key, entry: &Entry) -> u64 {
    // The key stands once more for each tag that the entry is removed with.
    let keys = key.as_bytes().len() * (1 + entry.removed_with.len());
    let tags = size_of_val(&*entry.tags) + size_of_val(&*entry.vector.tokens);
    (keys + tags + entry.weight + ENTRY_OVERHEAD) as u64
}
