//! The header of an entry, at fixed offsets.

use std::ops::Range;

use super::clock::LATEST;

/// How long it is.
pub(crate) const HEADER: usize = 128;
/// The end of its life, which may change in place.
pub(crate) const EXPIRY: Range<usize> = 4..20;
/// The checksum, or the seal's tag.
pub(super) const CHECK: Range<usize> = 112..128;

pub(super) const COMPRESSED: u8 = 1;
pub(super) const SEALED: u8 = 2;

const MAGIC: [u8; 4] = *b"dcE\x01";

/// The fields that are written once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) flags: u8,
    pub(super) removed_with: u16,
    pub(super) tags: u32,
    pub(super) not_after: Option<u64>,
    pub(super) stale_until: u64,
    pub(super) lifetime: u64,
    pub(super) weight: u64,
    pub(super) plain: u32,
    pub(super) nonce: [u8; 16],
    pub(super) key: [u8; 32],
}

impl Header {
    /// Where the payload begins.
    pub(super) fn body_at(&self) -> usize {
        let ids = (self.tags as usize).saturating_mul(2);
        let ids = ids.saturating_add(self.removed_with as usize);
        ids.saturating_mul(16).saturating_add(HEADER)
    }

    /// The header, without the end of its life and the checksum.
    pub(super) fn write(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[20] = self.flags;
        bytes[22..24].copy_from_slice(&self.removed_with.to_be_bytes());
        bytes[24..28].copy_from_slice(&self.tags.to_be_bytes());
        let not_after = self.not_after.map_or(LATEST, |at| at.min(LATEST - 1));
        bytes[28..36].copy_from_slice(&not_after.to_be_bytes());
        bytes[36..44].copy_from_slice(&self.stale_until.to_be_bytes());
        bytes[44..52].copy_from_slice(&self.lifetime.to_be_bytes());
        bytes[52..60].copy_from_slice(&self.weight.to_be_bytes());
        bytes[60..64].copy_from_slice(&self.plain.to_be_bytes());
        bytes[64..80].copy_from_slice(&self.nonce);
        bytes[80..112].copy_from_slice(&self.key);
        bytes
    }

    /// The header and the end of the life, if the bytes begin with one and are long enough for
    /// what it counts.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, u64)> {
        let known = |flags: u8| flags & !(COMPRESSED | SEALED) == 0;
        if bytes.len() < HEADER || bytes[..4] != MAGIC || !known(bytes[20]) || bytes[21] != 0 {
            return None;
        }
        let not_after = number(bytes, 28);
        let header = Self {
            flags: bytes[20],
            removed_with: u16::try_from(number(bytes, 16) & 0xffff).ok()?,
            tags: u32::try_from(number(bytes, 20) & 0xffff_ffff).ok()?,
            not_after: (not_after < LATEST).then_some(not_after),
            stale_until: number(bytes, 36),
            lifetime: number(bytes, 44),
            weight: number(bytes, 52),
            plain: u32::try_from(number(bytes, 56) & 0xffff_ffff).ok()?,
            nonce: array(bytes, 64),
            key: array(bytes, 80),
        };
        (bytes.len() >= header.body_at()).then(|| (header, number(bytes, 4)))
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array(bytes, at))
}

/// The bytes at that offset. The header is that long.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
