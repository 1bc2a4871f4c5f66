//! Triggers tell of what passes the cache by, and of nothing more.

use std::thread;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{Cache, Outcome};

use super::engine::{Conn, NAME};
use super::kit::{
    attached, authors, blog, count, memory, migration, posts, title, until, until_empty, until_hit,
    waiting, with_triggers,
};

/// Every way to write a table, from a connection that no cache knows.
#[test]
fn what_others_write_is_seen() {
    let arena = with_triggers();
    let cache = memory(&arena);
    let mut conn = attached(&cache, &arena);
    let mut other = arena.connect();
    let mut step = |sql: &str, expected: Option<&str>, posts: i64| {
        until_hit(&mut conn, 1);
        until("the number is cached", || {
            count(&mut conn).1 == Outcome::Hit
        });
        other.batch_execute(sql).unwrap();
        until(sql, || {
            title(&mut conn, 1).0.as_deref() == expected && count(&mut conn).0 == posts
        });
    };
    step("UPDATE posts SET title = 'A' WHERE id = 1", Some("A"), 4);
    step("UPDATE posts SET title = 'B'", Some("B"), 4);
    step("INSERT INTO posts VALUES (5, 2, 'e')", Some("B"), 5);
    step("DELETE FROM posts WHERE id = 5", Some("B"), 4);
    if NAME == "postgres" {
        step(
            "INSERT INTO posts VALUES (1, 1, 'x') ON CONFLICT (id) DO UPDATE SET title = 'C'",
            Some("C"),
            4,
        );
        step(
            "DO $$ BEGIN EXECUTE 'UPDATE posts SET title = ''D'''; END $$",
            Some("D"),
            4,
        );
    } else {
        step("REPLACE INTO posts VALUES (1, 1, 'D')", Some("D"), 4);
    }
    step(
        "BEGIN; UPDATE posts SET title = 'E'; UPDATE authors SET name = 'x'; COMMIT",
        Some("E"),
        4,
    );
    // A cascade: MySQL fires no trigger of the posts for it.
    step("DELETE FROM authors WHERE id = 1", None, 2);
    if NAME == "postgres" {
        step("TRUNCATE authors CASCADE", None, 0);
    }
}

/// A row is there when the transaction is committed, and not before, and not without it.
#[test]
fn a_row_is_committed_with_what_it_tells() {
    let arena = with_triggers();
    let (mut other, mut looker) = (arena.connect(), arena.connect());
    other
        .batch_execute("BEGIN; UPDATE posts SET title = 'x'; ROLLBACK")
        .unwrap();
    assert_eq!(waiting(&mut looker), []);
    other
        .batch_execute(
            "BEGIN; SAVEPOINT s; UPDATE posts SET title = 'x'; ROLLBACK TO SAVEPOINT s;
             UPDATE authors SET name = 'x' WHERE id = 1; UPDATE authors SET name = 'y'",
        )
        .unwrap();
    if NAME != "sqlite" {
        assert_eq!(waiting(&mut looker), []);
    }
    other.batch_execute("COMMIT").unwrap();
    // One for each statement, one for each row, and one.
    let expected = |statements: usize, rows: usize| match NAME {
        "postgres" => statements,
        "mysql" => rows,
        _ => 1,
    };
    let rows = waiting(&mut looker);
    let of_authors = (None, Some("authors".to_owned()), None);
    assert!(rows.iter().all(|row| *row == of_authors), "{rows:?}");
    assert_eq!(rows.len(), expected(2, 3));
    other
        .batch_execute("UPDATE authors SET name = 'z'")
        .unwrap();
    assert_eq!(waiting(&mut looker).len(), expected(3, 5));
    looker
        .batch_execute("DELETE FROM diesel_cache_outbox")
        .unwrap();
    other
        .batch_execute(
            "BEGIN; UPDATE authors SET name = 'x'; ROLLBACK; UPDATE authors SET name = 'x'",
        )
        .unwrap();
    assert_eq!(waiting(&mut looker).len(), expected(1, 2));
}

