//! Writes that hide in triggers, functions, views and odd texts, and sessions that differ
//! unseen.

use super::attacks_kit::{probes, reads};
use super::kit::{Rig, plain_sql, read_sql, run};
use diesel::prelude::*;
use diesel_cache::{Cache, CachedDsl, Report};

const N: &str = "CREATE FUNCTION noting(x integer) RETURNS integer LANGUAGE sql AS
   'INSERT INTO things VALUES (x, ''x'') RETURNING id';
   CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO things VALUES (NEW.id, ''x''); RETURN NEW; END';
   CREATE TABLE notes (id INTEGER, note TEXT); INSERT INTO notes VALUES (1, 'n');";

#[test]
fn attack_writes() {
    let ev = format!(
        "{N} CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO things VALUES (99, tg_tag); END';
        CREATE MATERIALIZED VIEW frozen AS SELECT * FROM notes;
        CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION ev();"
    );
    let dom = format!(
        "{N} CREATE DOMAIN dd AS integer DEFAULT noting(7); CREATE TABLE t (a dd, b integer);"
    );
    let drop_ev = "DROP EVENT TRIGGER IF EXISTS et";
    let _ = drop_ev;
    let cur = format!("{N} CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$
        DECLARE c CURSOR FOR SELECT * FROM things FOR UPDATE; r record;
        BEGIN OPEN c; FETCH c INTO r; UPDATE things SET name = 'cc' WHERE CURRENT OF c; CLOSE c; END $$");
    let cont = format!(
        "{N} CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM E'a'
          '\\'' ; INSERT INTO things VALUES (NEW.id, NEW.note); -- it's
          PERFORM ''; RETURN NEW; END $$;
        CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION f()"
    );
    let temp = N.to_owned();
    let range = format!("{N} CREATE TYPE pair AS (a integer, b integer);
        CREATE FUNCTION cmp(x pair, y pair) RETURNS integer LANGUAGE plpgsql AS
         'BEGIN INSERT INTO things VALUES ((SELECT max(id)+1 FROM things), ''cmp''); RETURN x.a - y.a; END';
        CREATE OPERATOR CLASS pair_odd DEFAULT FOR TYPE pair USING btree AS
          OPERATOR 1 *< (record, record), OPERATOR 2 *<= (record, record), OPERATOR 3 *= (record,record),
          OPERATOR 4 *>= (record, record), OPERATOR 5 *> (record, record), FUNCTION 1 cmp(pair, pair);
        CREATE TABLE pairs (p pair); INSERT INTO pairs VALUES ((1,2)), ((2,3)), ((0,1))");
    let cases: Vec<(&str, &str, &str)> = vec![
        (
            "event trigger: create temp table",
            &ev,
            "CREATE TEMP TABLE tt (id integer)",
        ),
        (
            "event trigger: refresh",
            &ev,
            "REFRESH MATERIALIZED VIEW frozen",
        ),
        (
            "event trigger: comment",
            &ev,
            "COMMENT ON TABLE notes IS 'x'",
        ),
        (
            "event trigger: grant",
            &ev,
            "GRANT SELECT ON notes TO PUBLIC",
        ),
        (
            "event trigger: select into temp",
            &ev,
            "SELECT 1 AS a INTO TEMP zz",
        ),
        ("event trigger: reindex", &ev, "REINDEX TABLE notes"),
        (
            "event trigger: create index",
            &ev,
            "CREATE INDEX ON notes (id)",
        ),
        (
            "event trigger: security",
            &ev,
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        ),
        (
            "event trigger: create schema",
            &ev,
            "CREATE TEMP VIEW vv AS SELECT 1 AS a",
        ),
        ("event trigger: temp seq", &ev, "CREATE TEMP SEQUENCE ss"),
        ("domain default", &dom, "INSERT INTO t (b) VALUES (1)"),
        (
            "domain default in cast",
            &dom,
            "INSERT INTO t DEFAULT VALUES",
        ),
        ("cursor", &cur, "SELECT f()"),
        (
            "E continuation",
            &cont,
            "INSERT INTO notes VALUES (5, 'five')",
        ),
        (
            "temp as select",
            &temp,
            "CREATE TEMP TABLE tt AS SELECT noting(7) AS a",
        ),
        (
            "select into temp",
            &temp,
            "SELECT noting(7) AS a INTO TEMP tt",
        ),
        (
            "temp view",
            &temp,
            "CREATE TEMP VIEW tv AS SELECT noting(7) AS a@@SELECT * FROM tv",
        ),
        (
            "temp default",
            &temp,
            "CREATE TEMP TABLE tt (id integer DEFAULT noting(7))@@INSERT INTO tt DEFAULT VALUES",
        ),
        (
            "temp trigger",
            &temp,
            "CREATE TEMP TABLE tt (id integer); CREATE TRIGGER t AFTER INSERT ON tt FOR EACH ROW EXECUTE FUNCTION note()@@INSERT INTO tt VALUES (7)",
        ),
        (
            "temp trigger separate",
            &temp,
            "CREATE TEMP TABLE tt (id integer)@@CREATE TRIGGER t AFTER INSERT ON tt FOR EACH ROW EXECUTE FUNCTION note()@@SELECT 1@@INSERT INTO tt VALUES (7)",
        ),
        (
            "temp table named as real w/ trigger",
            &temp,
            "CREATE TEMP TABLE notes (id integer); CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION note()@@INSERT INTO notes VALUES (7)",
        ),
        (
            "temp shadow: write to real by schema",
            &temp,
            "CREATE TEMP TABLE things (id integer, name text)@@INSERT INTO public.things VALUES (8, 'p')",
        ),
        (
            "temp inherits",
            &temp,
            "CREATE TEMP TABLE kid () INHERITS (things)@@INSERT INTO kid VALUES (8, 'p')",
        ),
        (
            "declare fetch",
            &temp,
            "BEGIN@@DECLARE c CURSOR FOR SELECT noting(7)@@FETCH c@@COMMIT",
        ),
        (
            "declare hold",
            &temp,
            "BEGIN@@DECLARE c CURSOR WITH HOLD FOR SELECT noting(7)@@COMMIT",
        ),
        (
            "declare savepoint",
            &temp,
            "BEGIN@@SAVEPOINT a@@DECLARE c CURSOR WITH HOLD FOR SELECT noting(7)@@RELEASE SAVEPOINT a@@COMMIT",
        ),
        (
            "explain analyze",
            &temp,
            "EXPLAIN (ANALYZE, FORMAT json) INSERT INTO things VALUES (8, 'x')",
        ),
        (
            "explain analyze fn",
            &temp,
            "EXPLAIN ANALYZE SELECT noting(7)",
        ),
        (
            "explain analyze verbose",
            &temp,
            "EXPLAIN ANALYZE VERBOSE UPDATE things SET name = 'z'",
        ),
        (
            "explain analyze on",
            &temp,
            "EXPLAIN (VERBOSE, ANALYZE ON) UPDATE things SET name = 'z'",
        ),
        (
            "explain analyze on'",
            &temp,
            "EXPLAIN (VERBOSE, \"analyze\" 'on') UPDATE things SET name = 'z'",
        ),
        (
            "prepare",
            &temp,
            "PREPARE p AS UPDATE things SET name = $1@@EXECUTE p('q')",
        ),
        (
            "execute with fn",
            &temp,
            "PREPARE p AS SELECT $1::int@@EXECUTE p(noting(7))",
        ),
        (
            "copy to",
            &temp,
            "COPY (INSERT INTO things VALUES (8,'x') RETURNING id) TO '/dev/null'",
        ),
        ("copy fn", &temp, "COPY (SELECT noting(7)) TO '/dev/null'"),
        ("values", &temp, "VALUES (noting(7))"),
        (
            "merge",
            &temp,
            "MERGE INTO things t USING notes n ON t.id = n.id WHEN MATCHED THEN UPDATE SET name = 'm'",
        ),
        (
            "cte",
            &temp,
            "WITH x AS (UPDATE things SET name = 'c' RETURNING id) SELECT * FROM x",
        ),
        ("truncate list", &temp, "TRUNCATE notes, ONLY things"),
        ("do", &temp, "DO $$ BEGIN PERFORM noting(7); END $$"),
        ("opclass", &range, "SELECT p FROM pairs ORDER BY p USING *<"),
        ("opclass2", &range, "SELECT p FROM pairs ORDER BY p"),
        (
            "lo",
            &temp,
            "LOCK TABLE things; UPDATE ONLY things * AS t SET name = 'l'",
        ),
    ];
    probes(&cases);
}

#[test]
fn attack_code() {
    let t = |body: &str| {
        format!(
            "{N} CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $body$ {body} $body$;
        CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION f()"
        )
    };
    let long = "x".repeat(70);
    let bodies: Vec<(&str, String)> = vec![
        ("merge", t("BEGIN MERGE INTO ONLY public.things AS q USING notes n ON q.id = n.id WHEN MATCHED THEN DELETE; RETURN NEW; END")),
        ("cte", t("BEGIN WITH a AS (SELECT 1 AS x), b AS (UPDATE things SET name = 'cte' RETURNING id) INSERT INTO others SELECT 50, 'x' FROM b LIMIT 1; RETURN NEW; END")),
        ("returning into", t("DECLARE i int; BEGIN DELETE FROM ONLY things WHERE id = 1 RETURNING id INTO i; RETURN NEW; END")),
        ("using", t("BEGIN DELETE FROM things t USING notes n WHERE n.id = t.id; RETURN NEW; END")),
        ("truncate", t("BEGIN TRUNCATE TABLE ONLY (others), ONLY (things); RETURN NEW; END")),
        ("copy", t("BEGIN COPY things (id, name) FROM PROGRAM 'echo 77,q' WITH (FORMAT csv); RETURN NEW; END")),
        ("foreach", t("DECLARE i int; BEGIN FOREACH i IN ARRAY ARRAY[5,6] LOOP INSERT INTO things AS t SELECT i, 'x' ON CONFLICT DO NOTHING; END LOOP; RETURN NEW; END")),
        ("comment", t("BEGIN /* a /* ; */ b ' */ INSERT /* x */ INTO -- ' \n things VALUES (5, $q$ a;b $$ ' $q$); RETURN NEW; END")),
        ("if", t("BEGIN IF (WITH a AS (SELECT 1) SELECT count(*) FROM a) = 1 THEN UPDATE things SET name = 'if'; END IF; RETURN NEW; END")),
        ("for in insert", t("DECLARE r record; BEGIN FOR r IN INSERT INTO things VALUES (5, 'x') RETURNING id LOOP NULL; END LOOP; RETURN NEW; END")),
        ("return query", format!("{N} CREATE FUNCTION g() RETURNS SETOF integer LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY UPDATE things SET name = 'rq' RETURNING id; END $$; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM * FROM g(); RETURN NEW; END $$; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION f()")),
        ("open cursor", t("DECLARE c refcursor; BEGIN OPEN c FOR SELECT noting(7); MOVE FORWARD ALL FROM c; CLOSE c; RETURN NEW; END")),
        ("bound cursor args", t("DECLARE c CURSOR (x int) FOR SELECT noting(x); r record; BEGIN FOR r IN c(7) LOOP NULL; END LOOP; RETURN NEW; END")),
        ("decl default", t("DECLARE x int := noting(7); BEGIN RETURN NEW; END")),
        ("assert", t("BEGIN ASSERT noting(7) > 0; RETURN NEW; END")),
        ("raise", t("BEGIN RAISE NOTICE 'x % insert ''', noting(7); RETURN NEW; END")),
        ("view in schema", format!("{} ; CREATE SCHEMA s; CREATE VIEW s.v AS SELECT * FROM things", t("BEGIN UPDATE s.v SET name = 'v'; RETURN NEW; END"))),
        ("long", format!("{} CREATE TABLE {long} (id integer); CREATE TRIGGER t2 AFTER INSERT ON {long} FOR EACH ROW EXECUTE FUNCTION note()", t(&format!("BEGIN INSERT INTO {long}yyyy VALUES (7); RETURN NEW; END;")) + ";")),
        ("keyword names", format!("{} CREATE TABLE value (id integer); CREATE TRIGGER t2 AFTER INSERT ON value FOR EACH ROW EXECUTE FUNCTION note()", t("BEGIN INSERT INTO value VALUES (7); RETURN NEW; END;") + ";")),
        ("keyword names 2", format!("{} CREATE TABLE values (id integer); CREATE TRIGGER t2 AFTER UPDATE ON values FOR EACH ROW EXECUTE FUNCTION note(); INSERT INTO values VALUES (7)", t("BEGIN UPDATE values SET id = 7; RETURN NEW; END;") + ";")),
        ("keyword set", format!("{} CREATE TABLE set (id integer); CREATE TRIGGER t2 AFTER UPDATE ON set FOR EACH ROW EXECUTE FUNCTION note(); INSERT INTO set VALUES (7)", t("BEGIN UPDATE public . /* a */ set SET id = 7; RETURN NEW; END;") + ";")),
        ("schema set", format!("CREATE SCHEMA set; {} CREATE TABLE set.tt (id integer); CREATE TRIGGER t2 AFTER UPDATE ON set.tt FOR EACH ROW EXECUTE FUNCTION note(); INSERT INTO set.tt VALUES (7)", t("BEGIN UPDATE set . tt SET id = 7; RETURN NEW; END;") + ";")),
        ("dots", format!("{} CREATE TABLE \"a.b; c\"\"(\" (id integer); CREATE TRIGGER t2 AFTER INSERT ON \"a.b; c\"\"(\" FOR EACH ROW EXECUTE FUNCTION note();", t("BEGIN INSERT INTO public.\"a.b; c\"\"(\" VALUES (7); RETURN NEW; END;") + ";")),
        ("unicode", format!("{} CREATE TABLE ÄΣ (id integer); CREATE TRIGGER t2 AFTER INSERT ON ÄΣ FOR EACH ROW EXECUTE FUNCTION note();", t("BEGIN INSERT INTO ÄΣ VALUES (7); RETURN NEW; END;") + ";")),
        ("nbsp", format!("{} CREATE TABLE a\u{a0}b (id integer); CREATE TRIGGER t2 AFTER INSERT ON a\u{a0}b FOR EACH ROW EXECUTE FUNCTION note();", t("BEGIN INSERT INTO a\u{a0}b VALUES (7); RETURN NEW; END;") + ";")),
        ("emoji", format!("{} CREATE TABLE 🦀→x (id integer); CREATE TRIGGER t2 AFTER INSERT ON 🦀→x FOR EACH ROW EXECUTE FUNCTION note();", t("BEGIN INSERT INTO 🦀→x VALUES (7); RETURN NEW; END;") + ";")),
        ("fk chain", format!("{N} CREATE TABLE p (id integer PRIMARY KEY, g integer GENERATED ALWAYS AS (id * 2) STORED UNIQUE); CREATE TABLE c (g integer REFERENCES p (g) ON DELETE CASCADE); INSERT INTO p VALUES (1); INSERT INTO c VALUES (2);
           CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE things SET name = ''fk''; RETURN OLD; END'; CREATE TRIGGER t AFTER DELETE ON c FOR EACH ROW EXECUTE FUNCTION f();
           CREATE FUNCTION h() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM p; RETURN NEW; END'; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION h()")),
        ("atomic", format!("{N} CREATE PROCEDURE pp(x int) LANGUAGE sql BEGIN ATOMIC UPDATE things SET name = 'at'; END; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN CALL pp(1); RETURN NEW; END'; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION f()")),
        ("attribute", format!("{N} CREATE FUNCTION att(n notes) RETURNS integer LANGUAGE sql AS 'SELECT noting(7)'; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM n.att FROM notes n LIMIT 1; RETURN NEW; END'; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION f()")),
        ("inherit", format!("{N} CREATE TABLE base (id integer); CREATE TABLE kid () INHERITS (base); INSERT INTO kid VALUES (7); CREATE TRIGGER t2 AFTER UPDATE ON kid FOR EACH ROW EXECUTE FUNCTION note(); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE base SET id = id; RETURN NEW; END'; CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION f()")),
        ("label", t("<<update>> BEGIN <<l>> FOR i IN 1..1 LOOP UPDATE things SET name = 'l'; CONTINUE l; END LOOP; RETURN NEW; END")),
        ("exception", t("BEGIN BEGIN UPDATE things SET name = 'ex'; EXCEPTION WHEN OTHERS THEN NULL; END; RETURN NEW; END")),
        ("string concat fn", t("BEGIN PERFORM noting/**/(7); RETURN NEW; END")),
        ("case", t("BEGIN CASE WHEN true THEN INSERT INTO things SELECT 7, 'q' WHERE true; ELSE NULL; END CASE; RETURN NEW; END")),
    ];
    let cases: Vec<(&str, &str, &str)> = bodies
        .iter()
        .map(|(n, s)| (*n, s.as_str(), "INSERT INTO notes VALUES (7, 'x')"))
        .collect();
    probes(&cases);
}

#[test]
fn attack_reads() {
    reads(&[
        (
            "information_schema",
            "CREATE TABLE tables (name text)",
            "SELECT count(*)::text AS name FROM information_schema.tables",
            "~CREATE TABLE zz (id int); DROP TABLE tables; CREATE TABLE tables (name text)",
        ),
        (
            "pg_catalog",
            "CREATE TABLE pg_settings (name text, setting text)",
            "SELECT setting AS name FROM pg_settings WHERE name = 'application_name'",
            "SELECT 1",
        ),
        (
            "sequence",
            "CREATE SEQUENCE sq",
            "SELECT last_value::text AS name FROM sq",
            "SELECT nextval('sq')",
        ),
    ]);
}

fn named(conn: &mut super::engine::Conn, sql: &str, scope: &str) -> (Vec<String>, String) {
    #[derive(QueryableByName, Clone)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let report = Report::new();
    let rows: Vec<Row> = diesel::sql_query(sql)
        .cached()
        .scope(scope)
        .report(&report)
        .load(conn)
        .unwrap();
    (
        rows.into_iter().map(|r| r.name).collect(),
        report.outcome().unwrap().to_string(),
    )
}

fn secured(tag: &str, policy: &str) -> (Rig, String) {
    let role = format!("attack_{tag}_{}", std::process::id());
    let rig = Rig::with(Cache::from_url("memory://?catalogue_interval=0s").unwrap());
    run(&mut rig.plain(), &format!("CREATE ROLE {role}; CREATE ROLE {role}_g; GRANT ALL ON things TO {role}; GRANT ALL ON things TO {role}_g;
       ALTER TABLE things ENABLE ROW LEVEL SECURITY; {}", policy.replace("@R", &role).replace("ROLE", &role)));
    (rig, role)
}

const Q: &str = "SELECT name FROM things ORDER BY id";

fn same(conn: &mut super::engine::Conn, what: &str) {
    let got = named(conn, Q, "x");
    let truth = plain_sql(conn, Q);
    assert_eq!(got.0, truth, "LEAK/STALE {what}");
}

#[test]
fn attack_policy_clock() {
    let (rig, role) = secured(
        "clk",
        "ALTER TABLE things ADD till timestamptz DEFAULT now() + interval '3 seconds'; UPDATE things SET till = now() + interval '3 seconds'; CREATE POLICY p ON things USING (clock_timestamp() < till)",
    );
    let mut one = rig.conn();
    run(&mut one, &format!("SET ROLE {role}"));
    same(&mut one, "before");
    same(&mut one, "before");
    std::thread::sleep(std::time::Duration::from_secs(4));
    same(&mut one, "after");
}

#[test]
fn attack_policy_pid() {
    let (rig, role) = secured(
        "pid",
        "CREATE POLICY p ON things USING (name = 'x' OR pg_backend_pid()::text = current_setting('app.pid', true))",
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    let pid = &plain_sql(&mut one, "SELECT pg_backend_pid()::text AS name")[0].clone();
    for c in [&mut one, &mut two] {
        run(c, &format!("SET app.pid = '{pid}'; SET ROLE {role}"));
    }
    same(&mut one, "one");
    same(&mut one, "one");
    same(&mut two, "two");
}

#[test]
fn attack_policy_activity() {
    let (rig, role) = secured(
        "act",
        "CREATE POLICY p ON things USING ((SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()) = 'boss')",
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    for c in [&mut one, &mut two] {
        run(c, &format!("SET ROLE {role}"));
    }
    run(
        &mut one,
        "SELECT set_config('application_name', 'boss', false)",
    );
    same(&mut one, "one");
    same(&mut one, "one");
    same(&mut two, "two");
}

#[test]
fn attack_membership() {
    let (rig, role) = secured(
        "mem",
        "GRANT ROLE_g TO ROLE; CREATE POLICY p ON things TO ROLE_g USING (true)",
    );
    let mut one = rig.conn();
    run(&mut one, &format!("SET ROLE {role}"));
    same(&mut one, "member");
    same(&mut one, "member");
    run(&mut rig.plain(), &format!("REVOKE {role}_g FROM {role}"));
    same(&mut one, "no member");
}

#[test]
fn attack_bypassrls() {
    let (rig, role) = secured("byp", "ALTER USER @R BYPASSRLS");
    let mut one = rig.conn();
    run(&mut one, &format!("SET ROLE {role}"));
    same(&mut one, "bypass");
    same(&mut one, "bypass");
    run(&mut rig.plain(), &format!("ALTER ROLE {role} NOBYPASSRLS"));
    same(&mut one, "no bypass");
}

#[test]
fn attack_revoke() {
    let (rig, role) = secured("rvk", "ALTER TABLE things DISABLE ROW LEVEL SECURITY");
    let mut one = rig.conn();
    run(&mut one, &format!("SET ROLE {role}"));
    same(&mut one, "may");
    same(&mut one, "may");
    run(
        &mut rig.plain(),
        &format!("REVOKE ALL ON things FROM {role}"),
    );
    let report = Report::new();
    let rows = super::kit::things::table
        .cached()
        .report(&report)
        .load::<(i32, String)>(&mut one);
    #[derive(QueryableByName, Clone)]
    struct Row {
        #[allow(dead_code, reason = "only loaded")]
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let again: QueryResult<Vec<Row>> = diesel::sql_query(Q).cached().scope("x").load(&mut one);
    assert!(
        again.is_err() && rows.is_err(),
        "revoked, but served: {} {}",
        rows.is_ok(),
        again.is_ok()
    );
}

#[test]
fn attack_later_policy() {
    let rig = Rig::with(Cache::from_url("memory://?catalogue_interval=0s").unwrap());
    let role = format!("attack_later_{}", std::process::id());
    run(
        &mut rig.plain(),
        &format!("CREATE ROLE {role}; GRANT ALL ON things TO {role}"),
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    run(
        &mut one,
        &format!("SELECT set_config('app.t', 'a', false); SET ROLE {role}"),
    );
    run(
        &mut two,
        &format!("SELECT set_config('app.t', 'b', false); SET ROLE {role}"),
    );
    same(&mut one, "one");
    same(&mut one, "one");
    same(&mut two, "two");
    run(
        &mut rig.plain(),
        "ALTER TABLE things ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON things USING (name = current_setting('app.t', true))",
    );
    same(&mut one, "one");
    same(&mut one, "one");
    same(&mut two, "two");
}

#[test]
fn attack_pg_settings() {
    let rig = Rig::with(Cache::from_url("memory://?catalogue_interval=0s").unwrap());
    run(&mut rig.plain(), "CREATE SCHEMA t2; CREATE TABLE t2.things (id INTEGER, name VARCHAR(99)); INSERT INTO t2.things VALUES (1, 'two');
      CREATE FUNCTION become() RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE pg_settings SET setting = 't2' WHERE name = 'search_path'; END $$");
    let mut two = rig.conn();
    assert_eq!(read_sql(&mut two, Q).0, ["a"]);
    run(&mut two, "SELECT become()");
    assert_eq!(plain_sql(&mut two, Q), ["two"]);
    assert_eq!(read_sql(&mut two, Q).0, ["two"]);
}

#[test]
fn attack_event_trigger_sets() {
    let rig = Rig::with(Cache::from_url("memory://?catalogue_interval=0s").unwrap());
    run(&mut rig.plain(), "CREATE SCHEMA t2; CREATE TABLE t2.things (id INTEGER, name VARCHAR(99)); INSERT INTO t2.things VALUES (1, 'two');
      CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN SET search_path = t2; END $$;
      CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION ev()");
    let mut two = rig.conn();
    assert_eq!(read_sql(&mut two, Q).0, ["a"]);
    run(&mut two, "CREATE TEMP TABLE zz (id int)");
    assert_eq!(plain_sql(&mut two, Q), ["two"]);
    assert_eq!(read_sql(&mut two, Q).0, ["two"]);
}

#[test]
fn attack_more_writes() {
    let t = |setup: &str| format!("{N} {setup}");
    let rule = t(
        "CREATE TABLE base (id integer, n text); CREATE RULE r AS ON UPDATE TO base WHERE NEW.n = ' DO ' DO INSTEAD UPDATE things SET name = NEW.n; INSERT INTO base VALUES (1, ' DO ')",
    );
    let rule2 = t(
        "CREATE TABLE base (id integer, n text); CREATE RULE \"r DO x\" AS ON UPDATE TO base DO INSTEAD UPDATE things SET name = 'r'; INSERT INTO base VALUES (1, ' DO ')",
    );
    let when = t(
        "CREATE TRIGGER \"a WHEN (b\" BEFORE INSERT ON notes FOR EACH ROW WHEN (noting(NEW.id) > 0) EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    );
    let opc = t("CREATE FUNCTION mycmp(x int4, y int4) RETURNS integer LANGUAGE plpgsql AS
         'BEGIN INSERT INTO things VALUES ((SELECT max(id)+1 FROM things), ''cmp''); RETURN x - y; END';
        CREATE OPERATOR CLASS odd FOR TYPE int4 USING btree AS
          OPERATOR 1 < , OPERATOR 2 <= , OPERATOR 3 = , OPERATOR 4 >= , OPERATOR 5 > , FUNCTION 1 mycmp(int4, int4);
        CREATE INDEX ON notes (id odd)");
    let sly = t("CREATE FUNCTION silent(x integer) RETURNS integer LANGUAGE sql AS 'INSERT INTO things VALUES ((SELECT max(id)+1 FROM things), ''x'') RETURNING id';
         CREATE FUNCTION sly(x integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN silent(x); END';
         CREATE INDEX ON notes (sly(id))");
    let dom = t("CREATE DOMAIN dd AS integer DEFAULT noting(7)");
    let view = t("CREATE VIEW pv AS SELECT 1 AS a");
    let n = t("");
    probes(&[
        ("rule DO", &rule, "UPDATE base SET id = id"),
        ("rule name DO", &rule2, "UPDATE base SET id = id"),
        ("when name", &when, "INSERT INTO notes VALUES (7, 'x')"),
        (
            "opclass",
            &opc,
            "INSERT INTO notes VALUES (7, 'x'), (8, 'y'), (3, 'z')",
        ),
        ("sly insert", &sly, "INSERT INTO notes VALUES (7, 'x')"),
        ("sly reindex", &sly, "REINDEX TABLE notes"),
        (
            "domain plpgsql var",
            &dom,
            "DO $$ DECLARE x dd; BEGIN END $$",
        ),
        (
            "temp view update",
            &n,
            "CREATE TEMP VIEW tv AS SELECT * FROM things@@UPDATE tv SET name = 'tv'",
        ),
        (
            "temp view over view",
            &n,
            "CREATE TEMP VIEW notes AS SELECT id, noting(id + 6) AS note FROM public.notes@@SELECT * FROM notes",
        ),
        (
            "pg_temp schema",
            &n,
            "CREATE VIEW pg_temp.tv AS SELECT noting(7) AS a@@SELECT * FROM pg_temp.tv",
        ),
        (
            "temp view join",
            &n,
            "CREATE TEMP VIEW tv AS SELECT noting(7) AS a@@SELECT * FROM notes, tv",
        ),
        (
            "temp view in insert",
            &n,
            "CREATE TEMP VIEW tv AS SELECT noting(7) AS a@@INSERT INTO others SELECT a, 'x' FROM tv",
        ),
        (
            "temp function",
            &n,
            "CREATE FUNCTION pg_temp.tf() RETURNS int LANGUAGE sql AS 'SELECT noting(7)'@@SELECT pg_temp.tf()",
        ),
        (
            "rows from",
            &n,
            "SELECT * FROM ROWS FROM (noting(7)) WITH ORDINALITY",
        ),
        (
            "lateral",
            &n,
            "SELECT * FROM notes n, LATERAL noting(n.id + 6) AS x",
        ),
        (
            "tablesample",
            &n,
            "SELECT * FROM notes TABLESAMPLE BERNOULLI (noting(7))",
        ),
        ("limit fn", &n, "SELECT 1 LIMIT noting(7)"),
        ("quoted fn", &n, "SELECT \"noting\"(7)"),
        ("unicode fn", &n, "SELECT U&\"n\\006fting\"(7)"),
        ("named arg", &n, "SELECT noting(x => 7)"),
        (
            "view made since",
            &view,
            "CREATE OR REPLACE VIEW pv AS SELECT noting(7) AS a@@SELECT * FROM pv",
        ),
        (
            "new view",
            &n,
            "CREATE VIEW nv AS SELECT noting(7) AS a@@SELECT * FROM nv",
        ),
        (
            "batch new view",
            &n,
            "CREATE VIEW nv AS SELECT noting(7) AS a; SELECT * FROM nv",
        ),
        (
            "tx new view",
            &n,
            "BEGIN@@CREATE VIEW nv AS SELECT noting(7) AS a@@SELECT * FROM nv@@DROP VIEW nv@@COMMIT",
        ),
        (
            "tx new trigger",
            &n,
            "BEGIN@@CREATE TRIGGER t AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION note()@@INSERT INTO notes VALUES (7, 'x')@@COMMIT",
        ),
        (
            "explain quoted",
            &n,
            "EXPLAIN (\"analyze\") UPDATE things SET name = 'q'",
        ),
        (
            "explain off on",
            &n,
            "EXPLAIN (ANALYZE OFF, ANALYZE ON) UPDATE things SET name = 'q'",
        ),
        (
            "explain string",
            &n,
            "EXPLAIN (ANALYZE 'off', ANALYZE 'true') UPDATE things SET name = 'q'",
        ),
        (
            "explain uescape",
            &n,
            "EXPLAIN (U&\"an\\0061lyze\") UPDATE things SET name = 'q'",
        ),
        (
            "E continuation direct",
            &n,
            "SELECT E'a'\n '\\'' ; UPDATE things SET name = 'e'; -- it's",
        ),
        (
            "E continuation one statement",
            &n,
            "SELECT E'a'\n '\\'' || noting(7) --'",
        ),
    ]);
}
