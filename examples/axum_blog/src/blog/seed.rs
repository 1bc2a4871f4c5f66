//! A few rows for a blog that has none.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use diesel_cache::asynchronous::AsyncCache;

use super::{Connection, writes};
use crate::drafts::{CommentDraft, PostDraft};
use crate::schema::posts;

/// Authors, titles and texts.
const POSTS: [[&str; 3]; 3] = [
    [
        "Ada",
        "Why this page is fast",
        "Open this page twice, and look at its foot: the second time its rows come from the cache.",
    ],
    [
        "Ada",
        "Why this page is right",
        "Write a comment below. It is here at once: what you wrote made the comments be read anew, \
         and left the post alone.",
    ],
    [
        "Grace",
        "What nobody had to write",
        "There is no key, and no call that invalidates. Have a look at reads.rs and writes.rs.",
    ],
];

/// Plants all of them, or none if there is something.
pub(super) async fn plant(cache: &AsyncCache, conn: &mut Connection) -> QueryResult<()> {
    cache
        .transaction(conn, async |conn| {
            let count: i64 = posts::table.count().get_result(conn).await?;
            if count > 0 {
                return Ok(());
            }
            for [name, title, body] in POSTS {
                let post = PostDraft {
                    name: name.into(),
                    title: title.into(),
                    body: body.into(),
                };
                let comment = CommentDraft {
                    name: "Linus".into(),
                    body: "Thank you!".into(),
                };
                // Transactions inside of this one.
                let id = writes::post(cache, conn, &post).await?;
                writes::comment(cache, conn, id, &comment).await?;
            }
            Ok(())
        })
        .await
}
