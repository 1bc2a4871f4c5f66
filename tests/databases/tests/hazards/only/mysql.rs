//! Hazards of MySQL and MariaDB.

use std::sync::mpsc;
use std::thread;

use diesel::connection::{CacheSize, Connection, SimpleConnection};
use diesel::mysql::data_types::MysqlTime;
use diesel::prelude::*;
use diesel_cache::{Bypass, CachedDsl, Outcome, Report};

use super::engine::Conn;
use super::kit::{
    Rig, add, annotate, fail, others, read, read_others, read_sql, rename, run, things, transact,
};
use crate::support::{HIT, MISS, Wire, until};

const ISOLATION: Outcome = Outcome::Bypass(Bypass::Isolation);

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

fn number(conn: &mut Conn, sql: &str) -> i64 {
    diesel::sql_query(sql).get_result::<Count>(conn).unwrap().n
}

fn id(conn: &mut Conn) -> i64 {
    number(conn, "SELECT CAST(CONNECTION_ID() AS SIGNED) AS n")
}

/// How many sessions of that id run a statement which begins so; any, if it is empty.
fn works(conn: &mut Conn, id: i64, text: &str) -> bool {
    let sql = format!(
        "SELECT COUNT(*) AS n FROM information_schema.processlist \
         WHERE id = {id} AND COALESCE(info, '') LIKE '{text}%'"
    );
    number(conn, &sql) > 0
}

fn heals(rig: &Rig, conn: &mut Conn) {
    until("reads hit again", || rig.fresh(conn) == HIT);
}

#[test]
fn hazard_02_a_deadlock_rolls_the_whole_transaction_back() {
    let rig = Rig::new();
    let (mut one, mut two, mut three) = (rig.conn(), rig.conn(), rig.conn());
    rig.warm(&mut three);
    let (ready, go) = mpsc::channel();
    // Heavier, so that the server chooses the other one as its victim.
    let mut heavy = Some(thread::spawn(move || {
        transact(&mut two, |two| {
            for id in 100..150 {
                add(two, id, "heavy").unwrap();
            }
            annotate(two, "heavy").unwrap();
            ready.send(()).unwrap();
            rename(two, "heavy").unwrap();
        })
    }));
    let swallowed = transact(&mut one, |one| {
        rename(one, "lost").unwrap();
        go.recv().unwrap();
        let victim = annotate(one, "lost").is_err();
        // The transaction is gone: this commits by itself.
        add(one, 7, "autocommit").unwrap();
        // A read that bypasses is compared with a truth that must not change meanwhile.
        heavy.take().unwrap().join().unwrap().unwrap();
        rig.fresh(&mut three);
        assert!(victim, "the server chose the other one");
    });
    // Whatever Diesel says of the end.
    let _ = swallowed;
    rig.fresh(&mut three);
    assert_eq!(rig.truth().len(), 52);
    rig.warm(&mut three);
    rename(&mut one, "after").unwrap();
    rig.fresh(&mut three);
    rig.warm(&mut one);
}

