//! Clusters, sentinels, TLS and sockets.

#[cfg(any(feature = "redis-cluster", feature = "redis-sentinel", feature = "tls"))]
use diesel_cache_faults::RedisServer;

use super::*;

/// Runs a hit and a write.
fn exercise(store: &RedisBackend) {
    let t = tags(&["t", "u"]);
    open(store);
    fill(store, "k", &t);
    assert!(hits(store, "k", &t));
    let writer = WriterId::fresh();
    quarantine(store, writer, &t);
    assert!(matches!(look(store, &key("k"), &t), Judgement::Quarantined));
    store
        .lift(writer, &t, crate::protocol::Lift::Renew)
        .unwrap();
    assert!(!hits(store, "k", &t));
    fill(store, "k", &t);
    assert!(hits(store, "k", &t));
}

/// Until it works, however long the servers take to agree.
#[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
fn hosts(servers: &[RedisServer]) -> String {
    let hosts: Vec<String> = servers
        .iter()
        .map(|server| format!("127.0.0.1:{}", server.port()))
        .collect();
    hosts.join(",")
}

#[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
fn number(reply: &diesel_cache_faults::Reply) -> i64 {
    match reply {
        diesel_cache_faults::Reply::Int(number) => *number,
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
#[test]
fn a_socket_is_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("redis.sock");
    let path = path.to_str().unwrap();
    let server = Server::start(&["--unixsocket", path]);
    let store = RedisBackend::connect(&format!("redis+unix://{path}"), options()).unwrap();
    exercise(&store);
    assert!(server.number(&["DBSIZE"]) > 0);
}

#[cfg(feature = "redis-cluster")]
mod cluster {
    use diesel_cache_faults::RedisCluster;

    use super::*;

    fn namespace(name: &str) -> RedisOptions {
        RedisOptions {
            namespace: name.to_owned(),
            ..options()
        }
    }

    /// Whatever node is named, all keys of a namespace lie on one.
    #[test]
    fn each_namespace_lies_on_the_node_that_owns_it() {
        let cluster = RedisCluster::start(3, &[]).unwrap();
        let mut used = [0; 3];
        for n in 0..9 {
            let url = format!("redis+cluster://{}", hosts(&cluster.nodes()[n % 3..=n % 3]));
            let store = RedisBackend::connect(&url, namespace(&n.to_string())).unwrap();
            exercise(&store);
            let owner = cluster.node_of(&store.target.root).unwrap().port();
            let at = cluster.nodes().iter().position(|node| node.port() == owner);
            used[at.unwrap()] += 1;
        }
        for (node, used) in cluster.nodes().iter().zip(used) {
            let size = node.command(&["DBSIZE"]).unwrap();
            assert_eq!(number(&size) > 0, used > 0, "{size:?}");
        }
        assert!(
            used.iter().filter(|used| **used > 0).count() > 1,
            "{used:?}"
        );
    }

    /// A slot that is given to another node: nothing of before is served, and the rest goes on.
    #[test]
    fn a_moved_namespace_begins_anew_on_its_new_node() {
        let cluster = RedisCluster::start(3, &[]).unwrap();
        let url = format!("redis+cluster://{}", hosts(cluster.nodes()));
        let store = RedisBackend::connect(&url, options()).unwrap();
        exercise(&store);
        let old = cluster.node_of(&store.target.root).unwrap();
        let new = cluster
            .nodes()
            .iter()
            .find(|node| node.port() != old.port());
        let new = new.unwrap();
        let id = new.command(&["CLUSTER", "MYID"]).unwrap().text().unwrap();
        let slot = old.command(&["CLUSTER", "KEYSLOT", &store.target.root]);
        let slot = number(&slot.unwrap()).to_string();
        old.command(&["FLUSHALL"]).unwrap();
        for node in [new, old] {
            let moved = node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id]);
            assert_eq!(moved.unwrap().text().as_deref(), Some("OK"));
        }
        let t = tags(&["t", "u"]);
        eventually("the new node is never found", || {
            let fetched = store.fetch(&ask(&key("k"), &t));
            fetched.is_ok_and(|fetched| {
                assert!(fetched.gate.is_none() && fetched.entry.is_none());
                true
            })
        });
        exercise(&store);
        assert!(number(&new.command(&["DBSIZE"]).unwrap()) > 0);
    }

    #[test]
    fn a_cluster_and_a_server_are_told_apart() {
        let server = Server::start(&[]);
        let url = server.url().replace("redis://", "redis+cluster://");
        let error = RedisBackend::connect(&url, options()).unwrap_err();
        assert!(error.to_string().contains("not a cluster"), "{error}");
        let cluster = RedisCluster::start(3, &[]).unwrap();
        let error = RedisBackend::connect(&cluster.urls()[0], options()).unwrap_err();
        assert!(error.to_string().contains("redis+cluster"), "{error}");
    }
}

