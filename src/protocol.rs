//! The consistency protocol, without I/O.
//!
//! A read *judges* what the backend fetched for it: the store's gate, the entry
//! and the state of each tag. A write quarantines its tags before it can commit and
//! lifts the quarantine when its outcome is known. Why a hit cannot be stale:
//! let an entry's tokens be captured at c, its rows read from a snapshot s ≥ c, and
//! let a write W of one of its tags commit after s and before a read that hits. W
//! quarantined the tag before it committed, and the quarantine ends only with a new
//! token. If W quarantined before c, the tag was quarantined at c and nothing was
//! captured; if after c, the captured token is no longer current when the read
//! looks. Either way the read does not hit.

pub mod cell;
pub mod gate;

use smallvec::SmallVec;

use crate::entry::{Entry, Vector};
use crate::tag::Tag;
use crate::token::{Nonce, Opening, Token};

/// The state of one tag in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagState {
    /// No writer holds it.
    Clean(Token),
    /// At least one writer may be about to commit.
    Quarantined,
    /// The store does not know it: never captured, evicted or renewed.
    Missing,
}

/// The states of a read's tags, in the tags' order.
pub type TagStates = SmallVec<[TagState; 8]>;

/// What one round trip brought.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The store's generation; `None` while it may have lost quarantines.
    pub gate: Option<Nonce>,
    /// Since when the gate of the [one](crate::backend::Databases::One) database that was asked
    /// for is open; `None` if it is closed, or others were asked for.
    pub opening: Option<Opening>,
    /// The entry under the key, expired or not.
    pub entry: Option<Entry>,
    /// The states of the read's tags.
    pub states: TagStates,
    /// What became of the lease that was asked for.
    pub leased: Leased,
}

/// What became of a lease: the right to make an entry, while others wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Leased {
    /// None was asked for, or nothing could be stored.
    #[default]
    NotAsked,
    /// It is the asker's.
    Granted,
    /// Another has it.
    Taken,
}

/// What to do with what was fetched.
#[derive(Debug)]
pub enum Judgement {
    /// Serve the entry.
    Hit(Entry),
    /// Read the database; the result may be stored for this vector.
    Miss(Vector),
    /// Some tags are missing: create them, then judge again.
    Establish,
    /// Read the database and store nothing: a writer may be about to commit.
    Quarantined,
    /// Read the database and store nothing: the gate is closed.
    Closed,
}

/// Judges what was fetched for a read of `tags`.
#[must_use]
pub fn judge(fetched: Fetched, tags: &[Tag]) -> Judgement {
    let Some(nonce) = fetched.gate else {
        return Judgement::Closed;
    };
    // A backend that answers for other tags than it was asked for is not trusted.
    if fetched.states.len() != tags.len() {
        return Judgement::Closed;
    }
    let mut tokens = SmallVec::<[Token; 8]>::new();
    let mut missing = false;
    for state in &fetched.states {
        match state {
            TagState::Clean(token) => tokens.push(*token),
            // rule: a-quarantined-tag-blocks
            TagState::Quarantined => return Judgement::Quarantined,
            TagState::Missing => missing = true,
        }
    }
    // rule: a-missing-token-is-a-new-token
    if missing {
        return Judgement::Establish;
    }
    match fetched.entry {
        // rule: every-captured-token-is-current
        Some(entry)
            if entry.vector.nonce == nonce
                && *entry.vector.tokens == *tokens
                && *entry.tags == *tags =>
        {
            Judgement::Hit(entry)
        }
        _ => Judgement::Miss(Vector {
            nonce,
            tokens: tokens.into_vec().into_boxed_slice(),
        }),
    }
}

/// How a writer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lift {
    /// It committed, or may have: the tags get new tokens.
    Renew,
    /// It wrote nothing, for certain: the tags keep their tokens.
    Restore,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::entry::Payload;

    fn tags() -> Arc<[Tag]> {
        Arc::from([Tag::root()])
    }

    fn entry(nonce: Nonce, token: Token) -> Entry {
        Entry {
            tags: tags(),
            vector: Vector {
                nonce,
                tokens: Box::new([token]),
            },
            payload: Payload::Typed(Arc::new(())),
            weight: 0,
            expires_at: Instant::now(),
            lifetime: Duration::ZERO,
            stale_until: Instant::now(),
            not_after: None,
            removed_with: Arc::from([]),
        }
    }

    fn fetched(gate: Option<Nonce>, entry: Option<Entry>, state: TagState) -> Fetched {
        Fetched {
            gate,
            opening: None,
            entry,
            states: TagStates::from_slice(&[state]),
            leased: Leased::NotAsked,
        }
    }

    #[test]
    fn equal_tokens_of_one_generation_hit() {
        let (nonce, token) = (Nonce::fresh(), Token::fresh());
        let found = fetched(
            Some(nonce),
            Some(entry(nonce, token)),
            TagState::Clean(token),
        );
        assert!(matches!(judge(found, &tags()), Judgement::Hit(_)));
    }

    #[test]
    fn anything_else_does_not_hit() {
        let (nonce, token) = (Nonce::fresh(), Token::fresh());
        let stored = || Some(entry(nonce, token));
        let clean = TagState::Clean(token);
        let other = TagState::Clean(Token::fresh());
        let judge = |f| judge(f, &tags());
        assert!(matches!(
            judge(fetched(None, stored(), clean)),
            Judgement::Closed
        ));
        assert!(matches!(
            judge(fetched(Some(nonce), stored(), other)),
            Judgement::Miss(_)
        ));
        assert!(matches!(
            judge(fetched(Some(nonce), None, clean)),
            Judgement::Miss(_)
        ));
        assert!(matches!(
            judge(fetched(Some(Nonce::fresh()), stored(), clean)),
            Judgement::Miss(_)
        ));
        assert!(matches!(
            judge(fetched(Some(nonce), stored(), TagState::Quarantined)),
            Judgement::Quarantined
        ));
        assert!(matches!(
            judge(fetched(Some(nonce), stored(), TagState::Missing)),
            Judgement::Establish
        ));
    }

    #[test]
    fn an_entry_for_other_tags_does_not_hit() {
        let (nonce, token) = (Nonce::fresh(), Token::fresh());
        let mut stored = entry(nonce, token);
        stored.tags = Arc::from([Tag::any(crate::database::TagSpace::of(b""), "t")]);
        let found = fetched(Some(nonce), Some(stored), TagState::Clean(token));
        assert!(matches!(judge(found, &tags()), Judgement::Miss(_)));
    }
}
