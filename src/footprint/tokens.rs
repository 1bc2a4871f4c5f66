//! Walking over the tokens of one statement.

use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::analysis::Name;

/// The word of an unquoted token.
pub(super) fn bare(token: &Token) -> Option<&str> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
        _ => None,
    }
}

/// Whether `token` is the unquoted word `word`, in any case.
pub(super) fn is(token: Option<&TokenWithSpan>, word: &str) -> bool {
    token
        .and_then(|t| bare(&t.token))
        .is_some_and(|text| text.eq_ignore_ascii_case(word))
}

/// Whether `token` is one of the unquoted `words`, in any case.
pub(super) fn is_any(token: Option<&TokenWithSpan>, words: &[&str]) -> bool {
    token
        .and_then(|t| bare(&t.token))
        .is_some_and(|text| words.iter().any(|word| text.eq_ignore_ascii_case(word)))
}

/// Whether `token` is exactly `symbol`.
pub(super) fn is_symbol(token: Option<&TokenWithSpan>, symbol: &Token) -> bool {
    token.is_some_and(|t| t.token == *symbol)
}

/// The name a word stands for, quoted or not.
pub(super) fn name(token: Option<&TokenWithSpan>) -> Option<Name> {
    match &token?.token {
        Token::Word(word) => Some(fold(&word.value)),
        Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => Some(fold(text)),
        _ => None,
    }
}

/// A name in the form of [`Name`].
pub(super) fn fold(text: &str) -> Name {
    text.to_lowercase().into()
}

/// The text of a string literal.
pub(super) fn string(token: &Token) -> Option<&str> {
    match token {
        Token::SingleQuotedString(text)
        | Token::DoubleQuotedString(text)
        | Token::EscapedStringLiteral(text)
        | Token::UnicodeStringLiteral(text)
        | Token::NationalStringLiteral(text) => Some(text),
        Token::DollarQuotedString(text) => Some(&text.value),
        _ => None,
    }
}

/// Where a token begins.
pub(super) type Position = (u64, u64);

/// The position of `location`, unless it is not known.
pub(super) fn position(location: Location) -> Option<Position> {
    (location.line > 0).then_some((location.line, location.column))
}

/// The tokens of `statement`, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [TokenWithSpan],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(statement: &'a [TokenWithSpan]) -> Self {
        Self { rest: statement }
    }

    /// What has not been eaten.
    pub(super) fn rest(&self) -> &'a [TokenWithSpan] {
        self.rest
    }

    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<&'a TokenWithSpan> {
        self.rest.first()
    }

    pub(super) fn next(&mut self) -> Option<&'a TokenWithSpan> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// Eats `word` if it is next.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let found = is(self.peek(), word);
        if found {
            self.next();
        }
        found
    }

    /// Eats one of `words` if it is next.
    pub(super) fn eat_any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.eat(word))
    }

    /// Eats `words`, all of them or none.
    pub(super) fn eat_all(&mut self, words: &[&str]) -> bool {
        let mut ahead = *self;
        let found = words.iter().all(|word| ahead.eat(word));
        if found {
            *self = ahead;
        }
        found
    }

    /// Eats `symbol` if it is next.
    pub(super) fn eat_symbol(&mut self, symbol: &Token) -> bool {
        let found = is_symbol(self.peek(), symbol);
        if found {
            self.next();
        }
        found
    }

    /// Eats a name, quoted or not.
    pub(super) fn name(&mut self) -> Option<Name> {
        let found = name(self.peek())?;
        self.next();
        Some(found)
    }

    /// Eats a name that may be qualified: the qualifier next to it, and the name.
    pub(super) fn qualified_name(&mut self) -> Option<(Option<Name>, Name)> {
        let mut qualifier = None;
        let mut last = self.name()?;
        while self.eat_symbol(&Token::Period) {
            qualifier = Some(last);
            last = self.name()?;
        }
        Some((qualifier, last))
    }
}

/// `tokens` cut at the commas that stand outside of parentheses.
pub(super) fn by_comma(tokens: &[TokenWithSpan]) -> Vec<&[TokenWithSpan]> {
    let mut items = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 => {
                items.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&tokens[start..]);
    items
}
