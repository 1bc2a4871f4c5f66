//! The bytes of an entry in a shared store.
//!
//! What comes back from a store is an input: it may be cut, flipped, of another version, or
//! made by somebody else. Everything that is not exactly what was written is no entry.
//!
//! The header stands at fixed offsets, so that a script in the store can compare tokens
//! without knowing the rest. Numbers are big-endian, times are Unix milliseconds.
//!
//! | at | bytes | |
//! |---|---|---|
//! | 0 | 4 | `dcE`, version |
//! | 4 | 8 | `expires_at`. It and its check may be replaced in place, by `touch` |
//! | 12 | 8 | check of `expires_at` |
//! | 20 | 1 | flags: compressed, sealed |
//! | 21 | 1 | 0 |
//! | 22 | 2 | number of tags that it is removed with |
//! | 24 | 4 | number of tags |
//! | 28 | 8 | `not_after`, or 2⁵³ - 1 |
//! | 36 | 8 | `stale_until` |
//! | 44 | 8 | lifetime in milliseconds |
//! | 52 | 8 | weight |
//! | 60 | 4 | length of the payload, uncompressed |
//! | 64 | 16 | nonce of the gate |
//! | 80 | 32 | BLAKE3 of the key |
//! | 112 | 16 | checksum, or the seal's tag, over all but 4..20 and itself |
//! | 128 | 16 n | tags |
//! | | 16 n | tokens |
//! | | 16 m | tags that it is removed with |
//! | | | payload, in a seal after its nonce of 24 bytes |

use std::sync::Arc;
use std::time::Duration;

#[cfg(any(feature = "redis", feature = "file"))]
use crate::backend::Mark;
use crate::entry::{Entry, Payload, Vector};
use crate::tag::Tag;
use crate::token::{Nonce, Token};

mod clock;
mod header;
mod pack;
mod seal;
mod secret;

pub(crate) use self::clock::Clock;
pub(crate) use self::header::{EXPIRY, HEADER};
pub(crate) use self::seal::SealKey;
pub use self::secret::EncryptionKey;

#[cfg(any(feature = "redis", feature = "file"))]
use self::header::CHECK;
use self::header::{COMPRESSED, Header, SEALED};
use self::seal::Seal;

/// How entries are written and read.
#[derive(Debug)]
pub(crate) struct Wire {
    seal: Seal,
    compress_above: usize,
    largest: usize,
}

/// A key as it stands in a store: 16 bytes to find the entry, all 32 to be sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(key: &crate::key::Key) -> Self {
        Self(*blake3::hash(key.as_bytes()).as_bytes())
    }

    /// What the entry is found by.
    pub(crate) fn short(&self) -> &[u8] {
        &self.0[..16]
    }
}

/// How long the bytes of an entry with a payload of that length may be, tags and all: more is not
/// read.
#[cfg(any(feature = "redis", feature = "file"))]
pub(crate) fn longest(payload: u64) -> u64 {
    payload.saturating_add(payload / 8).saturating_add(1 << 20)
}

/// What an entry is known by, whatever the end of its life: its checksum, or its seal.
#[cfg(any(feature = "redis", feature = "file"))]
pub(crate) fn mark(bytes: &[u8]) -> Option<Mark> {
    let check = bytes.get(CHECK)?;
    Some(Mark(check.try_into().ok()?))
}

/// The tags that an entry is removed with, without a look at the rest of it.
#[cfg(feature = "memcached")]
pub(crate) fn removed_with(bytes: &[u8]) -> Option<Vec<Tag>> {
    let (header, _) = Header::read(bytes)?;
    let from = HEADER + 32 * header.tags as usize;
    let tags = bytes.get(from..from + 16 * usize::from(header.removed_with))?;
    Some(tags.chunks_exact(16).map(id).map(Tag::from_bytes).collect())
}

/// An entry whose payload is not bytes, or larger than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unwritable;

impl Wire {
    /// With an encryption key or without, compressing payloads above a size, for payloads up to
    /// `largest` bytes.
    pub(crate) fn new(key: Option<&SealKey>, compress_above: u64, largest: u64) -> Self {
        Self {
            seal: Seal::new(key),
            compress_above: usize::try_from(compress_above).unwrap_or(usize::MAX),
            // The header has four bytes for a length.
            largest: usize::try_from(largest)
                .unwrap_or(usize::MAX)
                .min(u32::MAX as usize),
        }
    }

