//! The schema, the connections and the runner of the tables of cases.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{Bypass, Cache, Outcome, Report};
use diesel_cache_databases::Store;

use super::engine::{self, Arena, Conn};
use super::schema;

/// A query, read through the cache when there is a report to leave its outcome in,
/// and otherwise uncached. Returns its rows or its error, as text.
pub(super) type Read = fn(&mut Conn, Option<&Report>) -> String;

/// The connections of one case.
pub(super) struct World {
    /// Attached. Reads.
    pub(super) a: Conn,
    /// Attached. Writes.
    pub(super) b: Conn,
    pub(super) cache: Cache,
    // Dropped last: an open transaction would keep the database from being dropped.
    pub(super) arena: Rc<Arena>,
}

impl World {
    /// In a database of its own.
    #[allow(dead_code, reason = "the tables of cases make theirs elsewhere")]
    pub(super) fn new(setup: &str) -> Self {
        Self::within(Rc::new(engine::arena()), setup)
    }

    /// In a database that is empty.
    fn within(arena: Rc<Arena>, setup: &str) -> Self {
        let mut plain = arena.connect();
        for sql in [schema::TABLES, super::dialect::SCHEMA, schema::ROWS, setup] {
            if !sql.is_empty() {
                plain.batch_execute(sql).unwrap();
            }
        }
        let cache = Store::new().cache();
        let (a, b) = (attached(&arena, &cache), attached(&arena, &cache));
        Self { a, b, cache, arena }
    }

    /// One more connection with the cache attached.
    pub(super) fn attached(&self) -> Conn {
        attached(&self.arena, &self.cache)
    }

    /// Runs a text that may hold several statements on the writing connection.
    pub(super) fn batch(&mut self, sql: &str) {
        self.b.batch_execute(sql).unwrap();
    }
}

fn attached(arena: &Arena, cache: &Cache) -> Conn {
    let mut conn = arena.connect();
    engine::attach(cache, &mut conn);
    conn
}

const HIT: Option<Outcome> = Some(Outcome::Hit);

/// What happens between the reads.
#[derive(Clone, Copy)]
pub(super) enum Write {
    /// One statement, on the writing connection.
    Sql(&'static str),
    /// One text of several statements, on the writing connection.
    Batch(&'static str),
    /// Several texts, one after another, on the writing connection.
    Each(&'static [&'static str]),
    /// A statement that must fail, on the writing connection.
    Fails(&'static str),
    Run(fn(&mut World)),
}

impl Write {
    fn run(self, world: &mut World) {
        match self {
            Self::Sql(sql) => {
                diesel::sql_query(sql).execute(&mut world.b).unwrap();
            }
            Self::Batch(sql) => world.batch(sql),
            Self::Each(texts) => texts.iter().for_each(|sql| world.batch(sql)),
            Self::Fails(sql) => {
                world.b.batch_execute(sql).unwrap_err();
            }
            Self::Run(run) => run(world),
        }
    }
}

/// What the read after the write must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Expect {
    /// The write changes the rows: no hit.
    MustMiss,
    /// The write leaves the rows alone: a hit.
    MustHit,
    /// The rows of the database, from wherever.
    Fresh,
    /// The rows of the database, for that reason.
    Bypass(Bypass),
}

/// A cached query, a write, and what the write means for it.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) expect: Expect,
    read: Read,
    write: Write,
    setup: &'static str,
    warm: bool,
    on_writer: bool,
}

fn case(expect: Expect, name: &'static str, read: Read, write: Write) -> Case {
    Case {
        name,
        expect,
        read,
        write,
        setup: "",
        warm: true,
        on_writer: false,
    }
}

pub(super) fn miss(name: &'static str, read: Read, write: Write) -> Case {
    case(Expect::MustMiss, name, read, write)
}

pub(super) fn hit(name: &'static str, read: Read, write: Write) -> Case {
    case(Expect::MustHit, name, read, write)
}

pub(super) fn fresh(name: &'static str, read: Read, write: Write) -> Case {
    case(Expect::Fresh, name, read, write)
}

pub(super) fn bypass(reason: Bypass, name: &'static str, read: Read, write: Write) -> Case {
    case(Expect::Bypass(reason), name, read, write)
}

impl Case {
    /// What an unattached connection does before anything else.
    pub(super) fn setup(mut self, sql: &'static str) -> Self {
        self.setup = sql;
        self
    }

    /// The last read runs on the connection that wrote, and is compared there.
    pub(super) fn on_writer(mut self) -> Self {
        self.on_writer = true;
        self
    }

    /// The query can never be cached: it is not read before the write.
    pub(super) fn cold(mut self) -> Self {
        self.warm = false;
        self
    }

