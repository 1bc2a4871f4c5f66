use super::*;

const DIALECTS: [Dialect; 3] = [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite];

fn query(sql: &str) -> Selection {
    match detail(sql, Dialect::Postgres) {
        Some(Detail::Query(selection)) => selection,
        other => panic!("{sql}: {other:?}"),
    }
}

fn write(sql: &str) -> Change {
    match detail(sql, Dialect::Postgres) {
        Some(Detail::Write(change)) => change,
        other => panic!("{sql}: {other:?}"),
    }
}

fn these(columns: &[&str]) -> BTreeSet<Name> {
    columns.iter().map(|&column| column.into()).collect()
}

/// Which of `candidates` a source's columns hold.
fn among(columns: &Columns, candidates: &[&str]) -> BTreeSet<Name> {
    let held = candidates.iter().filter(|column| columns.contains(column));
    held.map(|&column| column.into()).collect()
}

fn given(operands: &[Operand], through: &[(usize, &str)]) -> Given {
    let through = through.iter();
    Given {
        operands: operands.to_vec(),
        through: through.map(|(of, name)| (*of, (*name).into())).collect(),
    }
}

fn fixed(pairs: &[(&str, &[Operand])]) -> Fixed {
    let pairs = pairs.iter();
    pairs
        .map(|(column, operands)| ((*column).into(), given(operands, &[])))
        .collect()
}

/// Where a column of a source is shown.
fn shown_at(source: &Source, column: &str) -> Option<usize> {
    source.visible.get(column).map(|shown| shown.at)
}

const POSTS: [&str; 6] = ["id", "author_id", "title", "body", "views", "published"];

#[test]
fn a_row_by_its_key() {
    for dialect in DIALECTS {
        let quote = if dialect == Dialect::Postgres {
            '"'
        } else {
            '`'
        };
        let place = if dialect == Dialect::Postgres {
            "$1"
        } else {
            "?"
        };
        let sql = format!(
            "SELECT 'posts'.'id', 'posts'.'title' FROM 'posts' WHERE ('posts'.'id' = {place})"
        )
        .replace('\'', &quote.to_string());
        let Some(Detail::Query(found)) = detail(&sql, dialect) else {
            panic!("{sql}");
        };
        assert!(found.plain && found.nested.is_empty());
        let [posts] = found.sources.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(&*posts.relation, "posts");
        assert_eq!(among(&posts.decisive, &POSTS), these(&["id"]));
        assert_eq!(among(&posts.shown, &POSTS), these(&["id", "title"]));
        assert_eq!(posts.fixed, fixed(&[("id", &[Operand::Bind(0)])]));
        assert_eq!(shown_at(posts, "id"), Some(0));
        assert_eq!(shown_at(posts, "title"), Some(1));
    }
}

#[test]
fn order_and_conditions_decide() {
    let found = query(
        "SELECT p.id, p.title FROM posts p WHERE p.author_id = $1 AND p.published \
         ORDER BY p.id DESC LIMIT $2",
    );
    let posts = &found.sources[0];
    assert!(found.plain);
    assert_eq!(
        among(&posts.decisive, &POSTS),
        these(&["author_id", "published", "id"])
    );
    let holds: &[Operand] = &[Operand::Holds];
    assert_eq!(
        posts.fixed,
        fixed(&[("author_id", &[Operand::Bind(0)]), ("published", holds)])
    );
}

#[test]
fn a_join_carries_values_and_shows_them() {
    let found = query(
        "SELECT c.id, c.author_id, a.name FROM comments AS c \
         INNER JOIN authors AS a ON (a.id = c.author_id) WHERE c.post_id = 5 ORDER BY c.id",
    );
    let [comments, authors] = found.sources.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        comments.fixed,
        fixed(&[("post_id", &[Operand::Integer(5)])])
    );
    assert_eq!(authors.fixed, Fixed::new());
    assert_eq!(shown_at(authors, "id"), Some(1), "by what equals it");
    assert_eq!(shown_at(comments, "author_id"), Some(1));
    assert_eq!(among(&authors.decisive, &["id", "name"]), these(&["id"]));
    assert_eq!(among(&authors.shown, &["id", "name"]), these(&["name"]));
    // Through two equalities.
    let found = query(
        "SELECT p.id FROM posts p JOIN comments c ON c.post_id = p.id AND p.id = 7 \
         JOIN votes v ON v.comment_post = c.post_id",
    );
    assert_eq!(
        found.sources[2].fixed,
        Fixed::from([(
            "comment_post".into(),
            given(&[Operand::Integer(7)], &[(0, "id"), (1, "post_id")])
        )])
    );
}

