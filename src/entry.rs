//! Entries: what the cache stores under a key.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

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

/// A stored result.
#[derive(Clone)]
pub struct Entry {
    /// What the result depends on.
    pub tags: Arc<[Tag]>,
    /// The tokens it is valid for.
    pub vector: Vector,
    /// The rows.
    pub rows: Arc<dyn Any + Send + Sync>,
    /// What it weighs, in bytes.
    pub weight: usize,
    /// When it is too old to be served.
    pub expires_at: Instant,
    /// The latest end of its life, however often it is
    /// [touched](crate::backend::CacheBackend::touch).
    pub not_after: Option<Instant>,
    /// The tags with which it is removed at once, see
    /// [`purge`](crate::backend::CacheBackend::purge). Mostly none.
    pub removed_with: Arc<[Tag]>,
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
