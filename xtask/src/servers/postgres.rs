//! PostgreSQL.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use crate::error::{Error, Result};
use crate::workspace::program;

use super::{Daemon, Site};

pub(super) struct Postgres;

/// Without fsync: a crash of the machine ends the test run anyway, and what a
/// commit means to other sessions stays the same.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "max_connections=200",
    "max_prepared_transactions=8",
    "fsync=off",
    "full_page_writes=off",
    "timezone=UTC",
];

impl Daemon for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn accounts(&self) -> &'static [&'static str] {
        &["postgres", "nobody"]
    }

    fn variable(&self) -> &'static str {
        "CACHE_TEST_POSTGRES_URL"
    }

    fn url(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }

    fn stop_signal(&self) -> &'static str {
        // Immediate shutdown: it does not wait for clients, and it removes its shared memory.
        "QUIT"
    }

    fn installed(&self) -> bool {
        find("initdb").is_some() && find("postgres").is_some()
    }

    fn prepare(&self, site: &Site) -> Result<()> {
        let mut command = site.command(&require("initdb")?);
        command
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8"])
            .args(["--locale=C.UTF-8", "--no-sync", "--pgdata"])
            .arg(site.path("data"));
        site.run(command)
    }

    fn serve(&self, site: &Site, port: u16) -> Result<Command> {
        let mut command = site.daemon(&require("postgres")?, self.stop_signal());
        command.arg("-D").arg(site.path("data"));
        command.arg("-p").arg(port.to_string());
        command.arg("-c").arg(format!(
            "unix_socket_directories={}",
            site.path("").display()
        ));
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        Ok(command)
    }

    /// Logs in: the port is open before the server takes sessions.
    fn ready(&self, mut connection: TcpStream) -> io::Result<bool> {
        const PROTOCOL_3_0: u32 = 3 << 16;
        let parameters = b"user\0postgres\0database\0postgres\0\0";
        let mut startup = Vec::new();
        startup.extend((8 + parameters.len() as u32).to_be_bytes());
        startup.extend(PROTOCOL_3_0.to_be_bytes());
        startup.extend(parameters);
        connection.write_all(&startup)?;
        let mut kind = [0];
        connection.read_exact(&mut kind)?;
        // `R`: authentication request or success; an error would be `E`.
        connection.write_all(b"X\0\0\0\x04")?;
        Ok(kind == *b"R")
    }
}

/// Debian keeps the server's programs out of the `PATH`, per version.
fn find(name: &str) -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok();
    let mut folders: Vec<_> = versions
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file())
        .collect();
    // One and the same version for both programs: the newest.
    folders.sort_by_key(|bin| {
        let version = bin.parent().and_then(|path| path.file_name());
        version.and_then(|name| name.to_str()?.parse::<u32>().ok())
    });
    folders.reverse();
    program(name, &folders)
}

fn require(name: &str) -> Result<PathBuf> {
    find(name).ok_or_else(|| Error::new(format!("PostgreSQL's `{name}` is not installed")))
}
