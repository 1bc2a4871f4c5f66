//! Hazards of PostgreSQL.

use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::{CacheSize, Connection, SimpleConnection};
use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::{Bypass, CachedDsl, Outcome, Report};

use super::engine::Conn;
use super::kit::{Rig, add, fail, read, read_others, read_sql, rename, run, things, transact};
use crate::support::{HIT, MISS, Wire, until};

const ISOLATION: Outcome = Outcome::Bypass(Bypass::Isolation);
const NAMES: &str = "SELECT name FROM things ORDER BY id";

#[derive(QueryableByName)]
struct Pid {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    pid: i32,
}

fn pid(conn: &mut Conn) -> i32 {
    diesel::sql_query("SELECT pg_backend_pid() AS pid")
        .get_result::<Pid>(conn)
        .unwrap()
        .pid
}

fn terminate(conn: &mut Conn, pid: i32) {
    run(conn, &format!("SELECT pg_terminate_backend({pid})"));
}

/// Whether the server still has that session.
fn lives(conn: &mut Conn, pid: i32) -> bool {
    let sql = format!("SELECT pid FROM pg_stat_activity WHERE pid = {pid}");
    !diesel::sql_query(sql).load::<Pid>(conn).unwrap().is_empty()
}

/// Whether that session is at work on a statement which begins so.
fn works(conn: &mut Conn, pid: i32, text: &str) -> bool {
    let sql = format!(
        "SELECT pid FROM pg_stat_activity WHERE pid = {pid} AND state = 'active' \
         AND query ILIKE '{text}%'"
    );
    !diesel::sql_query(sql).load::<Pid>(conn).unwrap().is_empty()
}

/// Makes the commit of whoever inserts into `slow` take its time.
const SLOW_COMMIT: &str = "\
    CREATE TABLE slow (id INTEGER PRIMARY KEY);
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION dawdle();";

/// A transaction whose commit is slow; Diesel's way.
fn commit_slowly(mut conn: Conn) -> QueryResult<()> {
    conn.transaction(|conn| {
        rename(conn, "b")?;
        conn.batch_execute("INSERT INTO slow VALUES (1)")
    })
}

/// A connection without prepared statements, which `DISCARD ALL` would take away from Diesel.
fn forgetful(rig: &Rig) -> Conn {
    let mut conn = rig.conn();
    conn.set_prepared_statement_cache_size(CacheSize::Disabled);
    conn
}

/// Reads on until it hits; every read is fresh.
fn heals(rig: &Rig, conn: &mut Conn) {
    until("reads hit again", || rig.fresh(conn) == HIT);
}

#[test]
fn hazard_03_a_session_that_is_killed_inside_its_transaction() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    let victim = pid(&mut one);
    run(&mut one, "BEGIN");
    rename(&mut one, "lost").unwrap();
    terminate(&mut rig.plain(), victim);
    assert!(rename(&mut one, "again").is_err());
    rig.fresh(&mut two);
    assert!(one.batch_execute("COMMIT").is_err());
    rig.fresh(&mut two);
    drop(one);
    heals(&rig, &mut two);
}

#[test]
fn hazard_03_a_session_that_is_killed_in_an_autocommit_statement() {
    let rig = Rig::new();
    let mut two = rig.conn();
    rig.warm(&mut two);
    let mut one = rig.conn();
    let victim = pid(&mut one);
    let writer = thread::spawn(move || {
        one.batch_execute("UPDATE things SET name = 'lost' WHERE pg_sleep(3) IS NOT NULL")
    });
    let mut witness = rig.plain();
    until("it writes", || works(&mut witness, victim, "update"));
    assert_eq!(rig.fresh(&mut two), Outcome::Bypass(Bypass::Quarantined));
    terminate(&mut witness, victim);
    assert!(writer.join().unwrap().is_err());
    heals(&rig, &mut two);
}

#[test]
fn hazard_04_a_commit_that_is_killed() {
    let rig = Rig::new();
    run(&mut rig.plain(), SLOW_COMMIT);
    let mut two = rig.conn();
    rig.warm(&mut two);
    let mut one = rig.conn();
    let victim = pid(&mut one);
    let writer = thread::spawn(move || commit_slowly(one));
    let mut witness = rig.plain();
    until("it commits", || works(&mut witness, victim, "commit"));
    assert_eq!(rig.fresh(&mut two), Outcome::Bypass(Bypass::Quarantined));
    terminate(&mut witness, victim);
    assert!(writer.join().unwrap().is_err());
    heals(&rig, &mut two);
}

