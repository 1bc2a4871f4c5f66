//! Hazard 16: the schema changes through connections that no cache is attached to.

use std::time::Duration;

use diesel::prelude::*;
use diesel_cache::{Bypass, Cache, Outcome};

use super::engine::{self, Conn};
use super::kit::{self, Rig, plain_sql, read_others, read_sql, run, transact};
use crate::support::{HIT, MISS};

/// A rig that looks at the catalogue before every read, or as good as never.
fn rig(interval: Duration) -> Rig {
    Rig::with(
        Cache::builder()
            .catalogue_interval(interval)
            .build()
            .unwrap(),
    )
}

const ALWAYS: Duration = Duration::ZERO;
const NEVER: Duration = Duration::from_secs(100 * 24 * 3600);

fn pick<'t>(postgres: &'t str, mysql: &'t str, sqlite: &'t str) -> &'t str {
    match engine::NAME {
        "postgres" => postgres,
        "mysql" => mysql,
        _ => sqlite,
    }
}

#[test]
fn hazard_16_a_trigger_made_elsewhere() {
    let rig = rig(ALWAYS);
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut one);
    run(
        &mut rig.plain(),
        pick(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
               'BEGIN INSERT INTO things VALUES (NEW.id, ''x''); RETURN NEW; END';
             CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW EXECUTE FUNCTION f()",
            "CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW
               INSERT INTO things VALUES (NEW.id, 'x')",
            "CREATE TRIGGER t AFTER INSERT ON others BEGIN
               INSERT INTO things VALUES (NEW.id, 'x'); END",
        ),
    );
    // The writer goes by the catalogue of before; the reader looks first.
    run(&mut two, "INSERT INTO others VALUES (7, 'x')");
    rig.invalidated(&mut one);
    run(&mut two, "INSERT INTO others VALUES (8, 'x')");
    rig.invalidated(&mut one);
}

#[test]
fn hazard_16_a_cascade_made_elsewhere() {
    let rig = rig(ALWAYS);
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut one);
    run(
        &mut rig.plain(),
        "DROP TABLE things;
         CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL,
             FOREIGN KEY (id) REFERENCES others (id) ON DELETE CASCADE);
         INSERT INTO things VALUES (1, 'again')",
    );
    rig.invalidated(&mut one);
    run(&mut two, "DELETE FROM others");
    rig.invalidated(&mut one);
    assert!(rig.truth().is_empty());
}

#[test]
fn hazard_16_a_view_redefined_elsewhere() {
    let rig = rig(ALWAYS);
    let mut plain = rig.plain();
    run(&mut plain, "CREATE VIEW shown AS SELECT name FROM things");
    let mut one = rig.conn();
    let sql = "SELECT name FROM shown";
    assert_eq!(read_sql(&mut one, sql).1, MISS);
    assert_eq!(read_sql(&mut one, sql).1, HIT);
    // The tables beneath it are the same.
    run(
        &mut plain,
        "DROP VIEW shown; CREATE VIEW shown AS SELECT name FROM things WHERE id > 1",
    );
    let (names, outcome) = read_sql(&mut one, sql);
    assert!(names.is_empty() && outcome == MISS, "{outcome}");
    // Now another table is.
    run(
        &mut plain,
        "DROP VIEW shown; CREATE VIEW shown AS SELECT note AS name FROM others",
    );
    assert_eq!(read_sql(&mut one, sql).0, ["a"]);
    let mut two = rig.conn();
    kit::annotate(&mut two, "b").unwrap();
    assert_eq!(read_sql(&mut one, sql).0, ["b"]);
}

#[test]
fn hazard_16_a_routine_redefined_elsewhere() {
    let rig = rig(ALWAYS);
    let mut plain = rig.plain();
    let make = |body: &str| match engine::NAME {
        "postgres" => format!(
            "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
               'BEGIN {body}; RETURN NEW; END'"
        ),
        "mysql" => format!("DROP PROCEDURE IF EXISTS f; CREATE PROCEDURE f() {body}"),
        _ => format!(
            "DROP TRIGGER IF EXISTS t; CREATE TRIGGER t AFTER INSERT ON others BEGIN {body}; END"
        ),
    };
    run(&mut plain, &make("DELETE FROM others WHERE id = 0"));
    run(
        &mut plain,
        pick(
            "CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW EXECUTE FUNCTION f()",
            "CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW CALL f()",
            "SELECT 1",
        ),
    );
    if engine::NAME == "mysql" {
        // A trigger may not write the table that it fires for.
        run(&mut plain, &make("SET @x = 1"));
    }
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut one);
    run(&mut two, "INSERT INTO others VALUES (7, 'x')");
    assert_eq!(rig.fresh(&mut one), HIT);
    run(
        &mut plain,
        &make("UPDATE things SET name = name || 1").replace("name || 1", "7"),
    );
    rig.invalidated(&mut one);
    run(&mut two, "INSERT INTO others VALUES (8, 'x')");
    rig.invalidated(&mut one);
}

#[test]
fn hazard_16_a_default_changed_elsewhere() {
    let rig = rig(ALWAYS);
    let mut one = rig.conn();
    rig.warm(&mut one);
    run(
        &mut rig.plain(),
        pick(
            "ALTER TABLE things ALTER COLUMN name SET DEFAULT 'x'",
            "ALTER TABLE things ALTER COLUMN name SET DEFAULT 'x'",
            "ALTER TABLE things ADD COLUMN further INTEGER DEFAULT 7",
        ),
    );
    assert_eq!(rig.fresh(&mut one), MISS);
    rig.warm(&mut one);
}

