//! What each way through a transaction does to readers on other connections.

use diesel::connection::Connection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::{Bypass, Outcome};

use super::engine::NAME;
use super::kit::{Rig, add, annotate, fail, read, read_others, rename, run, transact};
use crate::support::HIT;

/// What a read of tables that the open transaction has not written does, at the default isolation.
fn undisturbed() -> Outcome {
    if NAME == "postgres" {
        HIT
    } else {
        Outcome::Bypass(Bypass::Isolation)
    }
}

#[test]
fn an_autocommit_write_invalidates_what_it_wrote() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    rename(&mut one, "b").unwrap();
    rig.invalidated(&mut two);
    assert_eq!(read_others(&mut two).1, HIT);
}

#[test]
fn a_transaction_invalidates_when_it_commits_and_not_before() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    transact(&mut one, |one| {
        rename(one, "b").unwrap();
        // Own writes are seen, and not given to others.
        assert_eq!(
            read(one),
            (vec![(1, "b".into())], Outcome::Bypass(Bypass::OwnWrites))
        );
        assert_eq!(read_others(one).1, undisturbed());
        assert_eq!(read(&mut two), (vec![(1, "a".into())], HIT));
    })
    .unwrap();
    rig.invalidated(&mut two);
    assert_eq!(rig.fresh(&mut one), HIT);
    assert_eq!(read_others(&mut two).1, HIT);
}

#[test]
fn a_rollback_invalidates_nothing() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    let ended = one.transaction(|one| {
        rename(one, "b")?;
        Err::<(), _>(Error::RollbackTransaction)
    });
    assert_eq!(ended, Err(Error::RollbackTransaction));
    assert_eq!(rig.fresh(&mut two), HIT);
    assert_eq!(rig.fresh(&mut one), HIT);
}

#[test]
fn a_savepoint_that_is_rolled_back_wrote_nothing() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    transact(&mut one, |one| {
        rename(one, "b").unwrap();
        let inner = one.transaction(|one| {
            annotate(one, "b")?;
            assert_eq!(read_others(one).1, Outcome::Bypass(Bypass::OwnWrites));
            Err::<(), _>(Error::RollbackTransaction)
        });
        assert!(inner.is_err());
        assert_eq!(read_others(one).1, undisturbed());
        assert_eq!(read(one).1, Outcome::Bypass(Bypass::OwnWrites));
    })
    .unwrap();
    rig.invalidated(&mut two);
    assert_eq!(read_others(&mut two), (vec![(1, "a".into())], HIT));
}

#[test]
fn a_savepoint_that_is_released_wrote_for_its_transaction() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    transact(&mut one, |one| {
        transact(one, |one| {
            transact(one, |one| rename(one, "b").unwrap()).unwrap();
        })
        .unwrap();
        assert_eq!(read(one).1, Outcome::Bypass(Bypass::OwnWrites));
        assert_eq!(read(&mut two).1, HIT);
    })
    .unwrap();
    rig.invalidated(&mut two);
    assert_eq!(read_others(&mut two).1, HIT);
}

#[test]
fn a_write_after_a_rolled_back_savepoint_still_counts() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    run(&mut one, "BEGIN");
    run(&mut one, "SAVEPOINT s");
    rename(&mut one, "lost").unwrap();
    run(&mut one, "ROLLBACK TO SAVEPOINT s");
    rename(&mut one, "kept").unwrap();
    run(&mut one, "RELEASE SAVEPOINT s");
    run(&mut one, "COMMIT");
    rig.invalidated(&mut two);
}

#[test]
fn savepoints_of_one_name_shadow_each_other() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    run(&mut one, "BEGIN");
    run(&mut one, "SAVEPOINT s");
    rename(&mut one, "b").unwrap();
    run(&mut one, "SAVEPOINT s");
    annotate(&mut one, "b").unwrap();
    run(&mut one, "ROLLBACK TO SAVEPOINT s");
    run(&mut one, "COMMIT");
    rig.invalidated(&mut two);
}

#[test]
fn raw_control_statements_are_followed() {
    for (begin, commit) in [("BEGIN", "COMMIT"), ("begin /* x */", "commit -- x")] {
        let rig = Rig::new();
        let (mut one, mut two) = (rig.conn(), rig.conn());
        rig.warm(&mut two);
        run(&mut one, begin);
        rename(&mut one, "b").unwrap();
        assert_eq!(read(&mut two), (vec![(1, "a".into())], HIT));
        assert_eq!(read(&mut one).1, Outcome::Bypass(Bypass::OwnWrites));
        run(&mut one, commit);
        rig.invalidated(&mut two);
        diesel::sql_query("BEGIN").execute(&mut one).unwrap();
        rename(&mut one, "c").unwrap();
        diesel::sql_query("ROLLBACK").execute(&mut one).unwrap();
        assert_eq!(rig.fresh(&mut two), HIT);
    }
}

