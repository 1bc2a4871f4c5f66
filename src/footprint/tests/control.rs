use super::{ALL, Mysql, Postgres, Sqlite, assert_steps};
use crate::dialect::Dialect;
use crate::footprint::analysis::{Control, Isolation, Step};
use Control::{
    AutocommitOn, Begin, Commit, Release, Rollback, RollbackTo, Savepoint, SetIsolation,
    SetSessionIsolation, Unrecognised,
};
use Isolation::{ReadCommitted, ReadUncommitted, Snapshot};

#[track_caller]
fn assert_control(sql: &str, dialect: Dialect, control: Control) {
    assert_steps(sql, dialect, &[Step::Control(control)]);
}

#[test]
fn what_diesel_sends() {
    for dialect in ALL {
        for (sql, control) in [
            ("BEGIN", Begin(None)),
            ("COMMIT", Commit),
            ("ROLLBACK", Rollback),
            (
                "SAVEPOINT diesel_savepoint_1",
                Savepoint("diesel_savepoint_1".into()),
            ),
            (
                "RELEASE SAVEPOINT diesel_savepoint_1",
                Release("diesel_savepoint_1".into()),
            ),
            (
                "ROLLBACK TO SAVEPOINT diesel_savepoint_1",
                RollbackTo("diesel_savepoint_1".into()),
            ),
        ] {
            assert_control(sql, dialect, control.clone());
            assert_control(
                &format!(" /* x */ {} -- y\n;", sql.to_lowercase()),
                dialect,
                control,
            );
        }
    }
    assert_control(
        "BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE READ WRITE DEFERRABLE",
        Postgres,
        Begin(Some(Snapshot)),
    );
    assert_control("BEGIN IMMEDIATE", Sqlite, Begin(None));
    assert_control("BEGIN EXCLUSIVE", Sqlite, Begin(None));
}

#[test]
fn begin() {
    for (sql, isolation) in [
        ("BEGIN WORK", None),
        (
            "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE DEFERRABLE",
            Some(Snapshot),
        ),
        (
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY, NOT DEFERRABLE",
            Some(Snapshot),
        ),
        (
            "START TRANSACTION ISOLATION LEVEL READ COMMITTED",
            Some(ReadCommitted),
        ),
        (
            "START TRANSACTION READ ONLY, ISOLATION LEVEL READ UNCOMMITTED",
            Some(ReadUncommitted),
        ),
        ("START TRANSACTION", None),
    ] {
        assert_control(sql, Postgres, Begin(isolation));
    }
    for sql in [
        "BEGIN WORK",
        "START TRANSACTION",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        "START TRANSACTION READ WRITE",
    ] {
        assert_control(sql, Mysql, Begin(None));
    }
    for sql in [
        "BEGIN DEFERRED TRANSACTION",
        "BEGIN IMMEDIATE TRANSACTION x",
        "begin transaction",
    ] {
        assert_control(sql, Sqlite, Begin(None));
    }
    for dialect in ALL {
        assert_control("BEGIN SOMETHING ELSE", dialect, Unrecognised);
        assert_control("START TRANSACTION WITH PLEASURE", dialect, Unrecognised);
    }
}

