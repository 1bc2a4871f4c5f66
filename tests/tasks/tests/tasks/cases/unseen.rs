//! An error that nobody saw, and that has ended the transaction.

use std::sync::{Arc, Mutex};

use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use diesel_cache::asynchronous::CreateDsl;
use diesel_cache_tasks::attached;

use super::models::{Article, NewArticle, articles, caches, library};

/// An error that came with the rows, and that the application swallowed, is no commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_none_is_told_to_nobody() {
    let arena = library().await;
    let [cache, _] = caches();
    let mut conn = attached(arena.connect().await, &cache).await;
    let heard = Arc::new(Mutex::new(0));
    let told = Arc::clone(&heard);
    cache.on_post_commit::<Article>(move |_| {
        *told.lock().unwrap() += 1;
        Ok(())
    });
    for fails in [false, true] {
        let done = cache
            .transaction(&mut conn, async |conn| {
                let new = NewArticle {
                    author: 1,
                    title: "kept",
                };
                new.create::<Article>(conn).await?;
                if fails {
                    let again = "INSERT INTO articles VALUES (1, 1, 'twice') RETURNING id";
                    let failed = diesel::sql_query(again).execute(conn).await;
                    assert!(failed.is_err());
                }
                QueryResult::Ok(())
            })
            .await;
        done.unwrap();
        assert_eq!(*heard.lock().unwrap(), 1, "fails: {fails}");
    }
    let count: i64 = articles::table.count().get_result(&mut conn).await.unwrap();
    assert_eq!(count, 1);
    conn.transaction(async |_| QueryResult::Ok(()))
        .await
        .unwrap();
}
