use super::{Mysql, Postgres, Sqlite, assert_steps, steps};
use crate::dialect::Dialect;
use crate::footprint::analysis::{Control, Isolation, Session, Step};
use crate::footprint::analyze;

const UNRECOGNISED: Step = Step::Session(Session::Unrecognised);

fn set(name: &str, value: &str) -> Step {
    Step::Session(Session::Set {
        local: false,
        name: name.into(),
        value: value.into(),
    })
}

fn set_local(name: &str, value: &str) -> Step {
    Step::Session(Session::Set {
        local: true,
        name: name.into(),
        value: value.into(),
    })
}

fn reset(name: &str) -> Step {
    Step::Session(Session::Reset(name.into()))
}

#[track_caller]
fn assert_step(sql: &str, dialect: Dialect, step: Step) {
    assert_steps(sql, dialect, &[step]);
}

#[test]
fn variables_of_postgres() {
    for (sql, step) in [
        (
            "SET search_path TO blog, public",
            set("search_path", "blog, public"),
        ),
        (
            "SET search_path = 'blog', \"Public\"",
            set("search_path", "'blog', \"Public\""),
        ),
        (
            "SET SESSION statement_timeout = 500",
            set("statement_timeout", "500"),
        ),
        ("SET app.user_id = '7'", set("app.user_id", "'7'")),
        ("SET x = -1", set("x", "- 1")),
        ("SET x = 'it''s'", set("x", "'it''s'")),
        (
            "SET LOCAL app.user_id = '7'",
            set_local("app.user_id", "'7'"),
        ),
        ("SET TIME ZONE 'UTC'", set("timezone", "'UTC'")),
        ("SET TimeZone TO 'UTC'", set("timezone", "'UTC'")),
        ("SET TIME ZONE -3", set("timezone", "- 3")),
        ("SET LOCAL TIME ZONE 'UTC'", set_local("timezone", "'UTC'")),
        (
            "SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
            UNRECOGNISED,
        ),
        ("SET TIME ZONE LOCAL", reset("timezone")),
        ("SET SCHEMA 'blog'", set("search_path", "'blog'")),
        ("SET NAMES 'UTF8'", set("client_encoding", "'UTF8'")),
        (
            "SET CLIENT_ENCODING TO 'UTF8'",
            set("client_encoding", "'UTF8'"),
        ),
        ("SET ROLE alice", set("role", "alice")),
        ("SET LOCAL ROLE alice", set_local("role", "alice")),
        ("SET role = 'alice'", set("role", "'alice'")),
        ("SET ROLE NONE", reset("role")),
        ("SET SESSION ROLE alice", set("role", "alice")),
        (
            "SET SESSION AUTHORIZATION bob",
            set("session_authorization", "bob"),
        ),
        (
            "SET SESSION SESSION AUTHORIZATION bob",
            set("session_authorization", "bob"),
        ),
        (
            "SET LOCAL SESSION AUTHORIZATION bob",
            set_local("session_authorization", "bob"),
        ),
        (
            "SET SESSION AUTHORIZATION DEFAULT",
            reset("session_authorization"),
        ),
        ("SET search_path TO DEFAULT", reset("search_path")),
        ("SET LOCAL search_path TO DEFAULT", UNRECOGNISED),
        ("SET XML OPTION DOCUMENT", set("xmloption", "DOCUMENT")),
        ("RESET search_path", reset("search_path")),
        ("RESET TIME ZONE", reset("timezone")),
        ("RESET ROLE", reset("role")),
        (
            "RESET SESSION AUTHORIZATION",
            reset("session_authorization"),
        ),
        ("RESET ALL", Step::Session(Session::ResetAll)),
        ("RESET a b", UNRECOGNISED),
        ("SET x", UNRECOGNISED),
        ("SET", UNRECOGNISED),
        ("SET x = f(1)", UNRECOGNISED),
        ("SET x = (SELECT 1)", UNRECOGNISED),
        ("SET x = $1", UNRECOGNISED),
        (
            "SET standard_conforming_strings = off",
            Step::Control(Control::Unrecognised),
        ),
        (
            "RESET standard_conforming_strings",
            Step::Control(Control::Unrecognised),
        ),
        ("SET default_transaction_read_only = on", Step::Harmless),
        ("DISCARD PLANS", Step::Harmless),
        ("DISCARD SEQUENCES", Step::Harmless),
        ("DISCARD TEMP", UNRECOGNISED),
    ] {
        assert_step(sql, Postgres, step);
    }
    assert_steps(
        "DISCARD ALL",
        Postgres,
        &[Step::Session(Session::ResetAll), UNRECOGNISED],
    );
}

