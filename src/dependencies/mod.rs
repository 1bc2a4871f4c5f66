//! What a computed value depends on: collected from the reads that made it.
//!
//! The reads are told of the handle, and leave their tags and tokens with it. What
//! cannot be collected refuses the value: it is returned, and not stored. That is a read
//! that bypassed the cache, a read that was not told of the handle, a write, and one tag
//! that was seen with two tokens, since then something was written between two reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::bypass::Bypass;
use crate::entry::Vector;
use crate::footprint::Name;
use crate::tag::Tag;
use crate::token::{Nonce, Token};

pub(crate) mod watch;

/// Why a computed value was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unstored {
    /// A read through the handle could not use the cache.
    Bypassed(Bypass),
    /// A read was not told of the handle, and reads tables that are not named.
    Unseen,
    /// Something was written while the value was computed.
    Wrote,
    /// Something was read inside of a transaction that has written, or sees an older snapshot.
    Transaction,
    /// Something that it depends on was written by others while it was computed.
    Overtaken,
    /// It was made from reads that have a scope, and has none itself.
    Unscoped,
    /// It could not be computed.
    Failed,
    /// It cannot be serialized, so its size is not known.
    Unserializable,
    /// The store refused it.
    Refused,
}

impl fmt::Display for Unstored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bypassed(reason) => write!(f, "a read bypassed the cache: {reason}"),
            Self::Unseen => f.write_str("a read outside of the handle"),
            Self::Wrote => f.write_str("something was written"),
            Self::Transaction => f.write_str("a read inside of a transaction"),
            Self::Overtaken => f.write_str("a write overtook it"),
            Self::Unscoped => f.write_str("it needs a scope"),
            Self::Failed => f.write_str("it failed"),
            Self::Unserializable => f.write_str("it cannot be serialized"),
            Self::Refused => f.write_str("the store refused it"),
        }
    }
}

/// The handle by which cached reads tell a computed value what it depends on; given to
/// the closure of [`get_or_insert_with`](crate::Value::get_or_insert_with), and by it to
/// [`within`](crate::Cached::within). Clones are handles to the same value; other threads may use
/// them.
#[derive(Debug, Clone, Default)]
pub struct Dependencies(Arc<Mutex<State>>);

/// What was collected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Collected {
    nonce: Option<Nonce>,
    tokens: BTreeMap<Tag, Token>,
    pub(crate) removed_with: BTreeSet<Tag>,
    pub(crate) tables: BTreeSet<Name>,
    pub(crate) expires_at: Option<Instant>,
    /// Whether it holds what only one asker may see.
    pub(crate) scoped: bool,
}

/// One read, as a handle is told of it.
#[derive(Debug)]
pub(crate) struct Read<'a> {
    pub(crate) tags: &'a [Tag],
    pub(crate) vector: &'a Vector,
    pub(crate) tables: &'a BTreeSet<Name>,
    pub(crate) removed_with: &'a [Tag],
    pub(crate) expires_at: Option<Instant>,
    pub(crate) scoped: bool,
}

#[derive(Debug, Clone, Default)]
struct State {
    collected: Collected,
    refused: Option<Unstored>,
}

impl Dependencies {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A read that went through the cache.
    pub(crate) fn add(&self, read: &Read<'_>) {
        let mut state = self.state();
        let collected = &mut state.collected;
        // rule: one-tag-with-two-tokens-is-not-stored
        let mut same = *collected.nonce.get_or_insert(read.vector.nonce) == read.vector.nonce
            && read.tags.len() == read.vector.tokens.len();
        for (tag, token) in read.tags.iter().zip(&read.vector.tokens) {
            same &= *collected.tokens.entry(*tag).or_insert(*token) == *token;
        }
        collected.scoped |= read.scoped;
        collected.tables.extend(read.tables.iter().cloned());
        collected.removed_with.extend(read.removed_with);
        // rule: a-value-ends-with-what-it-was-made-of
        collected.expires_at = [collected.expires_at, read.expires_at]
            .into_iter()
            .flatten()
            .min();
        if !same {
            state.refused.get_or_insert(Unstored::Overtaken);
        }
    }