#[test]
fn hazard_04_a_commit_whose_answer_is_lost() {
    let rig = Rig::new();
    run(&mut rig.plain(), SLOW_COMMIT);
    let mut two = rig.conn();
    rig.warm(&mut two);
    let wire = Wire::to(&rig.arena.url());
    let mut one = Conn::establish(&wire.url(&rig.arena.url())).unwrap();
    rig.cache.attach(&mut one).unwrap();
    let victim = pid(&mut one);
    let writer = thread::spawn(move || commit_slowly(one));
    let mut witness = rig.plain();
    until("it commits", || works(&mut witness, victim, "commit"));
    let resolves = rig.cache.stats().resolves;
    wire.cut();
    // The client has given up, and the connection is dropped; the server goes on.
    assert!(writer.join().unwrap().is_err());
    let mut bypassed = 0;
    while lives(&mut witness, victim) {
        // It reads while the session may still commit: nothing may be stored.
        let outcome = rig.fresh_or_committing(&mut two);
        bypassed += u32::from(outcome == Outcome::Bypass(Bypass::Quarantined));
        thread::sleep(Duration::from_millis(20));
    }
    assert!(bypassed > 0, "the commit was over too soon");
    assert_eq!(rig.truth(), vec![(1, "b".into())]);
    heals(&rig, &mut two);
    assert!(rig.cache.stats().resolves > resolves);
    assert_eq!(read(&mut two), (vec![(1, "b".into())], HIT));
}

impl Rig {
    /// A read while a commit is under way: what it finds must not be stored.
    #[track_caller]
    fn fresh_or_committing(&self, conn: &mut Conn) -> Outcome {
        let (_, outcome) = read(conn);
        assert_ne!(outcome, HIT);
        outcome
    }
}

#[test]
fn hazard_04_a_quarantine_is_seen_while_the_commit_runs() {
    let rig = Rig::new();
    run(&mut rig.plain(), SLOW_COMMIT);
    let mut two = rig.conn();
    rig.warm(&mut two);
    let mut one = rig.conn();
    let writer = pid(&mut one);
    let done = thread::spawn(move || commit_slowly(one));
    let mut witness = rig.plain();
    until("it commits", || works(&mut witness, writer, "commit"));
    for _ in 0..5 {
        assert_eq!(
            read(&mut two),
            (vec![(1, "a".into())], Outcome::Bypass(Bypass::Quarantined))
        );
    }
    done.join().unwrap().unwrap();
    rig.fresh(&mut two);
    assert_eq!(rig.fresh(&mut two), HIT);
    assert_eq!(read(&mut two).0, vec![(1, "b".into())]);
}

#[test]
fn hazard_03_a_commit_that_the_server_answers_by_a_rollback() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    // The error is swallowed, and `COMMIT` is said to have succeeded.
    transact(&mut one, |one| {
        rename(one, "lost").unwrap();
        assert!(add(one, 1, "again").is_err());
    })
    .unwrap();
    assert_eq!(rig.truth(), vec![(1, "a".into())]);
    rig.fresh(&mut two);
    rig.warm(&mut one);
    // A savepoint mends the transaction.
    run(&mut one, "BEGIN; SAVEPOINT s");
    fail(&mut one, "INSERT INTO things VALUES (1, 'again')");
    run(&mut one, "ROLLBACK TO s");
    rename(&mut one, "b").unwrap();
    run(&mut one, "COMMIT");
    rig.invalidated(&mut two);
}

#[test]
fn hazard_03_a_refused_commit_is_a_definite_rollback() {
    let rig = Rig::new();
    run(
        &mut rig.plain(),
        "CREATE TABLE children (id INTEGER PRIMARY KEY,
            thing INTEGER REFERENCES things DEFERRABLE INITIALLY DEFERRED)",
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    let refused = transact(&mut one, |one| {
        rename(one, "lost").unwrap();
        run(one, "INSERT INTO children VALUES (1, 99)");
    });
    assert!(matches!(refused, Err(Error::DatabaseError(_, _))));
    assert_eq!(rig.fresh(&mut two), HIT);
    assert_eq!(rig.fresh(&mut one), HIT);
}

/// What a cached read does in a transaction which another's commit has overtaken.
fn overtaken(rig: &Rig, one: &mut Conn) -> Outcome {
    let mut two = rig.conn();
    rig.warm(&mut two);
    run(one, "BEGIN");
    // The snapshot of a repeatable read is taken here.
    things::table.count().get_result::<i64>(one).unwrap();
    let name = format!("{:?}", Instant::now())
        .chars()
        .rev()
        .take(20)
        .collect::<String>();
    rename(&mut two, &name).unwrap();
    let outcome = read(one).1;
    run(one, "COMMIT");
    rig.fresh(&mut two);
    rig.fresh(&mut two);
    outcome
}

