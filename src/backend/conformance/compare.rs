//! A backend beside the reference: both do the same, and what they say must be the same but for
//! the numbers they make at random.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

use super::world::{HOUR, World, content, entry, is_near, key};
use super::{Broken, Found, Reference, ensure};
use crate::backend::{Ask, CacheBackend, Databases, Holder, Lease, Put, Standing};
use crate::database::TagSpace;
use crate::entry::{Entry, Vector};
use crate::protocol::{Fetched, Judgement, Lift, TagState, TagStates, judge};
use crate::tag::Tag;
use crate::token::{Epoch, Nonce, Opening, ProcessId, Token, WriterId};

/// Random numbers of the backend, and those of the reference that stand for the same.
struct Pairs<T>(HashMap<T, T>, HashMap<T, T>);

impl<T: Copy + Eq + Hash> Pairs<T> {
    fn new() -> Self {
        Self(HashMap::new(), HashMap::new())
    }

    /// Whether the two stand for each other, or may from now on.
    fn agree(&mut self, backend: T, reference: T) -> bool {
        *self.0.entry(backend).or_insert(reference) == reference
            && *self.1.entry(reference).or_insert(backend) == backend
    }

    fn knows(&self, backend: T) -> bool {
        self.0.contains_key(&backend)
    }
}

/// Both of them.
pub(super) struct Both<'a> {
    world: &'a World<'a>,
    handles: [Arc<dyn CacheBackend>; 2],
    /// Which of the handles comes next.
    turn: usize,
    reference: Reference,
    tokens: Pairs<Token>,
    nonces: Pairs<Nonce>,
    epochs: Pairs<Epoch>,
    /// Tags whose token the backend may have given up, though nobody wrote.
    loose: HashSet<Tag>,
}

/// The tokens of one read, as the backend and as the reference tell them.
#[derive(Debug, Clone)]
pub(super) struct Captured {
    pub(super) tags: Arc<[Tag]>,
    backend: Vector,
    reference: Vector,
}

/// What a read asks for.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) name: &'a str,
    pub(super) tags: &'a [Tag],
    pub(super) also: &'a [Tag],
    pub(super) establish: bool,
    /// Who wants the lease.
    pub(super) holder: Option<ProcessId>,
}

impl Captured {
    /// With the further tags, if all of them are clean.
    fn going_on(mut self, also: &[Tag], ours: &TagStates, theirs: &TagStates) -> Self {
        if let (Some(ours), Some(theirs)) = (tokens(ours), tokens(theirs)) {
            self.tags = [&self.tags, also].concat().into();
            self.backend.tokens = [&self.backend.tokens[..], &ours].concat().into();
            self.reference.tokens = [&self.reference.tokens[..], &theirs].concat().into();
        }
        self
    }
}

/// The tokens, if all are clean.
fn tokens(states: &TagStates) -> Option<Vec<Token>> {
    let token = |state: &TagState| match state {
        TagState::Clean(token) => Some(*token),
        _ => None,
    };
    states.iter().map(token).collect()
}

impl<'a> Both<'a> {
    pub(super) fn new(world: &'a World<'a>) -> Result<Self, Broken> {
        let mut both = Self {
            world,
            handles: [world.handle(), world.handle()],
            turn: 0,
            reference: Reference::new(),
            tokens: Pairs::new(),
            nonces: Pairs::new(),
            epochs: Pairs::new(),
            loose: HashSet::new(),
        };
        both.open(world.space)?;
        Ok(both)
    }

    fn backend(&mut self) -> Arc<dyn CacheBackend> {
        self.turn += 1;
        Arc::clone(&self.handles[self.turn % 2])
    }

