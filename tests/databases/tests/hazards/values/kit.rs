//! Runs kinds of columns: each a database of its own, with a key of that type, and every way to
//! spell a value, in reads and in writes.
#![allow(dead_code, reason = "not every engine needs all of it")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Integer, Nullable, Text};
use diesel_cache::{Cache, CacheInvalidate, CachedDsl, Outcome, Report};

use super::engine::{self, Conn, Db};
use crate::support::HIT;

diesel::table! { notes (id) { id -> Integer, k -> Text, body -> Text } }

#[derive(Queryable, Identifiable, AsChangeset, CacheInvalidate)]
#[diesel(table_name = notes)]
#[cache(key(k))]
#[allow(dead_code, reason = "its key is what matters")]
struct Note {
    id: i32,
    k: String,
    body: String,
}

/// A value, as a text or a program gives it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spelled {
    /// In the text of the statement.
    Sql(&'static str),
    Small(i32),
    Big(i64),
    Text(&'static str),
    Bool(bool),
    Double(f64),
    Uuid(Uuid),
}

pub(crate) use Spelled::{Big, Small, Sql, Text as Bound};

/// A UUID, which shows itself as one.
#[derive(Clone, Copy)]
pub(crate) struct Uuid(pub(crate) u128);

impl std::fmt::Debug for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex = format!("{:032x}", self.0);
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        f.write_str(&parts.join("-"))
    }
}

/// What a read shows of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Nothing,
    Text,
    Number,
    Bool,
}

/// A kind of key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Before the table.
    pub(crate) before: &'static str,
    /// The column's type.
    pub(crate) column: &'static str,
    /// Whether the column is made of the column `src`.
    pub(crate) made: bool,
    pub(crate) shown: Shown,
    /// What the rows have at first, from id 1 on.
    pub(crate) rows: &'static [&'static str],
    pub(crate) spelled: &'static [Spelled],
    /// Of those, some that are other values, each told from the others.
    pub(crate) apart: &'static [Spelled],
    /// What sessions set; each reads and writes.
    pub(crate) sessions: &'static [&'static str],
    pub(crate) writes: &'static [&'static str],
    pub(crate) reads: &'static [&'static str],
}

impl Kind {
    pub(crate) const PLAIN: Self = Self {
        name: "",
        before: "",
        column: "",
        made: false,
        shown: Shown::Nothing,
        rows: &[],
        spelled: &[],
        apart: &[],
        sessions: &[""],
        writes: &[],
        reads: &[],
    };
}

/// A statement and its binds.
#[derive(Debug, Clone)]
struct Statement {
    sql: String,
    binds: Vec<Spelled>,
}

impl Statement {
    /// `?` stands for a value.
    fn new(sql: &str, values: &[Spelled]) -> Self {
        let mut parts = sql.split('?');
        let mut text = parts.next().unwrap().to_owned();
        let mut binds = Vec::new();
        for (part, value) in parts.zip(values) {
            match value {
                Sql(literal) => text.push_str(literal),
                bound => {
                    binds.push(*bound);
                    match engine::NAME {
                        "postgres" => text.push_str(&format!("${}", binds.len())),
                        _ => text.push('?'),
                    }
                }
            }
            text.push_str(part);
        }
        Self { sql: text, binds }
    }
}

macro_rules! query {
    ($statement:expr) => {{
        let statement: &Statement = $statement;
        let mut query = diesel::sql_query(statement.sql.clone()).into_boxed::<Db>();
        for bind in statement.binds.clone() {
            query = match bind {
                Sql(_) => unreachable!(),
                Small(number) => query.bind::<Integer, _>(number),
                Big(number) => query.bind::<BigInt, _>(number),
                Bound(text) => query.bind::<Text, _>(text),
                Spelled::Bool(flag) => query.bind::<Bool, _>(flag),
                Spelled::Double(number) => query.bind::<Double, _>(number),
                Spelled::Uuid(uuid) => super::values::bind_uuid(query, uuid),
            };
        }
        query
    }};
}

