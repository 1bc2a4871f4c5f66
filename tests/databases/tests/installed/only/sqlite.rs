//! What only SQLite's texts mean.

use diesel::prelude::*;

use super::kit::{Rig, fail, rename};
use super::texts::followed;
use crate::alone;
use crate::support::{HIT, until};

const WRITE: &str = "UPDATE things SET name = 'b'";

#[test]
fn an_outermost_savepoint_of_an_unknown_connection_is_a_transaction() {
    followed(&["SAVEPOINT s", WRITE, "RELEASE s"]);
    followed(&[
        "SAVEPOINT s",
        WRITE,
        "SAVEPOINT t",
        "RELEASE t",
        "RELEASE s",
    ]);
    followed(&["SAVEPOINT s", WRITE, "COMMIT"]);
}

#[test]
fn further_ways_to_begin_and_to_end() {
    followed(&["BEGIN IMMEDIATE", WRITE, "END"]);
    followed(&["BEGIN EXCLUSIVE TRANSACTION", WRITE, "END TRANSACTION"]);
    followed(&["BEGIN", WRITE, "COMMIT TRANSACTION"]);
    followed(&["INSERT OR REPLACE INTO things VALUES (1, 'c')"]);
    followed(&["BEGIN", "REPLACE INTO things VALUES (1, 'c')", "COMMIT"]);
}

/// Nobody can tell by such a URL that it is SQLite's.
#[test]
fn a_first_write_that_fails_under_a_url_with_settings() {
    let (cache, _alone) = alone();
    let rig = Rig::with(cache.clone());
    let mut reader = rig.plain();
    rig.warm(&mut reader);
    let url = format!("file:{}?mode=rwc", rig.arena.url());
    let mut writer = SqliteConnection::establish(&url).unwrap();
    fail(&mut writer, "INSERT INTO nowhere VALUES (1)");
    rig.fresh(&mut reader);
    drop(writer);
    until("reads hit again", || rig.fresh(&mut reader) == HIT);
    let mut writer = SqliteConnection::establish(&url).unwrap();
    rename(&mut writer, "b").unwrap();
    rig.fresh(&mut reader);
}
