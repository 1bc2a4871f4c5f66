//! What code that the database keeps may do: the bodies of routines and triggers, rules,
//! defaults, checks, policies.
//!
//! The code is not parsed. Its words are looked at: a word that is a relation's name may
//! be written, one that is a routine's name may be called. That says too much, never too
//! little, as long as the code names what it writes. Where it may run what it does not
//! show (dynamic SQL, another language, a body that may not be seen), it is opaque, and
//! counts as a write to everything.

use std::collections::BTreeSet;

use crate::dialect::Dialect;
use crate::footprint::{self, Name, Piece};

/// The language of a code's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// PostgreSQL's `sql`.
    Sql,
    /// PostgreSQL's `plpgsql`.
    PlPgSql,
    /// An expression of PostgreSQL's: a default, a check, a policy.
    Expression,
    /// MySQL's and MariaDB's routines and triggers.
    Mysql,
    /// SQLite's triggers.
    Sqlite,
}

impl Language {
    fn dialect(self) -> Dialect {
        match self {
            Self::Sql | Self::PlPgSql | Self::Expression => Dialect::Postgres,
            Self::Mysql => Dialect::Mysql,
            Self::Sqlite => Dialect::Sqlite,
        }
    }
}

/// What a piece of code may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Code {
    /// The words that may be names of relations or routines.
    pub(super) words: BTreeSet<Name>,
    /// What it calls, and must be a routine that is known.
    pub(super) calls: BTreeSet<Name>,
    /// Those of them that stand where a relation stands that is written.
    pub(super) written: BTreeSet<Name>,
    /// Whether it may run what it does not show.
    pub(super) opaque: bool,
    /// Whether it may change the session.
    pub(super) sets: bool,
    /// Whether it may make temporary relations.
    pub(super) temporaries: bool,
    /// Whether it may empty tables, and those that refer to them.
    pub(super) truncates: bool,
}

/// A name that is longer is cut by PostgreSQL, in bytes.
const LONGEST_NAME: usize = 63;

/// PostgreSQL's words for changing the schema, and for running a text made at run time.
const OPAQUE_POSTGRES: [&str; 11] = [
    "alter", "create", "discard", "drop", "execute", "grant", "import", "load", "prepare",
    "reassign", "revoke",
];

/// MySQL's.
const OPAQUE_MYSQL: [&str; 10] = [
    "alter",
    "create",
    "drop",
    "execute",
    "grant",
    "install",
    "prepare",
    "rename",
    "revoke",
    "uninstall",
];

/// The beginnings of the names of PostgreSQL's functions that run a text, or read a
/// relation that is named by one.
const RUN_A_TEXT: [&str; 12] = [
    "connectby",
    "crosstab",
    "cursor_to_xml",
    "database_to_xml",
    "dblink",
    "query_to_xml",
    "schema_to_xml",
    "table_to_xml",
    "ts_rewrite",
    "ts_stat",
    "xpath_table",
    "pg_background",
];

/// Words before a parenthesis that are no functions, besides those of any statement.
const STRUCTURE: &str = "add after against begin by call columns conflict cursor do else elseif elsif \
    enum fetch filter for if iterate leave loop match nested next old new over partition path \
    regexp repeat return returns rollup set sets then until use window while with";

/// MySQL's words before relations and routines, and those after them.
const OPENS_TABLES: &[&str] = &[
    "call", "delete", "from", "insert", "into", "join", "replace", "table", "update", "using",
];
const CLOSES_TABLES: &[&str] = &[
    "do", "group", "having", "limit", "on", "order", "select", "set", "then", "value", "values",
    "where",
];

impl Code {
    /// Code that may do anything: dynamic SQL, another language, a hidden body.
    #[must_use]
    pub fn opaque() -> Self {
        Self {
            opaque: true,
            sets: true,
            temporaries: true,
            ..Self::default()
        }
    }

