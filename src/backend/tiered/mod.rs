//! Memory in front of another store.
//!
//! A copy is no entry: whether it may be served is decided by what the store says, in the round trip
//! that would have fetched the entry, or, on request, in one not longer ago than a given time.
//! [`recent`] knows what this process has invalidated itself since.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::backend::weight::entry_weight;
use crate::backend::{
    Acknowledged, Answer, Ask, Asks, AwaitedBackend, Awaits, Blocks, CacheBackend, Declarations,
    Holder, Mark, Put, Standing, Unless, Usage, Which, Writer,
};
use crate::config::Level;
use crate::database::TagSpace;
use crate::entry::{Entry, Payload};
use crate::error::BackendError;
use crate::key::Key;
use crate::now::now;
use crate::protocol::{Fetched, Further, Judgement, Leased, Lift, TagStates, judge};
use crate::tag::Tag;
use crate::token::{Epoch, Nonce, Opening, ProcessId, WriterId};

mod moment;
mod recent;

use self::moment::Moment;
use self::recent::Recent;

/// Into so many parts keys are divided, for each of which it is counted how often one was changed.
const PARTS: usize = 4096;

/// How a [`TieredBackend`] works. [`Builder`](crate::Builder) fills it from `tier_capacity` and
/// `staleness`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TieredOptions {
    /// What the copies may weigh in this process, in bytes. Default: 16 MiB.
    pub capacity: u64,
    /// For how long a copy may be served after the store was asked about it. Default: zero, the
    /// store is asked each time.
    pub staleness: Duration,
}

impl Default for TieredOptions {
    fn default() -> Self {
        Self {
            capacity: 16 << 20,
            staleness: Duration::ZERO,
        }
    }
}

/// Memory in front of another store: `tiered+redis://…`, `tiered+file://…`.
///
/// By default each hit is *validated*: one round trip asks for the tokens of the entry and whether it
/// is still the one of which there is a copy here. So the promise is that of the store behind it;
/// what is saved is the way of the rows through the network, and their decompression and
/// decryption.
///
/// With a [`staleness`](TieredOptions::staleness) of δ, a copy is served without asking if the
/// store was asked about it less than δ ago, and this process has not invalidated any of its tags
/// since. Then:
///
/// - **no read is answered with what was outdated longer than δ before it began**, whatever happens to
///   the store, the network or this process: δ is counted from before the store was asked, by a
///   clock that also runs while the machine sleeps, and what has outlived it is asked for again or
///   not served;
/// - this process reads its own writes;
/// - a read may miss a write that another process has committed less than δ before. `Level::Strong`
///   then holds of what is stored and of writes, not of such reads.
///
/// A store that knows no [marks](CacheBackend::fetch_unless) sends its entries each time: nothing is
/// kept in front of it.
///
/// ```
/// use diesel_cache::Cache;
/// use diesel_cache::backend::{FileBackend, FileOptions, TieredBackend, TieredOptions};
///
/// # #[cfg(all(feature = "file", target_os = "linux"))] {
/// # let folder = tempfile::tempdir().unwrap();
/// let store = FileBackend::open(folder.path(), FileOptions::default())?;
/// let cache = Cache::builder()
///     .backend(TieredBackend::new(store, TieredOptions::default()))
///     .build()?;
/// # }
/// # Ok::<(), diesel_cache::Error>(())
/// ```
pub struct TieredBackend<B> {
    inner: B,
    copies: Cache<Key, Arc<Copy>, ByWeight>,
    staleness: Duration,
    recent: Recent,
    /// How often this process has begun or ended to change an entry.
    changes: Box<[AtomicU64]>,
    hasher: RandomState,
    /// The epoch that was learnt last.
    epoch: Mutex<Option<Epoch>>,
}

/// A copy of an entry.
#[derive(Debug)]
struct Copy {
    entry: Entry,
    mark: Mark,
    /// What the store said of it last.
    said: Mutex<Option<Said>>,
}

/// That a question was answered with the copy.
#[derive(Debug, Clone)]
struct Said {
    /// Before the store was asked.
    at: Moment,
    /// How often its part of the keys had been changed here then.
    changes: u64,
    of: Asked,
    gate: Option<Nonce>,
    opening: Option<Opening>,
    states: TagStates,
    further: Further,
    expires_at: Instant,
}

