//! What the tokens of a statement call: functions, variables, clocks.

use std::collections::{BTreeSet, HashSet};

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::analysis::{Access, Control, Name, Refusal, Session, Step};
use super::functions::{self, FunctionClass};
use super::tokens::{Position, bare, fold, is, is_any, is_symbol, name, position, string};
use crate::dialect::Dialect;

/// Where names stand that are known to be relations, aliases or types, not functions.
#[derive(Debug, Default)]
pub(super) struct Declared(HashSet<Position>);

impl Declared {
    pub(super) fn insert(&mut self, at: Option<Position>) {
        self.0.extend(at);
    }

    /// The names of `WITH name (…)` and the like, where there is no syntax tree.
    pub(super) fn with_query_names(statement: &[TokenWithSpan]) -> Self {
        let mut declared = Self::default();
        for (at, token) in statement.iter().enumerate() {
            let previous = at.checked_sub(1).and_then(|at| statement.get(at));
            if is_any(previous, &["RECURSIVE", "INTO"])
                || is(previous, "WITH") && !is(Some(token), "RECURSIVE")
            {
                declared.insert(position(token.span.start));
            }
        }
        declared
    }

    fn contains(&self, token: &TokenWithSpan) -> bool {
        position(token.span.start).is_some_and(|at| self.0.contains(&at))
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) pure: BTreeSet<Name>,
    pub(super) unknown: BTreeSet<Name>,
    pub(super) refusal: Option<Refusal>,
    /// It sets a variable of the session.
    pub(super) changes_session: bool,
    /// It may set the isolation of transactions.
    changes_isolation: bool,
}

impl Calls {
    /// Puts what was found into `access`.
    pub(super) fn add_to(&self, access: &mut Access) {
        access.pure_functions.extend(self.pure.iter().cloned());
        access
            .unknown_functions
            .extend(self.unknown.iter().cloned());
        if let Some(refusal) = self.refusal {
            refuse(&mut access.refusal, refusal);
        }
    }

    /// What the statement does besides reading and writing.
    pub(super) fn extra_steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        // rule: set-config-changes-the-session
        if self.changes_session {
            steps.push(Step::Session(Session::Unrecognised));
        }
        // rule: set-config-may-change-the-isolation
        if self.changes_isolation {
            steps.push(Step::Control(Control::Unrecognised));
        }
        steps
    }

    fn refuse(&mut self, why: Refusal) {
        refuse(&mut self.refusal, why);
    }
}

/// Keeps the reason that no setting can lift: a lock, then a clock, then the session.
pub(super) fn refuse(refusal: &mut Option<Refusal>, why: Refusal) {
    let rank = |why| match why {
        Refusal::Session => 1,
        Refusal::Volatile => 2,
        Refusal::Locking => 3,
    };
    if refusal.is_none_or(|old| rank(old) < rank(why)) {
        *refusal = Some(why);
    }
}

/// Whether `statement` holds a verb that writes. `FOR UPDATE` and `DO UPDATE` do not count.
pub(super) fn writing_word(statement: &[TokenWithSpan]) -> bool {
    statement.iter().enumerate().any(|(at, token)| {
        let previous = at.checked_sub(1).and_then(|at| statement.get(at));
        is_any(Some(token), &["INSERT", "UPDATE", "DELETE", "MERGE"])
            && !is_symbol(statement.get(at + 1), &Token::LParen)
            && !is_symbol(previous, &Token::Period)
            && !is_any(previous, &["FOR", "KEY", "AS", "DO"])
    })
}

