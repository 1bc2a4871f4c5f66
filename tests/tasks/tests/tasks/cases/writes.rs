//! What writes do to what is cached, whichever way they take.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_cache::Outcome;
use diesel_cache::asynchronous::CachedDsl;

use super::engine::Conn;
use super::kit::{blog, join, memory, posts, retitle, settle, title, truth};

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_seen_by_others_when_it_returns() {
    let arena = blog().await;
    let cache = memory();
    let mut writer = join(&arena, &cache).await;
    let mut reader = join(&arena, &cache).await;
    for n in 0..20 {
        let new = n.to_string();
        retitle(&mut writer, 1, &new).await.unwrap();
        assert_eq!(title(&mut reader, 1).await.0, new);
        let (seen, outcome) = title(&mut reader, 1).await;
        assert_eq!((seen, outcome), (new, Outcome::Hit));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_seen() {
    let arena = blog().await;
    let cache = memory();
    let mut writer = join(&arena, &cache).await;
    let mut reader = join(&arena, &cache).await;
    title(&mut reader, 1).await;
    let batch = "UPDATE posts SET title = 'batch' WHERE id = 1";
    writer.batch_execute(batch).await.unwrap();
    assert_eq!(title(&mut reader, 1).await.0, "batch");
    settle(&mut reader, &mut writer, 1).await;
}

/// What it returns comes before its commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_returns_rows_is_seen() {
    let arena = blog().await;
    let cache = memory();
    let mut writer = join(&arena, &cache).await;
    let mut reader = join(&arena, &cache).await;
    let mut plain = arena.connect().await;
    let count = || posts::table.count().cached();
    for id in 3..23 {
        let before: i64 = count().get_result(&mut reader).await.unwrap();
        assert_eq!(before, i64::from(id) - 1);
        assert_eq!(insert_returning(&mut writer, id).await, id);
        // Its commit may be a moment later.
        while posts::table
            .count()
            .get_result::<i64>(&mut plain)
            .await
            .unwrap()
            == before
        {}
        let after: i64 = count().get_result(&mut reader).await.unwrap();
        assert_eq!(after, before + 1);
        settle(&mut reader, &mut plain, id).await;
    }
    assert!(cache.stats().hits >= 20);
}

async fn insert_returning(conn: &mut Conn, id: i32) -> i32 {
    #[derive(QueryableByName)]
    struct Made {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        id: i32,
    }
    let sql = format!("INSERT INTO posts VALUES ({id}, 1, 'new') RETURNING id");
    let row: Made = diesel::sql_query(sql).get_result(conn).await.unwrap();
    row.id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_seen_when_it_commits() {
    let arena = blog().await;
    let cache = memory();
    let mut writer = join(&arena, &cache).await;
    let mut reader = join(&arena, &cache).await;
    for explicit in [false, true] {
        let new = format!("committed {explicit}");
        title(&mut reader, 1).await;
        let reading = &mut reader;
        let work = async |conn: &mut Conn| {
            retitle(conn, 1, &new).await?;
            assert_eq!(truth(conn, 1).await, new);
            let (own, outcome) = title(conn, 1).await;
            assert_eq!(own, new, "{outcome:?}");
            assert!(matches!(outcome, Outcome::Bypass(_)), "{outcome:?}");
            assert_ne!(title(reading, 1).await.0, new);
            QueryResult::Ok(())
        };
        match explicit {
            true => cache.transaction(&mut writer, work).await.unwrap(),
            false => writer.transaction(work).await.unwrap(),
        }
        assert_eq!(title(&mut reader, 1).await.0, new);
        settle(&mut reader, &mut writer, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_rolled_back_invalidates_nothing() {
    let arena = blog().await;
    let cache = memory();
    let mut writer = join(&arena, &cache).await;
    let mut reader = join(&arena, &cache).await;
    title(&mut reader, 1).await;
    let rolled_back = cache
        .transaction(&mut writer, async |conn| {
            retitle(conn, 1, "lost").await?;
            Err::<(), _>(diesel::result::Error::RollbackTransaction)
        })
        .await;
    assert!(rolled_back.is_err());
    let read = title(&mut reader, 1).await;
    assert_eq!(read, ("a".to_owned(), Outcome::Hit));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_savepoint_that_is_rolled_back_does_not_count() {
    let arena = blog().await;
    let cache = memory();
    let mut writer = join(&arena, &cache).await;
    let mut reader = join(&arena, &cache).await;
    title(&mut reader, 1).await;
    title(&mut reader, 2).await;
    cache
        .transaction(&mut writer, async |conn| {
            retitle(conn, 2, "kept").await?;
            let inner = conn.transaction(async |conn| {
                retitle(conn, 1, "lost").await?;
                Err::<(), _>(diesel::result::Error::RollbackTransaction)
            });
            assert!(inner.await.is_err());
            QueryResult::Ok(())
        })
        .await
        .unwrap();
    assert_eq!(title(&mut reader, 1).await.0, "a");
    assert_eq!(title(&mut reader, 2).await.0, "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_without_the_cache_is_refused() {
    let arena = blog().await;
    let cache = memory();
    let mut plain = arena.connect().await;
    let refused = cache
        .transaction(&mut plain, async |conn| retitle(conn, 1, "no").await)
        .await;
    assert!(matches!(
        refused,
        Err(diesel::result::Error::QueryBuilderError(_))
    ));
    let mut other = join(&arena, &memory()).await;
    let refused = cache
        .transaction(&mut other, async |conn| retitle(conn, 1, "no").await)
        .await;
    assert!(refused.is_err());
    assert_eq!(truth(&mut plain, 1).await, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_change_is_seen() {
    let arena = blog().await;
    let cache = memory();
    let mut writer = join(&arena, &cache).await;
    let mut reader = join(&arena, &cache).await;
    title(&mut reader, 1).await;
    let create = "CREATE TABLE more (id INTEGER NOT NULL PRIMARY KEY)";
    writer.batch_execute(create).await.unwrap();
    settle(&mut reader, &mut writer, 1).await;
    diesel::insert_into(posts::table)
        .values((posts::id.eq(3), posts::author.eq(1), posts::title.eq("c")))
        .execute(&mut writer)
        .await
        .unwrap();
    assert_eq!(title(&mut reader, 3).await.0, "c");
}

/// Its rows are on their way long before it commits, and longer if nobody reads them.
#[tokio::test(flavor = "multi_thread")]
async fn rows_come_before_their_commit() {
    let arena = blog().await;
    let cache = memory();
    let mut writer = join(&arena, &cache).await;
    let mut reader = join(&arena, &cache).await;
    let mut plain = arena.connect().await;
    let long = "x".repeat(4000);
    let count = || posts::table.count().cached();
    for _ in 0..3 {
        for from in [1000, 2000, 3000] {
            let rows: Vec<String> = (from..from + 1000)
                .map(|id| format!("({id}, 1, '{long}')"))
                .collect();
            let insert = format!("INSERT INTO posts VALUES {}", rows.join(", "));
            plain.batch_execute(&insert).await.unwrap();
        }
        cache.invalidate_table("posts").await;
        assert_eq!(count().get_result::<i64>(&mut reader).await.unwrap(), 3002);
        let delete = diesel::sql_query("DELETE FROM posts WHERE id >= 1000 RETURNING title");
        {
            let rows = delete.load_stream::<Title>(&mut writer).await.unwrap();
            for _ in 0..50 {
                let before: i64 = posts::table.count().get_result(&mut plain).await.unwrap();
                let cached: i64 = count().get_result(&mut reader).await.unwrap();
                let after: i64 = posts::table.count().get_result(&mut plain).await.unwrap();
                if before == after {
                    assert_eq!(cached, before);
                }
            }
            let rows: Vec<_> = futures_util::StreamExt::collect::<Vec<_>>(rows).await;
            assert_eq!(rows.len(), 3000);
        }
        settle(&mut reader, &mut plain, 1).await;
        assert_eq!(count().get_result::<i64>(&mut reader).await.unwrap(), 2);
    }
}

#[derive(QueryableByName)]
struct Title {
    #[diesel(sql_type = diesel::sql_types::Text)]
    #[allow(dead_code, reason = "that it comes is enough")]
    title: String,
}
