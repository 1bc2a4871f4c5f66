//! Everything that the pages read. Each read goes through the cache, and into the page's foot.

use diesel::prelude::*;
use diesel_cache::asynchronous::CachedDsl;

use super::Connection;
use crate::foot::Foot;
use crate::models::{Author, Comment, Headline, Post};
use crate::schema::{authors, comments, posts};

/// How many posts the front page shows.
const LATEST: i64 = 20;

pub(super) async fn latest(conn: &mut Connection, foot: &mut Foot) -> QueryResult<Vec<Headline>> {
    let query = posts::table
        .inner_join(authors::table)
        .select(Headline::as_select())
        .order(posts::id.desc())
        .limit(LATEST);
    foot.read("latest posts", async |report| {
        query.cached().report(report).load(conn).await
    })
    .await
}

pub(super) async fn authors(conn: &mut Connection, foot: &mut Foot) -> QueryResult<Vec<Author>> {
    let query = authors::table
        .select(Author::as_select())
        .order((authors::name, authors::id));
    foot.read("authors", async |report| {
        query.cached().report(report).load(conn).await
    })
    .await
}

pub(super) async fn post(
    conn: &mut Connection,
    foot: &mut Foot,
    id: i32,
) -> QueryResult<Option<(Post, Author)>> {
    let query = posts::table
        .inner_join(authors::table)
        .filter(posts::id.eq(id))
        .select((Post::as_select(), Author::as_select()));
    let found = foot.read("post", async |report| {
        query.cached().report(report).get_result(conn).await
    });
    found.await.optional()
}

pub(super) async fn comments(
    conn: &mut Connection,
    foot: &mut Foot,
    post_id: i32,
) -> QueryResult<Vec<Comment>> {
    let query = comments::table
        .filter(comments::post_id.eq(post_id))
        .select(Comment::as_select())
        .order(comments::id);
    foot.read("comments", async |report| {
        query.cached().report(report).load(conn).await
    })
    .await
}

pub(super) async fn author(
    conn: &mut Connection,
    foot: &mut Foot,
    id: i32,
) -> QueryResult<Option<Author>> {
    let query = authors::table
        .filter(authors::id.eq(id))
        .select(Author::as_select());
    let found = foot.read("author", async |report| {
        query.cached().report(report).get_result(conn).await
    });
    found.await.optional()
}

pub(super) async fn posts_of(
    conn: &mut Connection,
    foot: &mut Foot,
    author_id: i32,
) -> QueryResult<Vec<Headline>> {
    let query = posts::table
        .inner_join(authors::table)
        .filter(posts::author_id.eq(author_id))
        .select(Headline::as_select())
        .order(posts::id.desc());
    foot.read("posts of the author", async |report| {
        query.cached().report(report).load(conn).await
    })
    .await
}
