//! The machine, driven by texts.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::*;
use crate::catalogue::Catalogue;
use crate::database::TagSpace;
use crate::resolve::{Resolver, Settings};

const ALL: [Dialect; 3] = [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite];

/// What a text returned.
#[derive(Debug, Clone, Copy)]
enum Ends {
    Well,
    /// With an error that the server gave, of that kind.
    Refused(fn() -> DatabaseErrorKind),
    /// Perhaps not at all.
    Unknown,
}

use Ends::{Refused, Unknown, Well};

const UNIQUE: Ends = Refused(|| DatabaseErrorKind::UniqueViolation);
const OTHER: Ends = Refused(|| DatabaseErrorKind::Unknown);
const DEADLOCK: Ends = Refused(|| DatabaseErrorKind::SerializationFailure);

struct Driver {
    machine: Hooks,
    resolver: Resolver,
    dialect: Dialect,
    ran: Arc<Mutex<Vec<usize>>>,
    unknown: u64,
}

impl Driver {
    fn new(dialect: Dialect) -> Self {
        let mut catalogue = Catalogue::default();
        catalogue.relation("t");
        Self {
            machine: Hooks::new(),
            resolver: Resolver::new(
                dialect,
                TagSpace::of(b"test"),
                Arc::new(catalogue),
                Arc::new(Settings::default()),
                Arc::new(BTreeSet::new()),
                Arc::default(),
            ),
            dialect,
            ran: Arc::default(),
            unknown: 0,
        }
    }

    fn end(&mut self, sql: &str, ends: Ends) {
        let resolved = self.resolver.resolve(sql);
        let error = match ends {
            Well | Unknown => None,
            Refused(kind) => Some(Error::DatabaseError(kind(), Box::new(String::new()))),
        };
        let returned = match ends {
            Well => Returned::Done,
            Refused(_) => Returned::Refused,
            Unknown => Returned::Unknown,
        };
        let dialect = Some(self.dialect);
        let due = self
            .machine
            .finish(&resolved, error.as_ref(), returned, dialect);
        self.unknown += due.unknown;
        for hook in due.hooks {
            hook();
        }
    }

    fn hook(&mut self, number: usize) {
        let ran = Arc::clone(&self.ran);
        self.machine.add(Box::new(move || {
            ran.lock().unwrap().push(number);
            0
        }));
    }
}

const WRITE: &str = "UPDATE t SET a = 1";
const HOOK: &str = "hook";

/// Runs the texts; `hook` adds one, named by its place. Says which ran, and how many are
/// lost to doubt.
fn run(dialect: Dialect, script: &[(&str, Ends)]) -> (Vec<usize>, u64) {
    let mut driver = Driver::new(dialect);
    for (number, (text, ends)) in script.iter().enumerate() {
        match *text {
            HOOK => driver.hook(number),
            sql => driver.end(sql, *ends),
        }
    }
    let ran = driver.ran.lock().unwrap().clone();
    (ran, driver.unknown)
}

fn well<const N: usize>(texts: [&'static str; N]) -> [(&'static str, Ends); N] {
    texts.map(|text| (text, Well))
}

#[test]
fn only_the_outermost_commit_runs_hooks() {
    for dialect in ALL {
        let script = well([
            "BEGIN",
            HOOK,
            "SAVEPOINT a",
            HOOK,
            "SAVEPOINT b",
            HOOK,
            "RELEASE SAVEPOINT b",
            "RELEASE SAVEPOINT a",
        ]);
        assert_eq!(run(dialect, &script), (vec![], 0), "{dialect:?}");
        let script: Vec<_> = script
            .into_iter()
            .chain(well(["COMMIT", "COMMIT"]))
            .collect();
        assert_eq!(run(dialect, &script), (vec![1, 3, 5], 0), "{dialect:?}");
    }
}

