//! A memcached of the test's own.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::ports::free_port;
use crate::process::Process;
use crate::{START_LIMIT, TICK};

/// How often a server is started anew because somebody took its port.
const ATTEMPTS: usize = 5;

/// A server process on a free loopback port, with nothing in it. Its port stays the same across
/// restarts. Dropping it kills it.
#[derive(Debug)]
pub struct MemcachedServer {
    program: PathBuf,
    args: Vec<String>,
    port: u16,
    process: Mutex<Option<Process>>,
}

/// The server's program: what `CACHE_TEST_MEMCACHED` names, or else `memcached`.
///
/// # Errors
/// If there is none.
pub fn memcached_program() -> io::Result<PathBuf> {
    if let Some(named) = env::var_os("CACHE_TEST_MEMCACHED") {
        return Ok(PathBuf::from(named));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let mut files = env::split_paths(&path).map(|folder| folder.join("memcached"));
    files
        .find(|file| file.is_file())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "`memcached` is not installed"))
}

impl MemcachedServer {
    /// Starts a server with these arguments besides its own (`["-m", "64"]`), and waits until it
    /// answers.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn start(args: &[&str]) -> io::Result<Self> {
        let mut server = Self {
            program: memcached_program()?,
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            port: free_port()?,
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

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Kills it (SIGKILL) and waits for its end. Does nothing if it does not run.
    pub fn kill(&self) {
        *self.process() = None;
    }

    /// Kills it and starts it on the same port, with nothing in it.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn restart(&self) -> io::Result<()> {
        self.kill();
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

    /// Sends one line, and returns the first line of the answer.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn command(&self, line: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address(), START_LIMIT)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(format!("{line}\r\n").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(answer.trim_end().to_owned())
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) -> io::Result<()> {
        let mut running = self.process();
        // Otherwise another server might answer in this one's place.
        drop(TcpListener::bind(self.address())?);
        let mut command = Command::new(&self.program);
        command
            .args(["-l", "127.0.0.1", "-p", &self.port.to_string(), "-U", "0"])
            // It refuses to run as root without being told whose rights to take.
            .args(["-u", "nobody"])
            .args(&self.args)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut process = Process::spawn(&mut command)?;
        let began = std::time::Instant::now();
        while !self
            .command("version")
            .is_ok_and(|answer| answer.starts_with("VERSION"))
        {
            if let Some(status) = process.ended() {
                return Err(io::Error::other(format!("memcached ended ({status})")));
            }
            if began.elapsed() > START_LIMIT {
                return Err(io::Error::other("memcached does not answer"));
            }
            std::thread::sleep(TICK);
        }
        *running = Some(process);
        Ok(())
    }
}
