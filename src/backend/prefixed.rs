//! One store for several caches.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::backend::{
    Acknowledged, Answer, Ask, Asks, AwaitedBackend, Awaits, Blocks, CacheBackend, Databases,
    Declarations, Holder, Mark, Put, Standing, Unless, Usage, Writer,
};
use crate::config::Level;
use crate::database::TagSpace;
use crate::entry::{Entry, Vector};
use crate::error::BackendError;
use crate::key::Key;
use crate::now::now;
use crate::protocol::{Fetched, Lift, TagState};
use crate::tag::Tag;
use crate::token::{Epoch, Nonce, Opening, ProcessId, Token, WriterId};

/// A part of another backend, under a name: caches with different names share the room and the
/// connections of one backend, and nothing else.
///
/// Neither sees the entries of the other, and the writes of one invalidate nothing of the other:
/// each needs its own attached connections. [`clear`](CacheBackend::clear) empties one of them. What
/// a backend tells of itself, [`usage`](CacheBackend::usage), is told of all of them.
///
/// ```
/// use std::sync::Arc;
/// use diesel_cache::Cache;
/// use diesel_cache::backend::{MemoryBackend, PrefixedBackend};
///
/// let room = Arc::new(MemoryBackend::new(64 << 20));
/// let blog = Cache::builder().backend(PrefixedBackend::new(Arc::clone(&room), "blog")).build()?;
/// let shop = Cache::builder().backend(PrefixedBackend::new(room, "shop")).build()?;
/// # Ok::<(), diesel_cache::Error>(())
/// ```
///
/// A cache of its own kind of store is told apart by [`namespace`](crate::Builder::namespace)
/// already; this is for backends that know no namespaces.
///
/// # What it costs
///
/// One more tag per read and write, and the names of tags made anew: no further round trip, but
/// where the store has just lost its tokens, and for results that depend on nothing.
#[derive(Debug)]
pub struct PrefixedBackend<B> {
    inner: B,
    prefix: [u8; 16],
    /// The generation that was seen last.
    last: Mutex<Option<Generation>>,
}

/// A generation of this part: one of the whole store, and the token of a tag that is renewed when
/// the part is cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Generation {
    whole: Nonce,
    part: Token,
}

impl Generation {
    /// What the users of this part know it by.
    fn nonce(&self) -> Nonce {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.whole.to_bytes());
        hasher.update(&self.part.to_bytes());
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        Nonce::from_bytes(bytes)
    }
}

impl<B: CacheBackend> PrefixedBackend<B> {
    /// The part of a backend with that name.
    pub fn new(inner: B, name: &str) -> Self {
        let mut prefix = [0; 16];
        blake3::Hasher::new_derive_key("diesel-cache 2026 part of a store")
            .update(name.as_bytes())
            .finalize_xof()
            .fill(&mut prefix);
        Self {
            inner,
            prefix,
            last: Mutex::new(None),
        }
    }

    /// Tags and databases are digests, or numbers at random: with a digest over them they are
    /// those of nobody else, and can be told back.
    // rule: a-part-has-its-own-names
    fn over(&self, id: [u8; 16]) -> [u8; 16] {
        let mut id = id;
        for (byte, over) in id.iter_mut().zip(self.prefix) {
            *byte ^= over;
        }
        id
    }

    fn tag(&self, tag: &Tag) -> Tag {
        Tag::from_bytes(self.over(tag.to_bytes()))
    }

    fn tags(&self, tags: &[Tag]) -> Vec<Tag> {
        tags.iter().map(|tag| self.tag(tag)).collect()
    }

    fn space(&self, space: TagSpace) -> TagSpace {
        TagSpace(self.over(space.0))
    }

    fn spaces(&self, spaces: &[TagSpace]) -> Vec<TagSpace> {
        spaces.iter().map(|space| self.space(*space)).collect()
    }

    /// What every entry of this part depends on before all else.
    fn generation_tag(&self) -> Tag {
        self.tag(&Tag::label("the generation of a part"))
    }

    /// What every writer of this part holds, and no entry depends on.
    fn writers_tag(&self) -> Tag {
        self.tag(&Tag::label("the writers of a part"))
    }

    /// The tags of this part, after one that stands for it.
    fn behind(&self, first: Tag, tags: &[Tag]) -> Vec<Tag> {
        let own = tags.iter().map(|tag| self.tag(tag));
        std::iter::once(first).chain(own).collect()
    }