#[test]
fn the_isolation_decides_whether_a_transaction_may_use_the_cache() {
    let rig = Rig::new();
    let (mut one, mut two) = (forgetful(&rig), rig.conn());
    rig.warm(&mut two);
    let mut build = one.build_transaction().read_committed();
    build
        .run(|one| {
            assert_eq!(rig.fresh(one), HIT);
            QueryResult::Ok(())
        })
        .unwrap();
    let mut build = one.build_transaction().repeatable_read();
    build
        .run(|one| {
            assert_eq!(rig.fresh(one), ISOLATION);
            QueryResult::Ok(())
        })
        .unwrap();
    let mut build = one
        .build_transaction()
        .serializable()
        .read_only()
        .deferrable();
    build
        .run(|one| {
            assert_eq!(rig.fresh(one), ISOLATION);
            QueryResult::Ok(())
        })
        .unwrap();
    assert_eq!(overtaken(&rig, &mut one), MISS);
    for sql in [
        "SET default_transaction_isolation = 'repeatable read'",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    ] {
        run(&mut one, sql);
        assert_eq!(overtaken(&rig, &mut one), ISOLATION, "{sql}");
        // Autocommit has no older snapshot.
        assert_eq!(rig.fresh(&mut one), HIT);
        run(&mut one, "RESET ALL");
        rig.fresh(&mut one);
        assert_eq!(overtaken(&rig, &mut one), MISS);
    }
    run(
        &mut one,
        "SET default_transaction_isolation = 'serializable'",
    );
    run(
        &mut one,
        "SET default_transaction_isolation TO 'read committed'",
    );
    assert_eq!(overtaken(&rig, &mut one), MISS);
    run(
        &mut one,
        "SET default_transaction_isolation = 'serializable'",
    );
    run(&mut one, "DISCARD ALL");
    rig.fresh(&mut one);
    assert_eq!(overtaken(&rig, &mut one), MISS);
    // What cannot be followed ends the caching of this connection.
    run(
        &mut one,
        "SELECT set_config('default_transaction_isolation', 'repeatable read', false)",
    );
    assert!(matches!(overtaken(&rig, &mut one), Outcome::Bypass(_)));
}

#[test]
fn hazard_09_a_default_isolation_that_is_rolled_back() {
    for set in [
        "SET default_transaction_isolation = 'read committed'",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
    ] {
        let rig = Rig::new();
        let mut one = rig.conn();
        run(
            &mut one,
            "SET default_transaction_isolation = 'repeatable read'",
        );
        run(&mut one, "BEGIN");
        run(&mut one, set);
        run(&mut one, "ROLLBACK");
        assert!(
            matches!(overtaken(&rig, &mut one), Outcome::Bypass(_)),
            "{set}"
        );
        run(&mut one, "BEGIN; SAVEPOINT s");
        run(&mut one, set);
        run(&mut one, "ROLLBACK TO s");
        run(&mut one, "COMMIT");
        assert!(
            matches!(overtaken(&rig, &mut one), Outcome::Bypass(_)),
            "{set}"
        );
    }
}

#[test]
fn hazard_09_a_second_begin_may_change_the_isolation() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    run(&mut one, "BEGIN");
    run(&mut one, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    // The snapshot is taken here.
    things::table.count().get_result::<i64>(&mut one).unwrap();
    rename(&mut two, "b").unwrap();
    assert_eq!(read(&mut one).1, ISOLATION);
    rig.fresh(&mut two);
    run(&mut one, "COMMIT");
    rig.fresh(&mut one);
}

#[test]
fn hazard_16_what_runs_a_view_that_writes_writes() {
    let rig = Rig::new();
    run(
        &mut rig.plain(),
        "CREATE FUNCTION post() RETURNS int LANGUAGE plpgsql AS
           $$ BEGIN UPDATE things SET name = name || '!'; RETURN 1; END $$;
         CREATE VIEW posting AS SELECT post() AS id",
    );
    let (mut one, mut two, mut three) = (rig.conn(), rig.conn(), rig.conn());
    for sql in [
        "SELECT id FROM posting",
        "EXPLAIN ANALYZE SELECT id FROM posting",
        "BEGIN; DECLARE c CURSOR FOR SELECT id FROM posting; FETCH ALL FROM c; COMMIT",
    ] {
        for elsewhere in ["BEGIN", "BEGIN; CREATE TABLE further (id INTEGER)"] {
            rig.warm(&mut two);
            run(&mut three, elsewhere);
            run(&mut one, sql);
            rig.fresh(&mut two);
            run(&mut three, "ROLLBACK");
            rig.fresh(&mut two);
        }
    }
}

#[test]
fn hazard_09_set_transaction_outside_of_one_has_no_effect() {
    let rig = Rig::new();
    let mut one = rig.conn();
    run(
        &mut one,
        "SET default_transaction_isolation = 'repeatable read'",
    );
    for sql in [
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET transaction_isolation = 'read committed'",
        "SET LOCAL transaction_isolation = 'read committed'",
    ] {
        run(&mut one, sql);
        assert_eq!(overtaken(&rig, &mut one), ISOLATION, "{sql}");
    }
}

#[test]
fn hazard_07_a_prepared_transaction_is_committed_elsewhere() {
    let rig = Rig::new();
    let (mut one, mut two, mut three) = (rig.conn(), rig.conn(), rig.conn());
    rig.warm(&mut two);
    run(&mut one, "BEGIN");
    rename(&mut one, "b").unwrap();
    if one
        .batch_execute("PREPARE TRANSACTION 'hazard_07'")
        .is_err()
    {
        // The server allows none (`max_prepared_transactions = 0`): it has rolled back.
        rig.fresh(&mut two);
        let _ = one.batch_execute("ROLLBACK");
        rig.fresh(&mut two);
        rig.fresh(&mut one);
        return;
    }
    rig.fresh(&mut two);
    rig.fresh(&mut one);
    run(&mut three, "COMMIT PREPARED 'hazard_07'");
    rig.fresh(&mut two);
    rig.fresh(&mut one);
    rig.fresh(&mut three);
}

