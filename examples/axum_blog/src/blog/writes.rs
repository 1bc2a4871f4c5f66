//! Everything that is written: plain Diesel statements, in transactions of the cache. None of
//! them says what it invalidates.

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::RunQueryDsl;
use diesel_cache::asynchronous::AsyncCache;

use super::Connection;
use crate::drafts::{CommentDraft, PostDraft};
use crate::schema::{authors, comments, posts};

/// Writes a comment. Returns whether there is such a post.
pub(super) async fn comment(
    cache: &AsyncCache,
    conn: &mut Connection,
    post_id: i32,
    draft: &CommentDraft,
) -> QueryResult<bool> {
    let written = cache
        .transaction(conn, async |conn| {
            diesel::insert_into(comments::table)
                .values((
                    comments::post_id.eq(post_id),
                    comments::name.eq(&draft.name),
                    comments::body.eq(&draft.body),
                ))
                .execute(conn)
                .await
        })
        .await;
    match written {
        Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => Ok(false),
        written => Ok(written? == 1),
    }
}

/// Writes a post, and its author if this is the first. Returns the post's id.
pub(super) async fn post(
    cache: &AsyncCache,
    conn: &mut Connection,
    draft: &PostDraft,
) -> QueryResult<i32> {
    let named = authors::table
        .filter(authors::name.eq(&draft.name))
        .select(authors::id);
    let known: Option<i32> = named.first(conn).await.optional()?;
    cache
        .transaction(conn, async |conn| {
            let author_id = match known {
                Some(id) => id,
                None => {
                    // Another visitor may have done so meanwhile.
                    diesel::insert_into(authors::table)
                        .values(authors::name.eq(&draft.name))
                        .on_conflict_do_nothing()
                        .execute(conn)
                        .await?;
                    named.first(conn).await?
                }
            };
            diesel::insert_into(posts::table)
                .values((
                    posts::author_id.eq(author_id),
                    posts::title.eq(&draft.title),
                    posts::body.eq(&draft.body),
                ))
                .returning(posts::id)
                .get_result(conn)
                .await
        })
        .await
}
