//! The machine, driven by texts.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::catalogue::Catalogue;
use crate::database::TagSpace;
use crate::resolve::{Resolver, Settings};

const ALL: [Dialect; 3] = [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite];

struct Driver {
    machine: Transaction,
    resolver: Resolver,
}

impl Driver {
    fn new(dialect: Dialect) -> Self {
        let mut catalogue = Catalogue::default();
        for table in ["t", "u"] {
            catalogue.relation(table);
        }
        catalogue.relation("myisam").non_transactional = true;
        let mut machine = Transaction::new(Some(dialect));
        machine.identify(dialect, Isolation::ReadCommitted, [0; 32]);
        Self {
            machine,
            resolver: Resolver::new(
                dialect,
                TagSpace::of(b"test"),
                Arc::new(catalogue),
                Arc::new(Settings::default()),
                Arc::new(BTreeSet::new()),
                Arc::default(),
            ),
        }
    }

    /// Runs a text; says what it quarantined, what became of that, and what else was renewed.
    fn run(&mut self, sql: &str, returned: Returned) -> (Names, Verdict, Names) {
        let resolved = self.resolver.resolve(sql);
        let quarantined = names(&self.machine.start(&resolved));
        let (verdict, also) = self.machine.finish(&resolved, returned);
        (quarantined, verdict, names(&also))
    }

    fn ok(&mut self, sql: &str) -> Names {
        let (quarantined, verdict, also) = self.run(sql, Returned::Done);
        assert_eq!(verdict, Verdict::Renew, "{sql}");
        quarantined.union(&also).cloned().collect()
    }

    fn admits(&self, table: &str) -> Result<Fill, Bypass> {
        let reads = Reads {
            tables: BTreeSet::from([table.into()]),
            row_security: false,
            ..Reads::default()
        };
        self.machine.admits(&reads, false)
    }
}

type Names = BTreeSet<String>;

fn names(writes: &Writes) -> Names {
    let mut names: Names = writes.tables.iter().map(ToString::to_string).collect();
    for (set, name) in [
        (writes.root, "ROOT"),
        (writes.database, "DATABASE"),
        (writes.schema, "SCHEMA"),
    ] {
        if set {
            names.insert(name.to_owned());
        }
    }
    names
}

fn set(names: &[&str]) -> Names {
    names.iter().map(ToString::to_string).collect()
}

const WRITE_T: &str = "UPDATE t SET a = 1";
const WRITE_U: &str = "DELETE FROM u WHERE id = 1";

#[test]
fn an_autocommit_write_is_quarantined_and_renewed() {
    for dialect in ALL {
        let mut driver = Driver::new(dialect);
        assert_eq!(driver.ok(WRITE_T), set(&["t"]));
        assert!(driver.machine.is_autocommit());
        assert_eq!(driver.admits("t"), Ok(Fill::Allowed));
    }
}

#[test]
fn a_transaction_is_quarantined_at_its_commit_and_not_before() {
    for dialect in ALL {
        let mut driver = Driver::new(dialect);
        driver.ok("BEGIN");
        assert_eq!(driver.ok(WRITE_T), set(&[]));
        assert_eq!(driver.admits("t"), Err(Bypass::OwnWrites));
        assert_eq!(driver.admits("u"), Ok(Fill::Allowed));
        assert_eq!(driver.ok(WRITE_U), set(&[]));
        let resolved = driver.resolver.resolve("COMMIT");
        assert_eq!(names(&driver.machine.start(&resolved)), set(&["t", "u"]));
        driver.machine.finish(&resolved, Returned::Done);
        assert!(driver.machine.is_autocommit());
    }
}

#[test]
fn a_rollback_touches_nothing() {
    for dialect in ALL {
        let mut driver = Driver::new(dialect);
        driver.ok("BEGIN");
        driver.ok(WRITE_T);
        assert_eq!(driver.ok("ROLLBACK"), set(&[]));
        assert_eq!(driver.admits("t"), Ok(Fill::Allowed));
    }
}