    /// The generation as it is now.
    async fn generation(&self, inner: impl Asks) -> Result<Option<Generation>, BackendError> {
        let tags = [self.generation_tag()];
        let ask = Ask::tokens(&tags, Databases::None);
        let found = inner.fetch_unless(&ask, None).await?.fetched;
        Ok(self.see(found.gate, found.states.first().copied()))
    }

    /// What was fetched tells the generation, if the gate is open.
    fn see(&self, gate: Option<Nonce>, state: Option<TagState>) -> Option<Generation> {
        let Some(TagState::Clean(part)) = state else {
            return None;
        };
        let seen = gate.map(|whole| Generation { whole, part });
        if seen.is_some() {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        }
        seen
    }

    /// An entry as the users of this part know it.
    fn told(&self, entry: Entry) -> Option<Entry> {
        let (first, tags) = entry.tags.split_first()?;
        let (part, tokens) = entry.vector.tokens.split_first()?;
        if *first != self.generation_tag() {
            return None;
        }
        let whole = entry.vector.nonce;
        let nonce = Generation { whole, part: *part }.nonce();
        Some(Entry {
            tags: self.tags(tags).into(),
            removed_with: self.tags(&entry.removed_with).into(),
            vector: Vector {
                nonce,
                tokens: tokens.into(),
            },
            ..entry
        })
    }

    /// An entry as it is stored, if it is of the generation that is now.
    async fn kept(&self, inner: impl Asks, entry: Entry) -> Result<Option<Entry>, BackendError> {
        let is_of = |of: &Generation| of.nonce() == entry.vector.nonce;
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = match last.filter(is_of) {
            Some(last) => Some(last),
            None => self.generation(inner).await?.filter(is_of),
        };
        // rule: a-part-that-was-cleared-takes-nothing-of-before
        let Some(Generation { whole, part }) = generation else {
            return Ok(None);
        };
        let tokens = std::iter::once(part).chain(entry.vector.tokens.iter().copied());
        Ok(Some(Entry {
            tags: self.behind(self.generation_tag(), &entry.tags).into(),
            removed_with: self.tags(&entry.removed_with).into(),
            vector: Vector {
                nonce: whole,
                tokens: tokens.collect(),
            },
            ..entry
        }))
    }

    fn key(&self, key: &Key) -> Key {
        key.within(&self.prefix)
    }

    /// Who looks at a database of this part, in this generation.
    fn user(&self, user: &str) -> Result<String, BackendError> {
        let generation = now(self.generation(Blocks(&self.inner)))?;
        let part = generation.map(|of| of.part.to_bytes());
        let of = u128::from_be_bytes(part.unwrap_or_default());
        let prefix = u128::from_be_bytes(self.prefix);
        Ok(format!("{prefix:032x}:{of:032x}:{user}"))
    }
}

/// What reads wait for, whoever waits.
impl<B: CacheBackend> PrefixedBackend<B> {
    async fn fetch_by(
        &self,
        inner: impl Asks,
        ask: &Ask<'_>,
        held: Option<Mark>,
    ) -> Result<Unless, BackendError> {
        let key = ask.key.map(|key| self.key(key));
        let tags = self.behind(self.generation_tag(), ask.tags);
        let also = self.tags(ask.also);
        let attached;
        let databases = match ask.databases {
            Databases::One(space) => Databases::One(self.space(space)),
            Databases::All(spaces) => {
                attached = self.spaces(spaces);
                Databases::All(&attached)
            }
            Databases::None => Databases::None,
        };
        let asked = Ask {
            key: key.as_ref(),
            tags: &tags,
            also: &also,
            databases,
            ..*ask
        };
        let mut unless = inner.fetch_unless(&asked, held).await?;
        if unless.fetched.states.first() == Some(&TagState::Missing) {
            self.generation(inner).await?;
            unless = inner.fetch_unless(&asked, held).await?;
        }
        let found = &mut unless.fetched;
        if found.states.len() != tags.len() {
            return Err(BackendError::new("a backend that tells of other tags"));
        }
        let state = found.states.remove(0);
        let generation = self.see(found.gate, Some(state));
        found.gate = generation.map(|generation| generation.nonce());
        found.entry = found.entry.take().and_then(|entry| self.told(entry));
        Ok(unless)
    }

