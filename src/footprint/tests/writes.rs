use super::{
    ALL, Mysql, Postgres, Sqlite, WriteKind, assert_steps, assert_writes, names, steps, update,
    write,
};
use crate::footprint::analysis::{Control, Refusal, Session, Step};
use WriteKind::{Delete, Insert, Replace};

#[test]
fn what_diesel_prints() {
    assert_writes(
        r#"INSERT INTO "posts" ("title", "body") VALUES ($1, $2), ($3, DEFAULT) RETURNING "posts"."id""#,
        Postgres,
        &[("posts", Insert)],
    );
    assert_writes(
        r#"INSERT INTO "posts" ("a") VALUES ($1) ON CONFLICT ("a") DO UPDATE SET "b" = $2 RETURNING "posts"."a""#,
        Postgres,
        &[("posts", Replace)],
    );
    assert_writes(
        r#"INSERT INTO "posts" ("a") VALUES ($1) ON CONFLICT ON CONSTRAINT "k" DO UPDATE SET "b" = excluded."b" WHERE ("posts"."b" = $2)"#,
        Postgres,
        &[("posts", Replace)],
    );
    assert_writes(
        r#"INSERT INTO "posts" ("a") VALUES ($1) ON CONFLICT DO NOTHING"#,
        Postgres,
        &[("posts", Insert)],
    );
    assert_writes(
        r#"INSERT INTO "posts" DEFAULT VALUES"#,
        Postgres,
        &[("posts", Insert)],
    );
    assert_writes(
        r#"UPDATE "posts" SET "title" = $1, "body" = $2 WHERE ("posts"."id" = $3) RETURNING "posts"."id""#,
        Postgres,
        &[("posts", update(&["body", "title"]))],
    );
    assert_writes(
        r#"DELETE  FROM "posts" WHERE ("posts"."id" = $1)"#,
        Postgres,
        &[("posts", Delete)],
    );
    for dialect in [Mysql, Sqlite] {
        assert_writes(
            "INSERT INTO `posts` (`title`, `body`) VALUES (?, ?), (?, ?)",
            dialect,
            &[("posts", Insert)],
        );
        assert_writes(
            "UPDATE `posts` SET `title` = ? WHERE (`posts`.`id` = ?)",
            dialect,
            &[("posts", update(&["title"]))],
        );
        assert_writes(
            "DELETE  FROM `posts` WHERE (`posts`.`id` = ?)",
            dialect,
            &[("posts", Delete)],
        );
        assert_writes(
            "REPLACE INTO `posts` (`a`) VALUES (?)",
            dialect,
            &[("posts", Replace)],
        );
    }
    assert_writes(
        "INSERT IGNORE INTO `posts` (`a`) VALUES (?)",
        Mysql,
        &[("posts", Insert)],
    );
    assert_writes(
        "INSERT INTO `posts` () VALUES ()",
        Mysql,
        &[("posts", Insert)],
    );
    assert_writes(
        "INSERT INTO `posts` (`a`) VALUES (?) ON DUPLICATE KEY UPDATE `a` = VALUES(`a`)",
        Mysql,
        &[("posts", Replace)],
    );
    assert_writes(
        "INSERT OR IGNORE INTO `posts` (`a`) VALUES (?)",
        Sqlite,
        &[("posts", Insert)],
    );
    assert_writes(
        "INSERT OR REPLACE INTO `posts` (`a`) VALUES (?)",
        Sqlite,
        &[("posts", Replace)],
    );
    assert_writes(
        "INSERT INTO `posts` (`a`) VALUES (?) ON CONFLICT (`a`) DO UPDATE SET `b` = ? RETURNING `posts`.`a`",
        Sqlite,
        &[("posts", Replace)],
    );
    assert_writes(
        "INSERT INTO `posts` (`a`) VALUES (?) ON CONFLICT DO NOTHING",
        Sqlite,
        &[("posts", Insert)],
    );
    assert_writes(
        "INSERT INTO `posts` DEFAULT VALUES",
        Sqlite,
        &[("posts", Insert)],
    );
}

