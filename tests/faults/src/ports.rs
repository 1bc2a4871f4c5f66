//! Free ports.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Below the ports that Linux gives to outgoing connections: none of those takes a server's port
/// between its end and its restart.
const PORTS: std::ops::Range<u16> = 12_000..32_000;
const ATTEMPTS: usize = 200;

/// A loopback port that was free a moment ago.
///
/// # Errors
/// If none of many was free.
pub fn free_port() -> io::Result<u16> {
    let random = RandomState::new();
    for attempt in 0..ATTEMPTS {
        let span = u64::from(PORTS.end - PORTS.start);
        let offset = u16::try_from(random.hash_one(attempt) % span).unwrap_or(0);
        let port = PORTS.start + offset;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no free port was found"))
}
