//! What is common to all rows as bytes.

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

/// Changed whenever the same bytes come to mean something else.
const FORMAT: u32 = 1;

/// The length of a fingerprint.
const PREFIX: usize = 16;

/// Rows without columns take no bytes, so their number alone bounds them.
const MOST_ROWS_WITHOUT_COLUMNS: usize = 1 << 16;

/// Bytes that are written, and borrowed when read, as one piece.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(<&[u8]>::deserialize(deserializer)?))
    }
}

/// A digest of all that gives the bytes of rows their meaning: `of` says what they are and, where
/// it matters, what they look like on this platform.
pub(super) fn fingerprint(of: &[&[u8]]) -> [u8; PREFIX] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&FORMAT.to_le_bytes());
    // rule: bytes-of-another-library-are-a-miss
    let library = [env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")];
    // rule: bytes-of-another-platform-are-a-miss
    let platform = [
        &[usize::BITS as u8, u8::from(cfg!(target_endian = "big"))][..],
        std::env::consts::ARCH.as_bytes(),
        std::env::consts::OS.as_bytes(),
    ];
    let library = library.iter().map(|part| part.as_bytes());
    for part in library.chain(platform).chain(of.iter().copied()) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut digest = [0; PREFIX];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..PREFIX]);
    digest
}

/// The bytes of a result: the fingerprint, and what `rows` serializes to.
pub(super) fn seal<T: Serialize>(fingerprint: [u8; PREFIX], rows: &T) -> Option<Vec<u8>> {
    let bytes = postcard::to_extend(rows, fingerprint.to_vec());
    bytes.ok()
}

/// What was sealed under the same fingerprint.
pub(super) fn open<'a, T: Deserialize<'a>>(
    fingerprint: [u8; PREFIX],
    bytes: &'a [u8],
) -> Option<T> {
    let rest = bytes.strip_prefix(&fingerprint)?;
    let (rows, rest) = postcard::take_from_bytes(rest).ok()?;
    rest.is_empty().then_some(rows)
}

/// Whether so many cells are so many rows.
pub(super) fn is_table(columns: usize, rows: usize, cells: usize) -> bool {
    match columns {
        0 => cells == 0 && rows <= MOST_ROWS_WITHOUT_COLUMNS,
        _ => columns.checked_mul(rows) == Some(cells),
    }
}
