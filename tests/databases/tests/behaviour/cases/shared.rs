//! The cases that every database has.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::Bypass;

use super::engine::Conn;
use super::reads::*;
use super::schema::{Post, audit, authors, comments, posts, reviews, tags, watched};
use super::world::Write::{Batch, Each, Fails, Run, Sql};
use super::world::{Case, bypass, fresh, hit, miss};

pub(super) fn set_views(conn: &mut Conn, id: i32, views: i32) -> QueryResult<usize> {
    diesel::update(posts::table.find(id))
        .set(posts::views.eq(views))
        .execute(conn)
}

fn add_tag(conn: &mut Conn, id: i32) -> QueryResult<usize> {
    diesel::insert_into(tags::table)
        .values((tags::id.eq(id), tags::label.eq(format!("tag {id}"))))
        .execute(conn)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = plain_writes();
    cases.extend(every_shape_of_query());
    cases.extend(what_no_text_shows());
    cases.extend(transactions());
    cases.extend(harmless());
    cases.extend(bypasses());
    cases
}

fn plain_writes() -> Vec<Case> {
    vec![
        miss(
            "insert",
            all_posts,
            Run(|w| {
                diesel::insert_into(posts::table)
                    .values((
                        posts::id.eq(5),
                        posts::author_id.eq(1),
                        posts::title.eq("five"),
                        posts::published.eq(true),
                        posts::views.eq(1),
                    ))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "insert of a struct",
            counted,
            Run(|w| {
                let post = Post {
                    id: 6,
                    author_id: 3,
                    title: String::new(),
                    views: 0,
                    published: false,
                };
                diesel::insert_into(posts::table)
                    .values(&post)
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "insert of several rows",
            all_tags,
            Run(|w| {
                let rows: Vec<_> = (3..9)
                    .map(|id| (tags::id.eq(id), tags::label.eq(id.to_string())))
                    .collect();
                diesel::insert_into(tags::table)
                    .values(&rows)
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "insert from a select",
            all_tags,
            Run(|w| {
                diesel::insert_into(tags::table)
                    .values(
                        posts::table
                            .filter(posts::id.gt(2))
                            .select((posts::id, posts::title)),
                    )
                    .into_columns((tags::id, tags::label))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "update by key",
            by_key,
            Run(|w| {
                set_views(&mut w.b, 1, 99).unwrap();
            }),
        ),
        miss(
            "update on the reading connection itself",
            by_key,
            Run(|w| {
                set_views(&mut w.a, 1, 99).unwrap();
            }),
        ),
        miss(
            "update by a changeset",
            by_key,
            Run(|w| {
                let mut post: Post = posts::table.find(1).first(&mut w.b).unwrap();
                post.title = "changed".to_owned();
                diesel::update(&post).set(&post).execute(&mut w.b).unwrap();
            }),
        ),
        miss(
            "update of several rows",
            results,
            Run(|w| {
                diesel::update(posts::table.filter(posts::author_id.eq(2)))
                    .set((
                        posts::views.eq(posts::views + 1),
                        posts::published.eq(false),
                    ))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "update of every row",
            total,
            Run(|w| {
                diesel::update(posts::table)
                    .set(posts::views.eq(posts::views * 2))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "the same update twice, a read in between",
            by_key,
            Run(|w| {
                set_views(&mut w.b, 1, 50).unwrap();
                assert!(by_key(&mut w.a, None).contains("50"));
                assert!(by_key(&mut w.a, Some(&diesel_cache::Report::new())).contains("50"));
                set_views(&mut w.b, 1, 60).unwrap();
            }),
        ),
        miss(
            "update of one column to null",
            all_authors,
            Run(|w| {
                diesel::update(authors::table.find(1))
                    .set(authors::country.eq(None::<String>))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "delete by key",
            all_comments,
            Run(|w| {
                diesel::delete(comments::table.find(2))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "delete of a filter",
            all_comments,
            Run(|w| {
                diesel::delete(comments::table.filter(comments::score.is_null()))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "delete of every row",
            all_comments,
            Run(|w| {
                diesel::delete(comments::table).execute(&mut w.b).unwrap();
            }),
        ),
        miss(
            "delete by a subselect",
            all_comments,
            Sql("DELETE FROM comments WHERE post_id IN (SELECT id FROM posts WHERE views < 15)"),
        ),
        miss(
            "cascading update of the key of several",
            all_reviews,
            Sql("UPDATE authors SET id = id + 100, name = 'moved' WHERE id > 1"),
        ),
        miss(
            "update by a subselect",
            all_posts,
            Sql("UPDATE posts SET views = 0 WHERE id IN (SELECT post_id FROM comments)"),
        ),
        miss(
            "update from a subselect",
            all_reviews,
            Sql(
                "UPDATE reviews SET body = (SELECT name FROM authors WHERE authors.id = 1) WHERE id = 3",
            ),
        ),
        miss(
            "sql_query with binds",
            by_key,
            Run(|w| {
                let sql = if super::engine::NAME == "postgres" {
                    "UPDATE posts SET views = $1 WHERE id = $2"
                } else {
                    "UPDATE posts SET views = ? WHERE id = ?"
                };
                diesel::sql_query(sql)
                    .bind::<diesel::sql_types::Integer, _>(77)
                    .bind::<diesel::sql_types::Integer, _>(1)
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "several statements at once, the write last",
            by_key,
            Batch("SELECT 1; SELECT 2; UPDATE posts SET views = 5 WHERE id = 1;"),
        ),
        miss(
            "several statements at once, the write first",
            by_key,
            Batch(
                "UPDATE posts SET views = 5 WHERE id = 1; SELECT 1; UPDATE tags SET label = 'x' WHERE id = 1",
            ),
        ),
        miss(
            "delete and insert of the same key at once",
            by_key,
            Batch(
                "DELETE FROM posts WHERE id = 1; INSERT INTO posts VALUES (1, 3, 'again', 0, TRUE)",
            ),
        ),
        miss(
            "a comment before the write",
            by_key,
            Sql("/* SELECT */ UPDATE posts SET views = 5 WHERE id = 1"),
        ),
        miss(
            "a line of comment before the write",
            by_key,
            Sql("-- SELECT 1;\nUPDATE posts SET views = 5 WHERE id = 1"),
        ),
        miss(
            "comments within the write",
            by_key,
            Sql("UPDATE/**/posts /* tags */ SET -- x\n views=5 WHERE id=1"),
        ),
        miss(
            "odd case and white space",
            by_key,
            Sql(" \n\t uPdAtE\n posts\tsEt views =5 wHeRe id= 1 "),
        ),
        miss(
            "quotes and semicolons within strings",
            all_tags,
            Batch(
                "INSERT INTO tags VALUES (7, 'it''s; COMMIT; --'); INSERT INTO tags VALUES (8, '/*')",
            ),
        ),
        miss(
            "two attached writers",
            by_key,
            Run(|w| {
                let mut other = w.attached();
                set_views(&mut w.b, 1, 1).unwrap();
                set_views(&mut other, 1, 2).unwrap();
            }),
        ),
        miss(
            "a writer that was attached later and is gone",
            by_key,
            Run(|w| {
                let mut other = w.attached();
                set_views(&mut other, 1, 2).unwrap();
            }),
        ),
        miss(
            "a pooled writer",
            by_key,
            Run(|w| {
                let manager = diesel::r2d2::ConnectionManager::<Conn>::new(w.arena.url());
                let pool = diesel::r2d2::Pool::builder()
                    .max_size(1)
                    .connection_customizer(w.cache.customizer())
                    .build(manager)
                    .unwrap();
                let mut conn = pool.get().unwrap();
                diesel::update(posts::table.find(1))
                    .set(posts::views.eq(3))
                    .execute(&mut conn)
                    .unwrap();
            }),
        ),
    ]
}

fn every_shape_of_query() -> Vec<Case> {
    const HIGH: &str = "UPDATE posts SET views = 90 WHERE id = 2";
    vec![
        miss(
            "boxed",
            boxed,
            Sql("UPDATE posts SET published = TRUE WHERE id = 2"),
        ),
        miss(
            "two filters",
            by_filter,
            Sql("UPDATE posts SET author_id = 3 WHERE id = 2"),
        ),
        miss("or, between, like", by_or, Sql(HIGH)),
        miss(
            "join, its first table",
            joined,
            Sql("UPDATE posts SET title = 'x' WHERE id = 3"),
        ),
        miss(
            "join, its second table",
            joined,
            Sql("UPDATE authors SET name = 'x' WHERE id = 1"),
        ),
        miss(
            "three tables, the last",
            three_joined,
            Sql("UPDATE authors SET name = 'x' WHERE id = 1"),
        ),
        miss(
            "three tables, the first",
            three_joined,
            Sql("DELETE FROM comments WHERE id = 3"),
        ),
        miss(
            "left join, the optional side",
            left_joined,
            Sql("INSERT INTO reviews VALUES (9, 3, 'late')"),
        ),
        miss(
            "left join, the mandatory side",
            left_joined,
            Sql("INSERT INTO authors VALUES (9, 'zoe', NULL)"),
        ),
        miss(
            "a table joined with itself",
            aliased,
            Sql("UPDATE posts SET title = 'x' WHERE id = 4"),
        ),
        miss("in a subselect, the inner table", in_subselect, Sql(HIGH)),
        miss(
            "in a subselect, the outer table",
            in_subselect,
            Sql("UPDATE authors SET country = 'us' WHERE id = 2"),
        ),
        miss(
            "in a list of values",
            in_values,
            Sql("UPDATE posts SET title = 'x' WHERE id = 2"),
        ),
        miss(
            "exists, the inner table",
            with_posts,
            Sql("INSERT INTO posts VALUES (7, 3, 'seven', 0, FALSE)"),
        ),
        miss(
            "not exists, the inner table",
            without_posts,
            Sql("INSERT INTO posts VALUES (7, 3, 'seven', 0, FALSE)"),
        ),
        miss("select exists", any_popular, Sql(HIGH)),
        miss(
            "union, the first table",
            of_two_tables,
            Sql("UPDATE posts SET title = 'x' WHERE id = 2"),
        ),
        miss(
            "union, the second table",
            of_two_tables,
            Sql("INSERT INTO authors VALUES (9, 'zoe', NULL)"),
        ),
        miss(
            "group by and having",
            grouped,
            Sql("UPDATE posts SET author_id = 3 WHERE id = 2"),
        ),
        miss("order and limit", top_two, Sql(HIGH)),
        miss(
            "limit and offset",
            second_page,
            Sql("DELETE FROM posts WHERE id = 2"),
        ),
        miss(
            "distinct",
            distinct,
            Sql("UPDATE posts SET published = TRUE WHERE id = 2"),
        ),
        miss("count", counted, Sql("DELETE FROM posts WHERE id = 2")),
        miss("max", most, Sql(HIGH)),
        miss("sum", total, Sql(HIGH)),
        miss("an expression given as text", computed, Sql(HIGH)),
        miss(
            "an optional column",
            countries,
            Sql("UPDATE authors SET country = NULL WHERE id = 1"),
        ),
        miss(
            "is null",
            without_country,
            Sql("UPDATE authors SET country = NULL WHERE id = 1"),
        ),
        miss(
            "optional(), from nothing to something",
            optional_ninth,
            Sql("INSERT INTO posts VALUES (9, 1, 'nine', 0, FALSE)"),
        ),
        miss(
            "optional(), from something to nothing",
            optional_ninth,
            Sql("DELETE FROM posts WHERE id = 9"),
        )
        .setup("INSERT INTO posts VALUES (9, 1, 'nine', 0, FALSE)"),
        miss(
            "nested tuples",
            nested,
            Sql("UPDATE authors SET country = 'us' WHERE id = 2"),
        ),
        miss("as_select", by_two, Sql(HIGH)),
        miss(
            "load_iter",
            iterated,
            Sql("UPDATE posts SET title = '' WHERE id = 2"),
        ),
        miss("get_results", results, Sql(HIGH)),
        miss(
            "belonging_to and grouped_by",
            belonging,
            Sql("UPDATE posts SET author_id = 2 WHERE id = 1"),
        ),
        miss(
            "sql_query read with binds",
            raw_with_binds,
            Sql("UPDATE posts SET views = 1 WHERE id = 3"),
        ),
        miss("cte, its first table", cte, Sql(HIGH)),
        miss(
            "cte, its second table",
            cte,
            Sql("UPDATE authors SET name = 'cid' WHERE id = 2"),
        ),
        miss(
            "recursive cte",
            recursive,
            Sql("INSERT INTO posts VALUES (6, 1, 'six', 0, TRUE)"),
        ),
        miss(
            "a cte with the name of a table",
            shadowing,
            Sql("UPDATE watched SET label = 'x' WHERE id = 1"),
        ),
        miss(
            "a derived table",
            derived,
            Sql("UPDATE comments SET score = 50 WHERE id = 1"),
        ),
        miss(
            "a view",
            of_view,
            Sql("UPDATE posts SET title = 'x' WHERE id = 1"),
        ),
        miss(
            "a view, a row enters",
            of_view,
            Sql("UPDATE posts SET published = TRUE WHERE id = 2"),
        ),
        miss(
            "a view over a view",
            of_view_of_view,
            Sql("UPDATE posts SET title = 'x' WHERE id = 1"),
        ),
    ]
}

fn what_no_text_shows() -> Vec<Case> {
    vec![
        miss(
            "cascading delete",
            all_posts,
            Run(|w| {
                diesel::delete(authors::table.find(2))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "cascading delete, two levels",
            all_comments,
            Run(|w| {
                diesel::delete(authors::table.find(1))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "cascading delete, two levels, a join",
            three_joined,
            Sql("DELETE FROM authors WHERE id = 2"),
        ),
        miss(
            "cascading set null",
            all_reviews,
            Run(|w| {
                diesel::delete(authors::table.find(1))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "cascading update",
            all_posts,
            Sql("UPDATE authors SET id = 40 WHERE id = 1"),
        ),
        miss(
            "cascading update, another child",
            all_reviews,
            Run(|w| {
                diesel::update(authors::table.find(1))
                    .set(authors::id.eq(41))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "cascading update of a child of a child",
            all_comments,
            Sql("UPDATE posts SET id = 50 WHERE id = 1"),
        ),
        miss(
            "cascading delete, seen through a view",
            of_view_of_view,
            Sql("DELETE FROM authors WHERE id = 2"),
        ),
        miss(
            "a trigger writes another table",
            all_audit,
            Run(|w| {
                diesel::insert_into(watched::table)
                    .values((watched::id.eq(2), watched::label.eq("seen")))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "a trigger made later",
            all_audit,
            Run(|w| {
                w.batch(super::dialect::LATE_TRIGGER);
                diesel::delete(tags::table.find(2))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        miss(
            "a cascade made later",
            all_reviews,
            Run(|w| {
                w.batch(
                    "DROP TABLE reviews; CREATE TABLE reviews (id INTEGER PRIMARY KEY, \
                 author_id INTEGER, body VARCHAR(99) NOT NULL, \
                 FOREIGN KEY (id) REFERENCES audit (id) ON DELETE CASCADE); \
                 INSERT INTO reviews VALUES (1, 1, 'child')",
                );
                let mut reader = w.attached();
                assert!(
                    all_reviews(&mut reader, Some(&diesel_cache::Report::new())).contains("child")
                );
                diesel::delete(audit::table.find(1))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        fresh(
            "add a column",
            all_tags,
            Sql("ALTER TABLE tags ADD COLUMN extra INTEGER"),
        ),
        miss(
            "rename a column",
            all_audit,
            Sql("ALTER TABLE audit RENAME COLUMN message TO text"),
        ),
        miss(
            "rename a table",
            all_audit,
            Sql("ALTER TABLE audit RENAME TO audited"),
        ),
        miss(
            "swap two tables",
            all_audit,
            Each(&[
                "ALTER TABLE audit RENAME TO old_audit",
                "CREATE TABLE audit (id INTEGER PRIMARY KEY, message VARCHAR(99) NOT NULL)",
                "INSERT INTO audit VALUES (7, 'new')",
            ]),
        ),
        miss("drop a table", all_reviews, Sql("DROP TABLE reviews")),
        miss(
            "drop and create a table at once",
            all_reviews,
            Batch(
                "DROP TABLE reviews; CREATE TABLE reviews (id INTEGER PRIMARY KEY, \
             author_id INTEGER, body VARCHAR(99) NOT NULL); INSERT INTO reviews VALUES (1, 1, 'new')",
            ),
        ),
        fresh(
            "create an index",
            all_posts,
            Sql("CREATE INDEX by_views ON posts (views)"),
        ),
        miss(
            "another view of that name",
            of_view,
            Batch(
                "DROP VIEW early_posts; DROP VIEW published_posts; CREATE VIEW published_posts AS \
             SELECT id, id AS author_id, label AS title FROM tags",
            ),
        ),
        miss(
            "the new base of a view",
            of_view_of_view,
            Run(|w| {
                w.batch(
                    "DROP VIEW early_posts; \
                 CREATE VIEW early_posts AS SELECT id, label AS title FROM tags",
                );
                let rows = of_view_of_view(&mut w.a, Some(&diesel_cache::Report::new()));
                assert!(rows.contains("red"), "{rows}");
                add_tag(&mut w.b, 5).unwrap();
            }),
        ),
    ]
}

fn transactions() -> Vec<Case> {
    vec![
        miss(
            "a transaction",
            by_key,
            Run(|w| {
                w.b.transaction(|conn| set_views(conn, 1, 11)).unwrap();
            }),
        ),
        miss(
            "a transaction on the reading connection",
            by_key,
            Run(|w| {
                w.a.transaction(|conn| set_views(conn, 1, 11)).unwrap();
            }),
        ),
        miss(
            "raw begin and commit in one text",
            by_key,
            Batch("BEGIN; UPDATE posts SET views = 5 WHERE id = 1; COMMIT"),
        ),
        miss(
            "raw begin and commit in several texts",
            by_key,
            Each(&["BEGIN", "UPDATE posts SET views = 5 WHERE id = 1", "COMMIT"]),
        ),
        miss(
            "a text that ends one transaction and leaves another open",
            by_key,
            Batch("BEGIN; UPDATE posts SET views = 5 WHERE id = 1; COMMIT; BEGIN"),
        ),
        miss(
            "raw begin, a read on each side, commit",
            by_key,
            Run(|w| {
                w.batch("BEGIN");
                set_views(&mut w.b, 1, 5).unwrap();
                let report = diesel_cache::Report::new();
                by_key(&mut w.b, Some(&report));
                by_key(&mut w.a, Some(&report));
                w.batch("COMMIT");
            }),
        ),
        miss(
            "a savepoint",
            by_key,
            Run(|w| {
                w.b.transaction(|conn| conn.transaction(|conn| set_views(conn, 1, 12)))
                    .unwrap();
            }),
        ),
        miss(
            "three levels",
            by_key,
            Run(|w| {
                w.b.transaction(|conn| {
                    conn.transaction(|conn| {
                        add_tag(conn, 8)?;
                        conn.transaction(|conn| set_views(conn, 1, 13))
                    })
                })
                .unwrap();
            }),
        ),
        miss(
            "written outside of the savepoint that is rolled back",
            by_key,
            Run(|w| {
                w.b.transaction(|conn| {
                    set_views(conn, 1, 14)?;
                    let inner = conn.transaction::<(), Error, _>(|conn| {
                        set_views(conn, 1, 15)?;
                        Err(Error::RollbackTransaction)
                    });
                    assert!(inner.is_err());
                    QueryResult::Ok(())
                })
                .unwrap();
            }),
        ),
        miss(
            "written after the savepoint that is rolled back",
            by_key,
            Run(|w| {
                w.b.transaction(|conn| {
                    let inner = conn.transaction::<(), Error, _>(|conn| {
                        add_tag(conn, 8)?;
                        Err(Error::RollbackTransaction)
                    });
                    assert!(inner.is_err());
                    set_views(conn, 1, 14)
                })
                .unwrap();
            }),
        ),
        miss(
            "raw savepoints of one name",
            by_key,
            Each(&[
                "BEGIN",
                "SAVEPOINT s",
                "UPDATE posts SET views = 21 WHERE id = 1",
                "SAVEPOINT s",
                "UPDATE tags SET label = 'x' WHERE id = 1",
                "ROLLBACK TO SAVEPOINT s",
                "RELEASE SAVEPOINT s",
                "COMMIT",
            ]),
        ),
        miss(
            "a cascade in a transaction",
            all_comments,
            Run(|w| {
                w.b.transaction(|conn| diesel::delete(authors::table.find(1)).execute(conn))
                    .unwrap();
            }),
        ),
        miss(
            "a transaction after one rolled back",
            by_key,
            Run(|w| {
                let rolled_back = w.b.transaction::<(), Error, _>(|conn| {
                    add_tag(conn, 8)?;
                    Err(Error::RollbackTransaction)
                });
                assert!(rolled_back.is_err());
                w.b.transaction(|conn| set_views(conn, 1, 12)).unwrap();
            }),
        ),
        miss(
            "autocommit after a failed transaction",
            by_key,
            Run(|w| {
                let failed = w.b.transaction::<(), Error, _>(|conn| {
                    add_tag(conn, 1)?;
                    Ok(())
                });
                assert!(failed.is_err());
                set_views(&mut w.b, 1, 12).unwrap();
            }),
        ),
        fresh(
            "an error swallowed in a transaction",
            by_key,
            Run(|w| {
                let _ = w.b.transaction::<(), Error, _>(|conn| {
                    set_views(conn, 1, 12)?;
                    let _ = add_tag(conn, 1);
                    Ok(())
                });
            }),
        ),
        fresh(
            "an error swallowed in a savepoint",
            by_key,
            Run(|w| {
                w.b.transaction::<(), Error, _>(|conn| {
                    set_views(conn, 1, 12)?;
                    let inner = conn.transaction(|conn| add_tag(conn, 1));
                    assert!(inner.is_err());
                    Ok(())
                })
                .unwrap();
            }),
        ),
        fresh(
            "a panic in a transaction, the connection dropped",
            by_key,
            Run(|w| {
                let mut conn = w.attached();
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    conn.transaction::<(), Error, _>(|conn| {
                        set_views(conn, 1, 12)?;
                        std::panic::resume_unwind(Box::new("on purpose"))
                    })
                }));
                assert!(panicked.is_err());
            }),
        ),
        miss(
            "a panic in a transaction, committed afterwards",
            by_key,
            Run(|w| {
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    w.b.transaction::<(), Error, _>(|conn| {
                        set_views(conn, 1, 12)?;
                        std::panic::resume_unwind(Box::new("on purpose"))
                    })
                }));
                assert!(panicked.is_err());
                w.batch("COMMIT");
            }),
        ),
        hit(
            "a panic in a transaction, rolled back afterwards",
            by_key,
            Run(|w| {
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    w.b.transaction::<(), Error, _>(|conn| {
                        set_views(conn, 1, 12)?;
                        std::panic::resume_unwind(Box::new("on purpose"))
                    })
                }));
                assert!(panicked.is_err());
                w.batch("ROLLBACK");
            }),
        ),
        fresh(
            "a transaction left open, the connection dropped",
            by_key,
            Run(|w| {
                let mut conn = w.attached();
                conn.batch_execute("BEGIN; UPDATE posts SET views = 12 WHERE id = 1")
                    .unwrap();
            }),
        ),
        fresh(
            "a batch that fails in the middle",
            by_key,
            Fails("UPDATE posts SET views = 12 WHERE id = 1; INSERT INTO tags VALUES (1, 'twice')"),
        ),
    ]
}

fn harmless() -> Vec<Case> {
    vec![
        hit("nothing", all_posts, Run(|_| {})),
        hit(
            "insert into another table",
            all_posts,
            Run(|w| {
                add_tag(&mut w.b, 9).unwrap();
            }),
        ),
        hit(
            "update of another table",
            all_posts,
            Run(|w| {
                diesel::update(tags::table.find(1))
                    .set(tags::label.eq("x"))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        hit(
            "delete from a child",
            joined,
            Run(|w| {
                diesel::delete(comments::table.find(1))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        hit(
            "insert into a parent",
            all_posts,
            Sql("INSERT INTO authors VALUES (8, 'x', NULL)"),
        ),
        hit(
            "update of a parent, its key left alone",
            all_posts,
            Run(|w| {
                diesel::update(authors::table.find(1))
                    .set(authors::name.eq("x"))
                    .execute(&mut w.b)
                    .unwrap();
            }),
        ),
        hit(
            "another table from this one",
            all_posts,
            Sql("INSERT INTO audit SELECT id + 10, title FROM posts"),
        ),
        hit(
            "update of another table by this one",
            all_posts,
            Sql("UPDATE tags SET label = 'x' WHERE id = (SELECT MIN(author_id) FROM posts)"),
        ),
        hit(
            "a table that the view does not read",
            of_view_of_view,
            Sql("DELETE FROM comments WHERE id = 1"),
        ),
        hit(
            "a table that the cte hides",
            shadowing,
            Sql("DELETE FROM comments WHERE id = 1"),
        ),
        hit(
            "a transaction on another table",
            joined,
            Run(|w| {
                w.b.transaction(|conn| add_tag(conn, 9)).unwrap();
            }),
        ),
        hit(
            "a transaction rolled back",
            all_posts,
            Run(|w| {
                let rolled_back = w.b.transaction::<(), Error, _>(|conn| {
                    set_views(conn, 1, 12)?;
                    diesel::delete(authors::table.find(2)).execute(conn)?;
                    Err(Error::RollbackTransaction)
                });
                assert!(rolled_back.is_err());
            }),
        ),
        hit(
            "a raw rollback",
            by_key,
            Each(&[
                "BEGIN",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "ROLLBACK",
            ]),
        ),
        hit(
            "a savepoint rolled back, and commit",
            by_key,
            Run(|w| {
                w.b.transaction::<(), Error, _>(|conn| {
                    let inner = conn.transaction::<(), Error, _>(|conn| {
                        set_views(conn, 1, 12)?;
                        Err(Error::RollbackTransaction)
                    });
                    assert!(inner.is_err());
                    Ok(())
                })
                .unwrap();
            }),
        ),
        hit(
            "a savepoint rolled back, another table written",
            by_key,
            Run(|w| {
                w.b.transaction(|conn| {
                    let inner = conn.transaction::<(), Error, _>(|conn| {
                        set_views(conn, 1, 12)?;
                        Err(Error::RollbackTransaction)
                    });
                    assert!(inner.is_err());
                    add_tag(conn, 9)
                })
                .unwrap();
            }),
        ),
        hit(
            "a released savepoint in a rolled back one",
            by_key,
            Each(&[
                "BEGIN",
                "SAVEPOINT outer_one",
                "SAVEPOINT inner_one",
                "UPDATE posts SET views = 5 WHERE id = 1",
                "RELEASE SAVEPOINT inner_one",
                "ROLLBACK TO SAVEPOINT outer_one",
                "COMMIT",
            ]),
        ),
        hit(
            "an empty transaction",
            by_key,
            Run(|w| {
                w.b.transaction::<(), Error, _>(|_| Ok(())).unwrap();
            }),
        ),
        hit(
            "an empty raw transaction in one text",
            by_key,
            Batch("BEGIN; COMMIT"),
        ),
        hit(
            "an empty transaction rolled back",
            by_key,
            Batch("BEGIN; ROLLBACK"),
        ),
        hit(
            "reads in a transaction",
            by_key,
            Run(|w| {
                w.b.transaction(|conn| posts::table.load::<Post>(conn))
                    .unwrap();
            }),
        ),
        hit(
            "an open transaction that wrote it",
            by_key,
            Each(&["BEGIN", "UPDATE posts SET views = 5 WHERE id = 1"]),
        ),
        hit(
            "an uncached read",
            by_key,
            Run(|w| {
                all_posts(&mut w.b, None);
                joined(&mut w.b, None);
            }),
        ),
        hit(
            "other cached reads",
            by_key,
            Run(|w| {
                let report = diesel_cache::Report::new();
                for read in [all_posts, joined, grouped, of_view, belonging] {
                    read(&mut w.b, Some(&report));
                }
            }),
        ),
        hit(
            "several reads at once",
            by_key,
            Batch("SELECT 1; SELECT 2; SELECT COUNT(*) FROM posts"),
        ),
        hit(
            "explain",
            by_key,
            Run(|w| {
                w.batch("EXPLAIN SELECT * FROM posts WHERE id = 1");
            }),
        ),
        hit(
            "explain of a write",
            by_key,
            Run(|w| {
                w.batch("EXPLAIN UPDATE posts SET views = 1 WHERE id = 1");
            }),
        ),
        hit(
            "a text of comments alone",
            by_key,
            Run(|w| {
                // MySQL and PostgreSQL refuse or ignore it.
                let _ = w.b.batch_execute("/* nothing */");
            }),
        ),
        hit(
            "a connection that came and went",
            by_key,
            Run(|w| {
                let mut conn = w.attached();
                add_tag(&mut conn, 9).unwrap();
            }),
        ),
        hit(
            "a violated constraint of another table",
            by_key,
            Run(|w| {
                add_tag(&mut w.b, 1).unwrap_err();
            }),
        ),
        hit(
            "a query that fails",
            by_key,
            Run(|w| {
                diesel::sql_query("SELECT no_such_column FROM posts")
                    .execute(&mut w.b)
                    .unwrap_err();
            }),
        ),
        hit(
            "a query of a table that is not there",
            by_key,
            Run(|w| {
                reviews::table
                    .filter(diesel::dsl::sql::<diesel::sql_types::Bool>("nowhere = 1"))
                    .count()
                    .get_result::<i64>(&mut w.b)
                    .unwrap_err();
            }),
        ),
        fresh(
            "a temporary table",
            by_key,
            Each(&[
                "CREATE TEMPORARY TABLE scratch (id INTEGER)",
                "INSERT INTO scratch VALUES (1)",
                "UPDATE scratch SET id = 2",
            ]),
        ),
    ]
}

fn bypasses() -> Vec<Case> {
    vec![
        bypass(Bypass::OwnWrites, "own uncommitted write", by_key, Each(&[
            "BEGIN",
            "UPDATE posts SET views = 5 WHERE id = 1",
        ]))
        .on_writer(),
        bypass(Bypass::OwnWrites, "own uncommitted cascade", all_comments, Each(&[
            "BEGIN",
            "DELETE FROM authors WHERE id = 1",
        ]))
        .on_writer(),
        bypass(Bypass::OwnWrites, "own uncommitted write, seen through a view", of_view, Each(&[
            "BEGIN",
            "UPDATE posts SET title = 'x' WHERE id = 1",
        ]))
        .on_writer(),
        bypass(Bypass::OwnWrites, "own uncommitted write in a savepoint released", by_key, Each(&[
            "BEGIN",
            "SAVEPOINT s",
            "UPDATE posts SET views = 5 WHERE id = 1",
            "RELEASE SAVEPOINT s",
        ]))
        .on_writer(),
        bypass(Bypass::Disabled, "the cache switched off", by_key, Run(|w| {
            w.cache.set_enabled(false);
            set_views(&mut w.b, 1, 5).unwrap();
        })),
        bypass(Bypass::Unattached, "a connection that is not attached", by_key, Run(|w| {
            set_views(&mut w.b, 1, 5).unwrap();
            w.a = w.arena.connect();
        })),
        bypass(Bypass::UnknownFunction, "a function nobody declared", user_function, Run(|_| {}))
            .cold(),
        bypass(Bypass::Volatile, "the time", the_time, Run(|_| {})).cold(),
        bypass(Bypass::Uncacheable, "a temporary table hides a real one", all_audit, Run(|w| {
            w.b.batch_execute(
                "CREATE TEMPORARY TABLE audit (id INTEGER PRIMARY KEY, message VARCHAR(99) NOT NULL)",
            )
            .unwrap();
        }))
        .on_writer(),
        miss("written while the cache was off", by_key, Run(|w| {
            w.cache.set_enabled(false);
            set_views(&mut w.b, 1, 5).unwrap();
            w.cache.set_enabled(true);
        })),
        miss("an explicit invalidation", by_key, Run(|w| {
            set_views(&mut w.arena.connect(), 1, 5).unwrap();
            w.cache.invalidate_table("Posts");
        })),
        miss("an explicit clear", by_key, Run(|w| {
            set_views(&mut w.arena.connect(), 1, 5).unwrap();
            w.cache.clear();
        })),
    ]
}

raw! {
    user_function: Number = "SELECT my_function(1) AS n";
    the_time: Number = "SELECT 1 AS n FROM posts WHERE id = 1 AND CURRENT_TIMESTAMP IS NOT NULL";
}
