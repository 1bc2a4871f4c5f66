//! Processes that share a folder, and die in the midst of it; and one whose disk is full.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::backend::{CacheBackend, FileBackend, FileOptions};
use rand::RngExt;

/// What `filing` gives its entries.
const CAPACITY: u64 = 256 << 10;

/// What the processes said.
#[derive(Debug, Default)]
struct Said {
    stale: Vec<String>,
    reads: u64,
    hits: u64,
}

struct Place {
    folder: tempfile::TempDir,
    said: Arc<Mutex<Said>>,
}

/// A process at work, killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            said: Arc::default(),
        };
        let file = place.file();
        let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        conn.batch_execute(
            "CREATE TABLE items (id INTEGER PRIMARY KEY, value INTEGER NOT NULL, pad TEXT NOT NULL);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
             INSERT INTO items SELECT i, 0, hex(randomblob(500)) FROM n;",
        )
        .unwrap();
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Starts a process; with a limit, no file of its may be longer than so many blocks of 512
    /// bytes: to it, the disk is full.
    fn start(&self, limit: Option<u32>) -> Process {
        let seed = rand::rng().random::<u32>().to_string();
        let program = env!("CARGO_BIN_EXE_filing");
        let mut command = match limit {
            None => Command::new(program),
            Some(blocks) => {
                let mut shell = Command::new("sh");
                let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
                shell.args(["-c", &script, program]);
                shell
            }
        };
        let mut child = command
            .args([&self.store(), &self.file()])
            .arg(seed)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = Arc::clone(&self.said);
        thread::spawn(move || {
            let (mut last_reads, mut last_hits) = (0, 0);
            for line in lines.map_while(Result::ok) {
                let mut said = said.lock().unwrap();
                let numbers: Vec<u64> = line.split(' ').flat_map(str::parse).collect();
                match (line.starts_with("STALE"), numbers.as_slice()) {
                    (false, [reads, hits]) => {
                        said.reads += reads - last_reads;
                        said.hits += hits - last_hits;
                        (last_reads, last_hits) = (*reads, *hits);
                    }
                    _ => said.stale.push(line),
                }
            }
        });
        Process(child)
    }

    /// What the entries take of the disk.
    fn entries(&self) -> u64 {
        size(&self.store().join("diesel-cache-/entries"))
    }
}

fn size(path: &Path) -> u64 {
    let found = fs::read_dir(path).into_iter().flatten().flatten();
    found
        .map(|found| match fs::metadata(found.path()) {
            Ok(of) if of.is_dir() => size(&found.path()),
            // A folder of a few blocks besides is none.
            Ok(of) => of.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

fn files(path: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(path).into_iter().flatten().flatten();
    found
        .flat_map(|found| match found.path().is_dir() {
            true => files(&found.path()),
            false => vec![found.path()],
        })
        .collect()
}

/// Lets processes work for a while, and kills one after the other.
fn work(place: &Place, limits: &[Option<u32>], time: Duration) {
    let mut processes: Vec<Process> = limits.iter().map(|limit| place.start(*limit)).collect();
    let ends = Instant::now() + time;
    let mut largest = 0;
    let mut kills = 0;
    while Instant::now() < ends {
        thread::sleep(Duration::from_millis(rand::rng().random_range(50..700)));
        largest = largest.max(place.entries());
        let victim = rand::rng().random_range(0..limits.len());
        // Drops the old one after the new one has begun.
        processes[victim] = place.start(limits[victim]);
        kills += 1;
    }
    // Nobody kills them now: they find each other's writers gone, and hit again.
    let before = place.said.lock().unwrap().hits;
    let limit = Instant::now() + Duration::from_secs(60);
    while place.said.lock().unwrap().hits < before + 200 {
        assert!(Instant::now() < limit, "the cache did not come back");
        thread::sleep(Duration::from_millis(50));
    }
    largest = largest.max(place.entries());
    drop(processes);
    let said = place.said.lock().unwrap();
    eprintln!(
        "{} reads, {} hits, {kills} kills, {largest} bytes",
        said.reads, said.hits
    );
    assert!(said.stale.is_empty(), "{:?}", said.stale);
    assert!(said.reads > 500 && said.hits > 100, "{said:?}");
    // What is replaced is there twice for a moment.
    assert!(largest <= CAPACITY + (100 << 10), "{largest}");
}

/// Nothing is left of what was being made when a process was killed.
fn is_tidy_after_a_start(place: &Place) {
    let store = FileBackend::open(place.store(), FileOptions::default()).unwrap();
    let root = place.store().join("diesel-cache-");
    // Unless it has made one itself, there is no folder for what is being made.
    let left = files(&root.join("at-work"));
    assert!(left.iter().all(|path| path.ends_with("alive")), "{left:?}");
    assert!(left.len() <= 1, "{left:?}");
    let waste = fs::read_dir(&root).unwrap().flatten();
    let waste = waste.filter(|found| found.file_name().to_string_lossy().starts_with("waste"));
    assert_eq!(waste.count(), 0);
    // Each file is an entry that is known.
    let known = store.usage();
    let entries = files(&root.join("entries")).len() as u64;
    assert!(entries <= known.entries, "{entries} files, {known:?}");
    assert!(place.entries() <= CAPACITY, "{}", place.entries());
}

#[test]
fn killed_processes_leave_nothing_stale_and_nothing_behind() {
    let place = Place::new();
    work(&place, &[None, None, None], Duration::from_secs(8));
    is_tidy_after_a_start(&place);
}

/// One of them cannot make a file longer than 150 KiB, nor the journal that the other appends to.
#[test]
fn a_process_whose_disk_is_full_leaves_nothing_stale() {
    let place = Place::new();
    work(&place, &[None, Some(300)], Duration::from_secs(8));
    is_tidy_after_a_start(&place);
}
