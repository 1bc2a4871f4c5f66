//! What a file refers to: modules of the crate, its root, Diesel.

use std::collections::BTreeSet;
use std::path::Path;

use super::lex::{Kind, Token, lex};

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `crate::module…`, or the same by way of `super`.
    Module(String),
    /// An item of the crate's root that is no module: a re-export, or `*`.
    Root(String),
    /// The crate `diesel`.
    Diesel,
}

/// A path, and where it is.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) line: usize,
    pub(super) target: Target,
}

/// What one file is and refers to, tests left out.
#[derive(Debug)]
pub(super) struct Source {
    /// The path of its module; empty for `lib.rs`.
    pub(super) module: Vec<String>,
    pub(super) references: Vec<Reference>,
    /// The lines that have code on them.
    pub(super) code_lines: usize,
    /// The paths of the modules that are compiled for tests only.
    pub(super) test_modules: Vec<Vec<String>>,
}

impl Source {
    /// Reads the file at `path`, relative to the folder of the sources.
    pub(super) fn new(path: &Path, text: &str) -> Self {
        let module = module_path(path);
        let mut reader = Reader {
            tokens: lex(text),
            module: &module,
            test_modules: Vec::new(),
        };
        reader.drop_tests();
        let lines: BTreeSet<_> = reader
            .tokens
            .iter()
            .flat_map(|token| token.first_line..=token.last_line)
            .collect();
        Self {
            references: reader.references(),
            code_lines: lines.len(),
            test_modules: reader.test_modules,
            module,
        }
    }

    /// The name that the table knows it by.
    pub(super) fn top(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }
}

fn module_path(path: &Path) -> Vec<String> {
    let mut module: Vec<String> = path
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    let is_root = module == ["lib"] || module == ["main"];
    if is_root || module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    module
}

struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    module: &'a [String],
    test_modules: Vec<Vec<String>>,
}

