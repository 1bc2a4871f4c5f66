//! A single pass over the bytes of a text that knows where quotes and comments are.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;

use crate::dialect::Dialect;

const BINDS: &str = " -- binds: [";

/// The SQL part of a statement as Diesel's instrumentation prints it: `{sql} -- binds: {debug}`.
///
/// Cuts at the first ` -- binds: [` outside of quotes and comments that runs to the
/// end of its text on one line; a comment of the statement itself is left alone.
#[must_use]
pub fn strip_binds(text: &str, dialect: Dialect) -> &str {
    if !text.contains(BINDS) {
        return text;
    }
    let bytes = text.as_bytes();
    let last_line = bytes
        .iter()
        .rposition(|byte| matches!(byte, b'\n' | b'\r'))
        .unwrap_or(0);
    for lexeme in Scanner::new(text, dialect) {
        // rule: binds-end-the-text
        if lexeme.kind == Kind::LineComment
            && lexeme.start >= last_line
            && lexeme.start > 0
            && bytes[lexeme.start - 1..].starts_with(BINDS.as_bytes())
        {
            return text.get(..lexeme.start - 1).unwrap_or(text);
        }
    }
    text
}

/// The binds part of a statement as Diesel's instrumentation prints it: `[1, "a"]`; empty if
/// there is none.
#[must_use]
pub fn shown_binds(text: &str, dialect: Dialect) -> &str {
    let sql = strip_binds(text, dialect);
    text.get(sql.len() + BINDS.len() - 1..).unwrap_or_default()
}

