//! What visitors write, and what is wrong with it.

use serde::Deserialize;

/// How long a person's name may be, in characters.
pub(crate) const NAME: usize = 60;
/// How long a title may be.
pub(crate) const TITLE: usize = 120;
/// How long a text may be.
pub(crate) const BODY: usize = 10_000;
/// How large a form may be, in bytes: a character has twelve at most as it is sent.
pub(crate) const FORM: usize = 256 << 10;

/// A comment as it was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CommentDraft {
    pub(crate) name: String,
    pub(crate) body: String,
}

/// A post as it was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PostDraft {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) body: String,
}

impl CommentDraft {
    /// Says what keeps it from being written, in sentences.
    pub(crate) fn problems(&mut self) -> Vec<String> {
        let fields = [
            check("your name", &mut self.name, NAME),
            check("the comment", &mut self.body, BODY),
        ];
        fields.into_iter().flatten().collect()
    }
}

impl PostDraft {
    /// Says what keeps it from being written, in sentences.
    pub(crate) fn problems(&mut self) -> Vec<String> {
        let fields = [
            check("your name", &mut self.name, NAME),
            check("the title", &mut self.title, TITLE),
            check("the text", &mut self.body, BODY),
        ];
        fields.into_iter().flatten().collect()
    }
}

/// Trims a text, and says what is wrong with it.
fn check(what: &str, text: &mut String, most: usize) -> Option<String> {
    *text = text.trim().replace("\r\n", "\n");
    let length = text.chars().count();
    if text.is_empty() {
        Some(format!("Please fill in {what}."))
    } else if length > most {
        Some(format!(
            "Please shorten {what}: it has {length} characters, and {most} are allowed."
        ))
    } else if text.contains('\0') {
        // PostgreSQL has no such character.
        Some(format!(
            "There is a character in {what} that cannot be kept."
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_of(text: &str) -> Option<String> {
        check("it", &mut text.to_owned(), 3)
    }

    #[test]
    fn characters_are_counted_not_bytes() {
        assert_eq!(check_of("äöü"), None);
        assert!(check_of("äöüa").is_some_and(|problem| problem.contains("4 characters")));
    }

    #[test]
    fn blanks_alone_are_nothing() {
        assert!(check_of(" \t\r\n ").is_some_and(|problem| problem.contains("fill in")));
    }

    #[test]
    fn a_nul_is_refused() {
        assert!(check_of("a\0b").is_some());
    }
}
