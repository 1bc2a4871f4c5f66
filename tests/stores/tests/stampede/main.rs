//! Many processes and threads that miss the same thing at once.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache_faults::RedisServer;

/// A process of the herd, killed when it is dropped.
struct Process {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(url: &str, file: &str, threads: usize, hangs: bool) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_herd"))
            .args([
                url,
                file,
                &threads.to_string(),
                &u8::from(hangs).to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"!").unwrap();
    }

    /// How many reads asked the database, and how long the slowest took, in milliseconds.
    fn result(&mut self) -> (u64, u64) {
        let line = self.answer();
        let (asked, slowest) = line.split_once(' ').unwrap();
        (asked.parse().unwrap(), slowest.parse().unwrap())
    }
}

struct Pasture {
    _server: RedisServer,
    folder: tempfile::TempDir,
    url: String,
}

impl Pasture {
    /// `wait` is how long a reader waits for another.
    fn new(wait: &str) -> Self {
        let server = RedisServer::start(&[]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let url = format!(
            "{}?namespace=herd&io_timeout=20s&connect_timeout=20s&single_flight_wait={wait}",
            server.url()
        );
        let pasture = Self {
            _server: server,
            folder,
            url,
        };
        let mut conn = SqliteConnection::establish(&pasture.file()).unwrap();
        conn.batch_execute("CREATE TABLE items (id INTEGER PRIMARY KEY)")
            .unwrap();
        let rows: Vec<String> = (1..=150).map(|id| format!("({id})")).collect();
        conn.batch_execute(&format!("INSERT INTO items VALUES {}", rows.join(", ")))
            .unwrap();
        pasture
    }

    fn file(&self) -> String {
        let path = self.folder.path().join("db.sqlite");
        path.to_str().unwrap().to_owned()
    }

    fn herd(&self, processes: usize, threads: usize) -> Vec<Process> {
        let mut herd: Vec<Process> = (0..processes)
            .map(|_| Process::start(&self.url, &self.file(), threads, false))
            .collect();
        for process in &mut herd {
            assert_eq!(process.answer(), "ready");
        }
        herd
    }
}

#[test]
fn of_64_threads_in_4_processes_one_asks_the_database() {
    let pasture = Pasture::new("60s");
    let mut herd = pasture.herd(4, 16);
    herd.iter_mut().for_each(Process::go);
    let asked: u64 = herd.iter_mut().map(|process| process.result().0).sum();
    assert_eq!(asked, 1);
}

#[test]
fn a_leader_that_hangs_keeps_nobody_waiting_for_longer_than_the_limit() {
    let pasture = Pasture::new("2s");
    let mut leader = Process::start(&pasture.url, &pasture.file(), 1, true);
    assert_eq!(leader.answer(), "ready");
    let mut herd = pasture.herd(3, 4);
    leader.go();
    std::thread::sleep(std::time::Duration::from_millis(300));
    herd.iter_mut().for_each(Process::go);
    for process in &mut herd {
        // Answered at all: nobody waits for the leader, who never comes back.
        let (asked, _) = process.result();
        assert!(asked <= 4, "{asked}");
    }
    assert!(leader.child.try_wait().unwrap().is_none(), "it hangs");
}