    /// Whether it was told of nothing: no read, and nothing that refuses the value.
    #[cfg(feature = "tower")]
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state();
        state.collected.tokens.is_empty() && state.refused.is_none()
    }

    /// The value ends then, if not earlier.
    #[cfg(feature = "tower")]
    pub(crate) fn end_by(&self, end: Instant) {
        let ends = &mut self.state().collected.expires_at;
        *ends = Some(ends.map_or(end, |before| before.min(end)));
    }

    /// The value must not be stored.
    pub(crate) fn refuse(&self, why: Unstored) {
        self.state().refused.get_or_insert(why);
    }

    /// What was collected, or why the value must not be stored.
    pub(crate) fn finish(&self) -> Result<Collected, Unstored> {
        let state = self.state();
        match state.refused {
            Some(why) => Err(why),
            None => Ok(state.collected.clone()),
        }
    }

    /// Whether the two are handles to one value.
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to tell a handle, if there is one, of a read. Should a panic end the read, which the user
/// may catch, or its future be dropped, nothing was told, and the value is refused.
#[derive(Debug)]
pub(crate) struct Owed(Option<Dependencies>);

impl Owed {
    pub(crate) fn to(value: Option<&Dependencies>) -> Self {
        Self(value.cloned())
    }

    /// The read has ended.
    pub(crate) fn settle(mut self) {
        self.0 = None;
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some(value) = &self.0 {
            value.refuse(Unstored::Failed);
        }
    }
}

impl Collected {
    /// The tags and their tokens, if any read left some.
    pub(crate) fn vector(&self) -> Option<(Arc<[Tag]>, Vector)> {
        let nonce = self.nonce?;
        let tags = self.tokens.keys().copied().collect();
        let tokens = self.tokens.values().copied().collect();
        Some((tags, Vector { nonce, tokens }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(nonce: Nonce, tokens: &[Token]) -> Vector {
        Vector {
            nonce,
            tokens: tokens.into(),
        }
    }

    fn add(dependencies: &Dependencies, tags: &[Tag], vector: &Vector) {
        dependencies.add(&Read {
            tags,
            vector,
            tables: &BTreeSet::new(),
            removed_with: &[],
            expires_at: None,
            scoped: false,
        });
    }

    #[test]
    fn reads_add_up() {
        let (nonce, a, b) = (Nonce::fresh(), Token::fresh(), Token::fresh());
        let tags = [Tag::label("a"), Tag::label("b")];
        let dependencies = Dependencies::new();
        add(&dependencies, &tags[..1], &vector(nonce, &[a]));
        add(&dependencies, &tags, &vector(nonce, &[a, b]));
        let (found, tokens) = dependencies.finish().unwrap().vector().unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(tokens.tokens.len(), 2);
    }

    #[test]
    fn one_tag_with_two_tokens_refuses() {
        let nonce = Nonce::fresh();
        let dependencies = Dependencies::new();
        for _ in 0..2 {
            add(
                &dependencies,
                &[Tag::root()],
                &vector(nonce, &[Token::fresh()]),
            );
        }
        assert_eq!(dependencies.finish().unwrap_err(), Unstored::Overtaken);
    }

    #[test]
    fn two_generations_of_the_store_refuse() {
        let token = Token::fresh();
        let dependencies = Dependencies::new();
        for _ in 0..2 {
            add(
                &dependencies,
                &[Tag::root()],
                &vector(Nonce::fresh(), &[token]),
            );
        }
        assert_eq!(dependencies.finish().unwrap_err(), Unstored::Overtaken);
    }

    #[test]
    fn the_first_reason_stays() {
        let dependencies = Dependencies::new();
        dependencies.refuse(Unstored::Wrote);
        dependencies.refuse(Unstored::Unseen);
        assert_eq!(dependencies.finish().unwrap_err(), Unstored::Wrote);
    }
}
