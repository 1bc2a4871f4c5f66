use super::{
    ALL, Mysql, Postgres, Refusal, Sqlite, assert_reads, assert_refused, assert_unknown_functions,
    names, read, steps,
};
use crate::dialect::Dialect;
use crate::footprint::analysis::{Control, Session, Step};

#[test]
fn pure_functions_are_listed() {
    for dialect in ALL {
        let access = read(
            "SELECT Count(*), LOWER(x), coalesce(sum(y), 0), replace(a, 'b', 'c') FROM t ORDER BY abs(z)",
            dialect,
        );
        assert_eq!(
            access.pure_functions,
            names(&["abs", "coalesce", "count", "lower", "replace", "sum"])
        );
        assert_eq!((access.unknown_functions.len(), access.refusal), (0, None));
        assert_reads(
            "SELECT rank() OVER w, lag(x, 1) OVER (ORDER BY y) FROM t WINDOW w AS (ORDER BY x)",
            dialect,
            &["t"],
        );
    }
    assert_reads(
        "SELECT string_agg(DISTINCT x, ',' ORDER BY y), percentile_cont(0.5) WITHIN GROUP (ORDER BY z), count(*) FILTER (WHERE x > 1), array_agg(x), jsonb_build_object('a', 1), to_char(t, 'YYYY'), date_trunc('day', t), x::numeric(10, 2), pg_catalog.lower(y), grouping(x), make_interval(days => 3) FROM t GROUP BY GROUPING SETS ((x), ())",
        Postgres,
        &["t"],
    );
    assert_reads("SELECT 1 FROM t GROUP BY ROLLUP (x, y)", Postgres, &["t"]);
    assert_reads(
        "SELECT GROUP_CONCAT(x SEPARATOR ','), IF(a, 1, 2), DATE(t), DATE_ADD(t, INTERVAL 1 DAY), JSON_EXTRACT(d, '$.a'), d->>'$.b', CONVERT(x USING utf8mb4), CAST(x AS CHAR(3)), LEFT(x, 2), CHAR(65), unix_timestamp(t) FROM t WHERE x REGEXP 'a'",
        Mysql,
        &["t"],
    );
    assert_reads(
        "SELECT group_concat(x, ','), ifnull(a, 1), json_extract(d, '$.a'), iif(a, 1, 2), printf('%d', x), total(x) FROM t WHERE x LIKE 'a%' AND y GLOB 'b*'",
        Sqlite,
        &["t"],
    );
    assert_eq!(
        read("SELECT 1 FROM t WHERE x LIKE 'a' OR x GLOB 'b'", Sqlite).pure_functions,
        names(&["glob", "like"])
    );
}

