//! The application's writes.

use diesel::prelude::*;
use diesel_cache::DeleteDsl;

use super::Conn;
use crate::counted::Counted;
use crate::models::Comment;
use crate::schema::{authors, comments, posts};

pub(super) fn update_title(conn: &mut Counted<Conn>, id: i32, title: &str) -> QueryResult<()> {
    diesel::update(posts::table.find(id))
        .set(posts::title.eq(title))
        .execute(conn)?;
    Ok(())
}

pub(super) fn bump_views(conn: &mut Counted<Conn>, id: i32) -> QueryResult<()> {
    diesel::update(posts::table.find(id))
        .set(posts::views.eq(posts::views + 1))
        .execute(conn)?;
    Ok(())
}

pub(super) fn insert_comment(conn: &mut Counted<Conn>, comment: &Comment) -> QueryResult<()> {
    diesel::insert_into(comments::table)
        .values(comment)
        .execute(conn)?;
    Ok(())
}

/// Deletes a comment whose row is at hand.
pub(super) fn delete_comment(conn: &mut Counted<Conn>, comment: &Comment) -> QueryResult<()> {
    comment.delete(conn)
}

/// Deletes a comment of which nothing is known but its id.
pub(super) fn delete_comment_by_id(conn: &mut Counted<Conn>, id: i32) -> QueryResult<()> {
    diesel::delete(comments::table.find(id)).execute(conn)?;
    Ok(())
}

pub(super) fn bulk_publish(
    conn: &mut Counted<Conn>,
    author_id: i32,
    published: bool,
) -> QueryResult<()> {
    diesel::update(posts::table.filter(posts::author_id.eq(author_id)))
        .set(posts::published.eq(published))
        .execute(conn)?;
    Ok(())
}

pub(super) fn rename_author(conn: &mut Counted<Conn>, id: i32, name: &str) -> QueryResult<()> {
    diesel::update(authors::table.find(id))
        .set(authors::name.eq(name))
        .execute(conn)?;
    Ok(())
}