    fn run(&self, arena: Rc<Arena>) -> Result<(), String> {
        let mut world = World::within(arena, self.setup);
        // A query that fails has no outcome.
        let read = |conn: &mut Conn| {
            let report = Report::new();
            let rows = (self.read)(conn, Some(&report));
            (rows, report.outcome())
        };
        let mut before = String::new();
        if self.warm {
            let reader = if self.on_writer {
                &mut world.b
            } else {
                &mut world.a
            };
            let (rows, outcome) = read(reader);
            check(
                outcome
                    == Some(Outcome::Miss {
                        stored: true,
                        joined: false,
                    }),
                || format!("the first read is {outcome:?}, and must be a stored miss: {rows}"),
            )?;
            before = (self.read)(&mut world.arena.connect(), None);
            same("the first read", &rows, &before)?;
            check(!before.starts_with("Err"), || {
                format!("the first read fails: {before}")
            })?;
            let (rows, outcome) = read(reader);
            check(outcome == HIT, || format!("the second read is {outcome:?}"))?;
            same("the second read", &rows, &before)?;
        }

        self.write.run(&mut world);

        let (rows, outcome) = read(if self.on_writer {
            &mut world.b
        } else {
            &mut world.a
        });
        let truth = if self.on_writer {
            (self.read)(&mut world.b, None)
        } else {
            (self.read)(&mut world.arena.connect(), None)
        };
        same(
            &format!("the read after the write ({outcome:?})"),
            &rows,
            &truth,
        )?;
        match self.expect {
            Expect::MustMiss => {
                check(outcome != HIT, || {
                    "a hit after a write that matters".to_owned()
                })?;
                check(truth != before, || {
                    format!("the case is wrong: the write changed nothing: {truth}")
                })?;
            }
            Expect::MustHit => {
                check(truth == before, || {
                    format!("the case is wrong: the write changed {before} to {truth}")
                })?;
                check(outcome == HIT, || format!("{outcome:?} instead of a hit"))?;
            }
            Expect::Fresh => {}
            Expect::Bypass(reason) => {
                check(outcome == Some(Outcome::Bypass(reason)), || {
                    format!("{outcome:?} instead of a bypass ({reason})")
                })?;
            }
        }
        if self.expect == Expect::MustMiss && !self.on_writer && !truth.starts_with("Err") {
            read(&mut world.a);
            let (rows, outcome) = read(&mut world.a);
            same("the read after that", &rows, &truth)?;
            check(outcome == HIT, || {
                format!("the cache is not used again: {outcome:?}")
            })?;
        }
        // Nobody else sees anything else.
        if !self.on_writer {
            let (rows, outcome) = read(&mut world.attached());
            same(
                &format!("the read on a new connection ({outcome:?})"),
                &rows,
                &truth,
            )?;
        }
        Ok(())
    }
}

fn check(holds: bool, complaint: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(complaint()) }
}

fn same(what: &str, rows: &str, truth: &str) -> Result<(), String> {
    check(rows == truth, || {
        format!("WRONG ROWS: {what} returns\n      {rows}\n    and the database\n      {truth}")
    })
}

/// Runs all cases, and fails with the names of those that failed.
pub(super) fn run(cases: &[Case]) {
    let only = std::env::var("DIESEL_CACHE_CASE").unwrap_or_default();
    let mut failed = Vec::new();
    let chosen: Vec<&Case> = cases
        .iter()
        .filter(|case| case.name.contains(&only))
        .collect();
    let mut arena = Rc::new(engine::arena());
    for case in &chosen {
        // Where it takes less time, a database is emptied instead of made anew.
        match super::dialect::EMPTY {
            Some(sql) => arena.connect().batch_execute(sql).unwrap(),
            None => {
                drop(arena);
                arena = Rc::new(engine::arena());
            }
        }
        if !only.is_empty() {
            eprintln!("{}: {}", engine::NAME, case.name);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| case.run(Rc::clone(&arena))))
            .unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                Err(format!("panic: {}", text.unwrap_or_default()))
            });
        if let Err(complaint) = outcome {
            failed.push(format!(
                "  [{:?}] {}:\n    {complaint}",
                case.expect, case.name
            ));
        }
    }
    let hits = cases
        .iter()
        .filter(|case| case.expect == Expect::MustHit)
        .count();
    eprintln!(
        "{}: {} cases, {hits} of them must hit; {} run, {} failed",
        engine::NAME,
        cases.len(),
        chosen.len(),
        failed.len()
    );
    assert!(!chosen.is_empty(), "DIESEL_CACHE_CASE names no case");
    assert!(
        failed.is_empty(),
        "on {}:\n{}",
        engine::NAME,
        failed.join("\n")
    );
}
