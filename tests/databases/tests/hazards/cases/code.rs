//! Hazard 15, as far as code is concerned: triggers and routines write what they name, and
//! no more counts as written.

use super::engine::{self, Conn};
use super::kit::{Rig, plain_sql, read_others, read_sql, run, transact};
use crate::support::{HIT, MISS};

/// A rig with a further table `notes`, and with that code.
fn rig(postgres: &str, mysql: &str, sqlite: &str) -> (Rig, Conn, Conn) {
    let rig = Rig::new();
    let mut plain = rig.plain();
    run(
        &mut plain,
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL);
         INSERT INTO notes VALUES (1, 'a');",
    );
    run(
        &mut plain,
        match engine::NAME {
            "postgres" => postgres,
            "mysql" => mysql,
            _ => sqlite,
        },
    );
    let (mut one, two) = (rig.conn(), rig.conn());
    rig.warm(&mut one);
    assert_eq!(notes(&mut one), MISS);
    assert_eq!(notes(&mut one), HIT);
    (rig, one, two)
}

/// Reads `notes`, and proves that it got what the database holds.
#[track_caller]
fn notes(conn: &mut Conn) -> diesel_cache::Outcome {
    let sql = "SELECT name FROM notes ORDER BY id";
    let (names, outcome) = read_sql(conn, sql);
    assert_eq!(names, plain_sql(conn, sql), "a stale read: {outcome}");
    outcome
}

/// That `how` invalidates `others` and `things`, and not `notes`.
fn writes_others_and_things(code: [&str; 3], how: &str) {
    let [postgres, mysql, sqlite] = code;
    let (rig, mut one, mut two) = rig(postgres, mysql, sqlite);
    run(&mut two, how);
    assert_eq!(notes(&mut one), HIT, "{how}");
    assert_eq!(read_others(&mut one).1, MISS, "{how}");
    rig.invalidated(&mut one);
    // In a transaction, at its end; undone, never.
    run(&mut two, "BEGIN");
    run(&mut two, &how.replace('7', "8"));
    assert_eq!(rig.fresh(&mut one), HIT, "{how}");
    run(&mut two, "ROLLBACK");
    assert_eq!(rig.fresh(&mut one), HIT, "{how}");
    transact(&mut two, |two| {
        run(two, &how.replace('7', "9"));
        assert_eq!(rig.fresh(&mut one), HIT, "{how}");
    })
    .unwrap();
    rig.invalidated(&mut one);
    assert_eq!(notes(&mut one), HIT, "{how}");
}

#[test]
fn hazard_15_a_trigger_writes_what_it_names() {
    writes_others_and_things(
        [
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
               'BEGIN INSERT INTO things VALUES (NEW.id, ''notes''); RETURN NEW; END';
             CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW EXECUTE FUNCTION f()",
            "CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW
               INSERT INTO `things` (id, name) VALUES (NEW.id, concat('notes', 'x'))",
            "CREATE TRIGGER t AFTER INSERT ON others BEGIN
               INSERT INTO [things] (id, name) SELECT NEW.id, lower('x'); END",
        ],
        "INSERT INTO others VALUES (7, 'x')",
    );
}

#[test]
fn hazard_15_a_trigger_writes_through_a_routine() {
    writes_others_and_things(
        [
            "CREATE FUNCTION deep(x integer) RETURNS integer LANGUAGE sql
               BEGIN ATOMIC INSERT INTO things VALUES (x, 'x') RETURNING id; END;
             CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
               'BEGIN PERFORM deep(NEW.id); RETURN NEW; END';
             CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW EXECUTE FUNCTION f()",
            "CREATE FUNCTION deep(x INTEGER) RETURNS INTEGER
               BEGIN INSERT INTO things VALUES (x, 'x'); RETURN x; END;
             CREATE PROCEDURE f(x INTEGER) BEGIN DECLARE y INTEGER; SET y = deep(x); END;
             CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW CALL f(NEW.id)",
            "CREATE TABLE middle (id INTEGER);
             CREATE TRIGGER t AFTER INSERT ON others BEGIN
               INSERT INTO middle VALUES (NEW.id); END;
             CREATE TRIGGER deep BEFORE INSERT ON middle BEGIN
               INSERT OR REPLACE INTO \"things\" VALUES (NEW.id, 'x'); END",
        ],
        "INSERT INTO others VALUES (7, 'x')",
    );
}

