//! Very many reads at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel_async::SimpleAsyncConnection;
use diesel_cache::Outcome;
use tokio::sync::Mutex;

use super::kit::{blog, join, memory, title};

const READS: i32 = 10_000;
const KEYS: i32 = 100;
const CONNECTIONS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_cold_key_asks_the_database_once() {
    let arena = blog().await;
    let cache = memory();
    let mut setup = arena.connect().await;
    let rows: Vec<String> = (3..=KEYS).map(|id| format!("({id}, 1, 't')")).collect();
    let insert = format!("INSERT INTO posts VALUES {}", rows.join(", "));
    setup.batch_execute(&insert).await.unwrap();
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Arc::new(Mutex::new(join(&arena, &cache).await)));
    }
    let asked = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..READS)
        .map(|n| {
            let conn = Arc::clone(&connections[n as usize % CONNECTIONS]);
            let asked = Arc::clone(&asked);
            tokio::spawn(async move {
                let (_, outcome) = title(&mut *conn.lock().await, 1 + n / 7 % KEYS).await;
                if matches!(outcome, Outcome::Miss { joined: false, .. }) {
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                assert!(!matches!(outcome, Outcome::Bypass(_)), "{outcome:?}");
            })
        })
        .collect();
    let all = futures_util::future::try_join_all(tasks);
    let done = tokio::time::timeout(Duration::from_secs(120), all).await;
    done.expect("some read starved").unwrap();
    let stats = cache.stats();
    assert_eq!(asked.load(Ordering::Relaxed), KEYS as u64, "{stats:?}");
    assert_eq!(stats.hits + stats.misses, READS as u64);
    assert_eq!(stats.usage.entries, KEYS as u64);
}
