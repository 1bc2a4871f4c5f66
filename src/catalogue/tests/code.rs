//! What the words of code say.

use super::super::*;

fn of(text: &str, language: Language) -> Code {
    Code::of(text, language)
}

fn names(code: &Code, name: &str) -> bool {
    code.words.contains(name)
}

#[test]
fn words_are_runs_and_quoted_names() {
    let code = of(
        "BEGIN INSERT INTO Audit_Log VALUES ('posts'); -- and \"tags\"\n\
         UPDATE \"My \"\"odd\"\" table\" SET x = 1; DELETE FROM 7things; SELECT a$b; END",
        Language::PlPgSql,
    );
    assert!(names(&code, "audit_log"));
    assert!(names(&code, "my \"odd\" table"));
    assert!(names(&code, "things"));
    assert!(names(&code, "a$b") && names(&code, "b"));
    assert!(!names(&code, "posts"), "a text names nothing");
    assert!(!names(&code, "tags"), "nor does a comment");
    assert!(!code.opaque && !code.sets);
    let code = of(
        "BEGIN INSERT INTO 'audit' VALUES (1); END",
        Language::Sqlite,
    );
    assert!(names(&code, "audit"), "SQLite takes a text for a name");
    assert!(names(
        &of("UPDATE [some table] SET x = 1", Language::Sqlite),
        "some table"
    ));
    assert!(names(
        &of("UPDATE `some table` SET x = 1", Language::Mysql),
        "some table"
    ));
}

#[test]
fn long_names_are_cut_on_postgres() {
    let name = "é".repeat(40);
    let code = of(&format!("DELETE FROM {name}"), Language::PlPgSql);
    assert!(names(&code, &"é".repeat(31)));
    assert!(names(&code, &name));
}

#[test]
fn dynamic_sql_is_opaque() {
    for body in [
        "BEGIN EXECUTE 'x'; END",
        "BEGIN RETURN QUERY EXECUTE format('x'); END",
        "CREATE TEMP TABLE x (id int)",
        "DO $$ BEGIN END $$",
        "SELECT query_to_xml('x', true, true, '')",
        "SELECT pg_catalog.query_to_xml('x', true, true, '')",
        "SELECT \"query_to_xml\"('x', true, true, '')",
        "SELECT dblink_exec('x')",
        "UPDATE U&\"p\\006Fsts\" SET x = 1",
        "SELECT 1 \u{1} FROM x",
    ] {
        assert!(of(body, Language::PlPgSql).opaque, "{body}");
    }
    for body in [
        "INSERT INTO x VALUES (1) ON CONFLICT DO NOTHING",
        "INSERT INTO x VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1",
        "IF NEW.create THEN NULL; END IF",
        "INSERT INTO x VALUES ('create') -- execute",
        "SELECT a INTO b FROM c",
    ] {
        assert!(!of(body, Language::PlPgSql).opaque, "{body}");
    }
    assert!(of("SELECT a INTO b FROM c", Language::Sql).opaque);
    assert!(!of("INSERT INTO b SELECT a FROM c", Language::Sql).opaque);
    for body in [
        "BEGIN PREPARE p FROM @sql; END",
        "EXECUTE IMMEDIATE 'x'",
        "BEGIN /*! DELETE FROM x */; END",
        "CALL sys.execute_prepared_stmt('x')",
        "CREATE TEMPORARY TABLE x (id INT)",
    ] {
        assert!(of(body, Language::Mysql).opaque, "{body}");
    }
    assert!(!of("INSERT INTO x VALUES ('prepare')", Language::Mysql).opaque);
}

