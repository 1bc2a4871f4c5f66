//! Statements that overlap on one connection.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_cache::asynchronous::CachedDsl;
use diesel_cache::{Bypass, Outcome, Report};
use diesel_cache_tasks::give_up;
use futures_util::future::{join_all, try_join3};

use super::kit::{blog, join, memory, posts, retitle, settle, title, truth};

async fn shared_title(mut conn: &AsyncPgConnection, id: i32) -> (String, Outcome) {
    let report = Report::new();
    let title = posts::table
        .find(id)
        .select(posts::title)
        .cached()
        .report(&report)
        .first::<String>(&mut conn)
        .await
        .unwrap();
    (title, report.outcome().unwrap())
}

async fn shared_retitle(mut conn: &AsyncPgConnection, id: i32, title: &str) -> QueryResult<usize> {
    diesel::update(posts::table.find(id))
        .set(posts::title.eq(title))
        .execute(&mut conn)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_overlap_and_hit() {
    let arena = blog().await;
    let cache = memory();
    let conn = join(&arena, &cache).await;
    let titles = join_all([1, 2, 1, 2, 1].map(|id| shared_title(&conn, id))).await;
    let titles: Vec<&str> = titles.iter().map(|(title, _)| title.as_str()).collect();
    assert_eq!(titles, ["a", "b", "a", "b", "a"]);
    for (_, outcome) in join_all([1, 2].map(|id| shared_title(&conn, id))).await {
        assert_eq!(outcome, Outcome::Hit);
    }
    let unattached = arena.connect().await;
    let (title, outcome) = shared_title(&unattached, 1).await;
    assert_eq!(
        (&*title, outcome),
        ("a", Outcome::Bypass(Bypass::Unattached))
    );
}

/// The catalogue is looked at on it too.
#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_when_a_look_is_due() {
    let arena = blog().await;
    let cache = diesel_cache::Cache::builder()
        .url("memory://")
        .catalogue_interval(std::time::Duration::from_millis(20))
        .build();
    let cache = diesel_cache::asynchronous::AsyncCache::from(cache.unwrap());
    let conn = join(&arena, &cache).await;
    shared_title(&conn, 1).await;
    for _ in 0..10 {
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        assert_eq!(shared_title(&conn, 1).await.1, Outcome::Hit);
    }
}

