//! What goes wrong between here and the server. The numbers are those of the traps that are known
//! of Redis clients.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use super::*;

/// What a [`Proxy`] does with what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Passes it on.
    Honest,
    /// Passes on what clients send, and holds the answers back until the mood changes.
    Late,
    /// Passes an answer on byte by byte, with that many milliseconds in between.
    Drips(u64),
    /// Takes everything and passes on nothing.
    Deaf,
    /// Ends every connection that is used.
    Cuts,
}

impl Mood {
    fn encode(self) -> u64 {
        match self {
            Self::Honest => 0,
            Self::Late => 1 << 32,
            Self::Drips(ms) => 2 << 32 | ms,
            Self::Deaf => 3 << 32,
            Self::Cuts => 4 << 32,
        }
    }

    fn decode(code: u64) -> Self {
        let ms = code & 0xffff_ffff;
        match code >> 32 {
            0 => Self::Honest,
            1 => Self::Late,
            2 => Self::Drips(ms),
            3 => Self::Deaf,
            _ => Self::Cuts,
        }
    }
}

/// Stands between a store and its server.
pub(super) struct Proxy {
    port: u16,
    mood: Arc<AtomicU64>,
    pub(super) connections: Arc<AtomicUsize>,
}

impl Proxy {
    pub(super) fn start(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mood = Arc::new(AtomicU64::new(0));
        let connections = Arc::new(AtomicUsize::new(0));
        let (to, moods, count) = (server.port(), Arc::clone(&mood), Arc::clone(&connections));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", to)))
                else {
                    continue;
                };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let pair = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let mood = Arc::clone(&moods);
                thread::spawn(move || pass(client, server, &mood, false));
                let mood = Arc::clone(&moods);
                thread::spawn(move || pass(pair.1, pair.0, &mood, true));
            }
        });
        Self {
            port,
            mood,
            connections,
        }
    }

    pub(super) fn set(&self, mood: Mood) {
        self.mood.store(mood.encode(), Ordering::SeqCst);
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mood: &AtomicU64, answers: bool) {
    let mut buffer = [0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..length];
        let passed = match Mood::decode(mood.load(Ordering::SeqCst)) {
            Mood::Late if answers => {
                while mood.load(Ordering::SeqCst) == Mood::Late.encode() {
                    thread::sleep(Duration::from_millis(2));
                }
                to.write_all(bytes)
            }
            Mood::Drips(ms) if answers => bytes.chunks(1).try_for_each(|byte| {
                thread::sleep(Duration::from_millis(ms));
                to.write_all(byte)
            }),
            Mood::Honest | Mood::Late | Mood::Drips(_) => to.write_all(bytes),
            Mood::Deaf => Ok(()),
            Mood::Cuts => break,
        };
        if passed.is_err() {
            break;
        }
    }
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// A store behind a proxy, with short time-outs, a breaker that stays out of the way, and one
/// connection, so that none is at hand when it was lost.
pub(super) fn behind(proxy: &Proxy) -> RedisBackend {
    let mut options = options();
    options.io_timeout = Duration::from_millis(250);
    options.breaker_failures = u32::MAX;
    options.pool_size = 1;
    let store = RedisBackend::connect(&proxy.url(), options).unwrap();
    open(&store);
    store
}

fn failed(store: &RedisBackend, name: &str, tags: &[Tag]) -> String {
    let answer = store.fetch(&ask(&key(name), tags));
    answer.unwrap_err().to_string()
}

/// Trap 1: an answer that comes late is not taken for that of the next command.
#[test]
fn a_late_answer_is_nobodys() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server);
    let store = behind(&proxy);
    let t = tags(&["t"]);
    for n in 0..20 {
        fill(&store, &n.to_string(), &t);
    }
    for n in 0..5 {
        proxy.set(Mood::Late);
        let before = proxy.connections.load(Ordering::SeqCst);
        assert!(failed(&store, &n.to_string(), &t).contains("in time"));
        proxy.set(Mood::Honest);
        until_answered(&store);
        // Each of them checks whose entry it was given.
        for n in 0..20 {
            assert!(hits(&store, &n.to_string(), &t));
        }
        let after = proxy.connections.load(Ordering::SeqCst);
        assert!(after > before, "the connection was used again");
    }
}

