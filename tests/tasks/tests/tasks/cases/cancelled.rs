//! Futures that are given up, at every point where they wait.

use std::time::Duration;

use diesel::prelude::*;
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use diesel_cache::asynchronous::CachedDsl;
use diesel_cache::{Outcome, Report};
use diesel_cache_tasks::give_up;

use super::engine::{Arena, Conn, NAME};
use super::kit::{blog, join, memory, posts, retitle, settle, title, truth};

/// Ways to write that a future can be given up in.
#[derive(Debug, Clone, Copy)]
enum Write {
    Statement,
    Batch,
    Transaction,
    Explicit,
}

const WRITES: [Write; 4] = [
    Write::Statement,
    Write::Batch,
    Write::Transaction,
    Write::Explicit,
];

async fn write(
    kind: Write,
    cache: &diesel_cache::asynchronous::AsyncCache,
    conn: &mut Conn,
    title: &str,
) -> QueryResult<()> {
    match kind {
        Write::Statement => retitle(conn, 1, title).await.map(drop),
        Write::Batch => {
            let sql = format!("UPDATE posts SET title = '{title}' WHERE id = 1");
            conn.batch_execute(&sql).await
        }
        Write::Transaction => {
            conn.transaction(async |conn| {
                retitle(conn, 2, title).await?;
                retitle(conn, 1, title).await.map(drop)
            })
            .await
        }
        Write::Explicit => {
            cache
                .transaction(conn, async |conn| {
                    retitle(conn, 2, title).await?;
                    retitle(conn, 1, title).await.map(drop)
                })
                .await
        }
    }
}

/// Whatever became of the write, no read is stale, before the connection is dropped and after.
async fn given_up(arena: &Arena, kind: Write, drops: bool) -> u32 {
    let cache = memory();
    let mut reader = join(arena, &cache).await;
    let mut plain = arena.connect().await;
    for after in 0..200 {
        let mut writer = join(arena, &cache).await;
        for id in [1, 2] {
            settle(&mut reader, &mut plain, id).await;
        }
        let new = format!("{kind:?} {after}");
        let done = give_up(after, write(kind, &cache, &mut writer, &new)).await;
        for _ in 0..5 {
            check(&mut reader, &mut plain).await;
        }
        if drops {
            drop(writer);
        } else if done.is_none() {
            // Whatever is left open is not of interest to others.
            let _ = writer.batch_execute("ROLLBACK").await;
            let _ = title(&mut writer, 1).await;
        }
        for id in [1, 2] {
            settle(&mut reader, &mut plain, id).await;
        }
        if let Some(done) = done {
            done.unwrap();
            assert_eq!(truth(&mut plain, 1).await, new);
            return after;
        }
    }
    panic!("{kind:?} never came to an end");
}