/// Two schemas with tables of one name.
const TENANTS: &str = "\
    CREATE SCHEMA t1; CREATE SCHEMA t2;
    CREATE TABLE t1.things (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL);
    CREATE TABLE t2.things (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL);
    INSERT INTO t1.things VALUES (1, 'one'); INSERT INTO t2.things VALUES (1, 'two');";

/// What the connection's `things` hold, read with and without the cache.
#[track_caller]
fn honest(conn: &mut Conn) -> (String, Outcome) {
    let truth: Vec<(i32, String)> = things::table.order(things::id).load(conn).unwrap();
    let (rows, outcome) = read(conn);
    assert_eq!(rows, truth, "rows of another session: {outcome}");
    (rows[0].1.clone(), outcome)
}

fn tenants() -> (Rig, Conn, Conn) {
    let rig = Rig::new();
    run(&mut rig.plain(), TENANTS);
    let (mut one, mut two) = (rig.conn(), rig.conn());
    for conn in [&mut one, &mut two] {
        for path in ["t2", "t1", "public"] {
            run(conn, &format!("SET search_path = {path}"));
            honest(conn);
            assert_eq!(honest(conn).1, HIT);
        }
    }
    (rig, one, two)
}

#[test]
fn hazard_09_sessions_of_one_state_share_and_others_do_not() {
    let (_rig, mut one, mut two) = tenants();
    run(&mut one, "SET search_path = t1");
    run(&mut two, "SET search_path TO t1");
    assert_eq!(honest(&mut one), ("one".into(), HIT));
    assert_eq!(honest(&mut two), ("one".into(), HIT));
    run(&mut two, "SET search_path = t2, t1");
    assert_eq!(honest(&mut two), ("two".into(), MISS));
    // One schema whose name holds a comma does not exist.
    run(
        &mut two,
        "CREATE SCHEMA \"t2, t1\"; CREATE TABLE \"t2, t1\".things AS SELECT 1 AS id, 'odd'::varchar(99) AS name",
    );
    run(&mut two, "SET search_path = 't2, t1'");
    assert_eq!(honest(&mut two).0, "odd");
    run(&mut two, "SET search_path = 't2', 't1'");
    assert_eq!(honest(&mut two).0, "two");
    run(&mut two, "SET SCHEMA 't1'");
    assert_eq!(honest(&mut two).0, "one");
    rename(&mut one, "changed").unwrap();
    assert_eq!(honest(&mut two), ("changed".into(), MISS));
    assert_eq!(honest(&mut one), ("changed".into(), MISS));
}

#[test]
fn hazard_09_every_way_to_set_is_followed() {
    let (rig, _, mut two) = tenants();
    let mut one = forgetful(&rig);
    let steps: &[(&[&str], &str)] = &[
        (&["SET search_path = t1"], "one"),
        (&["SELECT set_config('search_path', 't2', false)"], "two"),
        (
            &["DO $$ BEGIN PERFORM set_config('search_path', 't1', false); END $$"],
            "one",
        ),
        (
            &["DO $$ BEGIN EXECUTE 'SET search_path = t2'; END $$"],
            "two",
        ),
        (
            &["UPDATE pg_settings SET setting = 't1' WHERE name = 'search_path'"],
            "one",
        ),
        (&["RESET search_path"], "a"),
        (&["SET search_path = t2", "RESET ALL"], "a"),
        (&["SET search_path = t2", "DISCARD ALL"], "a"),
        (&["SET search_path = t2", "SET search_path TO DEFAULT"], "a"),
        (
            &[
                "SET search_path = t1",
                "BEGIN",
                "SET search_path = t2",
                "ROLLBACK",
            ],
            "one",
        ),
        (
            &[
                "SET search_path = t1",
                "BEGIN",
                "SET search_path = t2",
                "COMMIT",
            ],
            "two",
        ),
        (
            &[
                "SET search_path = t1",
                "BEGIN",
                "SET LOCAL search_path = t2",
                "COMMIT",
            ],
            "one",
        ),
        (
            &[
                "SET search_path = t1",
                "BEGIN",
                "SAVEPOINT s",
                "SET search_path = t2",
                "ROLLBACK TO s",
                "COMMIT",
            ],
            "one",
        ),
        (
            &[
                "SET search_path = t1",
                "BEGIN",
                "SAVEPOINT s",
                "SET search_path = t2",
                "RELEASE s",
                "COMMIT",
            ],
            "two",
        ),
        (
            &[
                "SET search_path = t1",
                "BEGIN",
                "SELECT set_config('search_path', 't2', true)",
                "COMMIT",
            ],
            "one",
        ),
        (&["SET search_path = t1; SET search_path = t2"], "two"),
        (
            &[
                "SET search_path = t1",
                "BEGIN; SET search_path = t2; ROLLBACK",
            ],
            "one",
        ),
        (
            &["BEGIN; SET LOCAL search_path = t1; SET search_path = t2; COMMIT"],
            "two",
        ),
    ];
    for (texts, expected) in steps {
        for text in *texts {
            run(&mut one, text);
        }
        for _ in 0..2 {
            assert_eq!(honest(&mut one).0, *expected, "{texts:?}");
        }
        for path in ["t2", "t1", "public"] {
            run(&mut two, &format!("SET search_path = {path}"));
            honest(&mut two);
        }
    }
}