macro_rules! rows {
    ($($row:ident: $of:ty, $rust:ty;)*) => {
        $(#[derive(QueryableByName, Debug, Clone)]
        struct $row {
            #[diesel(sql_type = Integer)]
            id: i32,
            #[diesel(sql_type = Nullable<$of>)]
            k: Option<$rust>,
            #[diesel(sql_type = Text)]
            body: String,
        })*
    };
}

rows! {
    TextRow: Text, String;
    NumberRow: Integer, i32;
    BoolRow: Bool, bool;
}

#[derive(QueryableByName, Debug, Clone)]
struct BareRow {
    #[diesel(sql_type = Integer)]
    id: i32,
    #[diesel(sql_type = Text)]
    body: String,
}

#[derive(QueryableByName, Debug, Clone)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Bare,
    Keyed(Shown),
    Count,
}

#[derive(Debug, Clone)]
struct Read {
    form: Form,
    statement: Statement,
}

/// A result as text; an error is one, too.
type Got = Result<Vec<String>, ()>;

impl Read {
    fn run(&self, conn: &mut Conn, cached: bool) -> (Got, Option<Outcome>) {
        let report = Report::new();
        macro_rules! load {
            ($row:ty) => {{
                let query = query!(&self.statement);
                let rows: QueryResult<Vec<$row>> = match cached {
                    true => query.cached().report(&report).load(conn),
                    false => query.load(conn),
                };
                let rows = rows.map_err(|_| ());
                rows.map(|rows| rows.iter().map(|row| format!("{row:?}")).collect())
            }};
        }
        let got = match self.form {
            Form::Bare | Form::Keyed(Shown::Nothing) => load!(BareRow),
            Form::Keyed(Shown::Text) => load!(TextRow),
            Form::Keyed(Shown::Number) => load!(NumberRow),
            Form::Keyed(Shown::Bool) => load!(BoolRow),
            Form::Count => load!(Count),
        };
        (got, report.outcome())
    }
}

/// How a kind's rows are read by one value.
fn reads_of(kind: &Kind, value: Spelled) -> Vec<Read> {
    let keyed = Form::Keyed(kind.shown);
    let shown = match kind.shown {
        Shown::Nothing => "id, body",
        _ => "id, k, body",
    };
    let other = *kind.spelled.first().unwrap();
    let read = |form, sql: &str| Read {
        form,
        statement: Statement::new(sql, &[value, other]),
    };
    vec![
        read(
            keyed,
            &format!("SELECT {shown} FROM notes WHERE k = ? ORDER BY id"),
        ),
        read(
            Form::Bare,
            "SELECT id, body FROM notes WHERE k = ? ORDER BY id LIMIT 2",
        ),
        read(
            Form::Bare,
            "SELECT id, body FROM notes WHERE k IN (?, ?) ORDER BY id",
        ),
        read(Form::Count, "SELECT count(*) AS n FROM notes WHERE k = ?"),
        read(
            Form::Count,
            "SELECT count(*) AS n FROM notes WHERE k = ? AND body = 'new'",
        ),
    ]
}

/// Of each value the rows and their number, of the first one all there is.
fn reads(kind: &Kind) -> Vec<Read> {
    let mut reads = Vec::new();
    for (at, value) in kind.spelled.iter().enumerate() {
        let forms = reads_of(kind, *value);
        let kept = forms.into_iter().enumerate();
        reads.extend(
            kept.filter(|(form, _)| at == 0 || form % 3 == 0)
                .map(|(_, read)| read),
        );
    }
    let whole = [
        "SELECT id, body FROM notes WHERE id = 1",
        "SELECT id, body FROM notes ORDER BY k, id LIMIT 2",
    ];
    reads.extend(whole.iter().chain(kind.reads).map(|sql| Read {
        form: Form::Bare,
        statement: Statement::new(sql, &[]),
    }));
    reads
}