#[cfg(feature = "redis-sentinel")]
mod sentinel {
    use diesel_cache_faults::RedisSentinels;

    use super::*;

    /// The replica may have all of it or not: nobody hits until the gate has been opened anew.
    #[test]
    fn a_promoted_replica_is_another_incarnation() {
        let all = RedisSentinels::start(&[]).unwrap();
        let url = format!("redis+sentinel://{}/{}", hosts(all.sentinels()), all.name());
        let store = RedisBackend::connect(&url, options()).unwrap();
        exercise(&store);
        let t = tags(&["t", "u"]);
        let replica = all
            .servers()
            .iter()
            .find(|server| server.port() != all.master().unwrap().port());
        eventually("nothing is replicated", || {
            number(&replica.unwrap().command(&["DBSIZE"]).unwrap()) >= 4
        });
        let new = all.fail_over().unwrap();
        assert!(number(&new.command(&["DBSIZE"]).unwrap()) >= 4);
        eventually("the new master is never found", || {
            match store.fetch(&ask(&key("k"), &t)) {
                Ok(fetched) => {
                    assert!(fetched.gate.is_none());
                    true
                }
                Err(_) => false,
            }
        });
        open(&store);
        assert!(!hits(&store, "k", &t));
        exercise(&store);
    }

    #[test]
    fn an_unknown_master_is_an_error() {
        let all = RedisSentinels::start(&[]).unwrap();
        let url = format!("redis+sentinel://{}/nobody", hosts(all.sentinels()));
        let error = RedisBackend::connect(&url, options()).unwrap_err();
        assert!(error.to_string().contains("no master"), "{error}");
    }
}

#[cfg(feature = "tls")]
mod tls {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    struct Secure {
        _server: RedisServer,
        port: u16,
        folder: tempfile::TempDir,
    }

    /// A server whose certificate is for `localhost`, and the file of who signed it.
    fn secure() -> Secure {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "the authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let server = server.signed_by(&key, &issuer).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let ca = write("ca.pem", issuer.pem());
        let certificate = write("server.pem", server.pem());
        let key = write("server.key", key.serialize_pem());
        let port = diesel_cache_faults::free_port().unwrap();
        let server = RedisServer::start(&[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &ca,
            "--tls-auth-clients",
            "no",
        ]);
        Secure {
            _server: server.unwrap(),
            port,
            folder,
        }
    }

    /// Trap 7: no provider is installed for the process, and none is needed.
    #[test]
    fn a_server_that_proves_who_it_is_is_used() {
        let secure = secure();
        let mut options = options();
        options.tls_ca = Some(secure.folder.path().join("ca.pem"));
        let url = format!("rediss://localhost:{}", secure.port);
        let store = RedisBackend::connect(&url, options.clone()).unwrap();
        exercise(&store);
        let noise: Vec<u8> = (0..500_000).map(|_| rand::random()).collect();
        let t = tags(&["large"]);
        let large = entry(&t, capture(&store, &key("large"), &t), &noise);
        assert_eq!(store.put(key("large"), large, None).unwrap(), Put::Stored);
        assert!(store.recall(&key("large"), &[]).unwrap().entry.is_some());
        // By another name it is somebody else.
        let url = format!("rediss://127.0.0.1:{}", secure.port);
        let store = RedisBackend::connect(&url, options).unwrap();
        assert!(store.beat(ProcessId::of(1), &[]).is_err());
    }

    #[test]
    fn a_server_that_nobody_knows_is_not() {
        let secure = secure();
        let url = format!("rediss://localhost:{}", secure.port);
        let store = RedisBackend::connect(&url, options()).unwrap();
        assert!(store.beat(ProcessId::of(1), &[]).is_err());
        assert!(store.problem().is_some());
        // Nor is one without TLS.
        let plain = Server::start(&[]);
        let url = plain
            .url()
            .replace("redis://127.0.0.1", "rediss://localhost");
        let store = RedisBackend::connect(&url, options()).unwrap();
        assert!(store.beat(ProcessId::of(1), &[]).is_err());
    }
}
