//! What is said at the start.

use super::*;
use crate::error::Error;

fn refusal(url: &str, options: RedisOptions) -> String {
    match RedisBackend::connect(url, options) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it will do"),
    }
}

#[test]
fn a_store_that_may_evict_quarantines_is_refused_at_strong() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let text = refusal(&server.url(), options());
    assert!(
        text.contains("allkeys") && text.contains("volatile"),
        "{text}"
    );
    let mut eventual = options();
    eventual.level = Level::Eventual;
    assert!(RedisBackend::connect(&server.url(), eventual).is_ok());
}

#[test]
fn a_store_that_says_nothing_is_refused_at_strong_and_works_at_eventual() {
    let server = Server::start(&[]);
    server.ask(&[
        "ACL", "SETUSER", "app", "on", ">geheim", "~*", "+@all", "-info",
    ]);
    let url = server.url().replace("redis://", "redis://app:geheim@");
    let text = refusal(&url, options());
    assert!(
        text.contains("+info") && text.contains("eventual"),
        "{text}"
    );
    assert!(!text.contains("geheim"));
    let mut eventual = options();
    eventual.level = Level::Eventual;
    let store = RedisBackend::connect(&url, eventual).unwrap();
    open(&store);
    fill(&store, "k", &tags(&["t"]));
    assert!(hits(&store, "k", &tags(&["t"])));
}

#[test]
fn a_wrong_password_and_index_are_said_without_the_password() {
    let server = Server::start(&["--requirepass", "opensesame"]);
    let login = |login: &str| {
        server
            .url()
            .replace("redis://", &format!("redis://{login}@"))
    };
    for url in [
        login(":wrongpass"),
        login("nobody:opensesame"),
        server.url(),
    ] {
        let text = refusal(&url, options());
        assert!(text.contains("password"), "{text}");
        assert!(
            !text.contains("wrongpass") && !text.contains("opensesame"),
            "{text}"
        );
    }
    assert!(RedisBackend::connect(&login(":opensesame"), options()).is_ok());
    let text = refusal(&login(":opensesame").replace("/0", "/99"), options());
    assert!(text.contains("index"), "{text}");
    let store = RedisBackend::connect(&login("default:opensesame").replace("/0", "/3"), options());
    assert!(!format!("{:?}", store.unwrap()).contains("opensesame"));
}

#[test]
fn a_replica_is_refused() {
    let server = Server::start(&[]);
    server.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    let text = refusal(&server.url(), options());
    assert!(text.contains("replica"), "{text}");
}

#[test]
fn a_store_that_is_not_there_is_no_error_and_may_come() {
    let mut server = Server::start(&[]);
    server.kill();
    let mut short = options();
    short.connect_timeout = Duration::from_millis(100);
    short.io_timeout = Duration::from_millis(200);
    short.breaker_pause = Duration::from_millis(20);
    let store = RedisBackend::connect(&server.url(), short).unwrap();
    let t = tags(&["t"]);
    assert!(store.fetch(&ask(&key("k"), &t)).is_err());
    assert!(store.problem().is_some());
    server.restart();
    let end = Instant::now() + Duration::from_secs(20);
    while store.beat(ProcessId::of(1), &[space()]).is_err() {
        assert!(Instant::now() < end, "it is never found");
    }
    open(&store);
    fill(&store, "k", &t);
    assert!(hits(&store, "k", &t));
}

#[test]
fn what_is_not_understood_is_an_error_of_the_settings() {
    for url in [
        "redis://",
        "redis://host/x",
        "redis://host/-1",
        "redis://host:0",
        "redis://host:port",
        "redis://a,b",
        "redis://user@host",
        "redis+unix://",
        "redis+carrier://host",
        "memcached://host",
        "redis://host?db=1",
        "redis://:geheim word@host",
    ] {
        let error = RedisBackend::connect(url, options()).unwrap_err();
        assert!(matches!(error, Error::Config { .. }), "{url}: {error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_missing_feature_is_named() {
    assert!(refusal("rediss://host", options()).contains("feature `tls`"));
}

#[cfg(feature = "tls")]
#[test]
fn a_file_of_certificates_that_is_none_is_an_error() {
    let mut options = options();
    options.tls_ca = Some("/nowhere/ca.pem".into());
    let text = refusal("rediss://localhost", options.clone());
    assert!(
        text.contains("tls_ca") && text.contains("can be read"),
        "{text}"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    options.tls_ca = Some(file.path().to_owned());
    assert!(refusal("rediss://localhost", options).contains("at least one"));
}

#[test]
fn every_script_loads_may_write_and_never_looks_through_all_keys() {
    let server = Server::start(&[]);
    for op in Op::ALL {
        let (text, script) = op.script();
        let loaded = server.text(&["SCRIPT", "LOAD", text]);
        assert_eq!(loaded, script.get_hash(), "{op:?}");
        let flags = text.lines().next().unwrap();
        assert!(
            flags.starts_with("#!lua") && !flags.contains("no-writes"),
            "{op:?}"
        );
        for command in ["'KEYS'", "'SCAN'", "'SSCAN'", "'HSCAN'", "'RANDOMKEY'"] {
            assert!(!text.contains(command), "{op:?}");
        }
        let bounded = matches!(op, Op::Capture | Op::Put);
        assert_eq!(bounded, !flags.contains("allow-oom"), "{op:?}");
    }
}
