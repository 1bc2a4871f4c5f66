//! Hazard 15 and 16 on PostgreSQL: what its catalogue keeps, and what becomes of it.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{Bypass, Cache, Outcome};

use super::engine::Conn;
use super::kit::{Rig, plain_sql, read, read_others, read_sql, run, transact};
use crate::support::{HIT, MISS};

const NOTE: &str = "
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO things VALUES (NEW.id, ''x''); RETURN NEW; END';
    CREATE FUNCTION noting(x integer) RETURNS integer LANGUAGE sql AS
      'INSERT INTO things VALUES (x, ''x'') RETURNING id';";

/// A rig with that schema besides, and two connections, the first one warm.
fn rig(sql: &str) -> (Rig, Conn, Conn) {
    let rig = Rig::new();
    let mut plain = rig.plain();
    run(
        &mut plain,
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL DEFAULT 'x');
         INSERT INTO notes VALUES (1, 'a'), (2, 'b')",
    );
    run(&mut plain, &format!("{NOTE}{sql}"));
    let (mut one, two) = (rig.conn(), rig.conn());
    rig.warm(&mut one);
    notes(&mut one);
    assert_eq!(notes(&mut one), HIT);
    (rig, one, two)
}

#[track_caller]
fn fresh(conn: &mut Conn, sql: &str) -> Outcome {
    let (names, outcome) = read_sql(conn, sql);
    assert_eq!(names, plain_sql(conn, sql), "a stale read: {outcome}");
    outcome
}

#[track_caller]
fn notes(conn: &mut Conn) -> Outcome {
    fresh(conn, "SELECT name FROM notes ORDER BY id")
}

/// That `how` writes `things`, and neither `others` nor `notes`.
#[track_caller]
fn writes_things(sql: &str, how: &str) {
    let (rig, mut one, mut two) = rig(sql);
    run(&mut two, how);
    rig.invalidated(&mut one);
    assert_eq!(read_others(&mut one).1, HIT, "{how}");
    assert_eq!(notes(&mut one), HIT, "{how}");
}

#[test]
fn hazard_15_functions_write_what_they_name() {
    for (sql, how) in [
        ("", "SELECT noting(7)"),
        (
            "CREATE VIEW calling AS SELECT noting(7) AS n",
            "SELECT * FROM calling",
        ),
        (
            "CREATE FUNCTION peek(x integer) RETURNS integer STABLE LANGUAGE plpgsql AS
               'BEGIN RETURN noting(x) + (SELECT count(*) FROM notes); END'",
            "SELECT peek(7)",
        ),
        (
            "CREATE FUNCTION step(s integer, x integer) RETURNS integer LANGUAGE sql AS
               'SELECT noting(x)';
             CREATE AGGREGATE folding(integer) (SFUNC = step, STYPE = integer, INITCOND = 0)",
            "SELECT folding(x) FROM (VALUES (7), (8)) v (x)",
        ),
        (
            "CREATE FUNCTION late(x integer, y integer DEFAULT noting(7)) RETURNS integer
               LANGUAGE sql AS 'SELECT x'",
            "SELECT late(1)",
        ),
        (
            "CREATE FUNCTION \"Odd \"\"name\"() RETURNS integer LANGUAGE sql AS 'SELECT noting(7)'",
            "SELECT \"Odd \"\"name\"()",
        ),
        (
            "CREATE FUNCTION op(x integer, y integer) RETURNS integer LANGUAGE sql AS
               'SELECT noting(y)';
             CREATE OPERATOR ### (LEFTARG = integer, RIGHTARG = integer, FUNCTION = op)",
            "SELECT 1",
        ),
    ] {
        if sql.contains("OPERATOR") {
            // Every statement may call it, and no read is cached.
            let rig = Rig::new();
            run(&mut rig.plain(), &format!("{NOTE}{sql}"));
            let mut one = rig.conn();
            let outcome = Outcome::Bypass(Bypass::UnknownFunction);
            assert_eq!(rig.fresh(&mut one), outcome);
            continue;
        }
        writes_things(sql, how);
    }
}

#[test]
fn hazard_15_a_function_with_the_name_of_one_that_is_known() {
    // PostgreSQL's own `random` takes no text.
    writes_things(
        "CREATE FUNCTION random(x text) RETURNS integer LANGUAGE sql AS 'SELECT noting(7)'",
        "SELECT random('x'::text)",
    );
}

