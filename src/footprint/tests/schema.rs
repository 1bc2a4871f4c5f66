use super::{ALL, Mysql, Postgres, Sqlite, assert_steps, names, steps};
use crate::footprint::analysis::{Control, Session, Step};
use crate::footprint::view_definition;

const COMMIT: Step = Step::Control(Control::Commit);

fn temporary(name: &str) -> Step {
    Step::CreateTemporary(name.into())
}

#[test]
fn ddl() {
    for sql in [
        "CREATE TABLE a (id INT PRIMARY KEY)",
        "CREATE TABLE IF NOT EXISTS a (x whatever, y timestamp DEFAULT now())",
        "CREATE UNIQUE INDEX i ON a (lower(x))",
        "CREATE VIEW v AS SELECT f(x) FROM a",
        "CREATE MATERIALIZED VIEW v AS SELECT 1",
        "ALTER TABLE a ADD COLUMN x INT",
        "DROP TABLE a, b CASCADE",
        "DROP INDEX i",
        "GRANT SELECT ON a TO joe",
        "REVOKE ALL ON a FROM joe",
        "REINDEX a",
        "COMMENT ON TABLE a IS 'x'",
        "CREATE gibberish )(",
        "DROP",
        "ALTER",
    ] {
        for dialect in [Postgres, Sqlite] {
            assert_steps(sql, dialect, &[Step::Ddl]);
        }
        // The open transaction ends.
        assert_steps(sql, Mysql, &[COMMIT, Step::Ddl]);
    }
    assert_steps("RENAME TABLE a TO b", Mysql, &[COMMIT, Step::Ddl]);
    assert_steps(
        "CREATE TABLE a AS SELECT f(x) FROM b",
        Postgres,
        &[Step::Ddl, Step::Unknown],
    );
    assert_steps(
        "CREATE TABLE a AS SELECT lower(x) FROM b",
        Postgres,
        &[Step::Ddl],
    );
}

#[test]
fn temporary_relations() {
    for dialect in ALL {
        for sql in [
            "CREATE TEMPORARY TABLE Posts (id INT)",
            "CREATE TEMPORARY TABLE IF NOT EXISTS posts (id INT)",
            "CREATE TEMPORARY TABLE blog.posts (x varchar(10))",
            "CREATE TEMPORARY TABLE posts AS SELECT lower(x) FROM a",
        ] {
            assert_steps(sql, dialect, &[temporary("posts")]);
        }
        assert_steps(
            "CREATE TEMPORARY TABLE posts AS SELECT f(x) FROM a",
            dialect,
            &[temporary("posts"), Step::Unknown],
        );
    }
    for (sql, dialect) in [
        ("CREATE TEMP TABLE posts (id INT)", Postgres),
        (
            "CREATE LOCAL TEMP TABLE posts (id INT) ON COMMIT DROP",
            Postgres,
        ),
        ("CREATE TABLE pg_temp.posts (id INT)", Postgres),
        ("CREATE OR REPLACE TEMP VIEW posts AS SELECT f(1)", Postgres),
        ("CREATE TEMP RECURSIVE VIEW posts (n) AS SELECT 1", Postgres),
        ("CREATE TEMP SEQUENCE posts", Postgres),
        ("CREATE TEMP TABLE posts (id INT)", Sqlite),
        ("CREATE TABLE temp.posts (id INT)", Sqlite),
        ("CREATE TEMP VIEW posts AS SELECT 1", Sqlite),
        ("CREATE VIRTUAL TABLE temp.posts USING fts5(x)", Sqlite),
    ] {
        assert_steps(sql, dialect, &[temporary("posts")]);
    }
    assert_steps(
        "CREATE TEMP TABLE x AS WITH d AS (DELETE FROM a RETURNING *) SELECT * FROM d",
        Postgres,
        &[temporary("x"), Step::Unknown],
    );
    assert_steps(
        "CREATE TEMP TABLE x AS EXECUTE p",
        Postgres,
        &[temporary("x"), Step::Unknown],
    );
    assert_steps(
        "CREATE TEMP TABLE x AS SELECT set_config('a.b', 'c', false)",
        Postgres,
        &[temporary("x"), Step::Session(Session::Unrecognised)],
    );
    assert_steps("DROP TEMPORARY TABLE a", Mysql, &[Step::Harmless]);
}

#[test]
fn temporary_triggers_write_more() {
    assert_steps(
        "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END",
        Sqlite,
        &[Step::Ddl, Step::Control(Control::Unrecognised)],
    );
}