#[test]
fn hazard_09_a_transactions_own_setting_counts_inside_of_it() {
    let (_rig, mut one, mut two) = tenants();
    run(&mut one, "SET search_path = t1");
    run(&mut one, "BEGIN");
    run(&mut one, "SET LOCAL search_path = t2");
    assert_eq!(honest(&mut one).0, "two");
    run(&mut one, "SAVEPOINT s");
    run(&mut one, "SET LOCAL search_path = public");
    assert_eq!(honest(&mut one).0, "a");
    run(&mut one, "ROLLBACK TO s");
    assert_eq!(honest(&mut one).0, "two");
    run(&mut one, "SET search_path = public");
    assert_eq!(honest(&mut one).0, "a");
    run(&mut one, "ROLLBACK");
    assert_eq!(honest(&mut one).0, "one");
    run(&mut two, "SET search_path = t2");
    assert_eq!(honest(&mut two).0, "two");
}

#[test]
fn hazard_09_set_local_outside_of_a_transaction_has_no_effect() {
    let (_rig, mut one, mut two) = tenants();
    run(&mut one, "SET search_path = t1");
    // Something new, so that nothing is stored under either state.
    rename(&mut one, "renamed").unwrap();
    for text in [
        "SET LOCAL search_path = t2",
        "SET LOCAL search_path = t2; SELECT 1",
    ] {
        run(&mut one, text);
        honest(&mut one);
        run(&mut two, "SET search_path = t1");
        run(&mut two, "BEGIN; SET LOCAL search_path = t2");
        honest(&mut two);
        run(&mut two, "COMMIT");
        honest(&mut two);
    }
}

#[test]
fn hazard_09_a_failed_transaction_undoes_its_settings() {
    let (_rig, mut one, mut two) = tenants();
    run(&mut one, "SET search_path = t1");
    let _ = transact(&mut one, |one| {
        run(one, "SET search_path = t2");
        let _ = one.batch_execute("SELECT 1 / 0");
    });
    honest(&mut one);
    run(&mut one, "BEGIN; SET search_path = t2");
    fail(&mut one, "COMMIT; SELECT 1 / 0");
    honest(&mut one);
    run(&mut two, "SET search_path = t2");
    honest(&mut two);
    honest(&mut one);
    let _ = one.batch_execute("ROLLBACK");
    honest(&mut one);
    fail(&mut one, "SET search_path = t2; SELECT 1 / 0");
    honest(&mut one);
}

#[test]
fn hazard_09_a_trigger_may_change_the_session() {
    let (rig, mut one, mut two) = tenants();
    run(
        &mut rig.plain(),
        "CREATE FUNCTION public.switch() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN PERFORM set_config(''search_path'', ''t2'', false); RETURN NEW; END';
         CREATE TRIGGER switch BEFORE INSERT ON public.others
           FOR EACH ROW EXECUTE FUNCTION public.switch();",
    );
    // The catalogue is read again.
    run(&mut one, "CREATE TABLE public.further (id INTEGER)");
    run(&mut one, "SET search_path = t1");
    honest(&mut one);
    run(&mut one, "INSERT INTO public.others VALUES (7, 'x')");
    assert_eq!(honest(&mut one).0, "two");
    run(&mut two, "SET search_path = t1");
    honest(&mut two);
}

#[test]
fn hazard_09_a_view_may_change_the_session() {
    let (rig, one, two) = tenants();
    run(
        &mut rig.plain(),
        "CREATE VIEW public.switch AS SELECT set_config('search_path', 't2', false) AS name",
    );
    drop((one, two));
    let mut one = rig.conn();
    run(&mut one, "SET search_path = t1");
    honest(&mut one);
    run(&mut one, "SELECT * FROM public.switch");
    assert_eq!(honest(&mut one).0, "two");
    let mut two = rig.conn();
    run(&mut two, "SET search_path = t1");
    honest(&mut two);
}