#[test]
fn a_whole_transaction_in_one_batch_is_followed() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    run(&mut one, "BEGIN; UPDATE things SET name = 'b'; COMMIT");
    rig.invalidated(&mut two);
    assert_eq!(read_others(&mut two).1, HIT);
    // One that it leaves open, and one that it ends.
    run(&mut one, "BEGIN; UPDATE things SET name = 'c'");
    assert_eq!(read(&mut one).1, Outcome::Bypass(Bypass::OwnWrites));
    rig.fresh(&mut two);
    run(&mut one, "UPDATE others SET note = 'c'; COMMIT");
    rig.fresh(&mut two);
    assert_eq!(read_others(&mut two).0, vec![(1, "c".into())]);
    rig.warm(&mut two);
}

#[test]
fn hazard_03_a_batch_that_fails_half_way_has_done_its_first_half() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    // Committed by itself on MySQL and SQLite; rolled back with the rest on PostgreSQL.
    fail(
        &mut one,
        "UPDATE things SET name = 'b'; UPDATE nowhere SET x = 1",
    );
    rig.fresh(&mut two);
    rig.warm(&mut two);
}

#[test]
fn hazard_03_a_batch_that_fails_inside_its_transaction_leaves_it_open() {
    for end in ["ROLLBACK", "COMMIT"] {
        let rig = Rig::new();
        let (mut one, mut two) = (rig.conn(), rig.conn());
        rig.warm(&mut two);
        fail(
            &mut one,
            "BEGIN; INSERT INTO things VALUES (2, 'b'); INSERT INTO nowhere VALUES (1)",
        );
        rig.fresh(&mut two);
        if NAME != "postgres" {
            // There the transaction waits for its end, and every read fails.
            assert!(matches!(read(&mut one).1, Outcome::Bypass(_)));
        }
        rig.fresh(&mut two);
        run(&mut one, end);
        rig.fresh(&mut two);
        rig.fresh(&mut one);
        rig.warm(&mut two);
        rig.warm(&mut one);
    }
}

#[test]
fn hazard_02_an_error_that_the_closure_swallows_is_survived() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    let _ = transact(&mut one, |one| {
        rename(one, "b").unwrap();
        assert!(add(one, 1, "again").is_err());
        let _ = annotate(one, "b");
        rig.fresh(&mut two);
    });
    rig.fresh(&mut two);
    rig.warm(&mut two);
    rig.fresh(&mut one);
}

#[test]
fn a_panic_inside_a_transaction_leaves_it_open() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        transact(&mut one, |one| {
            rename(one, "b").unwrap();
            panic!("a panic of the test's own");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(rig.fresh(&mut two), HIT);
    // Later statements still run inside of it.
    assert_eq!(read(&mut one).1, Outcome::Bypass(Bypass::OwnWrites));
    rename(&mut one, "c").unwrap();
    assert_eq!(rig.fresh(&mut two), HIT);
    run(&mut one, "COMMIT");
    rig.invalidated(&mut two);
}

#[test]
fn a_connection_dropped_inside_a_transaction_leaves_fresh_reads_behind() {
    let rig = Rig::new();
    let mut two = rig.conn();
    rig.warm(&mut two);
    let mut one = rig.conn();
    run(&mut one, "BEGIN");
    rename(&mut one, "b").unwrap();
    drop(one);
    rig.fresh(&mut two);
    rig.warm(&mut two);
}

#[test]
fn a_connection_dropped_after_its_writes_leaves_fresh_reads_behind() {
    let rig = Rig::new();
    let mut two = rig.conn();
    rig.warm(&mut two);
    let mut one = rig.conn();
    rename(&mut one, "b").unwrap();
    fail(&mut one, "INSERT INTO nowhere VALUES (1)");
    drop(one);
    rig.fresh(&mut two);
    crate::support::until("the doubt is resolved", || rig.fresh(&mut two) == HIT);
}

#[test]
fn a_test_transaction_keeps_its_writes_to_itself() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    one.begin_test_transaction().unwrap();
    transact(&mut one, |one| rename(one, "b").unwrap()).unwrap();
    assert_eq!(
        read(&mut one),
        (vec![(1, "b".into())], Outcome::Bypass(Bypass::OwnWrites))
    );
    assert_eq!(read_others(&mut one).1, undisturbed());
    assert_eq!(rig.fresh(&mut two), HIT);
    drop(one);
    rig.fresh(&mut two);
    rig.warm(&mut two);
}

#[test]
fn an_unknown_statement_inside_a_transaction_counts_at_its_commit() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut two);
    run(&mut one, "BEGIN");
    run(&mut one, "DELETE FROM things WHERE id = 99");
    // A view made and dropped: DDL that both kinds of catalogue can undo, or commit.
    run(&mut one, "CREATE VIEW v AS SELECT id FROM things");
    rename(&mut one, "b").unwrap();
    rig.fresh(&mut two);
    run(&mut one, "COMMIT");
    rig.fresh(&mut two);
    rig.warm(&mut two);
}

#[test]
fn every_end_of_a_transaction_leaves_the_connection_usable() {
    let rig = Rig::new();
    let mut one = rig.conn();
    for end in ["COMMIT", "ROLLBACK"] {
        run(&mut one, "BEGIN");
        rename(&mut one, end).unwrap();
        run(&mut one, end);
        rig.warm(&mut one);
        fail(&mut one, "INSERT INTO nowhere VALUES (1)");
        rig.warm(&mut one);
    }
}