#[test]
fn hooks_die_with_their_savepoint_and_their_transaction() {
    for dialect in ALL {
        let script = well([
            "BEGIN",
            HOOK,
            "SAVEPOINT a",
            HOOK,
            "SAVEPOINT b",
            HOOK,
            "RELEASE SAVEPOINT b",
            "ROLLBACK TO SAVEPOINT a",
            HOOK,
            "COMMIT",
            "BEGIN",
            HOOK,
            "ROLLBACK",
            "BEGIN",
            "COMMIT",
        ]);
        assert_eq!(run(dialect, &script), (vec![1, 8], 0), "{dialect:?}");
    }
}

#[test]
fn savepoints_of_one_name_are_a_stack() {
    for dialect in ALL {
        let script = well([
            "BEGIN",
            "SAVEPOINT a",
            HOOK,
            "SAVEPOINT a",
            HOOK,
            "ROLLBACK TO SAVEPOINT a",
            "COMMIT",
        ]);
        assert_eq!(run(dialect, &script), (vec![2], 0), "{dialect:?}");
    }
}

#[test]
fn a_refused_commit_is_a_rollback_on_postgres_alone() {
    let script = [
        ("BEGIN", Well),
        (HOOK, Well),
        ("COMMIT", UNIQUE),
        ("BEGIN", Well),
        ("COMMIT", Well),
    ];
    assert_eq!(run(Dialect::Postgres, &script), (vec![], 0));
    assert_eq!(run(Dialect::Mysql, &script), (vec![], 1));
    // SQLite would have refused the second `BEGIN` in an open transaction.
    assert_eq!(run(Dialect::Sqlite, &script), (vec![], 1));
    let again = [
        ("BEGIN", Well),
        (HOOK, Well),
        ("COMMIT", UNIQUE),
        ("COMMIT", Well),
    ];
    assert_eq!(run(Dialect::Sqlite, &again), (vec![1], 0));
    assert_eq!(run(Dialect::Postgres, &again), (vec![], 0));
    assert_eq!(run(Dialect::Mysql, &again), (vec![], 1));
}

#[test]
fn a_commit_of_unknown_outcome_runs_nothing() {
    for dialect in ALL {
        let script = [
            ("BEGIN", Well),
            (HOOK, Well),
            ("COMMIT", Unknown),
            ("BEGIN", Well),
            (HOOK, Well),
            ("COMMIT", Well),
        ];
        assert_eq!(run(dialect, &script), (vec![4], 1), "{dialect:?}");
    }
}

#[test]
fn an_error_that_is_got_over() {
    let script = |ends| {
        [
            ("BEGIN", Well),
            (HOOK, Well),
            (WRITE, ends),
            (HOOK, Well),
            ("COMMIT", Well),
        ]
    };
    for ends in [UNIQUE, OTHER, DEADLOCK] {
        // It was a rollback.
        assert_eq!(run(Dialect::Postgres, &script(ends)), (vec![], 0));
        // There was something to commit.
        assert_eq!(run(Dialect::Sqlite, &script(ends)), (vec![1, 3], 0));
    }
    assert_eq!(run(Dialect::Mysql, &script(UNIQUE)), (vec![1, 3], 0));
    assert_eq!(run(Dialect::Mysql, &script(OTHER)), (vec![], 2));
    assert_eq!(run(Dialect::Mysql, &script(DEADLOCK)), (vec![], 2));
}

#[test]
fn an_error_inside_of_a_savepoint() {
    for ends in [UNIQUE, OTHER, DEADLOCK] {
        for dialect in ALL {
            let script = [
                ("BEGIN", Well),
                (HOOK, Well),
                ("SAVEPOINT a", Well),
                (HOOK, Well),
                (WRITE, ends),
                // It is there, so the transaction has not ended.
                ("ROLLBACK TO SAVEPOINT a", Well),
                (HOOK, Well),
                ("COMMIT", Well),
            ];
            assert_eq!(run(dialect, &script), (vec![1, 6], 0), "{dialect:?}");
        }
    }
}

