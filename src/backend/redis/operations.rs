//! The operations of a backend, as scripts.

use super::reply::Question;
use super::*;

use crate::backend::{
    Acknowledged, Ask, CacheBackend, Databases, Declarations, Holder, Mark, Put, Standing, Unless,
    Usage, Writer,
};
use crate::database::{MOST_DECLARED, TagSpace};
use crate::entry::Entry;
use crate::key::Key;
use crate::protocol::{Fetched, Lift};
use crate::tag::Tag;
use crate::token::{Epoch, Nonce, Opening, ProcessId, WriterId};

/// How many entries are purged in one step.
const PURGED_AT_ONCE: u64 = 500;

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// What cannot be read is treated as no answer.
fn understood<T>(answer: Option<T>) -> Result<T, BackendError> {
    answer.ok_or_else(|| Failure::Garbled.into())
}

fn spaces(spaces: &[TagSpace]) -> Vec<u8> {
    spaces.iter().flat_map(|space| space.0).collect()
}

/// All databases that are known, and these.
fn all(attached: &[TagSpace]) -> Vec<u8> {
    let mut which = b"*".to_vec();
    which.extend(spaces(attached));
    which
}

fn holder_bytes(holder: Option<ProcessId>) -> Vec<u8> {
    holder.map_or_else(Vec::new, |holder| holder.number().to_be_bytes().to_vec())
}

fn mark_bytes(held: Option<Mark>) -> Vec<u8> {
    held.map_or_else(Vec::new, |mark| mark.0.to_vec())
}

impl RedisBackend {
    /// Runs a script that may be repeated.
    fn ask(
        &self,
        op: Op,
        request: impl Fn(&Names<'_>) -> Request,
    ) -> Result<Vec<Value>, BackendError> {
        Ok(self.run(op, true, &request)?)
    }

    fn tell(&self, op: Op, request: impl Fn(&Names<'_>) -> Request) -> Result<(), BackendError> {
        self.ask(op, request).map(drop)
    }

    fn fetch_with(
        &self,
        op: Op,
        ask: &Ask<'_>,
        digest: Option<&Digest>,
        held: Option<Mark>,
    ) -> Result<Vec<Value>, Failure> {
        let capture = op == Op::Capture;
        let seed = match ask.establish && capture {
            // rule: a-token-of-the-store-is-random
            true => rand::random::<[u8; 16]>().to_vec(),
            false => Vec::new(),
        };
        let lease = ask.lease.filter(|_| capture);
        let which = match ask.databases {
            Databases::One(space) => space.0.to_vec(),
            Databases::All(attached) => all(attached),
            Databases::None => b"-".to_vec(),
        };
        let now = Clock::now().unix();
        self.run(op, true, &|names| {
            let mut request = Request::default()
                .key(names.gate())
                .keys(ask.tags.iter().map(|tag| names.cell(tag)))
                .keys(ask.also.iter().map(|tag| names.cell(tag)));
            if let Some(digest) = digest {
                request = request
                    .key(names.entry(digest.short()))
                    .key(names.lease(digest.short()));
            }
            request
                .number(ask.tags.len() as u64)
                .number(ask.also.len() as u64)
                .arg(&*which)
                .arg(&*seed)
                .number(millis(self.token_ttl))
                .number(self.largest)
                .arg(holder_bytes(lease.map(|lease| lease.holder)))
                .number(lease.map_or(0, |lease| millis(lease.patience)))
                .number(now)
                .arg(mark_bytes(held))
        })
    }

    fn store(
        &self,
        key: &Key,
        entry: &Entry,
        holder: Option<ProcessId>,
        if_absent: bool,
    ) -> Result<Put, BackendError> {
        let digest = Digest::of(key);
        let clock = Clock::now();
        let Ok(bytes) = self.wire.encode(&digest, entry, clock) else {
            if let Some(holder) = holder {
                self.release(key, holder)?;
            }
            return Ok(Put::TooLarge);
        };
        let ends = clock.to_unix(entry.expires_at.max(entry.stale_until));
        let request = |names: &Names<'_>| {
            Request::default()
                .key(names.gate())
                .key(names.entry(digest.short()))
                .key(names.lease(digest.short()))
                .keys(entry.tags.iter().map(|tag| names.cell(tag)))
                .keys(entry.removed_with.iter().map(|tag| names.removed_with(tag)))
                .arg(&*bytes)
                .number(ends)
                .number(clock.unix())
                .number(millis(self.token_ttl))
                .arg(holder_bytes(holder))
                .arg(if if_absent { "1" } else { "0" })
                .number(self.largest)
        };
        let answer = match self.run(Op::Put, !if_absent, &request) {
            // What takes no room is done all the same.
            Err(failure) if failure.code() == Some("OOM") => {
                if let Some(holder) = holder {
                    self.release(key, holder)?;
                }
                return Ok(Put::TooLarge);
            }
            answer => answer?,
        };
        match reply::word(answer) {
            Some(b's') => Ok(Put::Stored),
            Some(b'o') => Ok(Put::Outdated),
            Some(b'p') => Ok(Put::Present),
            _ => Err(Failure::Garbled.into()),
        }
    }
}

impl RedisBackend {
    /// Whether a catalogue looks as it did, or did not look like anything.
    fn look(
        &self,
        space: TagSpace,
        user: &str,
        seen: &[u8; 32],
        replace: bool,
    ) -> Result<bool, BackendError> {
        let answer = self.ask(Op::Recognises, |names| {
            Request::default()
                .key(names.gate())
                .arg(Epoch::fresh().to_bytes())
                .arg(Nonce::fresh().to_bytes())
                .arg(space.seen_by(user))
                .arg(seen)
                .arg(if replace { "1" } else { "0" })
        })?;
        understood(reply::number(&answer)).map(|same| same == 1)
    }
}

impl CacheBackend for RedisBackend {
    fn is_shared(&self) -> bool {
        true
    }

    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        Ok(self.fetch_unless(ask, None)?.fetched)
    }

