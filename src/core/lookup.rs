//! Looking for an entry, and for leave to make one.

use std::collections::BTreeSet;
use std::slice::SliceIndex;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Core, Reach};
use crate::backend::{Ask, Databases};
use crate::bypass::Bypass;
use crate::database::TagSpace;
use crate::entry::{Entry, Vector};
use crate::key::Key;
use crate::protocol::{Fetched, Judgement, Leased, TagState, judge};
use crate::stats::count;
use crate::tag::Tag;
use crate::token::{Nonce, Opening, Token};

/// How long a reader that waits for another process' entry sleeps at first, and at most.
const FIRST_NAP: Duration = Duration::from_millis(1);
const LONGEST_NAP: Duration = Duration::from_millis(16);

/// What a cached read asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) key: &'a Key,
    pub(crate) tags: &'a [Tag],
    /// Further tags, whose tokens must be captured before the database is read.
    pub(crate) also: &'a [Tag],
    pub(crate) space: TagSpace,
    /// The opening in which the catalogue was read that told the tags.
    pub(crate) opening: Option<Opening>,
    /// Whether it is to be made anew.
    pub(crate) refresh: bool,
    /// Whether the reader would wait for another process that makes it.
    pub(crate) leases: bool,
    /// Whether what was invalidated may be served while another makes it anew.
    pub(crate) stale_after_write: bool,
}

/// What a lookup found.
#[derive(Debug)]
pub(crate) enum Found {
    /// A valid entry.
    Hit(Entry),
    /// Nothing valid.
    Miss(Missing),
    /// The cache cannot be used now.
    Bypass(Bypass),
}

/// That there is no valid entry.
#[derive(Debug)]
pub(crate) struct Missing {
    /// A result may be stored for this vector.
    pub(crate) vector: Vector,
    /// The states of the further tags that were asked for; none, if they are not known.
    pub(crate) also: Box<[TagState]>,
    /// Whether this process is the one to make it.
    pub(crate) leased: Leased,
    /// What may be served while another makes it: it is too old, or soon will be, and its tokens
    /// are current; or its tables allow it to be stale after a write.
    pub(crate) meanwhile: Option<Entry>,
}

impl Question<'_> {
    /// Whether an entry may be served though what it depends on was written.
    fn tolerates(&self, entry: &Entry, gate: Option<Nonce>) -> bool {
        self.stale_after_write
            && !self.refresh
            && gate == Some(entry.vector.nonce)
            && entry.tags.starts_with(self.tags)
            && entry.expires_at > Instant::now()
    }
}

impl Missing {
    fn of(vector: Vector) -> Self {
        Self {
            vector,
            also: Box::default(),
            leased: Leased::NotAsked,
            meanwhile: None,
        }
    }

    /// The tokens of the further tags of that range, if none of them is about to be written.
    fn tokens(
        &self,
        range: impl SliceIndex<[TagState], Output = [TagState]>,
    ) -> Option<Vec<Token>> {
        let states = self.also.get(range)?.iter();
        states
            .map(|state| match state {
                TagState::Clean(token) => Some(*token),
                TagState::Quarantined | TagState::Missing => None,
            })
            .collect()
    }

    /// Everything that was captured: readers that captured the same may share one result. `None`
    /// if something is about to be written that the result may depend on.
    // rule: who-flies-together-captured-the-same
    pub(crate) fn fence(&self, question: &Question<'_>) -> Option<Vector> {
        if self.also.len() != question.also.len() {
            return None;
        }
        let mut tokens = self.vector.tokens.to_vec();
        tokens.extend(self.tokens(..)?);
        Some(Vector {
            nonce: self.vector.nonce,
            tokens: tokens.into(),
        })
    }
}

/// Why the store is asked.
#[derive(Debug)]
pub(crate) enum Asking {
    /// For a valid entry.
    First,
    /// For leave to make another in place of one that is valid, but cannot be read here.
    Anew(Entry),
    /// Whether another process has made it by now.
    Again,
}

/// What came of waiting for another process.
#[derive(Debug)]
pub(crate) enum Awaited {
    /// It made the entry.
    Landed(Entry),
    /// It gave up, or was overtaken: this process makes it.
    Ours(Missing),
    /// Nothing yet.
    Nothing,
    /// Nothing, and it is not worth while to wait.
    Never,
}

impl Awaited {
    /// What another process has come to. What it made is judged like any entry.
    // rule: what-was-waited-for-is-judged
    pub(crate) fn of(found: Found) -> Self {
        match found {
            Found::Hit(entry) => Self::Landed(entry),
            Found::Miss(missing) if missing.leased != Leased::Taken => Self::Ours(missing),
            Found::Miss(_) => Self::Nothing,
            Found::Bypass(_) => Self::Never,
        }
    }
}

