//! Rust's tokens, as far as paths and lines need them.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Ident(&'a str),
    Punct(char),
    /// A string, a character, a number or a lifetime.
    Literal,
}

/// A token and the lines it is on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) first_line: usize,
    pub(super) last_line: usize,
}

/// The tokens of `text`, without white space and comments.
pub(super) fn lex(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer {
        text,
        at: 0,
        line: 1,
    };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let first_line = lexer.line;
        let Some(kind) = lexer.token() else {
            return tokens;
        };
        tokens.push(Token {
            kind,
            first_line,
            last_line: lexer.line,
        });
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += char.len_utf8();
        self.line += usize::from(char == '\n');
        Some(char)
    }

    fn next_if(&mut self, prefix: &str) -> bool {
        let is_there = self.rest().starts_with(prefix);
        if is_there {
            prefix.chars().for_each(|_| {
                self.next();
            });
        }
        is_there
    }

    fn next_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.next();
        }
        &self.text[start..self.at]
    }

    fn skip_blanks(&mut self) {
        loop {
            if self.next_if("//") {
                self.next_while(|char| char != '\n');
            } else if self.next_if("/*") {
                self.skip_block_comment();
            } else if self.next_while(char::is_whitespace).is_empty() {
                return;
            }
        }
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 1;
        while depth > 0 {
            if self.next_if("/*") {
                depth += 1;
            } else if self.next_if("*/") {
                depth -= 1;
            } else if self.next().is_none() {
                return;
            }
        }
    }

    fn token(&mut self) -> Option<Kind<'a>> {
        let char = self.peek()?;
        if char == '"' {
            self.string();
            return Some(Kind::Literal);
        }
        if char == '\'' {
            self.quote();
            return Some(Kind::Literal);
        }
        if char.is_ascii_digit() {
            self.next_while(is_word);
            return Some(Kind::Literal);
        }
        if is_word(char) {
            return Some(self.word());
        }
        self.next();
        Some(Kind::Punct(char))
    }

    /// An identifier, or the prefix of a string or byte and all of it.
    fn word(&mut self) -> Kind<'a> {
        let word = self.next_while(is_word);
        let is_raw = matches!(word, "r" | "br" | "cr");
        match self.peek() {
            Some('"') if is_raw => self.raw_string(),
            Some('"') if matches!(word, "b" | "c") => self.string(),
            Some('\'') if word == "b" => self.quote(),
            Some('#') if is_raw => {
                let after = self.rest().trim_start_matches('#');
                if after.starts_with('"') {
                    self.raw_string();
                } else if word == "r" && after.starts_with(is_word) {
                    // `r#type` is the identifier `type`.
                    self.next();
                    return Kind::Ident(self.next_while(is_word));
                } else {
                    return Kind::Ident(word);
                }
            }
            _ => return Kind::Ident(word),
        }
        Kind::Literal
    }

    fn string(&mut self) {
        self.next();
        loop {
            match self.next() {
                Some('\\') => {
                    self.next();
                }
                Some('"') | None => return,
                Some(_) => {}
            }
        }
    }

    fn raw_string(&mut self) {
        let hashes = self.next_while(|char| char == '#');
        self.next();
        let end = format!("\"{hashes}");
        while !self.next_if(&end) && self.next().is_some() {}
    }

    /// A character or a lifetime.
    fn quote(&mut self) {
        self.next();
        if self.peek() == Some('\\') {
            self.next();
            self.next();
            self.next_while(|char| char != '\'');
            self.next();
        } else if self.rest().chars().nth(1) == Some('\'') {
            self.next();
            self.next();
        } else {
            self.next_while(is_word);
        }
    }
}

fn is_word(char: char) -> bool {
    char == '_' || char.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idents(text: &str) -> Vec<&str> {
        let tokens = lex(text).into_iter();
        tokens
            .filter_map(|token| match token.kind {
                Kind::Ident(name) => Some(name),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn literals_hide_what_is_in_them() {
        assert_eq!(idents(r#"a "b \" c" d"#), ["a", "d"]);
        assert_eq!(idents(r###"a r##"b"# c"## d"###), ["a", "d"]);
        assert_eq!(idents(r#"a b"b" c"c" b'b' br"d" e"#), ["a", "e"]);
        assert_eq!(idents(r"a '\'' b '\u{41}' c 'x' d"), ["a", "b", "c", "d"]);
    }

    #[test]
    fn lifetimes_are_no_characters() {
        assert_eq!(
            idents("fn f<'a>(x: &'a str, y: &'a B)"),
            ["fn", "f", "x", "str", "y", "B"]
        );
    }

    #[test]
    fn raw_identifiers_lose_their_prefix() {
        assert_eq!(idents("r#type r"), ["type", "r"]);
    }

    #[test]
    fn lines_are_counted_across_literals_and_comments() {
        let tokens = lex("/* \n */ \"\n\n\" a");
        assert_eq!((tokens[0].first_line, tokens[0].last_line), (2, 4));
        assert_eq!(tokens[1].first_line, 4);
    }
}
