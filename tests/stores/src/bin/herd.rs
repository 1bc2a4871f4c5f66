//! One process of a herd: threads that read the same cold key at once.
//!
//! `herd URL FILE THREADS HANG`: says `ready` when it hits on another key, begins at the
//! first byte on its standard input, and prints how many of its reads asked the database, and how
//! many milliseconds the slowest took. With `HANG` 1, a read that asks never comes back.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]
#![allow(clippy::print_stdout, reason = "it is what the test reads")]
#![allow(missing_docs, reason = "Diesel's macros make public items")]

use std::io::Read;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::prelude::*;
use diesel_cache::{Cache, CachedDsl, Outcome, Report};

#[derive(QueryableByName, Clone)]
struct Sum {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

/// Some tenths of a second of work.
const SLOW: &str = "SELECT count(*) AS n FROM items a, items b, items c \
                     WHERE a.id + b.id * c.id > 7";
const WARM: &str = "SELECT count(*) AS n FROM items";

static ASKED: AtomicU64 = AtomicU64::new(0);
static HANGS: AtomicU64 = AtomicU64::new(0);

struct Counter;

impl Instrumentation for Counter {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { query, .. } = event
            && query.to_string().starts_with(SLOW)
        {
            ASKED.fetch_add(1, Ordering::SeqCst);
            if HANGS.load(Ordering::SeqCst) == 1 {
                std::thread::sleep(Duration::from_secs(3600));
            }
        }
    }
}

fn read(conn: &mut SqliteConnection, sql: &str) -> (i64, Option<Outcome>) {
    let report = Report::new();
    let sums: Vec<Sum> = diesel::sql_query(sql.to_owned())
        .cached()
        .report(&report)
        .load(conn)
        .unwrap();
    (sums[0].n, report.outcome())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, url, file, threads, hang] = <[String; 5]>::try_from(arguments).unwrap();
    let threads: usize = threads.parse().unwrap();
    let cache = Cache::from_url(&url).unwrap();
    let mut connections = Vec::new();
    for _ in 0..threads {
        let mut conn = SqliteConnection::establish(&file).unwrap();
        cache.attach_with(&mut conn, Counter).unwrap();
        while read(&mut conn, WARM).1 != Some(Outcome::Hit) {
            std::thread::sleep(Duration::from_millis(5));
        }
        connections.push(conn);
    }
    HANGS.store(hang.parse().unwrap(), Ordering::SeqCst);
    println!("ready");
    std::io::stdin().read_exact(&mut [0]).unwrap();
    let start = Barrier::new(threads);
    let slowest = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for mut conn in connections {
            let (start, slowest) = (&start, &slowest);
            scope.spawn(move || {
                start.wait();
                let began = Instant::now();
                assert!(read(&mut conn, SLOW).0 > 0);
                let took = u64::try_from(began.elapsed().as_millis()).unwrap();
                slowest.fetch_max(took, Ordering::SeqCst);
            });
        }
    });
    let asked = ASKED.load(Ordering::SeqCst);
    println!("{asked} {}", slowest.load(Ordering::SeqCst));
}
