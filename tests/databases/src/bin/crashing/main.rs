//! A process that writes, and is killed on the way: `crashing DATABASE URL STORE SCRIPT`.
//!
//! A script is words: what is done, one after the other, and
//!
//! - `kill=N`: the process is killed when it comes by the N-th point: before or after a call to
//!   the store that announces or invalidates, before a statement is sent or after it returned;
//! - `down=N`: from the N-th such call on the store is out of reach; `deaf=N`: it does what it is
//!   told, but the answer is lost.
//!
//! It says `done` if it came by no such point.
#![allow(
    clippy::unwrap_used,
    reason = "a failure fails the test that started it"
)]
#![allow(clippy::duplicate_mod, reason = "compiled once per engine")]
#![allow(clippy::print_stdout, reason = "the test reads it")]

mod mysql;
mod points;
mod postgres;
mod sqlite;
mod store;

use std::sync::Arc;
use std::time::Duration;

use diesel_cache::backend::{RedisBackend, RedisOptions};
use diesel_cache::{Cache, Level};

use self::points::Points;
use self::store::Failing;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [database, url, store, script] = args.as_slice() else {
        panic!("it takes four words");
    };
    let points = Arc::new(Points::of(script));
    let mut options = RedisOptions::default();
    options.io_timeout = Duration::from_secs(20);
    options.connect_timeout = Duration::from_secs(20);
    let store = RedisBackend::connect(store, options).unwrap();
    let builder = Cache::builder()
        .level(Level::Durable)
        .relay_interval(Duration::from_millis(5))
        .backend(Failing {
            to: store,
            points: Arc::clone(&points),
        });
    match database.as_str() {
        "postgres" => postgres::play::play(url, builder, script, &points),
        "mysql" => mysql::play::play(url, builder, script, &points),
        _ => sqlite::play::play(url, builder, script, &points),
    }
    // Its cache and its connections are gone by now, in good order or not.
    println!("done");
}