#[test]
fn a_savepoint_keeps_or_drops_what_was_written_since() {
    for dialect in ALL {
        let mut driver = Driver::new(dialect);
        driver.ok("BEGIN");
        driver.ok(WRITE_T);
        driver.ok("SAVEPOINT a");
        driver.ok(WRITE_U);
        driver.ok("ROLLBACK TO SAVEPOINT a");
        assert_eq!(driver.admits("u"), Ok(Fill::Allowed));
        assert_eq!(driver.admits("t"), Err(Bypass::OwnWrites));
        driver.ok("SAVEPOINT b");
        driver.ok(WRITE_U);
        driver.ok("RELEASE SAVEPOINT b");
        driver.ok("ROLLBACK TO SAVEPOINT a");
        assert_eq!(driver.ok("COMMIT"), set(&["t"]));

        driver.ok("BEGIN");
        driver.ok("SAVEPOINT a");
        driver.ok(WRITE_U);
        driver.ok("RELEASE SAVEPOINT a");
        assert_eq!(driver.ok("COMMIT"), set(&["u"]));
    }
}

#[test]
fn the_outermost_savepoint_is_a_transaction_on_sqlite() {
    let mut driver = Driver::new(Dialect::Sqlite);
    driver.ok("SAVEPOINT a");
    assert_eq!(driver.ok(WRITE_T), set(&[]));
    assert_eq!(driver.admits("t"), Err(Bypass::OwnWrites));
    assert_eq!(driver.ok("RELEASE a"), set(&["t"]));
    assert!(driver.machine.is_autocommit());
}

#[test]
fn a_refused_commit_undoes_on_postgres_alone() {
    for dialect in ALL {
        let mut driver = Driver::new(dialect);
        driver.ok("BEGIN");
        driver.ok(WRITE_T);
        let (quarantined, verdict, _) = driver.run("COMMIT", Returned::Refused);
        assert_eq!(quarantined, set(&["t"]));
        if dialect == Dialect::Postgres {
            assert_eq!(verdict, Verdict::Restore);
            assert!(driver.machine.is_autocommit());
        } else {
            assert_eq!(verdict, Verdict::Renew);
            assert_eq!(driver.admits("u"), Err(Bypass::UnknownTransaction));
            // It is still open: it may be tried again.
            assert_eq!(driver.ok("COMMIT"), set(&["t"]));
        }
    }
}

#[test]
fn a_commit_of_unknown_outcome_is_in_doubt() {
    for dialect in ALL {
        let mut driver = Driver::new(dialect);
        driver.ok("BEGIN");
        driver.ok(WRITE_T);
        let (_, verdict, _) = driver.run("COMMIT", Returned::Unknown);
        assert_eq!(verdict, Verdict::Doubt);
        assert_eq!(driver.admits("u"), Err(Bypass::UnknownTransaction));
    }
}

#[test]
fn an_error_may_have_ended_the_transaction() {
    for dialect in [Dialect::Mysql, Dialect::Sqlite] {
        let mut driver = Driver::new(dialect);
        driver.ok("BEGIN");
        driver.ok(WRITE_T);
        driver.run(WRITE_U, Returned::Refused);
        // What follows may run outside of any transaction: it commits at once, or later.
        assert_eq!(driver.admits("u"), Err(Bypass::UnknownTransaction));
        assert_eq!(driver.ok(WRITE_U), set(&["u"]));
        assert_eq!(driver.ok("ROLLBACK"), set(&["t", "u"]));
        assert!(driver.machine.is_autocommit());
    }
    let mut driver = Driver::new(Dialect::Postgres);
    driver.ok("BEGIN");
    driver.run(WRITE_U, Returned::Refused);
    assert_eq!(driver.admits("t"), Err(Bypass::FailedTransaction));
    assert_eq!(driver.ok("ROLLBACK"), set(&[]));
    assert_eq!(driver.admits("t"), Ok(Fill::Allowed));
}