#[test]
fn an_outer_join_binds_only_the_optional_side() {
    let found = query(
        "SELECT p.id, c.id FROM posts p LEFT JOIN comments c ON c.post_id = p.id AND c.kind = 3 AND p.kind = 4 WHERE p.id = $1",
    );
    let [posts, comments] = found.sources.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(posts.fixed, fixed(&[("id", &[Operand::Bind(0)])]));
    assert_eq!(
        comments.fixed,
        Fixed::from([
            ("kind".into(), given(&[Operand::Integer(3)], &[])),
            ("post_id".into(), given(&[Operand::Bind(0)], &[(0, "id")])),
        ])
    );
    // A post whose comments have other posts is there as well.
    let found = query(
        "SELECT p.id FROM posts p LEFT JOIN comments c ON c.post_id = p.id AND c.post_id = 3",
    );
    assert_eq!(found.sources[0].fixed, Fixed::new());
    for kind in ["RIGHT", "FULL"] {
        let sql = format!(
            "SELECT p.id FROM posts p {kind} JOIN comments c ON c.post_id = p.id AND c.kind = 3 AND p.kind = 4"
        );
        let found = query(&sql);
        assert!(found.sources.iter().all(|source| source.fixed.is_empty()));
    }
    // What is shown by its equal is so in the direction that holds.
    let found = query("SELECT p.id FROM posts p LEFT JOIN comments c ON c.post_id = p.id");
    assert_eq!(shown_at(&found.sources[1], "post_id"), Some(0));
    let found = query("SELECT c.post_id FROM posts p LEFT JOIN comments c ON c.post_id = p.id");
    assert_eq!(shown_at(&found.sources[0], "id"), None);
}

#[test]
fn only_what_must_hold_fixes_values() {
    for condition in [
        "id = 1 OR title = 'x'",
        "NOT (id = 1)",
        "id <> 1",
        "id = 1 + 1",
        "id = views",
        "id = ANY (ARRAY[1, 2])",
        "id NOT IN (1, 2)",
        "id IN (1, views)",
        "(id = 1) IS NOT TRUE",
        "id = 1::text",
        "id = 1.5",
        "CASE WHEN id = 1 THEN TRUE ELSE FALSE END",
        "id IS NOT DISTINCT FROM 1",
        "EXISTS (SELECT 1 FROM comments WHERE id = 1)",
    ] {
        let sql = format!("SELECT id FROM posts WHERE {condition}");
        let none = match detail(&sql, Dialect::Postgres) {
            Some(Detail::Query(found)) => found.sources[0].fixed.is_empty(),
            _ => true,
        };
        assert!(none, "{sql}");
    }
}

#[test]
fn values_of_all_forms() {
    use Operand::{Bind, Elements, Integer, Text};
    for (condition, operands) in [
        ("id = -3", vec![Integer(-3)]),
        ("3 = id", vec![Integer(3)]),
        ("((id) = (3))", vec![Integer(3)]),
        (
            "id IN (1, $1, 'x')",
            vec![Integer(1), Bind(0), Text("x".into())],
        ),
        ("id = ANY ($1)", vec![Elements(0)]),
        ("views > $1 AND id = $2", vec![Bind(1)]),
    ] {
        let sql = format!("SELECT id FROM posts WHERE {condition}");
        let found = query(&sql);
        let given = found.sources[0].fixed.get("id");
        assert_eq!(given.map(|given| &given.operands), Some(&operands), "{sql}");
    }
}

