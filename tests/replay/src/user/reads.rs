//! The application's reads.

use diesel::dsl::{AsSelect, auto_type};
use diesel::prelude::*;
use diesel_cache::{CachedDsl, Report};

use super::Conn;
use crate::canonical::{Canonical, Digest};
use crate::counted::Counted;
use crate::models::Post;
use crate::schema::{authors, comments, posts};
use crate::tally::Tally;
use crate::trace::Read;

type Db = <Conn as diesel::Connection>::Backend;

#[auto_type(no_type_alias)]
fn post_by_pk(id: i32) -> _ {
    let columns: AsSelect<Post, Db> = Post::as_select();
    posts::table.find(id).select(columns)
}

#[auto_type(no_type_alias)]
fn author_posts(author_id: i32) -> _ {
    let columns: AsSelect<Post, Db> = Post::as_select();
    posts::table
        .filter(posts::author_id.eq(author_id))
        .filter(posts::published.eq(true))
        .order(posts::id.desc())
        .limit(20_i64)
        .select(columns)
}

#[auto_type(no_type_alias)]
fn comment_count(post_id: i32) -> _ {
    comments::table
        .filter(comments::post_id.eq(post_id))
        .count()
}

#[auto_type(no_type_alias)]
fn post_comments(post_id: i32) -> _ {
    comments::table
        .inner_join(authors::table)
        .filter(comments::post_id.eq(post_id))
        .order(comments::id)
        .select((
            comments::id,
            comments::body,
            comments::author_id,
            authors::name,
        ))
}

#[auto_type(no_type_alias)]
fn latest_posts() -> _ {
    let columns: AsSelect<Post, Db> = Post::as_select();
    posts::table
        .order(posts::id.desc())
        .limit(20_i64)
        .select(columns)
}

/// Loads a query through the cache, and again without it where there is a plain connection.
macro_rules! load {
    ($query:expr, $load:ident, $conn:expr, $plain:expr, $report:expr) => {{
        let rows = $query.cached().report($report).$load($conn)?;
        let plain = match $plain {
            Some(plain) => Some($query.$load(plain)?),
            None => None,
        };
        (rows, plain)
    }};
}

/// Who reads, and what was read.
pub(super) struct Reader {
    /// A connection without a cache, to compare with.
    pub(super) plain: Option<Conn>,
    pub(super) digest: Digest,
    pub(super) tally: Tally,
}

impl Reader {
    pub(super) fn read(&mut self, conn: &mut Counted<Conn>, read: Read) -> QueryResult<()> {
        let report = &Report::new();
        let plain = &mut self.plain;
        match read {
            Read::PostByPk { id } => {
                let (post, again): (Post, _) =
                    load!(post_by_pk(id), get_result, conn, plain, report);
                self.note(read, report, &post, again);
            }
            Read::AuthorPosts { author_id } => {
                let (posts, again): (Vec<Post>, _) =
                    load!(author_posts(author_id), load, conn, plain, report);
                self.note(read, report, &posts, again);
            }
            Read::CommentCount { post_id } => {
                let (count, again): (i64, _) =
                    load!(comment_count(post_id), get_result, conn, plain, report);
                self.note(read, report, &count, again);
            }
            Read::PostComments { post_id } => {
                let (comments, again): (Vec<(i32, String, i32, String)>, _) =
                    load!(post_comments(post_id), load, conn, plain, report);
                self.note(read, report, &comments, again);
            }
            Read::LatestPosts => {
                let (posts, again): (Vec<Post>, _) =
                    load!(latest_posts(), load, conn, plain, report);
                self.note(read, report, &posts, again);
            }
        }
        Ok(())
    }

    fn note<T: Canonical + PartialEq>(
        &mut self,
        read: Read,
        report: &Report,
        rows: &T,
        again: Option<T>,
    ) {
        self.digest.add(rows);
        let differs = again.is_some_and(|again| again != *rows);
        self.tally.read(read.name(), report.outcome(), differs);
    }
}
