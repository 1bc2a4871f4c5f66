//! Entries: what the cache stores under a key.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::tag::Tag;
use crate::token::{Nonce, Token};

/// The tokens that were current before a result was read from the database.
///
/// A result is valid exactly as long as all of them are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Vector {
    /// The generation of the store they were captured in.
    pub nonce: Nonce,
    /// One token per tag of the read, in the tags' order.
    pub tokens: Box<[Token]>,
}

impl Vector {
    /// That of the first tags alone. An entry that hits may have further ones.
    pub(crate) fn of_first(mut self, tags: usize) -> Self {
        if tags < self.tokens.len() {
            self.tokens = self.tokens[..tags].into();
        }
        self
    }
}

/// What is stored.
#[derive(Clone)]
pub enum Payload {
    /// As it is in this process. What a backend is given that keeps its entries here.
    Typed(Arc<dyn Any + Send + Sync>),
    /// As bytes. What a backend is given that [is shared](crate::backend::CacheBackend::is_shared).
    Bytes(Arc<[u8]>),
}

impl Payload {
    /// What is stored as a `T`, if that is what it is.
    #[must_use]
    pub fn typed<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        match self {
            Self::Typed(value) => Arc::clone(value).downcast().ok(),
            Self::Bytes(_) => None,
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rows and values are nobody's business.
        f.write_str(match self {
            Self::Typed(_) => "Typed",
            Self::Bytes(_) => "Bytes",
        })
    }
}

/// A stored result.
#[derive(Clone)]
pub struct Entry {
    /// What the result depends on.
    pub tags: Arc<[Tag]>,
    /// The tokens it is valid for.
    pub vector: Vector,
    /// The rows, or the value.
    pub payload: Payload,
    /// What it weighs, in bytes.
    pub weight: usize,
    /// When it is too old to be served.
    pub expires_at: Instant,
    /// How long it was to live when it was stored.
    pub lifetime: Duration,
    /// When it is too old to be served while another reader makes it anew. Not before it
    /// expires.
    pub stale_until: Instant,
    /// The latest end of its life, however often it is
    /// [touched](crate::backend::CacheBackend::touch).
    pub not_after: Option<Instant>,
    /// The tags with which it is removed at once, see
    /// [`purge`](crate::backend::CacheBackend::purge). Mostly none.
    pub removed_with: Arc<[Tag]>,
}

impl Entry {
    /// Makes it depend on further tags, whose tokens these are.
    pub(crate) fn depend_on(&mut self, tags: &[Tag], tokens: &[Token]) {
        if tags.is_empty() {
            return;
        }
        self.tags = self.tags.iter().chain(tags).copied().collect();
        let all = self.vector.tokens.iter().chain(tokens);
        self.vector.tokens = all.copied().collect();
    }

    /// Makes bytes of what is stored. Returns whether there are any.
    pub(crate) fn become_bytes(&mut self, bytes: Option<Vec<u8>>) -> bool {
        let Some(bytes) = bytes else {
            return false;
        };
        self.weight = bytes.len();
        self.payload = Payload::Bytes(bytes.into());
        true
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("tags", &self.tags)
            .field("vector", &self.vector)
            .field("weight", &self.weight)
            .finish_non_exhaustive()
    }
}