    /// Code that does nothing but call those routines.
    #[must_use]
    pub fn calling<N: AsRef<str>>(routines: impl IntoIterator<Item = N>) -> Self {
        let fold = |name: N| name.as_ref().to_lowercase().into();
        Self {
            words: routines.into_iter().map(fold).collect(),
            ..Self::default()
        }
    }

    /// Code of that text.
    #[must_use]
    pub fn of(text: &str, language: Language) -> Self {
        // rule: what-is-read-otherwise-may-do-anything
        match footprint::pieces(text, language.dialect()) {
            Some(pieces) => Self::of_pieces(&pieces, language),
            None => Self::opaque(),
        }
    }

    pub(super) fn of_pieces(pieces: &[Piece<'_>], language: Language) -> Self {
        let mut code = Self::default();
        let targets = targets(pieces);
        for (at, &is_target) in targets.iter().enumerate() {
            let place = Place {
                pieces,
                at,
                language,
                is_target,
            };
            place.add_to(&mut code);
        }
        // rule: code-may-change-the-session
        code.sets |= match language {
            Language::Sql | Language::PlPgSql => session_of_postgres(pieces),
            Language::Mysql => session_of_mysql(pieces),
            Language::Sqlite | Language::Expression => false,
        };
        if code.opaque {
            code.sets = true;
            // What MySQL's code does at run time is checked by its words.
            code.temporaries |= language != Language::Mysql;
        }
        code
    }

    /// The schemas that MySQL's code names. What stands in one that may not be seen may
    /// have triggers that may not be seen.
    #[must_use]
    pub fn schemas(text: &str) -> BTreeSet<Name> {
        let pieces = footprint::pieces(text, Dialect::Mysql).unwrap_or_default();
        let mut schemas = BTreeSet::new();
        let mut among_tables = false;
        for at in 0..pieces.len() {
            let piece = Some(pieces[at]);
            if is_one_of(piece, OPENS_TABLES) {
                among_tables = true;
            } else if is_one_of(piece, CLOSES_TABLES) || piece == Some(Piece::Symbol(b';')) {
                among_tables = false;
            }
            let is_call = pieces.get(at + 3) == Some(&Piece::Symbol(b'('));
            if pieces.get(at + 1) != Some(&Piece::Symbol(b'.')) || !(among_tables || is_call) {
                continue;
            }
            match pieces[at] {
                Piece::Word(word) => schemas.insert(word.to_lowercase().into()),
                Piece::Quoted(quoted) => schemas.insert(unquote(quoted).to_lowercase().into()),
                Piece::Symbol(_) => false,
            };
        }
        schemas
    }

    /// The same code, where the database keeps it from writing relations itself.
    #[must_use]
    pub fn only_reading(mut self) -> Self {
        self.written.clear();
        self
    }

    /// Whether it may make temporary relations.
    #[must_use]
    pub fn may_make_temporaries(&self) -> bool {
        self.temporaries
    }
}

/// One piece among others.
struct Place<'a> {
    pieces: &'a [Piece<'a>],
    at: usize,
    language: Language,
    /// Whether a name that stands here may be that of a relation that is written.
    is_target: bool,
}