#[test]
fn hazard_09_roles_are_part_of_the_session() {
    let rig = Rig::new();
    let role = format!("r_{}", std::process::id());
    let mut plain = rig.plain();
    run(
        &mut plain,
        &format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role}"),
    );
    run(
        &mut plain,
        "CREATE VIEW mine AS SELECT id, name FROM things WHERE name = current_user::text",
    );
    run(
        &mut plain,
        &format!("INSERT INTO things VALUES (2, '{role}')"),
    );
    run(
        &mut plain,
        &format!("GRANT SELECT ON mine, things TO {role}"),
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    let sql = "SELECT name FROM mine";
    let (nobody, own) = (Vec::<String>::new(), vec![role.clone()]);
    for _ in 0..2 {
        assert_eq!(read_sql(&mut one, sql).0, nobody);
        run(&mut one, &format!("SET ROLE {role}"));
        assert_eq!(read_sql(&mut one, sql).0, own);
        run(&mut one, "SET ROLE NONE");
        assert_eq!(read_sql(&mut one, sql).0, nobody);
        run(&mut one, &format!("SET SESSION AUTHORIZATION {role}"));
        assert_eq!(read_sql(&mut one, sql).0, own);
        run(&mut one, "RESET SESSION AUTHORIZATION");
        assert_eq!(read_sql(&mut one, sql).0, nobody);
        run(&mut one, &format!("BEGIN; SET LOCAL ROLE {role}"));
        assert_eq!(read_sql(&mut one, sql).0, own);
        run(&mut one, "COMMIT");
        assert_eq!(read_sql(&mut one, sql).0, nobody);
    }
    // The right to read a table is not handed over with an entry.
    run(
        &mut one,
        "CREATE TABLE secrets AS SELECT 1 AS id, 'secret' AS name",
    );
    let secret = "SELECT name FROM secrets";
    read_sql(&mut one, secret);
    assert_eq!(read_sql(&mut one, secret).1, HIT);
    run(&mut two, &format!("SET ROLE {role}"));
    assert!(
        diesel::sql_query(secret)
            .cached()
            .load::<Named>(&mut two)
            .is_err()
    );
    drop((one, two));
    run(
        &mut plain,
        &format!("DROP OWNED BY {role}; DROP ROLE {role}"),
    );
}

#[derive(QueryableByName, Clone)]
#[allow(dead_code, reason = "only its loading counts")]
struct Named {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

#[test]
fn hazard_09_row_level_security_needs_a_scope() {
    let rig = Rig::new();
    let role = format!("s_{}", std::process::id());
    let mut plain = rig.plain();
    run(
        &mut plain,
        &format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role}"),
    );
    run(
        &mut plain,
        "INSERT INTO things VALUES (2, 'b');
         ALTER TABLE things ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON things USING (name = current_setting('app.user', true));
         CREATE VIEW seen WITH (security_barrier) AS SELECT id, name FROM things;",
    );
    run(
        &mut plain,
        &format!("GRANT SELECT ON things, seen TO {role}"),
    );
    let mut one = rig.conn();
    run(&mut one, &format!("SET ROLE {role}"));
    for user in ["a", "b", "a"] {
        run(
            &mut one,
            &format!("SELECT set_config('app.user', '{user}', false)"),
        );
        assert_eq!(
            read_sql(&mut one, NAMES),
            (vec![user.to_owned()], Outcome::Bypass(Bypass::RowSecurity))
        );
        assert_eq!(
            read_sql(&mut one, "SELECT name FROM seen").1,
            Outcome::Bypass(Bypass::RowSecurity)
        );
        for _ in 0..2 {
            let report = Report::new();
            let names: Vec<String> = things::table
                .select(things::name)
                .cached()
                .scope(user)
                .report(&report)
                .load(&mut one)
                .unwrap();
            assert_eq!(names, [user]);
        }
        let report = Report::new();
        let query = things::table
            .select(things::name)
            .cached()
            .scope(user)
            .report(&report);
        assert_eq!(query.load::<String>(&mut one).unwrap(), [user]);
        assert_eq!(report.outcome(), Some(HIT));
    }
    drop(one);
    run(
        &mut plain,
        &format!("DROP OWNED BY {role}; DROP ROLE {role}"),
    );
}

#[test]
fn hazard_10_two_databases_of_one_server() {
    let rig = Rig::new();
    let other = Rig::with(rig.cache.clone());
    let (mut one, mut two) = (rig.conn(), other.conn());
    rig.warm(&mut one);
    assert_eq!(other.fresh(&mut two), MISS);
    rename(&mut two, "b").unwrap();
    assert_eq!(rig.fresh(&mut one), HIT);
    assert_eq!(other.fresh(&mut two), MISS);
    run(&mut two, "DO $$ BEGIN UPDATE things SET name = 'c'; END $$");
    other.fresh(&mut two);
    assert_eq!(rig.fresh(&mut one), HIT);
    // The same database by another name of its server.
    let url = rig.arena.url().replace("127.0.0.1", "localhost");
    if let Ok(mut alias) = Conn::establish(&url) {
        rig.cache.attach(&mut alias).unwrap();
        assert_eq!(rig.fresh(&mut alias), HIT);
    }
}

const SHADOW: &str = "CREATE TEMP TABLE things AS SELECT 1 AS id, 'temporary'::varchar(99) AS name";

#[test]
fn hazard_11_a_trigger_makes_a_temporary_table() {
    shadows("INSERT INTO others VALUES (7, 'x')");
}

#[test]
fn hazard_11_temporary_tables_shadow_real_ones() {
    let body = SHADOW;
    for how in [
        body.to_owned(),
        format!("DO $$ BEGIN {body}; END $$"),
        format!("DO $$ BEGIN EXECUTE '{}'; END $$", body.replace('\'', "''")),
        "SELECT make()".to_owned(),
        "CALL make_by_call()".to_owned(),
        "SELECT 1 AS id, 'temporary'::varchar(99) AS name INTO TEMP things".to_owned(),
        "CREATE TEMP VIEW things AS SELECT 1 AS id, 'temporary'::varchar(99) AS name".to_owned(),
        "CREATE TABLE pg_temp.things AS SELECT 1 AS id, 'temporary'::varchar(99) AS name"
            .to_owned(),
        format!("BEGIN; {body}; COMMIT"),
        "PREPARE p AS SELECT make(); EXECUTE p".to_owned(),
    ] {
        shadows(&how);
    }
}

