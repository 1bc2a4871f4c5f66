//! Servers that a test may kill, and a network that fails on demand.
//!
//! - [`RedisServer`]: a server process of the test's own: killed, stopped, continued,
//!   restarted empty, restarted from an old snapshot.
//! - [`MemcachedServer`], which is killed, stopped and restarted empty.
//! - [`RedisCluster`] and [`RedisSentinels`]: several of them, wired together.
//! - [`Proxy`]: a TCP proxy between a client and a server that delays, holds back, loses,
//!   resets and refuses.
//! - [`Client`]: as much of Redis' protocol as a test needs to look at a server from the side.
//!
//! Everything ends when it is dropped, and the servers also when the test's process is killed.
//! All methods take `&self`, so that one thread may work while another breaks things.
//!
//! ```
//! use diesel_cache_faults::{Mode, Proxy, RedisServer};
//!
//! let server = RedisServer::start(&[])?;
//! let proxy = Proxy::start(server.address())?;
//! let mut client = diesel_cache_faults::Client::connect(proxy.address())?;
//! client.text(&["SET", "key", "old"])?;
//! let old = server.snapshot()?;
//! client.text(&["SET", "key", "new"])?;
//!
//! server.restart_from(&old)?;
//! proxy.cut();
//! let mut client = diesel_cache_faults::Client::connect(proxy.address())?;
//! assert_eq!(client.text(&["GET", "key"])?, "old");
//!
//! proxy.set(Mode::Refuse);
//! assert!(diesel_cache_faults::Client::connect(proxy.address()).is_err());
//! # Ok::<_, std::io::Error>(())
//! ```

mod client;
mod cluster;
mod memcached;
mod ports;
mod process;
mod proxy;
mod redis;
mod sentinel;

pub use self::client::{Client, Reply};
pub use self::cluster::RedisCluster;
pub use self::memcached::{MemcachedServer, memcached_program};
pub use self::ports::free_port;
pub use self::proxy::{Mode, Proxy};
pub use self::redis::{RedisServer, Snapshot, redis_program};
pub use self::sentinel::RedisSentinels;

use std::io;
use std::time::{Duration, Instant};

/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How often a wait looks.
const TICK: Duration = Duration::from_millis(10);

/// Waits until `ready` says so; fails with `what` after [`START_LIMIT`].
fn wait_until(what: &str, mut ready: impl FnMut() -> bool) -> io::Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    while !ready() {
        if Instant::now() >= deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, what.to_owned()));
        }
        std::thread::sleep(TICK);
    }
    Ok(())
}