    fn databases(&self) -> Databases<'static> {
        self.world.databases()
    }

    /// Opens the gate of a database in the current epoch.
    pub(super) fn open(&mut self, space: TagSpace) -> Found {
        let epochs = self.beat(self.world.process, &[space])?;
        self.open_in(epochs, space)
    }

    /// Opens the gate of a database in an epoch that may be over.
    pub(super) fn open_in(&mut self, epochs: (Epoch, Epoch), space: TagSpace) -> Found {
        let opening = Opening::fresh();
        self.backend().open(epochs.0, space, opening)?;
        Ok(self.reference.open(epochs.1, space, opening)?)
    }

    pub(super) fn testify(
        &mut self,
        process: ProcessId,
        epochs: (Epoch, Epoch),
        space: TagSpace,
    ) -> Found {
        self.backend().testify(process, epochs.0, &[space])?;
        Ok(self.reference.testify(process, epochs.1, &[space])?)
    }

    pub(super) fn close(&mut self, space: Option<TagSpace>) -> Found {
        self.backend().close(space)?;
        Ok(self.reference.close(space)?)
    }

    /// Returns the epoch, of both.
    pub(super) fn beat(
        &mut self,
        process: ProcessId,
        spaces: &[TagSpace],
    ) -> Result<(Epoch, Epoch), Broken> {
        let backend = self.backend().beat(process, spaces)?;
        let reference = self.reference.beat(process, spaces)?;
        let epochs = (backend.epoch, reference.epoch);
        if self.world.backend.is_shared() {
            ensure!(
                self.epochs.agree(epochs.0, epochs.1),
                "another epoch than before, or not"
            );
            let (mut backend, mut reference) = (sorted(backend), sorted(reference));
            // Of a database that was not asked about it need not be known that it is open, and its
            // testimonies may be forgotten then.
            for standing in [&mut backend, &mut reference] {
                standing
                    .testified
                    .retain(|(_, space)| spaces.contains(space));
            }
            ensure!(
                (&backend.open, &backend.testified, &backend.mine)
                    == (&reference.open, &reference.testified, &reference.mine),
                "it stands {backend:?} instead of {reference:?}"
            );
        }
        Ok(epochs)
    }

    /// Asks for what is under a key, and whether it would be served; returns the tokens for a
    /// fill.
    pub(super) fn fetch(&mut self, read: &Read<'_>) -> Result<Option<Captured>, Broken> {
        let Read {
            tags,
            also,
            establish,
            ..
        } = *read;
        let key = key(read.name);
        let shared = self.world.backend.is_shared();
        let lease = read.holder.filter(|_| shared);
        let ask = Ask {
            also,
            establish,
            lease: lease.map(|holder| Lease {
                holder,
                patience: HOUR,
            }),
            ..Ask::entry(&key, tags, self.databases())
        };
        // A lease depends on what the tags are: they must be the same before.
        self.settle()?;
        let backend = self.backend().fetch(&ask)?;
        let reference = self.reference.fetch(&ask)?;
        if backend.gate.is_none() && establish {
            self.loose.extend(tags.iter().chain(also));
        }
        ensure!(
            backend.leased == reference.leased,
            "the lease is {:?} instead of {:?}",
            backend.leased,
            reference.leased
        );
        if establish && backend.gate.is_some() {
            let mut states = backend.states.iter().chain(&backend.also);
            ensure!(
                states.all(|state| *state != TagState::Missing),
                "a tag was not established"
            );
        }
        self.judge(backend, reference, tags, also)
    }

    /// What is under a key, by its own tags. Why an entry would not be served is of no concern.
    pub(super) fn recall(&mut self, name: &str) -> Found {
        self.settle()?;
        let key = key(name);
        let ours = self.backend().recall(&key, &[])?;
        let theirs = self.reference.recall(&key, &[])?;
        let entry = theirs.entry.as_ref().or(ours.entry.as_ref());
        let Some(tags) = entry.map(|entry| Arc::clone(&entry.tags)) else {
            return Ok(());
        };
        match (judge(ours, &tags), judge(theirs, &tags)) {
            (Judgement::Hit(ours), Judgement::Hit(theirs)) => same(&ours, &theirs),
            (Judgement::Hit(_), other) => Err(Broken(format!("recalled, and is {other:?}"))),
            (other, Judgement::Hit(_)) => Err(Broken(format!("a valid entry is {other:?}"))),
            _ => Ok(()),
        }
    }

    fn judge(
        &mut self,
        backend: Fetched,
        reference: Fetched,
        tags: &[Tag],
        also: &[Tag],
    ) -> Result<Option<Captured>, Broken> {
        let (Some(ours), Some(theirs)) = (backend.gate, reference.gate) else {
            ensure!(
                backend.gate.is_none() && reference.gate.is_none(),
                "the gate is {:?} instead of {:?}",
                backend.gate,
                reference.gate
            );
            return Ok(None);
        };
        ensure!(
            self.nonces.agree(ours, theirs),
            "another generation than before, or not"
        );
        ensure!(
            backend.states.len() == tags.len() && backend.also.len() == also.len(),
            "{} and {} states",
            backend.states.len(),
            backend.also.len()
        );
        let mut reference = reference;
        let mut seen = HashMap::new();
        let all = tags.iter().chain(also);
        let ours = backend.states.iter().chain(&backend.also);
        let theirs = reference.states.iter_mut().chain(&mut reference.also);
        for (tag, (ours, theirs)) in all.zip(ours.zip(theirs)) {
            let (before, known) = match seen.get(tag) {
                Some(seen) => *seen,
                None => (*ours, self.reconcile(*tag, *ours, *theirs)?),
            };
            ensure!(before == *ours, "one tag is both {before:?} and {ours:?}");
            seen.insert(*tag, (before, known));
            *theirs = known;
        }
        // One that is not valid need not be kept.
        let both = backend.entry.is_some() && reference.entry.is_some();
        ensure!(
            !both || backend.further == reference.further,
            "the further tags are {:?} and should be {:?}",
            backend.further,
            reference.further
        );
        let (ours, theirs) = (backend.also.clone(), reference.also.clone());
        match (judge(backend, tags), judge(reference, tags)) {
            (Judgement::Hit(ours), Judgement::Hit(theirs)) => {
                same(&ours, &theirs)?;
                Ok(None)
            }
            (Judgement::Miss(backend), Judgement::Miss(reference)) => {
                let captured = Captured {
                    tags: tags.into(),
                    backend,
                    reference,
                };
                Ok(Some(captured.going_on(also, &ours, &theirs)))
            }
            (Judgement::Establish, Judgement::Establish)
            | (Judgement::Quarantined, Judgement::Quarantined)
            | (Judgement::Closed, Judgement::Closed) => Ok(None),
            (Judgement::Hit(_), other) => Err(Broken(format!("served, and should be {other:?}"))),
            (found, Judgement::Hit(_)) => {
                Err(Broken(format!("a valid entry is not served: {found:?}")))
            }
            (found, other) => Err(Broken(format!("{found:?} instead of {other:?}"))),
        }
    }

    /// Compares the states of one tag, where a backend has a choice brings the reference to the
    /// same, and returns its state.
    fn reconcile(
        &mut self,
        tag: Tag,
        ours: TagState,
        theirs: TagState,
    ) -> Result<TagState, Broken> {
        let clean = match (ours, theirs) {
            (TagState::Clean(ours), TagState::Clean(theirs)) => (ours, theirs),
            // What had no token before a quarantine may have one after it, but no old one.
            (TagState::Clean(ours), TagState::Missing) if !self.tokens.knows(ours) => {
                let ask = Ask::tokens(std::slice::from_ref(&tag), Databases::None);
                match self.reference.fetch(&ask)?.states[..] {
                    [TagState::Clean(theirs)] => (ours, theirs),
                    _ => return Err(Broken("a tag is clean, and should not be".to_owned())),
                }
            }
            (TagState::Missing, TagState::Clean(_)) if self.loose.contains(&tag) => {
                self.reference.renew(&[tag])?;
                return Ok(TagState::Missing);
            }
            (TagState::Quarantined, TagState::Quarantined)
            | (TagState::Missing, TagState::Missing) => return Ok(theirs),
            _ => {
                return Err(Broken(format!(
                    "a tag is {ours:?}, and should be {theirs:?}"
                )));
            }
        };
        ensure!(
            self.tokens.agree(clean.0, clean.1),
            "a token came back, changed, or is that of another tag"
        );
        Ok(TagState::Clean(clean.1))
    }

    /// Looks which tokens the backend has given up.
    fn settle(&mut self) -> Found {
        if self.loose.is_empty() {
            return Ok(());
        }
        let tags: Vec<_> = self.loose.iter().copied().collect();
        let ask = Ask {
            establish: false,
            ..Ask::tokens(&tags, self.databases())
        };
        let ours = self.backend().fetch(&ask)?;
        let theirs = self.reference.fetch(&ask)?;
        if ours.gate.is_some() {
            for ((tag, ours), theirs) in tags.iter().zip(ours.states).zip(theirs.states) {
                self.reconcile(*tag, ours, theirs)?;
            }
            self.loose.clear();
        }
        Ok(())
    }

    pub(super) fn put(
        &mut self,
        name: &str,
        captured: &Captured,
        bytes: &[u8],
        removed_with: &Arc<[Tag]>,
        holder: Option<ProcessId>,
    ) -> Found {
        self.settle()?;
        let shared = self.world.backend.is_shared();
        let (mut ours, mut theirs) = (
            entry(shared, &captured.tags, captured.backend.clone(), bytes),
            entry(true, &captured.tags, captured.reference.clone(), bytes),
        );
        ours.removed_with = Arc::clone(removed_with);
        theirs.removed_with = Arc::clone(removed_with);
        let (ours, theirs) = if let Some(holder) = holder {
            let put = (
                self.backend().put(key(name), ours, Some(holder))?,
                self.reference.put(key(name), theirs, Some(holder))?,
            );
            if put.0 != Put::Stored {
                // Whether what is refused ends a lease is left open.
                self.release(name, holder)?;
            }
            put
        } else {
            (
                self.backend().put_if_absent(key(name), ours)?,
                self.reference.put_if_absent(key(name), theirs)?,
            )
        };
        // Of an outdated entry where another is valid, either may be said.
        let either = ours == Put::Present && theirs == Put::Outdated;
        ensure!(
            ours == theirs || either,
            "an entry is {ours:?} instead of {theirs:?}"
        );
        Ok(())
    }

    pub(super) fn release(&mut self, name: &str, holder: ProcessId) -> Found {
        self.backend().release(&key(name), holder)?;
        Ok(self.reference.release(&key(name), holder)?)
    }

    pub(super) fn touch(&mut self, name: &str, end: Instant) -> Found {
        self.settle()?;
        let ours = self.backend().touch(&key(name), end)?;
        let theirs = self.reference.touch(&key(name), end)?;
        ensure!(ours == theirs, "a touch found {ours} instead of {theirs}");
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> Found {
        self.settle()?;
        let ours = self.backend().remove(&key(name))?;
        let theirs = self.reference.remove(&key(name))?;
        ensure!(ours == theirs, "a removal found {ours} instead of {theirs}");
        Ok(())
    }

    pub(super) fn quarantine(&mut self, process: ProcessId, id: WriterId, tags: &[Tag]) -> Found {
        let writer = crate::backend::Writer {
            process,
            ..self.world.writer(id)
        };
        let ours = self.backend().quarantine(&writer, tags)?;
        let theirs = self.reference.quarantine(&writer, tags)?;
        if self.world.backend.is_shared() {
            ensure!(
                self.epochs.agree(ours.epoch, theirs.epoch),
                "a quarantine tells another epoch"
            );
            ensure!(
                ours.opening == theirs.opening,
                "a quarantine tells another opening"
            );
        }
        Ok(())
    }

    pub(super) fn lift(&mut self, id: WriterId, tags: &[Tag], how: Lift) -> Found {
        self.backend().lift(id, tags, how)?;
        Ok(self.reference.lift(id, tags, how)?)
    }

    pub(super) fn renew(&mut self, tags: &[Tag]) -> Found {
        self.backend().renew(tags)?;
        Ok(self.reference.renew(tags)?)
    }

    /// Renews a tag and forgets what was to be removed with it.
    pub(super) fn purge(&mut self, tag: Tag) -> Found {
        self.renew(&[tag])?;
        self.backend().purge(&tag)?;
        Ok(self.reference.purge(&tag)?)
    }

    /// Forgets all entries; a backend may give up all tokens at that.
    pub(super) fn clear(&mut self, tags: &[Tag]) -> Found {
        self.backend().clear()?;
        self.reference.clear()?;
        self.loose.extend(tags);
        Ok(())
    }

    pub(super) fn holders(&mut self, tags: &[Tag]) -> Found {
        if self.world.backend.is_shared() {
            let ours = by_writer(self.backend().holders(tags)?);
            let theirs = by_writer(self.reference.holders(tags)?);
            ensure!(ours == theirs, "{ours:?} hold tags instead of {theirs:?}");
        }
        Ok(())
    }
}

fn same(ours: &Entry, theirs: &Entry) -> Found {
    ensure!(
        content(&ours.payload) == content(&theirs.payload),
        "an entry is not what was stored last"
    );
    ensure!(
        is_near(ours.expires_at, theirs.expires_at),
        "an entry does not end when it should"
    );
    Ok(())
}

/// In order, and without what need not be told: testimonies open gates, and where the gate is
/// open, they need not be kept.
fn sorted(mut standing: Standing) -> Standing {
    let open: Vec<_> = standing.open.iter().map(|(space, _)| *space).collect();
    standing
        .testified
        .retain(|(_, space)| !open.contains(space));
    standing.open.sort_unstable();
    standing.testified.sort_unstable();
    standing.mine.sort_unstable();
    standing
}

fn by_writer(mut holders: Vec<Holder>) -> Vec<Holder> {
    for holder in &mut holders {
        holder.tags.sort_unstable();
    }
    holders.sort_unstable_by_key(|holder| holder.writer);
    holders
}
