//! Random schemas, with triggers, cascades, functions and views. Two attached connections
//! take random steps; each cached read is compared, at that moment, with what the database
//! says to a connection without a cache, or, inside a transaction, to the same one.

use std::collections::VecDeque;
use std::time::Duration;

use diesel::connection::{CacheSize, SimpleConnection};
use diesel::prelude::*;
use diesel_cache::{Bypass, Cache, Outcome, Report};
use diesel_cache_databases::Store;

use super::dynamic::{self, How};
use super::engine::{self, Arena, Conn, NAME};
use crate::chance::{Chance, rounds, seed, steps};
use crate::schema::{Engine, Query, Schema};

/// The least share of hits, of a hundred reads: above what it would be if each trigger and
/// function were taken to write anything. MySQL's calls and its own functions in queries stand
/// in the way more often, and vary. A shared store closes its gate at each change of the schema,
/// for longer on a busy machine.
fn floor() -> usize {
    let alone = if NAME == "mysql" { 20 } else { 37 };
    match Store::new() {
        Store::Memory(_) => alone,
        Store::Redis(_) => alone / 2,
    }
}

/// One attached connection, and what it has begun.
struct Side {
    conn: Conn,
    open: bool,
    savepoints: usize,
}

#[derive(Default)]
struct Tally {
    reads: usize,
    hits: usize,
    skipped: usize,
    writes: usize,
    refused: usize,
    changes: usize,
    commits: usize,
    rollbacks: usize,
    /// The reads and hits where nothing stands in the way for long.
    light: (usize, usize),
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.reads += other.reads;
        self.hits += other.hits;
        self.skipped += other.skipped;
        self.writes += other.writes;
        self.refused += other.refused;
        self.changes += other.changes;
        self.commits += other.commits;
        self.rollbacks += other.rollbacks;
        self.light.0 += other.light.0;
        self.light.1 += other.light.1;
    }
}

struct Run {
    chance: Chance,
    schema: Schema,
    sides: [Side; 2],
    plain: Conn,
    tally: Tally,
    recent: VecDeque<Query>,
    log: Log,
    seed: u64,
}

/// What was done, to be shown when rows differ.
#[derive(Default)]
struct Log {
    made: Vec<String>,
    recent: VecDeque<String>,
}

impl Log {
    fn note(&mut self, which: usize, what: &str, outcome: &str) {
        if self.recent.len() == 40 {
            self.recent.pop_front();
        }
        self.recent
            .push_back(format!("  {which}: {what}  {outcome}"));
    }

    fn made(&mut self, sql: &str) {
        self.made.push(format!("  {sql};"));
    }
}

/// What keeps one connection from waiting for the other, and for triggers that write in turns.
fn impatience() -> &'static str {
    match NAME {
        "postgres" => "SET lock_timeout = '3ms'; SET statement_timeout = '1s'",
        "mysql" => {
            "SET innodb_lock_wait_timeout = 0, lock_wait_timeout = 0, max_statement_time = 1"
        }
        _ => "PRAGMA busy_timeout = 0",
    }
}

fn side(arena: &Arena, cache: &Cache) -> Side {
    let mut conn = arena.connect();
    conn.batch_execute(impatience()).unwrap();
    // A busy machine may take longer than its patience.
    let attached = (0..20).any(|_| cache.attach(&mut conn).is_ok());
    assert!(attached, "the connection cannot be attached");
    Side {
        conn,
        open: false,
        savepoints: 0,
    }
}

/// Whether a statement failed for a reason that says nothing of what it would have returned.
fn is_in_the_way(shown: &str) -> bool {
    [
        "lock",
        "canceling statement",
        "max_statement_time",
        "cached plan must not change",
        "Record has changed",
    ]
    .iter()
    .any(|words| shown.starts_with("Err") && shown.contains(words))
}

/// An error is an error, whatever its words.
fn rows(shown: &str) -> &str {
    if shown.starts_with("Err") {
        "Err"
    } else {
        shown
    }
}