#[test]
fn unknown_functions_wherever_they_stand() {
    for dialect in ALL {
        for sql in [
            "SELECT f(1)",
            "SELECT F (1)",
            "SELECT 1 FROM t WHERE x = f(y)",
            "SELECT 1 FROM t ORDER BY f(x)",
            "SELECT 1 FROM t GROUP BY f(x)",
            "SELECT 1 FROM t GROUP BY x HAVING f(x) > 1",
            "SELECT sum(f(x)) OVER (PARTITION BY f(y)) FROM t",
            "WITH x AS (SELECT f(1)) SELECT 1 FROM x",
            "SELECT (SELECT f(1))",
            "SELECT CASE WHEN f(1) THEN 1 END",
            "SELECT 1 FROM t WHERE x IN (1, f(2))",
            "SELECT 1 FROM t LIMIT f(1)",
            "SELECT 1 FROM a JOIN b ON f(a.x)",
            "SELECT /* f */ lower(f /* x */ (1))",
            "SELECT 1 UNION SELECT f(1)",
            "VALUES (f(1))",
        ] {
            let steps = steps(sql, dialect);
            let found = match &*steps {
                [Step::Read(access)] => access.unknown_functions == names(&["f"]),
                other => other == [Step::Unknown],
            };
            assert!(found, "{dialect}: {sql}: {steps:?}");
        }
        assert_unknown_functions("SELECT blog.f(1), blog.lower(2)", dialect, &["f", "lower"]);
    }
    assert_unknown_functions("SELECT sum(x) FILTER (WHERE f(x)) FROM t", Postgres, &["f"]);
    assert_unknown_functions(r#"SELECT "f"(1), "Now"()"#, Postgres, &["f"]);
    assert_unknown_functions("SELECT a.pg_catalog.lower(1)", Postgres, &["lower"]);
    assert_unknown_functions(
        "SELECT lo_unlink(1), dblink('x'), query_to_xml('x'), ts_rewrite(x, 'SELECT 1'), ts_stat('x'), filter(1), over(1), rollup(2)",
        Postgres,
        &[
            "dblink",
            "filter",
            "lo_unlink",
            "over",
            "query_to_xml",
            "rollup",
            "ts_rewrite",
            "ts_stat",
        ],
    );
    assert_unknown_functions(
        "SELECT load_extension('x'), left(x, 1), any(x) FROM t",
        Sqlite,
        &["any", "left", "load_extension"],
    );
    assert_unknown_functions("SELECT 1 FROM t WHERE x MATCH 'y'", Sqlite, &["match"]);
    assert_unknown_functions(
        "SELECT 1 FROM t WHERE x REGEXP 'y' OR x NOT REGEXP ('z')",
        Sqlite,
        &["regexp"],
    );
    assert_unknown_functions("SELECT sys.version_major()", Mysql, &["version_major"]);
}

#[test]
fn volatile_functions() {
    let volatile = |dialect: Dialect, expressions: &[&str]| {
        for expression in expressions {
            assert_refused(
                &format!("SELECT {expression} FROM t"),
                dialect,
                Refusal::Volatile,
            );
        }
    };
    volatile(
        Postgres,
        &[
            "now()",
            "NOW()",
            "\"now\"()",
            "current_timestamp",
            "CURRENT_DATE",
            "current_time(3)",
            "localtimestamp",
            "random()",
            "gen_random_uuid()",
            "nextval('s')",
            "currval('s')",
            "lastval()",
            "setval('s', 1)",
            "clock_timestamp()",
            "pg_sleep(1)",
            "txid_current()",
            "pg_advisory_lock(1)",
            "pg_try_advisory_xact_lock(1)",
            "pg_notify('a', 'b')",
            "age(x)",
            "pg_get_viewdef(1)",
            "to_regclass('t')",
            "has_table_privilege('t', 'SELECT')",
            "obj_description(1)",
            "pg_relation_size('t')",
            "lower(now()::text)",
            "'now'",
            "' Today '",
            "date 'tomorrow'",
            "'yesterday'::date",
            "'today 12:00'",
            "E'now'",
            "$$now$$",
            "$1::date",
            "CAST($1 AS timestamptz)",
            "($1)::text::timestamp",
            "('to' || 'day')::date",
            "lower($1)::time",
            "'t'::regclass",
            "x::regtype",
            "x OPERATOR(blog.+) y",
            "x <=> y",
        ],
    );
    volatile(
        Mysql,
        &[
            "now()",
            "NOW(6)",
            "CURRENT_TIMESTAMP",
            "current_date",
            "UTC_TIMESTAMP",
            "utc_date()",
            "SYSDATE()",
            "rand()",
            "RAND(3)",
            "uuid()",
            "sleep(1)",
            "last_insert_id()",
            "found_rows()",
            "row_count()",
            "get_lock('a', 1)",
            "release_lock('a')",
            "benchmark(1, 2)",
            "load_file('x')",
            "unix_timestamp()",
            "curdate()",
        ],
    );
    volatile(
        Sqlite,
        &[
            "random()",
            "randomblob(3)",
            "changes()",
            "last_insert_rowid()",
            "total_changes()",
            "date('now')",
            "time()",
            "datetime(x)",
            "julianday('now')",
            "strftime('%s', 'now')",
            "unixepoch()",
            "timediff(a, b)",
            "CURRENT_TIMESTAMP",
            "current_date",
            "current_time",
        ],
    );
    assert_reads("SELECT age(a, b) FROM t", Postgres, &["t"]);
    assert_reads(
        "SELECT x::date, t.now, a AS current, \"current_date\" FROM t WHERE y = '2020-01-01'::date AND z = 'knowing'",
        Postgres,
        &["t"],
    );
    assert_reads("SELECT `now`, `current_timestamp` FROM t", Mysql, &["t"]);
    assert_reads(
        "SELECT x -|- y, x <<= y, x <-> y, x ~ y, x @@ y, x #>> y FROM t",
        Postgres,
        &["t"],
    );
}

#[test]
fn session_functions() {
    let session = |dialect: Dialect, expressions: &[&str]| {
        for expression in expressions {
            assert_refused(
                &format!("SELECT {expression} FROM t"),
                dialect,
                Refusal::Session,
            );
        }
    };
    session(
        Postgres,
        &[
            "current_user",
            "USER",
            "session_user",
            "current_role",
            "current_schema",
            "current_schema()",
            "current_database()",
            "current_setting('a.b')",
            "pg_backend_pid()",
        ],
    );
    session(
        Mysql,
        &[
            "user()",
            "current_user",
            "current_user()",
            "session_user()",
            "database()",
            "schema()",
            "connection_id()",
            "@a",
            "@`a b`",
            "@@sql_mode",
            "@@session.time_zone",
            "SQL_CALC_FOUND_ROWS x",
        ],
    );
    assert_reads(
        "SELECT version(), t.user, \"user\" FROM t",
        Postgres,
        &["t"],
    );
    assert_reads("SELECT version(), user, `database` FROM t", Mysql, &["t"]);
    assert_reads("SELECT user, current_user FROM t", Sqlite, &["t"]);
    // A reason that no scope can lift counts more.
    assert_refused("SELECT current_user, now()", Postgres, Refusal::Volatile);
    assert_refused("SELECT now(), current_user", Postgres, Refusal::Volatile);
}

#[test]
fn functions_that_change_the_session() {
    let session = Step::Session(Session::Unrecognised);
    let found = steps("SELECT set_config('app.user', $1, true)", Postgres);
    assert!(
        matches!(&*found, [Step::Read(access), step] if access.refusal == Some(Refusal::Session) && access.unknown_functions.is_empty() && *step == session),
        "{found:?}"
    );
    for sql in [
        "SELECT set_config('transaction_isolation', 'x', true)",
        "SELECT set_config($1, $2, false)",
        "SELECT pg_catalog.set_config(x, y, false) FROM t",
    ] {
        assert_eq!(
            steps(sql, Postgres)[1..],
            [session.clone(), Step::Control(Control::Unrecognised)],
            "{sql}"
        );
    }
    assert_eq!(
        &steps("UPDATE t SET x = set_config('a.b', 'c', false)", Postgres)[1..],
        std::slice::from_ref(&session)
    );
    assert_eq!(
        &steps("SELECT @a := 1", Mysql)[1..],
        std::slice::from_ref(&session)
    );
    assert_eq!(
        steps(
            "SELECT gibberish gibberish gibberish, set_config('a.b', 'c', false)",
            Postgres
        ),
        [Step::Unknown, session.clone()]
    );
    assert!(steps("UPDATE t SET x = (@a := @a + 1)", Mysql).contains(&session));
}
