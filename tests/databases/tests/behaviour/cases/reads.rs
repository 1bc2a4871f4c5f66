//! The cached queries of the cases.

use std::fmt::Debug;

use diesel::dsl::{count, exists, max, not, sum};
use diesel::prelude::*;
use diesel::query_dsl::positional_order_dsl::PositionalOrderDsl as _;
use diesel::sql_types::Integer;
use diesel_cache::Report;

use super::engine::{CachedDsl, Conn, NAME};
use super::schema::{
    Author, Post, audit, authors, comments, early_posts, posts, published_posts, reviews, tags,
};

pub(super) fn show<T: Debug>(rows: QueryResult<T>) -> String {
    match rows {
        Ok(rows) => format!("Ok({rows:?})"),
        // The same error may be worded differently by the prepared and the plain protocol.
        Err(error) => format!("Err({error:?})"),
    }
}

/// `name: row type = query` for queries that are `load`ed.
macro_rules! reads {
    ($($name:ident: $row:ty = $query:expr;)*) => { $(
        pub(super) fn $name(conn: &mut Conn, report: Option<&Report>) -> String {
            match report {
                Some(report) => show($query.cached().report(report).load::<$row>(conn)),
                None => show($query.load::<$row>(conn)),
            }
        }
    )* };
}

/// `name: row type = query` for queries of which the only row is got.
macro_rules! single {
    ($($name:ident: $row:ty = $query:expr;)*) => { $(
        pub(super) fn $name(conn: &mut Conn, report: Option<&Report>) -> String {
            match report {
                Some(report) => show($query.cached().report(report).get_result::<$row>(conn)),
                None => show($query.get_result::<$row>(conn)),
            }
        }
    )* };
}

fn bound(postgres: &'static str, others: &'static str) -> &'static str {
    if NAME == "postgres" { postgres } else { others }
}

/// `name: row type = "SQL"` for queries given as text.
macro_rules! raw {
    ($($name:ident: $row:ty = $sql:expr;)*) => { $(
        pub(super) fn $name(
            conn: &mut super::engine::Conn,
            report: Option<&diesel_cache::Report>,
        ) -> String {
            use super::engine::CachedDsl as _;
            use diesel::RunQueryDsl as _;
            let query = diesel::sql_query($sql);
            super::reads::show(match report {
                Some(report) => query.cached().report(report).load::<$row>(conn),
                None => query.load::<$row>(conn),
            })
        }
    )* };
}
pub(super) use raw;

/// One number of a query given as text.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub(super) struct Number {
    #[diesel(sql_type = Integer)]
    pub(super) n: i32,
}

/// A number and a text of a query given as text.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub(super) struct Pair {
    #[diesel(sql_type = Integer)]
    pub(super) id: i32,
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub(super) label: String,
}

reads! {
    all_posts: Post = posts::table.order(posts::id);
    all_authors: Author = authors::table.order(authors::id);
    all_comments: (i32, i32, String, Option<i32>) = comments::table.order(comments::id);
    all_reviews: (i32, Option<i32>, String) = reviews::table.order(reviews::id);
    all_tags: (i32, String) = tags::table.order(tags::id);
    all_audit: (i32, String) = audit::table.order(audit::id);
    by_key: Post = posts::table.find(1);
    by_two: Post = posts::table.filter(posts::id.eq(2)).select(Post::as_select());
    by_filter: (i32, String) = posts::table
        .filter(posts::author_id.eq(1))
        .filter(posts::views.gt(5))
        .order(posts::id)
        .select((posts::id, posts::title));
    by_or: i32 = posts::table
        .filter(posts::views.between(15, 35))
        .or_filter(posts::title.like("o%"))
        .order(posts::id)
        .select(posts::id);
    boxed: Post = {
        let mut query = posts::table.into_boxed();
        query = query.filter(posts::published.eq(true));
        query.order(posts::id.desc())
    };
    joined: (i32, String, String) = posts::table
        .inner_join(authors::table)
        .order(posts::id)
        .select((posts::id, posts::title, authors::name));
    three_joined: (String, String, String) = comments::table
        .inner_join(posts::table.inner_join(authors::table))
        .order(comments::id)
        .select((comments::body, posts::title, authors::name));
    left_joined: (String, Option<String>) = authors::table
        .left_join(reviews::table)
        .order((authors::id, reviews::id))
        .select((authors::name, reviews::body.nullable()));
    aliased: (String, String) = {
        let other = diesel::alias!(posts as other);
        posts::table
            .inner_join(other.on(
                other.field(posts::author_id).eq(posts::author_id)
                    .and(other.field(posts::id).gt(posts::id))
            ))
            .order((posts::id, other.field(posts::id)))
            .select((posts::title, other.field(posts::title)))
    };
    in_subselect: Author = authors::table
        .filter(authors::id.eq_any(
            posts::table.filter(posts::views.gt(25)).select(posts::author_id)
        ))
        .order(authors::id);
    in_values: String = posts::table
        .filter(posts::id.eq_any([1, 2, 9]))
        .order(posts::id)
        .select(posts::title);
    with_posts: String = authors::table
        .filter(exists(posts::table.filter(posts::author_id.eq(authors::id))))
        .order(authors::id)
        .select(authors::name);
    without_posts: String = authors::table
        .filter(not(exists(posts::table.filter(posts::author_id.eq(authors::id)))))
        .order(authors::id)
        .select(authors::name);
    of_two_tables: String = posts::table
        .select(posts::title)
        .union(authors::table.select(authors::name))
        .positional_order_by(1);
    grouped: (i32, i64) = posts::table
        .group_by(posts::author_id)
        .having(count(posts::id).gt(1))
        .select((posts::author_id, count(posts::id)))
        .order(posts::author_id);
    top_two: (i32, i32) = posts::table
        .order((posts::views.desc(), posts::id))
        .limit(2)
        .select((posts::id, posts::views));
    second_page: i32 = posts::table
        .order(posts::id)
        .limit(2)
        .offset(2)
        .select(posts::id);
    distinct: bool = posts::table.select(posts::published).distinct().order(posts::published);
    computed: (i32, i32) = posts::table
        .order(posts::id)
        .select((posts::id, diesel::dsl::sql::<Integer>("views * 2")));
    countries: Option<String> = authors::table.order(authors::id).select(authors::country);
    without_country: i32 = authors::table
        .filter(authors::country.is_null())
        .order(authors::id)
        .select(authors::id);
    of_view: (i32, i32, String) = published_posts::table.order(published_posts::id);
    of_view_of_view: (i32, String) = early_posts::table.order(early_posts::id);
    nested: ((i32, String), (Option<String>, i32)) = posts::table
        .inner_join(authors::table)
        .order(posts::id)
        .select(((posts::id, posts::title), (authors::country, authors::id)));
}

