//! Names of keys.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::tag::Tag;
use crate::token::ProcessId;

/// What is not encoded. A brace would end the part that a cluster hashes.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// What all keys of a namespace begin with: `dc:{namespace}:`. The braces put them into one slot
/// of a cluster.
// rule: a-namespace-lies-in-one-slot
pub(super) fn root(namespace: &str) -> String {
    // Empty braces would hash the whole key.
    let encoded = if namespace.is_empty() {
        ".".to_owned()
    } else {
        utf8_percent_encode(namespace, ENCODED).to_string()
    };
    format!("dc:{{{encoded}}}:")
}

/// The keys of one incarnation. Tags, ids and digests stand in them as bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) root: &'a str,
    pub(super) incarnation: &'a str,
}

impl Names<'_> {
    /// Epoch, nonce and databases, of whatever incarnation.
    pub(super) fn gate(&self) -> Vec<u8> {
        format!("{}gate", self.root).into_bytes()
    }

    pub(super) fn cell(&self, tag: &Tag) -> Vec<u8> {
        self.name(b'c', &tag.to_bytes())
    }

    pub(super) fn entry(&self, digest: &[u8]) -> Vec<u8> {
        self.name(b'e', digest)
    }

    pub(super) fn lease(&self, digest: &[u8]) -> Vec<u8> {
        self.name(b'l', digest)
    }

    pub(super) fn removed_with(&self, tag: &Tag) -> Vec<u8> {
        self.name(b'r', &tag.to_bytes())
    }

    pub(super) fn writers(&self) -> Vec<u8> {
        self.name(b'w', &[])
    }

    pub(super) fn testimonies(&self) -> Vec<u8> {
        self.name(b't', &[])
    }

    pub(super) fn writers_of(&self, process: ProcessId) -> Vec<u8> {
        self.name(b'm', &process.number().to_be_bytes())
    }

    fn name(&self, kind: u8, id: &[u8]) -> Vec<u8> {
        let length = self.root.len() + self.incarnation.len() + 2 + id.len();
        let mut name = Vec::with_capacity(length);
        name.extend_from_slice(self.root.as_bytes());
        name.extend_from_slice(self.incarnation.as_bytes());
        name.push(b':');
        name.push(kind);
        name.extend_from_slice(id);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_namespace_ends_the_hashed_part() {
        assert_eq!(root(""), "dc:{.}:");
        assert_eq!(root("shop-1"), "dc:{shop-1}:");
        assert_eq!(root("a}b{c"), "dc:{a%7Db%7Bc}:");
        assert_eq!(root("."), "dc:{%2E}:");
        for namespace in ["", "}", "{}", "%", "%7D", ":", "ü\n*?[^]"] {
            let root = root(namespace);
            assert_eq!(root.matches(['{', '}']).count(), 2, "{root}");
            assert!(!root.contains("{}") && !root.contains(['*', '?', '[']));
        }
    }

    #[test]
    fn namespaces_do_not_meet() {
        let names = ["", ".", "%", "%2E", "a", "a:b", "{", "}"].map(root);
        for (at, name) in names.iter().enumerate() {
            assert_eq!(names.iter().position(|other| other == name), Some(at));
        }
    }
}