#[test]
fn a_savepoint_after_an_error_may_have_begun_a_transaction_on_sqlite() {
    let script = |between: &[&'static str]| {
        let mut script = vec![
            ("BEGIN", Well),
            (HOOK, Well),
            (WRITE, OTHER),
            ("SAVEPOINT a", Well),
        ];
        script.push((HOOK, Well));
        script.extend(between.iter().map(|text| (*text, Well)));
        script.push(("COMMIT", Well));
        script
    };
    assert_eq!(run(Dialect::Sqlite, &script(&[])), (vec![4], 1));
    assert_eq!(run(Dialect::Mysql, &script(&[])), (vec![], 2));
    let rolled_back = ["ROLLBACK TO SAVEPOINT a", HOOK];
    assert_eq!(run(Dialect::Sqlite, &script(&rolled_back)), (vec![6], 1));
    // There it proves that the transaction is open.
    assert_eq!(run(Dialect::Mysql, &script(&rolled_back)), (vec![1, 6], 0));
    // Had the savepoint been the outermost, there would be nothing to commit.
    let released = ["RELEASE SAVEPOINT a", HOOK];
    assert_eq!(run(Dialect::Sqlite, &script(&released)), (vec![1, 4, 6], 0));
    assert_eq!(run(Dialect::Mysql, &script(&released)), (vec![1, 4, 6], 0));
    // After which a savepoint may have begun one once more.
    let twice = ["RELEASE SAVEPOINT a", "SAVEPOINT b", HOOK];
    assert_eq!(run(Dialect::Sqlite, &script(&twice)), (vec![7], 2));
}

#[test]
fn two_ends_behind_two_savepoints() {
    let script = [
        ("BEGIN", Well),
        (WRITE, OTHER),
        ("SAVEPOINT a", Well),
        (HOOK, Well),
        (WRITE, OTHER),
        ("SAVEPOINT b", Well),
        ("SAVEPOINT c", Well),
        (HOOK, Well),
        ("COMMIT", Well),
    ];
    assert_eq!(run(Dialect::Sqlite, &script), (vec![7], 1));
}

#[test]
fn rows_of_a_write_are_doubted_on_sqlite_until_they_came() {
    let returning = "INSERT INTO t VALUES (1) RETURNING a";
    let script = well(["BEGIN", HOOK, returning, "SAVEPOINT a", "COMMIT"]);
    assert_eq!(run(Dialect::Sqlite, &script), (vec![], 1));
    for dialect in [Dialect::Postgres, Dialect::Mysql] {
        assert_eq!(run(dialect, &script), (vec![1], 0));
    }
    let mut driver = Driver::new(Dialect::Sqlite);
    driver.end("BEGIN", Well);
    driver.hook(1);
    let before = driver.machine.is_suspected();
    driver.end(returning, Well);
    assert!(driver.machine.is_suspected());
    driver.machine.vouch(before);
    driver.end("SAVEPOINT a", Well);
    driver.end("COMMIT", Well);
    assert_eq!(*driver.ran.lock().unwrap(), [1]);
    // What was in doubt before stays so.
    driver.end("BEGIN", Well);
    driver.end(WRITE, OTHER);
    let before = driver.machine.is_suspected();
    driver.end(returning, Well);
    driver.machine.vouch(before);
    assert!(driver.machine.is_suspected());
}

#[test]
fn a_begin_inside_of_a_transaction() {
    let script = well(["BEGIN", HOOK, "BEGIN", HOOK, "ROLLBACK"]);
    // A warning.
    assert_eq!(run(Dialect::Postgres, &script), (vec![], 0));
    // A commit.
    assert_eq!(run(Dialect::Mysql, &script), (vec![1], 0));
    // Impossible: the first one must have ended.
    assert_eq!(run(Dialect::Sqlite, &script), (vec![], 1));
}

