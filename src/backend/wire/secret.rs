//! The key that users give.

use super::SealKey;

/// A key of 32 bytes, for XChaCha20-Poly1305. Its `Debug` does not show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionKey(pub(in crate::backend) SealKey);

impl EncryptionKey {
    /// The key in 64 hexadecimal digits; `None` for any other text.
    ///
    /// ```
    /// use diesel_cache::backend::EncryptionKey;
    ///
    /// assert!(EncryptionKey::from_hex(&"0f".repeat(32)).is_some());
    /// assert!(EncryptionKey::from_hex("a password").is_none());
    /// ```
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        SealKey::from_hex(text).map(Self)
    }
}