impl<'a> Place<'a> {
    fn before(&self, steps: usize) -> Option<Piece<'a>> {
        let at = self.at.checked_sub(steps)?;
        self.pieces.get(at).copied()
    }

    fn after(&self) -> Option<Piece<'a>> {
        self.pieces.get(self.at + 1).copied()
    }

    /// Whether the word before, other than a schema's name, is one of `words`.
    fn follows(&self, words: &[&str]) -> bool {
        let steps = if self.before(1) == Some(Piece::Symbol(b'.')) {
            3
        } else {
            1
        };
        is_one_of(self.before(steps), words)
    }

    fn add_to(&self, code: &mut Code) {
        match self.pieces[self.at] {
            Piece::Word(word) => {
                let mut words = BTreeSet::new();
                add_words(word, &mut words);
                self.name(words, code);
                self.keyword(&word.to_lowercase(), code);
                self.call(&word.to_lowercase(), code);
            }
            Piece::Quoted(quoted) => self.quoted(quoted, code),
            // rule: user-variables-are-of-the-session
            Piece::Symbol(b'@') if self.language == Language::Mysql => {
                code.sets |= self.after() != Some(Piece::Symbol(b'@'))
                    && self.before(1) != Some(Piece::Symbol(b'@'));
            }
            Piece::Symbol(_) => {}
        }
    }

    fn quoted(&self, quoted: &str, code: &mut Code) {
        let is_name = match quoted.as_bytes().first() {
            Some(b'"' | b'`' | b'[') => true,
            // SQLite takes a text for a name where only a name can stand.
            Some(b'\'') => self.language == Language::Sqlite,
            _ => false,
        };
        if !is_name {
            return;
        }
        // rule: unicode-escapes-hide-names
        // `U&"…"`, where the name is written in numbers.
        let is_escaped = self.before(1) == Some(Piece::Symbol(b'&'))
            && is_one_of(self.before(2), &["u"])
            && is_postgres(self.language);
        if is_escaped {
            code.opaque = true;
        }
        let name = unquote(quoted);
        self.call(&name.to_lowercase(), code);
        if is_postgres(self.language) && runs_a_text(&name.to_lowercase()) {
            code.opaque = true;
        }
        let mut words = BTreeSet::new();
        add_word(&name, &mut words);
        self.name(words, code);
    }

    /// A name stands here, and can be read in so many ways.
    // rule: code-writes-what-stands-after-its-verbs
    fn name(&self, words: BTreeSet<Name>, code: &mut Code) {
        if self.is_target {
            code.written.extend(words.iter().cloned());
        }
        code.words.extend(words);
    }

    fn keyword(&self, word: &str, code: &mut Code) {
        if self.before(1) == Some(Piece::Symbol(b'.')) {
            code.opaque |= is_postgres(self.language) && runs_a_text(word);
            code.sets |= word == "set_config";
            return;
        }
        // rule: dynamic-sql-may-do-anything
        match self.language {
            Language::Sql | Language::PlPgSql => {
                code.truncates |= word == "truncate";
                code.sets |= matches!(word, "set_config" | "reset");
                code.opaque |= OPAQUE_POSTGRES.contains(&word) || runs_a_text(word);
                // A block; not `ON CONFLICT DO UPDATE`.
                code.opaque |= word == "do" && !is_one_of(self.after(), &["nothing", "update"]);
                // `SELECT … INTO` makes a table; in `plpgsql` it sets a variable.
                code.opaque |= self.language == Language::Sql
                    && word == "into"
                    && !self.follows(&["insert", "merge"]);
            }
            Language::Mysql => {
                code.temporaries |= matches!(word, "temporary" | "prepare" | "execute");
                code.opaque |= OPAQUE_MYSQL.contains(&word);
                code.opaque |=
                    matches!(word, "sys" | "mysql") && self.after() == Some(Piece::Symbol(b'.'));
                // rule: what-is-called-must-be-known
                if self.follows(&["call"]) && self.after() != Some(Piece::Symbol(b'.')) {
                    code.calls.insert(word.into());
                }
            }
            Language::Expression => {
                code.sets |= word == "set_config";
                code.opaque |= runs_a_text(word);
            }
            Language::Sqlite => {}
        }
    }

    /// A name before a parenthesis. PostgreSQL shows all of its routines; what its code
    /// names and is not among them is its own.
    fn call(&self, name: &str, code: &mut Code) {
        if is_postgres(self.language) || self.after() != Some(Piece::Symbol(b'(')) {
            return;
        }
        let dialect = self.language.dialect();
        // The columns of an `INSERT`.
        let is_table = self.follows(&[
            "into",
            "insert",
            "replace",
            "ignore",
            "delayed",
            "low_priority",
            "high_priority",
        ]);
        let is_structure = footprint::is_structure(name, dialect)
            || STRUCTURE.split_ascii_whitespace().any(|word| word == name);
        // rule: what-is-called-must-be-known
        if !is_table && !is_structure && !footprint::is_known_function(name, dialect) {
            code.calls.insert(name.into());
        }
    }
}