#[test]
fn a_failed_batch_may_leave_its_transaction_open() {
    for dialect in ALL {
        let mut driver = Driver::new(dialect);
        let batch = format!("BEGIN; {WRITE_T}; DELETE FROM nowhere");
        let (quarantined, ..) = driver.run(&batch, Returned::Answered);
        assert!(quarantined.contains("t"));
        assert_eq!(driver.admits("u"), Err(Bypass::UnknownTransaction));
        assert!(driver.ok("COMMIT").contains("t"));
        assert_eq!(driver.admits("u"), Ok(Fill::Allowed));
    }
}

#[test]
fn a_batch_is_followed_to_its_end() {
    for dialect in ALL {
        let mut driver = Driver::new(dialect);
        assert_eq!(driver.ok(&format!("BEGIN; {WRITE_T}; COMMIT")), set(&["t"]));
        assert!(driver.machine.is_autocommit());
        driver.ok(&format!("BEGIN; {WRITE_T}"));
        assert_eq!(driver.admits("t"), Err(Bypass::OwnWrites));
        assert_eq!(driver.ok("COMMIT"), set(&["t"]));
        driver.ok("BEGIN");
        driver.ok(WRITE_U);
        assert_eq!(driver.ok(&format!("{WRITE_T}; COMMIT")), set(&["t", "u"]));
        driver.ok("BEGIN");
        // Under quarantine before it is sent, and not only renewed after.
        let (quarantined, ..) = driver.run(&format!("COMMIT; {WRITE_T}"), Returned::Done);
        assert_eq!(quarantined, set(&["t"]));
    }
}

#[test]
fn ddl_commits_on_mysql() {
    let mut driver = Driver::new(Dialect::Mysql);
    driver.ok("BEGIN");
    driver.ok(WRITE_T);
    let renewed = driver.ok("ALTER TABLE u ADD COLUMN c INTEGER");
    assert_eq!(renewed, set(&["t", "SCHEMA"]));
    // What follows commits at once.
    assert_eq!(driver.ok(WRITE_U), set(&["u"]));

    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        let mut driver = Driver::new(dialect);
        driver.ok("BEGIN");
        driver.ok(WRITE_T);
        assert_eq!(driver.ok("ALTER TABLE u ADD COLUMN c INTEGER"), set(&[]));
        assert_eq!(driver.ok("COMMIT"), set(&["t", "SCHEMA"]));
    }
}

#[test]
fn an_unknown_statement_may_commit_on_mysql() {
    let mut driver = Driver::new(Dialect::Mysql);
    driver.ok("BEGIN");
    driver.ok(WRITE_T);
    assert!(driver.ok("CALL anything()").contains("t"));
    assert_eq!(driver.admits("u"), Err(Bypass::UnknownTransaction));
    driver.ok(WRITE_U);
    assert!(driver.ok("COMMIT").contains("u"), "it may have begun one");
}

#[test]
fn sqlite_may_keep_an_error_back() {
    let mut driver = Driver::new(Dialect::Sqlite);
    driver.ok("BEGIN");
    driver.ok("INSERT INTO t VALUES (1) RETURNING id");
    // Had it rolled the transaction back, this would commit at once.
    assert_eq!(driver.ok(WRITE_U), set(&["u"]));
    assert_eq!(driver.ok("COMMIT"), set(&["t", "u"]));
    assert!(driver.machine.is_autocommit());
    driver.ok("INSERT INTO t VALUES (2) RETURNING id");
    assert!(driver.machine.is_autocommit());
    driver.ok("BEGIN");
    driver.ok("INSERT OR ROLLBACK INTO t VALUES (1)");
    assert!(driver.ok(WRITE_U).contains("u"));
}