#[test]
fn one_text_is_one_value() {
    assert_ne!(
        steps("SET x = 'a'', ''b'", Postgres),
        steps("SET x = 'a', 'b'", Postgres)
    );
    assert_ne!(steps("SET x = 'a'", Postgres), steps("SET x = a", Postgres));
}

#[test]
fn variables_of_mysql() {
    for (sql, step) in [
        ("SET time_zone = '+00:00'", set("time_zone", "'+00:00'")),
        (
            "SET SESSION time_zone = '+00:00'",
            set("time_zone", "'+00:00'"),
        ),
        (
            "SET LOCAL time_zone = '+00:00'",
            set("time_zone", "'+00:00'"),
        ),
        (
            "SET @@session.time_zone = '+00:00'",
            set("time_zone", "'+00:00'"),
        ),
        (
            "SET @@local.time_zone = '+00:00'",
            set("time_zone", "'+00:00'"),
        ),
        ("SET @@time_zone := '+00:00'", set("time_zone", "'+00:00'")),
        ("SET `time_zone` = '+00:00'", UNRECOGNISED),
        ("SET GLOBAL time_zone = '+00:00'", UNRECOGNISED),
        ("SET @@global.time_zone = '+00:00'", UNRECOGNISED),
        ("SET PERSIST max_connections = 9", UNRECOGNISED),
        ("SET @a = 1", UNRECOGNISED),
        ("SET @a := (SELECT 1)", UNRECOGNISED),
        ("SET x = @a", UNRECOGNISED),
        ("SET x = @@y", UNRECOGNISED),
        ("SET x = concat('a')", UNRECOGNISED),
        ("SET NAMES utf8mb4", set("names", "utf8mb4")),
        ("SET NAMES 'UTF8MB4'", set("names", "'UTF8MB4'")),
        ("SET NAMES latin1", UNRECOGNISED),
        ("SET NAMES utf8mb4 COLLATE utf8mb4_bin", UNRECOGNISED),
        ("SET NAMES DEFAULT", UNRECOGNISED),
        ("SET CHARACTER SET utf8mb4", UNRECOGNISED),
        ("SET CHARSET utf8mb4", UNRECOGNISED),
        (
            "SET character_set_client = 'utf8mb4'",
            set("character_set_client", "'utf8mb4'"),
        ),
        ("SET character_set_results = 'latin1'", UNRECOGNISED),
        ("SET collation_connection = 'utf8mb4_bin'", UNRECOGNISED),
        ("SET ROLE admin", set("role", "admin")),
        ("SET ROLE NONE", reset("role")),
        ("SET ROLE DEFAULT", reset("role")),
        ("SET DEFAULT ROLE admin TO joe", Step::Unknown),
        ("SET PASSWORD = 'x'", Step::Unknown),
        (
            "SET STATEMENT max_statement_time = 1 FOR DELETE FROM a",
            Step::Unknown,
        ),
        (
            "SET sql_mode = 'TRADITIONAL'",
            set("sql_mode", "'TRADITIONAL'"),
        ),
        (
            "SET sql_mode=(SELECT CONCAT(@@sql_mode, ',PIPES_AS_CONCAT'))",
            UNRECOGNISED,
        ),
        ("SET foreign_key_checks = 0", set("foreign_key_checks", "0")),
        ("SET transaction_read_only = 1", Step::Harmless),
        ("USE blog", set("schema", "blog")),
        ("USE `Blog`", set("schema", "\"Blog\"")),
        ("USE", UNRECOGNISED),
    ] {
        assert_step(sql, Mysql, step);
    }
    for sql in [
        "SET sql_mode = 'ANSI_QUOTES'",
        "SET sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES'",
        "SET sql_mode = @x",
        "SET sql_mode = CONCAT(@@sql_mode, ',ANSI')",
    ] {
        assert_steps(
            sql,
            Mysql,
            &[UNRECOGNISED, Step::Control(Control::Unrecognised)],
        );
    }
}