/// That a cached read sees the temporary table which `how` makes.
fn shadows(how: &str) {
    let rig = Rig::new();
    run(
        &mut rig.plain(),
        &format!(
            "CREATE FUNCTION make() RETURNS int LANGUAGE plpgsql AS $$ BEGIN {SHADOW}; RETURN 1; END $$;
             CREATE PROCEDURE make_by_call() LANGUAGE plpgsql AS $$ BEGIN {SHADOW}; END $$;
             CREATE FUNCTION make_by_trigger() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN {SHADOW}; RETURN NEW; END $$;
             CREATE TRIGGER make BEFORE INSERT ON others FOR EACH ROW
               EXECUTE FUNCTION make_by_trigger();"
        ),
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut one);
    rig.warm(&mut two);
    run(&mut one, how);
    for _ in 0..2 {
        let (name, outcome) = honest(&mut one);
        assert_eq!(name, "temporary", "{how}");
        assert_eq!(outcome, Outcome::Bypass(Bypass::Uncacheable), "{how}");
        rig.fresh(&mut two);
    }
    run(&mut one, "DISCARD TEMP");
    assert_eq!(honest(&mut one).0, "a", "{how}");
}

#[test]
fn hazard_16_a_schema_that_changes_elsewhere() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    // `things` becomes a view, then a partitioned table; the cache sees it happen elsewhere.
    run(
        &mut one,
        "ALTER TABLE things RENAME TO base; CREATE VIEW things AS SELECT id, name FROM base",
    );
    rig.fresh(&mut two);
    rig.warm(&mut two);
    run(&mut one, "UPDATE base SET name = 'b'");
    rig.invalidated(&mut two);
    run(&mut one, "UPDATE things SET name = 'c'");
    rig.invalidated(&mut two);
    run(
        &mut one,
        "DROP VIEW things;
         CREATE TABLE things (id INTEGER, name VARCHAR(99) NOT NULL) PARTITION BY LIST (id);
         ALTER TABLE things ATTACH PARTITION base DEFAULT;",
    );
    rig.fresh(&mut two);
    rig.warm(&mut two);
    run(&mut one, "UPDATE base SET name = 'd'");
    rig.invalidated(&mut two);
}

#[test]
fn hazard_19_harmless_statements_flush_nothing() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    rig.warm(&mut one);
    for sql in [
        "SHOW search_path",
        "SHOW ALL",
        "SET application_name = 'x'",
        "ANALYZE",
        "ANALYZE things",
        "VACUUM",
        "VACUUM (ANALYZE) things",
        "CHECKPOINT",
        "LISTEN channel",
        "NOTIFY channel, 'x'",
        "UNLISTEN *",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_advisory_unlock(1)",
        "SELECT pg_try_advisory_lock(2)",
        "SELECT pg_backend_pid()",
        "SELECT now(), version()",
        "EXPLAIN UPDATE things SET name = 'x'",
        "EXPLAIN (FORMAT JSON) SELECT * FROM things",
        "BEGIN; COMMIT",
        "DISCARD PLANS",
        "SELECT count(*) FROM pg_class",
    ] {
        run(&mut one, sql);
        assert_eq!(rig.fresh(&mut two), HIT, "{sql}");
        let outcome = rig.fresh(&mut one);
        assert!(outcome == HIT || sql.starts_with("SET"), "{sql}: {outcome}");
    }
    run(&mut one, "BEGIN; LOCK TABLE things IN SHARE MODE; COMMIT");
    assert_eq!(rig.fresh(&mut two), HIT);
    run(&mut one, "EXPLAIN ANALYZE UPDATE things SET name = 'x'");
    rig.invalidated(&mut two);
}

diesel::table! {
    kinds (id) {
        id -> Integer,
        small -> Nullable<SmallInt>,
        big -> Nullable<BigInt>,
        single -> Nullable<Float>,
        double -> Nullable<Double>,
        flag -> Nullable<Bool>,
        text -> Nullable<Text>,
        bytes -> Nullable<Binary>,
        at -> Nullable<Timestamp>,
        day -> Nullable<Date>,
        time -> Nullable<Time>,
        numbers -> Nullable<Array<Nullable<Integer>>>,
        words -> Nullable<Array<Nullable<Text>>>,
        letter -> Nullable<CChar>,
        span -> Nullable<Interval>,
        cash -> Nullable<Money>,
    }
}

type Numbers = (
    i32,
    Option<i16>,
    Option<i64>,
    Option<f32>,
    Option<f64>,
    Option<bool>,
);
type Texts = (Option<String>, Option<Vec<u8>>, Option<u8>);
type Times = (
    Option<diesel::pg::data_types::PgTimestamp>,
    Option<diesel::pg::data_types::PgDate>,
    Option<diesel::pg::data_types::PgTime>,
    Option<diesel::pg::data_types::PgInterval>,
    Option<diesel::pg::data_types::PgMoney>,
);
type Arrays = (Option<Vec<Option<i32>>>, Option<Vec<Option<String>>>);

