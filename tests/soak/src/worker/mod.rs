//! A worker: a process that uses a cache as an application does, and tells what it saw.
//!
//! The coordinator starts it, with a [`Setup`] in its environment. Its standard input takes
//! commands, one per line, and ends with the coordinator; its standard output answers.

use std::io::BufRead;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::options::{Database, Options};
use crate::points::{Armed, How, Point};

mod awaited;
mod log;
mod mariadb;
mod postgres;
mod sqlite;
mod store;

/// The environment variable that makes this program a worker.
pub(crate) const VARIABLE: &str = "DIESEL_CACHE_SOAK_WORKER";
/// What a thread sends once to say which it is, and waits for before it begins.
pub(crate) const HELLO: u8 = b'!';

/// How many probes a thread may be behind.
const BACKLOG: usize = 4;

/// What a worker is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) options: Options,
    /// Which worker it is.
    pub(crate) slot: usize,
    /// How often a worker of this slot was started before.
    pub(crate) life: u64,
    /// The socket that takes events.
    pub(crate) socket: String,
    /// The database.
    pub(crate) database: String,
    /// The store, if there is one outside of the processes.
    pub(crate) store: Option<String>,
}

/// What the threads are to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Phase {
    /// Reads and writes.
    Work = 0,
    /// Reads alone.
    Read = 1,
    /// Nothing.
    Rest = 2,
    /// Each row is read once more.
    Sweep = 3,
}

/// What the threads of a worker share.
#[derive(Debug)]
struct Shared {
    setup: Setup,
    /// Four times the number of the order, plus the phase.
    order: AtomicU64,
    resting: AtomicUsize,
    /// The tables and owners whose rows each thread is to read.
    probes: Mutex<Vec<(usize, usize)>>,
    /// How many of these there are.
    probed: AtomicUsize,
}

impl Shared {
    /// The phase, and the number of the order that began it.
    fn order(&self) -> (Phase, u64) {
        let order = self.order.load(Ordering::SeqCst);
        let phase = match order % 4 {
            0 => Phase::Work,
            1 => Phase::Read,
            2 => Phase::Rest,
            _ => Phase::Sweep,
        };
        (phase, order / 4)
    }

    /// What a thread that has read so many probes is to read next. It does not stay far behind.
    fn probe(&self, read: &mut usize) -> Option<(usize, usize)> {
        let count = self.probed.load(Ordering::Relaxed);
        if count <= *read {
            return None;
        }
        let next = (*read).max(count.saturating_sub(BACKLOG));
        *read = next + 1;
        let probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        probes.get(next).copied()
    }

    fn add_probe(&self, table: usize, owner: usize) {
        let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        probes.push((table, owner));
        self.probed.store(probes.len(), Ordering::Relaxed);
    }

    fn enter(&self, phase: Phase) {
        self.resting.store(0, Ordering::SeqCst);
        let (_, number) = self.order();
        let order = (number + 1) * 4 + phase as u64;
        self.order.store(order, Ordering::SeqCst);
    }
}

/// Runs a worker until it is told to end.
pub(crate) fn main(setup: &str) -> ExitCode {
    crate::notes::install();
    let setup: Setup = match serde_json::from_str(setup) {
        Ok(setup) => setup,
        Err(error) => {
            eprintln!("soak: a worker does not understand its setup: {error}");
            return ExitCode::FAILURE;
        }
    };
    match run(setup) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: a worker failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(setup: Setup) -> Result<(), String> {
    let armed = Arc::new(Armed::default());
    let cache = store::cache(&setup, &armed)?;
    let shared = Arc::new(Shared {
        setup,
        order: AtomicU64::new(Phase::Rest as u64),
        resting: AtomicUsize::new(0),
        probes: Mutex::default(),
        probed: AtomicUsize::new(0),
    });
    let options = &shared.setup.options;
    let start = match (options.database, options.awaits) {
        (Database::Postgres, false) => postgres::user::start,
        (Database::Mariadb, false) => mariadb::user::start,
        (Database::Sqlite, false) => sqlite::user::start,
        (Database::Postgres, true) => awaited::postgres::user::start,
        (Database::Mariadb, true) => awaited::mariadb::user::start,
        (Database::Sqlite, true) => awaited::sqlite::user::start,
    };
    start(&shared, &cache)?;
    answer("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let mut words = line.split(' ');
        match words.next().unwrap_or_default() {
            "work" => shared.enter(Phase::Work),
            "read" => shared.enter(Phase::Read),
            "rest" => {
                shared.enter(Phase::Rest);
                await_rest(&shared);
                store::flush(&cache);
                answer("resting");
            }
            "sweep" => {
                shared.enter(Phase::Sweep);
                await_rest(&shared);
                answer("swept");
            }
            "arm" => {
                let how = words.next().and_then(How::named);
                let point = words.next().and_then(Point::named);
                match (how, point) {
                    (Some(how), Some(point)) => armed.arm(how, point),
                    _ => return Err(format!("`{line}`: there is no such point")),
                }
            }
            "probe" => {
                let mut number = || words.next().and_then(|word| word.parse().ok());
                if let (Some(table), Some(owner)) = (number(), number()) {
                    shared.add_probe(table, owner);
                }
            }
            "disarm" => armed.disarm(),
            "clear" => cache.clear(),
            "stats" => answer(&format!("stats {}", store::stats(&cache))),
            "end" => return Ok(()),
            other => return Err(format!("unknown command `{other}`")),
        }
    }
    // The coordinator is gone.
    Ok(())
}

fn await_rest(shared: &Shared) {
    while shared.resting.load(Ordering::SeqCst) < shared.setup.options.threads {
        thread::sleep(Duration::from_millis(1));
    }
}

#[allow(
    clippy::print_stdout,
    reason = "the coordinator reads it from the standard output"
)]
fn answer(line: &str) {
    println!("{line}");
}
