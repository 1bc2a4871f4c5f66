//! The cases that only MySQL and MariaDB have.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{Bypass, Report};

use super::reads::*;
use super::schema::{Post, posts, tags};
use super::shared::set_views;
use super::world::Write::{Batch, Each, Fails, Run, Sql};
use super::world::{Case, bypass, fresh, hit, miss};

/// What empties a database.
pub(super) const EMPTY: Option<&str> = None;

pub(super) const SCHEMA: &str = "
    CREATE TRIGGER noted AFTER INSERT ON watched FOR EACH ROW
        INSERT INTO audit VALUES (NEW.id + 100, NEW.label);
    CREATE FUNCTION my_function(x INTEGER) RETURNS INTEGER DETERMINISTIC RETURN x;
    CREATE FUNCTION writes_posts(x INTEGER) RETURNS INTEGER MODIFIES SQL DATA
        BEGIN UPDATE posts SET views = x WHERE id = 1; RETURN x; END;
    CREATE PROCEDURE change_posts() UPDATE posts SET views = 62 WHERE id = 1;
    CREATE TABLE flat (id INTEGER PRIMARY KEY, label VARCHAR(99) NOT NULL) ENGINE = MyISAM;
    CREATE TABLE slices (id INTEGER PRIMARY KEY, label VARCHAR(99) NOT NULL)
        PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (100),
                                 PARTITION high VALUES LESS THAN (200));
    INSERT INTO flat VALUES (1, 'flat');
    INSERT INTO slices VALUES (1, 'low'), (101, 'high');
";

pub(super) const LATE_TRIGGER: &str = "CREATE TRIGGER late AFTER DELETE ON tags FOR EACH ROW \
                                       INSERT INTO audit VALUES (OLD.id + 100, OLD.label)";

raw! {
    all_flat: Pair = "SELECT id, label FROM flat ORDER BY id";
    all_slices: Pair = "SELECT id, label FROM slices ORDER BY id";
    of_partition: Pair = "SELECT id, label FROM slices PARTITION (low) ORDER BY id";
    straight: Pair = "SELECT p.id, a.name AS label FROM posts p STRAIGHT_JOIN authors a \
                      ON a.id = p.author_id ORDER BY p.id";
    hinted: Pair = "SELECT id, title AS label FROM posts USE INDEX (PRIMARY) ORDER BY id";
    windowed: Number = "SELECT CAST(SUM(views) OVER (ORDER BY id) AS INTEGER) AS n FROM posts \
                        ORDER BY id";
    locked: Number = "SELECT views AS n FROM posts WHERE id = 1 FOR UPDATE";
    shared_lock: Number = "SELECT views AS n FROM posts WHERE id = 1 LOCK IN SHARE MODE";
    who: Number = "SELECT 1 AS n FROM posts WHERE id = 1 AND CURRENT_USER() IS NOT NULL";
    user_variable: Number = "SELECT 1 AS n FROM posts WHERE id = 1 AND @x IS NULL";
    nowhere: Number = "SELECT n FROM nowhere";
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = writes();
    cases.extend(transactions());
    cases.extend(harmless());
    cases.extend(bypasses());
    cases
}