/// What was asked, besides the key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    /// With so many of the entry's tags, of these databases.
    Fetch(usize, Which),
    /// With these databases attached.
    Recall(Vec<TagSpace>),
}

#[derive(Debug, Clone)]
struct ByWeight;

impl Weighter<Key, Arc<Copy>> for ByWeight {
    fn weight(&self, key: &Key, copy: &Arc<Copy>) -> u64 {
        entry_weight(key, &copy.entry)
    }
}

impl<B: CacheBackend> TieredBackend<B> {
    /// Memory in front of that store.
    pub fn new(inner: B, options: TieredOptions) -> Self {
        let items = usize::try_from(options.capacity / 1024).unwrap_or(usize::MAX);
        let items = items.clamp(64, 1 << 20);
        Self {
            inner,
            copies: Cache::with_weighter(items, options.capacity, ByWeight),
            staleness: options.staleness,
            recent: Recent::new(options.staleness),
            changes: (0..PARTS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            epoch: Mutex::new(None),
        }
    }

    /// The copies that are here: how many, and what they weigh.
    pub fn copies(&self) -> Usage {
        Usage {
            entries: self.copies.len() as u64,
            bytes: self.copies.weight(),
            ..Usage::default()
        }
    }

    /// What was said of a copy not too long ago, if it answers this question.
    fn remembered(&self, key: &Key, copy: &Copy, of: &Asked) -> Option<Fetched> {
        if self.staleness.is_zero() {
            return None;
        }
        let said = copy.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = said.as_ref().filter(|said| said.of == *of)?;
        // rule: what-was-said-before-an-own-change-is-forgotten
        if said.changes != self.changes_of(key).load(Ordering::SeqCst) {
            return None;
        }
        // rule: what-was-said-too-long-ago-is-forgotten
        let fresh = said.at.elapsed()? < self.staleness && said.expires_at > Instant::now();
        // rule: own-writes-are-read-through-the-tier
        if !fresh || self.recent.any_since(&copy.entry.tags, said.at) {
            return None;
        }
        let mut entry = copy.entry.clone();
        entry.expires_at = said.expires_at;
        Some(Fetched {
            gate: said.gate,
            opening: said.opening,
            entry: Some(entry),
            states: said.states.clone(),
            also: TagStates::new(),
            further: said.further,
            leased: Leased::NotAsked,
        })
    }

    /// Puts the copy into the answer, or what was sent into the place of the copy.
    fn follow(
        &self,
        key: &Key,
        copy: Option<Arc<Copy>>,
        unless: Unless,
        question: Question<'_>,
    ) -> Fetched {
        let Unless {
            mut fetched,
            mark,
            held,
        } = unless;
        let copy = match (held, copy, &fetched.entry, mark) {
            (Some(expires_at), Some(copy), ..) => {
                let mut entry = copy.entry.clone();
                let latest = entry.not_after.unwrap_or(expires_at);
                entry.expires_at = expires_at.min(latest);
                fetched.entry = Some(entry);
                Some(copy)
            }
            (None, _, Some(entry), Some(mark)) if matches!(entry.payload, Payload::Bytes(_)) => {
                let copy = Arc::new(Copy {
                    entry: entry.clone(),
                    mark,
                    said: Mutex::new(None),
                });
                self.copies.insert(key.clone(), Arc::clone(&copy));
                Some(copy)
            }
            (_, copy, ..) => {
                if copy.is_some() {
                    self.copies.remove(key);
                }
                None
            }
        };
        if let Some(copy) = copy
            && !self.staleness.is_zero()
        {
            let said = question.said(&fetched);
            *copy.said.lock().unwrap_or_else(PoisonError::into_inner) = said;
        }
        fetched
    }

    fn asked_all(&self, key: &Key) -> (Option<Arc<Copy>>, Moment, u64) {
        let changes = self.changes_of(key).load(Ordering::SeqCst);
        (self.copies.get(key), Moment::now(), changes)
    }

    fn changes_of(&self, key: &Key) -> &AtomicU64 {
        let hash = self.hasher.hash_one(key);
        &self.changes[usize::try_from(hash % PARTS as u64).unwrap_or_default()]
    }

    /// The store is in that epoch. What was said in another may be of a gate that is closed, or of an
    /// opening that is over: who believed it would take an older schema for the newer one.
    // rule: what-was-said-in-another-epoch-is-forgotten
    fn learn(&self, epoch: Epoch) {
        let mut last = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        if last.replace(epoch) != Some(epoch) {
            self.recent.note_all();
        }
    }

    /// Does what invalidates these tags. Nothing is remembered of them that was said before it was
    /// done.
    fn invalidating<R>(&self, tags: &[Tag], act: impl FnOnce(&B) -> R) -> R {
        self.recent.note(tags);
        let done = act(&self.inner);
        self.recent.note(tags);
        done
    }

    /// Does what may invalidate anything.
    fn invalidating_all<R>(&self, act: impl FnOnce(&B) -> R) -> R {
        self.recent.note_all();
        let done = act(&self.inner);
        self.recent.note_all();
        done
    }

    /// An entry is changed, as long as the answer lives: until that was done, or is given up.
    fn changing<'a>(&'a self, key: &'a Key) -> Changing<'a, B> {
        self.changes_of(key).fetch_add(1, Ordering::SeqCst);
        self.copies.remove(key);
        Changing { tier: self, key }
    }
}

/// That an entry is being changed.
struct Changing<'a, B: CacheBackend> {
    tier: &'a TieredBackend<B>,
    key: &'a Key,
}

