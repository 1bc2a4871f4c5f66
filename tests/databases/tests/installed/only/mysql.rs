//! What only MySQL's texts mean.

use super::cases::a_view_that_writes;
use super::texts::followed;

const WRITE: &str = "UPDATE things SET name = 'b'";

#[test]
fn an_unknown_connection_without_autocommit() {
    followed(&["SET autocommit = 0", WRITE, "COMMIT"]);
}

#[test]
fn autocommit_in_other_words() {
    followed(&["SET @@autocommit = OFF", WRITE, "COMMIT"]);
    followed(&[
        "SET SESSION autocommit = 0",
        WRITE,
        "SET SESSION autocommit = 1",
    ]);
    followed(&["SET @x = 1, autocommit = 0", WRITE, "COMMIT"]);
}

#[test]
fn what_commits_implicitly() {
    followed(&[
        "BEGIN",
        WRITE,
        "CREATE TABLE further (id INTEGER)",
        "ROLLBACK",
    ]);
    followed(&["BEGIN", WRITE, "BEGIN", "ROLLBACK"]);
    followed(&["BEGIN", WRITE, "TRUNCATE others", "ROLLBACK"]);
    followed(&["BEGIN", WRITE, "ANALYZE TABLE others", "ROLLBACK"]);
    followed(&["BEGIN", WRITE, "LOCK TABLES others READ", "UNLOCK TABLES"]);
    followed(&["BEGIN", WRITE, "SET autocommit = 1", "ROLLBACK"]);
    followed(&["BEGIN", WRITE, "DROP TABLE IF EXISTS nowhere", "ROLLBACK"]);
    followed(&["BEGIN", WRITE, "FLUSH TABLES", "ROLLBACK"]);
}

#[test]
fn further_ways_to_begin_and_to_end() {
    followed(&["START TRANSACTION READ WRITE", WRITE, "COMMIT"]);
    followed(&[
        "BEGIN",
        WRITE,
        "COMMIT AND CHAIN",
        "UPDATE things SET name = 'c'",
        "COMMIT",
    ]);
    followed(&[
        "SET completion_type = 1",
        "BEGIN",
        WRITE,
        "COMMIT",
        "UPDATE things SET name = 'c'",
        "COMMIT",
    ]);
    followed(&[
        "XA START 'installed'",
        WRITE,
        "XA END 'installed'",
        "XA COMMIT 'installed' ONE PHASE",
    ]);
    followed(&["REPLACE INTO things VALUES (1, 'd')"]);
    followed(&[
        "BEGIN",
        "INSERT INTO things VALUES (1, 'x') ON DUPLICATE KEY UPDATE name = 'e'",
        "COMMIT",
    ]);
}

#[test]
fn tables_that_ignore_a_rollback() {
    followed(&[
        "ALTER TABLE things ENGINE = MyISAM",
        "BEGIN",
        WRITE,
        "ROLLBACK",
    ]);
}

#[test]
fn hazard_17_a_view_of_an_unknown_connection_may_write() {
    a_view_that_writes(&[
        "CREATE FUNCTION renames(n VARCHAR(99)) RETURNS VARCHAR(99) MODIFIES SQL DATA BEGIN
             UPDATE things SET name = n; RETURN n; END",
        "CREATE VIEW shown AS SELECT id, renames('b') AS note FROM others",
    ]);
}