#[test]
fn what_mysql_commits_implicitly_is_committed() {
    let script = well(["BEGIN", HOOK, "CREATE TABLE more (id INTEGER)", "ROLLBACK"]);
    assert_eq!(run(Dialect::Mysql, &script), (vec![1], 0));
    assert_eq!(run(Dialect::Postgres, &script), (vec![], 0));
    let failed = [
        ("BEGIN", Well),
        (HOOK, Well),
        ("CREATE TABLE more (id INTEGER)", OTHER),
        ("COMMIT", Well),
    ];
    assert_eq!(run(Dialect::Mysql, &failed), (vec![], 1));
}

#[test]
fn what_is_not_understood_proves_nothing() {
    let script = well(["BEGIN", HOOK, "CALL anything()", HOOK, "COMMIT"]);
    assert_eq!(run(Dialect::Mysql, &script), (vec![], 2));
    let script = well(["BEGIN", HOOK, "COMMIT AND CHAIN", HOOK, "COMMIT"]);
    for dialect in [Dialect::Postgres, Dialect::Mysql] {
        assert_eq!(run(dialect, &script), (vec![], 2), "{dialect:?}");
    }
    for dialect in ALL {
        let unknown_name = well([
            "BEGIN",
            HOOK,
            "ROLLBACK TO SAVEPOINT nowhere",
            HOOK,
            "COMMIT",
        ]);
        assert_eq!(run(dialect, &unknown_name), (vec![], 2), "{dialect:?}");
    }
}

#[test]
fn a_batch_is_followed_step_by_step_if_it_succeeds() {
    for dialect in ALL {
        let script = well([
            "BEGIN; UPDATE t SET a = 1",
            HOOK,
            "COMMIT; BEGIN",
            HOOK,
            "ROLLBACK",
        ]);
        assert_eq!(run(dialect, &script), (vec![1], 0), "{dialect:?}");
        let failed = [
            ("BEGIN", Well),
            (HOOK, Well),
            ("COMMIT; BEGIN; UPDATE t SET a = 1", OTHER),
            (HOOK, Well),
            ("COMMIT", Well),
            ("BEGIN", Well),
            (HOOK, Well),
            ("COMMIT", Well),
        ];
        assert_eq!(run(dialect, &failed), (vec![6], 2), "{dialect:?}");
    }
}

#[test]
fn a_start_without_a_finish_is_doubted() {
    let script = [
        ("BEGIN", Well),
        (HOOK, Well),
        (WRITE, Unknown),
        ("COMMIT", Well),
    ];
    assert_eq!(run(Dialect::Postgres, &script), (vec![], 1));
    assert_eq!(run(Dialect::Mysql, &script), (vec![], 1));
    assert_eq!(run(Dialect::Sqlite, &script), (vec![1], 0));
}

#[test]
fn a_transaction_that_was_not_seen_to_begin_tells_nobody() {
    for dialect in ALL {
        let mut driver = Driver::new(dialect);
        driver.machine.lose();
        driver.hook(1);
        driver.end("SAVEPOINT a", Well);
        driver.hook(2);
        driver.end("RELEASE SAVEPOINT a", Well);
        driver.end("COMMIT", Well);
        assert_eq!(*driver.ran.lock().unwrap(), [0; 0], "{dialect:?}");
        assert_eq!(driver.unknown, 2, "{dialect:?}");
    }
}

#[test]
fn the_outermost_savepoint_is_a_transaction_on_sqlite() {
    let script = well([
        "SAVEPOINT a",
        HOOK,
        "SAVEPOINT b",
        HOOK,
        "RELEASE b",
        "RELEASE a",
    ]);
    assert_eq!(run(Dialect::Sqlite, &script), (vec![1, 3], 0));
    let mut driver = Driver::new(Dialect::Sqlite);
    driver.machine.lose();
    driver.end("SAVEPOINT a", Well);
    driver.hook(1);
    driver.end("RELEASE a", Well);
    driver.end("SAVEPOINT a", Well);
    driver.hook(2);
    driver.end("RELEASE a", Well);
    assert_eq!((driver.ran.lock().unwrap().len(), driver.unknown), (0, 2));
}