fn writes(kind: &Kind) -> Vec<Statement> {
    let mut writes = Vec::new();
    let mut add = |sql: &str, values: &[Spelled]| writes.push(Statement::new(sql, values));
    let key = if kind.made { "src" } else { "k" };
    let insert = format!("INSERT INTO notes (id, {key}, body) VALUES");
    for &value in kind.spelled {
        add(&format!("{insert} (9, ?, 'new')"), &[value]);
        add(
            &format!("{insert} (8, ?, 'new'), (9, ?, 'new')"),
            &[kind.spelled[0], value],
        );
        add(
            &format!("UPDATE notes SET {key} = ? WHERE id = 1"),
            &[value],
        );
        add("UPDATE notes SET body = 'new' WHERE k = ?", &[value]);
        add(
            "UPDATE notes SET body = 'new' WHERE k IN (?, ?)",
            &[value, kind.spelled[0]],
        );
        add("DELETE FROM notes WHERE k = ?", &[value]);
        for &from in kind.spelled.iter().take(2) {
            add(
                &format!("UPDATE notes SET {key} = ?, body = 'new' WHERE k = ?"),
                &[value, from],
            );
        }
    }
    for sql in kind.writes {
        add(sql, &[]);
    }
    writes
}

/// A session, and one of the same settings that no cache knows.
struct Session {
    conn: Conn,
    judge: Conn,
}

struct World {
    kind: Kind,
    cache: Cache,
    sessions: Vec<Session>,
    _arena: engine::Arena,
}