    async fn recall_by(
        &self,
        inner: impl Asks,
        key: &Key,
        attached: &[TagSpace],
        held: Option<Mark>,
    ) -> Result<Unless, BackendError> {
        let (key, spaces) = (self.key(key), self.spaces(attached));
        let mut unless = inner.recall_unless(&key, &spaces, held).await?;
        let found = &mut unless.fetched;
        let first = found.states.first().copied();
        found.entry = found.entry.take().and_then(|entry| self.told(entry));
        let is_there = found.entry.is_some() || unless.held.is_some();
        found.gate = match found.gate {
            Some(gate) if is_there && first.is_some() => {
                found.states.remove(0);
                let generation = self.see(Some(gate), first);
                // Of a generation that is over, and of no other that is known.
                Some(generation.map_or_else(Nonce::fresh, |of| of.nonce()))
            }
            Some(_) => self.generation(inner).await?.map(|of| of.nonce()),
            None => None,
        };
        Ok(unless)
    }

    async fn put_by(
        &self,
        inner: impl Asks,
        key: Key,
        entry: Entry,
        holder: Option<ProcessId>,
    ) -> Result<Put, BackendError> {
        let Some(entry) = self.kept(inner, entry).await? else {
            if let Some(holder) = holder {
                inner.release(&self.key(&key), holder).await?;
            }
            return Ok(Put::Outdated);
        };
        inner.put(self.key(&key), entry, holder).await
    }
}

impl<B: CacheBackend> AwaitedBackend for PrefixedBackend<B> {
    fn fetch_unless<'a>(&'a self, ask: Ask<'a>, held: Option<Mark>) -> Answer<'a, Unless> {
        Box::pin(async move { self.fetch_by(Awaits(&self.inner), &ask, held).await })
    }

    fn recall_unless<'a>(
        &'a self,
        key: &'a Key,
        attached: &'a [TagSpace],
        held: Option<Mark>,
    ) -> Answer<'a, Unless> {
        Box::pin(self.recall_by(Awaits(&self.inner), key, attached, held))
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Answer<'_, Put> {
        Box::pin(self.put_by(Awaits(&self.inner), key, entry, holder))
    }

    fn release<'a>(&'a self, key: &'a Key, holder: ProcessId) -> Answer<'a, ()> {
        Box::pin(async move { Awaits(&self.inner).release(&self.key(key), holder).await })
    }
}

impl<B: CacheBackend> CacheBackend for PrefixedBackend<B> {
    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    fn level(&self) -> Level {
        self.inner.level()
    }