#[test]
fn code_writes_what_stands_after_its_verbs() {
    let written = |body, language| {
        let code = of(body, language);
        let named = |name: &&str| code.written.contains(*name);
        ["a", "b", "c", "d"]
            .into_iter()
            .filter(named)
            .collect::<String>()
    };
    for (body, names) in [
        (
            "IF (SELECT count(*) FROM a) > 3 THEN RAISE 'delete'; END IF;",
            "",
        ),
        ("INSERT INTO a SELECT * FROM b WHERE c > 1", "a"),
        ("INSERT INTO s.a (b) VALUES ((SELECT c FROM d))", "a"),
        (
            "INSERT INTO a AS x WITH b AS (SELECT 1) SELECT c FROM b",
            "a",
        ),
        ("INSERT INTO a DEFAULT VALUES RETURNING b", "a"),
        (
            "INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 1",
            "a",
        ),
        ("UPDATE ONLY \"a\" SET b = 1 FROM c WHERE d > 1", "a"),
        ("DELETE FROM a WHERE b IN (SELECT c FROM d)", "a"),
        ("DELETE FROM a USING b WHERE c > d", "ab"),
        (
            "WITH x AS (DELETE FROM a RETURNING b) INSERT INTO c SELECT * FROM x",
            "ac",
        ),
        (
            "MERGE INTO a USING b ON c = d WHEN MATCHED THEN UPDATE SET x = 1",
            "a",
        ),
        ("TRUNCATE TABLE a, ONLY b; SELECT c FROM d", "ab"),
        ("TRUNCATE ONLY (a); SELECT c FROM d", "a"),
        ("COPY a (b) FROM '/dev/null'", "a"),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY a; SELECT b", "a"),
        ("DELETE FROM a; PERFORM b FROM c; UPDATE d SET x = 1", "ad"),
        // Too much, for want of an end.
        (
            "PERFORM b FROM a FOR UPDATE OF a; INSERT INTO c VALUES (1)",
            "ac",
        ),
    ] {
        assert_eq!(written(body, Language::PlPgSql), names, "{body}");
    }
    for (body, names) in [
        ("UPDATE a x JOIN b y ON x.c = y.c SET x.d = 1", "abc"),
        (
            "DELETE x FROM (SELECT c FROM d WHERE c > 1) z JOIN a x WHERE b > 1",
            "acd",
        ),
        ("REPLACE LOW_PRIORITY a SET b = REPLACE(c, 'x', 'y')", "a"),
        ("INSERT IGNORE INTO a SELECT truncate(b, 1) FROM c", "a"),
    ] {
        assert_eq!(written(body, Language::Mysql), names, "{body}");
    }
    for (body, names) in [
        ("INSERT OR REPLACE INTO 'a' SELECT b FROM c", "a"),
        ("UPDATE OR IGNORE [a] SET b = (SELECT c FROM d)", "a"),
    ] {
        assert_eq!(written(body, Language::Sqlite), names, "{body}");
    }
    let code = of("INSERT INTO value VALUES (1)", Language::Sql);
    assert!(code.written.contains("value"), "a table of that name");
    let code = of("INSERT INTO set.a VALUES (1)", Language::Sql);
    assert!(code.written.contains("a"), "a schema of that name");
    let code = of("DELETE FROM a", Language::Sql).only_reading();
    assert!(code.written.is_empty() && names(&code, "a"));
}

#[test]
fn code_may_change_the_session() {
    for body in [
        "BEGIN SET search_path = x; END",
        "BEGIN UPDATE t SET a = 1; SET LOCAL role = x; END",
        "BEGIN IF NEW.update THEN SET role x; END IF; END",
        "BEGIN PERFORM 1 FROM t FOR UPDATE; SET role x; END",
        "BEGIN PERFORM set_config('a', 'b', false); END",
        "BEGIN RESET role; END",
    ] {
        assert!(of(body, Language::PlPgSql).sets, "{body}");
    }
    for body in [
        "BEGIN UPDATE t SET a = 1; UPDATE ONLY t AS x SET b = 2 WHERE a = 1; END",
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1",
        "MERGE INTO t USING u ON a = b WHEN MATCHED THEN UPDATE SET a = 1",
    ] {
        assert!(!of(body, Language::PlPgSql).sets, "{body}");
    }
    for body in [
        "SET sql_mode = ''",
        "BEGIN SET NEW.a = 1, SESSION div_precision_increment = 2; END",
        "BEGIN SET @x = 1; END",
        "BEGIN DECLARE a INT; SET a = 1, sql_mode = ''; END",
        "BEGIN DECLARE a INT DEFAULT sql_mode; SET sql_mode = 1; END",
        "BEGIN SELECT 1 INTO @x; END",
    ] {
        assert!(of(body, Language::Mysql).sets, "{body}");
    }
    for body in [
        "SET NEW.a = concat(NEW.b, x), NEW.c = 1",
        "BEGIN DECLARE a, `b` INT; SET a = 1, b = f(1, sql_mode); END",
        "BEGIN UPDATE t SET a = 1; INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1; END",
        "BEGIN IF @@sql_mode = '' THEN DELETE FROM t; END IF; END",
    ] {
        assert!(!of(body, Language::Mysql).sets, "{body}");
    }
}

