//! What the journal says: one change after the other.
//!
//! A change is what was decided, not what was asked for. Whoever applies the same changes in the
//! same order holds the same state.

use serde::{Deserialize, Serialize};

/// Any of the random numbers, a tag, a database, or the first half of a digest.
pub(super) type Id = [u8; 16];

/// One change of the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Change {
    /// An epoch begins, under the nonce that the gate has or gets.
    Epoch { epoch: Id, nonce: Id },
    /// A new generation: what was stored before is dead.
    Clear { nonce: Id },
    /// The gate of a database opens.
    Open { space: Id, opening: Id },
    /// The gate of a database closes; of all of them.
    Close { space: Option<Id>, epoch: Id },
    /// A process testifies for databases.
    Testify { process: u64, spaces: Vec<Id> },
    /// All that is declared of a database.
    Declare { space: Id, all: Vec<Vec<u8>> },
    /// What a catalogue looks like to somebody.
    Remember { who: Id, seen: [u8; 32] },
    /// Tags get tokens that had none, which nobody keeps after `ends`.
    Establish { tokens: Vec<(Id, Id)>, ends: u64 },
    /// Tags come under the quarantine of a writer.
    Quarantine { writer: Record, tags: Vec<Id> },
    /// A writer ends.
    Lift {
        writer: Id,
        tags: Vec<Id>,
        renew: bool,
    },
    /// Tokens die.
    Renew { tags: Vec<Id> },
    /// An entry is stored, or prolonged.
    Put(Stored),
    /// Entries are no longer stored.
    Drop { digests: Vec<Id> },
    /// Somebody makes an entry.
    Lease { digest: Id, holder: u64, until: u64 },
    /// Nobody does.
    Release { digest: Id },
}

/// A writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) writer: Id,
    pub(super) process: u64,
    pub(super) space: Option<Id>,
    pub(super) session: Option<String>,
}

/// An entry that lies in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) digest: Id,
    /// What it takes of the disk, in bytes.
    pub(super) size: u64,
    /// When nobody needs it any more, in Unix milliseconds.
    pub(super) ends: u64,
    /// What it depends on. Their tokens are kept as long.
    pub(super) tags: Vec<Id>,
    /// When these may go.
    pub(super) tokens_end: u64,
    /// The tags that it is removed with.
    pub(super) removed_with: Vec<Id>,
}