/// Others write in it: what a read asks besides must not undo that, and what it sees is not stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_shared_is_read_from_the_database() {
    let arena = blog().await;
    let cache = diesel_cache::Cache::builder()
        .url("memory://")
        .catalogue_interval(std::time::Duration::from_millis(1))
        .build();
    let cache = diesel_cache::asynchronous::AsyncCache::from(cache.unwrap());
    let mut conn = join(&arena, &cache).await;
    let mut reader = join(&arena, &cache).await;
    let mut plain = arena.connect().await;
    for n in 0..10 {
        settle(&mut reader, &mut plain, 1).await;
        let (new, commits) = (n.to_string(), n % 2 == 0);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let before = truth(&mut plain, 1).await;
        let done = conn
            .transaction(async |conn| {
                let conn = &*conn;
                let both = futures_util::future::join(
                    shared_title(conn, 1),
                    shared_retitle(conn, 1, &new),
                );
                let ((_, outcome), written) = both.await;
                assert!(matches!(outcome, Outcome::Bypass(_)), "{outcome:?}");
                written?;
                match commits {
                    true => Ok(()),
                    false => Err(diesel::result::Error::RollbackTransaction),
                }
            })
            .await;
        assert_eq!(done.is_ok(), commits);
        let after = truth(&mut plain, 1).await;
        assert_eq!(after, if commits { new } else { before });
        assert_eq!(title(&mut reader, 1).await.0, after);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_overlap_are_seen() {
    let arena = blog().await;
    let cache = memory();
    let writer = join(&arena, &cache).await;
    let mut reader = join(&arena, &cache).await;
    let mut plain = arena.connect().await;
    for n in 0..50 {
        settle(&mut reader, &mut plain, 1).await;
        settle(&mut reader, &mut plain, 2).await;
        let (one, two) = (format!("{n} one"), format!("{n} two"));
        // Two of one text, and one of another.
        let more = format!("UPDATE posts SET author = {n}");
        let mut conn = &writer;
        let more = diesel::sql_query(more).execute(&mut conn);
        let all = try_join3(
            shared_retitle(&writer, 1, &one),
            more,
            shared_retitle(&writer, 2, &two),
        );
        all.await.unwrap();
        assert_eq!(title(&mut reader, 1).await.0, one);
        assert_eq!(title(&mut reader, 2).await.0, two);
    }
}

/// The first of two has answered, and the second waits for a lock: what it is to write is not
/// cached meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_is_under_way_after_another_has_answered() {
    let arena = blog().await;
    let cache = memory();
    let writer = join(&arena, &cache).await;
    let mut reader = join(&arena, &cache).await;
    let mut plain = arena.connect().await;
    let mut locker = arena.connect().await;
    for (n, same_text) in [true, false, true, false].into_iter().enumerate() {
        settle(&mut reader, &mut plain, 2).await;
        locker.batch_execute("BEGIN").await.unwrap();
        retitle(&mut locker, 2, "locked").await.unwrap();
        let (first, second) = (format!("{n} first"), format!("{n} second"));
        let fast = async {
            let mut conn = &writer;
            match same_text {
                true => shared_retitle(&writer, 1, &first).await.unwrap(),
                false => {
                    let update = "UPDATE posts SET author = author + 1 WHERE id = 1";
                    diesel::sql_query(update).execute(&mut conn).await.unwrap()
                }
            };
        };
        let reads = async {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            for _ in 0..5 {
                let (seen, outcome) = title(&mut reader, 2).await;
                assert_eq!(seen, truth(&mut plain, 2).await);
                assert!(matches!(outcome, Outcome::Bypass(_)), "{outcome:?}");
            }
            locker.batch_execute("ROLLBACK").await.unwrap();
        };
        let slow = shared_retitle(&writer, 2, &second);
        let ((), slow, ()) = tokio::join!(fast, slow, reads);
        slow.unwrap();
        assert_eq!(title(&mut reader, 2).await.0, second);
    }
}

/// One is sent after another has answered, though it was begun before.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_begun_first_may_be_sent_last() {
    let arena = blog().await;
    let cache = memory();
    let writer = join(&arena, &cache).await;
    let mut reader = join(&arena, &cache).await;
    let mut plain = arena.connect().await;
    for n in 0..20 {
        settle(&mut reader, &mut plain, 1).await;
        let new = n.to_string();
        let mut conn = &writer;
        let late = diesel::update(posts::table.find(1))
            .set(posts::title.eq(&new))
            .execute(&mut conn);
        // A read, or a write of the same text: which of two has finished, nobody says.
        match n % 2 {
            0 => drop(shared_title(&writer, 2).await),
            _ => drop(shared_retitle(&writer, 2, &new).await.unwrap()),
        }
        for _ in 0..2 {
            let before = title(&mut reader, 1).await.0;
            assert_eq!(before, truth(&mut plain, 1).await);
        }
        late.await.unwrap();
        assert_eq!(title(&mut reader, 1).await.0, new);
        assert_eq!(title(&mut reader, 2).await.0, truth(&mut plain, 2).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_among_others_leaves_nothing_stale() {
    let arena = blog().await;
    let cache = memory();
    let mut reader = join(&arena, &cache).await;
    let mut plain = arena.connect().await;
    for after in 0..12 {
        let mut writer = join(&arena, &cache).await;
        settle(&mut reader, &mut plain, 1).await;
        let new = after.to_string();
        {
            let given_up = give_up(after, shared_retitle(&writer, 1, &new));
            let others = shared_retitle(&writer, 2, &new);
            let _ = tokio::join!(given_up, others);
        }
        for _ in 0..5 {
            let before = truth(&mut plain, 1).await;
            let (seen, outcome) = title(&mut reader, 1).await;
            if truth(&mut plain, 1).await == before {
                assert_eq!(seen, before, "{outcome:?}");
            }
        }
        // Whoever has it for himself knows that nothing is under way.
        title(&mut writer, 1).await;
        settle(&mut reader, &mut plain, 1).await;
    }
}