#[test]
fn hazard_15_a_rule_writes_what_it_names() {
    let sql = "CREATE TABLE ruled (id INTEGER);
        CREATE RULE r AS ON INSERT TO ruled WHERE NEW.id > 0
          DO ALSO INSERT INTO things VALUES (NEW.id, 'x')";
    writes_things(sql, "INSERT INTO ruled VALUES (7)");
    let (rig, mut one, mut two) = rig(sql);
    run(&mut two, "UPDATE ruled SET id = 3");
    assert_eq!(rig.fresh(&mut one), HIT);
}

#[test]
fn hazard_15_an_instead_trigger_writes_what_it_names() {
    let sql = "CREATE VIEW joined AS SELECT n.id FROM notes n JOIN others o ON o.id = n.id;
        CREATE TRIGGER t INSTEAD OF INSERT ON joined FOR EACH ROW EXECUTE FUNCTION note()";
    let (rig, mut one, mut two) = rig(sql);
    run(&mut two, "INSERT INTO joined VALUES (7)");
    rig.invalidated(&mut one);
}

#[test]
fn hazard_15_defaults_checks_and_indexes_may_write() {
    for sql in [
        "CREATE TABLE lively (id INTEGER, x INTEGER DEFAULT noting(7))",
        "CREATE TABLE lively (id INTEGER CHECK (noting(id) > 0))",
        "ALTER FUNCTION noting IMMUTABLE;
         CREATE FUNCTION sly(x integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS
           'BEGIN RETURN silent(x); END';
         CREATE FUNCTION silent(x integer) RETURNS integer LANGUAGE sql AS
           'INSERT INTO things VALUES (x, ''x'') RETURNING id';
         CREATE TABLE lively (id INTEGER); CREATE INDEX ON lively (sly(id))",
        "CREATE TABLE lively (id INTEGER);
         CREATE TRIGGER t BEFORE INSERT ON lively FOR EACH ROW WHEN (noting(NEW.id) < 0)
           EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ] {
        writes_things(sql, "INSERT INTO lively (id) VALUES (7)");
    }
}

#[test]
fn hazard_15_a_policy_may_write() {
    let role = format!("policed_{}", std::process::id());
    let (rig, mut one, mut two) = rig(&format!(
        "CREATE ROLE {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};
         CREATE TABLE policed (id INTEGER); GRANT ALL ON policed TO {role};
         INSERT INTO policed VALUES (7); ALTER TABLE policed ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON policed USING (noting(id) > 0)"
    ));
    run(
        &mut two,
        &format!("SET ROLE {role}; SELECT * FROM policed; RESET ROLE"),
    );
    rig.invalidated(&mut one);
    assert_eq!(notes(&mut one), HIT);
    drop((one, two));
    run(
        &mut rig.plain(),
        &format!("DROP OWNED BY {role}; DROP ROLE {role}"),
    );
}

#[test]
fn hazard_15_a_trigger_changes_the_key() {
    let (_rig, mut one, mut two) = rig("
        CREATE TABLE parents (id INTEGER PRIMARY KEY, label TEXT);
        CREATE TABLE children (name TEXT, parent INTEGER
          REFERENCES parents (id) ON UPDATE CASCADE);
        INSERT INTO parents VALUES (1, 'a'); INSERT INTO children VALUES ('c', 1);
        CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN NEW.id := 2; RETURN NEW; END';
        CREATE TRIGGER t BEFORE UPDATE ON parents FOR EACH ROW EXECUTE FUNCTION move()");
    let sql = "SELECT parent::text AS name FROM children";
    fresh(&mut one, sql);
    assert_eq!(fresh(&mut one, sql), HIT);
    run(&mut two, "UPDATE parents SET label = 'b'");
    assert_eq!(fresh(&mut one, sql), MISS);
    assert_eq!(read_sql(&mut one, sql).0, ["2"]);
}

#[test]
fn hazard_15_diesels_own_trigger_writes_its_table_alone() {
    let (rig, mut one, mut two) = rig("
        CREATE FUNCTION diesel_set_updated_at() RETURNS trigger AS $$
        BEGIN
            IF (
                NEW IS DISTINCT FROM OLD AND
                NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at
            ) THEN
                NEW.updated_at := current_timestamp;
            END IF;
            RETURN NEW;
        END;
        $$ LANGUAGE plpgsql;
        CREATE TABLE parents (id INTEGER PRIMARY KEY, label TEXT, updated_at TIMESTAMP);
        INSERT INTO parents VALUES (1, 'a');
        ALTER TABLE notes ADD FOREIGN KEY (id) REFERENCES parents (id) ON UPDATE CASCADE
          NOT VALID;
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON parents
          FOR EACH ROW EXECUTE PROCEDURE diesel_set_updated_at()");
    run(&mut two, "UPDATE parents SET label = 'b'");
    assert_eq!(notes(&mut one), HIT);
    assert_eq!(rig.fresh(&mut one), HIT);
}

const DEFERRED: &str = "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON others
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION";

#[test]
fn hazard_15_a_deferred_trigger_writes_at_the_commit() {
    let (rig, mut one, mut two) = rig(&format!("{DEFERRED} note()"));
    transact(&mut two, |two| {
        run(two, "INSERT INTO others VALUES (7, 'x')");
        assert_eq!(rig.fresh(&mut one), HIT);
        // It has not run yet; what it will write is the transaction's own.
        assert_eq!(rig.fresh(two), Outcome::Bypass(Bypass::OwnWrites));
    })
    .unwrap();
    rig.invalidated(&mut one);
    assert_eq!(notes(&mut one), HIT);
}

#[test]
fn hazard_09_a_deferred_trigger_sets_at_the_commit() {
    let (_rig, mut one, mut two) = rig(&format!(
        "CREATE SCHEMA t2; CREATE TABLE t2.things (id INTEGER, name VARCHAR(99));
         INSERT INTO t2.things VALUES (1, 'two');
         CREATE FUNCTION switch() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN SET search_path = t2; RETURN NEW; END';
         {DEFERRED} switch()"
    ));
    let sql = "SELECT name FROM things";
    assert_eq!(read_sql(&mut two, sql).0, ["a"]);
    run(&mut two, "BEGIN; INSERT INTO others VALUES (7, 'x')");
    assert_eq!(read_sql(&mut two, sql).0, ["a"]);
    run(&mut two, "COMMIT");
    assert_eq!(read_sql(&mut two, sql).0, ["two"]);
    assert_eq!(read_sql(&mut one, sql).0, ["a"]);
}

#[test]
fn hazard_15_a_materialized_view_changes_when_it_is_refreshed() {
    let (rig, mut one, mut two) = rig("CREATE MATERIALIZED VIEW frozen AS SELECT * FROM notes;
        CREATE UNIQUE INDEX ON frozen (id)");
    let sql = "SELECT name FROM frozen ORDER BY id";
    fresh(&mut one, sql);
    run(&mut two, "UPDATE notes SET name = 'z'");
    assert_eq!(fresh(&mut one, sql), HIT);
    for how in [
        "REFRESH MATERIALIZED VIEW frozen",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY public.frozen",
        "REFRESH MATERIALIZED VIEW frozen WITH NO DATA; REFRESH MATERIALIZED VIEW frozen",
        "SELECT refreshing()",
    ] {
        if how.starts_with("SELECT") {
            run(
                &mut two,
                "CREATE FUNCTION refreshing() RETURNS void LANGUAGE plpgsql AS
                   'BEGIN REFRESH MATERIALIZED VIEW frozen; END'",
            );
            fresh(&mut one, sql);
            rig.warm(&mut one);
        }
        run(&mut two, "UPDATE notes SET name = name || 'z'");
        assert_eq!(fresh(&mut one, sql), HIT, "{how}");
        run(&mut two, how);
        assert_eq!(fresh(&mut one, sql), MISS, "{how}");
        assert_eq!(rig.fresh(&mut one), HIT, "{how}");
    }
    // A query may call what writes.
    run(
        &mut two,
        "CREATE VIEW calls AS SELECT noting(70) AS name; CREATE MATERIALIZED VIEW calling AS
           SELECT name FROM calls WITH NO DATA",
    );
    rig.warm(&mut one);
    run(&mut two, "REFRESH MATERIALIZED VIEW calling");
    rig.invalidated(&mut one);
}

#[test]
fn hazard_15_partitions_come_and_go() {
    let (_rig, mut one, mut two) = rig("
        CREATE TABLE events (name TEXT, at INTEGER) PARTITION BY RANGE (at);
        CREATE TABLE low PARTITION OF events FOR VALUES FROM (0) TO (10);
        CREATE TABLE high (name TEXT, at INTEGER); INSERT INTO high VALUES ('h', 15)");
    let (all, high) = ("SELECT name FROM events", "SELECT name FROM high");
    let warm = |one: &mut Conn| {
        for sql in [all, high] {
            fresh(one, sql);
            assert_eq!(fresh(one, sql), HIT);
        }
    };
    warm(&mut one);
    run(&mut two, "INSERT INTO high VALUES ('i', 16)");
    assert_eq!(fresh(&mut one, all), HIT);
    assert_eq!(fresh(&mut one, high), MISS);
    run(
        &mut two,
        "ALTER TABLE events ATTACH PARTITION high FOR VALUES FROM (10) TO (20)",
    );
    warm(&mut one);
    run(&mut two, "INSERT INTO events VALUES ('j', 17)");
    assert_eq!(fresh(&mut one, high), MISS);
    run(&mut two, "INSERT INTO high VALUES ('k', 18)");
    assert_eq!(fresh(&mut one, all), MISS);
    run(&mut two, "ALTER TABLE events DETACH PARTITION high");
    warm(&mut one);
    run(&mut two, "INSERT INTO high VALUES ('l', 19)");
    assert_eq!(fresh(&mut one, all), HIT);
    assert_eq!(fresh(&mut one, high), MISS);
}

#[test]
fn hazard_15_a_row_moves_to_another_partition() {
    let (rig, mut one, mut two) = rig("
        CREATE TABLE events (id INTEGER, at INTEGER) PARTITION BY RANGE (at);
        CREATE TABLE low PARTITION OF events FOR VALUES FROM (0) TO (10);
        CREATE TABLE high PARTITION OF events FOR VALUES FROM (10) TO (20);
        INSERT INTO events VALUES (7, 5);
        CREATE TRIGGER t AFTER INSERT ON high FOR EACH ROW EXECUTE FUNCTION note()");
    run(&mut two, "UPDATE events SET at = 15");
    rig.invalidated(&mut one);
}

fn looking() -> Rig {
    Rig::with(Cache::from_url("memory://?catalogue_interval=0s").unwrap())
}

#[test]
fn hazard_16_security_is_switched_on_elsewhere() {
    let rig = looking();
    let mut one = rig.conn();
    rig.warm(&mut one);
    let mut plain = rig.plain();
    run(&mut plain, "ALTER TABLE things ENABLE ROW LEVEL SECURITY");
    assert_eq!(rig.fresh(&mut one), Outcome::Bypass(Bypass::RowSecurity));
    run(&mut plain, "ALTER TABLE things DISABLE ROW LEVEL SECURITY");
    rig.warm(&mut one);
    run(
        &mut plain,
        "ALTER TABLE things ALTER COLUMN name SET DEFAULT 'y'",
    );
    assert_eq!(rig.fresh(&mut one), MISS);
}

#[test]
fn hazard_16_an_error_of_a_look_ends_no_transaction() {
    let rig = looking();
    let role = format!("blind_{}", std::process::id());
    run(
        &mut rig.plain(),
        &format!(
            "CREATE ROLE {role}; GRANT ALL ON things, others TO {role};
             REVOKE SELECT ON pg_catalog.pg_policy FROM PUBLIC"
        ),
    );
    let mut one = rig.conn();
    rig.warm(&mut one);
    one.transaction(|one| {
        one.batch_execute(&format!("SET LOCAL ROLE {role}"))?;
        assert_eq!(read(one).1, Outcome::Bypass(Bypass::CatalogueDue));
        one.batch_execute("UPDATE things SET name = 'b'")
    })
    .unwrap();
    assert_eq!(rig.truth()[0].1, "b");
    rig.warm(&mut one);
    drop(one);
    run(
        &mut rig.plain(),
        &format!("DROP OWNED BY {role}; DROP ROLE {role}"),
    );
}

#[test]
fn hazard_16_within_the_interval_nothing_is_sent() {
    let rig = Rig::new();
    let mut one = rig.conn();
    let pid = &plain_sql(&mut one, "SELECT pg_backend_pid()::text AS name")[0];
    rig.warm(&mut one);
    // The server shows the last statement of each session, and when it began.
    let last =
        format!("SELECT query_start || query AS name FROM pg_stat_activity WHERE pid = {pid}");
    let mut plain = rig.plain();
    let before = plain_sql(&mut plain, &last);
    for _ in 0..5 {
        assert_eq!(rig.fresh(&mut one), HIT);
    }
    assert_eq!(plain_sql(&mut plain, &last), before);
    assert!(before[0].contains("others"), "{before:?}");
}

#[test]
fn hazard_16_a_truncation_is_no_change_of_the_schema() {
    let rig = looking();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut one);
    run(&mut two, "TRUNCATE things");
    rig.invalidated(&mut one);
    assert_eq!(read_others(&mut one).1, HIT);
}