#[test]
fn what_is_mixed_shows_no_rows() {
    for sql in [
        "SELECT count(*) FROM posts WHERE id = 1",
        "SELECT max(id) FROM posts",
        "SELECT DISTINCT id FROM posts",
        "SELECT id FROM posts GROUP BY id",
        "SELECT id, title FROM posts ORDER BY 2",
        "SELECT id, title AS t FROM posts ORDER BY t",
        "SELECT id, (SELECT count(*) FROM comments) FROM posts",
        "SELECT id, row_number() OVER (ORDER BY title) FROM posts",
        "SELECT id FROM posts ORDER BY lower(title)",
    ] {
        let found = query(sql);
        assert!(!found.plain, "{sql}");
        assert!(found.sources[0].visible.is_empty(), "{sql}");
        let posts = &found.sources[0];
        let shown = among(&posts.shown, &POSTS);
        assert!(shown.is_subset(&among(&posts.decisive, &POSTS)), "{sql}");
    }
    let found = query("SELECT id FROM posts WHERE id IN (SELECT post_id FROM comments, posts)");
    assert_eq!(found.nested, these(&["comments", "posts"]));
}

#[test]
fn whole_rows_are_all_columns() {
    for sql in [
        "SELECT * FROM posts",
        "SELECT posts.* FROM posts",
        "SELECT posts FROM posts",
        "SELECT id, * FROM posts",
    ] {
        let posts = &query(sql).sources[0];
        assert_eq!(posts.shown, Columns::All, "{sql}");
        assert!(!posts.visible.contains_key("title"));
    }
    for sql in [
        "SELECT id FROM posts WHERE posts IS NOT NULL",
        "SELECT id FROM posts p WHERE p = ROW(1, 2)",
        "SELECT id FROM posts WHERE ROW(posts.*) IS NOT NULL",
        "SELECT p.id FROM posts p NATURAL JOIN comments",
    ] {
        assert_eq!(query(sql).sources[0].decisive, Columns::All, "{sql}");
    }
    let found = query("SELECT p.id FROM posts p JOIN comments c USING (views)");
    assert!(
        found
            .sources
            .iter()
            .all(|source| source.decisive.contains("views"))
    );
    for sql in [
        "SELECT id, xmin FROM posts",
        "SELECT id FROM posts WHERE ctid = '(0,1)'",
    ] {
        assert_eq!(detail(sql, Dialect::Postgres), None, "{sql}");
    }
}

#[test]
fn what_is_not_simple_has_no_detail() {
    for sql in [
        "WITH p AS (SELECT 1) SELECT id FROM p",
        "SELECT id FROM posts UNION SELECT id FROM comments",
        "SELECT id FROM (SELECT id FROM posts) p",
        "SELECT id FROM posts FOR UPDATE",
        "SELECT id FROM posts a JOIN comments A ON a.id = A.id",
        "SELECT id FROM posts AS p (a, b)",
        "SELECT 1; SELECT 2",
        "SELECT 1",
        "UPDATE posts SET views = 1 FROM comments WHERE posts.id = 1",
        "UPDATE posts SET (id, views) = (1, 2)",
        "INSERT INTO posts SELECT * FROM posts",
        "INSERT INTO posts VALUES (1, 2)",
        "INSERT INTO posts (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET views = 1",
        "DELETE FROM posts USING comments WHERE posts.id = 1",
        "TRUNCATE posts",
        "not sql at all",
        "",
    ] {
        assert_eq!(detail(sql, Dialect::Postgres), None, "{sql}");
    }
    for sql in [
        "REPLACE INTO posts (id) VALUES (1)",
        "INSERT OR REPLACE INTO posts (id) VALUES (1)",
        "UPDATE OR REPLACE posts SET id = 1",
        // What is stored as the key?
        "INSERT INTO posts (id, rowid) VALUES (1, 2)",
        "INSERT INTO posts (id, OID) VALUES (1, 2)",
        "INSERT INTO posts (id, id) VALUES (1, 2)",
        "INSERT INTO posts (id, ID) VALUES (1, 2)",
        "INSERT INTO posts (place.id) VALUES (1)",
    ] {
        assert_eq!(detail(sql, Dialect::Sqlite), None, "{sql}");
    }
}

