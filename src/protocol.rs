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
//!
//! An entry may depend on further tags than those that a read can name before it
//! knows the result. Whether their tokens are still current is told by the store, in
//! one word: see [`Further`].

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

/// How the further tags of an entry stand: those that it has after the tags that were asked for.
///
/// It is one word and not a state for each, since an entry may have a thousand of them, and a
/// hit is to stay one small round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Further {
    /// There is no entry, its tags do not begin with those asked for, or it has no others.
    #[default]
    None,
    /// Each is clean, and has the very token that the entry holds.
    Current,
    /// At least one is quarantined, whatever the others are.
    Quarantined,
    /// At least one is missing or has another token, and none is quarantined.
    Outdated,
}

impl Further {
    /// How an entry stands whose further tags have these states, each beside the token that the
    /// entry holds.
    pub fn of(tags: impl IntoIterator<Item = (TagState, Token)>) -> Self {
        let mut word = Self::None;
        for (state, held) in tags {
            // rule: further-tags-stand-as-the-worst-of-them
            word = match (state, word) {
                (TagState::Quarantined, _) => return Self::Quarantined,
                (TagState::Clean(token), Self::None | Self::Current) if token == held => {
                    Self::Current
                }
                _ => Self::Outdated,
            };
        }
        word
    }
}

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
    /// The states of the tags that were wanted [also](crate::backend::Ask::also), in their order.
    pub also: TagStates,
    /// How the tags of the entry stand that it has after those of the read.
    pub further: Further,
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
    /// Serve the entry. It may have further tags, and then its vector has their tokens, too.
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
///
/// An entry is good for it if the entry's tags begin with them, and all of its tokens are
/// current. What was wanted [also](crate::backend::Ask::also) has no say: how many of their states
/// there must be, only the asker knows, and checks.
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
    // rule: every-captured-token-is-current
    let begins = |entry: &Entry| {
        entry.vector.nonce == nonce
            && entry.tags.starts_with(tags)
            && entry.vector.tokens.starts_with(&tokens)
            && entry.vector.tokens.len() == entry.tags.len()
    };
    match fetched.entry.filter(begins) {
        // rule: every-further-token-is-current
        Some(entry) if entry.tags.len() == tags.len() || fetched.further == Further::Current => {
            Judgement::Hit(entry)
        }
        // rule: a-quarantined-further-tag-blocks
        // What would be stored now would be outdated as soon as that writer commits.
        Some(_) if fetched.further == Further::Quarantined => Judgement::Quarantined,
        _ => Judgement::Miss(Vector {
            nonce,
            tokens: tokens.into_vec().into_boxed_slice(),
        }),
    }
}