single! {
    counted: i64 = posts::table.count();
    any_popular: bool = diesel::select(exists(posts::table.filter(posts::views.gt(50))));
    most: Option<i32> = posts::table.select(max(posts::views));
    total: Option<i64> = posts::table.select(sum(posts::views));
}

pub(super) fn optional_ninth(conn: &mut Conn, report: Option<&Report>) -> String {
    let query = posts::table
        .filter(posts::id.eq(9))
        .select(Post::as_select());
    show(match report {
        Some(report) => query.cached().report(report).first::<Post>(conn).optional(),
        None => query.first::<Post>(conn).optional(),
    })
}

pub(super) fn results(conn: &mut Conn, report: Option<&Report>) -> String {
    let query = posts::table
        .order(posts::id)
        .select((posts::id, posts::views));
    show(match report {
        Some(report) => query
            .cached()
            .report(report)
            .get_results::<(i32, i32)>(conn),
        None => query.get_results::<(i32, i32)>(conn),
    })
}

pub(super) fn iterated(conn: &mut Conn, report: Option<&Report>) -> String {
    use diesel::connection::DefaultLoadingMode;
    let query = posts::table
        .order(posts::id)
        .select((posts::id, posts::title));
    show(match report {
        Some(report) => query
            .cached()
            .report(report)
            .load_iter::<(i32, String), DefaultLoadingMode>(conn)
            .and_then(Iterator::collect::<QueryResult<Vec<(i32, String)>>>),
        None => query
            .load_iter::<(i32, String), DefaultLoadingMode>(conn)
            .and_then(Iterator::collect::<QueryResult<Vec<(i32, String)>>>),
    })
}

pub(super) fn belonging(conn: &mut Conn, report: Option<&Report>) -> String {
    let parents: Vec<Author> = vec![
        Author {
            id: 1,
            name: "ann".to_owned(),
            country: None,
        },
        Author {
            id: 2,
            name: "bob".to_owned(),
            country: None,
        },
    ];
    let query = Post::belonging_to(&parents)
        .order(posts::id)
        .select(Post::as_select());
    let children = match report {
        Some(report) => query.cached().report(report).load::<Post>(conn),
        None => query.load::<Post>(conn),
    };
    show(children.map(|children| children.grouped_by(&parents)))
}

pub(super) fn raw_with_binds(conn: &mut Conn, report: Option<&Report>) -> String {
    let query = diesel::sql_query(bound(
        "SELECT * FROM posts WHERE author_id = $1 AND views > $2 ORDER BY id",
        "SELECT * FROM posts WHERE author_id = ? AND views > ? ORDER BY id",
    ))
    .bind::<Integer, _>(2)
    .bind::<Integer, _>(5);
    show(match report {
        Some(report) => query.cached().report(report).load::<Post>(conn),
        None => query.load::<Post>(conn),
    })
}

raw! {
    cte: Post = "WITH popular AS (SELECT * FROM posts WHERE views > 15), \
                       chosen AS (SELECT id FROM authors WHERE name <> 'cid') \
                  SELECT p.* FROM popular p JOIN chosen c ON c.id = p.author_id ORDER BY p.id";
    recursive: Number = "WITH RECURSIVE up (n) AS (SELECT MIN(id) FROM posts UNION ALL \
                          SELECT n + 1 FROM up WHERE n < (SELECT MAX(id) FROM posts)) \
                          SELECT n FROM up ORDER BY n";
    shadowing: Pair = "WITH tags AS (SELECT id, label FROM watched) \
                        SELECT id, label FROM tags ORDER BY id";
    derived: Number = "SELECT d.n FROM (SELECT MAX(score) AS n FROM comments) d \
                        WHERE d.n IS NOT NULL";
}