impl Run {
    fn execute(&mut self, which: usize, sql: &str) -> bool {
        let done = self.sides[which].conn.batch_execute(sql);
        self.tally.refused += usize::from(done.is_err());
        let outcome = match &done {
            Ok(()) => String::new(),
            Err(error) => format!("-- refused: {error}"),
        };
        self.log.note(which, sql, &outcome);
        done.is_ok()
    }

    fn read(&mut self, which: usize) {
        let query = if !self.recent.is_empty() && self.chance.percent(75) {
            self.recent[self.chance.below(self.recent.len())].clone()
        } else {
            self.schema.query(&mut self.chance)
        };
        if self.recent.len() == 5 {
            self.recent.pop_front();
        }
        self.recent.push_back(query.clone());
        self.check(which, &query);
    }

    /// Reads everything: what was written and not noticed is seen at once.
    fn sweep(&mut self, which: usize) {
        for query in self.schema.sweep() {
            self.check(which, &query);
        }
    }

    fn check(&mut self, which: usize, query: &Query) {
        let report = Report::new();
        let side = &mut self.sides[which];
        let cached = dynamic::read(&mut side.conn, query, How::Cached(&report));
        let open = side.open;
        let mut truth = if open {
            String::new()
        } else {
            dynamic::read(&mut self.plain, query, How::Plain)
        };
        if open || is_in_the_way(&truth) {
            truth = dynamic::read(&mut self.sides[which].conn, query, How::NoCache);
        }
        let outcome = report.outcome();
        self.log
            .note(which, &format!("{query:?}"), &format!("-- {outcome:?}"));
        self.tally.reads += 1;
        self.tally.hits += usize::from(outcome == Some(Outcome::Hit));
        // What calls what nobody knows may write, and return something else each time.
        let may_write = outcome == Some(Outcome::Bypass(Bypass::UnknownFunction));
        if may_write || is_in_the_way(&cached) || is_in_the_way(&truth) {
            self.tally.skipped += 1;
            return;
        }
        self.compare(which, query, outcome, &cached, &truth);
    }

    fn compare(
        &self,
        which: usize,
        query: &Query,
        outcome: Option<Outcome>,
        cached: &str,
        truth: &str,
    ) {
        assert!(
            rows(cached) == rows(truth),
            "{NAME}, seed {}: after {} reads and {} writes, connection {which} returns for\n  {query:?}\n  {cached}\n\
             by {outcome:?}, and uncached\n  {truth}\nThe schema:\n{}\nThe last steps:\n{}",
            self.seed,
            self.tally.reads,
            self.tally.writes,
            self.log.made.join("\n"),
            Vec::from(self.log.recent.clone()).join("\n")
        );
    }

    fn write(&mut self, which: usize) {
        self.tally.writes += 1;
        let sql = self.schema.write(&mut self.chance);
        // A text that selects is loaded, as its rows must be fetched.
        if self.chance.percent(20) {
            let done = diesel::sql_query(&sql).execute(&mut self.sides[which].conn);
            self.tally.refused += usize::from(done.is_err());
            self.log.note(
                which,
                &sql,
                &done.map_or_else(|e| format!("-- refused: {e}"), |n| format!("-- {n}")),
            );
        } else {
            self.execute(which, &sql);
        }
        // A call may have begun a transaction on MySQL, until a boundary is seen.
        if NAME == "mysql" && !self.sides[which].open && sql.starts_with("CALL") {
            self.execute(which, "BEGIN");
            self.execute(which, "COMMIT");
        }
    }

    fn write_by_builder(&mut self, which: usize) {
        self.tally.writes += 1;
        let (at, id, v) = (
            self.chance.below(crate::schema::BUILT),
            self.chance.between(1, 7),
            self.chance.between(0, 40),
        );
        let kind = self.chance.below(4);
        let done = dynamic::write(&mut self.sides[which].conn, at, kind, id, v);
        self.tally.refused += usize::from(done.is_err());
        self.log.note(
            which,
            &format!("built write {kind} of {at} ({id}, {v})"),
            &format!("-- {done:?}"),
        );
    }