/// `text` with each run of placeholders in an `IN (…)` list or in `VALUES (…), (…)`
/// collapsed to one, and PostgreSQL's `$2`, `$3`, … written as `$1`.
///
/// The key under which an analysis is remembered: as long as a list is long, the
/// number of texts is bounded. The result has the same analysis as `text` and can be
/// parsed in its place; it cannot be run.
#[must_use]
pub fn normalize(text: &str, dialect: Dialect) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    for (found, is_list) in placeholders(text, dialect) {
        let written = match (dialect, is_list) {
            (Dialect::Postgres, true) => "($1)",
            (Dialect::Postgres, false) => "$1",
            (_, true) => "(?)",
            (_, false) => continue,
        };
        if text.get(found.clone()) != Some(written) {
            out.push_str(&text[copied..found.start]);
            out.push_str(written);
            copied = found.end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// For each placeholder of the [normalized](normalize) text, the binds that it stands for, counted
/// from zero; and how many binds there are. Where they cannot be told, a range in which no bind lies.
#[must_use]
pub fn places(text: &str, dialect: Dialect) -> (Vec<Range<usize>>, usize) {
    const UNKNOWN: Range<usize> = usize::MAX..usize::MAX;
    let mut next = 0;
    let mut number = |written: &str| {
        let number = match written[1..].parse::<usize>() {
            Ok(number) => number.checked_sub(1)?,
            // One without a number follows the highest.
            Err(_) => next,
        };
        next = next.max(number.checked_add(1)?);
        Some(number)
    };
    let mut places = Vec::new();
    for (found, _) in placeholders(text, dialect) {
        let mut place: Option<Range<usize>> = None;
        let mut is_known = true;
        let mut depth = 0_usize;
        for lexeme in Scanner::new(&text[found.clone()], dialect) {
            let part = found.start + lexeme.start..found.start + lexeme.end;
            match lexeme.kind {
                Kind::Placeholder => match (number(&text[part]), &mut place) {
                    (Some(number), None) => place = Some(number..number + 1),
                    (Some(number), Some(place)) if place.end == number => place.end += 1,
                    _ => is_known = false,
                },
                // rule: a-default-among-binds-is-no-bind
                Kind::Word => is_known = false,
                Kind::Symbol(b'(') => {
                    depth += 1;
                    // Rows of rows.
                    is_known &= depth < 2;
                }
                Kind::Symbol(b')') => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        places.push(place.filter(|_| is_known).unwrap_or(UNKNOWN));
    }
    (places, next)
}

/// Where placeholders stand, and lists of nothing else, which count as one; and whether it is
/// such a list.
// rule: placeholder-lists-collapse
fn placeholders(text: &str, dialect: Dialect) -> impl Iterator<Item = (Range<usize>, bool)> {
    let mut scanner = Scanner::new(text, dialect);
    let mut list_may_follow = false;
    std::iter::from_fn(move || {
        while let Some(lexeme) = scanner.next() {
            let mut found = None;
            match lexeme.kind {
                Kind::Space | Kind::LineComment | Kind::BlockComment => continue,
                Kind::Placeholder => found = Some((lexeme.start..lexeme.end, false)),
                Kind::Symbol(b'(') if list_may_follow => {
                    if let Some(end) = scanner.placeholder_rows(lexeme.start) {
                        scanner.at = end;
                        found = Some((lexeme.start..end, true));
                    }
                }
                _ => {}
            }
            let word = &text.as_bytes()[lexeme.start..lexeme.end];
            list_may_follow = lexeme.kind == Kind::Word
                && (word.eq_ignore_ascii_case(b"in") || word.eq_ignore_ascii_case(b"values"));
            if found.is_some() {
                return found;
            }
        }
        None
    })
}

/// Whether `text` holds something that the tokenizer sees otherwise than the database:
/// executable comments, control characters, Unicode white space outside of quotes.
pub(super) fn is_opaque(text: &str, dialect: Dialect) -> bool {
    let bytes = text.as_bytes();
    if bytes.contains(&0) {
        return true;
    }
    let mut scanner = Scanner::new(text, dialect);
    let odd = scanner.by_ref().any(|lexeme| {
        let part = &text[lexeme.start..lexeme.end];
        match lexeme.kind {
            Kind::BlockComment => {
                dialect == Dialect::Mysql && (part.starts_with("/*!") || part.starts_with("/*M!"))
            }
            Kind::Symbol(byte) => byte.is_ascii_control(),
            Kind::Word => {
                !part.is_ascii() && part.chars().any(|c| c.is_whitespace() || c.is_control())
            }
            _ => false,
        }
    });
    // rule: what-may-be-read-otherwise-may-do-anything
    odd || scanner.doubtful.get()
}

/// The unquoted words of `text`.
pub(super) fn words(text: &str, dialect: Dialect) -> impl Iterator<Item = &str> {
    Scanner::new(text, dialect)
        .filter(|lexeme| lexeme.kind == Kind::Word)
        .map(|lexeme| &text[lexeme.start..lexeme.end])
}

/// A piece of a text that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A word without quotes.
    Word(&'a str),
    /// A name or a text, with its quotes.
    Quoted(&'a str),
    /// Any other character; a placeholder is a `?`.
    Symbol(u8),
}

/// The pieces of `text`, without white space and comments; `None` if the database may
/// see others.
pub(crate) fn pieces(text: &str, dialect: Dialect) -> Option<Vec<Piece<'_>>> {
    if is_opaque(text, dialect) {
        return None;
    }
    let piece = |lexeme: Lexeme| {
        let part = &text[lexeme.start..lexeme.end];
        match lexeme.kind {
            Kind::Space | Kind::LineComment | Kind::BlockComment => None,
            Kind::Word => Some(Piece::Word(part)),
            Kind::Quoted => Some(Piece::Quoted(part)),
            Kind::Placeholder => Some(Piece::Symbol(b'?')),
            Kind::Symbol(byte) => Some(Piece::Symbol(byte)),
        }
    };
    Some(Scanner::new(text, dialect).filter_map(piece).collect())
}

/// Whether another statement follows a `;` of `text`.
pub(super) fn has_several(text: &str, dialect: Dialect) -> bool {
    let mut ended = false;
    for lexeme in Scanner::new(text, dialect) {
        match lexeme.kind {
            Kind::Symbol(b';') => ended = true,
            Kind::Space | Kind::LineComment | Kind::BlockComment => {}
            _ if ended => return true,
            _ => {}
        }
    }
    false
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    LineComment,
    BlockComment,
    Quoted,
    Word,
    Placeholder,
    Symbol(u8),
}

/// A piece of the text. Begins and ends at the border of a character.
#[derive(Debug, Clone, Copy)]
struct Lexeme {
    kind: Kind,
    start: usize,
    end: usize,
}

#[derive(Debug, Clone)]
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    dialect: Dialect,
    /// Whether the database may see other pieces: a quote or comment does not end, or a text
    /// goes on on another line.
    doubtful: Cell<bool>,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str, dialect: Dialect) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
            dialect,
            doubtful: Cell::new(false),
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The end of the run of bytes from `at` on for which `f` holds.
    fn run(&self, at: usize, f: impl Fn(u8) -> bool) -> usize {
        self.bytes[at..]
            .iter()
            .position(|&byte| !f(byte))
            .map_or(self.bytes.len(), |len| at + len)
    }

    /// The end of a quoted text whose contents begin at `at`.
    fn quoted(&self, mut at: usize, close: u8, backslash: bool) -> usize {
        while at < self.bytes.len() {
            let byte = self.bytes[at];
            if byte == b'\\' && backslash {
                at += 2;
            } else if byte == close {
                if self.byte(at + 1) != close || close == b']' {
                    return at + 1;
                }
                at += 2;
            } else {
                at += 1;
            }
        }
        self.doubtful.set(true);
        self.border(at)
    }

    /// Where the next part of a text begins, if one follows on another line: PostgreSQL
    /// joins them, and reads the next part like the first.
    fn continuation(&self, mut at: usize) -> Option<usize> {
        let mut is_next_line = false;
        loop {
            match *self.bytes.get(at)? {
                b'\'' if is_next_line => return Some(at + 1),
                byte @ (b'\n' | b'\r' | b' ' | b'\t' | b'\x0b' | b'\x0c') => {
                    is_next_line |= matches!(byte, b'\n' | b'\r');
                    at += 1;
                }
                b'-' if self.byte(at + 1) == b'-' => {
                    at = self.run(at, |byte| !matches!(byte, b'\n' | b'\r'));
                }
                _ => return None,
            }
        }
    }

    /// The border of a character at or after `at`.
    fn border(&self, at: usize) -> usize {
        self.run(at.min(self.bytes.len()), |byte| {
            (0x80..0xc0).contains(&byte)
        })
    }

    fn block_comment(&self, mut at: usize) -> usize {
        let mut depth = 1;
        while at < self.bytes.len() {
            if self.bytes[at..].starts_with(b"*/") {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            } else if self.dialect == Dialect::Postgres && self.bytes[at..].starts_with(b"/*") {
                depth += 1;
                at += 2;
            } else {
                at += 1;
            }
        }
        self.doubtful.set(true);
        self.bytes.len()
    }

    /// The end of a dollar quote that begins at `at`, if one does.
    fn dollar_quote(&self, at: usize) -> Option<usize> {
        let tag_end = self.run(at + 1, is_word_byte_but_dollar);
        if self.byte(tag_end) != b'$' || self.byte(at + 1).is_ascii_digit() {
            return None;
        }
        let tag = &self.bytes[at..=tag_end];
        let body = &self.bytes[tag_end + 1..];
        let mut found = 0;
        while let Some(dollar) = body[found..].iter().position(|&byte| byte == b'$') {
            found += dollar;
            if body[found..].starts_with(tag) {
                return Some(tag_end + 1 + found + tag.len());
            }
            found += 1;
        }
        Some(self.bytes.len())
    }

    /// The end of the placeholder at `at`, if one stands there.
    fn placeholder(&self, at: usize) -> Option<usize> {
        let digits = self.run((at + 1).min(self.bytes.len()), |byte| byte.is_ascii_digit());
        match (self.byte(at), self.dialect) {
            (b'$', Dialect::Postgres) if digits > at + 1 => Some(digits),
            (b'?', Dialect::Mysql) => Some(at + 1),
            (b'?', Dialect::Sqlite) => Some(digits),
            _ => None,
        }
    }

    /// The end of `(…)` at `at` if it holds nothing but placeholders and such lists.
    fn placeholder_list(&self, at: usize, depth: usize) -> Option<usize> {
        let mut at = self.space(at + 1);
        loop {
            let end = self
                .placeholder(at)
                .or_else(|| self.default(at))
                .or_else(|| {
                    (self.byte(at) == b'(' && depth < 2)
                        .then(|| self.placeholder_list(at, depth + 1))
                        .flatten()
                })?;
            at = self.space(end);
            match self.byte(at) {
                b',' => at = self.space(at + 1),
                b')' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// The end of one or more placeholder lists, with commas between them.
    fn placeholder_rows(&self, at: usize) -> Option<usize> {
        let mut end = self.placeholder_list(at, 0)?;
        loop {
            let comma = self.space(end);
            let row = self.space((comma + 1).min(self.bytes.len()));
            if self.byte(comma) != b',' || self.byte(row) != b'(' {
                return Some(end);
            }
            match self.placeholder_list(row, 0) {
                Some(next) => end = next,
                None => return Some(end),
            }
        }
    }

    fn default(&self, at: usize) -> Option<usize> {
        let end = self.run(at.min(self.bytes.len()), is_word_byte);
        self.bytes
            .get(at..end)?
            .eq_ignore_ascii_case(b"default")
            .then_some(end)
    }

    fn space(&self, at: usize) -> usize {
        self.run(at.min(self.bytes.len()), |byte| byte.is_ascii_whitespace())
    }

    fn line_comment(&self, at: usize) -> bool {
        match self.byte(at) {
            b'-' if self.byte(at + 1) == b'-' => {
                // MySQL's `--` needs white space: `1--1` is 2 there.
                self.dialect != Dialect::Mysql
                    || self.byte(at + 2).is_ascii_whitespace()
                    || at + 2 >= self.bytes.len()
            }
            b'#' => self.dialect == Dialect::Mysql,
            _ => false,
        }
    }

    fn quote(&self, start: usize) -> Option<usize> {
        let mysql = self.dialect == Dialect::Mysql;
        match self.byte(start) {
            quote @ (b'\'' | b'"') => Some(self.quoted(start + 1, quote, mysql)),
            // On PostgreSQL it may stand in an operator.
            b'`' if self.dialect != Dialect::Postgres => Some(self.quoted(start + 1, b'`', false)),
            b'[' if self.dialect == Dialect::Sqlite => Some(self.quoted(start + 1, b']', false)),
            b'E' | b'e' if self.dialect == Dialect::Postgres && self.byte(start + 1) == b'\'' => {
                // rule: an-escaped-text-goes-on-in-the-next-line
                let mut end = self.quoted(start + 2, b'\'', true);
                while let Some(next) = self.continuation(end) {
                    self.doubtful.set(true);
                    end = self.quoted(next, b'\'', true);
                }
                Some(end)
            }
            b'$' if self.dialect == Dialect::Postgres => self.dollar_quote(start),
            _ => None,
        }
    }
}

impl Iterator for Scanner<'_> {
    type Item = Lexeme;

    fn next(&mut self) -> Option<Lexeme> {
        let start = self.at;
        let &byte = self.bytes.get(start)?;
        let (kind, end) = if is_space(byte) {
            (Kind::Space, self.run(start, is_space))
        } else if self.line_comment(start) {
            let postgres = self.dialect == Dialect::Postgres;
            (
                Kind::LineComment,
                self.run(start, |byte| byte != b'\n' && !(postgres && byte == b'\r')),
            )
        } else if self.bytes[start..].starts_with(b"/*") {
            (Kind::BlockComment, self.block_comment(start + 2))
        } else if let Some(end) = self.quote(start) {
            (Kind::Quoted, end)
        } else if let Some(end) = self.placeholder(start) {
            (Kind::Placeholder, end)
        } else if is_word_byte_but_dollar(byte) || (byte == b'$' && self.dialect == Dialect::Mysql)
        {
            (Kind::Word, self.run(start, is_word_byte))
        } else {
            (Kind::Symbol(byte), start + 1)
        };
        self.at = end;
        Some(Lexeme { kind, start, end })
    }
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn is_word_byte(byte: u8) -> bool {
    is_word_byte_but_dollar(byte) || byte == b'$'
}

fn is_word_byte_but_dollar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
