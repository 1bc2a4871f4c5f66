use super::{ALL, Mysql, Postgres, Sqlite, assert_steps, steps};
use crate::footprint::analysis::{Control, Session, Step};

const BEGIN: Step = Step::Control(Control::Begin(None));
const COMMIT: Step = Step::Control(Control::Commit);
const LOST: Step = Step::Control(Control::Unrecognised);

#[test]
fn nothing_does_nothing() {
    for dialect in ALL {
        for sql in [
            "",
            " \n\t",
            ";",
            " ; ;; ",
            "-- x",
            "/* x */",
            "/* x */;-- y\n;",
        ] {
            assert_steps(sql, dialect, &[]);
        }
    }
    assert_steps("# x", Mysql, &[]);
}

#[test]
fn one_step_per_statement() {
    for dialect in ALL {
        let steps = steps(
            "BEGIN; INSERT INTO a VALUES (1); SELECT 1 FROM b; ; COMMIT;",
            dialect,
        );
        assert!(
            matches!(&*steps, [BEGIN, Step::Write(_), Step::Read(_), COMMIT]),
            "{steps:?}"
        );
        assert_steps(
            "BEGIN; gibberish here; COMMIT",
            dialect,
            &[BEGIN, Step::Unknown, COMMIT],
        );
        assert_steps(
            "BEGIN; SELECT 1 2 3; COMMIT",
            dialect,
            &[BEGIN, Step::Unknown, COMMIT],
        );
        assert_eq!(super::steps("SELECT ';COMMIT;'", dialect).len(), 1);
        assert_eq!(super::steps("SELECT 1 -- ; COMMIT\n", dialect).len(), 1);
        assert_eq!(super::steps("SELECT 1 /* ; COMMIT */", dialect).len(), 1);
    }
    assert_eq!(steps("DO $$ BEGIN; COMMIT; $$", Postgres), [Step::Unknown]);
    assert_eq!(steps(r"SELECT 'a\'; COMMIT; --'", Mysql).len(), 1);
    assert_eq!(steps(r"SELECT 'a\'; COMMIT; --'", Postgres).len(), 2);
    // PostgreSQL ends a comment at a carriage return.
    assert!(matches!(
        &*steps("SELECT 1 -- x\r; DELETE FROM a", Postgres),
        [Step::Read(_), Step::Write(_)]
    ));
    assert!(matches!(
        &*steps("SELECT 1 /* /* */ ; DELETE FROM a", Mysql),
        [Step::Read(_), Step::Write(_)]
    ));
    assert!(matches!(
        &*steps("SELECT 1--1; DELETE FROM a", Mysql),
        [Step::Read(_), Step::Write(_)]
    ));
}

#[test]
fn bodies_are_not_split() {
    for body in [
        "BEGIN DELETE FROM b; COMMIT; END",
        "BEGIN UPDATE b SET x = CASE WHEN y THEN 1 END; DELETE FROM c; END",
    ] {
        let trigger = format!("CREATE TRIGGER t AFTER INSERT ON a FOR EACH ROW {body}");
        assert_steps(&trigger, Sqlite, &[Step::Ddl]);
        assert_steps(&trigger, Mysql, &[COMMIT, Step::Ddl]);
        let batch = format!("BEGIN; {trigger}; COMMIT;");
        assert_steps(&batch, Sqlite, &[BEGIN, Step::Ddl, COMMIT]);
    }
    assert_steps(
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC DELETE FROM a; SELECT 1; END; COMMIT",
        Postgres,
        &[Step::Ddl, COMMIT],
    );
    assert_steps(
        "CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN DELETE FROM a; END $$ LANGUAGE plpgsql; COMMIT",
        Postgres,
        &[Step::Ddl, COMMIT],
    );
    assert_steps(
        "CREATE PROCEDURE p() BEGIN IF x THEN DELETE FROM a; END IF; CASE x WHEN 1 THEN SELECT 1; END CASE; END;",
        Mysql,
        &[COMMIT, Step::Ddl],
    );
    assert_steps(
        "CREATE TABLE event (id INT); COMMIT",
        Mysql,
        &[COMMIT, Step::Ddl, COMMIT],
    );
    // Where a body ends is not certain.
    assert_steps(
        "CREATE PROCEDURE p() IF x THEN DELETE FROM a; END IF; COMMIT",
        Mysql,
        &[COMMIT, Step::Ddl, Step::Unknown, LOST],
    );
    assert_steps(
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; COMMIT",
        Sqlite,
        &[Step::Ddl, Step::Unknown, LOST],
    );
}

#[test]
fn opaque_texts() {
    for dialect in ALL {
        assert_steps("SELECT 'unclosed", dialect, &[Step::Unknown]);
        assert_steps("SELECT 1 FROM a\0", dialect, &[Step::Unknown]);
        assert_steps("SELECT f\u{a0}(1)", dialect, &[Step::Unknown]);
        assert_steps("SELECT\u{1}1", dialect, &[Step::Unknown]);
        assert_eq!(steps("SELECT '\u{a0}\u{1}' FROM a", dialect).len(), 1);
        let batch = steps("BEGIN; SELECT 'unclosed", dialect);
        assert_eq!(
            batch,
            [Step::Unknown, LOST, Step::Session(Session::Unrecognised)]
        );
        let huge = format!("INSERT INTO a VALUES ('{}')", "x".repeat(1 << 20));
        assert_steps(&huge, dialect, &[Step::Unknown]);
        assert_eq!(
            steps(&format!("BEGIN; {huge}"), dialect)[1..],
            [LOST, Step::Session(Session::Unrecognised)]
        );
    }
}

#[test]
fn executable_comments() {
    assert_steps("SELECT /*!50000 1 + */ 1", Mysql, &[Step::Unknown]);
    assert_steps("SELECT /*M!100000 1 + */ 1", Mysql, &[Step::Unknown]);
    assert_eq!(
        steps("/*!40101 SET NAMES utf8 */", Mysql),
        [Step::Unknown, LOST, Step::Session(Session::Unrecognised)]
    );
    assert_eq!(steps("/*!40000 COMMIT */", Mysql)[1], LOST);
    assert!(matches!(
        &*steps("SELECT /*+ NO_ICP(a) */ 1 FROM a", Mysql),
        [Step::Read(_)]
    ));
    assert!(matches!(
        &*steps("SELECT /*! x */ 1 FROM a", Postgres),
        [Step::Read(_)]
    ));
    assert!(matches!(
        &*steps("SELECT '/*! x */' FROM a", Mysql),
        [Step::Read(_)]
    ));
}