#[test]
fn hazard_06_what_commits_implicitly() {
    for (text, last) in [
        ("CREATE TABLE further (id INTEGER)", "ROLLBACK"),
        ("CREATE TABLE IF NOT EXISTS things (id INTEGER)", "ROLLBACK"),
        ("DROP TABLE IF EXISTS nothing", "ROLLBACK"),
        ("ALTER TABLE others ADD COLUMN more INTEGER", "ROLLBACK"),
        ("TRUNCATE TABLE others", "ROLLBACK"),
        ("ANALYZE TABLE others", "ROLLBACK"),
        ("OPTIMIZE TABLE others", "ROLLBACK"),
        ("FLUSH TABLES", "ROLLBACK"),
        ("LOCK TABLES others READ", "UNLOCK TABLES"),
        ("BEGIN", "ROLLBACK"),
        ("START TRANSACTION READ ONLY", "COMMIT"),
        ("SET autocommit = 1", "ROLLBACK"),
        ("CREATE INDEX by_note ON others (note)", "ROLLBACK"),
        (
            "CREATE TRIGGER t AFTER INSERT ON others FOR EACH ROW SET @x = 1",
            "ROLLBACK",
        ),
        ("RENAME TABLE others TO elsewhere", "ROLLBACK"),
    ] {
        let rig = Rig::new();
        let (mut one, mut two) = (rig.conn(), rig.conn());
        rig.warm(&mut two);
        run(&mut one, "BEGIN");
        rename(&mut one, "b").unwrap();
        assert_eq!(rig.fresh(&mut two), HIT, "{text}");
        run(&mut one, text);
        rig.fresh(&mut two);
        rename(&mut one, "c").ok();
        rig.fresh(&mut two);
        run(&mut one, last);
        rig.fresh(&mut two);
        rig.fresh(&mut two);
        rig.fresh(&mut one);
    }
}

#[test]
fn hazard_06_what_fails_may_have_committed_before() {
    for text in [
        "CREATE TABLE things (id INTEGER)",
        "ALTER TABLE nowhere ADD COLUMN x INTEGER",
        "DROP TABLE nowhere",
        "TRUNCATE TABLE nowhere",
    ] {
        let rig = Rig::new();
        let (mut one, mut two) = (rig.conn(), rig.conn());
        rig.warm(&mut two);
        run(&mut one, "BEGIN");
        rename(&mut one, "b").unwrap();
        fail(&mut one, text);
        rig.fresh(&mut two);
        rename(&mut one, "c").unwrap();
        rig.fresh(&mut two);
        run(&mut one, "ROLLBACK");
        rig.fresh(&mut two);
        rig.warm(&mut one);
    }
}

#[test]
fn hazard_06_without_autocommit_writes_count_at_the_commit() {
    for off in [
        "SET autocommit = 0",
        "SET @@session.autocommit = OFF",
        "SET sql_warnings = 0, autocommit = 0",
    ] {
        let rig = Rig::new();
        let (mut one, mut two) = (rig.conn(), rig.conn());
        rig.warm(&mut two);
        run(&mut one, off);
        rename(&mut one, "b").unwrap();
        rig.fresh(&mut two);
        rig.fresh(&mut two);
        run(&mut one, "COMMIT");
        rig.fresh(&mut two);
        rename(&mut one, "c").unwrap();
        rig.fresh(&mut two);
        run(&mut one, "SET autocommit = 1");
        rig.fresh(&mut two);
        rig.fresh(&mut two);
        // A snapshot that its first read has taken lasts: nothing may be filled from it.
        run(&mut one, "SET autocommit = 0");
        others::table.count().get_result::<i64>(&mut one).unwrap();
        rename(&mut two, "d").unwrap();
        assert_ne!(read(&mut one).1, MISS);
        assert_eq!(rig.fresh(&mut two), MISS);
    }
}

#[test]
fn hazard_06_chained_transactions() {
    for (end, chained) in [
        ("COMMIT AND CHAIN", "COMMIT"),
        ("ROLLBACK AND CHAIN", "COMMIT"),
    ] {
        let rig = Rig::new();
        let (mut one, mut two) = (rig.conn(), rig.conn());
        rig.warm(&mut two);
        run(&mut one, "BEGIN");
        rename(&mut one, "b").unwrap();
        run(&mut one, end);
        rig.fresh(&mut two);
        rename(&mut one, "c").unwrap();
        rig.fresh(&mut two);
        run(&mut one, chained);
        rig.fresh(&mut two);
        run(&mut one, "SET completion_type = 'CHAIN'");
        run(&mut one, "BEGIN");
        rename(&mut one, "d").unwrap();
        run(&mut one, "COMMIT");
        rig.fresh(&mut two);
        rename(&mut one, "e").unwrap();
        rig.fresh(&mut two);
        run(&mut one, "COMMIT");
        rig.fresh(&mut two);
        run(&mut one, "SET completion_type = 'NO_CHAIN'");
        run(&mut one, "COMMIT");
        rig.fresh(&mut two);
    }
}

