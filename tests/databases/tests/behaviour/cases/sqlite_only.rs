//! The cases that only SQLite has.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::Bypass;

use super::blocking;
use super::reads::*;
use super::schema::{Post, posts, tags};
use super::shared::set_views;
use super::world::Write::{Batch, Each, Fails, Run, Sql};
use super::world::{Case, bypass, fresh, hit, miss};

/// What empties a database.
pub(super) const EMPTY: Option<&str> = None;

pub(super) const SCHEMA: &str = "
    CREATE TRIGGER noted AFTER INSERT ON watched BEGIN
        INSERT INTO audit VALUES (NEW.id + 100, NEW.label); END;
    CREATE TRIGGER through INSTEAD OF UPDATE ON early_posts BEGIN
        UPDATE posts SET title = NEW.title WHERE id = OLD.id; END;
    CREATE TABLE parents (id INTEGER PRIMARY KEY, label VARCHAR(99) NOT NULL);
    CREATE TABLE children (id INTEGER PRIMARY KEY, label VARCHAR(99) NOT NULL, parent INTEGER
        REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE keyed (id INTEGER PRIMARY KEY, label TEXT NOT NULL) WITHOUT ROWID;
    CREATE VIRTUAL TABLE texts USING fts5 (body);
    INSERT INTO parents VALUES (1, 'p');
    INSERT INTO children VALUES (1, 'c', 1);
    INSERT INTO keyed VALUES (1, 'k');
    INSERT INTO texts VALUES ('some words');
";

pub(super) const LATE_TRIGGER: &str = "CREATE TRIGGER late AFTER DELETE ON tags BEGIN \
                                       INSERT INTO audit VALUES (OLD.id + 100, OLD.label); END";

raw! {
    all_children: Pair = "SELECT id, label FROM children ORDER BY id";
    all_keyed: Pair = "SELECT id, label FROM keyed ORDER BY id";
    of_virtual: Number = "SELECT COUNT(*) AS n FROM texts";
    bracketed: Pair = "SELECT [id], [title] AS label FROM [posts] ORDER BY [id]";
    of_main: Pair = "SELECT id, title AS label FROM main.posts ORDER BY id";
    not_indexed: Pair = "SELECT id, title AS label FROM posts NOT INDEXED ORDER BY id";
    windowed: Number = "SELECT SUM(views) OVER (ORDER BY id) AS n FROM posts ORDER BY id";
    of_schema: Number = "SELECT COUNT(*) AS n FROM sqlite_master";
    user_version: Number = "SELECT user_version AS n FROM pragma_user_version";
    changes_read: Number = "SELECT changes() AS n";
    nowhere: Number = "SELECT n FROM nowhere";
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = writes();
    cases.extend(transactions());
    cases.extend(harmless());
    cases.extend(bypasses());
    cases.extend(blocking::cases());
    cases
}

fn writes() -> Vec<Case> {
    vec![
        miss(
            "on conflict do update",
            all_tags,
            Run(|w| {
                diesel::insert_into(tags::table)
                    .values((tags::id.eq(1), tags::label.eq("again")))
                    .on_conflict(tags::id)
                    .do_update()
                    .set(tags::label.eq("updated"))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "on conflict do nothing",
            all_tags,
            Run(|w| {
                diesel::insert_into(tags::table)
                    .values((tags::id.eq(8), tags::label.eq("new")))
                    .on_conflict_do_nothing()
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "replace into",
            all_tags,
            Run(|w| {
                diesel::replace_into(tags::table)
                    .values((tags::id.eq(1), tags::label.eq("replaced")))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "replace, with its cascade",
            all_comments,
            Sql("REPLACE INTO posts VALUES (1, 1, 'replaced', 0, TRUE)"),
        ),
        miss(
            "insert or ignore",
            all_tags,
            Run(|w| {
                diesel::insert_or_ignore_into(tags::table)
                    .values((tags::id.eq(8), tags::label.eq("new")))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "update or replace removes a row",
            all_tags,
            Sql("UPDATE OR REPLACE tags SET label = 'red' WHERE id = 2"),
        ),
        miss(
            "insert returning",
            all_tags,
            Run(|w| {
                diesel::insert_into(tags::table)
                    .values((tags::id.eq(9), tags::label.eq("returned")))
                    .returning(tags::id)
                    .get_result::<i32>(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "update returning",
            all_posts,
            Run(|w| {
                diesel::update(posts::table)
                    .set(posts::views.eq(posts::views + 1))
                    .get_results::<Post>(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "delete returning",
            all_tags,
            Run(|w| {
                diesel::delete(tags::table.filter(tags::id.eq(1)))
                    .returning(tags::label)
                    .get_result::<String>(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "insert of defaults",
            all_keyed,
            Sql("INSERT INTO keyed VALUES (2, 'two')"),
        ),
        miss(
            "update from",
            all_posts,
            Sql("UPDATE posts SET title = a.name FROM authors a WHERE a.id = posts.author_id"),
        ),
        miss(
            "update not indexed",
            by_key,
            Sql("UPDATE posts NOT INDEXED SET views = 5 WHERE id = 1"),
        ),
        miss(
            "a cte before the write",
            by_key,
            Sql(
                "WITH x AS (SELECT 7 AS v) UPDATE posts SET views = (SELECT v FROM x) WHERE id = 1",
            ),
        ),
        miss(
            "a cte before an insert",
            all_tags,
            Sql("WITH x (i, l) AS (VALUES (7, 'seven')) INSERT INTO tags SELECT i, l FROM x"),
        ),
        miss(
            "a cte before a delete",
            all_comments,
            Sql("WITH x AS (SELECT id FROM posts WHERE views < 15) \
             DELETE FROM comments WHERE post_id IN x"),
        ),
        miss(
            "the schema's name before the table's",
            by_key,
            Sql("UPDATE main.posts SET views = 5 WHERE id = 1"),
        ),
        miss(
            "brackets",
            by_key,
            Sql("UPDATE [posts] SET [views] = 5 WHERE [id] = 1"),
        ),
        miss(
            "backticks",
            by_key,
            Sql("UPDATE `posts` SET `views` = 5 WHERE `id` = 1"),
        ),
        miss(
            "a string for a name",
            by_key,
            Sql("UPDATE 'posts' SET 'views' = 5 WHERE id = 1"),
        ),
        miss(
            "upper case",
            by_key,
            Sql("UPDATE POSTS SET VIEWS = 5 WHERE ID = 1"),
        ),
        miss(
            "read by brackets",
            bracketed,
            Sql("UPDATE posts SET title = 'x' WHERE id = 1"),
        ),
        miss(
            "read of main",
            of_main,
            Sql("UPDATE posts SET title = 'x' WHERE id = 1"),
        ),
        miss(
            "read not indexed",
            not_indexed,
            Sql("UPDATE posts SET title = 'x' WHERE id = 1"),
        ),
        miss(
            "a window",
            windowed,
            Sql("UPDATE posts SET views = 0 WHERE id = 1"),
        ),
        miss(
            "through a view with a trigger",
            by_key,
            Sql("UPDATE early_posts SET title = 'seen' WHERE id = 1"),
        ),
        miss(
            "a temporary trigger",
            all_audit,
            Run(|w| {
                w.batch(
                    "CREATE TEMP TRIGGER mine AFTER UPDATE ON tags BEGIN \
                 INSERT INTO audit VALUES (NEW.id + 200, NEW.label); END",
                );
                diesel::update(tags::table.find(1))
                    .set(tags::label.eq("x"))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "a comment that never ends",
            by_key,
            Batch("UPDATE posts SET views = 5 WHERE id = 1; /* and so on"),
        ),
        miss(
            "no semicolon, no blank",
            by_key,
            Batch("SELECT 1;UPDATE posts SET views=5 WHERE id=1;;;SELECT 2"),
        ),
        miss(
            "drop a column",
            all_audit,
            Sql("ALTER TABLE audit DROP COLUMN message"),
        ),
        miss(
            "another instead-of trigger",
            all_audit,
            Run(|w| {
                w.batch(
                    "DROP TRIGGER through; CREATE TRIGGER through INSTEAD OF UPDATE ON early_posts \
                 BEGIN INSERT INTO audit VALUES (300, NEW.title); END",
                );
                all_audit(&mut w.a, Some(&diesel_cache::Report::new()));
                w.batch("UPDATE early_posts SET title = 'noted' WHERE id = 1");
            }),
        ),
    ]
}

fn transactions() -> Vec<Case> {
    vec![
        miss(
            "the outermost savepoint is a transaction",
            by_key,
            Each(&[
                "SAVEPOINT s",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "RELEASE s",
            ]),
        ),
        hit(
            "the outermost savepoint rolled back",
            by_key,
            Each(&[
                "SAVEPOINT s",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "ROLLBACK TO s",
                "RELEASE s",
            ]),
        ),
        miss(
            "end transaction",
            by_key,
            Each(&[
                "BEGIN TRANSACTION",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "END TRANSACTION",
            ]),
        ),
        miss(
            "a commit refused for a deferred constraint, then mended",
            all_children,
            Run(|w| {
                w.batch("BEGIN; INSERT INTO children VALUES (2, 'early', 99)");
                w.b.batch_execute("COMMIT").unwrap_err();
                w.batch("INSERT INTO parents VALUES (99, 'late')");
                w.batch("COMMIT");
            }),
        ),
        fresh(
            "a commit that fails for a deferred constraint",
            all_children,
            Run(|w| {
                let failed = w.b.transaction(|conn| {
                    diesel::sql_query("INSERT INTO children VALUES (2, 'orphan', 99)").execute(conn)
                });
                assert!(failed.is_err());
            }),
        ),
        miss(
            "insert or rollback ends the transaction",
            by_key,
            Run(|w| {
                w.batch("BEGIN; UPDATE tags SET label = 'gone' WHERE id = 2");
                w.b.batch_execute("INSERT OR ROLLBACK INTO tags VALUES (1, 'twice')")
                    .unwrap_err();
                // In autocommit now.
                w.batch("UPDATE posts SET views = 5 WHERE id = 1");
            }),
        ),
        miss(
            "insert or fail keeps what it wrote",
            all_tags,
            Fails("INSERT OR FAIL INTO tags VALUES (7, 'kept'), (1, 'twice')"),
        ),
        miss(
            "an error in a transaction that is committed",
            by_key,
            Run(|w| {
                w.b.transaction::<(), diesel::result::Error, _>(|conn| {
                    set_views(conn, 1, 12)?;
                    assert!(
                        diesel::sql_query("INSERT INTO tags VALUES (1, 'twice')")
                            .execute(conn)
                            .is_err()
                    );
                    Ok(())
                })
                .unwrap();
            }),
        ),
        fresh(
            "raise(rollback) in a trigger",
            by_key,
            Run(|w| {
                w.batch(
                "CREATE TRIGGER never BEFORE DELETE ON tags BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
            );
                w.batch("BEGIN; UPDATE posts SET views = 5 WHERE id = 1");
                w.b.batch_execute("DELETE FROM tags").unwrap_err();
                w.batch("UPDATE posts SET views = 6 WHERE id = 1");
            }),
        ),
        miss(
            "ddl in a transaction",
            all_audit,
            Each(&[
                "BEGIN",
                "ALTER TABLE audit RENAME COLUMN message TO text",
                "COMMIT",
            ]),
        ),
        fresh(
            "ddl in a transaction rolled back",
            all_audit,
            Each(&[
                "BEGIN",
                "ALTER TABLE audit RENAME COLUMN message TO text",
                "ROLLBACK",
            ]),
        ),
        bypass(
            Bypass::Isolation,
            "inside a transaction",
            by_key,
            Batch("BEGIN"),
        )
        .on_writer(),
        bypass(
            Bypass::Isolation,
            "read_uncommitted",
            by_key,
            Batch("PRAGMA read_uncommitted = ON"),
        )
        .on_writer(),
    ]
}

fn harmless() -> Vec<Case> {
    vec![
        hit("analyze", by_key, Sql("ANALYZE")),
        hit(
            "a pragma that asks",
            by_key,
            Batch("PRAGMA table_info(posts)"),
        ),
        hit(
            "a pragma that tunes",
            by_key,
            Batch("PRAGMA cache_size = 100; PRAGMA busy_timeout = 50"),
        ),
        hit(
            "explain query plan",
            by_key,
            Batch("EXPLAIN QUERY PLAN SELECT * FROM posts"),
        ),
        hit("the checkpoint", by_key, Batch("PRAGMA wal_checkpoint")),
        hit(
            "vacuum into",
            by_key,
            Run(|w| {
                let copy = format!("{}.copy", w.arena.url());
                w.batch(&format!("VACUUM INTO '{copy}'"));
            }),
        ),
        hit(
            "a temporary table filled from this one",
            by_key,
            Sql("CREATE TEMP TABLE scratch AS SELECT * FROM posts"),
        ),
        hit(
            "an upsert of another table",
            by_key,
            Sql("INSERT INTO tags VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET label = 'y'"),
        ),
        hit(
            "replace into another table",
            by_key,
            Sql("REPLACE INTO tags VALUES (1, 'x')"),
        ),
        hit("values", by_key, Batch("VALUES (1), (2)")),
        hit(
            "a query for the time",
            by_key,
            Sql("SELECT datetime('now'), random()"),
        ),
        hit(
            "changes()",
            by_key,
            Sql("SELECT changes(), last_insert_rowid()"),
        ),
        hit(
            "the schema",
            by_key,
            Sql("SELECT COUNT(*) FROM sqlite_master"),
        ),
        fresh(
            "update of no table here",
            by_key,
            Fails("UPDATE nowhere SET x = 1"),
        ),
        hit(
            "begin immediate and rollback",
            by_key,
            Each(&["BEGIN IMMEDIATE", "ROLLBACK"]),
        ),
    ]
}

fn bypasses() -> Vec<Case> {
    vec![
        bypass(
            Bypass::Uncacheable,
            "a virtual table",
            of_virtual,
            Run(|_| {}),
        )
        .cold(),
        bypass(Bypass::Volatile, "the schema table", of_schema, Run(|_| {})).cold(),
        bypass(
            Bypass::Volatile,
            "a pragma as a function",
            user_version,
            Run(|_| {}),
        )
        .cold(),
        bypass(
            Bypass::UnknownRelation,
            "a table that is not there",
            nowhere,
            Run(|_| {}),
        )
        .cold(),
        bypass(
            Bypass::AttachedDatabase,
            "a further database",
            by_key,
            Batch("ATTACH ':memory:' AS more"),
        )
        .on_writer(),
        miss(
            "written to main with another database attached",
            by_key,
            Each(&[
                "ATTACH ':memory:' AS more",
                "UPDATE main.posts SET views = 5 WHERE id = 1",
            ]),
        ),
        fresh(
            "changes() of one connection",
            changes_read,
            Run(|w| {
                set_views(&mut w.b, 1, 5).unwrap();
            }),
        )
        .cold(),
        fresh("a text that is not SQL", by_key, Fails("UPDATE posts SET")),
        fresh("vacuum", by_key, Sql("VACUUM")),
        fresh(
            "a pragma that is stored",
            by_key,
            Batch("PRAGMA user_version = 7"),
        ),
    ]
}
