//! A Redis server of the test's own.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use crate::client::{Client, Reply};
use crate::ports::free_port;
use crate::process::Process;
use crate::{START_LIMIT, TICK};

/// How often a server is started anew because somebody took its port.
const ATTEMPTS: usize = 5;
/// What a snapshot is called in the server's folder.
const DUMP: &str = "dump.rdb";

/// A server process on a free loopback port, in a folder of its own, with nothing in it.
///
/// It saves nothing by itself. Its port stays the same across restarts. Dropping it kills it.
#[derive(Debug)]
pub struct RedisServer {
    program: PathBuf,
    args: Vec<String>,
    port: u16,
    folder: TempDir,
    process: Mutex<Option<Process>>,
}

/// What a server held at one moment, as it saves it itself.
#[derive(Clone)]
pub struct Snapshot(Vec<u8>);

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot({} bytes)", self.0.len())
    }
}

/// The server's program: what `CACHE_TEST_REDIS_SERVER` names, or else `redis-server`, or else
/// `valkey-server`.
///
/// # Errors
/// If there is none.
pub fn redis_program() -> io::Result<PathBuf> {
    if let Some(named) = env::var_os("CACHE_TEST_REDIS_SERVER") {
        return Ok(PathBuf::from(named));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).collect();
    ["redis-server", "valkey-server"]
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "`redis-server` is not installed"))
}

impl RedisServer {
    /// Starts a server with these arguments besides its own (`["--maxmemory", "10mb"]`), and
    /// waits until it answers.
    ///
    /// # Errors
    /// If it does not answer, with the end of its log.
    pub fn start(args: &[&str]) -> io::Result<Self> {
        Self::start_program(&redis_program()?, args)
    }

    /// Starts a server from another program: another version, or Valkey.
    ///
    /// # Errors
    /// If it does not answer, with the end of its log.
    pub fn start_program(program: &Path, args: &[&str]) -> io::Result<Self> {
        let own = ["--save", "", "--appendonly", "no"];
        Self::create(program, &[&own, args].concat(), None)
    }

    /// A server that was given `config`, in a file that it may write.
    pub(crate) fn create(program: &Path, args: &[&str], config: Option<&str>) -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("diesel-cache-redis-")
            .tempdir()?;
        let mut own = Vec::new();
        if let Some(config) = config {
            let file = folder.path().join("server.conf");
            fs::write(&file, config)?;
            own.push(file.display().to_string());
        }
        own.extend(args.iter().map(|arg| (*arg).to_owned()));
        let mut server = Self {
            program: program.to_path_buf(),
            args: own,
            port: free_port()?,
            folder,
            process: Mutex::new(None),
        };
        for _ in 1..ATTEMPTS {
            match server.run() {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    server.port = free_port()?;
                }
                other => return other.map(|()| server),
            }
        }
        server.run().map(|()| server)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// `redis://127.0.0.1:port/`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// The id of its process, while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// A connection to it.
    ///
    /// # Errors
    /// If it does not accept one.
    pub fn client(&self) -> io::Result<Client> {
        Client::connect(self.address())
    }

    /// Sends one command on a connection of its own.
    ///
    /// # Errors
    /// If the server cannot be reached. An error that it answers is a reply.
    pub fn command(&self, words: &[&str]) -> io::Result<Reply> {
        self.client()?.command(words)
    }

    /// A section of `INFO`, by name; of commands that nobody sent there is none.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub fn info(&self, section: &str) -> io::Result<BTreeMap<String, String>> {
        let text = self.client()?.text(&["INFO", section])?;
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        Ok(lines.map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    /// Kills it (SIGKILL) and waits for its end. Does nothing if it does not run.
    pub fn kill(&self) {
        *self.process() = None;
    }

    /// Asks it to end (SIGTERM) and waits for its end. Does nothing if it does not run.
    pub fn terminate(&self) {
        if let Some(mut process) = self.process().take() {
            process.terminate();
        }
    }

    /// Stops its process (SIGSTOP): connections stay open, and nobody answers.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pause(&self) -> io::Result<()> {
        match &*self.process() {
            Some(process) => process.pause(),
            None => Err(io::Error::other("the server does not run")),
        }
    }

    /// Lets a stopped process go on (SIGCONT), with all that was sent to it meanwhile.
    pub fn resume(&self) {
        if let Some(process) = &*self.process() {
            process.resume();
        }
    }

    /// What it holds now.
    ///
    /// # Errors
    /// If it cannot save.
    pub fn snapshot(&self) -> io::Result<Snapshot> {
        match self.command(&["SAVE"])? {
            Reply::Status(_) => Ok(Snapshot(fs::read(self.folder.path().join(DUMP))?)),
            other => Err(io::Error::other(format!("SAVE: {other:?}"))),
        }
    }

    /// Kills it and starts it on the same port with whatever it left in its folder: nothing, or
    /// what a snapshot or its own persistence wrote.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn restart(&self) -> io::Result<()> {
        self.kill();
        self.run_again()
    }

    /// Kills it and starts it on the same port with nothing in it.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn restart_empty(&self) -> io::Result<()> {
        self.kill();
        self.forget()?;
        self.run_again()
    }

    /// Kills it and starts it on the same port with what it held at that moment.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn restart_from(&self, snapshot: &Snapshot) -> io::Result<()> {
        self.kill();
        self.forget()?;
        fs::write(self.folder.path().join(DUMP), &snapshot.0)?;
        self.run_again()
    }

    /// What it wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what it saved, but neither its log nor its configuration.
    fn forget(&self) -> io::Result<()> {
        for found in fs::read_dir(self.folder.path())? {
            let path = found?.path();
            if path.is_dir() {
                fs::remove_dir_all(path)?;
            } else if path
                .extension()
                .is_some_and(|end| end == "rdb" || end == "aof")
            {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// On the port it had: the kernel may need a moment to give it back.
    fn run_again(&self) -> io::Result<()> {
        let mut tried = 0;
        loop {
            match self.run() {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tried < 100 => {
                    tried += 1;
                    std::thread::sleep(TICK);
                }
                other => return other,
            }
        }
    }

    fn run(&self) -> io::Result<()> {
        let mut running = self.process();
        // Otherwise another server might answer in this one's place.
        drop(TcpListener::bind(self.address())?);
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--daemonize", "no", "--logfile", "", "--dir"])
            .arg(self.folder.path())
            .current_dir(self.folder.path())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut process = Process::spawn(&mut command)?;
        let began = std::time::Instant::now();
        while !self.answers() {
            if let Some(status) = process.ended() {
                return Err(self.failure(&format!("ended ({status})")));
            }
            if began.elapsed() > START_LIMIT {
                return Err(self.failure("does not answer"));
            }
            std::thread::sleep(TICK);
        }
        *running = Some(process);
        Ok(())
    }

    /// Whether it answers, and has loaded what it was to load.
    fn answers(&self) -> bool {
        let pong = self
            .client()
            .and_then(|mut client| client.command(&["PING"]));
        match pong {
            Ok(Reply::Error(error)) => error.starts_with("NOAUTH"),
            other => other.is_ok(),
        }
    }

    fn failure(&self, what: &str) -> io::Error {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        let kind = if end.contains("already in use") {
            io::ErrorKind::AddrInUse
        } else {
            io::ErrorKind::Other
        };
        let name = self.program.display();
        io::Error::new(kind, format!("{name} {what}; the end of its log:\n{end}"))
    }
}
