//! What a backend is asked and what it is told.

use std::time::{Duration, Instant};

use crate::database::TagSpace;
use crate::key::Key;
use crate::protocol::Fetched;
use crate::tag::Tag;
use crate::token::{Epoch, Opening, ProcessId, WriterId};

/// The databases whose writers matter to a read. Its gate is open if theirs is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Databases<'a> {
    /// That one.
    One(TagSpace),
    /// All of these, which the process is attached to: what is asked for was made from no
    /// database in particular.
    All(&'a [TagSpace]),
    /// None: no write invalidates what is asked for.
    None,
}

/// [`Databases`] that borrow nothing.
#[cfg(any(feature = "tiered", feature = "async"))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    One(TagSpace),
    All(Vec<TagSpace>),
    None,
}

#[cfg(any(feature = "tiered", feature = "async"))]
impl Which {
    pub(crate) fn of(databases: Databases<'_>) -> Self {
        match databases {
            Databases::One(space) => Self::One(space),
            Databases::All(spaces) => Self::All(spaces.to_vec()),
            Databases::None => Self::None,
        }
    }

    #[cfg(feature = "async")]
    pub(crate) fn databases(&self) -> Databases<'_> {
        match self {
            Self::One(space) => Databases::One(*space),
            Self::All(spaces) => Databases::All(spaces),
            Self::None => Databases::None,
        }
    }
}

/// What [`fetch`](super::CacheBackend::fetch) is to look for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The entry's key; `None` for the tags alone.
    pub key: Option<&'a Key>,
    /// The tags. An entry is found if its own begin with them; whether it has
    /// [further](crate::protocol::Further) ones, only the entry knows.
    pub tags: &'a [Tag],
    /// Further tags whose states are wanted, in the same step. They have no say in whether the
    /// entry hits, nor in the lease. They may repeat each other and `tags`.
    pub also: &'a [Tag],
    /// The databases whose gate must be open.
    pub databases: Databases<'a>,
    /// Whether a missing tag, of `tags` or of `also`, is given a fresh token.
    pub establish: bool,
    /// Whether the asker wants to make the entry if it is not there.
    pub lease: Option<Lease>,
}

impl Standing {
    /// Since when the gate of a database is open.
    #[must_use]
    pub fn opening(&self, space: TagSpace) -> Option<Opening> {
        let found = self.open.iter().find(|(of, _)| *of == space);
        found.map(|(_, opening)| *opening)
    }
}

impl<'a> Ask<'a> {
    /// The entry under a key, and the states of its tags.
    #[must_use]
    pub fn entry(key: &'a Key, tags: &'a [Tag], databases: Databases<'a>) -> Self {
        Self {
            key: Some(key),
            tags,
            also: &[],
            databases,
            establish: false,
            lease: None,
        }
    }

    /// The tokens of tags; those that are missing are made.
    #[must_use]
    pub fn tokens(tags: &'a [Tag], databases: Databases<'a>) -> Self {
        Self {
            key: None,
            tags,
            also: &[],
            databases,
            establish: true,
            lease: None,
        }
    }
}

/// What a store knows one version of an entry by. Two that differ have different marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark(pub [u8; 16]);

/// What [`fetch_unless`](super::CacheBackend::fetch_unless) brought.
#[derive(Debug, Clone)]
pub struct Unless {
    /// All but the entry, if the asker holds it. Whatever is told of the entry is told of what the
    /// asker holds then.
    pub fetched: Fetched,
    /// What the entry that was fetched is known by; `None` if a store knows no marks.
    pub mark: Option<Mark>,
    /// If the stored entry is the one that the asker holds: when it expires by now.
    pub held: Option<Instant>,
}

impl From<Fetched> for Unless {
    fn from(fetched: Fetched) -> Self {
        Self {
            fetched,
            mark: None,
            held: None,
        }
    }
}

/// A lease that is wanted: the right to make an entry, while others wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Who wants it. Asking again does not lose it.
    pub holder: ProcessId,
    /// After that time it ends by itself.
    pub patience: Duration,
}

/// A writer, as it is known to the store while it holds a quarantine.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// Its id.
    pub id: WriterId,
    /// The process it runs in.
    pub process: ProcessId,
    /// The database that it writes to, if it is known.
    pub space: Option<TagSpace>,
    /// Its session, as the database names it; without one there is no evidence of its end.
    pub session: Option<&'a str>,
}

/// Who holds a quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The writer.
    pub writer: WriterId,
    /// The process it runs in.
    pub process: ProcessId,
    /// The database that it writes to.
    pub space: Option<TagSpace>,
    /// Its session, as the database names it.
    pub session: Option<String>,
    /// All that it holds.
    pub tags: Vec<Tag>,
}

/// That a quarantine is known to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// The epoch in which it is.
    pub epoch: Epoch,
    /// Since when the gate of the writer's database is open; `None` if it is closed.
    pub opening: Option<Opening>,
}

/// How a shared store stands, see [`beat`](super::CacheBackend::beat).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The epoch.
    pub epoch: Epoch,
    /// The databases whose gate is open in it, and since when.
    pub open: Vec<(TagSpace, Opening)>,
    /// The processes that have testified in it, and for which database.
    pub testified: Vec<(ProcessId, TagSpace)>,
    /// The writers of the asking process that hold a quarantine.
    pub mine: Vec<WriterId>,
}