#[test]
fn updates() {
    assert_eq!(
        write(
            "UPDATE \"posts\" SET \"views\" = (\"posts\".\"views\" + $1), \"title\" = $2 WHERE (\"posts\".\"id\" = $3)"
        ),
        Change::Update {
            columns: these(&["views", "title"]),
            becomes: BTreeMap::from([("title".into(), Operand::Bind(1))]),
            fixed: fixed(&[("id", &[Operand::Bind(2)])]),
        }
    );
    let Change::Update {
        becomes, columns, ..
    } = write("UPDATE posts SET id = 1, id = 2")
    else {
        panic!();
    };
    assert_eq!((becomes.len(), columns.len()), (0, 1));
    let Change::Update {
        becomes, columns, ..
    } = write("UPDATE posts SET place.id = 1, title = 'a'")
    else {
        panic!();
    };
    assert_eq!(columns, these(&["id", "place", "title"]));
    assert_eq!(becomes.len(), 1);
}

#[test]
fn inserts_and_deletes() {
    assert_eq!(
        write("INSERT INTO posts (id, title) VALUES ($1, DEFAULT), (7, $2)"),
        Change::Insert(Rows::Listed(vec![
            BTreeMap::from([("id".into(), Operand::Bind(0))]),
            BTreeMap::from([
                ("id".into(), Operand::Integer(7)),
                ("title".into(), Operand::Bind(1))
            ]),
        ]))
    );
    let sql = "INSERT INTO posts (id, title) VALUES ($1, $2), ($3, $4)";
    assert_eq!(
        write(&super::super::normalize(sql, Dialect::Postgres)),
        Change::Insert(Rows::Bound {
            placeholder: 0,
            columns: vec!["id".into(), "title".into()],
        })
    );
    assert_eq!(
        write("DELETE FROM posts WHERE id = $1 AND title = 'x'"),
        Change::Delete {
            fixed: fixed(&[
                ("id", &[Operand::Bind(0)]),
                ("title", &[Operand::Text("x".into())])
            ])
        }
    );
    assert_eq!(
        write("DELETE FROM posts"),
        Change::Delete {
            fixed: Fixed::new()
        }
    );
}

