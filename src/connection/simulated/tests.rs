//! The ground, driven by texts.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::catalogue::Catalogue;
use crate::connection::returned::Returned::{Answered, Done, Refused, Unknown};
use crate::database::TagSpace;
use crate::resolve::{Resolver, Settings};

const ALL: [Dialect; 3] = [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite];

struct Driver {
    ground: Simulation,
    resolver: Resolver,
}

impl Driver {
    fn new(dialect: Dialect) -> Self {
        let mut catalogue = Catalogue::default();
        catalogue.relation("t");
        Self {
            ground: Simulation::new(dialect),
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

    /// Runs a text. Says what it is taken for, what it touches, and what became of the ground.
    fn run(&mut self, sql: &str, returned: Returned) -> (Vec<Step>, bool, Standing) {
        let resolved = self.resolver.resolve(sql);
        let effect = self.ground.translate(&resolved);
        let touched = effect.as_ref().map(|effect| self.ground.touches(effect));
        let standing = self.ground.finish(&resolved, effect.as_ref(), returned);
        let steps = effect.map_or_else(
            || resolved.analysis.steps.clone(),
            |effect| effect.analysis.steps,
        );
        (
            steps,
            touched.is_some_and(|writes| !writes.is_empty()),
            standing,
        )
    }

    /// Runs a text that succeeds and neither ends nor undoes anything.
    fn ok(&mut self, sql: &str) -> Vec<Step> {
        let (steps, touches, standing) = self.run(sql, Done);
        assert!(!touches && standing != Standing::Over, "{sql}");
        steps
    }

    fn refused(&mut self, sql: &str) {
        let (_, _, standing) = self.run(sql, Refused);
        assert_eq!(standing, Standing::Open, "{sql}");
    }
}

fn begin() -> Vec<Step> {
    let isolation = Some(Isolation::ReadCommitted);
    vec![Step::Control(Control::Begin(isolation))]
}

fn commit() -> Vec<Step> {
    vec![Step::Control(Control::Commit)]
}

fn rollback() -> Vec<Step> {
    vec![Step::Control(Control::Rollback)]
}

const WRITE: &str = "UPDATE t SET a = 1";
const UNKNOWN: Result<(), Bypass> = Err(Bypass::UnknownTransaction);

#[test]
fn the_outermost_savepoint_is_a_transaction() {
    for dialect in ALL {
        let mut driver = Driver::new(dialect);
        for _ in 0..2 {
            assert_eq!(driver.ok("SAVEPOINT a"), begin());
            assert_eq!(
                driver.ok("SAVEPOINT b"),
                [Step::Control(Control::Savepoint("b".into()))]
            );
            assert_eq!(
                driver.ok("RELEASE SAVEPOINT b"),
                [Step::Control(Control::Release("b".into()))]
            );
            driver.ok("SAVEPOINT b");
            assert_eq!(
                driver.ok("ROLLBACK TO SAVEPOINT b"),
                [Step::Control(Control::RollbackTo("b".into()))]
            );
            assert_eq!(driver.ok("RELEASE SAVEPOINT a"), commit());
            assert_eq!(driver.ok("SAVEPOINT a"), begin());
            assert_eq!(driver.ok("ROLLBACK TO SAVEPOINT a"), rollback());
            // It is still there, beneath the next one of its name.
        }
        assert_eq!(driver.ground.stack.savepoints.len(), 2);
        assert_eq!(driver.ground.admits(), Ok(()));
    }
}

#[test]
fn a_savepoint_that_was_rolled_back_to_can_be_met_again() {
    for dialect in ALL {
        let mut driver = Driver::new(dialect);
        driver.ok("SAVEPOINT a");
        driver.ok("ROLLBACK TO SAVEPOINT a");
        driver.ok(WRITE);
        // What counted as committed is undone.
        let (steps, touches, _) = driver.run("ROLLBACK TO SAVEPOINT a", Done);
        assert_eq!((steps, touches), (vec![Step::Harmless], true));
        // Nothing is released with it.
        assert_eq!(driver.ok("RELEASE SAVEPOINT a"), [Step::Harmless]);
        // With another one above.
        driver.ok("SAVEPOINT a");
        driver.ok("ROLLBACK TO SAVEPOINT a");
        assert_eq!(driver.ok("SAVEPOINT b"), begin());
        let (steps, touches, _) = driver.run("ROLLBACK TO SAVEPOINT a", Done);
        assert_eq!((steps, touches), (rollback(), true));
        assert_eq!(driver.ok("SAVEPOINT b"), begin());
        assert_eq!(driver.ok("RELEASE SAVEPOINT a"), commit());
        assert!(driver.ground.stack.savepoints.is_empty());
        assert_eq!(driver.ground.admits(), Ok(()));
    }
}

#[test]
fn a_real_boundary_ends_it_and_touches_everything() {
    for dialect in ALL {
        for sql in ["COMMIT", "ROLLBACK"] {
            let mut driver = Driver::new(dialect);
            driver.ok("SAVEPOINT a");
            let (steps, touches, standing) = driver.run(sql, Done);
            assert!(touches && standing == Standing::Over, "{sql}");
            assert!(steps == commit() || steps == rollback());
            // Refused, it is not known what is open.
            let mut driver = Driver::new(dialect);
            driver.refused(sql);
            assert_eq!(driver.ground.admits(), UNKNOWN);
        }
    }
    let mut mysql = Driver::new(Dialect::Mysql);
    let (steps, _, standing) = mysql.run("CREATE TABLE u (id INT)", Done);
    assert_eq!(
        (steps[0].clone(), standing),
        (Step::Control(Control::Commit), Standing::Over)
    );
}

#[test]
fn a_raw_begin_is_what_the_database_makes_of_it() {
    let mut postgres = Driver::new(Dialect::Postgres);
    assert_eq!(postgres.ok("BEGIN"), [Step::Harmless]);
    assert_eq!(postgres.ground.admits(), Ok(()));
    let mut sqlite = Driver::new(Dialect::Sqlite);
    sqlite.refused("BEGIN");
    assert_eq!(sqlite.ground.admits(), Ok(()));
    for dialect in [Dialect::Sqlite, Dialect::Mysql] {
        let (_, touches, standing) = Driver::new(dialect).run("BEGIN", Done);
        assert!(touches && standing == Standing::Over);
    }
}

#[test]
fn an_error_may_end_it() {
    for dialect in [Dialect::Sqlite, Dialect::Mysql] {
        let mut driver = Driver::new(dialect);
        driver.ok("SAVEPOINT a");
        driver.refused(WRITE);
        assert_eq!(driver.ground.admits(), UNKNOWN);
        assert!(driver.ground.may_be_asked());
        // A savepoint of before proves that it goes on.
        let (_, _, standing) = driver.run("ROLLBACK TO SAVEPOINT a", Done);
        assert_eq!(standing, Standing::Proven);
        assert_eq!(driver.ground.admits(), Ok(()));
        // One of after the error may have begun another transaction.
        driver.refused(WRITE);
        driver.ok("SAVEPOINT b");
        assert!(!driver.ground.may_be_asked());
        let (_, _, standing) = driver.run("RELEASE SAVEPOINT b", Done);
        assert_eq!(
            (standing, driver.ground.admits()),
            (Standing::Open, UNKNOWN)
        );
        // The database can tell.
        assert!(driver.ground.may_be_asked());
        driver.ground.told(true);
        assert_eq!(driver.ground.admits(), Ok(()));
        driver.refused(WRITE);
        driver.ground.told(false);
        assert!(driver.ground.is_lost() && !driver.ground.may_be_asked());
    }
}

#[test]
fn postgres_waits_for_a_rollback() {
    let failed = Err(Bypass::FailedTransaction);
    let mut driver = Driver::new(Dialect::Postgres);
    driver.ok("SAVEPOINT a");
    driver.ok("SAVEPOINT b");
    driver.refused(WRITE);
    assert_eq!(driver.ground.admits(), failed);
    driver.refused("SAVEPOINT c");
    driver.ok("ROLLBACK TO SAVEPOINT b");
    assert_eq!(driver.ground.admits(), Ok(()));
    driver.refused(WRITE);
    driver.ok("ROLLBACK TO SAVEPOINT a");
    assert_eq!(driver.ground.admits(), Ok(()));
    driver.refused(WRITE);
    // One that counts as over.
    driver.run("ROLLBACK TO SAVEPOINT a", Done);
    assert_eq!(driver.ground.admits(), Ok(()));
    driver.refused(WRITE);
    assert_eq!(driver.ground.admits(), failed);
}

#[test]
fn sqlite_may_keep_an_error_back() {
    let mut driver = Driver::new(Dialect::Sqlite);
    driver.ok("INSERT INTO t VALUES (1) RETURNING a");
    assert_eq!(driver.ground.admits(), UNKNOWN);
    assert!(driver.ground.may_be_asked());
    let mut postgres = Driver::new(Dialect::Postgres);
    postgres.ok("INSERT INTO t VALUES (1) RETURNING a");
    assert_eq!(postgres.ground.admits(), Ok(()));
}

#[test]
fn what_is_not_understood_loses_it() {
    let lost = |dialect, sql: &str, returned| {
        let mut driver = Driver::new(dialect);
        driver.ok("SAVEPOINT a");
        driver.run(sql, returned);
        let lost = driver.ground.is_lost();
        assert_eq!(driver.ground.admits() == UNKNOWN, lost, "{sql}");
        // Nothing proves it any longer.
        driver.run("ROLLBACK TO SAVEPOINT a", Done);
        assert_eq!(driver.ground.is_lost(), lost);
        lost
    };
    assert!(lost(Dialect::Mysql, "CALL p()", Done));
    assert!(lost(Dialect::Mysql, "CALL p()", Answered));
    assert!(lost(Dialect::Mysql, "SET autocommit = 1", Done));
    assert!(!lost(Dialect::Postgres, "CALL p()", Done));
    for dialect in ALL {
        assert!(lost(dialect, WRITE, Unknown));
        assert!(lost(dialect, "ROLLBACK TO SAVEPOINT nothing", Done));
        assert!(lost(dialect, "RELEASE SAVEPOINT nothing", Refused));
        assert!(lost(dialect, "SAVEPOINT b; UPDATE t SET a = 1", Refused));
        assert!(!lost(dialect, "SAVEPOINT b; UPDATE t SET a = 1", Done));
    }
}

#[test]
fn a_batch_is_followed_step_by_step() {
    for dialect in ALL {
        let mut driver = Driver::new(dialect);
        let steps = driver.ok("SAVEPOINT a; UPDATE t SET a = 1; RELEASE SAVEPOINT a");
        assert_eq!((&steps[..1], &steps[2..]), (&begin()[..], &commit()[..]));
        // After the end, the text means what it says.
        let (steps, _, standing) = driver.run("ROLLBACK; SAVEPOINT b", Done);
        assert_eq!(standing, Standing::Over);
        assert_eq!(steps[1], Step::Control(Control::Savepoint("b".into())));
    }
}

#[test]
fn a_schema_that_is_not_committed_is_not_gone_by() {
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        let mut driver = Driver::new(dialect);
        driver.ok("SAVEPOINT a");
        driver.ok("CREATE TABLE u (id INT)");
        driver.ok("ROLLBACK TO SAVEPOINT a");
        assert_eq!(driver.ground.admits(), Err(Bypass::Unidentified));
        let resolved = driver.resolver.resolve("ROLLBACK");
        let effect = driver.ground.translate(&resolved).expect("an effect");
        assert!(driver.ground.touches(&effect).schema);
    }
}

#[test]
fn set_local_lasts_for_the_whole_of_it() {
    let mut driver = Driver::new(Dialect::Postgres);
    let steps = driver.ok("SET LOCAL search_path = 'a'");
    assert!(matches!(
        steps.as_slice(),
        [Step::Session(Session::Set { local: false, .. })]
    ));
    driver.refused("SET LOCAL search_path = 5");
    assert_eq!(driver.ground.admits(), Err(Bypass::FailedTransaction));
}

#[test]
fn no_other_connection_has_its_keys() {
    let one = Simulation::new(Dialect::Sqlite);
    let two = Simulation::new(Dialect::Sqlite);
    let scope = [7; 32];
    assert_eq!(one.scope(scope), one.scope(scope));
    assert_ne!(one.scope(scope), two.scope(scope));
    assert_ne!(one.scope(scope), one.scope([8; 32]));
}
