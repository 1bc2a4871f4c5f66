//! A Redis Cluster.

use std::io;

use crate::client::Reply;
use crate::ports::free_port;
use crate::redis::{RedisServer, redis_program};
use crate::wait_until;

/// How many slots a cluster has.
const SLOTS: usize = 16_384;

/// A cluster of masters without replicas; the slots are divided among them evenly.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts that many masters, each with these arguments besides its own, and waits until
    /// all of them agree that the cluster is complete.
    ///
    /// # Errors
    /// If one does not start, or they do not agree within 30 s.
    pub fn start(masters: usize, args: &[&str]) -> io::Result<Self> {
        let program = redis_program()?;
        let mut nodes = Vec::new();
        for _ in 0..masters {
            let bus = free_port()?.to_string();
            let own = [
                "--cluster-enabled",
                "yes",
                "--cluster-config-file",
                "nodes.conf",
                "--cluster-node-timeout",
                "2000",
                "--cluster-port",
                &bus,
            ];
            let node = RedisServer::start_program(&program, &[&own, args].concat())?;
            nodes.push((node, bus));
        }
        let (first, first_bus) = &nodes[0];
        let first_port = first.port().to_string();
        for (index, (node, _)) in nodes.iter().enumerate() {
            let from = (index * SLOTS / masters).to_string();
            let to = ((index + 1) * SLOTS / masters - 1).to_string();
            ok(node.command(&["CLUSTER", "ADDSLOTSRANGE", &from, &to])?)?;
            // Otherwise they settle it among themselves, which takes its time.
            let epoch = (index + 1).to_string();
            ok(node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch])?)?;
            if index > 0 {
                ok(node.command(&["CLUSTER", "MEET", "127.0.0.1", &first_port, first_bus])?)?;
            }
        }
        let nodes: Vec<_> = nodes.into_iter().map(|(node, _)| node).collect();
        wait_until("the cluster does not come together", || {
            nodes.iter().all(|node| is_complete(node, masters))
        })?;
        Ok(Self { nodes })
    }

    /// Its nodes.
    #[must_use]
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The URLs of its nodes.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// The node that has the slot of this key.
    ///
    /// # Errors
    /// If no node can be asked.
    pub fn node_of(&self, key: &str) -> io::Result<&RedisServer> {
        let slot = match self.nodes[0].command(&["CLUSTER", "KEYSLOT", key])? {
            Reply::Int(slot) => usize::try_from(slot).unwrap_or(0),
            other => return Err(io::Error::other(format!("CLUSTER KEYSLOT: {other:?}"))),
        };
        let count = self.nodes.len();
        let has = |index: &usize| slot < (index + 1) * SLOTS / count;
        let index = (0..count).find(has).unwrap_or(count - 1);
        Ok(&self.nodes[index])
    }
}

fn ok(reply: Reply) -> io::Result<()> {
    match reply {
        Reply::Status(_) => Ok(()),
        other => Err(io::Error::other(format!("the cluster's set-up: {other:?}"))),
    }
}

fn is_complete(node: &RedisServer, masters: usize) -> bool {
    let reply = node.command(&["CLUSTER", "INFO"]);
    let Some(text) = reply.ok().and_then(|reply| reply.text()) else {
        return false;
    };
    let says = |line: &str| text.lines().any(|found| found.trim_end() == line);
    says("cluster_state:ok") && says(&format!("cluster_size:{masters}"))
}
