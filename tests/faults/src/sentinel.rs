//! A master, a replica and the sentinels that watch them.

use std::io;

use crate::client::Reply;
use crate::redis::{RedisServer, redis_program};
use crate::wait_until;

const SENTINELS: usize = 3;
/// What the sentinels call the master.
const MASTER: &str = "cache";

/// A master and a replica, and three sentinels: two of them agree on a failover, half a second
/// after the master fell silent.
#[derive(Debug)]
pub struct RedisSentinels {
    // Before what they watch: they end first.
    sentinels: Vec<RedisServer>,
    servers: [RedisServer; 2],
}

impl RedisSentinels {
    /// Starts them, the two servers with these arguments besides their own, and waits until the
    /// replica follows its master and each sentinel knows all others.
    ///
    /// # Errors
    /// If one does not start, or they do not find each other within 30 s.
    pub fn start(args: &[&str]) -> io::Result<Self> {
        let program = redis_program()?;
        // A replica is synchronized at once, not after five seconds.
        let own = [
            "--repl-diskless-sync-delay",
            "0",
            "--repl-ping-replica-period",
            "1",
        ];
        let args = [&own, args].concat();
        let master = RedisServer::start_program(&program, &args)?;
        let port = master.port().to_string();
        let follow = ["--replicaof", "127.0.0.1", &port];
        let replica = RedisServer::start_program(&program, &[&args[..], &follow].concat())?;
        wait_until("the replica does not follow", || {
            let info = replica.info("replication").unwrap_or_default();
            info.get("master_link_status").is_some_and(|s| s == "up")
        })?;
        let config = format!(
            "sentinel monitor {MASTER} 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds {MASTER} 500\n\
             sentinel failover-timeout {MASTER} 3000\n\
             sentinel parallel-syncs {MASTER} 1\n"
        );
        let sentinels = (0..SENTINELS)
            .map(|_| RedisServer::create(&program, &["--sentinel"], Some(&config)))
            .collect::<io::Result<Vec<_>>>()?;
        let all = Self {
            sentinels,
            servers: [master, replica],
        };
        wait_until("the sentinels do not find each other", || {
            all.sentinels.iter().all(knows_all)
        })?;
        Ok(all)
    }

    /// What the sentinels call the master.
    #[must_use]
    pub fn name(&self) -> &'static str {
        MASTER
    }

    /// The sentinels.
    #[must_use]
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// The URLs of the sentinels.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(RedisServer::url).collect()
    }

    /// The two servers: the first master, and its replica.
    #[must_use]
    pub fn servers(&self) -> &[RedisServer; 2] {
        &self.servers
    }

    /// The master, by what a majority of the sentinels says.
    ///
    /// # Errors
    /// If no two of them agree.
    pub fn master(&self) -> io::Result<&RedisServer> {
        let ports: Vec<_> = self.sentinels.iter().filter_map(master_port).collect();
        let agreed = |server: &&RedisServer| {
            let votes = ports.iter().filter(|port| **port == server.port()).count();
            votes * 2 > SENTINELS
        };
        let found = self.servers.iter().find(agreed);
        found.ok_or_else(|| io::Error::other("the sentinels name no master"))
    }

    /// Kills the master and waits until the other server is it, by its own word and by that of
    /// all sentinels. Returns the new master. The old one may then be
    /// [restarted](RedisServer::restart): the sentinels make it a replica.
    ///
    /// # Errors
    /// If that does not come about within 30 s.
    pub fn fail_over(&self) -> io::Result<&RedisServer> {
        let old = self.master()?.port();
        let [one, two] = &self.servers;
        let (old, new) = if one.port() == old {
            (one, two)
        } else {
            (two, one)
        };
        old.kill();
        wait_until("there is no failover", || {
            let role = new.command(&["ROLE"]).ok();
            let is_master = role.is_some_and(|role| {
                let texts = role.texts();
                texts.first().is_some_and(|role| role == "master")
            });
            let mut sentinels = self.sentinels.iter();
            is_master && sentinels.all(|one| master_port(one) == Some(new.port()))
        })?;
        Ok(new)
    }
}

fn master_port(sentinel: &RedisServer) -> Option<u16> {
    let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
    let reply = sentinel.command(&words).ok()?;
    reply.texts().get(1)?.parse().ok()
}

/// Whether a sentinel knows the replica and the other sentinels.
fn knows_all(sentinel: &RedisServer) -> bool {
    let Ok(Reply::Array(fields)) = sentinel.command(&["SENTINEL", "MASTER", MASTER]) else {
        return false;
    };
    let fields: Vec<_> = fields.iter().filter_map(Reply::text).collect();
    let number = |name: &str| {
        let (names, _) = fields.as_chunks::<2>();
        let found = names.iter().find(|[key, _]| key == name);
        found.and_then(|[_, value]| value.parse::<usize>().ok())
    };
    number("num-slaves") == Some(1) && number("num-other-sentinels") == Some(SENTINELS - 1)
}