impl Core {
    /// Looks for a valid entry, or for leave to make one. The tokens of a miss are captured
    /// here, and so before the caller reads the database.
    pub(crate) async fn ask<R: Reach>(
        self: &Arc<Self>,
        question: &Question<'_>,
        asking: Asking,
    ) -> Found {
        match asking {
            Asking::First => self.lookup::<R>(question).await,
            Asking::Anew(entry) => self.refind::<R>(question, entry).await,
            Asking::Again => self.prepare::<R>(question, None).await,
        }
    }

    async fn lookup<R: Reach>(self: &Arc<Self>, question: &Question<'_>) -> Found {
        let ask = Ask::entry(question.key, question.tags, Databases::One(question.space));
        let fetched = match self.fetch_for::<R>(question, &ask).await {
            Ok(fetched) => fetched,
            Err(reason) => return Found::Bypass(reason),
        };
        let outdated = fetched
            .entry
            .as_ref()
            .filter(|entry| question.tolerates(entry, fetched.gate))
            .cloned();
        let missing = match judge(fetched, question.tags) {
            Judgement::Hit(entry) if question.refresh => {
                Missing::of(entry.vector.clone().of_first(question.tags.len()))
            }
            Judgement::Hit(entry) => match self.age(&entry) {
                Age::Good => return Found::Hit(entry),
                age => Missing {
                    meanwhile: (age == Age::Meanwhile).then(|| entry.clone()),
                    ..Missing::of(entry.vector.clone().of_first(question.tags.len()))
                },
            },
            Judgement::Miss(vector) => Missing {
                meanwhile: outdated,
                ..Missing::of(vector)
            },
            Judgement::Establish => return self.prepare::<R>(question, outdated).await,
            Judgement::Quarantined => return Found::Bypass(Bypass::Quarantined),
            Judgement::Closed => return Found::Bypass(Bypass::Closed),
        };
        // rule: what-is-not-captured-is-not-stored
        if (self.is_shared() && question.leases) || !question.also.is_empty() {
            self.prepare::<R>(question, missing.meanwhile).await
        } else {
            Found::Miss(missing)
        }
    }

    /// There is a valid entry, but none that can be read here: captures the tokens to make another.
    async fn refind<R: Reach>(self: &Arc<Self>, question: &Question<'_>, entry: Entry) -> Found {
        let question = Question {
            refresh: true,
            leases: false,
            ..*question
        };
        if question.also.is_empty() {
            return Found::Miss(Missing::of(entry.vector.of_first(question.tags.len())));
        }
        self.prepare::<R>(&question, None).await
    }

    /// Captures the tokens of what is not there, and takes the lease to make it.
    async fn prepare<R: Reach>(
        self: &Arc<Self>,
        question: &Question<'_>,
        meanwhile: Option<Entry>,
    ) -> Found {
        let ask = Ask {
            also: question.also,
            establish: true,
            lease: self.lease().filter(|_| question.leases),
            ..Ask::entry(question.key, question.tags, Databases::One(question.space))
        };
        let mut fetched = match self.fetch_for::<R>(question, &ask).await {
            Ok(fetched) => fetched,
            Err(reason) => return Found::Bypass(reason),
        };
        let leased = fetched.leased;
        let also = std::mem::take(&mut fetched.also).into_boxed_slice();
        let missing = match judge(fetched, question.tags) {
            // Another was faster.
            Judgement::Hit(entry) if !question.refresh && entry.expires_at > Instant::now() => {
                match meanwhile {
                    // It is the one that is soon to end.
                    Some(before) if before.expires_at == entry.expires_at => Missing {
                        vector: entry.vector.clone().of_first(question.tags.len()),
                        also,
                        leased,
                        meanwhile: Some(before),
                    },
                    _ => return Found::Hit(entry),
                }
            }
            Judgement::Hit(entry) => Missing {
                vector: entry.vector.clone().of_first(question.tags.len()),
                also,
                leased,
                meanwhile,
            },
            Judgement::Miss(vector) => Missing {
                vector,
                also,
                leased,
                // What was valid a moment ago is no longer.
                // rule: what-was-written-is-not-served-meanwhile
                meanwhile: meanwhile.filter(|_| question.stale_after_write),
            },
            // A tag that is missing again was renewed in between: a writer is at work.
            Judgement::Quarantined | Judgement::Establish => {
                return Found::Bypass(Bypass::Quarantined);
            }
            Judgement::Closed => return Found::Bypass(Bypass::Closed),
        };
        match missing.meanwhile {
            Some(entry) if leased == Leased::Taken => {
                count(&self.counters.served_meanwhile);
                Found::Hit(entry)
            }
            _ => Found::Miss(missing),
        }
    }