#[test]
fn hazard_15_a_cascade_fires_a_trigger() {
    let children = "CREATE TABLE children (id INTEGER PRIMARY KEY, other INTEGER,
        FOREIGN KEY (other) REFERENCES others (id) ON DELETE CASCADE);
        INSERT INTO others VALUES (7, 'x'), (8, 'x'), (9, 'x');
        INSERT INTO children VALUES (7, 7), (8, 8), (9, 9);";
    writes_others_and_things(
        [
            &format!(
                "{children} CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
                   'BEGIN UPDATE things SET name = ''x'' || OLD.id; RETURN OLD; END';
                 CREATE TRIGGER t AFTER DELETE ON children FOR EACH ROW EXECUTE FUNCTION f()"
            ),
            // MySQL's cascades fire none; they count as if they did.
            &format!(
                "{children} CREATE TRIGGER t AFTER DELETE ON children FOR EACH ROW
                   UPDATE things SET name = concat('x', OLD.id)"
            ),
            &format!(
                "{children} CREATE TRIGGER t AFTER DELETE ON children BEGIN
                   UPDATE things SET name = 'x' || OLD.id; END"
            ),
        ],
        "DELETE FROM others WHERE id = 7",
    );
}

#[test]
fn hazard_15_an_upsert_fires_the_triggers_of_updates() {
    let how = match engine::NAME {
        "mysql" => "INSERT INTO others VALUES (1, 'x7') ON DUPLICATE KEY UPDATE note = 'x7'",
        _ => "INSERT INTO others VALUES (1, 'x7') ON CONFLICT (id) DO UPDATE SET note = 'x7'",
    };
    writes_others_and_things(
        [
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
               'BEGIN UPDATE things SET name = NEW.note; RETURN NEW; END';
             CREATE TRIGGER t AFTER UPDATE ON others FOR EACH ROW EXECUTE FUNCTION f()",
            "CREATE TRIGGER t AFTER UPDATE ON others FOR EACH ROW
               UPDATE things SET name = NEW.note",
            "CREATE TRIGGER t AFTER UPDATE ON others BEGIN
               UPDATE things SET name = NEW.note; END",
        ],
        how,
    );
}

#[test]
fn hazard_15_an_event_without_a_trigger_writes_its_table_alone() {
    let (rig, mut one, mut two) = rig(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN INSERT INTO things VALUES (NEW.id, ''x''); RETURN NEW; END';
         CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW INSERT INTO things VALUES (NEW.id, '')",
        "CREATE TRIGGER t AFTER INSERT ON others BEGIN INSERT INTO things VALUES (NEW.id, ''); END",
    );
    run(&mut two, "UPDATE others SET note = 'z'");
    assert_eq!(rig.fresh(&mut one), HIT);
    assert_eq!(read_others(&mut one).1, MISS);
}

#[test]
fn hazard_15_code_that_does_not_show_what_it_runs() {
    if engine::NAME == "sqlite" {
        // Its triggers hold nothing but statements.
        return;
    }
    let (rig, mut one, mut two) = rig(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN EXECUTE ''UPDATE no'' || ''tes SET name = ''''x''''''; RETURN NEW; END';
         CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW
           BEGIN /*!50000 UPDATE notes SET name = 'x' */; END",
        "",
    );
    run(&mut two, "INSERT INTO others VALUES (7, 'x')");
    assert_eq!(notes(&mut one), MISS);
    // MariaDB keeps the text without the comment's marks, and so shows what it runs.
    if engine::NAME == "postgres" {
        rig.invalidated(&mut one);
    }
}

#[test]
fn hazard_15_a_trigger_fills_a_full_text_index() {
    if engine::NAME != "sqlite" {
        return;
    }
    let (rig, mut one, mut two) = rig(
        "",
        "",
        "CREATE VIRTUAL TABLE texts USING fts5 (body);
         CREATE TRIGGER t AFTER INSERT ON others BEGIN
           INSERT INTO texts (body) VALUES (NEW.note); END;
         INSERT INTO texts VALUES ('a')",
    );
    let shadow = "SELECT c0 AS name FROM texts_content ORDER BY id";
    read_sql(&mut one, shadow);
    assert_eq!(read_sql(&mut one, shadow).1, HIT);
    run(&mut two, "INSERT INTO others VALUES (7, 'x')");
    assert_eq!(rig.fresh(&mut one), HIT);
    let (names, outcome) = read_sql(&mut one, shadow);
    assert_eq!((names, outcome), (vec!["a".into(), "x".into()], MISS));
}

#[test]
fn hazard_15_a_trigger_writes_no_table_that_it_reads() {
    let (rig, mut one, mut two) = rig(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN INSERT INTO things SELECT NEW.id, name FROM notes WHERE id = 1; RETURN NEW; END';
         CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW
           INSERT INTO things SELECT NEW.id, name FROM notes WHERE id = 1",
        "CREATE TRIGGER t AFTER INSERT ON others BEGIN
           INSERT INTO things SELECT NEW.id, name FROM notes WHERE id = 1; END",
    );
    run(&mut two, "INSERT INTO others VALUES (7, 'x')");
    rig.invalidated(&mut one);
    assert_eq!(notes(&mut one), HIT);
}