/// Whether PostgreSQL's function of that name runs a text.
// rule: functions-that-run-a-text-may-do-anything
pub(crate) fn runs_a_text(function: &str) -> bool {
    RUN_A_TEXT.iter().any(|start| function.starts_with(start))
}

fn is_postgres(language: Language) -> bool {
    language.dialect() == Dialect::Postgres
}

pub(super) fn is_one_of(piece: Option<Piece<'_>>, words: &[&str]) -> bool {
    matches!(piece, Some(Piece::Word(word)) if words.iter().any(|w| word.eq_ignore_ascii_case(w)))
}

/// The name between quotes.
fn unquote(quoted: &str) -> String {
    let mut chars = quoted.chars();
    let open = chars.next();
    let close = chars.next_back();
    let inside = chars.as_str();
    match (open, close) {
        (Some('['), _) => inside.to_owned(),
        (Some(quote), Some(_)) => inside.replace(&format!("{quote}{quote}"), &quote.to_string()),
        _ => inside.to_owned(),
    }
}

/// A name as it stands, and as PostgreSQL cuts it.
// rule: long-names-are-cut
fn add_word(name: &str, words: &mut BTreeSet<Name>) {
    words.insert(name.to_lowercase().into());
    if name.len() > LONGEST_NAME {
        let mut end = LONGEST_NAME;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        words.insert(name[..end].to_lowercase().into());
    }
}

/// A run of letters, digits and the like, and what else the database may read in it: a
/// name after a number, names with a `$` between them.
fn add_words(run: &str, words: &mut BTreeSet<Name>) {
    add_word(run, words);
    for part in run.split('$') {
        let name = part.trim_start_matches(|c: char| c.is_ascii_digit());
        add_word(name, words);
        if name.len() < part.len() {
            add_word(name.trim_start_matches(['e', 'E', 'x', 'X']), words);
        }
    }
    words.remove("");
}

/// A verb that writes, and what stands after the relations that it writes.
struct Verb {
    word: &'static str,
    /// The words that end them.
    ends: &'static [&'static str],
    /// Whether a parenthesis does.
    ends_at_parenthesis: bool,
}

const INSERT_ENDS: &[&str] = &[
    "default",
    "overriding",
    "select",
    "set",
    "table",
    "value",
    "values",
    "with",
];

const VERBS: [Verb; 8] = [
    verb("copy", &[], true),
    // MySQL's `DELETE a FROM b JOIN c` may write all of them.
    verb("delete", &["returning", "where"], false),
    verb("insert", INSERT_ENDS, true),
    verb("merge", &["using"], false),
    verb("refresh", &[], false),
    verb("replace", INSERT_ENDS, true),
    verb("truncate", &[], true),
    verb("update", &["set"], false),
];

const fn verb(
    word: &'static str,
    ends: &'static [&'static str],
    ends_at_parenthesis: bool,
) -> Verb {
    Verb {
        word,
        ends,
        ends_at_parenthesis,
    }
}