    /// The further tags that an entry depends on, and their tokens, now that the database was read.
    /// `seen` are those of what the result shows, if that could be told; the first `window` of
    /// those that were asked for are touched by every write that touches one of them. `None` if
    /// the result cannot be stored.
    ///
    /// The tokens of what was seen are captured after the read. Why that is sound: a write that
    /// touches one of them touches the window. If the window has now the tokens that were
    /// captured before the read, no such write was lifted in between; and if it is clean, none is
    /// announced. So each such write is either in what was read, or not even announced: then it
    /// renews the tokens when it is.
    pub(crate) async fn further<R: Reach>(
        self: &Arc<Self>,
        question: &Question<'_>,
        missing: &Missing,
        window: usize,
        seen: Option<BTreeSet<Tag>>,
    ) -> Option<(Vec<Tag>, Vec<Token>)> {
        if let Some(seen) = seen
            && let Some(tokens) = self
                .capture_late::<R>(question, missing, window, &seen)
                .await
        {
            return Some((seen.into_iter().collect(), tokens));
        }
        let tokens = missing.tokens(window..)?;
        Some((question.also.get(window..)?.to_vec(), tokens))
    }

    // rule: what-was-seen-is-captured-within-the-window
    async fn capture_late<R: Reach>(
        self: &Arc<Self>,
        question: &Question<'_>,
        missing: &Missing,
        window: usize,
        seen: &BTreeSet<Tag>,
    ) -> Option<Vec<Token>> {
        // What was captured before the read need not be captured again: that nothing was seen.
        let early = |tag: &Tag| {
            let at = question.also.iter().position(|also| also == tag)?;
            match missing.also.get(at)? {
                TagState::Clean(token) if at >= window => Some(*token),
                _ => None,
            }
        };
        if let Some(tokens) = seen.iter().map(early).collect() {
            return Some(tokens);
        }
        let before = missing.tokens(..window)?;
        let open = question.also.get(..window)?;
        let tags: Vec<Tag> = open.iter().chain(seen).copied().collect();
        let ask = Ask::tokens(&tags, Databases::One(question.space));
        match judge(self.fetch_for::<R>(question, &ask).await.ok()?, &tags) {
            Judgement::Miss(now)
                if now.nonce == missing.vector.nonce && now.tokens.starts_with(&before) =>
            {
                Some(now.tokens[window..].to_vec())
            }
            _ => None,
        }
    }

    /// Fetches for a read whose plan is of the opening that is current.
    async fn fetch_for<R: Reach>(
        self: &Arc<Self>,
        question: &Question<'_>,
        ask: &Ask<'_>,
    ) -> Result<Fetched, Bypass> {
        // An entry may depend on rows that the reader cannot name; but whatever is written to
        // them, so is their table.
        // rule: what-is-not-delivered-may-be-of-a-row-that-is-shown
        if self.shared.is_undelivered(question.also) {
            return Err(Bypass::Undelivered);
        }
        let fetched = self.fetch::<R>(ask).await?;
        if !self.is_shared() {
            return Ok(fetched);
        }
        // rule: a-plan-of-another-opening-bypasses
        // Its catalogue may be older than a change of the schema that others have seen.
        if fetched.gate.is_some() && fetched.opening != question.opening {
            self.learn_opening(question.space, fetched.opening);
            return Err(Bypass::CatalogueDue);
        }
        Ok(fetched)
    }

    fn age(&self, entry: &Entry) -> Age {
        let now = Instant::now();
        let left = entry.expires_at.saturating_duration_since(now);
        if left.is_zero() {
            count(&self.counters.expirations);
            return match now < entry.stale_until {
                true => Age::Meanwhile,
                false => Age::Dead,
            };
        }
        let window = entry.lifetime.mul_f64(self.config.eager_refresh);
        if left >= window {
            return Age::Good;
        }
        // The nearer the end, the likelier.
        let likely = 1.0 - left.as_secs_f64() / window.as_secs_f64();
        match rand::random_bool(likely.clamp(0.0, 1.0)) {
            true => Age::Meanwhile,
            false => Age::Good,
        }
    }
}

/// The patience of one who waits for another process.
#[derive(Debug)]
pub(crate) struct Patience {
    until: Instant,
    nap: Duration,
}

impl Patience {
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            // The wait is bounded, whatever was asked for.
            until: Instant::now() + patience.min(Duration::from_secs(3600)),
            nap: FIRST_NAP,
        }
    }

    /// How long to sleep, if any patience is left.
    pub(crate) fn next(&mut self) -> Option<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        let nap = self.nap.min(left);
        self.nap = (self.nap * 2).min(LONGEST_NAP);
        (!left.is_zero()).then_some(nap)
    }
}

/// How old an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// It may be served.
    Good,
    /// It may be served while another makes it anew.
    Meanwhile,
    /// It may not be served.
    Dead,
}