impl<'a> Reader<'a> {
    fn ident(&self, at: usize) -> Option<&'a str> {
        match self.tokens.get(at)?.kind {
            Kind::Ident(name) => Some(name),
            _ => None,
        }
    }

    fn is(&self, at: usize, char: char) -> bool {
        let token = self.tokens.get(at);
        token.is_some_and(|token| token.kind == Kind::Punct(char))
    }

    fn is_colons(&self, at: usize) -> bool {
        self.is(at, ':') && self.is(at + 1, ':')
    }

    /// Removes the items that are compiled for tests only.
    fn drop_tests(&mut self) {
        let mut kept = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let inner = self.is(at, '#') && self.is(at + 1, '!') && self.is(at + 2, '[');
            let outer = self.is(at, '#') && self.is(at + 1, '[');
            if !inner && !outer {
                kept.push(self.tokens[at]);
                at += 1;
                continue;
            }
            let open = at + 1 + usize::from(inner);
            let end = self.closing(open);
            if !self.is_test_only(open + 1, end) {
                kept.extend(&self.tokens[at..end.min(self.tokens.len())]);
                at = end;
            } else if inner {
                // `#![cfg(test)]`: all of the file.
                kept.clear();
                break;
            } else {
                at = self.item_end(end);
            }
        }
        self.tokens = kept;
    }

    /// Whether the attribute in `from..to` is `cfg(test)` or `cfg(all(test, …))`.
    fn is_test_only(&self, from: usize, to: usize) -> bool {
        let idents: Vec<_> = (from..to).filter_map(|at| self.ident(at)).collect();
        match idents[..] {
            ["cfg", "test"] => true,
            ["cfg", "all", ref rest @ ..] => {
                rest.contains(&"test") && !rest.contains(&"not") && !rest.contains(&"any")
            }
            _ => false,
        }
    }

    /// The place after the bracket that closes the one at `open`.
    fn closing(&self, open: usize) -> usize {
        let mut depth = 0;
        for at in open..self.tokens.len() {
            match self.tokens[at].kind {
                Kind::Punct('(' | '[' | '{') => depth += 1,
                Kind::Punct(')' | ']' | '}') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return at + 1;
            }
        }
        self.tokens.len()
    }

    /// The place after the item, field or variant at `at`; notes a module that
    /// is a file of its own.
    fn item_end(&mut self, mut at: usize) -> usize {
        while self.is(at, '#') && self.is(at + 1, '[') {
            at = self.closing(at + 1);
        }
        if self.ident(at) == Some("pub") {
            at += 1;
            if self.is(at, '(') {
                at = self.closing(at);
            }
        }
        if self.ident(at) == Some("mod")
            && let Some(name) = self.ident(at + 1)
            && self.is(at + 2, ';')
        {
            let mut path = self.module.to_vec();
            path.push(name.to_owned());
            self.test_modules.push(path);
        }
        // A field or a variant ends at its comma; an item has commas in its generics.
        let is_item = self.ident(at).is_some_and(|word| ITEMS.contains(&word));
        while at < self.tokens.len() {
            match self.tokens[at].kind {
                Kind::Punct(';') => return at + 1,
                Kind::Punct(',') if !is_item => return at + 1,
                Kind::Punct('{') => return self.closing(at),
                Kind::Punct('(' | '[') => at = self.closing(at),
                Kind::Punct(')' | ']' | '}') => return at,
                _ => at += 1,
            }
        }
        at
    }

    fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        // The brackets' depth at which each inline module's braces opened.
        let mut inline = Vec::new();
        let mut depth = 0;
        for (at, token) in self.tokens.iter().enumerate() {
            match token.kind {
                Kind::Punct('{') => {
                    depth += 1;
                    if at >= 2 && self.ident(at - 2) == Some("mod") {
                        inline.push(depth);
                    }
                }
                Kind::Punct('}') => {
                    if inline.last() == Some(&depth) {
                        inline.pop();
                    }
                    depth -= 1;
                }
                Kind::Ident("crate") if self.is_colons(at + 1) && !self.is_visibility(at) => {
                    self.children(at + 3, &mut found);
                }
                Kind::Ident("super") if at < 2 || !self.is_colons(at - 2) => {
                    let mut next = at + 1;
                    let mut supers = 1;
                    while self.is_colons(next) && self.ident(next + 2) == Some("super") {
                        supers += 1;
                        next += 3;
                    }
                    let reaches_root = supers == self.module.len() + inline.len();
                    if reaches_root && self.is_colons(next) && !self.is_visibility(at) {
                        self.children(next + 2, &mut found);
                    }
                }
                Kind::Ident("diesel") if self.names_a_crate(at) => found.push(Reference {
                    line: token.first_line,
                    target: Target::Diesel,
                }),
                _ => {}
            }
        }
        found
    }

    /// `pub(in …)` says who may see an item; it uses nothing.
    fn is_visibility(&self, at: usize) -> bool {
        at >= 2 && self.ident(at - 1) == Some("in") && self.is(at - 2, '(')
    }

    fn names_a_crate(&self, at: usize) -> bool {
        let is_use = at >= 1 && matches!(self.ident(at - 1), Some("use" | "crate"));
        self.is_colons(at + 1) || is_use
    }

    /// The children of the crate's root named at `at`: one, or a group of them.
    fn children(&self, at: usize, found: &mut Vec<Reference>) {
        if !self.is(at, '{') {
            found.extend(self.child(at));
            return;
        }
        let end = self.closing(at);
        let mut next = at + 1;
        while next < end {
            found.extend(self.child(next));
            while next < end && !self.is(next, ',') {
                let nested = self.is(next, '{');
                next = if nested { self.closing(next) } else { next + 1 };
            }
            next += 1;
        }
    }

    fn child(&self, at: usize) -> Option<Reference> {
        let token = self.tokens.get(at)?;
        let target = match token.kind {
            Kind::Ident("self") => return None,
            Kind::Ident(name) if name.starts_with(char::is_uppercase) => {
                Target::Root(name.to_owned())
            }
            Kind::Ident(name) => Target::Module(name.to_owned()),
            Kind::Punct('*') => Target::Root("*".to_owned()),
            _ => return None,
        };
        Some(Reference {
            line: token.first_line,
            target,
        })
    }
}

/// The words that items begin with.
const ITEMS: &[&str] = &[
    "async", "const", "enum", "extern", "fn", "impl", "let", "mod", "static", "struct", "trait",
    "type", "union", "unsafe", "use",
];