    fn change(&mut self, which: usize) {
        self.tally.changes += 1;
        let Self {
            chance,
            schema,
            sides,
            log,
            ..
        } = self;
        let side = &mut sides[which];
        schema.change(chance, &mut |sql| {
            let done = side.conn.batch_execute(sql);
            log.note(
                which,
                sql,
                &done
                    .as_ref()
                    .map_or_else(|e| format!("-- refused: {e}"), |()| String::new()),
            );
            if done.is_ok() {
                log.made(sql);
            }
            done.is_ok()
        });
        if NAME == "mysql" {
            // It committed what was open.
            self.sides[which].open = false;
            self.sides[which].savepoints = 0;
        }
    }

    fn begin(&mut self, which: usize) {
        let begin = match (NAME, self.chance.below(6)) {
            ("postgres", 0) => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            ("postgres", 1) => "START TRANSACTION",
            ("mysql", 0..=2) => "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN",
            ("sqlite", 0..=2) => "BEGIN IMMEDIATE",
            ("sqlite", 3) => "BEGIN; PRAGMA defer_foreign_keys = ON",
            _ => "BEGIN",
        };
        self.sides[which].open = self.execute(which, begin);
    }

    fn control(&mut self, which: usize) {
        if !self.sides[which].open {
            return self.begin(which);
        }
        let savepoints = self.sides[which].savepoints;
        match self.chance.below(9) {
            0 | 1 if savepoints < 3 => {
                if self.execute(which, &format!("SAVEPOINT s{savepoints}")) {
                    self.sides[which].savepoints += 1;
                }
            }
            2 if savepoints > 0 => {
                if self.execute(which, &format!("RELEASE SAVEPOINT s{}", savepoints - 1)) {
                    self.sides[which].savepoints -= 1;
                }
            }
            3 | 4 if savepoints > 0 => {
                let to = self.chance.below(savepoints);
                if self.execute(which, &format!("ROLLBACK TO SAVEPOINT s{to}")) {
                    self.sides[which].savepoints = to + 1;
                }
            }
            5 if NAME == "postgres" => {
                let sql = [
                    "SET CONSTRAINTS ALL IMMEDIATE",
                    "SET CONSTRAINTS ALL DEFERRED",
                ][self.chance.below(2)];
                self.execute(which, sql);
            }
            6 => self.finish(which, "ROLLBACK"),
            _ => self.finish(which, "COMMIT"),
        }
    }

    fn finish(&mut self, which: usize, how: &str) {
        if self.execute(which, how) {
            if how == "COMMIT" {
                self.tally.commits += 1;
            } else {
                self.tally.rollbacks += 1;
            }
        } else {
            self.execute(which, "ROLLBACK");
        }
        self.sides[which].open = false;
        self.sides[which].savepoints = 0;
    }

    fn step(&mut self) {
        let which = self.chance.below(2);
        let open = self.sides[which].open;
        match self.chance.below(1000) {
            0..=7 => self.change(which),
            8..=19 if open => self.change(which),
            20..=269 => self.write(which),
            270..=329 => self.write_by_builder(which),
            330..=369 => self.control(which),
            370..=599 if open => self.control(which),
            _ => return self.read(which),
        }
        // What is committed is there for the other connection, too.
        let reader = self.chance.below(2);
        let share = if self.sides[reader].open { 15 } else { 60 };
        if self.chance.percent(share) {
            self.sweep(reader);
        }
    }

    /// What became of the last of four reads.
    fn read_in_turns(&mut self, query: &Query) -> Option<Outcome> {
        let report = Report::new();
        for which in [0, 1, 0, 1] {
            let conn = &mut self.sides[which].conn;
            let cached = dynamic::read(conn, query, How::Cached(&report));
            let truth = dynamic::read(&mut self.plain, query, How::Plain);
            self.compare(which, query, report.outcome(), &cached, &truth);
        }
        report.outcome()
    }