#[test]
fn inserts_from_queries() {
    for dialect in ALL {
        assert_writes(
            "INSERT INTO a (x) SELECT x FROM b JOIN c ON b.i = c.i",
            dialect,
            &[("a", Insert)],
        );
        assert_eq!(
            write("INSERT INTO a (x) SELECT x FROM b", dialect)
                .access
                .relations,
            names(&["a", "b"])
        );
    }
    assert_eq!(
        write("INSERT INTO a TABLE b", Postgres).access.relations,
        names(&["a", "b"])
    );
    assert_eq!(
        write(
            "WITH x AS (SELECT 1 FROM b) INSERT INTO a SELECT * FROM x",
            Postgres
        )
        .access
        .relations,
        names(&["a", "b", "x"])
    );
    assert_writes(
        "WITH x AS (SELECT 1 FROM b) UPDATE a SET y = 1 WHERE y IN (SELECT * FROM x)",
        Sqlite,
        &[("a", update(&["y"]))],
    );
    assert_writes(
        "WITH x AS (SELECT 1 FROM b) DELETE FROM a WHERE y IN (SELECT * FROM x)",
        Sqlite,
        &[("a", Delete)],
    );
    assert_writes("INSERT INTO a SET x = 1", Mysql, &[("a", Insert)]);
    assert_writes(
        "INSERT INTO blog.a AS t (x) VALUES (1)",
        Postgres,
        &[("a", Insert)],
    );
}

#[test]
fn what_is_read_on_the_way() {
    let write = write(
        "UPDATE a SET x = b.x FROM b WHERE a.i = b.i AND b.y > (SELECT max(z) FROM c)",
        Postgres,
    );
    assert_eq!(write.access.relations, names(&["a", "b", "c"]));
    assert_eq!(write.access.pure_functions, names(&["max"]));
    assert_writes(
        "UPDATE ONLY a SET x = 1",
        Postgres,
        &[("a", update(&["x"]))],
    );
    assert_writes("DELETE FROM ONLY a WHERE x", Postgres, &[("a", Delete)]);
    assert_writes(
        "DELETE FROM a USING b WHERE a.i = b.i",
        Postgres,
        &[("a", Delete)],
    );
    assert_writes(
        "UPDATE a SET x = 1 FROM b",
        Sqlite,
        &[("a", update(&["x"]))],
    );
    assert_writes(
        "UPDATE a SET (x, y) = (1, 2)",
        Postgres,
        &[("a", update(&["x", "y"]))],
    );
}

#[test]
fn set_of_a_field() {
    assert_writes(
        "UPDATE a SET address.city = 'x'",
        Postgres,
        &[("a", WriteKind::Update { columns: None })],
    );
    assert_writes(
        "UPDATE a SET a.city = 'x'",
        Mysql,
        &[("a", update(&["city"]))],
    );
}

#[test]
fn unknown_functions_in_writes() {
    for dialect in ALL {
        let write = write("UPDATE a SET x = my_function(y)", dialect);
        assert_eq!(write.access.unknown_functions, names(&["my_function"]));
    }
}

#[test]
fn several_tables() {
    assert_writes(
        "UPDATE a JOIN b ON a.i = b.i SET a.x = 1, b.y = 2",
        Mysql,
        &[("a", update(&["x", "y"])), ("b", update(&["x", "y"]))],
    );
    assert_writes(
        "DELETE a FROM a JOIN b ON a.i = b.i",
        Mysql,
        &[("a", Delete), ("b", Delete)],
    );
    assert_writes(
        "DELETE FROM a USING a JOIN b ON a.i = b.i",
        Mysql,
        &[("a", Delete), ("a", Delete), ("b", Delete)],
    );
    assert_writes(
        "DELETE x FROM a AS x, b AS y WHERE x.i = y.i",
        Mysql,
        &[("a", Delete), ("b", Delete)],
    );
}

#[test]
fn conflict_clauses_of_sqlite() {
    for (clause, kind) in [
        ("IGNORE", Insert),
        ("ABORT", Insert),
        ("FAIL", Insert),
        ("REPLACE", Replace),
    ] {
        assert_writes(
            &format!("INSERT OR {clause} INTO a VALUES (1)"),
            Sqlite,
            &[("a", kind)],
        );
    }
    assert_steps(
        "INSERT OR ROLLBACK INTO a VALUES (1)",
        Sqlite,
        &[Step::Unknown],
    );
    assert_steps("UPDATE OR ROLLBACK a SET x = 1", Sqlite, &[Step::Unknown]);
    assert_writes("UPDATE OR REPLACE a SET x = 1", Sqlite, &[("a", Replace)]);
    assert_writes(
        "UPDATE OR IGNORE a SET x = 1",
        Sqlite,
        &[("a", update(&["x"]))],
    );
}

