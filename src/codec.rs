//! How a result is laid out in bytes, for stores outside of the process.

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

/// The length of a fingerprint.
pub(crate) const FINGERPRINT: usize = 16;

/// Bytes that are written, and borrowed when they are read, as one piece.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

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

/// A digest of all that gives bytes their meaning.
pub(crate) fn fingerprint<'a>(of: impl IntoIterator<Item = &'a [u8]>) -> [u8; FINGERPRINT] {
    let mut hasher = blake3::Hasher::new();
    for part in of {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut digest = [0; FINGERPRINT];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..FINGERPRINT]);
    digest
}

/// The fingerprint, and what `content` serializes to.
pub(crate) fn seal<T: Serialize>(fingerprint: [u8; FINGERPRINT], content: &T) -> Option<Vec<u8>> {
    postcard::to_extend(content, fingerprint.to_vec()).ok()
}

/// What was sealed under the same fingerprint.
pub(crate) fn open<'a, T: Deserialize<'a>>(
    fingerprint: [u8; FINGERPRINT],
    bytes: &'a [u8],
) -> Option<T> {
    // rule: bytes-under-another-fingerprint-are-a-miss
    let rest = bytes.strip_prefix(&fingerprint)?;
    let (content, rest) = postcard::take_from_bytes(rest).ok()?;
    rest.is_empty().then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_under_its_fingerprint_alone() {
        let of = |parts: &[&'static str]| fingerprint(parts.iter().map(|part| part.as_bytes()));
        let bytes = seal(of(&["a"]), &("text", Bytes(b"\0\xff"))).expect("it can be sealed");
        let open_by = |mark| open::<(&str, Bytes<'_>)>(mark, &bytes);
        assert!(matches!(
            open_by(of(&["a"])),
            Some(("text", Bytes(b"\0\xff")))
        ));
        assert!(open_by(of(&["b"])).is_none());
        assert_ne!(of(&["a", "b"]), of(&["ab"]));
        assert_ne!(of(&["a", ""]), of(&["a"]));
        for length in 0..bytes.len() {
            assert!(open::<(&str, Bytes<'_>)>(of(&["a"]), &bytes[..length]).is_none());
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(open::<(&str, Bytes<'_>)>(of(&["a"]), &longer).is_none());
    }
}
