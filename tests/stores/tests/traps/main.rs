//! The traps of clients, pools and codecs that a store must not step into, numbered as they
//! were measured: see each test. Trap 6 (small writes held back) is tested in the library, where its
//! sockets can be looked at; trap 10 is one of files.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use diesel_cache::backend::{Ask, CacheBackend, Databases, Put, RedisBackend, RedisOptions};
use diesel_cache::database::TagSpace;
use diesel_cache::entry::{Payload, Vector};
use diesel_cache::key::{Key, ValueParts};
use diesel_cache::protocol::{Judgement, judge};
use diesel_cache::tag::Tag;
use diesel_cache::token::{Opening, ProcessId};
use diesel_cache_faults::{Mode, Proxy, RedisServer, Reply};
use diesel_cache_stores::{Watch, entry, options, until, variable};

const NAMESPACE: &str = "traps";
/// How long a test waits for what is to end by itself.
const LONG: Duration = Duration::from_secs(60);

/// A server, a proxy before it, and a store that gives up soon.
struct World {
    server: RedisServer,
    proxy: Proxy,
    store: RedisBackend,
    tags: [Tag; 1],
}

fn hasty() -> RedisOptions {
    let mut options = options(NAMESPACE);
    options.connect_timeout = Duration::from_secs(2);
    options.io_timeout = Duration::from_secs(1);
    // What fails is to be tried again at once.
    options.breaker_failures = u32::MAX;
    options
}

impl World {
    fn new() -> Self {
        let server = RedisServer::start(&[]).unwrap();
        let proxy = Proxy::start(server.address()).unwrap();
        let store = RedisBackend::connect(&proxy.url(), hasty()).unwrap();
        let world = Self {
            server,
            proxy,
            store,
            tags: [Tag::any(TagSpace::of(b"traps"), "t")],
        };
        world.until_reached();
        world.open();
        world
    }

    /// Its time-outs are short, and the machine may be busy.
    fn until_reached(&self) {
        until("the store is reached", || {
            self.store.beat(ProcessId::fresh(), &[]).is_ok()
        });
    }

    fn open(&self) {
        let space = TagSpace::of(b"traps");
        let epoch = self.store.beat(ProcessId::fresh(), &[space]).unwrap().epoch;
        self.store.open(epoch, space, Opening::fresh()).unwrap();
    }

    fn databases(&self) -> Databases<'static> {
        Databases::One(TagSpace::of(b"traps"))
    }

    fn capture(&self) -> Vector {
        let ask = Ask::tokens(&self.tags, self.databases());
        match judge(self.store.fetch(&ask).unwrap(), &self.tags) {
            Judgement::Miss(vector) => vector,
            other => panic!("nothing to capture: {other:?}"),
        }
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let entry = entry(&self.tags, self.capture(), bytes);
        assert_eq!(self.store.put(key(name), entry, None).unwrap(), Put::Stored);
    }

    /// The bytes that a read is answered with; an error if the store fails.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let key = key(name);
        let ask = Ask::entry(&key, &self.tags, self.databases());
        let fetched = self.store.fetch(&ask).map_err(|error| error.to_string())?;
        let Judgement::Hit(entry) = judge(fetched, &self.tags) else {
            return Ok(None);
        };
        match entry.payload {
            Payload::Bytes(bytes) => Ok(Some(bytes.to_vec())),
            Payload::Typed(_) => panic!("no bytes"),
        }
    }
}

fn key(name: &str) -> Key {
    Key::of_value(&ValueParts {
        name,
        ..ValueParts::default()
    })
}

/// Runs something that must end by itself.
fn ends<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        scope.spawn(move || sender.send(work()));
        receiver
            .recv_timeout(LONG)
            .expect("it waits without a bound")
    })
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|_| rand::random()).collect()
}

