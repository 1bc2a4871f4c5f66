//! Hazard 15 on MySQL: code that the user may not see.

use diesel::prelude::*;
use diesel_cache::Outcome;

use super::engine::Conn;
use super::kit::{Rig, read_others, read_sql, run};
use crate::support::{HIT, MISS};

/// A rig with that code, and a connection of a user that has those rights on the schema.
fn limited(code: &str, rights: &str) -> (Rig, Conn, Conn) {
    let rig = Rig::new();
    let mut plain = rig.plain();
    run(
        &mut plain,
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL);
         INSERT INTO notes VALUES (1, 'a');",
    );
    run(&mut plain, code);
    let url = rig.arena.url();
    let schema = url.rsplit('/').next().unwrap().to_owned();
    let user = format!("limited_{}", std::process::id());
    run(
        &mut plain,
        &format!(
            "DROP USER IF EXISTS {user}@'%'; CREATE USER {user}@'%' IDENTIFIED BY 'x';
             {}",
            rights
                .replace("SCHEMA", &format!("`{schema}`.*"))
                .replace("THE", &format!("`{schema}`."))
                .replace("USER", &format!("{user}@'%'"))
        ),
    );
    let server = url.split_once('@').unwrap().1;
    let connect = || {
        let mut conn = Conn::establish(&format!("mysql://{user}:x@{server}")).unwrap();
        rig.cache.attach(&mut conn).unwrap();
        conn
    };
    let (mut one, two) = (connect(), connect());
    rig.warm(&mut one);
    notes(&mut one);
    assert_eq!(notes(&mut one), HIT);
    (rig, one, two)
}

fn notes(conn: &mut Conn) -> Outcome {
    read_sql(conn, "SELECT name FROM notes ORDER BY id").1
}

const TRIGGER: &str = "CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW
    INSERT INTO things VALUES (NEW.id, 'x')";

#[test]
fn hazard_15_a_trigger_that_may_be_seen() {
    let rights = "GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER, REFERENCES ON SCHEMA TO USER";
    let (rig, mut one, mut two) = limited(TRIGGER, rights);
    run(&mut two, "INSERT INTO others VALUES (7, 'x')");
    rig.invalidated(&mut one);
    assert_eq!(notes(&mut one), HIT);
}

#[test]
fn hazard_15_a_trigger_that_may_not_be_seen() {
    let rights = "GRANT SELECT, INSERT, UPDATE, DELETE, REFERENCES ON SCHEMA TO USER";
    let (rig, mut one, mut two) = limited(TRIGGER, rights);
    run(&mut two, "INSERT INTO others VALUES (7, 'x')");
    rig.invalidated(&mut one);
    assert_eq!(notes(&mut one), MISS, "for all that is known");
}

#[test]
fn hazard_15_a_trigger_that_may_be_seen_on_one_table() {
    let rights = "GRANT SELECT, INSERT, UPDATE, DELETE, REFERENCES ON SCHEMA TO USER;
        GRANT TRIGGER ON THEothers TO USER";
    let (rig, mut one, mut two) = limited(TRIGGER, rights);
    run(&mut two, "INSERT INTO others VALUES (7, 'x')");
    rig.invalidated(&mut one);
    // What it writes may have triggers that may not be seen.
    assert_eq!(notes(&mut one), MISS);
    run(&mut two, "UPDATE others SET note = 'b'");
    assert_eq!(notes(&mut one), HIT);
    assert_eq!(read_others(&mut one).1, MISS);
}

#[test]
fn hazard_15_a_routine_that_may_not_be_seen() {
    let rights = "GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER, REFERENCES ON SCHEMA TO USER";
    let code = "CREATE PROCEDURE hidden(x INTEGER) INSERT INTO things VALUES (x, 'x');
        CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW CALL hidden(NEW.id)";
    let (rig, mut one, mut two) = limited(code, rights);
    run(&mut two, "INSERT INTO others VALUES (7, 'x')");
    rig.invalidated(&mut one);
    assert_eq!(notes(&mut one), MISS);
    // It may be called, but its body is not shown.
    drop((one, two, rig));
    let rights = format!("{rights}; GRANT EXECUTE ON SCHEMA TO USER");
    let (rig, mut one, mut two) = limited(code, &rights);
    run(&mut two, "INSERT INTO others VALUES (7, 'x')");
    rig.invalidated(&mut one);
    assert_eq!(notes(&mut one), MISS);
}

#[test]
fn hazard_15_a_table_that_may_not_be_seen() {
    // Its trigger may write anything, and is not shown.
    let elsewhere = format!("elsewhere_{}", std::process::id());
    let rights = "GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER, REFERENCES ON SCHEMA TO USER";
    let code = format!(
        "CREATE DATABASE {elsewhere}; CREATE TABLE {elsewhere}.hidden (id INTEGER);
         CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW
           INSERT INTO {elsewhere}.hidden VALUES (NEW.id)"
    );
    let (rig, mut one, mut two) = limited(&code, rights);
    let schema = rig.arena.url().rsplit('/').next().unwrap().to_owned();
    run(
        &mut rig.plain(),
        &format!(
            "CREATE TRIGGER {elsewhere}.t AFTER INSERT ON {elsewhere}.hidden FOR EACH ROW
               INSERT INTO {schema}.things VALUES (NEW.id, 'x')"
        ),
    );
    run(&mut two, "INSERT INTO others VALUES (7, 'x')");
    let outcome = rig.fresh(&mut one);
    run(&mut rig.plain(), &format!("DROP DATABASE {elsewhere}"));
    assert_eq!(outcome, MISS);
}