#[test]
fn commit_and_rollback() {
    for (sql, control) in [
        ("COMMIT WORK", Commit),
        ("COMMIT TRANSACTION", Commit),
        ("END", Commit),
        ("END TRANSACTION", Commit),
        ("COMMIT AND NO CHAIN", Commit),
        ("ABORT", Rollback),
        ("ROLLBACK WORK", Rollback),
        ("ROLLBACK AND NO CHAIN", Rollback),
        ("ROLLBACK TO x", RollbackTo("x".into())),
        (r#"ROLLBACK WORK TO SAVEPOINT "X""#, RollbackTo("x".into())),
        ("RELEASE x", Release("x".into())),
        ("COMMIT AND CHAIN", Unrecognised),
        ("ROLLBACK AND CHAIN", Unrecognised),
        ("PREPARE TRANSACTION 'x'", Unrecognised),
        ("SAVEPOINT", Unrecognised),
        ("SAVEPOINT a b", Unrecognised),
    ] {
        assert_control(sql, Postgres, control);
    }
    assert_steps("COMMIT PREPARED 'x'", Postgres, &[Step::Unknown]);
    assert_steps("ROLLBACK PREPARED 'x'", Postgres, &[Step::Unknown]);
    for (sql, control) in [
        ("COMMIT WORK", Commit),
        ("COMMIT AND NO CHAIN NO RELEASE", Commit),
        ("COMMIT RELEASE", Unrecognised),
        ("COMMIT AND CHAIN", Unrecognised),
        ("ROLLBACK AND CHAIN", Unrecognised),
        ("ROLLBACK TO x", RollbackTo("x".into())),
        ("LOCK TABLES a WRITE", Unrecognised),
        ("UNLOCK TABLES", Unrecognised),
        ("XA START 'x'", Unrecognised),
        ("XA COMMIT 'x'", Unrecognised),
        ("FLUSH TABLES WITH READ LOCK", Unrecognised),
    ] {
        assert_control(sql, Mysql, control);
    }
    assert_steps(
        "BEGIN NOT ATOMIC DELETE FROM a; COMMIT; END",
        Mysql,
        &[Step::Unknown, Step::Control(Unrecognised)],
    );
    for (sql, control) in [
        ("END", Commit),
        ("END TRANSACTION", Commit),
        ("COMMIT TRANSACTION", Commit),
        ("ROLLBACK TRANSACTION", Rollback),
        (
            "ROLLBACK TRANSACTION TO SAVEPOINT x",
            RollbackTo("x".into()),
        ),
        ("RELEASE `X`", Release("x".into())),
    ] {
        assert_control(sql, Sqlite, control);
    }
}

#[test]
fn set_transaction() {
    assert_control(
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        Postgres,
        SetIsolation(Snapshot),
    );
    assert_control(
        "SET TRANSACTION SNAPSHOT '0001-1'",
        Postgres,
        SetIsolation(Snapshot),
    );
    assert_steps("SET TRANSACTION READ ONLY", Postgres, &[Step::Harmless]);
    assert_control(
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        Postgres,
        SetSessionIsolation(Snapshot),
    );
    assert_control(
        "SET default_transaction_isolation = 'read committed'",
        Postgres,
        SetSessionIsolation(ReadCommitted),
    );
    assert_control(
        "SET default_transaction_isolation TO DEFAULT",
        Postgres,
        SetSessionIsolation(Snapshot),
    );
    assert_control(
        "SET default_transaction_isolation = whatever",
        Postgres,
        SetSessionIsolation(Snapshot),
    );
    assert_control(
        "RESET default_transaction_isolation",
        Postgres,
        SetSessionIsolation(Snapshot),
    );
    assert_steps(
        "SET LOCAL default_transaction_isolation = 'read committed'",
        Postgres,
        &[Step::Harmless],
    );
    assert_control(
        "SET transaction_isolation = 'serializable'",
        Postgres,
        SetIsolation(Snapshot),
    );
    assert_control(
        "SET LOCAL transaction_isolation TO 'read committed'",
        Postgres,
        SetIsolation(ReadCommitted),
    );
    assert_control(
        "SET TRANSACTION ISOLATION LEVEL WHATEVER",
        Postgres,
        Unrecognised,
    );

    assert_control(
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        Mysql,
        SetIsolation(ReadCommitted),
    );
    assert_control(
        "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
        Mysql,
        SetSessionIsolation(ReadUncommitted),
    );
    assert_control(
        "SET LOCAL TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY",
        Mysql,
        SetSessionIsolation(Snapshot),
    );
    assert_control(
        "SET transaction_isolation = 'READ-COMMITTED'",
        Mysql,
        SetSessionIsolation(ReadCommitted),
    );
    assert_control(
        "SET SESSION tx_isolation = 'REPEATABLE-READ'",
        Mysql,
        SetSessionIsolation(Snapshot),
    );
    assert_control(
        "SET @@session.transaction_isolation = 'READ-UNCOMMITTED'",
        Mysql,
        SetSessionIsolation(ReadUncommitted),
    );
    assert_control(
        "SET @@transaction_isolation = 'READ-COMMITTED'",
        Mysql,
        SetIsolation(ReadCommitted),
    );
    assert_control("SET transaction_isolation = DEFAULT", Mysql, Unrecognised);
    assert_control("SET transaction_isolation = @x", Mysql, Unrecognised);
    assert_steps("SET TRANSACTION READ ONLY", Mysql, &[Step::Harmless]);
}

#[test]
fn autocommit() {
    for sql in [
        "SET autocommit = 1",
        "SET autocommit=ON",
        "SET SESSION autocommit = true",
        "SET @@autocommit = 1",
        "SET @@session.autocommit := 'on'",
    ] {
        assert_control(sql, Mysql, AutocommitOn);
    }
    for sql in [
        "SET autocommit = 0",
        "SET autocommit = OFF",
        "SET autocommit = @x",
        "SET autocommit = DEFAULT",
        "SET autocommit = 1 + 0",
        "SET completion_type = 1",
        "SET SESSION completion_type = 'CHAIN'",
    ] {
        assert_control(sql, Mysql, Unrecognised);
    }
}

#[test]
fn locks_of_postgres_are_harmless() {
    assert_steps(
        "LOCK TABLE a IN EXCLUSIVE MODE",
        Postgres,
        &[Step::Harmless],
    );
    assert_steps("SET CONSTRAINTS ALL IMMEDIATE", Postgres, &[Step::Harmless]);
}