impl<B: CacheBackend> Drop for Changing<'_, B> {
    fn drop(&mut self) {
        self.tier.copies.remove(self.key);
        let changes = self.tier.changes_of(self.key);
        changes.fetch_add(1, Ordering::SeqCst);
    }
}

/// What the store is asked, and when.
#[derive(Debug)]
struct Question<'a> {
    at: Moment,
    changes: u64,
    of: Asked,
    /// The tags that were asked for; those of the entry in a `recall`.
    tags: Option<&'a [Tag]>,
}

impl Question<'_> {
    /// What is worth remembering of an answer: that it was a hit.
    fn said(self, fetched: &Fetched) -> Option<Said> {
        let entry = fetched.entry.as_ref()?;
        let tags = self.tags.unwrap_or(&entry.tags);
        let is_hit = matches!(judge(fetched.clone(), tags), Judgement::Hit(_));
        is_hit.then(|| Said {
            at: self.at,
            changes: self.changes,
            of: self.of,
            gate: fetched.gate,
            opening: fetched.opening,
            states: fetched.states.clone(),
            further: fetched.further,
            expires_at: entry.expires_at,
        })
    }
}

/// What reads wait for, whoever waits.
impl<B: CacheBackend> TieredBackend<B> {
    async fn fetch_by(&self, inner: impl Asks, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        let Some(key) = ask.key else {
            return Ok(inner.fetch_unless(ask, None).await?.fetched);
        };
        let (copy, at, changes) = self.asked_all(key);
        let of = Asked::Fetch(ask.tags.len(), Which::of(ask.databases));
        if let Some(copy) = &copy
            && ask.also.is_empty()
            && copy.entry.tags.starts_with(ask.tags)
            && let Some(fetched) = self.remembered(key, copy, &of)
        {
            return Ok(fetched);
        }
        let mark = copy.as_ref().map(|copy| copy.mark);
        let unless = inner.fetch_unless(ask, mark).await?;
        let question = Question {
            at,
            changes,
            of,
            tags: Some(ask.tags),
        };
        Ok(self.follow(key, copy, unless, question))
    }

    async fn recall_by(
        &self,
        inner: impl Asks,
        key: &Key,
        attached: &[TagSpace],
    ) -> Result<Fetched, BackendError> {
        let (copy, at, changes) = self.asked_all(key);
        let of = Asked::Recall(attached.to_vec());
        if let Some(copy) = &copy
            && let Some(fetched) = self.remembered(key, copy, &of)
        {
            return Ok(fetched);
        }
        let mark = copy.as_ref().map(|copy| copy.mark);
        let unless = inner.recall_unless(key, attached, mark).await?;
        let question = Question {
            at,
            changes,
            of,
            tags: None,
        };
        Ok(self.follow(key, copy, unless, question))
    }

    async fn put_by(
        &self,
        inner: impl Asks,
        key: Key,
        entry: Entry,
        holder: Option<ProcessId>,
    ) -> Result<Put, BackendError> {
        let _changing = self.changing(&key);
        inner.put(key.clone(), entry, holder).await
    }
}