#[test]
fn writing_ctes() {
    assert_writes(
        "WITH x AS (INSERT INTO a VALUES (1) RETURNING *) SELECT * FROM x",
        Postgres,
        &[("a", Insert)],
    );
    assert_writes(
        "WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x",
        Postgres,
        &[("a", Delete), ("b", Insert)],
    );
    let write = write(
        "WITH x AS (UPDATE a SET y = 1 RETURNING *), z AS (SELECT 1 FROM c) SELECT * FROM x, z",
        Postgres,
    );
    assert_eq!(write.targets.len(), 1);
    assert_eq!(write.access.relations, names(&["a", "c", "x", "z"]));
}

#[test]
fn merges() {
    let sql = "MERGE INTO a USING b ON a.i = b.i WHEN MATCHED THEN UPDATE SET x = b.x WHEN NOT MATCHED THEN INSERT (i) VALUES (b.i)";
    assert_writes(sql, Postgres, &[("a", Replace)]);
    assert_eq!(write(sql, Postgres).access.relations, names(&["a", "b"]));
}

#[test]
fn truncates() {
    let truncate = |cascade| WriteKind::Truncate { cascade };
    assert_writes("TRUNCATE a", Postgres, &[("a", truncate(false))]);
    assert_writes(
        "TRUNCATE TABLE ONLY blog.a, b RESTART IDENTITY CASCADE",
        Postgres,
        &[("a", truncate(true)), ("b", truncate(true))],
    );
    assert_steps("TRUNCATE a WHATEVER", Postgres, &[Step::Unknown]);
    assert_steps("TRUNCATE a", Sqlite, &[Step::Unknown]);
    assert!(matches!(
        &*steps("TRUNCATE TABLE a", Mysql),
        [Step::Control(Control::Commit), Step::Write(_)]
    ));
}

#[test]
fn copies() {
    assert_writes("COPY a FROM STDIN", Postgres, &[("a", Insert)]);
    assert_writes(
        r#"COPY blog."A" (x, y) FROM STDIN WITH (FORMAT csv)"#,
        Postgres,
        &[("a", Insert)],
    );
    assert_writes(
        "COPY a FROM '/tmp/x' WHERE lower(x) = 'a'",
        Postgres,
        &[("a", Insert)],
    );
    assert_eq!(
        write("COPY a FROM STDIN WHERE f(x)", Postgres)
            .access
            .unknown_functions,
        names(&["f"])
    );
    assert_steps("COPY a (x) TO STDOUT", Postgres, &[Step::Harmless]);
    assert_writes(
        "COPY (DELETE FROM a RETURNING *) TO STDOUT",
        Postgres,
        &[("a", Delete)],
    );
    assert!(
        matches!(&*steps("COPY (SELECT f()) TO STDOUT", Postgres), [Step::Read(access)] if access.refusal == Some(Refusal::Volatile))
    );
}

#[test]
fn loads() {
    assert_writes(
        "LOAD DATA LOCAL INFILE '/tmp/x' INTO TABLE `Blog`.`A` FIELDS TERMINATED BY ',' (x, y)",
        Mysql,
        &[("a", Insert)],
    );
    assert_writes(
        "LOAD DATA INFILE '/tmp/x' REPLACE INTO TABLE a",
        Mysql,
        &[("a", Replace)],
    );
    assert_steps("LOAD INDEX INTO CACHE a", Mysql, &[Step::Unknown]);
    assert_steps("LOAD 'plugin'", Postgres, &[Step::Unknown]);
    let steps = steps(
        "LOAD DATA INFILE '/tmp/x' INTO TABLE a (x, @v) SET y = @v",
        Mysql,
    );
    assert!(
        matches!(
            &*steps,
            [Step::Write(_), Step::Session(Session::Unrecognised)]
        ),
        "{steps:?}"
    );
}

#[test]
fn a_refresh_writes_the_materialized_view() {
    for sql in [
        "REFRESH MATERIALIZED VIEW a.v",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY \"v\" WITH DATA",
        "REFRESH MATERIALIZED VIEW v WITH NO DATA",
    ] {
        assert_writes(sql, Postgres, &[("v", Replace)]);
    }
    assert_eq!(
        steps("REFRESH MATERIALIZED VIEW v", Mysql)[0],
        Step::Unknown
    );
}

#[test]
fn unknown_statements() {
    for dialect in ALL {
        for sql in [
            "CALL p(1)",
            "DO 1",
            "EXECUTE x",
            "PREPARE x AS SELECT 1",
            "REFRESH v",
            "HANDLER a OPEN",
            "IMPORT TABLE FROM 'x'",
            "whatever",
            "42",
            "DO $$BEGIN END$$",
        ] {
            assert_eq!(steps(sql, dialect)[0], Step::Unknown, "{dialect}: {sql}");
        }
    }
}
