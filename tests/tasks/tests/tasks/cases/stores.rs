//! A store that other processes share.

use std::time::Duration;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use diesel_cache::asynchronous::AsyncCache;
use diesel_cache::{Cache, OnUnreachable, Outcome};
use diesel_cache_faults::{Mode, Proxy, RedisServer};
use diesel_cache_tasks::{give_up, redis};

use super::kit::{blog, join, retitle, settle, title, truth};

const LONG: Duration = Duration::from_secs(20);

/// Another cache on the same store is another process, as it were.
fn two() -> [AsyncCache; 2] {
    let url = redis();
    [(); 2].map(|()| AsyncCache::from_url(&url).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_hits() {
    let arena = blog().await;
    let [one, two] = two();
    let mut conn = join(&arena, &one).await;
    let mut other = join(&arena, &two).await;
    let mut plain = arena.connect().await;
    settle(&mut conn, &mut plain, 1).await;
    assert_eq!(title(&mut other, 1).await, ("a".to_owned(), Outcome::Hit));
}

/// Whoever was to make an entry, and is gone, keeps no other process waiting.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_of_one_who_is_gone_is_given_back() {
    let arena = blog().await;
    let url = format!("{}&single_flight_wait=300s", redis());
    let [one, two] = [(); 2].map(|()| AsyncCache::from_url(&url).unwrap());
    let mut other = join(&arena, &two).await;
    let mut plain = arena.connect().await;
    settle(&mut other, &mut plain, 2).await;
    for after in 1..30 {
        // What is left of an answer makes a connection of MySQL's useless.
        let mut gone = join(&arena, &one).await;
        settle(&mut gone, &mut plain, 2).await;
        one.clear().await;
        let done = give_up(after, title(&mut gone, 1)).await;
        let read = tokio::time::timeout(LONG, title(&mut other, 1)).await;
        let (title, _) = read.expect("waits for nobody");
        assert_eq!(title, "a");
        if done.is_some() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explicit_transaction_is_seen_everywhere_when_it_returns() {
    let arena = blog().await;
    let [one, two] = two();
    let mut writer = join(&arena, &one).await;
    let mut reader = join(&arena, &two).await;
    let mut plain = arena.connect().await;
    for n in 0..30 {
        settle(&mut reader, &mut plain, 1).await;
        let new = n.to_string();
        one.transaction(&mut writer, async |conn| retitle(conn, 1, &new).await)
            .await
            .unwrap();
        assert_eq!(title(&mut reader, 1).await.0, new);
        assert_eq!(title(&mut writer, 1).await.0, new);
    }
    assert!(two.stats().hits >= 30);
}

/// However far the store is, it has the quarantine before the database has the commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_waits_for_its_announcement() {
    let arena = blog().await;
    let server = RedisServer::start(&[]).unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let one = AsyncCache::from_url(&format!("{}?io_timeout=5s", proxy.url())).unwrap();
    let two = AsyncCache::from_url(&server.url()).unwrap();
    let mut writer = join(&arena, &one).await;
    let mut reader = join(&arena, &two).await;
    let mut plain = arena.connect().await;
    for n in 0..3 {
        proxy.set(Mode::Pass);
        settle(&mut reader, &mut plain, 1).await;
        proxy.set(Mode::Delay(Duration::from_millis(150)));
        let new = n.to_string();
        let write = async {
            let work = async |conn: &mut super::engine::Conn| retitle(conn, 1, &new).await;
            one.transaction(&mut writer, work).await.unwrap();
        };
        let reads = async {
            let began = std::time::Instant::now();
            while began.elapsed() < Duration::from_millis(1200) {
                let before = truth(&mut plain, 1).await;
                let (seen, outcome) = title(&mut reader, 1).await;
                if truth(&mut plain, 1).await == before {
                    assert_eq!(seen, before, "{outcome:?}");
                }
            }
        };
        tokio::join!(write, reads);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_seen_everywhere_after_a_flush() {
    let arena = blog().await;
    let [one, two] = two();
    let mut writer = join(&arena, &one).await;
    let mut reader = join(&arena, &two).await;
    let mut plain = arena.connect().await;
    for n in 0..30 {
        settle(&mut reader, &mut plain, 1).await;
        let new = n.to_string();
        retitle(&mut writer, 1, &new).await.unwrap();
        assert_eq!(title(&mut writer, 1).await.0, new, "own process");
        assert!(one.flush(LONG).await);
        assert_eq!(title(&mut reader, 1).await.0, new);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explicit_write_that_is_given_up_leaves_nothing_stale() {
    let arena = blog().await;
    let [one, two] = two();
    let mut reader = join(&arena, &two).await;
    let mut plain = arena.connect().await;
    for after in 0..200 {
        let mut writer = join(&arena, &one).await;
        settle(&mut reader, &mut plain, 1).await;
        let new = format!("given up {after}");
        let write = one.transaction(&mut writer, async |conn| retitle(conn, 1, &new).await);
        let done = give_up(after, write).await;
        for _ in 0..5 {
            let before = truth(&mut plain, 1).await;
            let (seen, outcome) = title(&mut reader, 1).await;
            if before == truth(&mut plain, 1).await {
                assert_eq!(seen, before, "{outcome:?}");
            }
        }
        drop(writer);
        settle(&mut reader, &mut plain, 1).await;
        if let Some(done) = done {
            done.unwrap();
            return;
        }
    }
    panic!("it never came to an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_cannot_be_announced_is_aborted() {
    let arena = blog().await;
    let server = RedisServer::start(&[]).unwrap();
    let cache = Cache::builder()
        .url(server.url())
        .on_unreachable(OnUnreachable::Abort)
        .build();
    let cache = AsyncCache::from(cache.unwrap());
    let mut conn = join(&arena, &cache).await;
    let mut plain = arena.connect().await;
    let write = async |conn: &mut super::engine::Conn| retitle(conn, 1, "new").await;
    cache.transaction(&mut conn, write).await.unwrap();
    server.kill();
    let aborted = cache
        .transaction(&mut conn, async |conn| retitle(conn, 1, "lost").await)
        .await;
    assert!(
        matches!(aborted, Err(diesel::result::Error::QueryBuilderError(_))),
        "{aborted:?}"
    );
    assert_eq!(truth(&mut plain, 1).await, "new");
    assert_eq!(title(&mut conn, 1).await.0, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_is_delivered_at_shutdown() {
    let arena = blog().await;
    let [one, two] = two();
    let mut writer = join(&arena, &one).await;
    let mut reader = join(&arena, &two).await;
    let mut plain = arena.connect().await;
    settle(&mut reader, &mut plain, 1).await;
    retitle(&mut writer, 1, "last").await.unwrap();
    drop(writer);
    assert!(one.shutdown(LONG).await);
    assert_eq!(title(&mut reader, 1).await.0, "last");
}

/// What a statement wrote that returned rows is known to be over in other processes, though its
/// connection does nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_answered_keeps_nobody_away_for_long() {
    let arena = blog().await;
    let [one, two] = two();
    let mut writer = join(&arena, &one).await;
    let mut reader = join(&arena, &two).await;
    let mut plain = arena.connect().await;
    settle(&mut reader, &mut plain, 1).await;
    let insert = "INSERT INTO posts VALUES (7, 1, 'g') RETURNING title";
    #[derive(QueryableByName)]
    struct Made {
        #[diesel(sql_type = diesel::sql_types::Text)]
        title: String,
    }
    let made: Made = RunQueryDsl::get_result(diesel::sql_query(insert), &mut writer)
        .await
        .unwrap();
    assert_eq!(made.title, "g");
    settle(&mut reader, &mut plain, 7).await;
    settle(&mut reader, &mut plain, 1).await;
    drop(writer);
}

/// A store that does not answer holds up no thread of the runtime.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_store_that_hangs_holds_up_nobody() {
    let arena = blog().await;
    let server = RedisServer::start(&[]).unwrap();
    let url = format!("{}?io_timeout=3s", server.url());
    let cache = AsyncCache::from_url(&url).unwrap();
    let mut conn = join(&arena, &cache).await;
    let mut plain = arena.connect().await;
    settle(&mut conn, &mut plain, 1).await;
    server.pause().unwrap();
    let ticks = async {
        let began = std::time::Instant::now();
        let mut longest = Duration::ZERO;
        while began.elapsed() < Duration::from_secs(2) {
            let tick = std::time::Instant::now();
            tokio::time::sleep(Duration::from_millis(5)).await;
            longest = longest.max(tick.elapsed());
        }
        longest
    };
    let work = async {
        let _ = retitle(&mut conn, 1, "new").await;
        title(&mut conn, 1).await;
        QueryResult::Ok(())
    };
    let (longest, _) = tokio::join!(ticks, tokio::time::timeout(Duration::from_secs(9), work));
    server.resume();
    // The store would hold up the only thread for three seconds.
    assert!(longest < Duration::from_millis(1500), "{longest:?}");
}