/// The numbers that the application asks for are those of its own rows.
#[test]
fn the_last_number_is_the_applications() {
    let arena = with_triggers();
    let cache = super::kit::relayed(Cache::builder().level(diesel_cache::Level::Durable), &arena);
    let cache = cache.build().unwrap();
    let mut conn = attached(&cache, &arena);
    let (make, last) = match NAME {
        "postgres" => (
            "CREATE TABLE notes (id SERIAL PRIMARY KEY, text TEXT)",
            "SELECT lastval()::bigint AS n",
        ),
        "mysql" => (
            "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTO_INCREMENT, text TEXT) ENGINE = InnoDB",
            "SELECT CAST(LAST_INSERT_ID() AS SIGNED) AS n",
        ),
        _ => (
            "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)",
            "SELECT last_insert_rowid() AS n",
        ),
    };
    let triggers = diesel_cache::OutboxMigration::new(super::kit::dialect()).triggers_only();
    let sql = triggers.table("notes").unwrap().up();
    let mut other = arena.connect();
    other.batch_execute(&format!("{make}; {sql}")).unwrap();
    let last = |conn: &mut Conn| diesel::sql_query(last).get_result::<Last>(conn).unwrap().n;
    let insert = |conn: &mut Conn| conn.batch_execute("INSERT INTO notes (text) VALUES ('x')");
    for _ in 0..3 {
        insert(&mut other).unwrap();
    }
    assert_eq!(last(&mut other), 3);
    cache.transaction(&mut conn, insert).unwrap();
    assert_eq!(last(&mut conn), 4);
}

