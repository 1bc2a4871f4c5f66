//! The operations of a backend, as scripts.

use super::*;

use crate::backend::{
    Acknowledged, Ask, CacheBackend, Declarations, Holder, Mark, Put, Standing, Unless, Usage,
    Writer,
};
use crate::database::{MOST_DECLARED, TagSpace};
use crate::entry::Entry;
use crate::key::Key;
use crate::protocol::{Fetched, Lift};
use crate::tag::Tag;
use crate::token::{Epoch, Nonce, Opening, ProcessId, WriterId};

/// How many entries are purged in one step.
const PURGED_AT_ONCE: u64 = 500;

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// What cannot be read is treated as no answer.
pub(super) fn understood<T>(answer: Option<T>) -> Result<T, BackendError> {
    answer.ok_or_else(|| Failure::Garbled.into())
}

fn spaces(spaces: &[TagSpace]) -> Vec<u8> {
    spaces.iter().flat_map(|space| space.0).collect()
}

/// All databases that are known, and these.
pub(super) fn all(attached: &[TagSpace]) -> Vec<u8> {
    let mut which = b"*".to_vec();
    which.extend(spaces(attached));
    which
}

pub(super) fn holder_bytes(holder: Option<ProcessId>) -> Vec<u8> {
    holder.map_or_else(Vec::new, |holder| holder.number().to_be_bytes().to_vec())
}

pub(super) fn mark_bytes(held: Option<Mark>) -> Vec<u8> {
    held.map_or_else(Vec::new, |mark| mark.0.to_vec())
}

impl RedisBackend {
    /// Runs a script that may be repeated.
    fn ask(
        &self,
        op: Op,
        request: impl Fn(&Names<'_>) -> Request + Sync,
    ) -> Result<Vec<Value>, BackendError> {
        Ok(self.run(op, true, &request)?)
    }

    fn tell(
        &self,
        op: Op,
        request: impl Fn(&Names<'_>) -> Request + Sync,
    ) -> Result<(), BackendError> {
        self.ask(op, request).map(drop)
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

    #[cfg(feature = "async")]
    fn awaited(&self) -> Option<&dyn crate::backend::AwaitedBackend> {
        Some(self)
    }

    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        Ok(CacheBackend::fetch_unless(self, ask, None)?.fetched)
    }

    fn fetch_unless(&self, ask: &Ask<'_>, held: Option<Mark>) -> Result<Unless, BackendError> {
        now(self.fetch_by::<Pooled>(ask, held))
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
        now(self.recall_by::<Pooled>(key, attached, held))
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        now(self.store_by::<Pooled>(&key, &entry, holder, false))
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        now(self.store_by::<Pooled>(&key, &entry, None, true))
    }

    fn release(&self, key: &Key, holder: ProcessId) -> Result<(), BackendError> {
        now(self.release_by::<Pooled>(key, holder))
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
