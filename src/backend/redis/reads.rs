//! What reads wait for, whoever waits.

use super::operations::{all, holder_bytes, mark_bytes, millis, understood};
use super::reply::Question;
use super::*;

use crate::backend::{Ask, Databases, Mark, Put, Unless};
use crate::database::TagSpace;
use crate::entry::Entry;
use crate::key::Key;
use crate::token::ProcessId;

impl RedisBackend {
    async fn fetch_with<W: Way>(
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
        let at = Clock::now().unix();
        let request = |names: &Names<'_>| {
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
                .number(at)
                .arg(mark_bytes(held))
        };
        self.run_by::<W>(op, true, &request).await
    }

    pub(super) async fn fetch_by<W: Way>(
        &self,
        ask: &Ask<'_>,
        held: Option<Mark>,
    ) -> Result<Unless, BackendError> {
        let digest = ask.key.map(Digest::of);
        let op = if ask.establish || ask.lease.is_some() {
            Op::Capture
        } else {
            Op::Fetch
        };
        let mut answer = self.fetch_with::<W>(op, ask, digest.as_ref(), held).await;
        // What is there can still be read; nothing can be made.
        if op == Op::Capture && matches!(&answer, Err(failure) if failure.code() == Some("OOM")) {
            answer = self
                .fetch_with::<W>(Op::Fetch, ask, digest.as_ref(), held)
                .await;
        }
        let question = Question {
            key: digest.as_ref(),
            wire: &self.wire,
            asked: Some((ask.tags.len(), ask.also.len())),
        };
        understood(reply::fetched(answer?, question))
    }

    pub(super) async fn recall_by<W: Way>(
        &self,
        key: &Key,
        attached: &[TagSpace],
        held: Option<Mark>,
    ) -> Result<Unless, BackendError> {
        let digest = Digest::of(key);
        let request = |names: &Names<'_>| {
            Request::default()
                .key(names.gate())
                .key(names.entry(digest.short()))
                .number(self.largest)
                .arg(all(attached))
                .arg(mark_bytes(held))
        };
        let answer = self.run_by::<W>(Op::Recall, true, &request).await?;
        let question = Question {
            key: Some(&digest),
            wire: &self.wire,
            asked: None,
        };
        understood(reply::fetched(answer, question))
    }

    pub(super) async fn store_by<W: Way>(
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
                self.release_by::<W>(key, holder).await?;
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
        let answer = match self.run_by::<W>(Op::Put, !if_absent, &request).await {
            // What takes no room is done all the same.
            Err(failure) if failure.code() == Some("OOM") => {
                if let Some(holder) = holder {
                    self.release_by::<W>(key, holder).await?;
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

    pub(super) async fn release_by<W: Way>(
        &self,
        key: &Key,
        holder: ProcessId,
    ) -> Result<(), BackendError> {
        let digest = Digest::of(key);
        let request = |names: &Names<'_>| {
            Request::default()
                .key(names.gate())
                .key(names.lease(digest.short()))
                .arg(holder_bytes(Some(holder)))
        };
        self.run_by::<W>(Op::Release, true, &request).await?;
        Ok(())
    }
}

#[cfg(feature = "async")]
impl crate::backend::AwaitedBackend for RedisBackend {
    fn fetch_unless<'a>(&'a self, ask: Ask<'a>, held: Option<Mark>) -> Answer<'a, Unless> {
        Box::pin(async move { self.fetch_by::<Multiplexed>(&ask, held).await })
    }

    fn recall_unless<'a>(
        &'a self,
        key: &'a Key,
        attached: &'a [TagSpace],
        held: Option<Mark>,
    ) -> Answer<'a, Unless> {
        Box::pin(self.recall_by::<Multiplexed>(key, attached, held))
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Answer<'_, Put> {
        Box::pin(async move {
            let stored = self.store_by::<Multiplexed>(&key, &entry, holder, false);
            stored.await
        })
    }

    fn release<'a>(&'a self, key: &'a Key, holder: ProcessId) -> Answer<'a, ()> {
        Box::pin(self.release_by::<Multiplexed>(key, holder))
    }
}

#[cfg(feature = "async")]
use crate::backend::Answer;
