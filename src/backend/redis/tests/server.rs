//! A server for a test.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Parser, Value};

/// A `redis-server` of its own, which ends with the test.
pub(super) struct Server {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
    arguments: Vec<String>,
}

fn spawn(port: u16, directory: &std::path::Path, arguments: &[String]) -> Child {
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(directory)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.expect("`redis-server` is needed for these tests")
}

impl Server {
    pub(super) fn start(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        // Another program may take the port before the server does: then another is tried.
        for _ in 0..20 {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            let directory = tempfile::tempdir().unwrap();
            let mut server = Self {
                child: spawn(port, directory.path(), &arguments),
                port,
                directory,
                arguments: arguments.clone(),
            };
            if server.wait() {
                return server;
            }
        }
        panic!("no server could be started");
    }

    /// Waits until it answers; whether it does.
    fn wait(&mut self) -> bool {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() && self.is_up() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn is_up(&self) -> bool {
        match self.try_ask(&["PING"]) {
            Some(Value::ServerError(error)) => error.code() == "NOAUTH",
            answer => answer.is_some(),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port, as it starts: empty, unless its directory holds a dump.
    pub(super) fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.port, self.directory.path(), &self.arguments);
        assert!(self.wait(), "the server does not come back");
    }

    fn try_ask(&self, words: &[&str]) -> Option<Value> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        socket.write_all(&command.get_packed_command()).ok()?;
        Parser::new().parse_value(&mut socket as &mut dyn Read).ok()
    }

    /// Runs a command of an administrator.
    pub(super) fn ask(&self, words: &[&str]) -> Value {
        match self.try_ask(words) {
            Some(Value::ServerError(error)) => panic!("{words:?}: {error:?}"),
            Some(value) => value,
            None => panic!("{words:?}: no answer"),
        }
    }

    /// Whether the server answers a command with an error.
    pub(super) fn refuses(&self, words: &[&str]) -> bool {
        matches!(self.try_ask(words), Some(Value::ServerError(_)))
    }

    pub(super) fn number(&self, words: &[&str]) -> i64 {
        match self.ask(words) {
            Value::Int(number) => number,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    pub(super) fn text(&self, words: &[&str]) -> String {
        match self.ask(words) {
            Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            other => panic!("{words:?}: {other:?}"),
        }
    }

    /// The names of all keys, as text.
    pub(super) fn keys(&self) -> Vec<String> {
        match self.ask(&["KEYS", "*"]) {
            Value::Array(keys) => keys
                .iter()
                .map(|key| match key {
                    Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    other => panic!("{other:?}"),
                })
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    /// How often clients have run a command.
    pub(super) fn calls(&self, command: &str) -> u64 {
        let stats = self.text(&["INFO", "commandstats"]);
        let prefix = format!("cmdstat_{command}:calls=");
        let line = stats.lines().find_map(|line| line.strip_prefix(&prefix));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
