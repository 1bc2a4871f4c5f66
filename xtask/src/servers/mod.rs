//! Private servers: in a fresh temporary folder, on free loopback ports.
//!
//! They are prepared side by side, started side by side, and stopped by process
//! id when [`Servers`] is dropped; the folder goes with them.

mod mariadb;
mod postgres;
mod redis;
mod site;
mod stores;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::{Context, Error, Result};
use crate::process::{self, Group};
use crate::setup;
use crate::workspace::program;

use self::site::Site;
use self::stores::Stores;
pub(crate) use self::stores::has_memcached;

/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How often a server is tried on another port when somebody took the one it was given.
const ATTEMPTS: usize = 3;
/// How long a server may take to answer one question.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    Mariadb,
    Redis,
    /// Redis in its other shapes: a cluster, behind sentinels, with TLS; and memcached.
    Stores,
    /// No server: a test starts the browser that it needs.
    Browser,
}

impl Kind {
    /// Every server the tests use.
    pub(crate) const ALL: &'static [Self] = &[
        Self::Postgres,
        Self::Mariadb,
        Self::Redis,
        Self::Stores,
        Self::Browser,
    ];

    /// The one process it consists of, unless there are several, or none here.
    fn daemon(self) -> Option<&'static dyn Daemon> {
        match self {
            Self::Postgres => Some(&postgres::Postgres),
            Self::Mariadb => Some(&mariadb::Mariadb),
            Self::Redis => Some(&redis::Redis),
            Self::Stores | Self::Browser => None,
        }
    }
}

/// Whether this server's programs are on the machine.
pub(crate) fn installed(kind: Kind) -> bool {
    match kind.daemon() {
        Some(daemon) => daemon.installed(),
        None if kind == Kind::Browser => ["chromium", "chromedriver"]
            .iter()
            .all(|name| program(name, &[]).is_some()),
        None => stores::installed(),
    }
}

/// How one server is prepared, started, asked and stopped.
trait Daemon: Sync {
    /// Its name: of its folder, and in messages.
    fn name(&self) -> &'static str;
    /// The accounts it may run as when we are root, best first.
    fn accounts(&self) -> &'static [&'static str];
    /// The environment variable that tells the tests where it is.
    fn variable(&self) -> &'static str;
    /// What that variable holds.
    fn url(&self, port: u16) -> String;
    /// The signal that ends it quickly and leaves nothing behind.
    fn stop_signal(&self) -> &'static str;
    /// Whether its programs are on the machine.
    fn installed(&self) -> bool;
    /// Creates its data.
    fn prepare(&self, site: &Site) -> Result<()>;
    /// The command that serves on `port`, in the foreground.
    fn serve(&self, site: &Site, port: u16) -> Result<Command>;
    /// Whether it is ready for tests, by its own protocol.
    fn ready(&self, connection: TcpStream) -> std::io::Result<bool>;
}

/// A running server; dropping it stops it.
struct Server {
    daemon: &'static dyn Daemon,
    site: Site,
    port: u16,
    group: Group,
}

/// The running servers of one test run.
pub(crate) struct Servers {
    // Before `folder`: they stop before it is removed.
    running: Vec<Server>,
    stores: Option<Stores>,
    folder: TempDir,
}

impl Servers {
    /// Starts these servers and waits until each of them answers.
    ///
    /// # Errors
    ///
    /// With the end of the log of the server that did not start.
    pub(crate) fn start(kinds: &[Kind]) -> Result<Self> {
        let began = Instant::now();
        let folder = site::folder()?;
        let mut sites = Vec::new();
        for daemon in kinds.iter().filter_map(|kind| kind.daemon()) {
            let site = Site::new(folder.path(), daemon.name(), daemon.accounts())?;
            sites.push((daemon, site));
        }
        thread::scope(|scope| {
            let preparing: Vec<_> = sites
                .iter()
                .map(|(daemon, site)| scope.spawn(|| daemon.prepare(site)))
                .collect();
            preparing.into_iter().try_for_each(|one| {
                let name = "preparing a server";
                one.join()
                    .unwrap_or_else(|_| Err(Error::new(format!("{name}: it panicked"))))
            })
        })?;
        let mut running = Vec::new();
        for (daemon, site) in sites {
            running.push(Server::spawn(daemon, site)?);
        }
        let mut servers = Self {
            running,
            stores: None,
            folder,
        };
        if kinds.contains(&Kind::Stores) {
            servers.stores = Some(Stores::start(servers.folder.path())?);
        }
        for server in &mut servers.running {
            server.await_ready()?;
        }
        eprintln!(
            "servers: {} ready after {:.1} s",
            servers.names().join(", "),
            began.elapsed().as_secs_f32()
        );
        Ok(servers)
    }