/// Whether whoever fetched that is to make the entry: it is not there, or has expired, and what is
/// made now can be stored.
#[cfg(any(feature = "file", feature = "memcached"))]
pub(crate) fn may_be_made(fetched: &Fetched, tags: &[Tag]) -> bool {
    match judge(fetched.clone(), tags) {
        Judgement::Hit(entry) => entry.expires_at <= std::time::Instant::now(),
        Judgement::Miss(_) => true,
        Judgement::Quarantined | Judgement::Establish | Judgement::Closed => false,
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
            also: TagStates::new(),
            further: Further::None,
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
        stored.tags = Arc::from([Tag::label("t")]);
        let found = fetched(Some(nonce), Some(stored), TagState::Clean(token));
        assert!(matches!(judge(found, &tags()), Judgement::Miss(_)));
    }

    /// What was fetched of an entry with three tags, two of them further ones.
    fn going_on(further: Further) -> Fetched {
        let (nonce, token) = (Nonce::fresh(), Token::fresh());
        let mut stored = entry(nonce, token);
        stored.tags = Arc::from([Tag::root(), Tag::label("t"), Tag::label("u")]);
        stored.vector.tokens = Box::new([token, Token::fresh(), Token::fresh()]);
        Fetched {
            further,
            ..fetched(Some(nonce), Some(stored), TagState::Clean(token))
        }
    }

    /// The same, but for a change of the entry.
    fn changed(further: Further, change: impl FnOnce(&mut Entry)) -> Fetched {
        let mut found = going_on(further);
        found.entry.as_mut().map(change);
        found
    }

    #[test]
    fn an_entry_hits_while_its_further_tags_are_current() {
        let found = going_on(Further::Current);
        match judge(found, &tags()) {
            Judgement::Hit(entry) => assert_eq!(entry.tags.len(), 3),
            other => panic!("{other:?}"),
        }
        // What stands there of further tags is of no concern to an entry that has none.
        for further in [Further::None, Further::Current, Further::Outdated] {
            let found = changed(further, |entry| {
                entry.tags = tags();
                entry.vector.tokens = entry.vector.tokens[..1].into();
            });
            assert!(matches!(judge(found, &tags()), Judgement::Hit(_)));
        }
    }

    #[test]
    fn an_entry_with_further_tags_needs_the_word_of_the_store() {
        for further in [Further::None, Further::Outdated] {
            let found = going_on(further);
            let Some(TagState::Clean(token)) = found.states.first().copied() else {
                panic!("it is clean");
            };
            match judge(found, &tags()) {
                // For the tags that were asked for, and no others.
                Judgement::Miss(vector) => assert_eq!(*vector.tokens, [token]),
                other => panic!("{further:?}: {other:?}"),
            }
        }
        let found = going_on(Further::Quarantined);
        assert!(matches!(judge(found, &tags()), Judgement::Quarantined));
    }

    #[test]
    fn current_further_tags_are_not_enough() {
        let misses = |further, change: fn(&mut Entry)| {
            let judged = judge(changed(further, change), &tags());
            assert!(matches!(judged, Judgement::Miss(_)), "{judged:?}");
        };
        // Nor does a quarantine of what is not good for the read block it.
        for further in [Further::Current, Further::Quarantined] {
            misses(further, |entry| entry.vector.nonce = Nonce::fresh());
            misses(further, |entry| {
                entry.tags = Arc::from([Tag::label("t"), Tag::root(), Tag::label("u")]);
            });
            misses(further, |entry| entry.tags = Arc::from([]));
            misses(further, |entry| {
                entry.vector.tokens = entry.vector.tokens[1..].into();
            });
            // A token for each tag: one too few, one too many, none.
            misses(further, |entry| {
                entry.vector.tokens = entry.vector.tokens[..2].into();
            });
            misses(further, |entry| {
                entry.tags = Arc::from([Tag::root(), Tag::label("t")]);
            });
            misses(further, |entry| entry.tags = tags());
            misses(further, |entry| entry.vector.tokens = Box::new([]));
            misses(further, |entry| entry.vector.tokens[0] = Token::fresh());
        }
        let judged = |change: fn(&mut Fetched)| {
            let mut found = going_on(Further::Current);
            change(&mut found);
            judge(found, &tags())
        };
        let closed = judged(|found| found.gate = None);
        assert!(matches!(closed, Judgement::Closed));
        let missing = judged(|found| found.states[0] = TagState::Missing);
        assert!(matches!(missing, Judgement::Establish));
        let held = judged(|found| found.states[0] = TagState::Quarantined);
        assert!(matches!(held, Judgement::Quarantined));
        let other = judged(|found| found.states[0] = TagState::Clean(Token::fresh()));
        assert!(matches!(other, Judgement::Miss(_)));
        let none = judged(|found| found.entry = None);
        assert!(matches!(none, Judgement::Miss(_)));
        let states = judged(|found| found.states.clear());
        assert!(matches!(states, Judgement::Closed));
    }

    #[test]
    fn what_is_wanted_also_has_no_say() {
        for state in [TagState::Missing, TagState::Quarantined] {
            let mut found = going_on(Further::Current);
            found.also.push(state);
            assert!(matches!(judge(found, &tags()), Judgement::Hit(_)));
        }
    }

    #[test]
    fn further_tags_stand_as_the_worst_of_them() {
        let held = Token::fresh();
        let current = (TagState::Clean(held), held);
        let other = (TagState::Clean(Token::fresh()), held);
        let missing = (TagState::Missing, held);
        let quarantined = (TagState::Quarantined, held);
        assert_eq!(Further::of([]), Further::None);
        assert_eq!(Further::of([current, current]), Further::Current);
        for dead in [other, missing] {
            for tags in [[dead, current], [current, dead], [dead, dead]] {
                assert_eq!(Further::of(tags), Further::Outdated);
            }
        }
        for with in [current, other, missing, quarantined] {
            assert_eq!(Further::of([with, quarantined]), Further::Quarantined);
            assert_eq!(Further::of([quarantined, with]), Further::Quarantined);
        }
    }
}
