//! What keeps an entry whole: a checksum, or an authenticated cipher.

use std::fmt;

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, Key, KeyInit, Tag, XChaCha20Poly1305, XNonce};

use super::header::{CHECK, EXPIRY};

/// The key that entries are encrypted with.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SealKey([u8; 32]);

impl SealKey {
    /// The key in 64 hexadecimal digits.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(key))
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

const NONCE: usize = 24;

/// With a key: XChaCha20-Poly1305 under a random nonce, with everything before the payload as
/// associated data. Without: BLAKE3, which finds what was damaged, and no forgery.
pub(super) struct Seal(Option<Keyed>);

struct Keyed {
    cipher: XChaCha20Poly1305,
    /// For the end of an entry's life, which stands outside of the seal.
    expiry: [u8; 32],
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_keyed() { "keyed" } else { "checksum" })
    }
}

impl Seal {
    pub(super) fn new(key: Option<&SealKey>) -> Self {
        Self(key.map(|key| Keyed {
            cipher: XChaCha20Poly1305::new(&Key::from(key.0)),
            expiry: blake3::derive_key("diesel-cache 2026 end of an entry's life", &key.0),
        }))
    }

    pub(super) fn is_keyed(&self) -> bool {
        self.0.is_some()
    }

    /// What it adds to a payload.
    pub(super) fn overhead(&self) -> usize {
        if self.is_keyed() { NONCE } else { 0 }
    }

    /// Appends the payload to what stands before it, and fills in the checksum.
    pub(super) fn close(&self, bytes: &mut Vec<u8>, body: &[u8]) -> Option<()> {
        let check = match &self.0 {
            None => {
                bytes.extend_from_slice(body);
                checksum(bytes)
            }
            Some(keyed) => {
                let nonce: [u8; NONCE] = rand::random();
                let associated = associated(bytes);
                bytes.extend_from_slice(&nonce);
                let at = bytes.len();
                bytes.extend_from_slice(body);
                let nonce = XNonce::from(nonce);
                let buffer = InOutBuf::from(&mut bytes[at..]);
                let tag = keyed
                    .cipher
                    .encrypt_inout_detached(&nonce, &associated, buffer);
                tag.ok()?.into()
            }
        };
        bytes[CHECK].copy_from_slice(&check);
        Some(())
    }

    /// The payload, if all is as it was closed.
    pub(super) fn open(&self, bytes: &[u8], body_at: usize) -> Option<Vec<u8>> {
        let mut check = [0; 16];
        check.copy_from_slice(bytes.get(CHECK)?);
        let Some(keyed) = &self.0 else {
            // rule: a-damaged-entry-is-none
            return (checksum(bytes) == check).then(|| bytes[body_at..].to_vec());
        };
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(bytes.get(body_at..body_at + NONCE)?);
        let mut body = bytes[body_at + NONCE..].to_vec();
        let associated = associated(bytes.get(..body_at)?);
        let buffer = InOutBuf::from(body.as_mut_slice());
        // rule: a-forged-entry-is-none
        keyed
            .cipher
            .decrypt_inout_detached(&XNonce::from(nonce), &associated, buffer, &Tag::from(check))
            .ok()?;
        Some(body)
    }

    /// The check of the end of a life.
    pub(super) fn check(&self, unix: u64, key: &[u8; 32]) -> [u8; 8] {
        let mut hasher = match &self.0 {
            None => blake3::Hasher::new(),
            Some(keyed) => blake3::Hasher::new_keyed(&keyed.expiry),
        };
        hasher.update(&unix.to_be_bytes()).update(key);
        let mut check = [0; 8];
        hasher.finalize_xof().fill(&mut check);
        check
    }
}

/// Everything before the payload that is written once.
fn associated(head: &[u8]) -> Vec<u8> {
    [
        &head[..EXPIRY.start],
        &head[EXPIRY.end..CHECK.start],
        &head[CHECK.end..],
    ]
    .concat()
}

fn checksum(bytes: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&bytes[..EXPIRY.start])
        .update(&bytes[EXPIRY.end..CHECK.start])
        .update(&bytes[CHECK.end..]);
    let mut check = [0; 16];
    hasher.finalize_xof().fill(&mut check);
    check
}
