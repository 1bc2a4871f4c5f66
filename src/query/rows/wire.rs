//! What is common to all rows as bytes.

use crate::codec::{self, FINGERPRINT};

/// Changed whenever the same bytes come to mean something else.
const FORMAT: u32 = 1;

/// Rows without columns take no bytes, so their number alone bounds them.
const MOST_ROWS_WITHOUT_COLUMNS: usize = 1 << 16;

/// A digest of all that gives the bytes of rows their meaning: `kind` says what they are, `cells`
/// what a cell looks like in memory, where that matters.
pub(super) fn fingerprint(kind: &str, cells: &str) -> [u8; FINGERPRINT] {
    // rule: bytes-of-another-library-are-a-miss
    let library = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    // rule: bytes-of-another-platform-are-a-miss
    let order = if cfg!(target_endian = "big") {
        "big"
    } else {
        "little"
    };
    let width = usize::BITS.to_le_bytes();
    let platform = [std::env::consts::OS, std::env::consts::ARCH, order];
    let texts = [library, kind, cells].into_iter().chain(platform);
    let parts = texts.map(str::as_bytes).chain([&width[..]]);
    codec::fingerprint(parts.chain([&FORMAT.to_le_bytes()[..]]))
}

/// Whether so many cells are so many rows.
pub(super) fn is_table(columns: usize, rows: usize, cells: usize) -> bool {
    match columns {
        0 => cells == 0 && rows <= MOST_ROWS_WITHOUT_COLUMNS,
        _ => columns.checked_mul(rows) == Some(cells),
    }
}
