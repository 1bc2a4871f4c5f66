//! A store that does not tell who it is: always the same server in the same term. What a cache
//! would be without incarnations.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

const CHUNK: usize = 64 << 10;
/// How long an id of Redis is.
const LENGTH: usize = 40;
/// What each id is said to be.
const ALWAYS: [u8; LENGTH] = [b'a'; LENGTH];
const RUN: &[u8] = b"run_id:";
const TERM: &[u8] = b"master_replid:";

/// A proxy in front of a store, for as long as the program runs.
#[derive(Debug)]
pub(super) struct Disguise {
    address: SocketAddr,
}

impl Disguise {
    pub(super) fn start(upstream: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect(upstream) {
                    link(&client, &server);
                }
            }
        });
        Ok(Self { address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Passes everything on, with another term in it.
fn link(client: &TcpStream, server: &TcpStream) {
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let term = Arc::new(Mutex::new(ALWAYS));
    let known = Arc::clone(&term);
    pump(client, server, move |bytes| {
        // What the client verifies is true again.
        let term = *known.lock().unwrap_or_else(PoisonError::into_inner);
        for at in 0..bytes.len().saturating_sub(LENGTH - 1) {
            if bytes[at..at + LENGTH] == ALWAYS {
                bytes[at..at + LENGTH].copy_from_slice(&term);
            }
        }
    });
    pump(server, client, move |bytes| {
        replace(bytes, RUN);
        if let Some(found) = replace(bytes, TERM) {
            *term.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
    });
}

/// Replaces the id that follows a name, and returns what it was.
fn replace(bytes: &mut [u8], name: &[u8]) -> Option<[u8; LENGTH]> {
    let at = bytes.windows(name.len()).position(|found| found == name)? + name.len();
    let id = bytes.get_mut(at..at + LENGTH)?;
    let found = id.try_into().ok()?;
    id.copy_from_slice(&ALWAYS);
    Some(found)
}

fn pump(from: &TcpStream, to: &TcpStream, change: impl Fn(&mut [u8]) + Send + 'static) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
        return;
    };
    thread::spawn(move || {
        let mut chunk = vec![0; CHUNK];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            change(&mut chunk[..length]);
            if to.write_all(&chunk[..length]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_looks_alike() {
        let mut text = format!("a\r\nrun_id:{}\r\nb", "0f".repeat(20)).into_bytes();
        let id = replace(&mut text, RUN).unwrap();
        assert_eq!(id.as_slice(), "0f".repeat(20).as_bytes());
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, format!("a\r\nrun_id:{}\r\nb", "a".repeat(40)));
        assert_eq!(replace(&mut b"run_id:0".to_vec(), RUN), None);
    }
}