    /// The variables that tell the tests where the servers are.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let one = |server: &Server| (server.daemon.variable(), server.daemon.url(server.port));
        let stores = self.stores.iter().flat_map(Stores::environment);
        self.running.iter().map(one).chain(stores).collect()
    }

    fn names(&self) -> Vec<&'static str> {
        let stores = self.stores.iter().flat_map(|_| Stores::NAMES);
        let running = self.running.iter().map(|server| server.daemon.name());
        running.chain(stores.copied()).collect()
    }

    /// The first server that has ended, with the end of its log.
    fn ended(&mut self) -> Option<Error> {
        self.running.iter_mut().find_map(Server::ended)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in &mut self.running {
            server.group.signal(server.daemon.stop_signal());
        }
        // Each `Server` now waits for its own end.
    }
}

impl Server {
    fn spawn(daemon: &'static dyn Daemon, site: Site) -> Result<Self> {
        let port = site::free_port()?;
        let mut command = daemon.serve(&site, port)?;
        let log = site.log()?;
        let second = log.try_clone().context("opening a log")?;
        command.stdout(log).stderr(second);
        let group = Group::spawn(&mut command)?;
        Ok(Self {
            daemon,
            site,
            port,
            group,
        })
    }

    fn await_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let mut attempts = 1;
        loop {
            process::check_interrupted()?;
            if let Some(error) = self.ended() {
                let taken = error.to_string().to_lowercase().contains("in use");
                if !taken || attempts == ATTEMPTS {
                    return Err(error);
                }
                attempts += 1;
                *self = Self::spawn(self.daemon, self.site.clone())?;
            } else if self.answers() {
                return Ok(());
            } else if Instant::now() >= deadline {
                return Err(self.failure("does not answer"));
            }
            thread::sleep(process::TICK);
        }
    }

    fn answers(&self) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let answer = TcpStream::connect_timeout(&address, ANSWER_LIMIT).and_then(|stream| {
            stream.set_read_timeout(Some(ANSWER_LIMIT))?;
            stream.set_write_timeout(Some(ANSWER_LIMIT))?;
            self.daemon.ready(stream)
        });
        matches!(answer, Ok(true))
    }

    fn ended(&mut self) -> Option<Error> {
        match self.group.poll() {
            Ok(None) => None,
            Ok(Some(status)) => Some(self.failure(&format!("ended ({status})"))),
            Err(error) => Some(error),
        }
    }

    fn failure(&self, what: &str) -> Error {
        Error::new(format!(
            "{} {what}; the end of its log:\n{}",
            self.daemon.name(),
            self.site.log_tail()
        ))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.group.stop(self.daemon.stop_signal());
    }
}

/// `cargo xtask servers`: for developers.
pub(crate) fn command(command: &[String]) -> Result<ExitCode> {
    setup::ensure(Kind::ALL)?;
    let mut servers = Servers::start(Kind::ALL)?;
    let environment = servers.environment();
    if let Some((program, arguments)) = command.split_first() {
        let mut command = Command::new(program);
        command.args(arguments).envs(environment);
        return attended(command);
    }
    for (variable, url) in environment {
        println!("export {variable}={url}");
    }
    eprintln!("servers: running until Ctrl-C");
    while !process::interrupted() {
        if let Some(error) = servers.ended() {
            return Err(error);
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a command of the developer's: it keeps the terminal, and gets Ctrl-C by itself.
fn attended(mut command: Command) -> Result<ExitCode> {
    let program = PathBuf::from(command.get_program());
    let mut child = command
        .spawn()
        .context(format_args!("starting {}", program.display()))?;
    let mut told = false;
    loop {
        match child.try_wait().context("waiting for the command")? {
            Some(status) => {
                let code = status.code().or(status.signal().map(|signal| 128 + signal));
                let code = code.and_then(|code| u8::try_from(code).ok());
                return Ok(ExitCode::from(code.unwrap_or(1)));
            }
            None if process::interrupted() && !told => {
                told = true;
                process::signal("TERM", &child.id().to_string());
            }
            None => thread::sleep(process::TICK),
        }
    }
}
