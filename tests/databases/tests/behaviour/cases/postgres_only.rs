//! The cases that only PostgreSQL has.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{Bypass, Report};

use super::blocking;
use super::engine::Conn;
use super::reads::*;
use super::schema::{Post, posts, tags};
use super::shared::set_views;
use super::world::Write::{Batch, Each, Fails, Run, Sql};
use super::world::{Case, bypass, fresh, hit, miss};

/// What empties a database.
pub(super) const EMPTY: Option<&str> = Some(
    "DROP SCHEMA IF EXISTS other CASCADE; DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public",
);

pub(super) const SCHEMA: &str = "
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO audit VALUES (NEW.id + 100, NEW.label); RETURN NEW; END $$;
    CREATE TRIGGER noted AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION note();
    CREATE FUNCTION my_function(x integer) RETURNS integer LANGUAGE sql AS 'SELECT x';
    CREATE FUNCTION writes_posts(x integer) RETURNS integer LANGUAGE sql AS
        'UPDATE posts SET views = x WHERE id = 1 RETURNING views';
    CREATE FUNCTION abs(x text) RETURNS integer LANGUAGE sql AS
        'UPDATE posts SET views = 61 WHERE id = 1 RETURNING views';
    CREATE PROCEDURE change_posts() LANGUAGE sql AS 'UPDATE posts SET views = 62 WHERE id = 1';
    CREATE TABLE events (id INTEGER NOT NULL, label VARCHAR(99) NOT NULL) PARTITION BY RANGE (id);
    CREATE TABLE events_low PARTITION OF events FOR VALUES FROM (0) TO (100);
    CREATE TABLE events_high PARTITION OF events FOR VALUES FROM (100) TO (200);
    CREATE TABLE animals (id INTEGER NOT NULL, label VARCHAR(99) NOT NULL);
    CREATE TABLE cats (lives INTEGER) INHERITS (animals);
    CREATE TABLE ruled (id INTEGER NOT NULL, label VARCHAR(99) NOT NULL);
    CREATE RULE moved AS ON INSERT TO ruled DO INSTEAD INSERT INTO tags VALUES (NEW.id, NEW.label);
    CREATE TABLE parents (id INTEGER PRIMARY KEY, label VARCHAR(99) NOT NULL);
    CREATE TABLE children (id INTEGER PRIMARY KEY, label VARCHAR(99) NOT NULL, parent INTEGER
        REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE MATERIALIZED VIEW frozen AS SELECT id, title AS label FROM posts;
    CREATE TABLE secrets (id INTEGER NOT NULL, label VARCHAR(99) NOT NULL);
    ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
    CREATE SCHEMA other;
    CREATE TABLE other.tags (id INTEGER PRIMARY KEY, label VARCHAR(99) NOT NULL);
    INSERT INTO events VALUES (1, 'low'), (101, 'high');
    INSERT INTO cats VALUES (1, 'tom', 9);
    INSERT INTO parents VALUES (1, 'p');
    INSERT INTO children VALUES (1, 'c', 1);
    INSERT INTO other.tags VALUES (1, 'other');
";

pub(super) const LATE_TRIGGER: &str = "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS \
     $$BEGIN INSERT INTO audit VALUES (OLD.id + 100, OLD.label); RETURN OLD; END$$; \
     CREATE TRIGGER late AFTER DELETE ON tags FOR EACH ROW EXECUTE FUNCTION late()";

raw! {
    all_events: Pair = "SELECT id, label FROM events ORDER BY id";
    low_events: Pair = "SELECT id, label FROM events_low ORDER BY id";
    all_animals: Pair = "SELECT id, label FROM animals ORDER BY id";
    all_cats: Pair = "SELECT id, label FROM cats ORDER BY id";
    all_frozen: Pair = "SELECT id, label FROM frozen ORDER BY id";
    all_secrets: Pair = "SELECT id, label FROM secrets ORDER BY id";
    all_children: Pair = "SELECT id, label FROM children ORDER BY id";
    only_animals: Pair = "SELECT id, label FROM ONLY animals ORDER BY id";
    unqualified: Pair = "SELECT id, label FROM tags ORDER BY id";
    by_any: Pair = "SELECT id, title AS label FROM posts WHERE id = ANY(ARRAY[1, 2]) ORDER BY id";
    lateral: Pair = "SELECT a.id, l.title AS label FROM authors a, LATERAL (SELECT title FROM posts p \
                     WHERE p.author_id = a.id ORDER BY p.id LIMIT 1) l ORDER BY a.id";
    distinct_on: Pair = "SELECT DISTINCT ON (author_id) id, title AS label FROM posts \
                         ORDER BY author_id, id";
    windowed: Number = "SELECT (sum(views) OVER (ORDER BY id))::integer AS n FROM posts ORDER BY id";
    locked: Number = "SELECT views AS n FROM posts WHERE id = 1 FOR UPDATE";
    who: Number = "SELECT 1 AS n FROM posts WHERE id = 1 AND current_user IS NOT NULL";
    catalogue: Number = "SELECT 1 AS n FROM pg_class WHERE relname = 'posts'";
    writing_read: Number = "WITH x AS (UPDATE posts SET views = views + 1 WHERE id = 1 RETURNING 1) \
                            SELECT 1 AS n";
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = writes();
    cases.extend(relations());
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
                    .values(vec![
                        (tags::id.eq(1), tags::label.eq("again")),
                        (tags::id.eq(8), tags::label.eq("new")),
                    ])
                    .on_conflict_do_nothing()
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "insert returning",
            all_tags,
            Run(|w| {
                let id: i32 = diesel::insert_into(tags::table)
                    .values((tags::id.eq(9), tags::label.eq("returned")))
                    .returning(tags::id)
                    .get_result(&mut w.b)
                    .unwrap();
                assert_eq!(id, 9);
            }),
        ),
        miss(
            "update returning",
            all_posts,
            Run(|w| {
                let rows: Vec<Post> = diesel::update(posts::table)
                    .set(posts::views.eq(posts::views + 1))
                    .get_results(&mut w.b)
                    .unwrap();
                assert_eq!(rows.len(), 4);
            }),
        ),
        miss(
            "delete returning",
            all_tags,
            Run(|w| {
                diesel::delete(tags::table.find(1))
                    .get_result::<(i32, String)>(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "update from",
            all_posts,
            Sql("UPDATE posts p SET title = a.name FROM authors a WHERE a.id = p.author_id"),
        ),
        miss(
            "delete using",
            all_posts,
            Sql("DELETE FROM posts USING authors WHERE authors.id = author_id AND name = 'bob'"),
        ),
        miss(
            "update only",
            by_key,
            Sql("UPDATE ONLY posts SET views = 5 WHERE id = 1"),
        ),
        miss(
            "a qualified name",
            by_key,
            Sql("UPDATE public.posts SET views = 5 WHERE id = 1"),
        ),
        miss(
            "a quoted name",
            by_key,
            Sql("UPDATE \"public\".\"posts\" SET views = 5 WHERE id = 1"),
        ),
        miss(
            "an upper case name",
            by_key,
            Sql("UPDATE POSTS SET VIEWS = 5 WHERE ID = 1"),
        ),
        miss(
            "a writing cte",
            by_key,
            Sql("WITH x AS (UPDATE posts SET views = 5 WHERE id = 1 RETURNING id) SELECT * FROM x"),
        ),
        miss(
            "a writing cte before a write to another table",
            all_posts,
            Sql(
                "WITH x AS (DELETE FROM posts WHERE id = 2 RETURNING id, title) \
             INSERT INTO audit SELECT id + 50, title FROM x",
            ),
        ),
        miss(
            "a cte before the write",
            by_key,
            Sql("WITH x AS (SELECT 7 AS v) UPDATE posts SET views = x.v FROM x WHERE id = 1"),
        ),
        miss(
            "merge",
            all_tags,
            Sql(
                "MERGE INTO tags t USING posts p ON p.id = t.id WHEN MATCHED THEN UPDATE SET label = \
             p.title WHEN NOT MATCHED THEN INSERT VALUES (p.id, p.title)",
            ),
        ),
        miss("truncate", all_comments, Sql("TRUNCATE comments")),
        miss(
            "truncate cascade",
            all_comments,
            Sql("TRUNCATE authors CASCADE"),
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
        miss(
            "a function that writes, with the name of a pure one",
            by_key,
            Sql("SELECT abs('x'::text)"),
        ),
        miss(
            "a function that writes, as a relation",
            by_key,
            Sql("SELECT * FROM writes_posts(65)"),
        ),
        miss(
            "a view that calls a function that writes",
            by_key,
            Sql("SELECT * FROM calling"),
        )
        .setup("CREATE VIEW calling AS SELECT writes_posts(69) AS n"),
        miss(
            "a view over a view that calls a function that writes",
            by_key,
            Sql("DELETE FROM tags WHERE id IN (SELECT n FROM calls)"),
        )
        .setup(
            "CREATE VIEW calling AS SELECT writes_posts(69) AS n; \
             CREATE VIEW calls AS SELECT n FROM calling",
        ),
        miss(
            "a stable function that calls one that writes",
            by_key,
            Sql("SELECT sneaky(72)"),
        )
        .setup(
            "CREATE FUNCTION sneaky(x integer) RETURNS integer STABLE LANGUAGE plpgsql AS \
             'BEGIN RETURN writes_posts(x); END'",
        ),
        miss(
            "a default that writes",
            by_key,
            Sql("INSERT INTO lively (id) VALUES (1)"),
        )
        .setup("CREATE TABLE lively (id INTEGER PRIMARY KEY, x INTEGER DEFAULT writes_posts(73))"),
        miss(
            "a check that writes",
            by_key,
            Sql("INSERT INTO lively (id) VALUES (1)"),
        )
        .setup("CREATE TABLE lively (id INTEGER PRIMARY KEY CHECK (writes_posts(74) > 0))"),
        bypass(
            Bypass::UnknownFunction,
            "an operator that writes",
            by_key,
            Sql("SELECT 1 ### 75"),
        )
        .cold()
        .setup(
            "CREATE FUNCTION op(x integer, y integer) RETURNS integer LANGUAGE sql AS \
             'SELECT writes_posts(y)'; \
             CREATE OPERATOR ### (LEFTARG = integer, RIGHTARG = integer, FUNCTION = op)",
        ),
        bypass(
            Bypass::UnknownFunction,
            "a known operator that writes",
            by_key,
            Sql("SELECT point(1, 1) <-> 76"),
        )
        .cold()
        .setup(
            "CREATE FUNCTION op(x point, y integer) RETURNS integer LANGUAGE sql AS \
             'SELECT writes_posts(y)'; \
             CREATE OPERATOR <-> (LEFTARG = point, RIGHTARG = integer, FUNCTION = op)",
        ),
        bypass(
            Bypass::UnknownFunction,
            "a cast that writes",
            by_key,
            Sql("SELECT 77::odd"),
        )
        .cold()
        .setup(
            "CREATE TYPE odd AS (x integer); CREATE FUNCTION to_odd(x integer) RETURNS odd \
             LANGUAGE sql AS 'SELECT ROW(writes_posts(x))::odd'; \
             CREATE CAST (integer AS odd) WITH FUNCTION to_odd(integer)",
        ),
        bypass(
            Bypass::UnknownFunction,
            "a domain that writes",
            by_key,
            Sql("SELECT 78::lively"),
        )
        .cold()
        .setup("CREATE DOMAIN lively AS integer CHECK (writes_posts(VALUE) > 0)"),
        miss(
            "copy of a query that writes",
            by_key,
            Sql("COPY (SELECT writes_posts(79)) TO '/dev/null'"),
        ),
        miss(
            "a cursor over a function that writes",
            by_key,
            Each(&[
                "BEGIN",
                "DECLARE c CURSOR FOR SELECT writes_posts(80)",
                "FETCH ALL FROM c",
                "COMMIT",
            ]),
        ),
        miss(
            "a function called by its attribute",
            by_key,
            Sql("SELECT (t).touched FROM tags t"),
        )
        .setup(
            "CREATE FUNCTION touched(t tags) RETURNS integer LANGUAGE sql AS \
                 'SELECT writes_posts(81)'",
        ),
        miss("a procedure", by_key, Sql("CALL change_posts()")),
        miss(
            "an anonymous block",
            by_key,
            Sql("DO $$ BEGIN EXECUTE 'UPDATE ' || 'posts SET views = 66 WHERE id = 1'; END $$"),
        ),
        miss(
            "prepare and execute",
            by_key,
            Each(&[
                "PREPARE p AS UPDATE posts SET views = 67 WHERE id = 1",
                "EXECUTE p",
            ]),
        ),
        miss(
            "explain analyze of a write",
            by_key,
            Sql("EXPLAIN ANALYZE UPDATE posts SET views = 68 WHERE id = 1"),
        ),
        miss(
            "explain with options of a write",
            by_key,
            Sql("EXPLAIN (COSTS off, ANALYZE) UPDATE posts SET views = 68 WHERE id = 1"),
        ),
        miss(
            "a cursor, updated where it stands",
            by_key,
            Each(&[
                "BEGIN",
                "DECLARE c CURSOR FOR SELECT * FROM posts WHERE id = 1 FOR UPDATE",
                "FETCH 1 FROM c",
                "UPDATE posts SET views = 69 WHERE CURRENT OF c",
                "COMMIT",
            ]),
        ),
        miss(
            "dollar quotes around a semicolon",
            by_key,
            Batch("SELECT $a$ ; $b$ $a$; UPDATE posts SET views = 5 WHERE id = 1"),
        ),
        miss(
            "nested comments",
            by_key,
            Sql("/* a /* b */ UPDATE tags SET id = 0 */ UPDATE posts SET views = 5 WHERE id = 1"),
        ),
        miss(
            "an escape string",
            by_key,
            Batch("SELECT E'\\'; --'; UPDATE posts SET views = 5 WHERE id = 1"),
        ),
    ]
}

fn relations() -> Vec<Case> {
    vec![
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
            "a materialized view refreshed",
            all_frozen,
            Batch("UPDATE posts SET title = 'new' WHERE id = 1; REFRESH MATERIALIZED VIEW frozen"),
        ),
        hit(
            "a materialized view not refreshed",
            all_frozen,
            Sql("UPDATE posts SET title = 'new' WHERE id = 1"),
        ),
        miss(
            "write a partition, read the whole",
            all_events,
            Sql("INSERT INTO events_low VALUES (5, 'five')"),
        ),
        miss(
            "write the whole, read a partition",
            low_events,
            Sql("INSERT INTO events VALUES (5, 'five')"),
        ),
        miss(
            "a row moves to another partition",
            low_events,
            Sql("UPDATE events SET id = 50 WHERE id = 101"),
        ),
        miss(
            "truncate a partition",
            all_events,
            Sql("TRUNCATE events_high"),
        ),
        miss(
            "attach a partition",
            all_events,
            Each(&[
                "CREATE TABLE events_top (id INTEGER NOT NULL, label VARCHAR(99) NOT NULL)",
                "INSERT INTO events_top VALUES (250, 'top')",
                "ALTER TABLE events ATTACH PARTITION events_top FOR VALUES FROM (200) TO (300)",
            ]),
        ),
        miss(
            "write a partition made later",
            all_events,
            Run(|w| {
                w.batch(
                    "CREATE TABLE events_top PARTITION OF events FOR VALUES FROM (200) TO (300)",
                );
                all_events(&mut w.a, Some(&Report::new()));
                w.batch("INSERT INTO events_top VALUES (250, 'top')");
            }),
        ),
        miss(
            "write the heir, read the parent",
            all_animals,
            Sql("UPDATE cats SET label = 'tim' WHERE id = 1"),
        ),
        miss(
            "write the parent, read the heir",
            all_cats,
            Sql("UPDATE animals SET label = 'tim' WHERE id = 1"),
        ),
        miss(
            "from only, written",
            only_animals,
            Sql("INSERT INTO animals VALUES (2, 'dog')"),
        ),
        miss(
            "a rule",
            all_tags,
            Sql("INSERT INTO ruled VALUES (40, 'ruled')"),
        ),
        miss(
            "any of an array",
            by_any,
            Sql("UPDATE posts SET title = 'x' WHERE id = 1"),
        ),
        miss(
            "lateral",
            lateral,
            Sql("UPDATE posts SET title = 'x' WHERE id = 1"),
        ),
        miss(
            "distinct on",
            distinct_on,
            Sql("UPDATE posts SET title = 'x' WHERE id = 1"),
        ),
        miss(
            "a window",
            windowed,
            Sql("UPDATE posts SET views = 0 WHERE id = 1"),
        ),
        miss(
            "the search path decides",
            unqualified,
            Run(|w| {
                w.a.batch_execute("SET search_path = other").unwrap();
                assert!(unqualified(&mut w.a, Some(&Report::new())).contains("other"));
                w.a.batch_execute("SET search_path = public").unwrap();
                assert!(unqualified(&mut w.a, Some(&Report::new())).contains("red"));
                w.batch("DELETE FROM public.tags WHERE id = 1");
            }),
        ),
        miss(
            "the table of another schema",
            unqualified,
            Run(|w| {
                w.batch("UPDATE tags SET label = 'x' WHERE id = 1");
            }),
        ),
        miss(
            "drop a column",
            all_audit,
            Sql("ALTER TABLE audit DROP COLUMN message"),
        ),
        miss(
            "the type of a column",
            all_audit,
            Run(|w| {
                w.batch(
                    "ALTER TABLE audit ALTER COLUMN message TYPE VARCHAR(2) USING left(message, 2)",
                );
                // The server refuses what the old connection has prepared.
                w.a = w.attached();
            }),
        ),
        miss(
            "a table moved to another schema",
            all_audit,
            Sql("ALTER TABLE audit SET SCHEMA other"),
        ),
    ]
}

fn transactions() -> Vec<Case> {
    vec![
        hit(
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
            "a deferred constraint that holds at the end",
            all_children,
            Run(|w| {
                w.b.transaction(|conn| {
                    diesel::sql_query("INSERT INTO children VALUES (2, 'early', 99)")
                        .execute(conn)?;
                    diesel::sql_query("INSERT INTO parents VALUES (99, 'late')").execute(conn)
                })
                .unwrap();
            }),
        ),
        hit(
            "an error swallowed, the commit rolls back",
            by_key,
            Run(|w| {
                let _ = w.b.transaction::<(), diesel::result::Error, _>(|conn| {
                    set_views(conn, 1, 12)?;
                    let _ = diesel::sql_query("INSERT INTO tags VALUES (1, 'twice')").execute(conn);
                    Err(diesel::result::Error::RollbackTransaction)
                });
            }),
        ),
        miss(
            "a failed savepoint, and the commit",
            by_key,
            Run(|w| {
                w.b.transaction::<(), diesel::result::Error, _>(|conn| {
                    set_views(conn, 1, 12)?;
                    let inner = conn.transaction(|conn| {
                        diesel::sql_query("INSERT INTO tags VALUES (1, 'twice')").execute(conn)
                    });
                    assert!(inner.is_err());
                    Ok(())
                })
                .unwrap();
            }),
        ),
        miss(
            "begin twice",
            by_key,
            Each(&[
                "BEGIN",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "BEGIN",
                "COMMIT",
            ]),
        ),
        miss(
            "commit and chain",
            by_key,
            Each(&[
                "BEGIN",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "COMMIT AND CHAIN",
                "COMMIT",
            ]),
        ),
        fresh(
            "rollback and chain, then a write",
            by_key,
            Each(&[
                "BEGIN",
                "UPDATE tags SET label = 'x' WHERE id = 1",
                "ROLLBACK AND CHAIN",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "COMMIT",
            ]),
        ),
        miss(
            "end instead of commit",
            by_key,
            Each(&[
                "START TRANSACTION",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "END",
            ]),
        ),
        hit(
            "abort instead of rollback",
            by_key,
            Each(&[
                "START TRANSACTION",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "ABORT",
            ]),
        ),
        hit(
            "ddl rolled back does no harm",
            all_posts,
            Each(&[
                "BEGIN",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "ROLLBACK",
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
        miss(
            "ddl in a transaction committed",
            all_audit,
            Each(&[
                "BEGIN",
                "ALTER TABLE audit RENAME COLUMN message TO text",
                "COMMIT",
            ]),
        ),
        hit(
            "a read committed transaction may hit",
            by_key,
            Batch("BEGIN"),
        )
        .on_writer(),
        hit(
            "a read only transaction may hit",
            by_key,
            Batch("BEGIN READ ONLY"),
        )
        .on_writer(),
        hit(
            "a transaction may hit what it did not write",
            by_key,
            Each(&["BEGIN", "UPDATE tags SET label = 'x' WHERE id = 1"]),
        )
        .on_writer(),
        hit(
            "a transaction may hit what a savepoint rolled back",
            by_key,
            Each(&[
                "BEGIN",
                "SAVEPOINT s",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "ROLLBACK TO SAVEPOINT s",
            ]),
        )
        .on_writer(),
        bypass(
            Bypass::Isolation,
            "repeatable read",
            by_key,
            Batch("BEGIN ISOLATION LEVEL REPEATABLE READ"),
        )
        .on_writer(),
        bypass(
            Bypass::Isolation,
            "set transaction",
            by_key,
            Each(&["BEGIN", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"]),
        )
        .on_writer(),
        bypass(
            Bypass::Isolation,
            "the session's default isolation",
            by_key,
            Each(&[
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "BEGIN",
            ]),
        )
        .on_writer(),
        bypass(
            Bypass::FailedTransaction,
            "a failed transaction",
            by_key,
            Run(|w| {
                w.batch("BEGIN");
                w.b.batch_execute("INSERT INTO tags VALUES (1, 'twice')")
                    .unwrap_err();
            }),
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
        hit("analyze", by_key, Sql("ANALYZE posts")),
        hit("vacuum", by_key, Sql("VACUUM posts")),
        hit("show", by_key, Batch("SHOW work_mem")),
        hit("set", by_key, Sql("SET work_mem = '8MB'")),
        hit(
            "set local",
            by_key,
            Batch("BEGIN; SET LOCAL work_mem = '8MB'; COMMIT"),
        ),
        hit(
            "listen and notify",
            by_key,
            Each(&["LISTEN news", "NOTIFY news, 'x'", "UNLISTEN *"]),
        ),
        hit(
            "lock table",
            by_key,
            Each(&["BEGIN", "LOCK TABLE posts IN SHARE MODE", "COMMIT"]),
        ),
        hit(
            "an advisory lock",
            by_key,
            Sql("SELECT pg_advisory_lock(1), pg_advisory_unlock(1)"),
        ),
        hit(
            "a catalogue query",
            by_key,
            Sql("SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relname = 'posts'"),
        ),
        hit(
            "a query for the time",
            by_key,
            Sql("SELECT now(), clock_timestamp(), random()"),
        ),
        hit(
            "explain analyze of a read",
            by_key,
            Sql("EXPLAIN ANALYZE SELECT * FROM posts"),
        ),
        hit(
            "a cursor",
            by_key,
            Each(&[
                "BEGIN",
                "DECLARE c CURSOR FOR SELECT * FROM posts",
                "FETCH ALL FROM c",
                "CLOSE c",
                "COMMIT",
            ]),
        ),
        hit(
            "truncate of another table",
            by_key,
            Sql("TRUNCATE comments"),
        ),
        hit(
            "an upsert of another table",
            by_key,
            Sql("INSERT INTO tags VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET label = 'y'"),
        ),
        hit(
            "a writing cte on another table",
            by_key,
            Sql("WITH x AS (DELETE FROM tags RETURNING 1) SELECT count(*) FROM x, posts"),
        ),
        fresh(
            "a stable function",
            by_key,
            Sql("SELECT stable_function(1)"),
        )
        .setup(
            "CREATE FUNCTION stable_function(x integer) RETURNS integer STABLE LANGUAGE sql \
             AS 'SELECT count(*)::integer FROM posts'",
        ),
        hit(
            "another temporary table filled from this one",
            by_key,
            Sql("CREATE TEMP TABLE scratch AS SELECT * FROM posts"),
        ),
    ]
}

fn bypasses() -> Vec<Case> {
    vec![
        bypass(Bypass::Locking, "for update", locked, Run(|_| {})).cold(),
        bypass(Bypass::Session, "the current user", who, Run(|_| {})).cold(),
        bypass(Bypass::Volatile, "a system table", catalogue, Run(|_| {})).cold(),
        bypass(
            Bypass::RowSecurity,
            "row level security",
            all_secrets,
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
        miss("another role", by_key, Sql("SET ROLE pg_monitor")).on_writer(),
        fresh("a text that is not SQL", by_key, Fails("UPDATE posts SET")),
        bypass(
            Bypass::NotARead,
            "a read that writes runs each time",
            writing_once,
            Run(|_| {}),
        )
        .cold(),
    ]
}

raw! {
    nowhere: Number = "SELECT n FROM nowhere";
}

/// A read that writes is run once per call, cached or not: the table tells.
fn writing_once(conn: &mut Conn, report: Option<&Report>) -> String {
    match report {
        Some(report) => {
            let before: i32 = posts::table
                .find(1)
                .select(posts::views)
                .first(conn)
                .unwrap();
            writing_read(conn, Some(report));
            let after: i32 = posts::table
                .find(1)
                .select(posts::views)
                .first(conn)
                .unwrap();
            let written = after - before;
            format!("written {written} times")
        }
        None => "written 1 times".to_owned(),
    }
}