/// What `statement` calls. A name before a parenthesis is a function unless it is `declared`.
pub(super) fn scan(statement: &[TokenWithSpan], dialect: Dialect, declared: &Declared) -> Calls {
    let mut calls = Calls::default();
    for at in 0..statement.len() {
        let place = Place {
            statement,
            at,
            dialect,
        };
        match &statement[at].token {
            Token::Word(word) => {
                if word.quote_style.is_none() {
                    place.bare_word(&word.value, &mut calls);
                }
                let is_structure = word.quote_style.is_none() && place.is_structure(&word.value);
                if is_symbol(place.next(), &Token::LParen)
                    && !is_structure
                    && !declared.contains(&statement[at])
                {
                    place.call(&word.value, &mut calls);
                }
                // rule: reg-types-read-the-catalogue
                if dialect == Dialect::Postgres && is_reg_type(&word.value) {
                    calls.refuse(Refusal::Volatile);
                }
            }
            // rule: assigning-a-user-variable
            Token::Assignment if dialect == Dialect::Mysql => {
                calls.refuse(Refusal::Session);
                calls.changes_session = true;
            }
            // A quoted user variable: @`a`.
            Token::AtSign if dialect == Dialect::Mysql => calls.refuse(Refusal::Session),
            // rule: custom-operators-are-volatile
            Token::CustomBinaryOperator(operator) if !functions::is_known_operator(operator) => {
                calls.refuse(Refusal::Volatile);
            }
            Token::Spaceship if dialect == Dialect::Postgres => calls.refuse(Refusal::Volatile),
            // rule: adjacent-literals-may-join
            other
                if dialect == Dialect::Postgres
                    && string(other).is_some()
                    && place.previous().is_some_and(|t| string(&t.token).is_some()) =>
            {
                calls.refuse(Refusal::Volatile);
            }
            // rule: clock-words-in-literals
            other if dialect == Dialect::Postgres && string(other).is_some_and(names_the_clock) => {
                calls.refuse(Refusal::Volatile);
            }
            _ => {}
        }
    }
    calls
}

/// Whether `text` is one that PostgreSQL's date and time types read the clock for.
fn names_the_clock(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| {
            ["now", "today", "tomorrow", "yesterday"]
                .iter()
                .any(|clock| word.eq_ignore_ascii_case(clock))
        })
}

fn is_reg_type(word: &str) -> bool {
    const TYPES: [&str; 11] = [
        "regclass",
        "regproc",
        "regprocedure",
        "regoper",
        "regoperator",
        "regtype",
        "regrole",
        "regnamespace",
        "regconfig",
        "regdictionary",
        "regcollation",
    ];
    TYPES.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// A token and its surroundings.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    statement: &'a [TokenWithSpan],
    at: usize,
    dialect: Dialect,
}

