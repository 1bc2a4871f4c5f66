//! The servers that tests start and break.

#![allow(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use diesel_cache_faults::{RedisCluster, RedisSentinels, RedisServer, Reply};

fn get(server: &RedisServer, key: &str) -> Reply {
    server.command(&["GET", key]).unwrap()
}

fn set(server: &RedisServer, key: &str, value: &str) {
    let reply = server.command(&["SET", key, value]).unwrap();
    assert_eq!(reply, Reply::Status("OK".to_owned()));
}

fn run_id(server: &RedisServer) -> String {
    server.info("server").unwrap()["run_id"].clone()
}

#[test]
fn a_restart_leaves_nothing_or_what_a_snapshot_held() {
    let server = RedisServer::start(&[]).unwrap();
    let (port, id) = (server.port(), run_id(&server));
    set(&server, "key", "old");
    let old = server.snapshot().unwrap();
    set(&server, "key", "new");
    server.restart_from(&old).unwrap();
    assert_eq!(get(&server, "key"), Reply::Bulk(b"old".to_vec()));
    assert_ne!(run_id(&server), id);
    assert_eq!(server.port(), port);
    server.restart_empty().unwrap();
    assert_eq!(get(&server, "key"), Reply::Nil);
}

#[test]
fn a_restart_finds_what_the_server_itself_saved() {
    let server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]).unwrap();
    set(&server, "key", "value");
    server.restart().unwrap();
    assert_eq!(get(&server, "key"), Reply::Bulk(b"value".to_vec()));
    server.restart_empty().unwrap();
    assert_eq!(get(&server, "key"), Reply::Nil);
}

#[test]
fn a_stopped_server_answers_nothing_until_it_goes_on() {
    let server = RedisServer::start(&[]).unwrap();
    let mut client = server.client().unwrap();
    server.pause().unwrap();
    client.patience(Some(Duration::from_millis(200))).unwrap();
    let error = client.command(&["SET", "key", "value"]).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut
    ));
    server.resume();
    // It was sent, so it is carried out.
    client.patience(None).unwrap();
    assert_eq!(client.reply().unwrap(), Reply::Status("OK".to_owned()));
    assert_eq!(get(&server, "key"), Reply::Bulk(b"value".to_vec()));
}

#[test]
fn a_stopped_server_can_be_killed() {
    let server = RedisServer::start(&[]).unwrap();
    server.pause().unwrap();
    server.kill();
    assert!(server.process_id().is_none());
    assert!(server.client().is_err());
    server.restart_empty().unwrap();
    assert_eq!(get(&server, "key"), Reply::Nil);
}

#[test]
fn nothing_outlives_its_owner() {
    let server = RedisServer::start(&[]).unwrap();
    let process = format!("/proc/{}", server.process_id().unwrap());
    let folder = server.folder().to_owned();
    assert!(Path::new(&process).exists());
    drop(server);
    assert!(!Path::new(&process).exists());
    assert!(!folder.exists());
}

#[test]
fn nothing_outlives_a_killed_owner() {
    const CHILD: &str = "CACHE_TEST_OWNER";
    if std::env::var_os(CHILD).is_some() {
        let server = RedisServer::start(&[]).unwrap();
        eprintln!("server {}", server.process_id().unwrap());
        loop {
            std::thread::park();
        }
    }
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "nothing_outlives_a_killed_owner", "--nocapture"])
        .env(CHILD, "1")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stderr.take().unwrap()).lines();
    let id = lines.map_while(Result::ok).find_map(|line| {
        let id = line.strip_prefix("server ")?;
        Some(id.to_owned())
    });
    let process = format!("/proc/{}", id.unwrap());
    assert!(Path::new(&process).exists());
    owner.kill().unwrap();
    owner.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while is_running(&process) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!is_running(&process));
}

/// A killed orphan may stay a zombie where nothing reaps.
fn is_running(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("{process}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_server_that_does_not_start_shows_its_log() {
    let error = RedisServer::start(&["--no-such-option", "1"]).unwrap_err();
    assert!(error.to_string().contains("no-such-option"), "{error}");
}

#[test]
fn a_server_with_a_password_starts() {
    let server = RedisServer::start(&["--requirepass", "secret"]).unwrap();
    assert!(matches!(get(&server, "key"), Reply::Error(_)));
    let mut client = server.client().unwrap();
    assert_eq!(client.text(&["AUTH", "secret"]).unwrap(), "OK");
    assert_eq!(client.command(&["GET", "key"]).unwrap(), Reply::Nil);
}

#[test]
fn commands_are_counted() {
    let server = RedisServer::start(&[]).unwrap();
    let before = server.info("commandstats").unwrap();
    assert!(!before.contains_key("cmdstat_get"));
    get(&server, "key");
    let after = server.info("commandstats").unwrap();
    assert!(after["cmdstat_get"].starts_with("calls=1,"), "{after:?}");
}

#[test]
fn a_cluster_divides_the_slots() {
    let cluster = RedisCluster::start(3, &[]).unwrap();
    for key in ["a", "b", "c", "{tag}x", "{tag}y"] {
        let node = cluster.node_of(key).unwrap();
        set(node, key, "value");
        for other in cluster.nodes() {
            let moved =
                matches!(get(other, key), Reply::Error(error) if error.starts_with("MOVED"));
            assert_eq!(moved, other.port() != node.port());
        }
    }
    let places: std::collections::BTreeSet<_> = ["a", "b", "c"]
        .iter()
        .map(|key| cluster.node_of(key).unwrap().port())
        .collect();
    assert_eq!(places.len(), 3);
}

#[test]
fn sentinels_replace_a_dead_master() {
    let all = RedisSentinels::start(&[]).unwrap();
    let [one, two] = all.servers();
    set(one, "key", "value");
    assert_eq!(all.master().unwrap().port(), one.port());
    let new = all.fail_over().unwrap();
    assert_eq!(new.port(), two.port());
    set(new, "key", "newer");
    one.restart().unwrap();
    assert_eq!(all.master().unwrap().port(), two.port());
}