async fn check(cached: &mut Conn, plain: &mut Conn) {
    for id in [1, 2] {
        let before = truth(plain, id).await;
        let (title, outcome) = title(cached, id).await;
        let after = truth(plain, id).await;
        if before == after {
            assert_eq!(title, before, "{outcome:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_given_up_leaves_nothing_stale() {
    let arena = blog().await;
    for kind in WRITES {
        // What is left of an answer makes a connection of MySQL's useless.
        for drops in [true, NAME == "mysql"] {
            // How often it waits goes by how fast the server answers; once at least.
            let points = given_up(&arena, kind, drops).await;
            assert!(points >= 1, "{kind:?} never waits");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_given_up_harms_nobody() {
    let arena = blog().await;
    let cache = memory();
    let mut reader = join(&arena, &cache).await;
    let mut plain = arena.connect().await;
    let mut after = 0;
    loop {
        cache.clear().await;
        let done = give_up(after, title(&mut reader, 1)).await;
        if NAME == "mysql" && done.is_none() {
            reader = join(&arena, &cache).await;
        }
        let (title, _) = title(&mut reader, 1).await;
        assert_eq!(title, "a");
        if done.is_some() {
            break;
        }
        after += 1;
    }
    settle(&mut reader, &mut plain, 1).await;
    retitle(&mut reader, 1, "new").await.unwrap();
    assert_eq!(title(&mut reader, 1).await.0, "new");
}

/// A transaction has its connection for itself: whatever was given up before is over when it
/// has answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_tells_that_nothing_is_under_way() {
    let arena = blog().await;
    let cache = memory();
    let mut reader = join(&arena, &cache).await;
    let mut plain = arena.connect().await;
    for after in 1..6 {
        let mut writer = join(&arena, &cache).await;
        settle(&mut reader, &mut plain, 1).await;
        give_up(after, retitle(&mut writer, 1, &after.to_string())).await;
        if NAME == "mysql" {
            drop(writer);
        } else {
            let read = writer.transaction(async |conn| QueryResult::Ok(truth(conn, 2).await));
            assert_eq!(read.await.unwrap(), "b");
        }
        settle(&mut reader, &mut plain, 1).await;
    }
}

/// The next statement's answer may be that of the one that was given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_after_one_that_was_given_up_is_not_over_before_it_is() {
    let arena = blog().await;
    let cache = memory();
    let mut reader = join(&arena, &cache).await;
    let mut plain = arena.connect().await;
    let mut locker = arena.connect().await;
    let short = Duration::from_millis(100);
    for n in 0..4 {
        let mut writer = join(&arena, &cache).await;
        for id in [1, 2] {
            settle(&mut reader, &mut plain, id).await;
        }
        locker.batch_execute("BEGIN").await.unwrap();
        retitle(&mut locker, 1, "locked").await.unwrap();
        let new = n.to_string();
        let given_up = tokio::time::timeout(short, retitle(&mut writer, 1, &new));
        assert!(given_up.await.is_err());
        let next = tokio::time::timeout(short * 3, retitle(&mut writer, 2, &new));
        let reads = async {
            for at in 0..20 {
                if at == 10 {
                    locker.batch_execute("ROLLBACK").await.unwrap();
                }
                check(&mut reader, &mut plain).await;
                tokio::time::sleep(short / 10).await;
            }
        };
        let (_, ()) = tokio::join!(next, reads);
        check(&mut reader, &mut plain).await;
        drop(writer);
        for id in [1, 2] {
            settle(&mut reader, &mut plain, id).await;
        }
    }
}

/// On MySQL what is left of an answer may be taken for the answer to the next question. Then
/// nothing that comes from there is stored.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_connection_says_after_it_was_given_up_is_not_stored() {
    let arena = blog().await;
    for after in 1..12 {
        let cache = memory();
        let mut reader = join(&arena, &cache).await;
        let done = give_up(after, title(&mut reader, 1)).await;
        cache.clear().await;
        let report = Report::new();
        let again = posts::table.find(2).select(posts::title).cached();
        let again = again.report(&report).first::<String>(&mut reader).await;
        if done.is_none() && NAME == "mysql" {
            assert!(
                matches!(report.outcome(), Some(Outcome::Bypass(_))),
                "{after}: {again:?} {:?}",
                report.outcome()
            );
        } else {
            assert_eq!(again.unwrap(), "b");
        }
        let mut other = join(&arena, &cache).await;
        assert_eq!(title(&mut other, 2).await.0, "b");
    }
}

/// The followers of a read that was given up have another leader: one.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_given_up_is_replaced() {
    let lock = match NAME {
        "postgres" => "BEGIN; LOCK TABLE posts IN ACCESS EXCLUSIVE MODE",
        "mysql" => "LOCK TABLES posts WRITE",
        // Readers of SQLite's wait for nobody, and what is given up goes on.
        _ => "SELECT 1",
    };
    let unlock = match NAME {
        "postgres" => "ROLLBACK",
        "mysql" => "UNLOCK TABLES",
        _ => "SELECT 1",
    };
    let arena = blog().await;
    let cache = memory();
    let mut locker = arena.connect().await;
    let mut leader = join(&arena, &cache).await;
    let mut readers = Vec::new();
    for _ in 0..8 {
        readers.push(join(&arena, &cache).await);
    }
    locker.batch_execute(lock).await.unwrap();
    let abandoned = async {
        let short = Duration::from_millis(150);
        let led = tokio::time::timeout(short, title(&mut leader, 1)).await;
        assert!(led.is_err() || NAME == "sqlite");
        tokio::time::sleep(short).await;
        locker.batch_execute(unlock).await.unwrap();
    };
    let others = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        futures_util::future::join_all(readers.iter_mut().map(|conn| title(conn, 1))).await
    };
    let ((), titles) = tokio::join!(abandoned, others);
    assert!(titles.iter().all(|(title, _)| title == "a"));
    let asked = |outcome: &Outcome| matches!(outcome, Outcome::Miss { joined: false, .. });
    let asked = titles.iter().filter(|(_, outcome)| asked(outcome)).count();
    assert_eq!(asked, usize::from(NAME != "sqlite"), "{titles:?}");
}