impl<'a> Place<'a> {
    fn previous(&self) -> Option<&'a TokenWithSpan> {
        self.statement.get(self.at.checked_sub(1)?)
    }

    fn next(&self) -> Option<&'a TokenWithSpan> {
        self.statement.get(self.at + 1)
    }

    fn is_qualified(&self) -> bool {
        is_symbol(self.previous(), &Token::Period)
    }

    /// An unquoted word, before a parenthesis or not.
    fn bare_word(&self, word: &str, calls: &mut Calls) {
        // rule: user-variables-are-session-state
        if self.dialect == Dialect::Mysql && word.starts_with('@') {
            calls.refuse(Refusal::Session);
            return;
        }
        if self.is_qualified() {
            return;
        }
        // rule: keyword-functions
        if !is_symbol(self.next(), &Token::LParen)
            && let Some(refusal) = functions::keyword(word, self.dialect)
        {
            calls.refuse(refusal);
        }
        match (&*word.to_ascii_uppercase(), self.dialect) {
            // rule: tablesample-is-volatile
            ("TABLESAMPLE", _) => calls.refuse(Refusal::Volatile),
            // rule: found-rows-needs-the-query
            ("SQL_CALC_FOUND_ROWS", Dialect::Mysql) => calls.refuse(Refusal::Session),
            ("OPERATOR", Dialect::Postgres) if is_symbol(self.next(), &Token::LParen) => {
                calls.refuse(Refusal::Volatile);
            }
            // rule: match-and-regexp-are-functions
            ("MATCH" | "REGEXP", Dialect::Sqlite) => {
                calls.unknown.insert(fold(word));
            }
            // rule: like-and-glob-may-be-shadowed
            ("LIKE" | "GLOB", Dialect::Sqlite) => {
                calls.pure.insert(fold(word));
            }
            _ => {}
        }
    }

    /// Whether the word before a parenthesis belongs to the statement's structure.
    fn is_structure(&self, word: &str) -> bool {
        if self.is_qualified() {
            return false;
        }
        if functions::is_structure(word, self.dialect) {
            return true;
        }
        let after = |words: &[&str]| is_any(self.previous(), words);
        // Words that are not reserved: only where they can mean nothing else.
        match &*word.to_ascii_uppercase() {
            "OVER" | "FILTER" => is_symbol(self.previous(), &Token::RParen) || after(&["NULLS"]),
            "MATERIALIZED" => after(&["AS", "NOT"]),
            "BY" => after(&["GROUP", "ORDER", "PARTITION", "BY"]),
            "SETS" => after(&["GROUPING"]),
            "ROLLUP" => after(&["BY"]),
            "CONFLICT" => after(&["ON"]),
            "ZONE" => after(&["TIME"]),
            "GLOB" | "MATCH" | "REGEXP" => self.dialect == Dialect::Sqlite,
            "AGAINST" => is_symbol(self.previous(), &Token::RParen),
            "OFFSET" => self
                .previous()
                .is_some_and(|t| bare(&t.token).is_none() || is(Some(t), "ALL")),
            "COLUMNS" => self.previous().is_some_and(|t| string(&t.token).is_some()),
            "FIRST" | "NEXT" => after(&["FETCH"]),
            "INSERT" => after(&["THEN"]),
            // `OPERATOR(blog.+)`: a symbol stands last.
            "OPERATOR" => self.arguments().last().is_some_and(|last| {
                !matches!(
                    last.token,
                    Token::Word(_) | Token::Number(..) | Token::RParen | Token::Placeholder(_)
                ) && string(&last.token).is_none()
            }),
            "REPEATABLE" => is_symbol(self.previous(), &Token::RParen),
            _ => after(&["TABLESAMPLE"]),
        }
    }

    /// `word (…`, a function.
    fn call(&self, word: &str, calls: &mut Calls) {
        let function = fold(word);
        // rule: qualified-functions-are-unknown
        let is_foreign = self.is_qualified() && !self.is_in_pg_catalog();
        let class = if is_foreign {
            FunctionClass::Unknown
        } else {
            functions::classify(&function, self.dialect)
        };
        match class {
            // rule: age-of-one-argument-reads-the-clock
            FunctionClass::Pure if &*function == "age" && !self.has_two_arguments() => {
                calls.refuse(Refusal::Volatile);
            }
            // rule: unix-timestamp-without-arguments-reads-the-clock
            FunctionClass::Pure if &*function == "unix_timestamp" && self.has_no_argument() => {
                calls.refuse(Refusal::Volatile);
            }
            FunctionClass::Pure => {
                calls.pure.insert(function);
            }
            // rule: volatile-function
            FunctionClass::Volatile => calls.refuse(Refusal::Volatile),
            // rule: session-function
            FunctionClass::Session => {
                calls.refuse(Refusal::Session);
                if &*function == "set_config" {
                    calls.changes_session = true;
                    calls.changes_isolation |= self.may_set_isolation();
                }
            }
            // rule: unknown-function-may-write
            FunctionClass::Unknown => {
                calls.unknown.insert(function);
            }
        }
    }

    fn is_in_pg_catalog(&self) -> bool {
        let schema = self
            .at
            .checked_sub(2)
            .and_then(|at| name(self.statement.get(at)));
        let is_alone = self
            .at
            .checked_sub(3)
            .is_none_or(|at| self.statement[at].token != Token::Period);
        self.dialect == Dialect::Postgres && is_alone && schema.as_deref() == Some("pg_catalog")
    }

    /// The tokens between the parentheses that follow.
    fn arguments(&self) -> &'a [TokenWithSpan] {
        let inside = self.statement.get(self.at + 2..).unwrap_or_default();
        let mut depth = 0_usize;
        let end = inside.iter().position(|token| {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 0 => return true,
                Token::RParen => depth -= 1,
                _ => {}
            }
            false
        });
        &inside[..end.unwrap_or(inside.len())]
    }

    fn has_two_arguments(&self) -> bool {
        super::tokens::by_comma(self.arguments()).len() > 1
    }

    fn has_no_argument(&self) -> bool {
        self.arguments().is_empty()
    }

    /// Whether `set_config(name, …)` may name an isolation or the quoting of strings.
    fn may_set_isolation(&self) -> bool {
        let Some(variable) = self.arguments().first().and_then(|t| string(&t.token)) else {
            return true;
        };
        let variable = variable.to_lowercase();
        variable.contains("isolation") || variable.contains("standard_conforming_strings")
    }
}