#[test]
fn a_savepoint_left_open_by_a_failed_batch_is_released() {
    let mut driver = Driver::new(Dialect::Sqlite);
    let batch = format!("SAVEPOINT s; {WRITE_T}; DELETE FROM nowhere");
    driver.run(&batch, Returned::Answered);
    let (quarantined, ..) = driver.run("RELEASE s", Returned::Done);
    assert!(quarantined.contains("t"));
}

#[test]
fn begin_commits_what_is_open_on_mysql_and_goes_on_in_it_on_postgres() {
    let mut driver = Driver::new(Dialect::Mysql);
    driver.ok("BEGIN");
    driver.ok(WRITE_T);
    assert_eq!(driver.ok("BEGIN"), set(&["t"]));
    assert_eq!(driver.admits("t"), Ok(Fill::Allowed));

    let mut driver = Driver::new(Dialect::Postgres);
    driver.ok("BEGIN");
    driver.ok(WRITE_T);
    assert_eq!(driver.ok("BEGIN"), set(&[]));
    assert_eq!(driver.ok("COMMIT"), set(&["t"]));
}

#[test]
fn unrecognised_control_loses_track_for_good() {
    for (dialect, sql) in [
        (Dialect::Mysql, "SET autocommit = 0"),
        (Dialect::Mysql, "LOCK TABLES t WRITE"),
        (Dialect::Mysql, "XA START 'x'"),
        (Dialect::Mysql, "COMMIT AND CHAIN"),
        (Dialect::Mysql, "SET completion_type = 1"),
        (Dialect::Postgres, "COMMIT AND CHAIN"),
        (Dialect::Postgres, "PREPARE TRANSACTION 'x'"),
    ] {
        let mut driver = Driver::new(dialect);
        assert!(driver.ok(sql).contains("DATABASE"), "{sql}");
        assert_eq!(driver.admits("t"), Err(Bypass::UnknownTransaction), "{sql}");
        for later in ["SELECT a FROM t", "COMMIT", "ROLLBACK", "BEGIN", WRITE_T] {
            assert!(driver.ok(later).contains("DATABASE"), "{sql}; {later}");
            assert_eq!(
                driver.admits("t"),
                Err(Bypass::UnknownTransaction),
                "{sql}; {later}"
            );
        }
    }
}

#[test]
fn what_cannot_be_rolled_back_is_renewed_at_once() {
    let mut driver = Driver::new(Dialect::Mysql);
    driver.ok("BEGIN");
    assert_eq!(driver.ok("INSERT INTO myisam VALUES (1)"), set(&["myisam"]));
    driver.ok("ROLLBACK");
}