#[test]
fn harmless_statements() {
    for dialect in ALL {
        for sql in [
            "SHOW tables",
            "EXPLAIN SELECT 1",
            "EXPLAIN DELETE FROM a",
            "CHECKPOINT",
            "LISTEN x",
            "UNLISTEN *",
            "NOTIFY x, 'y'",
            "DEALLOCATE x",
            "FETCH ALL FROM c",
            "CLOSE c",
        ] {
            assert_steps(sql, dialect, &[Step::Harmless]);
        }
    }
    for sql in [
        "ANALYZE",
        "ANALYZE VERBOSE a (x)",
        "VACUUM (VERBOSE) a",
        "DECLARE c CURSOR FOR SELECT 1",
        "EXPLAIN (ANALYZE off, COSTS) DELETE FROM a",
        "EXPLAIN (FORMAT json) SELECT f()",
        "EXPLAIN VERBOSE SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
    ] {
        assert_steps(sql, Postgres, &[Step::Harmless]);
    }
    for sql in ["VACUUM FULL a", "VACUUM (FULL, ANALYZE) a", "CLUSTER a"] {
        assert_steps(sql, Postgres, &[Step::Ddl]);
    }
    for sql in [
        "DESCRIBE a",
        "DESC a",
        "EXPLAIN FORMAT=JSON SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
        "SHOW CREATE TABLE a",
        "KILL 3",
        "EXPLAIN a",
    ] {
        assert_steps(sql, Mysql, &[Step::Harmless]);
    }
    for sql in [
        "EXPLAIN QUERY PLAN DELETE FROM a",
        "ANALYZE",
        "VACUUM INTO 'x.db'",
    ] {
        assert_steps(sql, Sqlite, &[Step::Harmless]);
    }
    for sql in [
        "ANALYZE TABLE a",
        "OPTIMIZE TABLE a",
        "CHECK TABLE a",
        "FLUSH STATUS",
    ] {
        assert_steps(sql, Mysql, &[COMMIT]);
    }
    assert_steps("VACUUM", Sqlite, &[Step::Ddl]);
    assert_steps(
        "DECLARE c CURSOR FOR SELECT f(x) FROM a",
        Postgres,
        &[Step::Unknown, Step::Control(Control::Unrecognised)],
    );
}

#[test]
fn explain_analyze_runs() {
    for (sql, dialect) in [
        ("EXPLAIN ANALYZE DELETE FROM a", Postgres),
        ("EXPLAIN ANALYZE VERBOSE DELETE FROM a", Postgres),
        ("EXPLAIN (ANALYZE, BUFFERS) DELETE FROM a", Postgres),
        ("EXPLAIN (BUFFERS, ANALYZE true) DELETE FROM a", Postgres),
        ("EXPLAIN ANALYZE FORMAT=TREE DELETE FROM a", Mysql),
        ("ANALYZE FORMAT=JSON DELETE FROM a", Mysql),
        ("ANALYZE DELETE FROM a", Mysql),
    ] {
        assert!(
            matches!(&*steps(sql, dialect), [Step::Write(write)] if &*write.targets[0].relation == "a"),
            "{sql}"
        );
    }
    assert!(
        matches!(&*steps("EXPLAIN ANALYZE SELECT f()", Postgres), [Step::Read(access)] if access.unknown_functions == names(&["f"]))
    );
    assert_steps("EXPLAIN SELECT f()", Mysql, &[Step::Unknown]);
    // A view may do more than read.
    for (sql, dialect) in [
        ("EXPLAIN ANALYZE SELECT * FROM a", Postgres),
        ("EXPLAIN ANALYZE SELECT * FROM a", Mysql),
        ("ANALYZE SELECT * FROM a", Mysql),
        ("DECLARE c CURSOR FOR SELECT * FROM a", Postgres),
        ("COPY (SELECT * FROM a) TO STDOUT", Postgres),
    ] {
        assert!(
            matches!(&*steps(sql, dialect), [Step::Read(access)] if access.relations == names(&["a"])),
            "{sql}"
        );
    }
}

#[test]
fn definitions_of_views() {
    for sql in [
        "CREATE VIEW v AS SELECT x FROM a",
        "CREATE TEMP VIEW IF NOT EXISTS main.\"V\" (p, q) AS\nSELECT x FROM a WHERE y",
        "create view [as] as select * from A",
    ] {
        let analysis = view_definition(sql, Sqlite);
        assert_eq!(
            analysis
                .is_single_read()
                .map(|access| access.relations.clone()),
            Some(names(&["a"])),
            "{sql}"
        );
    }
    for sql in [
        "",
        "CREATE TABLE a (x)",
        "CREATE VIEW v",
        "CREATE VIEW v AS",
        "SELECT 1",
        "CREATE VIEW v AS SELECT 1; SELECT 2",
    ] {
        assert!(
            view_definition(sql, Sqlite).is_single_read().is_none(),
            "{sql}"
        );
    }
}