#[test]
fn hazard_24_stored_rows_are_what_the_server_sent() {
    let rig = Rig::new();
    run(
        &mut rig.plain(),
        "CREATE TABLE kinds (id INTEGER PRIMARY KEY, small SMALLINT, big BIGINT, single REAL,
            \"double\" DOUBLE PRECISION, flag BOOL, text TEXT, bytes BYTEA, at TIMESTAMP, day DATE,
            time TIME, numbers INTEGER[], words TEXT[], letter \"char\", span INTERVAL, cash MONEY);
         INSERT INTO kinds (id) VALUES (0);
         INSERT INTO kinds VALUES
           (1, -32768, -9223372036854775808, '-Infinity', 'NaN', false, '', '', '-infinity',
            '4713-01-01 BC', '00:00', '{}', '{}', 'a', '0', '-1.5'),
           (2, 32767, 9223372036854775807, 1e-30, 1e300, true, E'\\u00e4\\n', '\\x00ff00',
            '9999-12-31 23:59:59.999999', '2024-02-29', '24:00', '{1,NULL,-3}',
            '{\"a\",NULL,\"NULL\",\"\"}', 'z', '1 mon 2 days 00:00:03.000004', '92233720368547758.07');",
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    let numbers = || {
        let columns = (
            kinds::id,
            kinds::small,
            kinds::big,
            kinds::single,
            kinds::double,
            kinds::flag,
        );
        kinds::table.order(kinds::id).select(columns)
    };
    let texts = || {
        kinds::table
            .order(kinds::id)
            .select((kinds::text, kinds::bytes, kinds::letter))
    };
    let times = || {
        let columns = (kinds::at, kinds::day, kinds::time, kinds::span, kinds::cash);
        kinds::table.order(kinds::id).select(columns)
    };
    let arrays = || {
        kinds::table
            .order(kinds::id)
            .select((kinds::numbers, kinds::words))
    };
    let all = |conn: &mut Conn, report: Option<&Report>| -> String {
        let mut seen = String::new();
        macro_rules! each {
            ($($query:ident: $row:ty),*) => {$(
                let rows: Vec<$row> = match report {
                    Some(report) => $query().cached().report(report).load(conn).unwrap(),
                    None => $query().load(conn).unwrap(),
                };
                assert_eq!(rows.len(), 3);
                seen += &format!("{rows:?}");
                seen += &report.and_then(Report::outcome).map_or(String::new(), |o| {
                    assert!(o == HIT || o == MISS, "{o}");
                    String::new()
                });
            )*};
        }
        each!(numbers: Numbers, texts: Texts, times: Times, arrays: Arrays);
        seen
    };
    let report = Report::new();
    let truth = all(&mut one, None);
    assert_eq!(all(&mut one, Some(&report)), truth);
    assert_eq!(report.outcome(), Some(MISS));
    let hits = rig.cache.stats().hits;
    assert_eq!(all(&mut one, Some(&report)), truth);
    assert_eq!(all(&mut two, Some(&report)), truth);
    assert_eq!(rig.cache.stats().hits, hits + 8);
}

#[test]
fn others_are_read_while_one_table_is_written() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    run(&mut one, "BEGIN");
    rename(&mut one, "b").unwrap();
    assert_eq!(read_others(&mut two).1, HIT);
    run(&mut one, "COMMIT");
    assert_eq!(read_others(&mut two).1, HIT);
}

#[test]
fn sessions_in_different_time_zones_meet_in_one_database() {
    let rig = Rig::new();
    let zones: Vec<Conn> = ["UTC", "Asia/Kathmandu"]
        .into_iter()
        .map(|zone| {
            let mut conn = rig.plain();
            run(&mut conn, &format!("SET TIME ZONE '{zone}'"));
            rig.cache.attach(&mut conn).unwrap();
            conn
        })
        .collect();
    let [mut reader, mut writer] = <[Conn; 2]>::try_from(zones).ok().unwrap();
    rig.warm(&mut reader);
    rename(&mut writer, "elsewhere").unwrap();
    rig.invalidated(&mut reader);
}

#[test]
fn hazard_16_a_composite_type_changed_elsewhere() {
    let cache = diesel_cache::Cache::builder()
        .catalogue_interval(Duration::ZERO)
        .build()
        .unwrap();
    let rig = Rig::with(cache);
    let mut plain = rig.plain();
    run(
        &mut plain,
        "CREATE TYPE place AS (x INTEGER); \
         CREATE TABLE spots (id INTEGER PRIMARY KEY, at place); \
         INSERT INTO spots VALUES (1, ROW(7))",
    );
    let mut conn = rig.conn();
    let spots = "SELECT at::text AS name FROM spots";
    assert_eq!(read_sql(&mut conn, spots).1, MISS);
    assert_eq!(read_sql(&mut conn, spots).1, HIT);
    run(&mut plain, "ALTER TYPE place ADD ATTRIBUTE y INTEGER");
    let (rows, outcome) = read_sql(&mut conn, spots);
    assert_eq!((rows, outcome), (vec!["(7,)".to_owned()], MISS));
}