impl<B: CacheBackend> AwaitedBackend for TieredBackend<B> {
    fn fetch_unless<'a>(&'a self, ask: Ask<'a>, _: Option<Mark>) -> Answer<'a, Unless> {
        Box::pin(async move {
            let fetched = self.fetch_by(Awaits(&self.inner), &ask).await;
            fetched.map(Unless::from)
        })
    }

    fn recall_unless<'a>(
        &'a self,
        key: &'a Key,
        attached: &'a [TagSpace],
        _: Option<Mark>,
    ) -> Answer<'a, Unless> {
        Box::pin(async move {
            let recalled = self.recall_by(Awaits(&self.inner), key, attached).await;
            recalled.map(Unless::from)
        })
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Answer<'_, Put> {
        Box::pin(self.put_by(Awaits(&self.inner), key, entry, holder))
    }

    fn release<'a>(&'a self, key: &'a Key, holder: ProcessId) -> Answer<'a, ()> {
        Box::pin(Awaits(&self.inner).release(key, holder))
    }
}

impl<B: CacheBackend> CacheBackend for TieredBackend<B> {
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
        now(self.fetch_by(Blocks(&self.inner), ask))
    }

    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Result<Fetched, BackendError> {
        now(self.recall_by(Blocks(&self.inner), key, attached))
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        now(self.put_by(Blocks(&self.inner), key, entry, holder))
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        let _changing = self.changing(&key);
        self.inner.put_if_absent(key.clone(), entry)
    }

    fn release(&self, key: &Key, holder: ProcessId) -> Result<(), BackendError> {
        self.inner.release(key, holder)
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        let _changing = self.changing(key);
        self.inner.touch(key, expires_at)
    }

    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError> {
        let known = self.invalidating(tags, |inner| inner.quarantine(writer, tags))?;
        self.learn(known.epoch);
        Ok(known)
    }

    // What else the writer holds is noted since its quarantine, and was no hit in between.
    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        self.invalidating(tags, |inner| inner.lift(writer, tags, how))
    }

    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError> {
        self.invalidating(tags, |inner| inner.renew(tags))
    }

    fn remove(&self, key: &Key) -> Result<bool, BackendError> {
        // What was fetched before and comes late would be remembered.
        self.invalidating_all(|inner| {
            let _changing = self.changing(key);
            inner.remove(key)
        })
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        self.invalidating_all(|inner| inner.purge(tag))
    }

    fn clear(&self) -> Result<(), BackendError> {
        let cleared = self.invalidating_all(B::clear);
        self.copies.clear();
        cleared
    }

    /// That of the store behind.
    fn usage(&self) -> Usage {
        self.inner.usage()
    }

    fn holders(&self, tags: &[Tag]) -> Result<Vec<Holder>, BackendError> {
        self.inner.holders(tags)
    }

    fn beat(&self, process: ProcessId, spaces: &[TagSpace]) -> Result<Standing, BackendError> {
        let standing = self.inner.beat(process, spaces)?;
        self.learn(standing.epoch);
        Ok(standing)
    }

    fn testify(
        &self,
        process: ProcessId,
        epoch: Epoch,
        spaces: &[TagSpace],
    ) -> Result<(), BackendError> {
        self.inner.testify(process, epoch, spaces)
    }

    fn open(&self, epoch: Epoch, space: TagSpace, opening: Opening) -> Result<(), BackendError> {
        self.inner.open(epoch, space, opening)
    }

    fn recognises(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<bool, BackendError> {
        self.inner.recognises(space, user, fingerprint)
    }

    fn remember(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<(), BackendError> {
        self.inner.remember(space, user, fingerprint)
    }

    fn declare(
        &self,
        space: TagSpace,
        declarations: &Declarations,
    ) -> Result<Declarations, BackendError> {
        self.invalidating_all(|inner| inner.declare(space, declarations))
    }

    fn close(&self, space: Option<TagSpace>) -> Result<(), BackendError> {
        self.invalidating_all(|inner| inner.close(space))
    }
}

impl<B: fmt::Debug> fmt::Debug for TieredBackend<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredBackend")
            .field("inner", &self.inner)
            .field("copies", &self.copies.len())
            .field("staleness", &self.staleness)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "conformance")]
mod tests;