#[test]
fn hazard_06_written_under_table_locks() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    run(&mut one, "LOCK TABLES things WRITE");
    rename(&mut one, "b").unwrap();
    run(&mut one, "UNLOCK TABLES");
    rig.fresh(&mut two);
    run(&mut one, "SET autocommit = 0");
    run(&mut one, "LOCK TABLES things WRITE");
    rename(&mut one, "c").unwrap();
    run(&mut one, "COMMIT");
    run(&mut one, "UNLOCK TABLES");
    rig.fresh(&mut two);
    rig.fresh(&mut one);
}

#[test]
fn hazard_07_distributed_transactions() {
    for elsewhere in [false, true] {
        let rig = Rig::new();
        let (mut one, mut two, mut three) = (rig.conn(), rig.conn(), rig.conn());
        rig.warm(&mut two);
        let xid = format!("'{}-{elsewhere}'", std::process::id());
        run(&mut one, &format!("XA START {xid}"));
        rename(&mut one, "b").unwrap();
        rig.fresh(&mut two);
        run(&mut one, &format!("XA END {xid}"));
        run(&mut one, &format!("XA PREPARE {xid}"));
        rig.fresh(&mut two);
        rig.fresh(&mut two);
        if elsewhere {
            drop(one);
            let mut done = rig.plain();
            until("the session has left it behind", || {
                number(
                    &mut done,
                    "SELECT COUNT(*) AS n FROM information_schema.processlist \
                                   WHERE command = 'Killed'",
                ) == 0
            });
            rig.fresh(&mut two);
            until("it is free", || {
                three.batch_execute(&format!("XA COMMIT {xid}")).is_ok()
            });
        } else {
            run(&mut one, &format!("XA COMMIT {xid}"));
        }
        rig.fresh(&mut two);
        rig.fresh(&mut two);
        assert_eq!(rig.truth(), vec![(1, "b".into())]);
    }
}

#[test]
fn hazard_04_a_session_that_is_killed_inside_its_transaction() {
    let rig = Rig::new();
    let mut two = rig.conn();
    rig.warm(&mut two);
    let mut one = rig.conn();
    let victim = id(&mut one);
    run(&mut one, "BEGIN");
    rename(&mut one, "lost").unwrap();
    run(&mut rig.plain(), &format!("KILL {victim}"));
    assert!(rename(&mut one, "again").is_err());
    rig.fresh(&mut two);
    assert!(one.batch_execute("COMMIT").is_err());
    rig.fresh(&mut two);
    drop(one);
    heals(&rig, &mut two);
}

#[test]
fn hazard_04_a_statement_that_is_killed() {
    for how in ["KILL", "KILL QUERY"] {
        let rig = Rig::new();
        let mut two = rig.conn();
        rig.warm(&mut two);
        let mut one = rig.conn();
        let victim = id(&mut one);
        let writer = thread::spawn(move || {
            let ended = one.batch_execute("UPDATE things SET name = IF(SLEEP(5) = 0, 'lost', 'b')");
            (one, ended.is_err())
        });
        let mut witness = rig.plain();
        until("it writes", || works(&mut witness, victim, "UPDATE"));
        assert_eq!(rig.fresh(&mut two), Outcome::Bypass(Bypass::Quarantined));
        run(&mut witness, &format!("{how} {victim}"));
        let (one, _) = writer.join().unwrap();
        rig.fresh(&mut two);
        drop(one);
        heals(&rig, &mut two);
    }
}