    /// The bytes of an entry.
    ///
    /// # Errors
    /// If its payload is not bytes, or there is too much of it.
    pub(crate) fn encode(
        &self,
        key: &Digest,
        entry: &Entry,
        clock: Clock,
    ) -> Result<Vec<u8>, Unwritable> {
        let Payload::Bytes(plain) = &entry.payload else {
            return Err(Unwritable);
        };
        if plain.len() > self.largest || entry.tags.len() != entry.vector.tokens.len() {
            return Err(Unwritable);
        }
        let packed = pack::compress(plain, self.compress_above);
        let mut flags = if packed.is_some() { COMPRESSED } else { 0 };
        if self.seal.is_keyed() {
            flags |= SEALED;
        }
        let header = Header {
            flags,
            removed_with: u16::try_from(entry.removed_with.len()).map_err(|_| Unwritable)?,
            tags: u32::try_from(entry.tags.len()).map_err(|_| Unwritable)?,
            not_after: entry.not_after.map(|at| clock.to_unix(at)),
            stale_until: clock.to_unix(entry.stale_until),
            lifetime: u64::try_from(entry.lifetime.as_millis()).unwrap_or(u64::MAX),
            weight: entry.weight as u64,
            plain: u32::try_from(plain.len()).map_err(|_| Unwritable)?,
            nonce: entry.vector.nonce.to_bytes(),
            key: key.0,
        };
        let body = packed.as_deref().unwrap_or(plain);
        let mut bytes = Vec::with_capacity(header.body_at() + self.seal.overhead() + body.len());
        bytes.extend_from_slice(&header.write());
        for tag in &*entry.tags {
            bytes.extend_from_slice(&tag.to_bytes());
        }
        for token in &entry.vector.tokens {
            bytes.extend_from_slice(&token.to_bytes());
        }
        for tag in &*entry.removed_with {
            bytes.extend_from_slice(&tag.to_bytes());
        }
        self.seal.close(&mut bytes, body).ok_or(Unwritable)?;
        let expiry = self.expiry(key, clock.to_unix(entry.expires_at));
        bytes[EXPIRY].copy_from_slice(&expiry);
        Ok(bytes)
    }

    /// The field that says when the entry of that key expires.
    pub(crate) fn expiry(&self, key: &Digest, unix: u64) -> [u8; 16] {
        let mut field = [0; 16];
        field[..8].copy_from_slice(&unix.to_be_bytes());
        field[8..].copy_from_slice(&self.seal.check(unix, &key.0));
        field
    }

    /// The entry that was written under that key; `None` for whatever else the bytes are.
    pub(crate) fn decode(&self, key: &Digest, bytes: &[u8], clock: Clock) -> Option<Entry> {
        let (header, expires_at) = self.header(key, bytes)?;
        let plain = header.plain as usize;
        // rule: nothing-is-allocated-on-a-strangers-word
        if plain > self.largest {
            return None;
        }
        let body = self.seal.open(bytes, header.body_at())?;
        let payload: Arc<[u8]> = if header.flags & COMPRESSED != 0 {
            pack::decompress(&body, plain)?.into()
        } else if body.len() == plain {
            body.into()
        } else {
            return None;
        };
        Some(entry(&header, expires_at, bytes, clock, payload))
    }

    /// The entry without its payload, for whoever holds a copy of it: with that mark, and nobody
    /// has looked at the rest.
    #[cfg(feature = "file")]
    pub(crate) fn decode_held(
        &self,
        key: &Digest,
        bytes: &[u8],
        held: Mark,
        clock: Clock,
    ) -> Option<Entry> {
        let (header, expires_at) = self.header(key, bytes)?;
        let same = mark(bytes)? == held;
        same.then(|| entry(&header, expires_at, bytes, clock, Arc::from([])))
    }

    /// The header of the entry that was written under that key, and when it ends.
    fn header(&self, key: &Digest, bytes: &[u8]) -> Option<(Header, u64)> {
        let (header, expires_at) = Header::read(bytes)?;
        let sealed = header.flags & SEALED != 0;
        // rule: an-entry-is-read-under-its-own-key-alone
        if header.key != key.0 || sealed != self.seal.is_keyed() {
            return None;
        }
        if self.expiry(key, expires_at) != *bytes.get(EXPIRY)? {
            return None;
        }
        Some((header, expires_at))
    }
}

/// The entry that stands behind a header, whose tags are there.
fn entry(
    header: &Header,
    expires_at: u64,
    bytes: &[u8],
    clock: Clock,
    payload: Arc<[u8]>,
) -> Entry {
    let mut ids = bytes[HEADER..].chunks_exact(16).map(id);
    let tags = header.tags as usize;
    let entry_tags: Arc<[Tag]> = ids.by_ref().take(tags).map(Tag::from_bytes).collect();
    let tokens: Box<[Token]> = ids.by_ref().take(tags).map(Token::from_bytes).collect();
    let removed_with = ids
        .take(header.removed_with as usize)
        .map(Tag::from_bytes)
        .collect();
    // rule: a-touch-does-not-outlive-the-limit
    let expires_at = header
        .not_after
        .map_or(expires_at, |limit| limit.min(expires_at));
    Entry {
        tags: entry_tags,
        vector: Vector {
            nonce: Nonce::from_bytes(header.nonce),
            tokens,
        },
        payload: Payload::Bytes(payload),
        weight: usize::try_from(header.weight).unwrap_or(usize::MAX),
        expires_at: clock.to_instant(expires_at),
        lifetime: Duration::from_millis(header.lifetime),
        stale_until: clock.to_instant(header.stale_until.max(expires_at)),
        not_after: header.not_after.map(|at| clock.to_instant(at)),
        removed_with,
    }
}

fn id(bytes: &[u8]) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(bytes);
    id
}

#[cfg(test)]
mod tests;