#[test]
fn hazard_16_within_the_interval_nobody_looks() {
    let rig = rig(NEVER);
    let mut plain = rig.plain();
    run(&mut plain, "CREATE VIEW shown AS SELECT name FROM things");
    let mut one = rig.conn();
    let sql = "SELECT name FROM shown";
    assert_eq!(read_sql(&mut one, sql).1, MISS);
    run(
        &mut plain,
        "DROP VIEW shown; CREATE VIEW shown AS SELECT name FROM things WHERE id > 1",
    );
    assert_eq!(read_sql(&mut one, sql).1, HIT, "that is the bound");
    // What an attached connection changes is known at once.
    run(&mut rig.conn(), "CREATE TABLE further (id INTEGER)");
    let (names, outcome) = read_sql(&mut one, sql);
    assert!(names.is_empty() && outcome == MISS, "{outcome}");
}

#[test]
fn hazard_16_what_is_left_of_a_time_when_nobody_looked() {
    let rig = rig(NEVER);
    let mut plain = rig.plain();
    run(&mut plain, "CREATE VIEW shown AS SELECT name FROM things");
    let sql = "SELECT name FROM shown";
    let mut one = rig.conn();
    read_sql(&mut one, sql);
    assert_eq!(read_sql(&mut one, sql).1, HIT);
    drop(one);
    run(
        &mut plain,
        "DROP VIEW shown; CREATE VIEW shown AS SELECT name FROM things WHERE id > 1",
    );
    let (names, outcome) = read_sql(&mut rig.conn(), sql);
    assert!(names.is_empty() && outcome == MISS, "{outcome}");
}

#[test]
fn hazard_16_a_look_inside_of_a_transaction() {
    let rig = rig(ALWAYS);
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut one);
    transact(&mut one, |one| {
        let outcome = rig.fresh(one);
        if engine::NAME == "postgres" {
            assert_eq!(outcome, HIT);
        } else {
            assert!(matches!(outcome, Outcome::Bypass(_)), "{outcome}");
        }
    })
    .unwrap();
    if engine::NAME != "postgres" {
        return;
    }
    transact(&mut one, |one| {
        run(
            &mut rig.plain(),
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
               'BEGIN INSERT INTO things VALUES (NEW.id, ''x''); RETURN NEW; END';
             CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW EXECUTE FUNCTION f()",
        );
        run(&mut two, "INSERT INTO others VALUES (7, 'x')");
        assert_eq!(rig.fresh(one), MISS);
        assert_eq!(rig.fresh(one), HIT);
        // Its own change of the schema is nobody else's.
        run(one, "CREATE TABLE further (id INTEGER)");
        assert!(matches!(rig.fresh(one), Outcome::Bypass(_)));
    })
    .unwrap();
    rig.warm(&mut one);
    // At a higher isolation it would see the catalogue of before.
    run(&mut one, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    let outcome = kit::read(&mut one).1;
    assert_eq!(outcome, Outcome::Bypass(Bypass::CatalogueDue));
    run(&mut one, "COMMIT");
    rig.warm(&mut one);
}

#[test]
fn hazard_16_code_that_does_not_show_what_it_runs_changes_the_schema() {
    if engine::NAME != "postgres" {
        return;
    }
    let rig = rig(NEVER);
    run(
        &mut rig.plain(),
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN INSERT INTO things VALUES (NEW.id, ''x''); RETURN NEW; END';
         CREATE FUNCTION make() RETURNS integer LANGUAGE plpgsql AS
           'BEGIN EXECUTE ''CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW EXECUTE FUNCTION note()'';
            RETURN 1; END'",
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut one);
    transact(&mut two, |two| {
        run(two, "SELECT make()");
        rig.fresh(&mut one);
        rig.fresh(&mut one);
    })
    .unwrap();
    assert_eq!(rig.fresh(&mut one), MISS);
    run(&mut two, "INSERT INTO others VALUES (7, 'x')");
    rig.invalidated(&mut one);
    assert_eq!(read_others(&mut one).1, MISS);
}

#[test]
fn hazard_16_a_statement_that_a_connection_sends() {
    // Of each connection's own questions, the servers count or show the last.
    let rig = rig(NEVER);
    let mut one = rig.conn();
    rig.warm(&mut one);
    let count = |conn: &mut Conn| match engine::NAME {
        "mysql" => plain_sql(
            conn,
            "SELECT variable_value AS name FROM information_schema.session_status \
              WHERE variable_name = 'Questions'",
        ),
        _ => Vec::new(),
    };
    let questions = |names: Vec<String>| names.first().map_or(0, |n| n.parse::<u64>().unwrap());
    let before = questions(count(&mut one));
    let between = questions(count(&mut one)) - before;
    for _ in 0..5 {
        assert_eq!(rig.fresh(&mut one), HIT);
    }
    assert_eq!(questions(count(&mut one)) - before, 2 * between);
}

/// A connection of another user sees another part of the catalogue: each looks for itself,
/// and neither takes the other's view for a change.
#[test]
fn hazard_16_two_connections_agree() {
    let rig = rig(ALWAYS);
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut one);
    for _ in 0..3 {
        assert_eq!(rig.fresh(&mut two), HIT);
        assert_eq!(rig.fresh(&mut one), HIT);
    }
    diesel::sql_query("SELECT 1").execute(&mut one).unwrap();
}
