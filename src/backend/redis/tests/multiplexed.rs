//! The connection that tasks share.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use super::faults::{Mood, Proxy, behind};
use super::*;
use crate::backend::Unless;
use crate::error::BackendError;

type Fetched = Result<Unless, BackendError>;

async fn fetch(store: &RedisBackend, name: &str, tags: &[Tag]) -> Fetched {
    let key = key(name);
    let awaited = store.awaited().unwrap();
    awaited.fetch_unless(ask(&key, tags), None).await
}

/// Whether it hits, and then by its own entry.
async fn finds(store: &RedisBackend, name: &str, tags: &[Tag]) -> bool {
    let fetched = fetch(store, name, tags).await.unwrap().fetched;
    match judge(fetched, tags) {
        Judgement::Hit(entry) => {
            let Payload::Bytes(bytes) = entry.payload else {
                panic!("a shared store gave a value");
            };
            assert_eq!(*bytes, *name.as_bytes(), "the entry of another key");
            true
        }
        _ => false,
    }
}

async fn failed(store: &RedisBackend, name: &str, tags: &[Tag]) -> String {
    fetch(store, name, tags).await.unwrap_err().to_string()
}

async fn until_found(store: &RedisBackend, name: &str, tags: &[Tag]) {
    let end = Instant::now() + Duration::from_secs(60);
    while fetch(store, name, tags).await.is_err() {
        assert!(Instant::now() < end, "it never answers");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(finds(store, name, tags).await);
}

fn filled(store: &RedisBackend, many: usize) -> Arc<[Tag]> {
    let t = tags(&["t"]);
    for n in 0..many {
        fill(store, &n.to_string(), &t);
    }
    t
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tasks_share_one_connection_and_ask_once_each() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server);
    let store = Arc::new(RedisBackend::connect(&proxy.url(), options()).unwrap());
    open(&store);
    let t = filled(&store, 50);
    let (connections, scripts) = (
        proxy.connections.load(Ordering::SeqCst),
        server.calls("evalsha"),
    );
    let tasks = (0..1000).map(|n: usize| {
        let (store, t) = (Arc::clone(&store), Arc::clone(&t));
        tokio::spawn(async move { finds(&store, &(n % 50).to_string(), &t).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert!(task.await.unwrap());
    }
    assert_eq!(proxy.connections.load(Ordering::SeqCst) - connections, 1);
    assert_eq!(server.calls("evalsha") - scripts, 1000);
}

/// Given up at any point, a question does no harm to those that others ask.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_awaits_is_nobody_elses() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server);
    let store = Arc::new(RedisBackend::connect(&proxy.url(), options()).unwrap());
    open(&store);
    let t = filled(&store, 20);
    assert!(finds(&store, "0", &t).await);
    let connections = proxy.connections.load(Ordering::SeqCst);
    for round in 0..40 {
        let (gone, t_of_gone) = (Arc::clone(&store), Arc::clone(&t));
        let other = tokio::spawn(async move { fetch(&gone, "7", &t_of_gone).await });
        {
            // Polled a few times, and dropped.
            let mut given_up = pin!(fetch(&store, "3", &t));
            for _ in 0..round % 4 {
                let mut task = Context::from_waker(Waker::noop());
                if given_up.as_mut().poll(&mut task).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        if round % 2 == 0 {
            other.abort();
        }
        for n in 0..20 {
            assert!(finds(&store, &n.to_string(), &t).await);
        }
    }
    assert_eq!(proxy.connections.load(Ordering::SeqCst), connections);
}

/// Trap 1.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_is_nobodys() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server);
    let store = behind(&proxy);
    let t = filled(&store, 20);
    assert!(finds(&store, "0", &t).await);
    for n in 0..5 {
        proxy.set(Mood::Late);
        let before = proxy.connections.load(Ordering::SeqCst);
        let text = failed(&store, &n.to_string(), &t).await;
        assert!(text.contains("in time"), "{text}");
        proxy.set(Mood::Honest);
        until_found(&store, "0", &t).await;
        for n in 0..20 {
            assert!(finds(&store, &n.to_string(), &t).await);
        }
        assert!(proxy.connections.load(Ordering::SeqCst) > before);
    }
}

/// Traps 2 and 3: pieces that come in time are too late as a whole.
#[tokio::test(flavor = "multi_thread")]
async fn an_operation_is_bounded_whatever_the_number_of_pieces() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server);
    let store = behind(&proxy);
    let t = filled(&store, 1);
    assert!(finds(&store, "0", &t).await);
    proxy.set(Mood::Drips(100));
    let text = failed(&store, "0", &t).await;
    proxy.set(Mood::Honest);
    assert!(text.contains("in time"), "{text}");
    until_found(&store, "0", &t).await;
}

/// Trap 4: a connection that was cut is replaced, and nobody notices if the server is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_replaced() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server);
    let store = behind(&proxy);
    let t = filled(&store, 1);
    for _ in 0..10 {
        assert!(finds(&store, "0", &t).await);
        server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    proxy.set(Mood::Cuts);
    assert!(fetch(&store, "0", &t).await.is_err());
    proxy.set(Mood::Honest);
    assert!(finds(&store, "0", &t).await);
}

/// Each new connection learns anew which server it leads to, and in which term: what was stored
/// before is not found, though the server brought it back.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_is_another_incarnation() {
    let mut server = Server::start(&["--save", "3600 1000000"]);
    let store = open_store(&server);
    let t = filled(&store, 1);
    assert!(finds(&store, "0", &t).await);
    server.ask(&["SAVE"]);
    server.restart();
    let fetched = fetch(&store, "0", &t).await.unwrap().fetched;
    assert!(fetched.gate.is_none() && fetched.entry.is_none());
    open(&store);
    assert!(!finds(&store, "0", &t).await);
}

