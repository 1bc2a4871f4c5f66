//! What the items are called.

use crate::tag::Tag;

/// The names of one namespace. Each is a digest, or the bytes of a tag, in hexadecimal digits:
/// nothing of the user's stands in it that could end a command and begin another.
// rule: a-name-is-made-of-digits
#[derive(Debug)]
pub(super) struct Names(String);

impl Names {
    pub(super) fn of(namespace: &str) -> Self {
        let digest = blake3::hash(namespace.as_bytes()).to_hex();
        Self(format!("dc:{}:", &digest[..24]))
    }

    fn name(&self, kind: char, id: &[u8]) -> Vec<u8> {
        let digits: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}{kind}{digits}", self.0).into_bytes()
    }

    /// The epoch, the generation, and which databases are open.
    pub(super) fn gate(&self) -> Vec<u8> {
        self.name('g', &[])
    }

    /// What is declared of a database.
    pub(super) fn declared(&self, space: &[u8; 16]) -> Vec<u8> {
        self.name('k', space)
    }

    /// Who has testified.
    pub(super) fn testimonies(&self) -> Vec<u8> {
        self.name('t', &[])
    }

    /// Who holds a quarantine.
    pub(super) fn writers(&self) -> Vec<u8> {
        self.name('w', &[])
    }

    pub(super) fn cell(&self, tag: &Tag) -> Vec<u8> {
        self.name('c', &tag.to_bytes())
    }

    pub(super) fn entry(&self, digest: &[u8]) -> Vec<u8> {
        self.name('e', digest)
    }

    pub(super) fn lease(&self, digest: &[u8]) -> Vec<u8> {
        self.name('l', digest)
    }

    /// The entries that are removed with a tag.
    pub(super) fn removed_with(&self, tag: &Tag) -> Vec<u8> {
        self.name('r', &tag.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_namespace_ends_a_command() {
        for namespace in [
            "",
            "a",
            "a b",
            "a\r\nflush_all\r\n",
            "\0",
            "ä",
            &"x".repeat(999),
        ] {
            let names = Names::of(namespace);
            for name in [
                names.gate(),
                names.cell(&Tag::root()),
                names.entry(&[0xff; 16]),
            ] {
                assert!(name.len() < 250);
                assert!(
                    name.iter()
                        .all(|byte| byte.is_ascii_alphanumeric() || *byte == b':')
                );
            }
        }
        assert_ne!(Names::of("a").gate(), Names::of("b").gate());
    }
}
