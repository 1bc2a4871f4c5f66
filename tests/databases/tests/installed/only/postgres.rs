//! What only PostgreSQL's texts mean.

use super::cases::a_view_that_writes;
use super::texts::followed;

const WRITE: &str = "UPDATE things SET name = 'b'";

#[test]
fn further_ways_to_begin_and_to_end() {
    followed(&["START TRANSACTION", WRITE, "END"]);
    followed(&["BEGIN WORK", WRITE, "COMMIT WORK"]);
    followed(&[
        "BEGIN",
        WRITE,
        "COMMIT AND CHAIN",
        "UPDATE things SET name = 'c'",
        "COMMIT",
    ]);
    followed(&["BEGIN", WRITE, "ABORT"]);
    followed(&["BEGIN", "BEGIN", WRITE, "COMMIT"]);
    followed(&[
        "BEGIN",
        WRITE,
        "BEGIN",
        "UPDATE others SET note = 'x'",
        "COMMIT",
    ]);
    followed(&[
        "BEGIN",
        WRITE,
        "TRUNCATE others",
        "CREATE TABLE further (id INTEGER)",
        "COMMIT",
    ]);
    followed(&["DO $$ BEGIN UPDATE things SET name = 'd'; END $$"]);
    followed(&["WITH w AS (UPDATE things SET name = 'e' RETURNING id) SELECT * FROM w"]);
    followed(&[
        "BEGIN; SAVEPOINT s",
        WRITE,
        "ROLLBACK TO s",
        "UPDATE things SET name = 'f'",
        "COMMIT",
    ]);
    followed(&["BEGIN", "SELECT 1 AS x INTO further", WRITE, "COMMIT"]);
    followed(&[
        "BEGIN",
        "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null'",
        WRITE,
        "COMMIT",
    ]);
}

#[test]
fn hazard_17_a_view_of_an_unknown_connection_may_write() {
    a_view_that_writes(&[
        "CREATE FUNCTION renames(n text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
             UPDATE things SET name = n; RETURN n; END $$",
        "CREATE VIEW shown AS SELECT id, renames('b') AS note FROM others",
    ]);
}