/// Trap 1, on the way there: a store that was cut off in the middle of a large entry.
#[test]
fn half_an_entry_is_never_continued() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server);
    let store = behind(&proxy);
    let t = tags(&["t"]);
    fill(&store, "other", &t);
    let noise: Vec<u8> = (0..1_000_000).map(|_| rand::random()).collect();
    let large = entry(&t, capture(&store, &key("large"), &t), &noise);
    // The server is stopped, so that the sockets fill up.
    proxy.set(Mood::Deaf);
    assert!(store.put(key("large"), large.clone(), None).is_err());
    proxy.set(Mood::Honest);
    until_answered(&store);
    assert!(hits(&store, "other", &t));
    assert!(!hits(&store, "large", &t));
    assert_eq!(store.put(key("large"), large, None).unwrap(), Put::Stored);
    assert!(hits(&store, "other", &t));
}

/// Traps 2 and 3: an answer that comes in pieces, each of them in time, is too late as a whole.
#[test]
fn an_operation_is_bounded_whatever_the_number_of_pieces() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server);
    let store = behind(&proxy);
    let t = tags(&["t"]);
    fill(&store, "k", &t);
    // Half a thousand bytes and more, with 100 ms before each.
    proxy.set(Mood::Drips(100));
    let (done, outcome) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| done.send(failed(&store, "k", &t)));
        let text = outcome.recv_timeout(Duration::from_secs(20));
        proxy.set(Mood::Honest);
        until_answered(&store);
        assert!(text.unwrap().contains("in time"));
    });
}

/// Traps 2 and 4: nothing waits for a server that has hung up, and none of the connections that it
/// left behind is used twice.
#[test]
fn a_server_that_came_back_is_used_at_once() {
    let mut server = Server::start(&[]);
    let store = open_store(&server);
    // Several connections lie in the pool.
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| store.beat(ProcessId::of(1), &[]).unwrap());
        }
    });
    server.restart();
    for _ in 0..10 {
        store.beat(ProcessId::of(1), &[]).unwrap();
    }
    assert_eq!(store.breaker(), BreakerState::Closed);
}

/// Trap 4.
#[test]
fn a_cut_connection_is_replaced() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server);
    let store = behind(&proxy);
    let t = tags(&["t"]);
    fill(&store, "k", &t);
    proxy.set(Mood::Cuts);
    assert!(failed(&store, "k", &t).contains("ended"));
    proxy.set(Mood::Honest);
    assert!(hits(&store, "k", &t));
}

/// What may have been done is done again only where that changes nothing.
#[test]
fn a_question_whose_answer_was_lost_is_not_answered_by_its_own_deed() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server);
    let store = behind(&proxy);
    let t = tags(&["t"]);
    let made = entry(&t, capture(&store, &key("k"), &t), b"k");
    server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    assert!(store.put_if_absent(key("k"), made.clone()).is_err());
    assert_eq!(store.put_if_absent(key("k"), made).unwrap(), Put::Stored);
    server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    assert!(store.remove(&key("k")).is_err());
    assert!(store.remove(&key("k")).unwrap());
    server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    assert!(store.fetch(&ask(&key("k"), &t)).is_ok());
}

