//! Redis, or Valkey where the machine has that instead.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use crate::error::{Error, Result};
use crate::workspace::program;

use super::{Daemon, Site};

pub(super) struct Redis;

impl Daemon for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn accounts(&self) -> &'static [&'static str] {
        &["redis", "valkey", "nobody"]
    }

    fn variable(&self) -> &'static str {
        "CACHE_TEST_REDIS_URL"
    }

    fn url(&self, port: u16) -> String {
        format!("redis://127.0.0.1:{port}/")
    }

    fn stop_signal(&self) -> &'static str {
        "TERM"
    }

    fn installed(&self) -> bool {
        find().is_some()
    }

    fn prepare(&self, _site: &Site) -> Result<()> {
        Ok(())
    }

    fn serve(&self, site: &Site, port: u16) -> Result<Command> {
        let program = find().ok_or_else(|| Error::new("`redis-server` is not installed"))?;
        let mut command = site.daemon(&program, self.stop_signal());
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(site.path(""));
        Ok(command)
    }

    fn ready(&self, mut connection: TcpStream) -> io::Result<bool> {
        connection.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        connection.read_exact(&mut answer)?;
        Ok(answer == *b"+PONG")
    }
}

fn find() -> Option<PathBuf> {
    program("redis-server", &[]).or_else(|| program("valkey-server", &[]))
}
