//! One of several processes that share a store in a folder, until it is killed.
//!
//! `filing FOLDER FILE SEED`: reads and writes rows of a database at random. What a cached read
//! returns must not be older than what the database held before the read began. Each line on its
//! standard output is `reads hits`, or begins with `STALE`.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]
#![allow(clippy::print_stdout, reason = "it is what the test reads")]
#![allow(missing_docs, reason = "Diesel's macros make public items")]

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::backend::{FileBackend, FileOptions};
use diesel_cache::{Cache, CachedDsl, Outcome, Report};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

diesel::table! { items (id) { id -> Integer, value -> Integer, pad -> Text } }

const ROWS: i32 = 40;

fn connect(file: &str) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(file).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 20000; PRAGMA synchronous = OFF")
        .unwrap();
    conn
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, file, seed] = <[String; 4]>::try_from(arguments).unwrap();
    let mut options = FileOptions::default();
    options.capacity = 256 << 10;
    options.io_timeout = Duration::from_secs(5);
    let store = FileBackend::open(folder, options).unwrap();
    let cache = Cache::builder().backend(store).build().unwrap();
    let (mut conn, mut plain) = (connect(&file), connect(&file));
    cache.attach(&mut conn).unwrap();
    let mut random = StdRng::seed_from_u64(seed.parse().unwrap());
    let (mut reads, mut hits) = (0, 0);
    loop {
        let first = random.random_range(1..=ROWS);
        if random.random_range(0..12) == 0 {
            // Refused if the disk is full, and then it is none.
            let _ = diesel::update(items::table.find(first))
                .set(items::value.eq(items::value + 1))
                .execute(&mut conn);
            continue;
        }
        let last = (first + [0, 0, 3, 30][random.random_range(0..4)]).min(ROWS);
        let query = || {
            items::table
                .filter(items::id.between(first, last))
                .order(items::id)
        };
        let before: Vec<i32> = query().select(items::value).load(&mut plain).unwrap();
        let report = Report::new();
        let rows: Vec<(i32, i32, String)> =
            query().cached().report(&report).load(&mut conn).unwrap();
        reads += 1;
        hits += u64::from(report.outcome() == Some(Outcome::Hit));
        let stale = rows
            .iter()
            .zip(&before)
            .any(|(row, before)| row.1 < *before);
        if stale || rows.len() != before.len() {
            println!("STALE {first}..{last} {:?}", report.outcome());
        }
        if reads % 50 == 0 {
            println!("{reads} {hits}");
        }
    }
}