impl World {
    fn new(kind: &Kind) -> Self {
        let cache = Cache::from_url("memory://").unwrap();
        cache.register::<Note>();
        let arena = engine::arena();
        let mut plain = arena.connect();
        let source = if kind.made { "src INTEGER, " } else { "" };
        let table = format!(
            "{};CREATE TABLE notes (id INTEGER PRIMARY KEY, {source}k {}, body VARCHAR(9) NOT NULL)",
            kind.before, kind.column
        );
        for sql in table.split(';').filter(|sql| !sql.is_empty()) {
            plain
                .batch_execute(sql)
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        let connect = |setting: &str| {
            let mut conn = arena.connect();
            conn.batch_execute(setting).unwrap();
            conn
        };
        let sessions = kind.sessions.iter().map(|setting| {
            let mut conn = arena.connect();
            cache.attach(&mut conn).unwrap();
            if !setting.is_empty() {
                conn.batch_execute(setting).unwrap();
            }
            let judge = if setting.is_empty() {
                arena.connect()
            } else {
                connect(setting)
            };
            Session { conn, judge }
        });
        let sessions = sessions.collect();
        Self {
            kind: *kind,
            cache,
            sessions,
            _arena: arena,
        }
    }

    /// The rows of the beginning.
    fn reset(&mut self) {
        let key = if self.kind.made { "src" } else { "k" };
        let rows = self.kind.rows.iter().zip(1..);
        let rows: Vec<_> = rows
            .map(|(value, id)| format!("({id}, {value}, 'old')"))
            .collect();
        let judge = &mut self.sessions[0].judge;
        let insert = format!(
            "INSERT INTO notes (id, {key}, body) VALUES {}",
            rows.join(", ")
        );
        for sql in ["BEGIN", "DELETE FROM notes", &insert, "COMMIT"] {
            judge
                .batch_execute(sql)
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        self.cache.invalidate_table("notes");
    }

    /// How many rows were written.
    fn write(&mut self, by: usize, write: &Statement) -> usize {
        // What the database refuses has written nothing.
        query!(write)
            .execute(&mut self.sessions[by].conn)
            .unwrap_or(0)
    }

    /// Fills the cache.
    fn warm(&mut self, reads: &[Read]) {
        for session in &mut self.sessions {
            for read in reads {
                let _ = read.run(&mut session.conn, true);
            }
        }
    }

    /// Reads as each session, and compares with the truth.
    fn check(&mut self, reads: &[Read], after: &str, stale: &mut Vec<String>) -> usize {
        let mut hits = 0;
        for (by, session) in self.sessions.iter_mut().enumerate() {
            for read in reads {
                let (got, outcome) = read.run(&mut session.conn, true);
                let (truth, _) = read.run(&mut session.judge, false);
                hits += usize::from(outcome == Some(HIT));
                if got != truth {
                    let (name, read) = (self.kind.name, &read.statement);
                    stale.push(format!(
                        "{name}: {after}\n  then {by}: {read:?}\n  got {got:?} for {truth:?}"
                    ));
                }
            }
        }
        hits
    }

    /// No way to write leaves a read stale, whoever reads. What was read after a write is there
    /// for the next one.
    fn never_stale(&mut self, stale: &mut Vec<String>) {
        let reads = reads(&self.kind);
        let mut written = 0;
        for (at, write) in writes(&self.kind).iter().enumerate() {
            if written % 3 == 0 {
                self.reset();
                self.warm(&reads);
                written += 1;
            }
            let by = at % self.sessions.len();
            if self.write(by, write) > 0 {
                written += 1;
                self.check(&reads, &format!("{by}: {write:?}"), stale);
            }
        }
        assert!(written > 10, "writes are refused");
    }

    /// What is claimed to be told apart is.
    fn told_apart(&mut self, missed: &mut Vec<String>) {
        for &value in self.kind.apart {
            for &other in self.kind.apart {
                let delete = Statement::new("DELETE FROM notes WHERE k = ?", &[other]);
                let mut writes = vec![delete];
                // A key that is made of others may be another one after each update.
                if !self.kind.made {
                    let update = "UPDATE notes SET body = 'new' WHERE k = ?";
                    let insert = "INSERT INTO notes (id, k, body) VALUES (9, ?, 'x')";
                    writes.extend([update, insert].map(|sql| Statement::new(sql, &[other])));
                }
                for (write, read) in writes
                    .iter()
                    .zip(std::iter::repeat(reads_of(&self.kind, value)))
                {
                    // Rows that do not show their key are only told by the primary one.
                    let shown = self.kind.shown != Shown::Nothing;
                    for read in read[..1].iter().filter(|_| shown).chain(&read[3..4]) {
                        self.reset();
                        let _ = read.run(&mut self.sessions[0].conn, true);
                        self.write(0, write);
                        let (_, outcome) = read.run(&mut self.sessions[0].conn, true);
                        let is_same = format!("{value:?}") == format!("{other:?}");
                        let survives = outcome == Some(HIT);
                        if survives == is_same && !(is_same && self.unmoved(read)) {
                            missed.push(format!(
                                "{}: {write:?}\n  then {:?} was {outcome:?}",
                                self.kind.name, read.statement
                            ));
                        }
                    }
                }
            }
        }
    }

    /// Whether a write of its own rows changes nothing of what is read.
    fn unmoved(&mut self, read: &Read) -> bool {
        let count = matches!(read.form, Form::Count);
        let (now, _) = read.run(&mut self.sessions[0].judge, false);
        self.reset();
        let (before, _) = read.run(&mut self.sessions[0].judge, false);
        count || now == before
    }
}

/// Checks each kind.
pub(crate) fn kinds(kinds: &[Kind]) {
    let mut failures = Vec::new();
    for kind in kinds {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut world = World::new(kind);
            let mut found = Vec::new();
            world.never_stale(&mut found);
            world.told_apart(&mut found);
            found
        }));
        match result {
            Ok(found) => failures.extend(found),
            Err(_) => failures.push(format!("{}: it panicked", kind.name)),
        }
    }
    let shown: Vec<_> = failures.iter().take(10).cloned().collect();
    assert!(
        failures.is_empty(),
        "{} FAILED\n{}",
        failures.len(),
        shown.join("\n")
    );
}
