//! Compression of payloads.

/// The payload compressed, if it is longer than `above` and that saves an eighth of it.
pub(super) fn compress(plain: &[u8], above: usize) -> Option<Vec<u8>> {
    if plain.len() <= above {
        return None;
    }
    let packed = lz4_flex::block::compress(plain);
    (packed.len() <= plain.len() - plain.len() / 8).then_some(packed)
}

/// The payload, if it has exactly that length. The caller has bounded the length.
pub(super) fn decompress(packed: &[u8], plain: usize) -> Option<Vec<u8>> {
    // Eight bytes more than needed would do for the copies; what does not fit is an error.
    let mut out = vec![0; plain];
    let written = lz4_flex::block::decompress_into(packed, &mut out).ok()?;
    (written == plain).then_some(out)
}