    /// Nothing is left that keeps the cache from being used, or makes it wrong.
    fn end(&mut self) {
        for which in 0..2 {
            if self.sides[which].open {
                self.finish(which, "COMMIT");
            }
            // After a refused statement it may take a boundary until the cache is used again.
            assert!(self.execute(which, "BEGIN") && self.execute(which, "COMMIT"));
        }
        let queries: Vec<Query> = (0..crate::schema::BUILT)
            .map(|table| Query::Built(table, 0, "id <= 3".to_owned()))
            .collect();
        for query in queries {
            let mut outcome = self.read_in_turns(&query);
            // A catalogue is read again on suspicion only so often; and the gate of a shared store
            // opens when both caches have noticed what changed the schema last.
            for _ in 0..8 {
                let is_over = matches!(
                    outcome,
                    Some(Outcome::Hit | Outcome::Bypass(Bypass::Uncacheable))
                );
                if is_over {
                    break;
                }
                std::thread::sleep(Duration::from_millis(700));
                outcome = self.read_in_turns(&query);
            }
            // A call may have made temporary tables, as far as anybody knows.
            assert!(
                outcome == Some(Outcome::Hit)
                    || NAME == "mysql" && outcome == Some(Outcome::Bypass(Bypass::Uncacheable)),
                "{NAME}, seed {}: {query:?} at the end: {outcome:?}",
                self.seed
            );
        }
    }
}

fn round(seed: u64, steps: usize) -> Tally {
    let arena = engine::arena();
    let mut plain = arena.connect();
    plain.set_prepared_statement_cache_size(CacheSize::Disabled);
    plain.batch_execute(impatience()).unwrap();
    let mut chance = Chance::new(seed);
    let mut log = Log::default();
    let schema = Schema::make(Engine::named(NAME), &mut chance, &mut |sql| {
        let done = plain.batch_execute(sql);
        if let Err(error) = &done
            && std::env::var_os("CACHE_TEST_SHOW").is_some()
        {
            eprintln!("refused: {sql}: {error}");
        }
        if done.is_ok() {
            log.made(sql);
        }
        done.is_ok()
    });
    let store = Store::new();
    let cache = store.cache();
    let mut run = Run {
        chance,
        schema,
        sides: [side(&arena, &cache), side(&arena, &store.cache())],
        plain,
        tally: Tally::default(),
        recent: VecDeque::new(),
        log,
        seed,
    };
    for _ in 0..steps {
        run.step();
    }
    run.end();
    if std::env::var_os("CACHE_TEST_SHOW").is_some() {
        eprintln!("{NAME} {seed}: {:?}", cache.stats());
    }
    let Run {
        mut tally,
        sides,
        schema,
        ..
    } = run;
    drop(sides);
    if !schema.heavy {
        tally.light = (tally.reads, tally.hits);
    }
    tally
}

#[test]
fn cached_reads_equal_uncached_ones_on_random_schemas() {
    let first = seed();
    eprintln!("{NAME}: CACHE_TEST_SEED={first}");
    let rounds = rounds(12);
    let mut all = Tally::default();
    for number in 0..rounds {
        all.add(&round(first + number, steps(300)));
    }
    eprintln!(
        "{NAME}: {} reads, {} hits, 0 differ, {} not compared; {} writes, {} statements refused, \
         {} changes of the schema, {} commits, {} rollbacks",
        all.reads,
        all.hits,
        all.skipped,
        all.writes,
        all.refused,
        all.changes,
        all.commits,
        all.rollbacks
    );
    // Triggers and functions that were taken to write anything would bring it below a third.
    let (reads, hits) = all.light;
    eprintln!("{NAME}: {hits} hits of {reads} reads of light schemas");
    assert!(
        hits * 100 >= reads * floor() || rounds == 1,
        "{NAME}: {hits} hits of {reads} reads"
    );
    assert!(all.skipped * 10 <= all.reads);
}