#[test]
fn isolation_decides_what_a_transaction_may_read() {
    let mut driver = Driver::new(Dialect::Postgres);
    driver.ok("BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(driver.admits("t"), Err(Bypass::Isolation));
    let reads = Reads::default();
    assert_eq!(driver.machine.admits(&reads, true), Ok(Fill::Forbidden));
    driver.ok("COMMIT");
    driver.ok("BEGIN");
    assert_eq!(driver.admits("t"), Ok(Fill::Allowed));
    driver.ok("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
    assert_eq!(driver.admits("t"), Err(Bypass::Isolation));
    driver.ok("COMMIT");

    let mut driver = Driver::new(Dialect::Mysql);
    driver.ok("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
    driver.ok("BEGIN");
    assert_eq!(driver.admits("t"), Err(Bypass::Isolation));
    driver.ok("COMMIT");
    driver.ok("BEGIN");
    assert_eq!(
        driver.admits("t"),
        Ok(Fill::Allowed),
        "it was for one transaction"
    );
    driver.ok("COMMIT");
    driver.ok("SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED");
    assert_eq!(driver.admits("t"), Err(Bypass::Isolation), "dirty reads");
}

#[test]
fn a_rollback_undoes_what_was_set_on_postgres() {
    let mut driver = Driver::new(Dialect::Postgres);
    let before = driver.machine.scope.clone();
    driver.ok("BEGIN");
    driver.ok("SET search_path = other");
    assert_ne!(driver.machine.scope.digest(), before.digest());
    driver.ok("SAVEPOINT a");
    driver.ok("SET search_path = third");
    let inner = driver.machine.scope.clone();
    driver.ok("ROLLBACK TO a");
    assert_ne!(driver.machine.scope.digest(), inner.digest());
    driver.ok("ROLLBACK");
    assert_eq!(driver.machine.scope.digest(), before.digest());

    driver.ok("BEGIN");
    driver.ok("SET LOCAL search_path = other");
    assert_ne!(driver.machine.scope.digest(), before.digest());
    driver.ok("COMMIT");
    assert_eq!(driver.machine.scope.digest(), before.digest());

    let mut driver = Driver::new(Dialect::Mysql);
    let before = driver.machine.scope.clone();
    driver.ok("BEGIN");
    driver.ok("SET time_zone = '+01:00'");
    driver.ok("ROLLBACK");
    assert_ne!(
        driver.machine.scope.digest(),
        before.digest(),
        "MySQL keeps it"
    );
}

#[test]
fn what_may_change_the_session_makes_it_stale() {
    for sql in [
        "SELECT set_config('search_path', 'x', false)",
        "SELECT some_function(1)",
        "DO $$ BEGIN END $$",
        "RESET ALL",
        "DISCARD ALL",
    ] {
        let mut driver = Driver::new(Dialect::Postgres);
        driver.ok(sql);
        assert_eq!(driver.machine.scope.digest(), None, "{sql}");
    }
}

#[test]
fn a_session_that_was_changed_unseen_shares_with_no_other() {
    for dialect in ALL {
        let mut driver = Driver::new(dialect);
        let fresh = driver.machine.scope.clone();
        driver.ok("SELECT unheard_of(1)");
        assert_eq!(driver.machine.scope.digest(), None);
        driver
            .machine
            .identify(dialect, Isolation::ReadCommitted, [0; 32]);
        let asked = driver.machine.scope.clone();
        assert!(asked.digest().is_some());
        if dialect == Dialect::Sqlite {
            assert_ne!(asked.digest(), fresh.digest());
        } else {
            assert_eq!(asked.digest(), fresh.digest());
        }
    }
}

#[test]
fn set_local_outside_of_a_transaction_does_nothing() {
    let mut driver = Driver::new(Dialect::Postgres);
    let before = driver.machine.scope.clone();
    driver.ok("SET LOCAL search_path = other");
    assert_eq!(driver.machine.scope.digest(), before.digest());
}

#[test]
fn a_refused_control_statement_begins_nothing() {
    for (dialect, sql) in [
        (Dialect::Sqlite, "BEGIN IMMEDIATE"),
        (Dialect::Mysql, "CREATE TABLE t (id INTEGER)"),
        (Dialect::Postgres, "ROLLBACK TO SAVEPOINT a"),
        (Dialect::Mysql, "RELEASE SAVEPOINT a"),
    ] {
        let mut driver = Driver::new(dialect);
        driver.run(sql, Returned::Answered);
        assert_eq!(driver.admits("t"), Ok(Fill::Allowed), "{sql}");
    }
}

#[test]
fn a_commit_that_rolled_back_undoes_what_was_set() {
    let mut driver = Driver::new(Dialect::Postgres);
    driver.ok("BEGIN");
    driver.ok("SET search_path = other");
    driver.run(WRITE_T, Returned::Refused);
    driver.ok("COMMIT");
    assert_eq!(driver.machine.scope.digest(), None);
}

#[test]
fn a_rollback_undoes_the_sessions_isolation_on_postgres() {
    let mut driver = Driver::new(Dialect::Postgres);
    driver.ok("SET default_transaction_isolation = 'repeatable read'");
    driver.ok("BEGIN");
    driver.ok("SET default_transaction_isolation = 'read committed'");
    driver.ok("ROLLBACK");
    driver.ok("BEGIN");
    assert_eq!(driver.admits("t"), Err(Bypass::Isolation));
}

/// What is known of the session after these texts, on PostgreSQL; one that ends in `!` is refused.
fn scope_after(texts: &[&str]) -> Option<[u8; 32]> {
    let mut driver = Driver::new(Dialect::Postgres);
    for text in texts {
        match text.strip_suffix('!') {
            Some(text) => drop(driver.run(text, Returned::Answered)),
            None => drop(driver.ok(text)),
        }
    }
    driver.machine.scope.digest().copied()
}

#[test]
fn what_may_have_been_undone_is_asked_for() {
    for texts in [
        // The error has ended the transaction, so that its commit is a rollback.
        &["BEGIN", "SET x = 1", "ROLLBACK TO s!", "COMMIT"][..],
        &["BEGIN", "SET x = 1", "RELEASE s!", "COMMIT"],
        &["BEGIN", "SET x = 1", "COMMIT!", "BEGIN"],
        &["BEGIN", "SET x = 1", "COMMIT!", "COMMIT"],
        &["BEGIN", "SET x = 1", "ROLLBACK; SELECT 1!", "BEGIN"],
        &["BEGIN", "SET LOCAL x = 1", "COMMIT; SELECT 1!", "BEGIN"],
        &["BEGIN", "SET x = 1", "COPY t TO STDOUT", "COMMIT"],
    ] {
        assert_eq!(scope_after(texts), None, "{texts:?}");
    }
    let mut late = Driver::new(Dialect::Postgres);
    late.machine.taint();
    late.ok("ROLLBACK");
    assert_eq!(late.machine.scope.digest(), None);
}

#[test]
fn a_batch_is_one_transaction_on_postgres() {
    for texts in [
        &["SET x = 1; ROLLBACK"][..],
        &["SET x = 1; BEGIN"],
        &["SET LOCAL x = 1; BEGIN"],
        &["SET x = 1; BEGIN", "ROLLBACK"],
        &["BEGIN", "COMMIT; SET x = 1; BEGIN", "ROLLBACK"],
        &["SELECT f(); COMMIT; BEGIN", "ROLLBACK"],
        &["BEGIN", "SELECT f(); SAVEPOINT s", "ROLLBACK TO s"],
    ] {
        assert_eq!(scope_after(texts), None, "{texts:?}");
    }
    for (texts, same) in [
        (
            &["SET x = 1; SET y = 2"][..],
            &["SET y = 2", "SET x = 1"][..],
        ),
        (&["BEGIN; SET x = 1; COMMIT"], &["SET x = 1"]),
        (&["BEGIN; SET x = 1; ROLLBACK"], &[]),
        (&["SET x = 1; COMMIT; BEGIN"], &["SET x = 1"]),
        (&["BEGIN; SET LOCAL x = 1"], &["BEGIN", "SET LOCAL x = 1"]),
    ] {
        let scope = scope_after(texts);
        assert!(scope.is_some(), "{texts:?}");
        assert_eq!(scope, scope_after(same), "{texts:?}");
    }
}

#[test]
fn a_second_begin_may_change_the_isolation() {
    let mut driver = Driver::new(Dialect::Postgres);
    driver.ok("BEGIN");
    assert_eq!(driver.admits("t"), Ok(Fill::Allowed));
    driver.ok("BEGIN");
    assert_eq!(driver.admits("t"), Ok(Fill::Allowed));
    driver.ok("BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(driver.admits("t"), Err(Bypass::Isolation));
}

#[test]
fn no_rollback_gives_a_mark_back() {
    for end in ["ROLLBACK", "ROLLBACK TO s"] {
        let mut driver = Driver::new(Dialect::Postgres);
        driver.ok("BEGIN");
        driver.ok("SAVEPOINT s");
        driver.machine.lose_mark();
        driver.ok(end);
        assert_eq!(driver.machine.scope.digest(), None, "{end}");
    }
}