fn writes() -> Vec<Case> {
    vec![
        miss(
            "on duplicate key update",
            all_tags,
            Run(|w| {
                diesel::insert_into(tags::table)
                    .values((tags::id.eq(1), tags::label.eq("again")))
                    .on_conflict(diesel::dsl::DuplicatedKeys)
                    .do_update()
                    .set(tags::label.eq("updated"))
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
            "replace into, with its cascade",
            all_comments,
            Sql("REPLACE INTO posts VALUES (1, 1, 'replaced', 0, TRUE)"),
        ),
        miss(
            "insert ignore",
            all_tags,
            Run(|w| {
                diesel::insert_or_ignore_into(tags::table)
                    .values(vec![
                        (tags::id.eq(1), tags::label.eq("again")),
                        (tags::id.eq(8), tags::label.eq("new")),
                    ])
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "insert set",
            all_tags,
            Sql("INSERT INTO tags SET id = 9, label = 'nine'"),
        ),
        miss(
            "insert without into",
            all_tags,
            Sql("INSERT tags VALUES (9, 'nine')"),
        ),
        miss(
            "insert returning",
            all_tags,
            Sql("INSERT INTO tags VALUES (9, 'nine') RETURNING id"),
        ),
        miss(
            "update of two tables, the first",
            all_posts,
            Sql(
                "UPDATE posts p JOIN authors a ON a.id = p.author_id SET p.views = 0, a.country = 'x' \
             WHERE a.id = 1",
            ),
        ),
        miss(
            "update of two tables, the second",
            all_authors,
            Sql(
                "UPDATE posts p, authors a SET p.views = 0, a.country = 'x' \
             WHERE a.id = p.author_id AND a.id = 1",
            ),
        ),
        miss(
            "delete from two tables, the first",
            all_comments,
            Sql("DELETE c, t FROM comments c JOIN tags t ON t.id = c.id WHERE c.id = 1"),
        ),
        miss(
            "delete from two tables, the second",
            all_tags,
            Sql("DELETE c, t FROM comments c JOIN tags t ON t.id = c.id WHERE c.id = 1"),
        ),
        miss(
            "delete using",
            all_posts,
            Sql(
                "DELETE FROM posts USING posts JOIN authors ON authors.id = author_id WHERE name = 'bob'",
            ),
        ),
        miss(
            "update, order and limit",
            all_posts,
            Sql("UPDATE LOW_PRIORITY IGNORE posts SET views = 0 ORDER BY id DESC LIMIT 1"),
        ),
        miss(
            "delete, order and limit",
            all_comments,
            Sql("DELETE QUICK FROM comments ORDER BY id DESC LIMIT 1"),
        ),
        miss("truncate", all_comments, Sql("TRUNCATE TABLE comments")),
        miss(
            "truncate without table",
            all_comments,
            Sql("TRUNCATE comments"),
        ),
        miss(
            "truncate a partition",
            all_slices,
            Sql("ALTER TABLE slices TRUNCATE PARTITION low"),
        ),
        miss(
            "write a partition",
            all_slices,
            Sql("INSERT INTO slices PARTITION (low) VALUES (7, 'seven')"),
        ),
        miss(
            "read a partition",
            of_partition,
            Sql("INSERT INTO slices VALUES (7, 'seven')"),
        ),
        miss(
            "exchange a partition",
            all_slices,
            Each(&[
                "CREATE TABLE loose (id INTEGER PRIMARY KEY, label VARCHAR(99) NOT NULL)",
                "INSERT INTO loose VALUES (50, 'loose')",
                "ALTER TABLE slices EXCHANGE PARTITION low WITH TABLE loose",
            ]),
        ),
        miss(
            "an executable comment",
            by_key,
            Sql("/*! UPDATE posts SET views = 5 WHERE id = 1 */"),
        ),
        miss(
            "an executable comment with a version",
            by_key,
            Sql("/*!50000 UPDATE posts SET views = 5 WHERE id = 1 */"),
        ),
        miss(
            "MariaDB's executable comment",
            by_key,
            Sql("/*M! UPDATE posts SET views = 5 WHERE id = 1 */"),
        ),
        miss(
            "an executable comment within the write",
            all_tags,
            Sql("DELETE /*! FROM tags */ -- FROM comments\n"),
        ),
        miss(
            "a hash comment",
            by_key,
            Sql("# SELECT\nUPDATE posts SET views = 5 WHERE id = 1"),
        ),
        miss(
            "a backslash before a quote",
            by_key,
            Batch("SELECT '\\'; -- '; UPDATE posts SET views = 5 WHERE id = 1"),
        ),
        miss(
            "double quotes are strings",
            by_key,
            Batch("SELECT \"; -- \"; UPDATE `posts` SET `views` = 5 WHERE id = 1"),
        ),
        miss(
            "a qualified name",
            by_key,
            Run(|w| {
                let url = w.arena.url();
                let schema = url.rsplit('/').next().unwrap();
                w.batch(&format!(
                    "UPDATE `{schema}`.posts SET views = 5 WHERE id = 1"
                ));
            }),
        ),
        miss(
            "from another schema",
            by_key,
            Run(|w| {
                let url = w.arena.url();
                let schema = url.rsplit('/').next().unwrap();
                w.batch(&format!(
                    "USE information_schema; UPDATE {schema}.posts SET views = 5 WHERE id = 1"
                ));
            }),
        ),
        miss(
            "through an updatable view",
            by_key,
            Sql("UPDATE published_posts SET title = 'seen' WHERE id = 1"),
        ),
        miss(
            "through a view over a view",
            by_key,
            Sql("UPDATE early_posts SET title = 'seen' WHERE id = 1"),
        ),
        miss(
            "delete through a view, with its cascade",
            all_comments,
            Sql("DELETE FROM early_posts WHERE id = 1"),
        ),
        miss(
            "create or replace view",
            of_view,
            Sql("CREATE OR REPLACE VIEW published_posts AS \
             SELECT id, id AS author_id, label AS title FROM tags"),
        ),
        miss(
            "alter view",
            of_view,
            Sql(
                "ALTER VIEW published_posts AS SELECT id, id AS author_id, label AS title FROM tags",
            ),
        ),
        miss(
            "a function that writes",
            by_key,
            Sql("SELECT writes_posts(63)"),
        ),
        miss(
            "a function that writes, in a filter",
            by_key,
            Sql("SELECT id FROM tags WHERE id = 1 AND writes_posts(64) > 0"),
        ),
        miss("do", by_key, Sql("DO writes_posts(65)")),
        miss(
            "set to a function that writes",
            by_key,
            Batch("SET @x = writes_posts(66)"),
        ),
        miss(
            "set to a subselect that writes",
            by_key,
            Batch("SET @x = (SELECT writes_posts(67))"),
        ),
        miss(
            "show, where a function writes",
            by_key,
            Batch("SHOW TABLES WHERE writes_posts(68) > 0"),
        ),
        miss(
            "a view that calls a function that writes",
            by_key,
            Sql("SELECT * FROM calling"),
        )
        .setup("CREATE VIEW calling AS SELECT writes_posts(69) AS n"),
        miss(
            "insert that reads a view that calls a function that writes",
            by_key,
            Sql("INSERT INTO audit SELECT id + 500, label FROM calling"),
        )
        .setup("CREATE VIEW calling AS SELECT id, label FROM tags WHERE writes_posts(id + 70) > 0"),
        miss("a procedure", by_key, Batch("CALL change_posts()")),
        miss(
            "prepare and execute",
            by_key,
            Each(&[
                "PREPARE p FROM 'UPDATE posts SET views = 67 WHERE id = 1'",
                "EXECUTE p",
            ]),
        ),
        miss(
            "execute immediate",
            by_key,
            Batch("EXECUTE IMMEDIATE 'UPDATE posts SET views = 68 WHERE id = 1'"),
        ),
        miss(
            "analyze of a write",
            by_key,
            Batch("ANALYZE UPDATE posts SET views = 69 WHERE id = 1"),
        ),
        miss(
            "a compound statement",
            by_key,
            Batch("BEGIN NOT ATOMIC UPDATE posts SET views = 70 WHERE id = 1; END"),
        ),
        miss(
            "set statement for",
            by_key,
            Batch(
                "SET STATEMENT max_statement_time = 10 FOR UPDATE posts SET views = 71 WHERE id = 1",
            ),
        ),
        miss(
            "a straight join",
            straight,
            Sql("UPDATE authors SET name = 'x' WHERE id = 1"),
        ),
        miss(
            "an index hint",
            hinted,
            Sql("UPDATE posts SET title = 'x' WHERE id = 1"),
        ),
        miss(
            "a window",
            windowed,
            Sql("UPDATE posts SET views = 0 WHERE id = 1"),
        ),
        miss(
            "rename two tables at once",
            all_tags,
            Sql("RENAME TABLE tags TO swap_, audit TO tags, swap_ TO audit"),
        ),
    ]
}

fn transactions() -> Vec<Case> {
    vec![
        miss(
            "ddl commits what is open",
            by_key,
            Each(&[
                "BEGIN",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "CREATE TABLE further (id INTEGER)",
                "ROLLBACK",
            ]),
        ),
        miss(
            "begin commits what is open",
            by_key,
            Each(&[
                "BEGIN",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "BEGIN",
                "ROLLBACK",
            ]),
        ),
        miss(
            "truncate commits what is open",
            by_key,
            Each(&[
                "BEGIN",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "TRUNCATE comments",
                "ROLLBACK",
            ]),
        ),
        miss(
            "analyze table commits what is open",
            by_key,
            Each(&[
                "BEGIN",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "ANALYZE TABLE tags",
                "ROLLBACK",
            ]),
        ),
        miss(
            "lock tables commits what is open",
            by_key,
            Each(&[
                "BEGIN",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "LOCK TABLES tags WRITE",
                "UNLOCK TABLES",
            ]),
        ),
        miss(
            "written under lock tables",
            by_key,
            Each(&[
                "LOCK TABLES posts WRITE",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "UNLOCK TABLES",
            ]),
        ),
        miss(
            "autocommit off, commit",
            by_key,
            Each(&[
                "SET autocommit = 0",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "COMMIT",
                "SET autocommit = 1",
            ]),
        ),
        miss(
            "autocommit off, then on",
            by_key,
            Each(&[
                "SET autocommit = 0",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "SET autocommit = 1",
            ]),
        ),
        miss(
            "autocommit off, among other variables",
            by_key,
            Each(&[
                "SET @x = 1, SESSION autocommit = OFF, sort_buffer_size = 100000",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "COMMIT",
            ]),
        ),
        miss(
            "commit and chain",
            by_key,
            Each(&[
                "BEGIN",
                "UPDATE tags SET label = 'x' WHERE id = 1",
                "COMMIT AND CHAIN",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "COMMIT",
            ]),
        ),
        miss(
            "a table that cannot roll back",
            all_flat,
            Each(&[
                "BEGIN",
                "UPDATE flat SET label = 'kept' WHERE id = 1",
                "ROLLBACK",
            ]),
        ),
        miss(
            "a table that cannot roll back, in a savepoint",
            all_flat,
            Each(&[
                "BEGIN",
                "SAVEPOINT s",
                "UPDATE flat SET label = 'kept' WHERE id = 1",
                "ROLLBACK TO SAVEPOINT s",
                "COMMIT",
            ]),
        ),
        miss(
            "xa",
            by_key,
            Each(&[
                "XA START 'x'",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "XA END 'x'",
                "XA COMMIT 'x' ONE PHASE",
            ]),
        ),
        miss(
            "xa in two phases",
            by_key,
            Each(&[
                "XA START 'y'",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "XA END 'y'",
                "XA PREPARE 'y'",
                "XA COMMIT 'y'",
            ]),
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
        miss(
            "a deadlock ends the transaction behind the back",
            by_key,
            Run(|w| {
                // The victim goes on in autocommit.
                let mut other = w.attached();
                w.batch("BEGIN; UPDATE comments SET body = 'b' WHERE id = 1");
                other
                    .batch_execute(
                        "BEGIN; UPDATE tags SET label = 'o' WHERE id = 1; \
                     UPDATE tags SET label = 'p' WHERE id = 2; \
                     UPDATE audit SET message = 'q' WHERE id = 1",
                    )
                    .unwrap();
                std::thread::scope(|threads| {
                    let waiting = threads.spawn(move || {
                        let done =
                            other.batch_execute("UPDATE comments SET body = 'o' WHERE id = 1");
                        (other, done)
                    });
                    std::thread::sleep(std::time::Duration::from_millis(300));
                    let mine =
                        w.b.batch_execute("UPDATE tags SET label = 'b' WHERE id = 1");
                    if mine.is_err() {
                        // In autocommit now.
                        set_views(&mut w.b, 1, 7).unwrap();
                    }
                    let (mut other, theirs) = waiting.join().unwrap();
                    assert!(mine.is_ok() != theirs.is_ok(), "one of them is the victim");
                    if theirs.is_err() {
                        set_views(&mut other, 1, 7).unwrap();
                    }
                });
            }),
        ),
        bypass(
            Bypass::Isolation,
            "the default isolation",
            by_key,
            Batch("BEGIN"),
        )
        .on_writer(),
        bypass(
            Bypass::Isolation,
            "with consistent snapshot",
            by_key,
            Batch("START TRANSACTION WITH CONSISTENT SNAPSHOT"),
        )
        .on_writer(),
        bypass(
            Bypass::UnknownTransaction,
            "autocommit off",
            by_key,
            Batch("SET autocommit = 0"),
        )
        .on_writer(),
        hit(
            "a read committed transaction may hit",
            by_key,
            Each(&["SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "BEGIN"]),
        )
        .on_writer(),
        bypass(
            Bypass::Isolation,
            "read uncommitted",
            by_key,
            Each(&["SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"]),
        )
        .on_writer(),
    ]
}

fn harmless() -> Vec<Case> {
    vec![
        hit(
            "select for update",
            by_key,
            Run(|w| {
                w.b.transaction(|conn| {
                    posts::table
                        .filter(posts::id.eq(1))
                        .for_update()
                        .load::<Post>(conn)
                })
                .unwrap();
            }),
        ),
        hit("analyze table", by_key, Batch("ANALYZE TABLE posts")),
        hit(
            "analyze of a read",
            by_key,
            Batch("ANALYZE SELECT * FROM posts"),
        ),
        hit("check table", by_key, Batch("CHECK TABLE posts")),
        hit("show", by_key, Batch("SHOW TABLES")),
        hit("describe", by_key, Batch("DESCRIBE posts")),
        hit(
            "set a variable of the session",
            by_key,
            Sql("SET sort_buffer_size = 1000000"),
        ),
        hit("set a variable of the user", by_key, Sql("SET @x = 1")),
        hit(
            "a named lock",
            by_key,
            Sql("SELECT GET_LOCK('x', 1), RELEASE_LOCK('x')"),
        ),
        hit(
            "a query for the time",
            by_key,
            Sql("SELECT NOW(), RAND(), UUID()"),
        ),
        hit(
            "last_insert_id",
            by_key,
            Sql("SELECT LAST_INSERT_ID(), ROW_COUNT()"),
        ),
        hit(
            "the information schema",
            by_key,
            Sql("SELECT COUNT(*) FROM information_schema.tables"),
        ),
        hit(
            "truncate of another table",
            by_key,
            Sql("TRUNCATE comments"),
        ),
        hit(
            "replace into another table",
            by_key,
            Sql("REPLACE INTO tags VALUES (1, 'x')"),
        ),
        hit(
            "insert ignore into another table",
            by_key,
            Sql("INSERT IGNORE INTO tags VALUES (1, 'x')"),
        ),
        hit("use", by_key, Sql("USE information_schema")),
        hit(
            "kill of nobody",
            by_key,
            Run(|w| {
                w.b.batch_execute("KILL 999999999").unwrap_err();
            }),
        ),
        hit(
            "MyISAM elsewhere",
            by_key,
            Sql("UPDATE flat SET label = 'x' WHERE id = 1"),
        ),
    ]
}

fn bypasses() -> Vec<Case> {
    vec![
        bypass(Bypass::Locking, "for update", locked, Run(|_| {})).cold(),
        bypass(
            Bypass::Locking,
            "lock in share mode",
            shared_lock,
            Run(|_| {}),
        )
        .cold(),
        bypass(Bypass::Session, "the current user", who, Run(|_| {})).cold(),
        bypass(
            Bypass::Session,
            "a variable of the user",
            user_variable,
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
        fresh("a text that is not SQL", by_key, Fails("UPDATE posts SET")),
        miss(
            "another schema's table of that name",
            all_tags,
            Run(|w| {
                let url = w.arena.url();
                let schema = url.rsplit('/').next().unwrap().to_owned();
                w.batch(&format!(
                    "CREATE DATABASE {schema}_b; USE {schema}_b; \
                CREATE TABLE tags (id INTEGER PRIMARY KEY, label VARCHAR(99) NOT NULL); \
                INSERT INTO tags VALUES (5, 'foreign')"
                ));
                let rows = all_tags(&mut w.b, Some(&Report::new()));
                w.b.batch_execute(&format!("DROP DATABASE {schema}_b; USE {schema}"))
                    .unwrap();
                assert!(rows.contains("foreign"), "{rows}");
                w.batch("DELETE FROM tags WHERE id = 1");
            }),
        ),
    ]
}
