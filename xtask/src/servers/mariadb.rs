//! MariaDB.

use std::io::{self, Read};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use crate::error::{Error, Result};
use crate::workspace::program;

use super::{Daemon, Site};

pub(super) struct Mariadb;

/// Run by the server before it takes sessions; one statement per line.
const INIT: &str = "\
CREATE DATABASE IF NOT EXISTS cache_test CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS 'cache'@'%' IDENTIFIED BY 'cache';
CREATE USER IF NOT EXISTS 'cache'@'127.0.0.1' IDENTIFIED BY 'cache';
CREATE USER IF NOT EXISTS 'cache'@'localhost' IDENTIFIED BY 'cache';
GRANT ALL PRIVILEGES ON *.* TO 'cache'@'%' WITH GRANT OPTION;
GRANT ALL PRIVILEGES ON *.* TO 'cache'@'127.0.0.1' WITH GRANT OPTION;
GRANT ALL PRIVILEGES ON *.* TO 'cache'@'localhost' WITH GRANT OPTION;
";

const SETTINGS: &[&str] = &[
    "--bind-address=127.0.0.1",
    "--skip-networking=0",
    "--skip-name-resolve",
    "--max-connections=200",
    "--character-set-server=utf8mb4",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
];

impl Daemon for Mariadb {
    fn name(&self) -> &'static str {
        "mariadb"
    }

    fn accounts(&self) -> &'static [&'static str] {
        &["mysql", "nobody"]
    }

    fn variable(&self) -> &'static str {
        "CACHE_TEST_MYSQL_URL"
    }

    fn url(&self, port: u16) -> String {
        format!("mysql://cache:cache@127.0.0.1:{port}/cache_test")
    }

    fn stop_signal(&self) -> &'static str {
        // Its data goes with its folder: nothing to write back first.
        "KILL"
    }

    fn installed(&self) -> bool {
        find("mariadbd").is_some() && find("mariadb-install-db").is_some()
    }

    fn prepare(&self, site: &Site) -> Result<()> {
        site.write("init.sql", INIT)?;
        let mut command = site.command(&require("mariadb-install-db")?);
        command
            .args(["--no-defaults", "--skip-test-db", "--skip-name-resolve"])
            .args(["--auth-root-authentication-method=normal"])
            .args(["--innodb-log-file-size=16M"])
            .arg(format!("--datadir={}", site.path("data").display()))
            // Two servers with one folder for temporary tables take each other's away.
            .arg(format!("--tmpdir={}", site.path("data").display()));
        site.run(command)
    }

    fn serve(&self, site: &Site, port: u16) -> Result<Command> {
        let mut command = site.daemon(&require("mariadbd")?, self.stop_signal());
        // `--no-defaults` counts only as the first option.
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", site.path("data").display()))
            // Two servers with one folder for temporary tables take each other's away.
            .arg(format!("--tmpdir={}", site.path("data").display()))
            .arg(format!("--socket={}", site.path("socket").display()))
            .arg(format!("--pid-file={}", site.path("pid").display()))
            .arg(format!("--init-file={}", site.path("init.sql").display()))
            .arg(format!("--port={port}"))
            .args(SETTINGS);
        Ok(command)
    }

    /// Reads the greeting: it comes only after the initial statements have run.
    fn ready(&self, mut connection: TcpStream) -> io::Result<bool> {
        const PROTOCOL_10: u8 = 10;
        // Three bytes of length, one of sequence, then the protocol's version.
        let mut greeting = [0; 5];
        connection.read_exact(&mut greeting)?;
        Ok(greeting[4] == PROTOCOL_10)
    }
}

fn find(name: &str) -> Option<PathBuf> {
    program(name, &[])
}

fn require(name: &str) -> Result<PathBuf> {
    find(name).ok_or_else(|| Error::new(format!("MariaDB's `{name}` is not installed")))
}