#[test]
fn every_assignment_is_a_step() {
    assert_steps(
        "SET a = 1, SESSION b = 'x', @@session.c = 3, autocommit = 1, @d = 4",
        Mysql,
        &[
            set("a", "1"),
            set("b", "'x'"),
            set("c", "3"),
            Step::Control(Control::AutocommitOn),
            UNRECOGNISED,
        ],
    );
    // The scope of one holds for the next.
    assert_steps("SET GLOBAL a = 1, b = 2", Mysql, &[UNRECOGNISED]);
    // A function may write.
    let steps = analyze("SET a = 1, b = f(1, 2), c = concat('a')", Mysql).steps;
    assert_eq!(steps[..2], [set("a", "1"), UNRECOGNISED][..]);
    let [Step::Read(access)] = &steps[2..] else {
        panic!("{steps:?}");
    };
    assert!(access.unknown_functions.contains("f") && access.refusal.is_some());
    let steps = analyze("SET @x = (SELECT f())", Mysql).steps;
    assert!(matches!(&steps[1..], [Step::Read(access)] if access.unknown_functions.len() == 1));
}

#[test]
fn pragmas() {
    let isolation = |isolation| Step::Control(Control::SetSessionIsolation(isolation));
    for (sql, step) in [
        ("PRAGMA foreign_keys = ON", Step::Harmless),
        ("PRAGMA foreign_keys", Step::Harmless),
        ("PRAGMA main.journal_mode=WAL", Step::Harmless),
        ("PRAGMA journal_mode('wal')", Step::Harmless),
        ("PRAGMA busy_timeout = 5000", Step::Harmless),
        ("PRAGMA synchronous = NORMAL", Step::Harmless),
        ("PRAGMA cache_size = -2000", Step::Harmless),
        ("PRAGMA recursive_triggers = 1", Step::Harmless),
        ("PRAGMA table_info('posts')", Step::Harmless),
        ("PRAGMA foreign_key_list(posts)", Step::Harmless),
        ("PRAGMA data_version", Step::Harmless),
        ("PRAGMA wal_checkpoint(TRUNCATE)", Step::Harmless),
        ("PRAGMA integrity_check", Step::Harmless),
        ("PRAGMA optimize", Step::Harmless),
        ("PRAGMA user_version", Step::Harmless),
        ("PRAGMA read_uncommitted", Step::Harmless),
        (
            "PRAGMA read_uncommitted = 1",
            isolation(Isolation::ReadUncommitted),
        ),
        (
            "PRAGMA read_uncommitted = on",
            isolation(Isolation::ReadUncommitted),
        ),
        (
            "PRAGMA read_uncommitted(true)",
            isolation(Isolation::ReadUncommitted),
        ),
        (
            "PRAGMA read_uncommitted = 'yes'",
            isolation(Isolation::ReadUncommitted),
        ),
        (
            "PRAGMA read_uncommitted = 0",
            isolation(Isolation::Snapshot),
        ),
        (
            "PRAGMA read_uncommitted = 2",
            Step::Control(Control::Unrecognised),
        ),
        (
            "PRAGMA case_sensitive_like = ON",
            set("case_sensitive_like", "ON"),
        ),
        (
            "PRAGMA reverse_unordered_selects(1)",
            set("reverse_unordered_selects", "1"),
        ),
        ("PRAGMA user_version = 3", Step::Unknown),
        ("PRAGMA schema_version = 3", Step::Unknown),
        ("PRAGMA writable_schema = 1", Step::Unknown),
        ("PRAGMA whatever", Step::Unknown),
        ("PRAGMA whatever = 1", Step::Unknown),
        ("PRAGMA", Step::Unknown),
        ("ATTACH DATABASE 'x.db' AS x", UNRECOGNISED),
        ("ATTACH 'x.db' AS x", UNRECOGNISED),
        ("DETACH x", UNRECOGNISED),
        ("SET x = 1", UNRECOGNISED),
    ] {
        assert_step(sql, Sqlite, step);
    }
}
