//! The blog, and what is asked of it.

use diesel::prelude::*;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use diesel_cache::asynchronous::{AsyncCache, CachedDsl};
use diesel_cache::{Outcome, Report};
use diesel_cache_tasks::attached;

use super::engine::{self, Arena, Conn};

diesel::table! {
    posts (id) {
        id -> Integer,
        author -> Integer,
        title -> Text,
    }
}

#[derive(Queryable, Selectable, Debug, Clone, PartialEq, Eq)]
#[allow(dead_code, reason = "not all who have the kit use all of it")]
pub(crate) struct Post {
    pub(crate) id: i32,
    pub(crate) author: i32,
    pub(crate) title: String,
}

/// A database with two posts.
pub(crate) async fn blog() -> Arena {
    let arena = engine::arena();
    let mut conn = arena.connect().await;
    let text = match engine::NAME {
        "mysql" => "VARCHAR(4000)",
        _ => "TEXT",
    };
    conn.batch_execute(&format!(
        "CREATE TABLE posts (id INTEGER NOT NULL PRIMARY KEY, author INTEGER NOT NULL, \
                             title {text} NOT NULL)"
    ))
    .await
    .unwrap();
    conn.batch_execute("INSERT INTO posts VALUES (1, 1, 'a'), (2, 1, 'b')")
        .await
        .unwrap();
    arena
}

pub(crate) fn memory() -> AsyncCache {
    AsyncCache::from_url("memory://").unwrap()
}

/// A connection to the blog with that cache.
pub(crate) async fn join(arena: &Arena, cache: &AsyncCache) -> Conn {
    attached(arena.connect().await, cache).await
}

/// The title of a post by the cache, and what became of the read.
pub(crate) async fn title(conn: &mut Conn, id: i32) -> (String, Outcome) {
    let report = Report::new();
    let title = posts::table
        .find(id)
        .select(posts::title)
        .cached()
        .report(&report)
        .first::<String>(conn)
        .await
        .unwrap();
    (title, report.outcome().unwrap())
}

/// The title of a post by the database.
pub(crate) async fn truth(conn: &mut Conn, id: i32) -> String {
    let title = posts::table.find(id).select(posts::title);
    title.first(conn).await.unwrap()
}

/// Gives a post a title, by a statement of its own.
pub(crate) async fn retitle(conn: &mut Conn, id: i32, title: &str) -> QueryResult<usize> {
    let title = posts::title.eq(title);
    diesel::update(posts::table.find(id))
        .set(title)
        .execute(conn)
        .await
}

/// Reads that post until a read hits, and checks each against the database: what both reads of
/// that around it agree in, the cache must have said too.
#[allow(dead_code, reason = "not all who have the kit use all of it")]
pub(crate) async fn settle(cached: &mut Conn, plain: &mut Conn, id: i32) {
    for _ in 0..400 {
        let before = truth(plain, id).await;
        let (title, outcome) = title(cached, id).await;
        let after = truth(plain, id).await;
        if before == after {
            assert_eq!(title, before, "{outcome:?}");
            if outcome == Outcome::Hit {
                return;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("no read of {id} hits: {:?}", title(cached, id).await);
}
