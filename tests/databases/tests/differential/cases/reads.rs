//! The queries, each with a total order.

use std::fmt::Debug;

use diesel::dsl::{count, exists, max, not};
use diesel::prelude::*;
use diesel::query_dsl::positional_order_dsl::PositionalOrderDsl as _;
use diesel::sql_types::Integer;
use diesel_cache::Report;

use super::engine::{CachedDsl, Conn, NAME};

diesel::table! { authors (id) { id -> Integer, name -> Text } }
diesel::table! {
    posts (id) { id -> Integer, author_id -> Integer, title -> Text, views -> Integer }
}
diesel::table! {
    comments (id) { id -> Integer, post_id -> Integer, score -> Nullable<Integer> }
}
diesel::table! { tags (id) { id -> Integer, post_id -> Nullable<Integer>, label -> Text } }
diesel::table! { popular (id) { id -> Integer, title -> Text, name -> Text } }

diesel::joinable!(posts -> authors (author_id));
diesel::joinable!(comments -> posts (post_id));
diesel::joinable!(tags -> posts (post_id));
diesel::allow_tables_to_appear_in_same_query!(authors, posts, comments, tags);

/// A query with a parameter: cached where there is a report, and its rows as text.
pub(super) type Read = fn(&mut Conn, Option<&Report>, i32) -> String;

fn show<T: Debug>(rows: QueryResult<T>) -> String {
    match rows {
        Ok(rows) => format!("Ok({rows:?})"),
        // Errors may differ in their words: what matters is that it is one.
        Err(_) => "Err".to_owned(),
    }
}

macro_rules! reads {
    ($($name:ident($p:ident): $row:ty = $query:expr;)*) => {
        $(
            fn $name(conn: &mut Conn, report: Option<&Report>, $p: i32) -> String {
                let query = $query;
                show(match report {
                    Some(report) => query.cached().report(report).load::<$row>(conn),
                    None => query.load::<$row>(conn),
                })
            }
        )*

        pub(super) const READS: &[(&str, Read)] = &[$((stringify!($name), $name)),*];
    };
}

#[derive(Debug, Clone, QueryableByName)]
struct Numbers {
    #[diesel(sql_type = Integer)]
    #[allow(dead_code, reason = "shown by Debug")]
    a: i32,
    #[diesel(sql_type = Integer)]
    #[allow(dead_code, reason = "shown by Debug")]
    b: i32,
}

fn bound(postgres: &'static str, others: &'static str) -> &'static str {
    if NAME == "postgres" { postgres } else { others }
}

reads! {
    post_by_key(p): (i32, i32, String, i32) = posts::table.find(p);
    author_by_key(p): (i32, String) = authors::table.find(p);
    posts_of_author(p): (i32, String) = posts::table
        .filter(posts::author_id.eq(p))
        .order(posts::id)
        .select((posts::id, posts::title));
    comments_of_post(p): (i32, Option<i32>) = comments::table
        .filter(comments::post_id.eq(p))
        .order(comments::id)
        .select((comments::id, comments::score));
    all_tags(_p): (i32, Option<i32>, String) = tags::table.order(tags::id);
    untagged(_p): i32 = posts::table
        .left_join(tags::table)
        .filter(tags::id.is_null())
        .order(posts::id)
        .select(posts::id);
    joined(p): (String, String) = posts::table
        .inner_join(authors::table)
        .filter(posts::views.ge(p * 10))
        .order(posts::id)
        .select((posts::title, authors::name));
    three(_p): (i32, String) = comments::table
        .inner_join(posts::table.inner_join(authors::table))
        .order(comments::id)
        .select((comments::id, authors::name));
    counts(_p): (i32, i64) = posts::table
        .group_by(posts::author_id)
        .select((posts::author_id, count(posts::id)))
        .order(posts::author_id);
    total(_p): i64 = comments::table.count();
    most(_p): Option<i32> = posts::table.select(max(posts::views));
    silent(_p): String = authors::table
        .filter(not(exists(posts::table.filter(posts::author_id.eq(authors::id)))))
        .order(authors::id)
        .select(authors::name);
    popular_authors(p): i32 = authors::table
        .filter(authors::id.eq_any(
            posts::table.filter(posts::views.gt(p * 10)).select(posts::author_id)
        ))
        .order(authors::id)
        .select(authors::id);
    names(_p): String = authors::table
        .select(authors::name)
        .union(tags::table.select(tags::label))
        .positional_order_by(1);
    view(_p): (i32, String, String) = popular::table.order(popular::id);
    page(p): i32 = posts::table.order(posts::id).limit(3).offset(p.into()).select(posts::id);
    text(p): Numbers = diesel::sql_query(bound(
        "WITH mine AS (SELECT id, views FROM posts WHERE author_id = $1) \
         SELECT id AS a, views AS b FROM mine ORDER BY id",
        "WITH mine AS (SELECT id, views FROM posts WHERE author_id = ?) \
         SELECT id AS a, views AS b FROM mine ORDER BY id",
    ))
    .bind::<Integer, _>(p);
    boxed(p): (i32, i32) = {
        let mut query = posts::table.select((posts::id, posts::views)).into_boxed();
        if p % 2 == 0 {
            query = query.filter(posts::views.gt(p));
        }
        query.order(posts::id)
    };
}
