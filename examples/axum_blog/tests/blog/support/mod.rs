//! A blog that runs, and what its visitors do.
//!
//! - `place`: databases and stores of a test's own
//! - `page`: what a visitor gets
//! - `visit`: what a visitor does
//! - `driver`: a browser

pub(crate) mod driver;
mod page;
pub(crate) mod place;
mod visit;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, kill_process};
use tempfile::TempDir;

pub(crate) use rustix::process::Signal;

use self::place::Place;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A blog's process; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Blog {
    child: Child,
    pub(crate) url: String,
    agent: ureq::Agent,
    folder: TempDir,
}

impl Blog {
    pub(crate) fn start(place: &Place) -> Self {
        Self::run(Some(place))
    }

    /// With nothing in its environment.
    pub(crate) fn start_alone() -> Self {
        Self::run(None)
    }

    /// What it says when it will not start with this URL of a database.
    pub(crate) fn refused(database: &str) -> String {
        let mut command = command(None);
        let output = command.env("DATABASE_URL", database).output().unwrap();
        assert!(!output.status.success());
        assert_eq!(output.stdout, b"");
        String::from_utf8(output.stderr).unwrap()
    }

    fn run(place: Option<&Place>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut child = command(place)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let blog = Self {
            child,
            url: line.trim_end().trim_end_matches('/').to_owned(),
            agent: visit::agent(),
            folder,
        };
        assert!(blog.url.starts_with("http://127.0.0.1:"), "{}", blog.log());
        blog
    }

    /// What it has said on standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Tells it to end. Returns how it did, and its log.
    pub(crate) fn end(self, signal: Signal) -> (ExitStatus, String) {
        self.signal(signal);
        self.ended()
    }

    /// Waits for its end. Returns how that was, and its log.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, self.log());
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Blog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the blog's log:\n{}", self.log());
        }
    }
}

fn command(place: Option<&Place>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axum_blog"));
    for name in ["DATABASE_URL", "CACHE_URL", "PORT"] {
        command.env_remove(name);
    }
    if let Some(place) = place {
        command.env("DATABASE_URL", &place.database);
        if let Some(cache) = &place.cache {
            command.env("CACHE_URL", cache);
        }
    }
    command.stdin(Stdio::null());
    command
}