    fn fetch_unless(&self, ask: &Ask<'_>, held: Option<Mark>) -> Result<Unless, BackendError> {
        let digest = ask.key.map(Digest::of);
        let op = if ask.establish || ask.lease.is_some() {
            Op::Capture
        } else {
            Op::Fetch
        };
        let mut answer = self.fetch_with(op, ask, digest.as_ref(), held);
        // What is there can still be read; nothing can be made.
        if op == Op::Capture && matches!(&answer, Err(failure) if failure.code() == Some("OOM")) {
            answer = self.fetch_with(Op::Fetch, ask, digest.as_ref(), held);
        }
        let question = Question {
            key: digest.as_ref(),
            wire: &self.wire,
            asked: Some((ask.tags.len(), ask.also.len())),
        };
        understood(reply::fetched(answer?, question))
    }

    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Result<Fetched, BackendError> {
        Ok(self.recall_unless(key, attached, None)?.fetched)
    }

    fn recall_unless(
        &self,
        key: &Key,
        attached: &[TagSpace],
        held: Option<Mark>,
    ) -> Result<Unless, BackendError> {
        let digest = Digest::of(key);
        let answer = self.ask(Op::Recall, |names| {
            Request::default()
                .key(names.gate())
                .key(names.entry(digest.short()))
                .number(self.largest)
                .arg(all(attached))
                .arg(mark_bytes(held))
        })?;
        let question = Question {
            key: Some(&digest),
            wire: &self.wire,
            asked: None,
        };
        understood(reply::fetched(answer, question))
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        self.store(&key, &entry, holder, false)
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        self.store(&key, &entry, None, true)
    }

    fn release(&self, key: &Key, holder: ProcessId) -> Result<(), BackendError> {
        let digest = Digest::of(key);
        self.tell(Op::Release, |names| {
            Request::default()
                .key(names.gate())
                .key(names.lease(digest.short()))
                .arg(holder_bytes(Some(holder)))
        })
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        let digest = Digest::of(key);
        let clock = Clock::now();
        let ends = clock.to_unix(expires_at);
        let answer = self.run(Op::Touch, false, &|names| {
            Request::default()
                .key(names.gate())
                .key(names.entry(digest.short()))
                .arg(self.wire.expiry(&digest, ends))
                .number(ends)
                .number(clock.unix())
                .number(self.largest)
                .number(millis(self.token_ttl))
        })?;
        understood(reply::number(&answer)).map(|found| found == 1)
    }

    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError> {
        let answer = self.ask(Op::Quarantine, |names| {
            Request::default()
                .key(names.gate())
                .key(names.writers())
                .key(names.writers_of(writer.process))
                .keys(tags.iter().map(|tag| names.cell(tag)))
                .arg(writer.id.to_bytes())
                .arg(reply::record(writer))
                .arg(Epoch::fresh().to_bytes())
                .arg(Nonce::fresh().to_bytes())
                .arg(writer.space.map_or_else(Vec::new, |space| space.0.to_vec()))
        })?;
        understood(reply::acknowledged(answer))
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        self.tell(Op::Lift, |names| {
            Request::default()
                .key(names.gate())
                .key(names.writers())
                .keys(tags.iter().map(|tag| names.cell(tag)))
                .arg(writer.to_bytes())
                .arg(match how {
                    Lift::Renew => "r",
                    Lift::Restore => "k",
                })
                .number(millis(self.token_ttl))
        })
    }

    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError> {
        self.tell(Op::Renew, |names| {
            Request::default()
                .key(names.gate())
                .keys(tags.iter().map(|tag| names.cell(tag)))
        })
    }

