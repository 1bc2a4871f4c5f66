//! Soaks diesel-cache: several processes read and write through it while everything around
//! them breaks, and what they read is checked against what was committed.
//!
//! `cargo xtask soak` starts the servers and runs this program; its options stand in
//! `options.rs`.
//!
//! # Layout
//!
//! - `coordinator/`: starts the `workers`, breaks things in `lanes` (the `store`, the
//!   `database`, the workers themselves), takes all events (`collector`), asks the database
//!   about unknown outcomes (`oracle`), and sums up (`summary`).
//! - `worker/`: a process of an application. `user/` is what its threads do, compiled once per
//!   database. `wrap.rs` is its backend, with `points.rs` and `sabotage.rs`.
//! - `event.rs`, `merge.rs`, `history.rs`, `tally.rs`: from streams of events to a verdict.
//!   They are pure.
//! - `layout.rs`: the tables; `chance.rs`: reproducible chance; `clock.rs`: the clock.
// The result is one object of many fields.
#![recursion_limit = "256"]
#![allow(
    clippy::duplicate_mod,
    reason = "a worker's threads are compiled once per database"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "numbers of a test are small"
)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test may panic: that is how it fails")
)]

mod chance;
mod clock;
mod coordinator;
mod event;
mod fault;
mod history;
mod layout;
mod merge;
mod notes;
mod options;
mod points;
mod sabotage;
mod tally;
mod worker;
mod wrap;

use std::process::ExitCode;

use crate::options::{Options, USAGE};

#[allow(clippy::print_stdout, reason = "the result goes to standard output")]
fn main() -> ExitCode {
    if let Ok(setup) = std::env::var(worker::VARIABLE) {
        return worker::main(&setup);
    }
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match coordinator::run(&options) {
        Ok(outcome) => {
            println!("{}", outcome.line);
            for broken in &outcome.broken {
                eprintln!("soak: BROKEN: {broken}");
            }
            ExitCode::from(u8::from(!outcome.broken.is_empty()))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}
