//! Two attached connections take random steps; each cached read is compared, at that
//! moment, with the same query uncached on the same connection.

use std::collections::VecDeque;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::{Cache, Outcome, Report};
use diesel_cache_databases::Store;

use super::engine::{self, Arena, Conn, NAME};
use super::reads::{READS, authors, comments, posts};
use crate::chance::{Chance, rounds, seed, steps};

const TABLES: &str = "
    CREATE TABLE authors (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL);
    CREATE TABLE posts (
        id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL, title VARCHAR(99) NOT NULL,
        views INTEGER NOT NULL,
        FOREIGN KEY (author_id) REFERENCES authors (id) ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE comments (
        id INTEGER PRIMARY KEY, post_id INTEGER NOT NULL, score INTEGER,
        FOREIGN KEY (post_id) REFERENCES posts (id) ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE tags (
        id INTEGER PRIMARY KEY, post_id INTEGER, label VARCHAR(99) NOT NULL,
        FOREIGN KEY (post_id) REFERENCES posts (id) ON DELETE SET NULL ON UPDATE CASCADE);
    CREATE VIEW popular AS SELECT p.id, p.title, a.name
        FROM posts p JOIN authors a ON a.id = p.author_id WHERE p.views > 20;
    INSERT INTO authors VALUES (1, 'a1'), (2, 'a2'), (3, 'a3');
    INSERT INTO posts VALUES (1, 1, 'p1', 10), (2, 1, 'p2', 20), (3, 2, 'p3', 30), (4, 3, 'p4', 40);
    INSERT INTO comments VALUES (1, 1, 1), (2, 1, NULL), (3, 4, 3);
    INSERT INTO tags VALUES (1, 1, 't1'), (2, NULL, 't2');
";

/// What keeps one connection from waiting for the other.
fn impatience() -> &'static str {
    match NAME {
        "postgres" => "SET lock_timeout = '20ms'",
        "mysql" => "SET innodb_lock_wait_timeout = 0, lock_wait_timeout = 0",
        _ => "PRAGMA busy_timeout = 0",
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
    refused: usize,
    writes: usize,
    commits: usize,
    rollbacks: usize,
}

struct Run {
    chance: Chance,
    sides: [Side; 2],
    plain: Conn,
    tally: Tally,
    recent: VecDeque<(usize, i32)>,
    /// What was done, to be shown when rows differ.
    log: VecDeque<String>,
    seed: u64,
}

fn side(arena: &Arena, cache: &Cache) -> Side {
    let mut conn = arena.connect();
    conn.batch_execute(impatience()).unwrap();
    engine::attach(cache, &mut conn);
    Side {
        conn,
        open: false,
        savepoints: 0,
    }
}

impl Run {
    fn note(&mut self, which: usize, what: &str, ok: bool) {
        if self.log.len() == 60 {
            self.log.pop_front();
        }
        let refused = if ok { "" } else { "  (refused)" };
        self.log.push_back(format!("  {which}: {what}{refused}"));
    }

    fn read(&mut self, which: usize) {
        let (index, p) = if !self.recent.is_empty() && self.chance.percent(75) {
            self.recent[self.chance.below(self.recent.len())]
        } else {
            (self.chance.below(READS.len()), self.chance.between(1, 4))
        };
        if self.recent.len() == 5 {
            self.recent.pop_front();
        }
        self.recent.push_back((index, p));
        let (name, read) = READS[index];
        let report = Report::new();
        let conn = &mut self.sides[which].conn;
        let cached = read(conn, Some(&report), p);
        let truth = read(conn, None, p);
        let outcome = report.outcome();
        self.tally.reads += 1;
        self.tally.hits += usize::from(outcome == Some(Outcome::Hit));
        self.note(which, &format!("{name}({p}) {outcome:?}"), true);
        self.compare(which, name, p, &cached, &truth);
        if !self.sides[which].open && self.chance.percent(25) {
            let truth = read(&mut self.plain, None, p);
            self.compare(which, name, p, &cached, &truth);
        }
    }

    fn compare(&self, which: usize, name: &str, p: i32, cached: &str, truth: &str) {
        let log: Vec<&str> = self.log.iter().map(String::as_str).collect();
        assert!(
            cached == truth,
            "{NAME}, seed {}: {name}({p}) on connection {which} returns\n  {cached}\nand uncached\n  \
             {truth}\nafter\n{}",
            self.seed,
            log.join("\n")
        );
    }

    fn execute(&mut self, which: usize, sql: &str) -> bool {
        let ok = self.sides[which].conn.batch_execute(sql).is_ok();
        self.tally.refused += usize::from(!ok);
        self.note(which, sql, ok);
        ok
    }

    fn write(&mut self, which: usize) {
        self.tally.writes += 1;
        let (id, other) = (self.chance.between(1, 12), self.chance.between(1, 5));
        let views = self.chance.between(0, 60);
        let diesel = self.chance.percent(30);
        if diesel {
            let choice = self.chance.below(4);
            let conn = &mut self.sides[which].conn;
            let done = match choice {
                0 => diesel::insert_into(posts::table)
                    .values((
                        posts::id.eq(id),
                        posts::author_id.eq(other),
                        posts::title.eq(format!("p{views}")),
                        posts::views.eq(views),
                    ))
                    .execute(conn),
                1 => diesel::update(posts::table.filter(posts::author_id.eq(other)))
                    .set(posts::views.eq(posts::views + 1))
                    .execute(conn),
                2 => diesel::delete(comments::table.filter(comments::post_id.eq(other)))
                    .execute(conn),
                _ => diesel::update(authors::table.find(other))
                    .set(authors::name.eq(format!("a{views}")))
                    .execute(conn),
            };
            self.tally.refused += usize::from(done.is_err());
            self.note(
                which,
                &format!("diesel write {choice} ({id}, {other}, {views})"),
                done.is_ok(),
            );
            return;
        }
        let sql = match self.chance.below(22) {
            0 | 1 => format!("INSERT INTO authors VALUES ({other}, 'n{views}')"),
            2..=4 => format!("INSERT INTO posts VALUES ({id}, {other}, 'n{views}', {views})"),
            5 | 6 => format!(
                "INSERT INTO comments VALUES ({}, {id}, {views})",
                id + views
            ),
            7 => format!("INSERT INTO tags VALUES ({id}, {other}, 't{views}')"),
            8 | 9 => format!("/* a comment */ UPDATE posts SET views = {views} WHERE id = {id}"),
            10 => format!("UPDATE posts SET author_id = {other} WHERE id = {id}"),
            11 => format!(
                "UPDATE authors SET id = {} WHERE id = {other}",
                self.chance.between(1, 6)
            ),
            12 => format!("UPDATE posts SET id = {id} WHERE id = {other}"),
            13 => format!("DELETE FROM authors WHERE id = {other} AND {views} < 20"),
            14 => format!("DELETE FROM posts WHERE id = {id}"),
            15 => format!("UPDATE comments SET score = NULL WHERE post_id = {id}"),
            16 => format!(
                "INSERT INTO tags SELECT id + {views}, id, title FROM posts WHERE views > {views}"
            ),
            17 => format!(
                "UPDATE tags SET label = 'x{views}' WHERE id = {id}; \
                 UPDATE authors SET name = 'y{views}' WHERE id = {other}"
            ),
            // The second statement may fail, with the first committed on some databases.
            18 => format!(
                "UPDATE posts SET views = {views} WHERE id = {other}; INSERT INTO authors VALUES (1, 'z')"
            ),
            19 => match NAME {
                "mysql" => format!(
                    "UPDATE posts p JOIN authors a ON a.id = p.author_id \
                     SET p.views = {views}, a.name = 'm{views}' WHERE a.id = {other}"
                ),
                _ => format!(
                    "WITH x AS (SELECT {views} AS v) \
                     UPDATE posts SET views = (SELECT v FROM x) WHERE id = {id}"
                ),
            },
            20 => match NAME {
                "mysql" => format!(
                    "INSERT INTO authors VALUES ({other}, 'u') ON DUPLICATE KEY UPDATE name = 'u{views}'"
                ),
                _ => format!(
                    "INSERT INTO authors VALUES ({other}, 'u') \
                     ON CONFLICT (id) DO UPDATE SET name = 'u{views}'"
                ),
            },
            _ => match NAME {
                "postgres" => format!(
                    "WITH x AS (DELETE FROM comments WHERE id = {id} RETURNING post_id) \
                     UPDATE posts SET views = {views} WHERE id IN (SELECT post_id FROM x)"
                ),
                _ => format!("REPLACE INTO posts VALUES ({id}, {other}, 'r{views}', {views})"),
            },
        };
        self.execute(which, &sql);
    }

    fn control(&mut self, which: usize) {
        if !self.sides[which].open {
            let begin = match (NAME, self.chance.below(6)) {
                ("postgres", 0) => "BEGIN ISOLATION LEVEL REPEATABLE READ",
                ("postgres", 1) => "START TRANSACTION",
                ("mysql", 0..=2) => "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
                ("sqlite", 0..=2) => "BEGIN IMMEDIATE",
                ("sqlite", 3) => "SAVEPOINT outermost",
                _ => "BEGIN",
            };
            let outermost = begin.starts_with("SAVEPOINT");
            if self.execute(which, begin) && !begin.starts_with("SET") && !outermost {
                self.sides[which].open = true;
            } else if begin.starts_with("SET") {
                self.sides[which].open = self.execute(which, "BEGIN");
            } else if outermost {
                self.write(which);
                if self.chance.percent(40) {
                    self.execute(which, "ROLLBACK TO outermost");
                }
                if !self.execute(which, "RELEASE outermost") {
                    self.execute(which, "ROLLBACK");
                }
            }
            return;
        }
        let savepoints = self.sides[which].savepoints;
        match self.chance.below(8) {
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
            5 => self.finish(which, "ROLLBACK"),
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

    /// A transaction by Diesel's own hand, with savepoints, errors and reads in it.
    fn closure(&mut self, which: usize) {
        let plan: Vec<(i32, i32, bool, bool)> = (0..self.chance.between(1, 4))
            .map(|_| {
                (
                    self.chance.between(1, 5),
                    self.chance.between(0, 60),
                    self.chance.percent(40),
                    self.chance.percent(50),
                )
            })
            .collect();
        let fails = self.chance.percent(35);
        let done = self.sides[which].conn.transaction::<(), Error, _>(|conn| {
            for (id, views, nested, undone) in &plan {
                let update = |conn: &mut Conn| {
                    diesel::update(posts::table.find(id))
                        .set(posts::views.eq(views))
                        .execute(conn)
                };
                if *nested {
                    let inner = conn.transaction::<(), Error, _>(|conn| {
                        update(conn)?;
                        diesel::delete(comments::table.find(id)).execute(conn)?;
                        if *undone {
                            Err(Error::RollbackTransaction)
                        } else {
                            Ok(())
                        }
                    });
                    if !undone {
                        inner?;
                    }
                } else {
                    update(conn)?;
                }
                for (name, read) in &READS[..3] {
                    let report = Report::new();
                    let cached = read(conn, Some(&report), *id);
                    let truth = read(conn, None, *id);
                    assert_eq!(
                        cached, truth,
                        "{NAME}: {name}({id}) in a closure: {report:?}"
                    );
                }
            }
            if fails {
                Err(Error::RollbackTransaction)
            } else {
                Ok(())
            }
        });
        self.tally.reads += plan.len() * 3;
        self.note(
            which,
            &format!("closure {plan:?}, fails: {fails}"),
            done.is_ok(),
        );
    }

    fn ddl(&mut self, which: usize) {
        let least = self.chance.between(0, 40);
        let sql = match self.chance.below(4) {
            0 => format!(
                "DROP VIEW popular; CREATE VIEW popular AS SELECT p.id, p.title, a.name FROM posts p \
                 JOIN authors a ON a.id = p.author_id WHERE p.views > {least}"
            ),
            1 => "DROP VIEW popular; CREATE VIEW popular AS SELECT id, label AS title, label AS name \
                  FROM tags"
                .to_owned(),
            2 => format!("CREATE INDEX i{} ON posts (views)", self.tally.reads),
            _ => format!("ALTER TABLE comments ADD COLUMN c{} INTEGER", self.tally.reads),
        };
        // Both statements or neither, so that there is a view.
        let sql = match NAME {
            "mysql" => sql.replace("DROP VIEW popular; CREATE VIEW", "CREATE OR REPLACE VIEW"),
            _ if self.sides[which].open => return,
            _ => format!("BEGIN; {sql}; COMMIT"),
        };
        let ok = self.execute(which, &sql);
        if NAME == "mysql" {
            // It committed what was open.
            self.sides[which].open = false;
            self.sides[which].savepoints = 0;
        } else if !ok {
            self.execute(which, "ROLLBACK");
        }
    }

    fn step(&mut self) {
        let which = self.chance.below(2);
        match self.chance.below(1000) {
            0..=3 => self.ddl(which),
            4..=30 if !self.sides[which].open => self.closure(which),
            31..=140 => self.write(which),
            141..=170 => self.control(which),
            171..=300 if self.sides[which].open => self.control(which),
            301..=420 if self.sides[which].open => self.write(which),
            _ => self.read(which),
        }
    }
}

fn round(seed: u64, steps: usize) -> Tally {
    let arena = engine::arena();
    let mut plain = arena.connect();
    plain.batch_execute(TABLES).unwrap();
    let store = Store::new();
    let cache = store.cache();
    let mut run = Run {
        chance: Chance::new(seed),
        sides: [side(&arena, &cache), side(&arena, &store.cache())],
        plain,
        tally: Tally::default(),
        recent: VecDeque::new(),
        log: VecDeque::new(),
        seed,
    };
    for _ in 0..steps {
        run.step();
    }
    for which in 0..2 {
        if run.sides[which].open {
            run.finish(which, "COMMIT");
        }
        // After a refused statement it may take a boundary until the cache is used again.
        assert!(run.execute(which, "BEGIN") && run.execute(which, "COMMIT"));
    }
    // Nothing is left that keeps the cache from being used, or makes it wrong. Only what a
    // shared store keeps of a statement in doubt may take until the database is asked next.
    let patience = match store {
        Store::Memory(_) => 0,
        Store::Redis(_) => 100,
    };
    for (name, read) in READS {
        let report = Report::new();
        for time in 0..=patience {
            for which in [0, 1, 0] {
                let cached = read(&mut run.sides[which].conn, Some(&report), 1);
                let truth = read(&mut run.plain, None, 1);
                run.compare(which, name, 1, &cached, &truth);
            }
            if time == patience || report.outcome() == Some(Outcome::Hit) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(
            report.outcome(),
            Some(Outcome::Hit),
            "{NAME}, seed {seed}: {name} at the end"
        );
    }
    let Run { tally, sides, .. } = run;
    drop(sides);
    tally
}

#[test]
fn cached_reads_equal_uncached_ones() {
    let first = seed();
    eprintln!("{NAME}: CACHE_TEST_SEED={first}");
    let rounds = rounds(10);
    let mut all = Tally::default();
    for number in 0..rounds {
        let tally = round(first + number, steps(2000));
        all.reads += tally.reads;
        all.hits += tally.hits;
        all.writes += tally.writes;
        all.refused += tally.refused;
        all.commits += tally.commits;
        all.rollbacks += tally.rollbacks;
    }
    eprintln!(
        "{NAME}: {} reads, {} hits, 0 differ; {} writes, {} statements refused, {} commits, {} rollbacks",
        all.reads, all.hits, all.writes, all.refused, all.commits, all.rollbacks
    );
    assert!(
        all.hits * 5 >= all.reads,
        "{NAME}: {} hits of {} reads",
        all.hits,
        all.reads
    );
    assert!(all.commits > 0 && all.rollbacks > 0 && all.writes > 100);
}