#[test]
fn hazard_04_a_statement_whose_answer_is_lost() {
    let rig = Rig::new();
    let mut two = rig.conn();
    rig.warm(&mut two);
    let wire = Wire::to(&rig.arena.url());
    let mut one = Conn::establish(&wire.url(&rig.arena.url())).unwrap();
    rig.cache.attach(&mut one).unwrap();
    let victim = id(&mut one);
    let writer = thread::spawn(move || {
        one.batch_execute("UPDATE things SET name = IF(SLEEP(1) = 0, 'b', 'c')")
            .is_err()
    });
    let mut witness = rig.plain();
    until("it writes", || works(&mut witness, victim, "UPDATE"));
    let resolves = rig.cache.stats().resolves;
    wire.cut();
    assert!(writer.join().unwrap());
    let mut bypassed = 0;
    while works(&mut witness, victim, "UPDATE") {
        let outcome = read(&mut two).1;
        assert_ne!(outcome, HIT);
        bypassed += u32::from(outcome == Outcome::Bypass(Bypass::Quarantined));
    }
    assert!(bypassed > 0);
    heals(&rig, &mut two);
    assert!(rig.cache.stats().resolves > resolves);
}

#[test]
fn hazard_09_session_settings_are_part_of_the_key() {
    let rig = Rig::new();
    run(
        &mut rig.plain(),
        "CREATE TABLE times (id INTEGER PRIMARY KEY, at TIMESTAMP NOT NULL);
         INSERT INTO times VALUES (1, '2024-01-01 12:00:00');",
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    for (sql, settings) in [
        (
            "SELECT CAST(at AS CHAR) AS name FROM times",
            [
                "SET time_zone = '+00:00'",
                "SET time_zone = '+05:00'",
                "SET @@session.time_zone = '-01:00'",
            ],
        ),
        (
            "SELECT CONCAT('x', name || 'y') AS name FROM things",
            [
                "SET sql_mode = 'PIPES_AS_CONCAT'",
                "SET sql_mode = ''",
                "SET SESSION sql_mode = 'PIPES_AS_CONCAT,STRICT_ALL_TABLES'",
            ],
        ),
        (
            "SELECT CAST(id / 3 AS CHAR) AS name FROM things",
            [
                "SET div_precision_increment = 2",
                "SET SESSION div_precision_increment = 6",
                "SET @@div_precision_increment = 9",
            ],
        ),
        (
            "SELECT GROUP_CONCAT(name) AS name FROM things",
            [
                "SET group_concat_max_len = 4",
                "SET group_concat_max_len = 100",
                "SET @x = 1, group_concat_max_len = 5",
            ],
        ),
    ] {
        for _ in 0..2 {
            for setting in settings {
                for conn in [&mut one, &mut two] {
                    run(conn, setting);
                    let truth = super::kit::plain_sql(conn, sql);
                    assert_eq!(read_sql(conn, sql).0, truth, "{setting}");
                    assert_eq!(read_sql(conn, sql).0, truth, "{setting}");
                }
            }
        }
    }
}

#[test]
fn hazard_09_two_schemas_with_tables_of_one_name() {
    let rig = Rig::new();
    let other = format!("u_{}", std::process::id());
    run(
        &mut rig.plain(),
        &format!(
            "CREATE DATABASE {other}; CREATE TABLE {other}.things LIKE things;
             INSERT INTO {other}.things VALUES (1, 'other')"
        ),
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    // A statement that was prepared stays in the schema where it was prepared.
    one.set_prepared_statement_cache_size(CacheSize::Disabled);
    rig.warm(&mut one);
    let home = rig.arena.url().rsplit('/').next().unwrap().to_owned();
    for _ in 0..2 {
        run(&mut one, &format!("USE {other}"));
        assert_eq!(read(&mut one).0, vec![(1, "other".into())]);
        assert_eq!(read(&mut one), (vec![(1, "other".into())], HIT));
        rig.fresh(&mut two);
        run(&mut one, &format!("USE `{home}`"));
        rig.fresh(&mut one);
    }
    // A write in either reaches the readers of both: tags hold bare names.
    run(
        &mut two,
        &format!("UPDATE {other}.things SET name = 'changed'"),
    );
    run(&mut one, &format!("USE {other}"));
    assert_eq!(read(&mut one).0, vec![(1, "changed".into())]);
    drop((one, two));
    run(&mut rig.plain(), &format!("DROP DATABASE {other}"));
}

#[test]
fn hazard_09_a_statement_prepared_in_another_schema() {
    let rig = Rig::new();
    let other = format!("v_{}", std::process::id());
    run(
        &mut rig.plain(),
        &format!(
            "CREATE DATABASE {other}; CREATE TABLE {other}.things LIKE things;
             INSERT INTO {other}.things VALUES (1, 'other')"
        ),
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut one);
    run(&mut one, &format!("USE {other}"));
    read(&mut one);
    run(&mut two, &format!("USE {other}"));
    let outcome = read(&mut two);
    drop((one, two));
    run(&mut rig.plain(), &format!("DROP DATABASE {other}"));
    assert_eq!(outcome.0, vec![(1, "other".into())]);
}

#[test]
fn hazard_09_a_routine_may_change_the_session() {
    for how in [
        "CALL switch()",
        "SELECT switching()",
        "EXECUTE IMMEDIATE 'SET div_precision_increment = 9'",
        "PREPARE p FROM 'SET div_precision_increment = 9'; EXECUTE p",
    ] {
        switches(how);
    }
}

#[test]
fn hazard_09_a_trigger_may_change_the_session() {
    switches("INSERT INTO others VALUES (7, 'x')");
}

/// That `how`, which changes a setting, is followed.
fn switches(how: &str) {
    let sql = "SELECT CAST(id / 3 AS CHAR) AS name FROM things";
    let rig = Rig::new();
    run(
        &mut rig.plain(),
        "CREATE PROCEDURE switch() SET SESSION div_precision_increment = 9;
             CREATE FUNCTION switching() RETURNS INTEGER
               BEGIN SET SESSION div_precision_increment = 9; RETURN 1; END;
             CREATE TRIGGER switch BEFORE INSERT ON others FOR EACH ROW
               SET SESSION div_precision_increment = 9;",
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    for conn in [&mut one, &mut two] {
        run(conn, "SET div_precision_increment = 2");
        read_sql(conn, sql);
    }
    run(&mut one, how);
    assert_eq!(
        read_sql(&mut one, sql).0,
        super::kit::plain_sql(&mut one, sql),
        "{how}"
    );
    assert_eq!(
        read_sql(&mut two, sql).0,
        super::kit::plain_sql(&mut two, sql),
        "{how}"
    );
}

const SHADOW: &str = "CREATE TEMPORARY TABLE things (id INTEGER, name VARCHAR(99) NOT NULL) \
                SELECT 1 AS id, 'temporary' AS name";

#[test]
fn hazard_11_temporary_tables_shadow_real_ones() {
    for how in [
        SHADOW,
        "CALL make()",
        "SELECT making()",
        "CREATE TEMPORARY TABLE things LIKE others; DROP TEMPORARY TABLE things; CALL make()",
        "PREPARE p FROM 'CREATE TEMPORARY TABLE things SELECT 1 AS id, ''temporary'' AS name'; EXECUTE p",
    ] {
        shadows(how);
    }
}

#[test]
fn hazard_11_a_trigger_makes_a_temporary_table() {
    shadows("INSERT INTO others VALUES (7, 'x')");
}

/// That a cached read sees the temporary table which `how` makes.
fn shadows(how: &str) {
    let rig = Rig::new();
    run(
        &mut rig.plain(),
        &format!(
            "CREATE PROCEDURE make() {SHADOW};
                 CREATE FUNCTION making() RETURNS INTEGER BEGIN {SHADOW}; RETURN 1; END;
                 CREATE TRIGGER making BEFORE INSERT ON others FOR EACH ROW BEGIN {SHADOW}; END;"
        ),
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut one);
    rig.warm(&mut two);
    run(&mut one, how);
    for _ in 0..2 {
        let truth: super::kit::Rows = things::table.load(&mut one).unwrap();
        assert_eq!(truth[0].1, "temporary", "{how}");
        let (rows, outcome) = read(&mut one);
        assert_eq!(rows, truth, "{how}: {outcome}");
        assert!(matches!(outcome, Outcome::Bypass(_)), "{how}: {outcome}");
        rig.fresh(&mut two);
    }
}

#[test]
fn hazard_03_tables_that_ignore_a_rollback() {
    for engine in ["MyISAM", "MEMORY", "Aria"] {
        let rig = Rig::new();
        run(
            &mut rig.plain(),
            &format!("ALTER TABLE things ENGINE = {engine}"),
        );
        let (mut one, mut two) = (rig.conn(), rig.conn());
        rig.warm(&mut two);
        run(&mut one, "BEGIN");
        rename(&mut one, "b").unwrap();
        // Visible at once.
        rig.invalidated(&mut two);
        run(&mut one, "ROLLBACK");
        rig.fresh(&mut two);
        assert_eq!(rig.truth(), vec![(1, "b".into())]);
        run(&mut one, "BEGIN");
        run(&mut one, "SAVEPOINT s");
        rename(&mut one, "c").unwrap();
        run(&mut one, "ROLLBACK TO s");
        rig.fresh(&mut two);
        run(&mut one, "COMMIT");
        rig.fresh(&mut two);
        fail(
            &mut one,
            "INSERT INTO things VALUES (7, 'x'), (8, 'y'), (1, 'twice')",
        );
        rig.fresh(&mut two);
        assert!(rig.truth().len() > 1, "{engine}");
        rig.warm(&mut two);
    }
}

#[test]
fn hazard_05_dirty_reads_neither_hit_nor_fill() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    for level in [
        "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
        "SET @@session.tx_isolation = 'READ-UNCOMMITTED'",
    ] {
        run(&mut two, level);
        run(&mut one, "BEGIN");
        rename(&mut one, "dirty").unwrap();
        assert_eq!(
            read(&mut two),
            (vec![(1, "dirty".into())], ISOLATION),
            "{level}"
        );
        run(&mut one, "ROLLBACK");
        assert_eq!(
            read(&mut two),
            (vec![(1, "a".into())], ISOLATION),
            "{level}"
        );
        run(
            &mut two,
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        );
        assert_eq!(rig.fresh(&mut two), HIT);
    }
}

#[test]
fn hazard_05_an_isolation_for_one_transaction_alone() {
    // Spent by an autocommit read, which is dirty.
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    run(&mut one, "BEGIN");
    rename(&mut one, "dirty").unwrap();
    run(&mut two, "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED");
    read(&mut two);
    run(&mut one, "ROLLBACK");
    rig.fresh(&mut two);
    // Spent by a statement, so that the transaction is a repeatable read.
    run(&mut two, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
    others::table.count().get_result::<i64>(&mut two).unwrap();
    run(&mut two, "BEGIN");
    others::table.count().get_result::<i64>(&mut two).unwrap();
    rename(&mut one, "b").unwrap();
    read(&mut two);
    run(&mut two, "COMMIT");
    rig.fresh(&mut one);
    rig.fresh(&mut two);
}

#[test]
fn hazard_19_harmless_statements_flush_nothing() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    for sql in [
        "SHOW TABLES",
        "SHOW VARIABLES LIKE 'x'",
        "SET @x = 1",
        "SET time_zone = '+00:00'",
        "EXPLAIN SELECT * FROM things",
        "EXPLAIN UPDATE things SET name = 'x'",
        "DESCRIBE things",
        "SELECT CONNECTION_ID(), NOW(), VERSION()",
        "SELECT GET_LOCK('x', 0)",
        "SELECT RELEASE_LOCK('x')",
        "BEGIN; COMMIT",
        "SELECT count(*) FROM information_schema.tables",
    ] {
        run(&mut one, sql);
        assert_eq!(rig.fresh(&mut two), HIT, "{sql}");
    }
    assert_eq!(read_others(&mut two).1, HIT);
}

diesel::table! {
    kinds (id) {
        id -> Integer,
        tiny -> Nullable<TinyInt>,
        tiny_unsigned -> Nullable<Unsigned<TinyInt>>,
        small_unsigned -> Nullable<Unsigned<SmallInt>>,
        big -> Nullable<BigInt>,
        big_unsigned -> Nullable<Unsigned<BigInt>>,
        single -> Nullable<Float>,
        double -> Nullable<Double>,
        flag -> Nullable<Bool>,
        day -> Nullable<Date>,
        moment -> Nullable<Datetime>,
        time -> Nullable<Time>,
        text -> Nullable<Text>,
        bytes -> Nullable<Blob>,
        exact -> Nullable<Text>,
    }
}

type Numbers = (
    i32,
    Option<i8>,
    Option<u8>,
    Option<u16>,
    Option<i64>,
    Option<u64>,
    Option<f32>,
    Option<f64>,
    Option<bool>,
);
type Others = (
    Option<MysqlTime>,
    Option<MysqlTime>,
    Option<MysqlTime>,
    Option<String>,
    Option<Vec<u8>>,
    Option<String>,
);

#[test]
fn hazard_24_stored_rows_are_what_the_server_sent() {
    let rig = Rig::new();
    run(
        &mut rig.plain(),
        "SET sql_mode = '';
         CREATE TABLE kinds (id INTEGER PRIMARY KEY, tiny TINYINT, tiny_unsigned TINYINT UNSIGNED,
            small_unsigned SMALLINT UNSIGNED, big BIGINT, big_unsigned BIGINT UNSIGNED, single FLOAT,
            `double` DOUBLE, flag BOOL, day DATE, moment DATETIME(6), time TIME(6), text LONGTEXT,
            bytes BLOB, exact DECIMAL(30, 10));
         INSERT INTO kinds (id) VALUES (0);
         INSERT INTO kinds VALUES (1, -128, 0, 0, -9223372036854775808, 0, -1.5, 1e300, false,
            '0000-00-00', '1000-01-01 00:00:00', '12:34:56.000001', '', '', -0.0000000001),
           (2, 127, 255, 65535, 9223372036854775807, 18446744073709551615, 1e-30, -0.0, true,
            '9999-12-31', '9999-12-31 23:59:59.999999', '00:00:00.000001', 'ä',
            x'00ff00', 12345678901234567890.0123456789);",
    );
    let (mut one, mut two) = (rig.conn(), rig.conn());
    let numbers = || {
        kinds::table.order(kinds::id).select((
            kinds::id,
            kinds::tiny,
            kinds::tiny_unsigned,
            kinds::small_unsigned,
            kinds::big,
            kinds::big_unsigned,
            kinds::single,
            kinds::double,
            kinds::flag,
        ))
    };
    let rest = || {
        kinds::table.order(kinds::id).select((
            kinds::day,
            kinds::moment,
            kinds::time,
            kinds::text,
            kinds::bytes,
            diesel::dsl::sql::<diesel::sql_types::Nullable<diesel::sql_types::Text>>(
                "CAST(exact AS CHAR)",
            ),
        ))
    };
    let truth = format!(
        "{:?}{:?}",
        numbers().load::<Numbers>(&mut one).unwrap(),
        rest().load::<Others>(&mut one).unwrap()
    );
    let hits = rig.cache.stats().hits;
    for conn in [&mut one, &mut two] {
        for _ in 0..2 {
            let report = Report::new();
            let first: Vec<Numbers> = numbers().cached().report(&report).load(conn).unwrap();
            let second: Vec<Others> = rest().cached().report(&report).load(conn).unwrap();
            assert_eq!(format!("{first:?}{second:?}"), truth);
        }
    }
    assert_eq!(rig.cache.stats().hits, hits + 6);
}