/// Trap 1: a write that was given up may still arrive, in part or whole, at any later time. It
/// never ends up under another key, and no answer is taken for another's.
#[test]
fn trap_1_a_write_that_was_given_up_reaches_no_other_entry() {
    let world = World::new();
    for round in 0..6 {
        let names: Vec<_> = (0..5).map(|n| format!("{round} {n}")).collect();
        for name in &names {
            world.put(name, name.as_bytes());
        }
        let large = entry(&world.tags, world.capture(), &noise(12 << 20));
        let mode = [Mode::Hold, Mode::HoldAnswers, Mode::LoseAnswers][round % 3];
        world.proxy.set(mode);
        assert!(world.store.put(key("large"), large, None).is_err());
        world.proxy.set(Mode::Pass);
        world.until_reached();
        let later = format!("{round} later");
        world.put(&later, later.as_bytes());
        for name in names.iter().chain([&later]) {
            let found = world.get(name).unwrap();
            assert_eq!(found.as_deref(), Some(name.as_bytes()), "{mode:?}");
        }
        let large = world.get("large").unwrap();
        assert!(large.is_none_or(|bytes| bytes.len() == 12 << 20));
    }
}

/// Trap 2: nothing waits without a bound, neither to connect, nor for a free connection, nor for
/// an answer.
#[test]
fn trap_2_every_wait_ends() {
    let world = World::new();
    world.put("k", b"k");
    world.proxy.set(Mode::Hold);
    thread::scope(|scope| {
        let asking: Vec<_> = (0..32)
            .map(|_| scope.spawn(|| ends(|| world.get("k"))))
            .collect();
        for one in asking {
            assert!(one.join().unwrap().is_err());
        }
    });
    // Nobody greets.
    let url = world.proxy.url();
    let silent = ends(|| RedisBackend::connect(&url, hasty()).unwrap());
    assert!(ends(|| silent.beat(ProcessId::fresh(), &[])).is_err());
    world.server.pause().unwrap();
    world.proxy.set(Mode::Pass);
    assert!(ends(|| world.get("k")).is_err());
    world.server.resume();
    until("it answers again", || world.get("k").is_ok());
    assert_eq!(world.get("k").unwrap().as_deref(), Some(&b"k"[..]));
}

/// Trap 3: time-outs of sockets are for each call. An answer that comes in many pieces, each in
/// time, is too late as a whole.
#[test]
fn trap_3_many_pieces_are_one_answer() {
    let world = World::new();
    let large = noise(12 << 20);
    world.put("large", &large);
    world.proxy.set(Mode::Delay(Duration::from_millis(100)));
    let found = ends(|| world.get("large"));
    let error = found.map(|bytes| bytes.map(|b| b.len())).unwrap_err();
    assert!(error.contains("in time"), "{error}");
    world.proxy.set(Mode::Pass);
    until("it answers again", || world.get("large").is_ok());
    assert!(world.get("large").unwrap() == Some(large), "it has changed");
}

/// Trap 4: after a reset, the next read is answered.
#[test]
fn trap_4_a_reset_costs_no_second_failure() {
    let world = World::new();
    world.put("k", b"k");
    for _ in 0..10 {
        world.proxy.cut();
        assert_eq!(world.get("k").unwrap().as_deref(), Some(&b"k"[..]));
    }
    world.proxy.set(Mode::Refuse);
    assert!(world.get("k").is_err());
    world.proxy.set(Mode::Pass);
    assert_eq!(world.get("k").unwrap().as_deref(), Some(&b"k"[..]));
}

/// Trap 5: no connection is tried out before it is used, and many pools share few threads.
#[test]
fn trap_5_nothing_is_asked_besides() {
    const STORES: usize = 20;
    let world = World::new();
    let mut watch = Watch::start(&world.server);
    world.put("k", b"k");
    watch.seen();
    for _ in 0..100 {
        assert_eq!(world.get("k").unwrap().as_deref(), Some(&b"k"[..]));
    }
    assert_eq!(watch.seen(), ["fetch"; 100]);
    let url = world.server.url();
    let before = pool_threads();
    let stores: Vec<_> = (0..STORES)
        .map(|n| RedisBackend::connect(&url, options(&n.to_string())).unwrap())
        .collect();
    let new: Vec<_> = pool_threads().difference(&before).cloned().collect();
    assert!(new.len() <= 3, "{STORES} stores started {new:?}");
    drop(stores);
}