/// The columns in which a query fixes values.
fn fixes(sql: &str, dialect: Dialect) -> BTreeSet<Name> {
    match detail(sql, dialect) {
        Some(Detail::Query(found)) => found.sources[0].fixed.keys().cloned().collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn what_mysql_binds_less_than_the_parser_does_fixes_nothing() {
    for condition in [
        "k = 1 AND a = 2 XOR b = 3",
        "k = 1 AND a = 2 || b = 3",
        "k = 1 AND a = 2 xor b",
    ] {
        let sql = format!("SELECT id FROM posts WHERE {condition}");
        assert_eq!(fixes(&sql, Dialect::Mysql), these(&[]), "{sql}");
        let sql = format!("DELETE FROM posts WHERE {condition}");
        let wide = match detail(&sql, Dialect::Mysql) {
            Some(Detail::Write(Change::Delete { fixed })) => fixed.is_empty(),
            other => other.is_none(),
        };
        assert!(wide, "{sql}");
    }
    let products = query("SELECT id, views * 2, (views) * 2, count(*) FROM posts");
    assert_eq!(
        among(&products.sources[0].shown, &POSTS),
        these(&["id", "views"])
    );
    let sql = "SELECT id FROM posts WHERE k = 1 AND a = 'x' || b";
    assert_eq!(fixes(sql, Dialect::Postgres), these(&["k"]));
}

#[test]
fn a_star_after_distinct_on_is_all_columns() {
    for sql in [
        "SELECT DISTINCT ON (id) * FROM posts ORDER BY id",
        "SELECT DISTINCT ON (id, title) * FROM posts ORDER BY id, title",
        "SELECT id FROM posts WHERE EXISTS (SELECT DISTINCT ON (id) *, 1 FROM posts)",
    ] {
        match detail(sql, Dialect::Postgres) {
            Some(Detail::Query(found)) => {
                assert_eq!(found.sources[0].decisive, Columns::All, "{sql}");
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn texts_are_what_they_mean() {
    for dialect in DIALECTS {
        for (text, meant) in [("'it''s'", "it's"), ("'a' 'b'", "ab"), ("'a' || 'b'", "ab")] {
            let sql = format!("DELETE FROM posts WHERE title = {text}");
            match detail(&sql, dialect) {
                Some(Detail::Write(Change::Delete { fixed })) => {
                    let given = fixed.get("title").map(|given| given.operands.clone());
                    let right = given.is_none_or(|given| given == [Operand::Text(meant.into())]);
                    assert!(right, "{dialect:?} {sql} {fixed:?}");
                }
                other => assert_eq!(other, None, "{sql}"),
            }
        }
    }
}

#[test]
fn the_optional_sides_of_joins() {
    let optional = |kind: &str| -> Vec<bool> {
        let sql = format!("SELECT p.id FROM posts p {kind} JOIN comments c ON c.post_id = p.id");
        let sources = query(&sql).sources;
        sources.iter().map(|source| source.nullable).collect()
    };
    assert_eq!(optional("INNER"), [false, false]);
    assert_eq!(optional("LEFT"), [false, true]);
    assert_eq!(optional("RIGHT"), [true, true]);
    assert_eq!(optional("FULL"), [true, true]);
}

#[test]
fn rows_are_skipped() {
    for (limit, skips) in [
        ("LIMIT 1", false),
        ("LIMIT 1 OFFSET 1", true),
        ("LIMIT 1, 1", true),
    ] {
        let sql = format!("SELECT id FROM posts ORDER BY id {limit}");
        let Some(Detail::Query(found)) = detail(&sql, Dialect::Mysql) else {
            panic!("{sql}");
        };
        assert_eq!(found.skips, skips, "{sql}");
    }
    assert!(query("SELECT id FROM posts OFFSET 1").skips);
}

#[test]
fn what_mysql_and_sqlite_write_otherwise_has_no_detail() {
    for sql in [
        "INSERT INTO posts (id) VALUES (1) ON DUPLICATE KEY UPDATE views = 1",
        "DELETE FROM posts WHERE title = 'it\\'s'",
        "SELECT id FROM posts WHERE title = 'a\\\\'",
    ] {
        assert_eq!(detail(sql, Dialect::Mysql), None, "{sql}");
    }
}

#[test]
fn an_order_may_go_by_a_name_that_is_not_written() {
    for sql in [
        "SELECT id, CASE WHEN views > 10 THEN 'a' ELSE title END FROM posts ORDER BY title LIMIT 1",
        "SELECT id, views + 1 FROM posts ORDER BY \"?column?\" LIMIT 1",
    ] {
        let found = query(sql);
        assert!(!found.plain, "{sql}");
        assert!(found.sources[0].decisive.contains("views"), "{sql}");
    }
    assert!(query("SELECT id, views + 1 FROM posts LIMIT 1").plain);
}

#[test]
fn columns_are_found_however_they_are_spelt() {
    for sql in [
        "SELECT id FROM posts ORDER BY posts.'views' DESC LIMIT 1",
        "SELECT id FROM posts WHERE posts.'views' > 6",
    ] {
        match detail(sql, Dialect::Sqlite) {
            Some(Detail::Query(found)) => {
                assert!(found.sources[0].decisive.contains("views"), "{sql}");
            }
            other => assert_eq!(other, None, "{sql}"),
        }
    }
    let hidden = "SELECT id FROM posts WHERE posts.'rowid' > 6";
    assert_eq!(detail(hidden, Dialect::Sqlite), None);
    let escaped = "SELECT id FROM posts WHERE U&\"\\0076iews\" > 5";
    assert_eq!(detail(escaped, Dialect::Postgres), None);
}

#[test]
fn placeholders_with_names_are_not_counted() {
    for place in [":a", "@a", "$a", "#a", "?1x"] {
        for sql in [
            format!("SELECT id FROM posts WHERE views = {place} AND id = ?"),
            format!("DELETE FROM posts WHERE views = {place} AND id = ?"),
            format!("UPDATE posts SET views = {place} WHERE id = ?"),
        ] {
            assert_eq!(detail(&sql, Dialect::Sqlite), None, "{sql}");
        }
    }
    let sql = "SELECT id FROM posts WHERE views = ?2 AND id = ?1";
    assert_eq!(fixes(sql, Dialect::Sqlite), these(&["id", "views"]));
}
