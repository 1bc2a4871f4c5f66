//! What the checks work with.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Broken, Found, Make, ensure};
use crate::backend::{Ask, CacheBackend, Databases, Put, Writer};
use crate::database::TagSpace;
use crate::entry::{Entry, Payload, Vector};
use crate::key::{Key, ValueParts};
use crate::protocol::{Judgement, Lift, TagState, TagStates, judge};
use crate::tag::Tag;
use crate::token::{Opening, ProcessId, Token, WriterId};

/// How long entries live.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// How much a time may change on its way through a store.
pub(super) const TOLERANCE: Duration = Duration::from_secs(5);

/// An empty store, and what stands around it.
pub(super) struct World<'a> {
    make: &'a Make<'a>,
    namespace: String,
    pub(super) backend: Arc<dyn CacheBackend>,
    pub(super) process: ProcessId,
    pub(super) space: TagSpace,
}

impl<'a> World<'a> {
    pub(super) fn new(make: &'a Make<'a>) -> Self {
        let namespace = format!("conformance-{:032x}", rand::random::<u128>());
        Self {
            backend: make(&namespace),
            make,
            namespace,
            process: ProcessId::fresh(),
            space: TagSpace::of(b"conformance"),
        }
    }

    /// Opens the gate.
    pub(super) fn open(&self) -> Found {
        self.open_space(self.space)
    }

    pub(super) fn open_space(&self, space: TagSpace) -> Found {
        let epoch = self.backend.beat(self.process, &[space])?.epoch;
        Ok(self.backend.open(epoch, space, Opening::fresh())?)
    }

    /// Another handle on the same store, as another process has one.
    pub(super) fn handle(&self) -> Arc<dyn CacheBackend> {
        if self.backend.is_shared() {
            (self.make)(&self.namespace)
        } else {
            Arc::clone(&self.backend)
        }
    }

    pub(super) fn databases(&self) -> Databases<'static> {
        Databases::One(self.space)
    }

    pub(super) fn tags(&self, names: &[&str]) -> Arc<[Tag]> {
        names
            .iter()
            .map(|name| Tag::any(self.space, name))
            .collect()
    }

    pub(super) fn writer(&self, id: WriterId) -> Writer<'static> {
        Writer {
            id,
            process: self.process,
            space: Some(self.space),
            session: None,
        }
    }

    /// Puts tags under the quarantine of a new writer.
    pub(super) fn quarantine(&self, tags: &[Tag]) -> Result<WriterId, Broken> {
        let id = WriterId::fresh();
        self.backend.quarantine(&self.writer(id), tags)?;
        Ok(id)
    }

    pub(super) fn entry(&self, tags: &Arc<[Tag]>, vector: Vector, bytes: &[u8]) -> Entry {
        entry(self.backend.is_shared(), tags, vector, bytes)
    }

    /// What a read of `tags` under a key would do.
    pub(super) fn look(&self, key: &Key, tags: &[Tag]) -> Result<Judgement, Broken> {
        look(&*self.backend, self.databases(), key, tags)
    }

    /// The tokens of tags, for a read that misses.
    pub(super) fn capture(&self, tags: &[Tag]) -> Result<Vector, Broken> {
        let ask = Ask::tokens(tags, self.databases());
        match judge(self.backend.fetch(&ask)?, tags) {
            Judgement::Miss(vector) => Ok(vector),
            other => Err(Broken(format!("nothing to capture: {other:?}"))),
        }
    }

    /// Reads a key from a database that holds the key's name, and stores it.
    pub(super) fn fill(&self, name: &str, tags: &Arc<[Tag]>) -> Found {
        let vector = self.capture(tags)?;
        let entry = self.entry(tags, vector, name.as_bytes());
        let put = self.backend.put(key(name), entry, None)?;
        ensure!(put == Put::Stored, "a fill of {name:?} was {put:?}");
        ensure!(
            self.hits(name, tags)?,
            "{name:?} was stored and is not found"
        );
        Ok(())
    }

    /// Whether a read of that key is answered, and fails if it is with something else than what
    /// [`fill`](Self::fill) stored.
    pub(super) fn hits(&self, name: &str, tags: &[Tag]) -> Result<bool, Broken> {
        let Judgement::Hit(entry) = self.look(&key(name), tags)? else {
            return Ok(false);
        };
        ensure!(
            content(&entry.payload).as_deref() == Some(name.as_bytes()),
            "{name:?} was answered with something else"
        );
        Ok(entry.expires_at > Instant::now())
    }

    pub(super) fn is_quarantined(&self, tags: &[Tag]) -> Result<bool, Broken> {
        let found = self.look(&key("asked by nobody else"), tags)?;
        Ok(matches!(found, Judgement::Quarantined))
    }

    /// The states of tags, without a change to any.
    pub(super) fn states(&self, tags: &[Tag]) -> Result<TagStates, Broken> {
        let ask = Ask {
            establish: false,
            ..Ask::tokens(tags, self.databases())
        };
        let states = self.backend.fetch(&ask)?.states;
        ensure!(
            states.len() == tags.len(),
            "{} states of {} tags",
            states.len(),
            tags.len()
        );
        Ok(states)
    }

    /// The token of one tag, which is established if it is missing.
    pub(super) fn token(&self, tag: Tag) -> Result<Token, Broken> {
        Ok(self.capture(&[tag])?.tokens[0])
    }

    /// One write.
    pub(super) fn write(&self, tags: &[Tag]) -> Found {
        let writer = self.quarantine(tags)?;
        Ok(self.backend.lift(writer, tags, Lift::Renew)?)
    }
}

/// A key of that name.
pub(super) fn key(name: &str) -> Key {
    Key::of_value(&ValueParts {
        name,
        ..ValueParts::default()
    })
}

/// An entry of these bytes, as a backend is given it that is shared or not.
pub(super) fn entry(shared: bool, tags: &Arc<[Tag]>, vector: Vector, bytes: &[u8]) -> Entry {
    let now = Instant::now();
    Entry {
        tags: Arc::clone(tags),
        vector,
        payload: if shared {
            Payload::Bytes(Arc::from(bytes))
        } else {
            Payload::Typed(Arc::new(bytes.to_vec()))
        },
        weight: bytes.len(),
        expires_at: now + HOUR,
        lifetime: HOUR,
        stale_until: now + HOUR,
        not_after: None,
        removed_with: Arc::from([]),
    }
}

/// What [`entry`] was made of.
pub(super) fn content(payload: &Payload) -> Option<Vec<u8>> {
    match payload {
        Payload::Bytes(bytes) => Some(bytes.to_vec()),
        Payload::Typed(_) => payload.typed::<Vec<u8>>().map(|bytes| bytes.to_vec()),
    }
}

/// What a read would do: as `core` does it.
pub(super) fn look(
    backend: &dyn CacheBackend,
    databases: Databases<'_>,
    key: &Key,
    tags: &[Tag],
) -> Result<Judgement, Broken> {
    match judge(backend.fetch(&Ask::entry(key, tags, databases))?, tags) {
        Judgement::Establish => Ok(judge(backend.fetch(&Ask::tokens(tags, databases))?, tags)),
        judgement => Ok(judgement),
    }
}

pub(super) fn is_missing(state: TagState) -> bool {
    state == TagState::Missing
}

pub(super) fn is_near(one: Instant, other: Instant) -> bool {
    let apart = one.max(other).saturating_duration_since(one.min(other));
    apart < TOLERANCE
}