/// A server that was demoted, and promoted again, is in another term.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_another_term_is_asked_anew() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = filled(&store, 1);
    assert!(finds(&store, "0", &t).await);
    server.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    assert!(fetch(&store, "0", &t).await.is_err());
    server.ask(&["REPLICAOF", "NO", "ONE"]);
    let end = Instant::now() + Duration::from_secs(20);
    let fetched = loop {
        match fetch(&store, "0", &t).await {
            Ok(unless) => break unless.fetched,
            Err(_) => assert!(Instant::now() < end, "it is never found again"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(fetched.entry.is_none(), "an entry of another term");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_open_the_breaker_and_one_probe_closes_it() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server);
    let mut options = options();
    options.io_timeout = Duration::from_millis(100);
    options.breaker_failures = 3;
    options.breaker_pause = Duration::from_millis(300);
    let store = RedisBackend::connect(&proxy.url(), options).unwrap();
    open(&store);
    let t = filled(&store, 1);
    proxy.set(Mood::Deaf);
    for _ in 0..3 {
        failed(&store, "0", &t).await;
    }
    assert_ne!(store.breaker(), BreakerState::Closed);
    proxy.set(Mood::Honest);
    until_found(&store, "0", &t).await;
    assert_eq!(store.breaker(), BreakerState::Closed);
}

/// Each runtime has a connection of its own: that of one that is gone is not used by another.
#[test]
fn a_runtime_that_is_gone_takes_its_connection_along() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = filled(&store, 1);
    for workers in [0, 2, 0, 1] {
        let runtime = match workers {
            0 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        }
        .enable_all()
        .build()
        .unwrap();
        assert!(runtime.block_on(finds(&store, "0", &t)));
    }
    // One that can neither read sockets nor tell the time gets an error, and no panic.
    let poor = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        poor.block_on(async { fetch(&store, "0", &t).await.is_err() })
    }));
    assert!(answer.is_err() || answer.is_ok_and(|failed| failed));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("redis.sock");
    let path = path.to_str().unwrap();
    let _server = Server::start(&["--unixsocket", path]);
    let store = RedisBackend::connect(&format!("redis+unix://{path}"), options()).unwrap();
    open(&store);
    let t = filled(&store, 1);
    assert!(finds(&store, "0", &t).await);
}

/// A password, a user and an index are told to the server on the shared connection too.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_told() {
    let server = Server::start(&["--requirepass", "secret"]);
    let url = format!("redis://:secret@127.0.0.1:{}/3", server.port());
    let store = RedisBackend::connect(&url, options()).unwrap();
    open(&store);
    let t = filled(&store, 1);
    assert!(finds(&store, "0", &t).await);
}
