//! Which database a connection talks to.
//!
//! A URL has aliases, so the identity is asked of the database itself. It has two
//! halves: the *key space*, in which no two databases may meet, and the *tag
//! space*, in which every connection to one database must meet. They differ for
//! in-memory SQLite databases: each connection has its own keys, since it may have
//! its own database, and all of them share their tags, since they may share it.

use std::collections::BTreeSet;
use std::fmt;

/// The half of a database's identity that goes into keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeySpace(pub [u8; 16]);

/// The half of a database's identity that goes into tags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagSpace(pub [u8; 16]);

/// A database's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DatabaseId {
    /// In which no two databases may meet.
    pub keys: KeySpace,
    /// In which every connection to one database must meet.
    pub tags: TagSpace,
}

fn digest(name: &[u8]) -> [u8; 16] {
    let mut first = [0; 16];
    first.copy_from_slice(&blake3::hash(name).as_bytes()[..16]);
    first
}

impl TagSpace {
    /// The tag space of that name.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        Self(digest(name))
    }
}

#[cfg(any(feature = "redis", feature = "memcached", feature = "file"))]
impl TagSpace {
    /// Who looks at its catalogue, as a store knows them.
    pub(crate) fn seen_by(&self, user: &str) -> [u8; 16] {
        digest(&[&self.0, user.as_bytes()].concat())
    }
}

impl DatabaseId {
    /// A database that every connection can name alike.
    #[must_use]
    pub fn named(name: &[u8]) -> Self {
        Self {
            keys: KeySpace(digest(name)),
            tags: TagSpace(digest(name)),
        }
    }

    /// Whether only one connection names it so.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.keys.0 != self.tags.0
    }

    /// A database that only this connection may see, or may not: `:memory:`.
    #[must_use]
    pub fn private(tags: &[u8]) -> Self {
        Self {
            keys: KeySpace(rand::random()),
            tags: TagSpace(digest(tags)),
        }
    }
}

impl fmt::Debug for KeySpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySpace({:032x})", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TagSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TagSpace({:032x})", u128::from_be_bytes(self.0))
    }
}

/// What processes tell each other of a database, in whatever form: a backend only keeps it.
pub type Declarations = BTreeSet<Vec<u8>>;

/// How many bytes may be declared of a database, each declaration with its length before it.
#[cfg(any(feature = "redis", feature = "memcached", feature = "file"))]
pub(crate) const MOST_DECLARED: usize = 64 << 10;

/// Adds declarations to those that are kept. What would be too much is left out.
#[cfg(any(feature = "memcached", feature = "file"))]
pub(crate) fn declare(all: &mut Declarations, more: &Declarations) {
    let mut length: usize = all.iter().map(|one| one.len() + 4).sum();
    for one in more {
        if !all.contains(one) && length + one.len() + 4 <= MOST_DECLARED {
            length += one.len() + 4;
            all.insert(one.clone());
        }
    }
}
