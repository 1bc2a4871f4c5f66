use super::{
    ALL, Mysql, Postgres, Refusal, Sqlite, assert_reads, assert_refused, assert_steps,
    assert_unknown_functions, names, read, steps,
};
use crate::footprint::analysis::Step;

#[test]
fn what_diesel_prints() {
    for (sql, relations) in [
        (
            r#"SELECT "posts"."id", "posts"."title" FROM "posts" WHERE ("posts"."id" = $1) LIMIT $2"#,
            &["posts"][..],
        ),
        (
            r#"SELECT "users"."id" FROM ("users" INNER JOIN "posts" ON ("posts"."author_id" = "users"."id")) WHERE ("posts"."published" = $1)"#,
            &["posts", "users"],
        ),
        (
            r#"SELECT "users"."id" FROM (("users" LEFT OUTER JOIN "posts" ON ("posts"."author_id" = "users"."id")) INNER JOIN "tags" ON ("tags"."post_id" = "posts"."id"))"#,
            &["posts", "tags", "users"],
        ),
        (r#"SELECT count(*) FROM "posts""#, &["posts"]),
        (
            r#"SELECT DISTINCT "posts"."title" FROM "posts" ORDER BY "posts"."title" DESC LIMIT $1 OFFSET $2"#,
            &["posts"],
        ),
        (
            r#"SELECT DISTINCT ON ("posts"."a") "posts"."title" FROM "posts""#,
            &["posts"],
        ),
        (
            r#"SELECT "users"."id" FROM "users" WHERE (EXISTS (SELECT "posts"."id" FROM "posts" WHERE ("posts"."author_id" = "users"."id")))"#,
            &["posts", "users"],
        ),
        (
            r#"SELECT EXISTS (SELECT "posts"."id" FROM "posts")"#,
            &["posts"],
        ),
        (
            r#"SELECT "users"."id" FROM "users" WHERE ("users"."id" = ANY($1))"#,
            &["users"],
        ),
        (
            r#"SELECT "users"."id" FROM "users" WHERE ("users"."id" = ANY((SELECT "posts"."author_id" FROM "posts")))"#,
            &["posts", "users"],
        ),
        (
            r#"SELECT "users"."id" FROM "users" WHERE ("users"."id" IN (SELECT "posts"."author_id" FROM "posts"))"#,
            &["posts", "users"],
        ),
        (
            r#"(SELECT "users"."id" FROM "users") UNION (SELECT "posts"."id" FROM "posts")"#,
            &["posts", "users"],
        ),
        (
            r#"SELECT "u1"."id" FROM ("users" AS "u1" INNER JOIN "users" AS "u2" ON ("u1"."id" = "u2"."boss"))"#,
            &["users"],
        ),
        (
            r#"SELECT "posts"."id" FROM "posts" WHERE ("posts"."a" IS NOT DISTINCT FROM $1)"#,
            &["posts"],
        ),
        (
            r#"SELECT CASE WHEN ("users"."id" = $1) THEN $2 ELSE $3 END FROM "users""#,
            &["users"],
        ),
        (
            r#"SELECT "posts"."tags" FROM "posts" WHERE ("posts"."tags" @> $1) AND ("posts"."tags" && $2) AND ("posts"."d" ->> $3 = $4) AND ("posts"."d" ? $5)"#,
            &["posts"],
        ),
        (
            r#"SELECT sum("posts"."n"), max("posts"."n"), CAST("posts"."n" AS BIGINT), lower("posts"."t") FROM "posts" GROUP BY "posts"."id" HAVING (count("posts"."id") > $1)"#,
            &["posts"],
        ),
        (
            r#"SELECT "posts"."at" AT TIME ZONE $1 FROM "posts" WHERE ("posts"."t" ILIKE $2) AND ("posts"."t" SIMILAR TO $3)"#,
            &["posts"],
        ),
        (
            r#"SELECT rank() OVER (PARTITION BY "posts"."a" ORDER BY "posts"."b") FROM "posts""#,
            &["posts"],
        ),
    ] {
        assert_reads(sql, Postgres, relations);
    }
    for dialect in [Mysql, Sqlite] {
        for (sql, relations) in [
            (
                "SELECT `posts`.`id`, `posts`.`title` FROM `posts` WHERE (`posts`.`id` = ?) LIMIT ?",
                &["posts"][..],
            ),
            (
                "SELECT `users`.`id` FROM (`users` INNER JOIN `posts` ON (`posts`.`author_id` = `users`.`id`))",
                &["posts", "users"],
            ),
            (
                "SELECT `users`.`id` FROM `users` WHERE (`users`.`id` IN (?, ?, ?))",
                &["users"],
            ),
            (
                "SELECT `users`.`id` FROM `users` WHERE (`users`.`name` LIKE ?)",
                &["users"],
            ),
            (
                "SELECT EXISTS (SELECT `posts`.`id` FROM `posts`)",
                &["posts"],
            ),
            ("SELECT `users`.`id` FROM `users` WHERE 0=1", &["users"]),
            (
                "SELECT `users`.`id` FROM `users` UNION ALL SELECT `posts`.`id` FROM `posts`",
                &["posts", "users"],
            ),
            (
                "SELECT `u1`.`id` FROM (`users` AS `u1` LEFT OUTER JOIN `users` AS `u2` ON (`u1`.`id` = `u2`.`boss`))",
                &["users"],
            ),
        ] {
            assert_reads(sql, dialect, relations);
        }
    }
    assert_reads(
        "SELECT `a`.`b` FROM `a` WHERE (`a`.`b` <=> ?)",
        Mysql,
        &["a"],
    );
    assert_reads(
        "SELECT `a`.`b` FROM `a` WHERE (`a`.`b` IS ?)",
        Sqlite,
        &["a"],
    );
    assert_reads(
        "SELECT `a`.`b` FROM `a` WHERE (`a`.`b` IS NOT ?) AND c IS NOT NULL AND d IS NULL",
        Sqlite,
        &["a"],
    );
}

#[test]
fn names_are_bare_unquoted_lower_case() {
    for dialect in ALL {
        assert_reads("SELECT 1 FROM Blog.Posts AS P", dialect, &["posts"]);
    }
    assert_reads(r#"SELECT 1 FROM "Blog"."Posts""#, Postgres, &["posts"]);
    assert_reads("SELECT 1 FROM `Blog`.`Posts`", Mysql, &["posts"]);
    assert_reads(
        "SELECT 1 FROM [Posts], 'Users'",
        Sqlite,
        &["posts", "users"],
    );
}

#[test]
fn everywhere_a_relation_can_stand() {
    for dialect in ALL {
        assert_reads("SELECT * FROM a, b CROSS JOIN c", dialect, &["a", "b", "c"]);
        assert_reads(
            "SELECT (SELECT max(x) FROM a) FROM b ORDER BY (SELECT 1 FROM c) LIMIT 1",
            dialect,
            &["a", "b", "c"],
        );
        assert_reads(
            "SELECT * FROM (SELECT * FROM (SELECT * FROM a) x) y",
            dialect,
            &["a"],
        );
        assert_reads(
            "SELECT 1 FROM a UNION SELECT 1 FROM b UNION ALL SELECT 1 FROM c",
            dialect,
            &["a", "b", "c"],
        );
        assert_reads(
            "SELECT 1 FROM a WHERE x IN (SELECT 1 FROM b WHERE y > (SELECT 1 FROM c))",
            dialect,
            &["a", "b", "c"],
        );
        assert_reads(
            "SELECT 1 FROM a GROUP BY x HAVING count(*) > (SELECT count(*) FROM b)",
            dialect,
            &["a", "b"],
        );
        assert_reads(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM b) THEN 1 ELSE (SELECT 1 FROM c) END FROM a",
            dialect,
            &["a", "b", "c"],
        );
        assert_reads("VALUES (1, 2)", dialect, &[]);
        assert_reads("SELECT 1", dialect, &[]);
        let access = read(
            "WITH x AS (SELECT 1 FROM t), y AS (SELECT 1 FROM x) SELECT 1 FROM y, u",
            dialect,
        );
        assert_eq!(access.ctes, names(&["x", "y"]));
    }
    assert_reads(
        "SELECT 1 FROM a NATURAL JOIN b JOIN c USING (id) LEFT JOIN LATERAL (SELECT 1 FROM d) x ON true",
        Postgres,
        &["a", "b", "c", "d"],
    );
    assert_reads(
        "SELECT array(SELECT x FROM a), sum(x) FILTER (WHERE x > (SELECT 1 FROM c)) FROM b",
        Postgres,
        &["a", "b", "c"],
    );
    assert_reads("SELECT 1 FROM DUAL", Mysql, &[]);
    assert_reads("SELECT 1 FROM `dual`", Mysql, &["dual"]);
    assert_reads(
        "SELECT 1 FROM a STRAIGHT_JOIN b ON a.x = b.x",
        Mysql,
        &["a", "b"],
    );
    assert_reads(
        "SELECT 1 FROM a USE INDEX (i) WHERE MATCH (t) AGAINST ('x' IN BOOLEAN MODE)",
        Mysql,
        &["a"],
    );
    assert_reads(
        "SELECT 1 FROM a INDEXED BY i JOIN b NOT INDEXED",
        Sqlite,
        &["a", "b"],
    );
}

#[test]
fn ctes_stay_in_the_set() {
    for dialect in ALL {
        assert_reads(
            "WITH posts AS (SELECT * FROM posts WHERE a) SELECT * FROM posts",
            dialect,
            &["posts"],
        );
        assert_reads(
            "WITH x(a, b) AS (SELECT 1, 2 FROM t) SELECT a FROM x",
            dialect,
            &["t", "x"],
        );
        assert_reads(
            "WITH unused AS (SELECT 1 FROM t) SELECT 1",
            dialect,
            &["t", "unused"],
        );
        assert_reads(
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT n FROM t",
            dialect,
            &["t"],
        );
    }
    assert_reads(
        "WITH x AS MATERIALIZED (SELECT 1 FROM t), y AS NOT MATERIALIZED (SELECT 1 FROM u) SELECT 1 FROM x, y",
        Postgres,
        &["t", "u", "x", "y"],
    );
}

#[test]
fn only_is_not_a_table() {
    for sql in [
        "SELECT * FROM ONLY posts",
        "SELECT * FROM ONLY (posts)",
        "SELECT * FROM only blog.posts AS p",
        "SELECT 1 FROM ONLY posts p WHERE p.a = 1",
    ] {
        assert_reads(sql, Postgres, &["posts"]);
    }
    assert_reads(
        "SELECT * FROM a, ONLY b JOIN ONLY c ON true",
        Postgres,
        &["a", "b", "c"],
    );
    assert_reads("SELECT * FROM a FETCH FIRST 3 ROWS ONLY", Postgres, &["a"]);
}

#[test]
fn table_command() {
    for dialect in [Postgres, Mysql] {
        assert_reads("TABLE posts", dialect, &["posts"]);
        assert_reads("TABLE posts ORDER BY id LIMIT 3", dialect, &["posts"]);
        assert_reads(
            "SELECT 1 FROM a UNION ALL TABLE posts",
            dialect,
            &["a", "posts"],
        );
        assert_reads("SELECT 1 FROM (TABLE posts) x", dialect, &["posts"]);
    }
    assert_reads(
        "WITH x AS (TABLE blog.posts) SELECT * FROM x",
        Postgres,
        &["posts", "x"],
    );
}

#[test]
fn table_functions_are_not_relations() {
    assert_reads(
        "SELECT n FROM generate_series(1, 3) AS g(n), posts",
        Postgres,
        &["posts"],
    );
    assert_reads(
        "SELECT * FROM posts, unnest(posts.tags) WITH ORDINALITY AS t(x, n)",
        Postgres,
        &["posts"],
    );
    assert_reads(
        "SELECT * FROM posts, LATERAL jsonb_to_recordset(posts.d) AS x(a int, b varchar(3))",
        Postgres,
        &["posts"],
    );
    assert_reads(
        "SELECT value FROM posts, json_each(posts.tags)",
        Sqlite,
        &["posts"],
    );
    assert_reads(
        "SELECT t.x FROM posts, JSON_TABLE(posts.d, '$[*]' COLUMNS (x INT PATH '$')) AS t",
        Mysql,
        &["posts"],
    );
    assert_unknown_functions("SELECT * FROM my_rows(1)", Postgres, &["my_rows"]);
    assert_unknown_functions(
        "SELECT * FROM blog.my_rows($1) AS r(a int)",
        Postgres,
        &["my_rows"],
    );
    assert_unknown_functions("SELECT * FROM my_rows(1)", Sqlite, &["my_rows"]);
    assert!(
        read("SELECT * FROM my_rows(1)", Postgres)
            .relations
            .is_empty()
    );
}

#[test]
fn locking_reads() {
    for (sql, dialect) in [
        ("SELECT 1 FROM a FOR UPDATE", Postgres),
        ("SELECT 1 FROM a FOR UPDATE", Mysql),
        ("SELECT 1 FROM a FOR SHARE", Postgres),
        ("SELECT 1 FROM a FOR SHARE", Mysql),
        ("SELECT 1 FROM a FOR NO KEY UPDATE", Postgres),
        ("SELECT 1 FROM a FOR KEY SHARE", Postgres),
        ("SELECT 1 FROM a FOR UPDATE SKIP LOCKED", Postgres),
        ("SELECT 1 FROM a FOR NO KEY UPDATE NOWAIT", Postgres),
        (
            "SELECT 1 FROM a LIMIT 1 FOR UPDATE OF a, b SKIP LOCKED",
            Mysql,
        ),
        ("SELECT 1 FROM a LOCK IN SHARE MODE", Mysql),
        ("SELECT 1 FROM (SELECT 1 FROM a FOR UPDATE) x", Postgres),
        ("SELECT now() FROM a FOR UPDATE", Postgres),
        ("SELECT current_user FROM a FOR UPDATE", Postgres),
    ] {
        assert_refused(sql, dialect, Refusal::Locking);
        assert!(read(sql, dialect).relations.contains("a"), "{sql}");
    }
}

#[test]
fn system_relations() {
    for sql in [
        "SELECT 1 FROM pg_catalog.pg_class",
        "SELECT 1 FROM pg_stat_activity",
        "SELECT 1 FROM information_schema.tables",
        "SELECT 1 FROM a, Information_Schema.columns",
    ] {
        assert_refused(sql, Postgres, Refusal::Volatile);
    }
    for sql in [
        "SELECT 1 FROM information_schema.tables",
        "SELECT 1 FROM mysql.user",
        "SELECT 1 FROM performance_schema.threads",
        "SELECT 1 FROM sys.version",
    ] {
        assert_refused(sql, Mysql, Refusal::Volatile);
    }
    for sql in [
        "SELECT 1 FROM sqlite_master",
        "SELECT 1 FROM main.sqlite_schema",
        "SELECT 1 FROM sqlite_temp_master",
        "SELECT 1 FROM sqlite_sequence",
        "SELECT * FROM pragma_table_info('a')",
        "SELECT 1 FROM pragma_user_version",
    ] {
        assert_refused(sql, Sqlite, Refusal::Volatile);
    }
}

#[test]
fn rows_that_go_somewhere_are_unknown() {
    for (sql, dialect) in [
        ("SELECT * INTO b FROM a", Postgres),
        ("SELECT * INTO TEMP b FROM a", Postgres),
        ("SELECT * FROM a INTO OUTFILE '/tmp/x'", Mysql),
        ("SELECT * INTO OUTFILE '/tmp/x' FROM a", Mysql),
        ("SELECT x INTO @v FROM a", Mysql),
        ("SELECT x FROM a INTO DUMPFILE '/tmp/x'", Mysql),
    ] {
        assert_eq!(steps(sql, dialect)[0], Step::Unknown, "{sql}");
        assert!(
            !steps(sql, dialect)
                .iter()
                .any(|step| matches!(step, Step::Read(_))),
            "{sql}"
        );
    }
}

#[test]
fn unparsable_reads_are_unknown() {
    for dialect in ALL {
        for sql in [
            "SELECT",
            "WITH x AS (",
            "SELECT 1 FROM a WHERE )",
            "FROM a",
            "SELECT 1 2 3",
        ] {
            assert_steps(sql, dialect, &[Step::Unknown]);
        }
    }
}

#[test]
fn tablesample_is_volatile() {
    assert_refused(
        "SELECT 1 FROM a TABLESAMPLE BERNOULLI (10)",
        Postgres,
        Refusal::Volatile,
    );
    assert_refused(
        "SELECT 1 FROM a TABLESAMPLE SYSTEM (10) REPEATABLE (3)",
        Postgres,
        Refusal::Volatile,
    );
}

#[test]
fn trim_from() {
    assert_reads(
        "SELECT trim(both from x), trim(leading 'a' from x), extract(year from t), substring(x from 2 for 3), overlay(x placing 'a' from 1), position('a' in x) FROM a",
        Postgres,
        &["a"],
    );
    assert_reads(
        "SELECT TRIM(BOTH 'x' FROM y), EXTRACT(YEAR FROM t) FROM a",
        Mysql,
        &["a"],
    );
}