/// The threads of this process that no test has started.
fn pool_threads() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap();
        // One may end while it is looked at.
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if name.starts_with("r2d2") || name.starts_with("diesel-cache") || name.contains("pool") {
            found.insert(format!("{} {name}", task.file_name().display()));
        }
    }
    found
}

/// Trap 7: TLS needs a provider of cryptography, which nobody here has installed.
#[test]
fn trap_7_tls_needs_no_set_up() {
    let mut options = options(NAMESPACE);
    options.tls_ca = Some(PathBuf::from(variable("CACHE_TEST_REDIS_TLS_CA")));
    let url = variable("CACHE_TEST_REDIS_TLS_URL");
    let store = RedisBackend::connect(&url, options).unwrap();
    store.beat(ProcessId::fresh(), &[]).unwrap();
}

/// Trap 8: a server that has become another's replica answers, and is of no more use; its
/// connections are not used again, and when it is a master once more, it is another store.
#[test]
fn trap_8_a_server_in_another_role_is_left() {
    let world = World::new();
    world.put("k", b"k");
    let other = RedisServer::start(&[]).unwrap();
    let accepted = world.proxy.accepted();
    let port = other.port().to_string();
    let ok = Reply::Status("OK".to_owned());
    let follow = ["REPLICAOF", "127.0.0.1", &port];
    assert_eq!(world.server.command(&follow).unwrap(), ok);
    until("it follows", || {
        let told = world.server.info("replication");
        told.is_ok_and(|told| told["master_link_status"] == "up")
    });
    for _ in 0..3 {
        assert!(world.get("k").is_err());
    }
    let lead = ["REPLICAOF", "NO", "ONE"];
    assert_eq!(world.server.command(&lead).unwrap(), ok);
    until("it is found again", || world.get("k").is_ok());
    assert_eq!(world.get("k").unwrap(), None);
    assert!(world.proxy.accepted() > accepted);
    world.open();
    world.put("k", b"new");
    assert_eq!(world.get("k").unwrap().as_deref(), Some(&b"new"[..]));
}

/// Trap 9: what an entry says of its own length is not believed, and neither is anything else
/// that was changed in the store.
#[test]
fn trap_9_a_changed_entry_is_no_entry() {
    let world = World::new();
    let text = "a text that can be compressed, ".repeat(1000);
    world.put("k", text.as_bytes());
    let mut client = world.server.client().unwrap();
    let Reply::Array(keys) = client.command(&["KEYS", "*"]).unwrap() else {
        panic!("no keys");
    };
    let stored = keys.into_iter().find_map(|key| {
        let Reply::Bulk(key) = key else { return None };
        match client.command(&[&b"GET"[..], &key[..]]).unwrap() {
            Reply::Bulk(bytes) if bytes.len() > 128 => Some((key, bytes)),
            _ => None,
        }
    });
    let (place, bytes) = stored.unwrap();
    assert!(bytes.len() < text.len() / 2, "it is compressed");
    let mut changed = Vec::new();
    for at in 0..bytes.len() {
        let mut one = bytes.clone();
        one[at] ^= 1 << (at % 8);
        changed.push(one);
        // A length may stand anywhere: here is the greatest.
        let mut most = bytes.clone();
        most[at..(at + 8).min(bytes.len())].fill(0xff);
        changed.push(most);
    }
    changed.extend((0..bytes.len()).map(|length| bytes[..length].to_vec()));
    changed.push([&bytes[..], b"more"].concat());
    for forged in changed.into_iter().filter(|forged| *forged != bytes) {
        let set = [&b"SET"[..], &place[..], &forged[..], b"KEEPTTL"];
        client.command(&set).unwrap();
        // Ends and lives may be changed without a key: they serve nothing that is wrong.
        if let Ok(Some(found)) = world.get("k") {
            assert!(found == text.as_bytes(), "something forged is served");
        }
    }
    assert!(peak() < 2 << 20, "{} KiB were needed at most", peak());
    let set = [&b"SET"[..], &place[..], &bytes[..], b"KEEPTTL"];
    client.command(&set).unwrap();
    assert!(world.get("k").unwrap().as_deref() == Some(text.as_bytes()));
}

/// The most memory that this process has had so far, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}