    fn remove(&self, key: &Key) -> Result<bool, BackendError> {
        let digest = Digest::of(key);
        let answer = self.run(Op::Remove, false, &|names| {
            Request::default()
                .key(names.gate())
                .key(names.entry(digest.short()))
                .number(Clock::now().unix())
                .number(self.largest)
        })?;
        understood(reply::number(&answer)).map(|found| found == 1)
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        // As many as there are now: what is stored meanwhile was stored after the tag was
        // renewed.
        let mut left = i64::MAX;
        loop {
            let answer = self.ask(Op::Purge, |names| {
                Request::default()
                    .key(names.gate())
                    .key(names.removed_with(tag))
                    .number(PURGED_AT_ONCE)
            })?;
            let more = understood(reply::number(&answer))?;
            if more <= 0 || more >= left {
                return Ok(());
            }
            left = more;
        }
    }

    fn clear(&self) -> Result<(), BackendError> {
        self.tell(Op::Clear, |names| {
            Request::default()
                .key(names.gate())
                .arg(Nonce::fresh().to_bytes())
        })
    }

    /// Nothing: only the server knows.
    fn usage(&self) -> Usage {
        Usage::default()
    }

    fn holders(&self, tags: &[Tag]) -> Result<Vec<Holder>, BackendError> {
        let answer = self.ask(Op::Holders, |names| {
            Request::default()
                .key(names.gate())
                .key(names.writers())
                .keys(tags.iter().map(|tag| names.cell(tag)))
        })?;
        understood(reply::holders(answer))
    }

    fn beat(&self, process: ProcessId, attached: &[TagSpace]) -> Result<Standing, BackendError> {
        let answer = self.ask(Op::Beat, |names| {
            Request::default()
                .key(names.gate())
                .key(names.testimonies())
                .key(names.writers_of(process))
                .arg(Epoch::fresh().to_bytes())
                .arg(Nonce::fresh().to_bytes())
                .arg(spaces(attached))
        })?;
        understood(reply::standing(answer))
    }

    fn testify(
        &self,
        process: ProcessId,
        epoch: Epoch,
        testified: &[TagSpace],
    ) -> Result<(), BackendError> {
        self.tell(Op::Testify, |names| {
            Request::default()
                .key(names.gate())
                .key(names.testimonies())
                .arg(epoch.to_bytes())
                .arg(process.number().to_be_bytes())
                .arg(spaces(testified))
        })
    }

    fn open(&self, epoch: Epoch, space: TagSpace, opening: Opening) -> Result<(), BackendError> {
        self.tell(Op::Open, |names| {
            Request::default()
                .key(names.gate())
                .key(names.testimonies())
                .arg(epoch.to_bytes())
                .arg(space.0)
                .arg(opening.to_bytes())
        })
    }

    fn recognises(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<bool, BackendError> {
        self.look(space, user, fingerprint, false)
    }

    fn remember(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<(), BackendError> {
        self.look(space, user, fingerprint, true).map(drop)
    }

    fn declare(
        &self,
        space: TagSpace,
        declarations: &Declarations,
    ) -> Result<Declarations, BackendError> {
        let mut list = Vec::new();
        for declaration in declarations {
            let length = u32::try_from(declaration.len()).unwrap_or(u32::MAX);
            list.extend(length.to_be_bytes());
            list.extend(declaration);
        }
        let answer = self.ask(Op::Declare, |names| {
            Request::default()
                .key(names.gate())
                .key(names.testimonies())
                .arg(Epoch::fresh().to_bytes())
                .arg(Nonce::fresh().to_bytes())
                .arg(space.0)
                .arg(list.clone())
                .number(MOST_DECLARED as u64)
        })?;
        understood(reply::declarations(answer))
    }

    fn close(&self, space: Option<TagSpace>) -> Result<(), BackendError> {
        self.tell(Op::Close, |names| {
            Request::default()
                .key(names.gate())
                .key(names.testimonies())
                .arg(Epoch::fresh().to_bytes())
                .arg(Nonce::fresh().to_bytes())
                .arg(space.map_or_else(Vec::new, |space| space.0.to_vec()))
        })
    }
}