#[test]
fn what_is_called_is_listed_where_routines_may_be_hidden() {
    let calls = |body, language| {
        let calls = of(body, language).calls;
        calls.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let body = "BEGIN DECLARE v VARCHAR(9); INSERT INTO t (a, b) VALUES (concat(1), f(2)); \
                CALL p; CALL other.q(1); IF (v) THEN SET v = `g`(1); END IF; END";
    assert_eq!(calls(body, Language::Mysql), ["f", "g", "p", "q"]);
    let body = "BEGIN INSERT INTO t (a) SELECT lower(x) FROM u WHERE (a IN (1)); \
                UPDATE t SET (a) = (f(1)); END";
    assert_eq!(calls(body, Language::Sqlite), ["f"]);
    assert!(calls("SELECT f(1)", Language::PlPgSql).is_empty());
}

#[test]
fn the_schemas_of_relations_and_routines() {
    let schemas = |body| {
        let schemas = Code::schemas(body);
        schemas.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        schemas("INSERT INTO a.t SELECT u.x, g.f(1) FROM b.u, c.v WHERE u.x = 1"),
        ["a", "b", "c", "g"]
    );
    assert_eq!(schemas("UPDATE t x JOIN d.u SET x.a = u.b"), ["d"]);
    assert_eq!(schemas("CALL e.p"), ["e"]);
}

#[test]
fn a_trigger_of_sqlite_fires_on_its_events() {
    let of = Trigger::of_sqlite;
    let Trigger { events, code, .. } = of(
        "CREATE TRIGGER \"insert\" AFTER UPDATE OF a, b ON posts WHEN f(NEW.a) BEGIN \
         INSERT INTO audit VALUES (1); END",
    );
    assert_eq!(events, Events::UPDATE);
    assert!(names(&code, "audit") && !names(&code, "posts"));
    assert!(code.calls.contains("f"));
    let trigger = of("CREATE TRIGGER t INSTEAD OF DELETE ON v BEGIN SELECT 1; END");
    assert_eq!(trigger.events, Events::DELETE);
    assert!(of("CREATE TRIGGER t").code.opaque);
}

#[test]
fn when_a_trigger_of_sqlite_fires() {
    let before =
        |head: &str| Trigger::of_sqlite(&format!("CREATE {head} ON t BEGIN SELECT 1; END")).before;
    for head in [
        "TRIGGER r AFTER INSERT",
        "trigger r after /* before */ update of a, b",
        "TRIGGER IF NOT EXISTS main.r AFTER DELETE",
        "TRIGGER [before] AFTER DELETE",
        "TRIGGER before AFTER DELETE",
    ] {
        assert!(!before(head), "{head}");
    }
    for head in [
        "TRIGGER r BEFORE INSERT",
        "TRIGGER r INSTEAD OF UPDATE",
        "TRIGGER r INSERT",
        "TRIGGER after INSERT",
        "TRIGGER after BEFORE INSERT",
        "TRIGGER IF NOT EXISTS after DELETE",
        "TRIGGER main.after DELETE",
        "TRIGGER \"x after insert\" DELETE",
        "TRIGGER r UPDATE OF after, \"insert\"",
        "TRIGGER r /* x AFTER INSERT */ UPDATE",
    ] {
        assert!(before(head), "{head}");
    }
    assert!(Trigger::of_sqlite("CREATE TRIGGER t").before);
}
