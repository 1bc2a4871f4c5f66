//! Connections from pools.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, bb8, deadpool, mobc};
use diesel_cache::asynchronous::{AsyncCache, CachedDsl};
use diesel_cache_tasks::give_up;

use super::engine::{Arena, Conn};
use super::kit::{blog, join, memory, posts, settle};

fn manager(arena: &Arena, cache: &AsyncCache) -> AsyncDieselConnectionManager<Conn> {
    AsyncDieselConnectionManager::new_with_config(arena.url(), cache.manager_config())
}

/// Reads, writes and reads again with whatever connection stands there.
macro_rules! reads_and_writes {
    ($arena:expr, $cache:expr, $get:expr) => {
        // Whoever closes a file of SQLite's last, locks it.
        let _open = $arena.connect().await;
        for n in 0..5 {
            let mut conn = $get;
            let title = || posts::table.find(1).select(posts::title).cached();
            let before: String = title().first(&mut conn).await.unwrap();
            let again: String = title().first(&mut conn).await.unwrap();
            assert_eq!(before, again);
            let new = n.to_string();
            diesel::update(posts::table.find(1))
                .set(posts::title.eq(&new))
                .execute(&mut conn)
                .await
                .unwrap();
            let mut other = $get;
            assert_eq!(title().first::<String>(&mut other).await.unwrap(), new);
            let last = format!("{new}, explicitly");
            $cache
                .transaction(&mut conn, async |conn| {
                    diesel::update(posts::table.find(1))
                        .set(posts::title.eq(&last))
                        .execute(conn)
                        .await
                })
                .await
                .unwrap();
            assert_eq!(title().first::<String>(&mut other).await.unwrap(), last);
        }
        let stats = $cache.stats();
        assert!(stats.hits >= 5, "{stats:?}");
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn of_deadpool() {
    let arena = blog().await;
    let cache = memory();
    let pool = deadpool::Pool::builder(manager(&arena, &cache))
        .max_size(3)
        .build()
        .unwrap();
    reads_and_writes!(arena, cache, pool.get().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_bb8() {
    let arena = blog().await;
    let cache = memory();
    let pool = bb8::Pool::builder()
        .max_size(3)
        .build(manager(&arena, &cache))
        .await
        .unwrap();
    reads_and_writes!(arena, cache, pool.get().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_mobc() {
    let arena = blog().await;
    let cache = memory();
    let pool = mobc::Pool::builder()
        .max_open(3)
        .build(manager(&arena, &cache));
    reads_and_writes!(arena, cache, pool.get().await.unwrap());
}

/// Whatever was given up on a connection is over when the pool hands it out again.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_comes_back_with_nothing_under_way() {
    let arena = blog().await;
    let cache = memory();
    let pool = deadpool::Pool::builder(manager(&arena, &cache))
        .max_size(1)
        .build()
        .unwrap();
    let mut reader = join(&arena, &cache).await;
    let mut plain = arena.connect().await;
    for after in 0..20 {
        settle(&mut reader, &mut plain, 1).await;
        let mut conn = pool.get().await.unwrap();
        let update = diesel::update(posts::table.find(1))
            .set(posts::title.eq(after.to_string()))
            .execute(&mut conn);
        let done = give_up(after, update).await;
        drop(conn);
        drop(pool.get().await.unwrap());
        settle(&mut reader, &mut plain, 1).await;
        if done.is_some() {
            return;
        }
    }
    panic!("the update never came to an end");
}