/// Trap 5: a hit is one round trip, and nothing else is sent.
#[test]
fn a_hit_is_one_command() {
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t", "u", "v"]);
    fill(&store, "k", &t);
    assert!(hits(&store, "k", &t));
    let total = || {
        let stats = server.text(&["INFO", "stats"]);
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("total_commands_processed:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let (scripts, before) = (server.calls("evalsha"), total());
    for _ in 0..100 {
        assert!(hits(&store, "k", &t));
    }
    assert_eq!(server.calls("evalsha") - scripts, 100);
    assert_eq!(
        server.calls("ping") + server.calls("keys") + server.calls("scan"),
        1
    );
    // What scripts call is counted too: a hit is the script, and three or, with the term
    // verified, four commands of it.
    let each = (total() - before) as f64 / 100.0;
    assert!((4.0..5.2).contains(&each), "{each}");
}

/// Trap 8.
#[test]
fn a_connection_to_a_server_in_another_state_is_thrown_away() {
    for code in [
        "READONLY",
        "LOADING",
        "MASTERDOWN",
        "NOAUTH",
        "MOVED",
        "ASK",
        "CLUSTERDOWN",
        "TRYAGAIN",
        "WRONGPASS",
        "NOPERM",
        "ERR",
        "DCTERM",
        "anything",
    ] {
        assert!(!Failure::of_code(code).spares_connection(), "{code}");
    }
    for code in ["NOSCRIPT", "OOM", "NOREPLICAS", "MISCONF", "BUSY"] {
        assert!(Failure::of_code(code).spares_connection(), "{code}");
    }
    let server = Server::start(&[]);
    let store = open_store(&server);
    let t = tags(&["t"]);
    fill(&store, "k", &t);
    // The connections of the store lose their right.
    server.ask(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    let clients = || {
        let list = server.text(&["CLIENT", "LIST", "TYPE", "normal"]);
        list.lines()
            .filter_map(|line| line.split_once("id=")?.1.split(' ').next()?.parse().ok())
            .collect::<Vec<u64>>()
    };
    let before = clients();
    server.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    assert!(store.fetch(&ask(&key("k"), &t)).is_err());
    server.ask(&["REPLICAOF", "NO", "ONE"]);
    let end = Instant::now() + Duration::from_secs(10);
    while store.beat(ProcessId::of(1), &[]).is_err() {
        assert!(Instant::now() < end, "it is never found again");
    }
    let own = |ids: Vec<u64>| ids.into_iter().max();
    assert!(own(clients()) > own(before));
}

#[test]
fn a_store_that_fails_is_left_alone_until_one_probe_succeeds() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(&server);
    let mut options = options();
    options.io_timeout = Duration::from_millis(100);
    options.breaker_failures = 3;
    options.breaker_pause = Duration::from_millis(300);
    let store = RedisBackend::connect(&proxy.url(), options).unwrap();
    open(&store);
    let t = tags(&["t"]);
    fill(&store, "k", &t);
    proxy.set(Mood::Deaf);
    for _ in 0..3 {
        failed(&store, "k", &t);
    }
    let open_now = store.breaker() == BreakerState::Open;
    let text = failed(&store, "k", &t);
    // Unless the machine slept for the whole pause.
    assert!(!open_now || text.contains("for a while"), "{text}");
    assert!(open_now);
    proxy.set(Mood::Honest);
    let end = Instant::now() + Duration::from_secs(20);
    while store.fetch(&ask(&key("k"), &t)).is_err() {
        assert!(Instant::now() < end, "it is never asked again");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(store.breaker(), BreakerState::Closed);
    assert!(hits(&store, "k", &t));
}

#[test]
fn of_many_callers_one_probes() {
    let breaker = Breaker::new(2, Duration::ZERO, Duration::from_secs(3600));
    assert!(breaker.admits());
    assert!(!breaker.failed());
    assert!(breaker.admits());
    assert!(breaker.failed());
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    let admitted = (0..10).filter(|_| breaker.admits()).count();
    assert_eq!(admitted, 1);
    assert!(!breaker.failed());
    assert!(breaker.admits());
    breaker.succeeded();
    assert_eq!(breaker.state(), BreakerState::Closed);
}

/// Paused in the middle: what was sent may be done later, and nobody waits for it.
#[test]
fn a_paused_server_does_not_block() {
    let server = Server::start(&[]);
    let mut options = options();
    options.io_timeout = Duration::from_millis(150);
    let store = RedisBackend::connect(&server.url(), options).unwrap();
    open(&store);
    server.ask(&["CLIENT", "PAUSE", "1500", "ALL"]);
    let t = tags(&["t"]);
    let error = store.fetch(&ask(&key("k"), &t)).unwrap_err();
    assert!(error.to_string().contains("in time"), "{error}");
}

/// Trap 6 is tested where sockets can be looked at: here, that a store asks for it.
#[test]
fn small_writes_are_not_held_back() {
    let server = Server::start(&[]);
    let place = address::Place::Tcp("127.0.0.1".to_owned(), server.port());
    let end = Instant::now() + Duration::from_secs(5);
    match transport::Transport::connect(&place, &None, end).unwrap() {
        transport::Transport::Tcp(timed) => assert!(timed.is_immediate()),
        other => panic!("{other:?}"),
    }
}
