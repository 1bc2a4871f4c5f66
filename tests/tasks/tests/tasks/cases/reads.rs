//! What cached reads return, and what becomes of them.

use diesel::prelude::*;
use diesel_cache::asynchronous::CachedDsl;
use diesel_cache::{Bypass, Outcome, Report};

use super::kit::{Post, blog, join, memory, posts, title};

const STORED: Outcome = Outcome::Miss {
    stored: true,
    joined: false,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_read_hits() {
    let arena = blog().await;
    let cache = memory();
    let mut conn = join(&arena, &cache).await;
    let mut other = join(&arena, &cache).await;
    assert_eq!(title(&mut conn, 1).await, ("a".to_owned(), STORED));
    assert_eq!(title(&mut conn, 1).await, ("a".to_owned(), Outcome::Hit));
    assert_eq!(title(&mut other, 1).await, ("a".to_owned(), Outcome::Hit));
    assert_eq!(title(&mut other, 2).await, ("b".to_owned(), STORED));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_load_is_cached() {
    let arena = blog().await;
    let cache = memory();
    let mut conn = join(&arena, &cache).await;
    let all = || posts::table.order(posts::id);
    let want = [(1, "a"), (2, "b")].map(|(id, title)| Post {
        id,
        author: 1,
        title: title.to_owned(),
    });
    for _ in 0..2 {
        let loaded: Vec<Post> = all().cached().load(&mut conn).await.unwrap();
        assert_eq!(loaded, want);
        let shared = all().cached().load_shared::<Post>(&mut conn).await.unwrap();
        assert_eq!(*shared, want);
        let results: Vec<Post> = all()
            .into_boxed()
            .cached()
            .get_results(&mut conn)
            .await
            .unwrap();
        assert_eq!(results, want);
        let one: Post = all().cached().get_result(&mut conn).await.unwrap();
        assert_eq!(one, want[0]);
        let first: Post = all().cached().first(&mut conn).await.unwrap();
        assert_eq!(first, want[0]);
        let count: i64 = posts::table
            .count()
            .cached()
            .get_result(&mut conn)
            .await
            .unwrap();
        assert_eq!(count, 2);
        let none = posts::table.find(9).cached().first::<Post>(&mut conn).await;
        assert_eq!(none.optional().unwrap(), None);
        let borrowed = "a".to_owned();
        let by_title: Vec<i32> = posts::table
            .filter(posts::title.eq(&borrowed))
            .select(posts::id)
            .cached()
            .load(&mut conn)
            .await
            .unwrap();
        assert_eq!(by_title, [1]);
    }
    let stats = cache.stats();
    assert_eq!(stats.bypasses, [], "{stats:?}");
    assert!(stats.hits >= 8, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_cache_reads_the_database() {
    let arena = blog().await;
    let mut conn = arena.connect().await;
    for _ in 0..2 {
        let (title, outcome) = title(&mut conn, 1).await;
        assert_eq!(
            (&*title, outcome),
            ("a", Outcome::Bypass(Bypass::Unattached))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_cached_says_why() {
    let arena = blog().await;
    let cache = memory();
    let mut conn = join(&arena, &cache).await;
    let report = Report::new();
    let count = || posts::table.count().cached().report(&report);
    count()
        .no_cache()
        .get_result::<i64>(&mut conn)
        .await
        .unwrap();
    assert_eq!(report.outcome(), Some(Outcome::Bypass(Bypass::NoCache)));
    cache.set_enabled(false);
    count().get_result::<i64>(&mut conn).await.unwrap();
    assert_eq!(report.outcome(), Some(Outcome::Bypass(Bypass::Disabled)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_the_databases() {
    let arena = blog().await;
    let cache = memory();
    let mut conn = join(&arena, &cache).await;
    diesel_async::RunQueryDsl::execute(diesel::sql_query("DROP TABLE posts"), &mut conn)
        .await
        .unwrap();
    let gone = posts::table.cached().load::<Post>(&mut conn).await;
    assert!(matches!(
        gone,
        Err(diesel::result::Error::DatabaseError(..))
    ));
    let gone = posts::table.cached().load::<Post>(&mut conn).await;
    assert!(gone.is_err());
}

/// The same rows, whoever stored them.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_can_be_spawned() {
    let arena = blog().await;
    let cache = memory();
    let tasks: Vec<_> = futures_util::future::join_all((0..4).map(|_| join(&arena, &cache)))
        .await
        .into_iter()
        .map(|mut conn| {
            tokio::spawn(async move {
                for _ in 0..50 {
                    assert_eq!(title(&mut conn, 1).await.0, "a");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(cache.stats().hits + cache.stats().misses, 200);
}