/// For each piece, whether it stands where a relation can stand that is written: after a
/// verb, and not after what ends its targets.
fn targets(pieces: &[Piece<'_>]) -> Vec<bool> {
    let mut depth = 0_usize;
    // Each verb whose targets may follow, and how deep it stands.
    let mut open: Vec<(&Verb, usize)> = Vec::new();
    let mut targets = Vec::with_capacity(pieces.len());
    for (at, piece) in pieces.iter().enumerate() {
        // What ends the targets may be the name of one.
        let is_target = !open.is_empty();
        let is_schema = pieces.get(at + 1) == Some(&Piece::Symbol(b'.'));
        match *piece {
            Piece::Symbol(b';') => {
                open.clear();
                depth = 0;
            }
            Piece::Symbol(b'(') => {
                // PostgreSQL takes `TRUNCATE ONLY (t)`.
                let is_name = at > 0 && is_one_of(pieces.get(at - 1).copied(), &["only"]);
                open.retain(|(verb, at)| is_name || !verb.ends_at_parenthesis || *at != depth);
                depth += 1;
            }
            Piece::Symbol(b')') => depth = depth.saturating_sub(1),
            Piece::Word(word) => {
                open.retain(|(verb, at)| is_schema || *at != depth || !is_any(word, verb.ends));
                let found = VERBS.iter().find(|verb| is_any(word, &[verb.word]));
                open.extend(found.map(|verb| (verb, depth)));
            }
            _ => {}
        }
        targets.push(is_target || !open.is_empty());
    }
    targets
}

fn is_any(word: &str, words: &[&str]) -> bool {
    words.iter().any(|w| word.eq_ignore_ascii_case(w))
}

/// Whether PostgreSQL's code has a `SET` that is not an update's.
fn session_of_postgres(pieces: &[Piece<'_>]) -> bool {
    sets(pieces).next().is_some()
}

/// Whether MySQL's code sets more than columns and its own variables.
fn session_of_mysql(pieces: &[Piece<'_>]) -> bool {
    let own = declared(pieces);
    sets(pieces).any(|at| {
        let mut depth = 0_usize;
        let mut is_target = true;
        for (at, piece) in pieces.iter().enumerate().skip(at + 1) {
            match piece {
                Piece::Symbol(b';') => break,
                Piece::Symbol(b'(') => depth += 1,
                Piece::Symbol(b')') => depth = depth.saturating_sub(1),
                Piece::Symbol(b',') if depth == 0 => {
                    is_target = true;
                    continue;
                }
                _ => {}
            }
            if is_target {
                is_target = false;
                let is_column = is_one_of(Some(*piece), &["new"])
                    && pieces.get(at + 1) == Some(&Piece::Symbol(b'.'));
                let is_own = match piece {
                    Piece::Word(word) => own.contains(word.to_lowercase().as_str()),
                    Piece::Quoted(quoted) => own.contains(unquote(quoted).to_lowercase().as_str()),
                    Piece::Symbol(_) => false,
                };
                if !is_column && !is_own {
                    return true;
                }
            }
        }
        false
    })
}

/// Where a `SET` stands that does not belong to an `UPDATE`.
fn sets<'a>(pieces: &'a [Piece<'a>]) -> impl Iterator<Item = usize> + 'a {
    let mut in_update = false;
    pieces.iter().enumerate().filter_map(move |(at, piece)| {
        let previous = at.checked_sub(1).and_then(|at| pieces.get(at)).copied();
        if *piece == Piece::Symbol(b';')
            || is_one_of(Some(*piece), &["then", "else", "loop", "begin", "declare"])
        {
            in_update = false;
        } else if is_one_of(Some(*piece), &["update"]) {
            // Not `FOR UPDATE`, `ON DUPLICATE KEY UPDATE`, `NEW.update`.
            in_update =
                !is_one_of(previous, &["for", "key"]) && previous != Some(Piece::Symbol(b'.'));
        } else if is_one_of(Some(*piece), &["set"]) && previous != Some(Piece::Symbol(b'.')) {
            return (!std::mem::take(&mut in_update)).then_some(at);
        }
        None
    })
}

/// The variables that MySQL's code declares.
fn declared(pieces: &[Piece<'_>]) -> BTreeSet<Name> {
    let mut own = BTreeSet::new();
    for at in 0..pieces.len() {
        if !is_one_of(pieces.get(at).copied(), &["declare"]) {
            continue;
        }
        for names in pieces[at + 1..].chunks(2) {
            match names.first() {
                Some(Piece::Word(word)) => own.insert(Name::from(word.to_lowercase())),
                Some(Piece::Quoted(quoted)) => own.insert(unquote(quoted).to_lowercase().into()),
                _ => break,
            };
            if names.get(1) != Some(&Piece::Symbol(b',')) {
                break;
            }
        }
    }
    own
}
