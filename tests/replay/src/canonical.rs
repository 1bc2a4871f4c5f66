//! The digest of all results.
//!
//! Each result is a line of JSON: a list of its columns for a row, a list of such lists for
//! several rows, a number for a count; without spaces, and with everything that is not printable
//! ASCII escaped. The digest is that of all lines, in the order of the reads.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use sha2::{Digest as _, Sha256};

use crate::models::Post;

/// A result that has a line.
pub(crate) trait Canonical {
    /// What the line holds.
    fn canonical(&self) -> impl Serialize;
}

impl Canonical for i64 {
    fn canonical(&self) -> impl Serialize {
        self
    }
}

impl Canonical for Post {
    fn canonical(&self) -> impl Serialize {
        (
            self.id,
            self.author_id,
            &self.title,
            &self.body,
            self.views,
            self.published,
        )
    }
}

impl Canonical for (i32, String, i32, String) {
    fn canonical(&self) -> impl Serialize {
        self
    }
}

impl<T: Canonical> Canonical for Vec<T> {
    fn canonical(&self) -> impl Serialize {
        self.iter().map(T::canonical).collect::<Vec<_>>()
    }
}

/// The digest of results.
#[derive(Debug)]
pub(crate) struct Digest(Sha256);

impl Digest {
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(crate) fn add(&mut self, result: &impl Canonical) {
        self.0.update(line(result));
    }

    pub(crate) fn hex(self) -> String {
        let digest = self.0.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn line(result: &impl Canonical) -> Vec<u8> {
    let mut line = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut line, Ascii);
    // Numbers, texts and lists of them can be written, and a vector takes all.
    let written = result.canonical().serialize(&mut serializer);
    debug_assert!(written.is_ok());
    line.push(b'\n');
    line
}

/// JSON in printable ASCII.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut units = [0; 2];
        for char in fragment.chars() {
            if (' '..='~').contains(&char) {
                writer.write_all(&[char as u8])?;
                continue;
            }
            for unit in char.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_printable_ascii() {
        let row = (1, "a\"\\\n\u{1}\u{7f}é😀".to_owned(), 2, String::new());
        let expected = concat!(
            r#"[[1,"a\"\\\n\u0001\u007f\u00e9\ud83d\ude00",2,""]]"#,
            "\n"
        );
        assert_eq!(line(&vec![row]), expected.as_bytes());
    }

    #[test]
    fn the_digest_is_of_all_lines() {
        let mut digest = Digest::new();
        digest.add(&5_i64);
        digest.add(&Vec::<Post>::new());
        // printf '5\n[]\n' | sha256sum
        assert_eq!(
            digest.hex(),
            "f079679351bc8bf8ffeae3b7c926195ff3451767895d875fcb2df3d398b87cd5"
        );
    }
}