#[derive(QueryableByName)]
struct Last {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

/// Two sessions that write other rows of a table do not wait for each other, whatever they and the
/// relay have done before.
#[test]
fn writers_of_other_rows_do_not_wait() {
    if NAME == "sqlite" {
        return;
    }
    let arena = with_triggers();
    let mut looker = arena.connect();
    let (mut one, mut two) = (arena.connect(), arena.connect());
    let write = |conn: &mut Conn, id: i32| {
        diesel::update(posts::table.filter(posts::id.eq(id)))
            .set(posts::title.eq(format!("{id}")))
            .execute(conn)
            .unwrap()
    };
    let limit = match NAME {
        "postgres" => "SET lock_timeout = '3s'",
        _ => "SET SESSION innodb_lock_wait_timeout = 3",
    };
    for round in 0..3 {
        for (conn, id) in [(&mut one, 1), (&mut two, 2)] {
            conn.batch_execute(limit).unwrap();
            write(conn, id);
        }
        looker
            .batch_execute("DELETE FROM diesel_cache_outbox")
            .unwrap();
        // MySQL must forget that they were there.
        thread::sleep(Duration::from_millis(700));
        one.batch_execute("BEGIN").unwrap();
        two.batch_execute("BEGIN").unwrap();
        if NAME == "mysql" && round > 0 {
            // A snapshot, and what was changed since.
            let strict = "SET SESSION innodb_snapshot_isolation = 1; SELECT COUNT(*) FROM posts";
            let _ = one.batch_execute(strict);
        }
        write(&mut one, 1);
        write(&mut two, 2);
        write(&mut one, 3);
        write(&mut two, 4);
        one.batch_execute("COMMIT").unwrap();
        two.batch_execute("COMMIT").unwrap();
    }
}

/// A table that was given another name has triggers that tell its old one.
#[test]
fn a_table_may_get_another_name() {
    let arena = with_triggers();
    let cache = super::kit::relayed(Cache::builder().catalogue_interval(Duration::ZERO), &arena);
    let cache = cache.build().unwrap();
    let mut reader = attached(&cache, &arena);
    let mut other = arena.connect();
    until_hit(&mut reader, 1);
    // Two tables of the same columns change places.
    let make = if NAME == "mysql" {
        "LIKE posts"
    } else {
        "(id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL, title VARCHAR(99) NOT NULL)"
    };
    other
        .batch_execute(&format!(
            "CREATE TABLE more {make}; INSERT INTO more VALUES (1, 1, 'more');"
        ))
        .unwrap();
    let triggers = diesel_cache::OutboxMigration::new(super::kit::dialect()).triggers_only();
    other
        .batch_execute(&triggers.table("more").unwrap().up())
        .unwrap();
    other
        .batch_execute(
            "ALTER TABLE posts RENAME TO less; ALTER TABLE more RENAME TO posts; \
             ALTER TABLE less RENAME TO more",
        )
        .unwrap();
    until("the new table is read", || {
        title(&mut reader, 1).0.as_deref() == Some("more")
    });
    until_hit(&mut reader, 1);
    for round in 0..3 {
        other
            .batch_execute(&format!("UPDATE posts SET title = '{round}' WHERE id = 1"))
            .unwrap();
        until("the write is told", || {
            title(&mut reader, 1).0 == Some(round.to_string())
        });
        until_hit(&mut reader, 1);
    }
}

/// What an outbox' own triggers write is seen, though the triggers that write to it are known.
#[test]
fn an_outbox_may_have_triggers() {
    let arena = with_triggers();
    let mut other = arena.connect();
    let log = "CREATE TABLE authors_log (n INTEGER)";
    let trigger = match NAME {
        "postgres" => {
            "CREATE FUNCTION log_it() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN UPDATE public.authors SET name = NEW.relation; RETURN NEW; END'; \
             CREATE TRIGGER log_it AFTER INSERT ON diesel_cache_outbox FOR EACH ROW \
             WHEN (NEW.relation = 'posts') EXECUTE FUNCTION log_it()"
        }
        "mysql" => {
            "CREATE TRIGGER log_it AFTER INSERT ON diesel_cache_outbox FOR EACH ROW \
             INSERT INTO authors_log VALUES (1)"
        }
        _ => {
            "CREATE TRIGGER log_it AFTER INSERT ON diesel_cache_outbox BEGIN \
             INSERT INTO authors_log VALUES (1); END"
        }
    };
    other.batch_execute(&format!("{log}; {trigger}")).unwrap();
    let cache = memory(&arena);
    let mut conn = attached(&cache, &arena);
    let sql = "UPDATE posts SET title = 'x' WHERE id = 1";
    let explained = diesel_cache::explain_write(&diesel::sql_query(sql), &mut conn);
    let explained = format!("{explained:?}");
    let written = if NAME == "postgres" {
        "authors"
    } else {
        "authors_log"
    };
    assert!(explained.contains(written), "{explained}");
}

/// A transaction that was prepared is committed by somebody else, under a name that nobody answers
/// for.
#[test]
fn a_prepared_transaction_is_told() {
    if NAME != "mysql" {
        // PostgreSQL's servers prepare none by default.
        return;
    }
    let arena = with_triggers();
    let cache = memory(&arena);
    let mut reader = attached(&cache, &arena);
    let mut conn = attached(&cache, &arena);
    conn.batch_execute("XA START 'x'").unwrap();
    conn.batch_execute("UPDATE posts SET title = 'prepared' WHERE id = 1")
        .unwrap();
    conn.batch_execute("XA END 'x'").unwrap();
    conn.batch_execute("XA PREPARE 'x'").unwrap();
    let _ = conn.batch_execute("SELECT 1");
    drop(conn);
    until_hit(&mut reader, 1);
    arena.connect().batch_execute("XA COMMIT 'x'").unwrap();
    until("the write is told", || {
        title(&mut reader, 1).0.as_deref() == Some("prepared")
    });
}

/// The triggers change nothing of what the cache knows of a table's rows, and the rows that the
/// application's own writes leave are removed unheard.
#[test]
fn what_the_application_writes_stays_precise() {
    let arena = with_triggers();
    let cache = memory(&arena);
    let mut conn = attached(&cache, &arena);
    until_hit(&mut conn, 1);
    until_hit(&mut conn, 3);
    for round in 0..20 {
        let update = diesel::update(posts::table.filter(posts::id.eq(1)))
            .set(posts::title.eq(format!("{round}")));
        if round % 2 == 0 {
            update.execute(&mut conn).unwrap();
        } else {
            conn.transaction(|conn| update.execute(conn)).unwrap();
        }
        assert_eq!(title(&mut conn, 1).0, Some(format!("{round}")));
        thread::sleep(Duration::from_millis(10));
    }
    let mut looker = arena.connect();
    until_empty(&mut looker);
    let relayed = cache.stats().relayed;
    if NAME == "sqlite" {
        // Its triggers cannot tell who writes.
        assert!(relayed > 0);
    } else {
        assert_eq!(relayed, 0);
        assert_eq!(title(&mut conn, 3), (Some("c".to_owned()), Outcome::Hit));
    }
    let misses = cache.stats().misses;
    if NAME != "sqlite" {
        // Two at the start, and one for each write: none of another row.
        assert_eq!(misses, 22);
    }
}

/// What a connection writes when it is no longer attached is nobody's, though its session has a
/// name; and what it writes when its session has lost that.
#[test]
fn what_is_written_unseen_is_told() {
    let arena = with_triggers();
    let cache = memory(&arena);
    let mut reader = attached(&cache, &arena);
    let mut conn = attached(&cache, &arena);
    until_hit(&mut reader, 1);
    conn.set_instrumentation(None::<fn(diesel::connection::InstrumentationEvent<'_>)>);
    conn.batch_execute("UPDATE posts SET title = 'unseen' WHERE id = 1")
        .unwrap();
    until("the write is told", || {
        title(&mut reader, 1).0.as_deref() == Some("unseen")
    });
    let reset = match NAME {
        "postgres" => "DISCARD ALL",
        "mysql" => "SET @diesel_cache_session = NULL",
        _ => "SELECT 1",
    };
    let mut conn = attached(&cache, &arena);
    conn.batch_execute(reset).unwrap();
    until_hit(&mut reader, 1);
    diesel::update(posts::table)
        .set(posts::title.eq("reset"))
        .execute(&mut conn)
        .unwrap();
    assert_eq!(title(&mut reader, 1).0.as_deref(), Some("reset"));
    until_empty(&mut arena.connect());
}

/// Writers of any user, in any encoding, however careful their session is, are not disturbed.
#[test]
fn nobody_is_disturbed() {
    let arena = with_triggers();
    let cache = memory(&arena);
    let mut reader = attached(&cache, &arena);
    let mut other = arena.connect();
    let settings: &[&str] = match NAME {
        "postgres" => &[
            "SET search_path = pg_catalog",
            "SET standard_conforming_strings = off",
            "SET session_replication_role = replica",
            "SET ROLE writer",
        ],
        "mysql" => &[
            "SET sql_safe_updates = 1",
            "SET NAMES latin1",
            "SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci",
            "SET sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES'",
            "SET @diesel_cache_session = _latin1'x'",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        ],
        _ => &[
            "PRAGMA recursive_triggers = ON",
            "PRAGMA foreign_keys = OFF",
        ],
    };
    if NAME == "postgres" {
        other
            .batch_execute(
                "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'writer') THEN \
                    CREATE ROLE writer; END IF; END $$; \
                 GRANT SELECT, UPDATE ON posts TO writer; GRANT USAGE ON SCHEMA public TO writer",
            )
            .unwrap();
    }
    let table = if NAME == "postgres" {
        "public.posts"
    } else {
        "posts"
    };
    for (number, setting) in settings.iter().enumerate() {
        until_hit(&mut reader, 1);
        other.batch_execute(setting).unwrap();
        other
            .batch_execute(&format!(
                "UPDATE {table} SET title = '{number}' WHERE id = 1"
            ))
            .unwrap_or_else(|error| panic!("{setting}: {error}"));
        until(setting, || {
            title(&mut reader, 1).0 == Some(number.to_string())
        });
    }
}

/// Many sessions at once: no write fails for the triggers' sake, and at the end nothing is stale.
#[test]
fn writers_do_not_meet_in_the_outbox() {
    let arena = with_triggers();
    let cache = memory(&arena);
    let mut reader = attached(&cache, &arena);
    thread::scope(|scope| {
        for writer in 0..6 {
            let (arena, cache) = (&arena, &cache);
            scope.spawn(move || {
                let mut conn = match writer % 2 {
                    0 => attached(cache, arena),
                    _ => arena.connect(),
                };
                if NAME == "sqlite" {
                    conn.batch_execute("PRAGMA busy_timeout = 60000").unwrap();
                }
                for round in 0..40 {
                    write(&mut conn, writer, round);
                }
            });
        }
        for _ in 0..300 {
            title(&mut reader, 1);
            count(&mut reader);
        }
    });
    until_empty(&mut arena.connect());
    for id in 1..=4 {
        let truth: Option<String> = posts::table
            .filter(posts::id.eq(id))
            .select(posts::title)
            .first(&mut arena.connect())
            .optional()
            .unwrap();
        assert_eq!(title(&mut reader, id).0, truth);
    }
}

/// Two writes to a table of each, in an order that two sessions cannot block each other in.
fn write(conn: &mut Conn, writer: i32, round: i32) {
    let insert = diesel::insert_into(posts::table);
    let id = 100 + writer * 100 + round;
    let row = (
        posts::id.eq(id),
        posts::author_id.eq(1),
        posts::title.eq("new"),
    );
    if NAME == "sqlite" {
        // A transaction that reads first may not write later.
        insert.values(row).execute(conn).unwrap();
        return;
    }
    conn.transaction::<_, diesel::result::Error, _>(|conn| {
        insert.values(row).execute(conn)?;
        diesel::update(posts::table.filter(posts::id.eq(id)))
            .set(posts::title.eq("changed"))
            .execute(conn)?;
        diesel::insert_into(authors::table)
            .values((authors::id.eq(id), authors::name.eq("new")))
            .execute(conn)
    })
    .unwrap();
}

/// The migration goes up, down and up again, as Diesel runs it: in a transaction, if the database
/// can.
#[test]
fn the_migration_goes_both_ways() {
    let arena = blog();
    let mut conn = arena.connect();
    for _ in 0..2 {
        conn.transaction::<_, diesel::result::Error, _>(|conn| {
            conn.batch_execute(&migration().up())
        })
        .unwrap();
        conn.batch_execute("UPDATE posts SET title = 'up'").unwrap();
        assert!(!waiting(&mut conn).is_empty());
        conn.batch_execute(&migration().down()).unwrap();
        conn.batch_execute("UPDATE posts SET title = 'down'")
            .unwrap();
    }
    let later = migration().triggers_only();
    conn.batch_execute(&diesel_cache::OutboxMigration::new(super::kit::dialect()).up())
        .unwrap();
    conn.batch_execute(&later.up()).unwrap();
    conn.batch_execute("UPDATE posts SET title = 'later'")
        .unwrap();
    let told = waiting(&mut conn).len();
    assert!(told > 0);
    conn.batch_execute(&later.down()).unwrap();
    conn.batch_execute("UPDATE posts SET title = 'down'")
        .unwrap();
    assert_eq!(waiting(&mut conn).len(), told);
}

/// An outbox of another name, in a schema of its own.
#[test]
fn an_outbox_may_have_another_name() {
    let arena = blog();
    let mut conn = arena.connect();
    let name = if NAME == "postgres" {
        "app.letters"
    } else {
        "letters"
    };
    if NAME == "postgres" {
        conn.batch_execute("CREATE SCHEMA app").unwrap();
    }
    let migration = migration().outbox(name).unwrap();
    conn.batch_execute(&migration.up()).unwrap();
    let cache = super::kit::relayed(Cache::builder().outbox(name), &arena);
    let cache = cache.build().unwrap();
    let mut reader = attached(&cache, &arena);
    until_hit(&mut reader, 1);
    conn.batch_execute("UPDATE posts SET title = 'named' WHERE id = 1")
        .unwrap();
    until("the write is told", || {
        title(&mut reader, 1).0.as_deref() == Some("named")
    });
    conn.batch_execute(&migration.down()).unwrap();
}