    fn awaited(&self) -> Option<&dyn AwaitedBackend> {
        self.inner.awaited().map(|_| self as &dyn AwaitedBackend)
    }

    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        Ok(CacheBackend::fetch_unless(self, ask, None)?.fetched)
    }

    fn fetch_unless(&self, ask: &Ask<'_>, held: Option<Mark>) -> Result<Unless, BackendError> {
        now(self.fetch_by(Blocks(&self.inner), ask, held))
    }

    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Result<Fetched, BackendError> {
        Ok(CacheBackend::recall_unless(self, key, attached, None)?.fetched)
    }

    fn recall_unless(
        &self,
        key: &Key,
        attached: &[TagSpace],
        held: Option<Mark>,
    ) -> Result<Unless, BackendError> {
        now(self.recall_by(Blocks(&self.inner), key, attached, held))
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        now(self.put_by(Blocks(&self.inner), key, entry, holder))
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        match now(self.kept(Blocks(&self.inner), entry))? {
            Some(entry) => self.inner.put_if_absent(self.key(&key), entry),
            None => Ok(Put::Outdated),
        }
    }

    fn release(&self, key: &Key, holder: ProcessId) -> Result<(), BackendError> {
        self.inner.release(&self.key(key), holder)
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        self.inner.touch(&self.key(key), expires_at)
    }

    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError> {
        let own = Writer {
            space: writer.space.map(|space| self.space(space)),
            ..*writer
        };
        let tags = self.behind(self.writers_tag(), tags);
        self.inner.quarantine(&own, &tags)
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        self.inner.lift(writer, &self.tags(tags), how)
    }

    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError> {
        self.inner.renew(&self.tags(tags))
    }

    fn remove(&self, key: &Key) -> Result<bool, BackendError> {
        self.inner.remove(&self.key(key))
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        self.inner.purge(&self.tag(tag))
    }

    fn clear(&self) -> Result<(), BackendError> {
        self.inner.renew(&[self.generation_tag()])
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }

    fn holders(&self, tags: &[Tag]) -> Result<Vec<Holder>, BackendError> {
        let named = match tags {
            [] => vec![self.writers_tag()],
            tags => self.tags(tags),
        };
        let mut holders = self.inner.holders(&named)?;
        for holder in &mut holders {
            holder.space = holder.space.map(|space| self.space(space));
            let own = holder.tags.iter().filter(|tag| **tag != self.writers_tag());
            holder.tags = own.map(|tag| self.tag(tag)).collect();
        }
        Ok(holders)
    }

    fn beat(&self, process: ProcessId, spaces: &[TagSpace]) -> Result<Standing, BackendError> {
        let mut standing = self.inner.beat(process, &self.spaces(spaces))?;
        for (space, _) in &mut standing.open {
            *space = self.space(*space);
        }
        // What others have testified for is nothing that anybody asks for.
        for (_, space) in &mut standing.testified {
            *space = self.space(*space);
        }
        Ok(standing)
    }

    fn testify(
        &self,
        process: ProcessId,
        epoch: Epoch,
        spaces: &[TagSpace],
    ) -> Result<(), BackendError> {
        self.inner.testify(process, epoch, &self.spaces(spaces))
    }

    fn open(&self, epoch: Epoch, space: TagSpace, opening: Opening) -> Result<(), BackendError> {
        self.inner.open(epoch, self.space(space), opening)
    }

    fn recognises(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<bool, BackendError> {
        let user = self.user(user)?;
        self.inner.recognises(self.space(space), &user, fingerprint)
    }

    fn remember(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<(), BackendError> {
        let user = self.user(user)?;
        self.inner.remember(self.space(space), &user, fingerprint)
    }

    fn declare(
        &self,
        space: TagSpace,
        declarations: &Declarations,
    ) -> Result<Declarations, BackendError> {
        self.inner.declare(self.space(space), declarations)
    }

    fn close(&self, space: Option<TagSpace>) -> Result<(), BackendError> {
        self.inner.close(space.map(|space| self.space(space)))
    }
}

#[cfg(test)]
#[cfg(all(feature = "conformance", feature = "memory"))]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::*;
    use crate::backend::MemoryBackend;
    use crate::backend::conformance::{self, Reference};
    use crate::entry::Payload;
    use crate::key::ValueParts;
    use crate::protocol::{Judgement, judge};

    const SPACE: TagSpace = TagSpace([7; 16]);

    fn key() -> Key {
        Key::of_value(&ValueParts::default())
    }

    fn hits(part: &impl CacheBackend) -> bool {
        let tags = [Tag::label("t")];
        let key = key();
        let ask = Ask::entry(&key, &tags, Databases::One(SPACE));
        matches!(judge(part.fetch(&ask).unwrap(), &tags), Judgement::Hit(_))
    }

    fn fill(part: &impl CacheBackend) {
        let tags = [Tag::label("t")];
        let fetched = part.fetch(&Ask::tokens(&tags, Databases::One(SPACE)));
        let Judgement::Miss(vector) = judge(fetched.unwrap(), &tags) else {
            panic!("nothing to capture");
        };
        let now = Instant::now();
        let entry = Entry {
            tags: tags.into(),
            vector,
            payload: Payload::Typed(Arc::new(5)),
            weight: 1,
            expires_at: now + std::time::Duration::from_secs(60),
            lifetime: std::time::Duration::from_secs(60),
            stale_until: now,
            not_after: None,
            removed_with: Arc::from([]),
        };
        assert_eq!(part.put(key(), entry, None).unwrap(), Put::Stored);
    }

    #[test]
    fn parts_know_nothing_of_each_other() {
        let room = Arc::new(MemoryBackend::new(1 << 20));
        let one = PrefixedBackend::new(Arc::clone(&room), "one");
        let two = PrefixedBackend::new(Arc::clone(&room), "two");
        fill(&one);
        assert!(hits(&one) && !hits(&two));
        fill(&two);
        one.renew(&[Tag::label("t")]).unwrap();
        assert!(!hits(&one) && hits(&two));
        fill(&one);
        two.clear().unwrap();
        assert!(hits(&one) && !hits(&two));
        fill(&two);
        one.remove(&key()).unwrap();
        assert!(!hits(&one) && hits(&two));
        assert_eq!(room.usage().entries, 1);
    }

    #[test]
    fn a_part_of_the_memory_conforms() {
        conformance::run(|namespace| {
            let inner = MemoryBackend::new(64 << 20);
            PrefixedBackend::new(inner, namespace)
        });
    }

    #[test]
    fn parts_of_one_store_conform() {
        let stores: Mutex<HashMap<String, Reference>> = Mutex::default();
        conformance::run(|namespace| {
            let mut stores = stores.lock().unwrap();
            let store = stores.entry(namespace.to_owned()).or_default().clone();
            PrefixedBackend::new(store, namespace)
        });
    }
}
