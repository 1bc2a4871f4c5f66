//! The repository's own commands, run as `cargo xtask <command>`.
//!
//! Everything CI does is a command here, so that a person can do it too.
//!
//! # Layout
//!
//! - `cli`: the command line; `workspace`: where things are; `process`: running children
//! - `setup`: what the machine needs; `servers`: private database servers and stores
//! - `test`: all tests and the manifest of what ran
//! - `layers`: the layer rule of `src/`; `mutants`: does a test guard each rule?
//! - `soak`: several processes under faults; `model`: the protocol, exhaustively
//! - `replay`: a trace of a blog, and how many of its reads are hits
//! - `ci`, `bench`: the rest
#![allow(
    clippy::print_stdout,
    reason = "a command-line program reports on standard output"
)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test may panic: that is how it fails")
)]

mod bench;
mod ci;
mod cli;
mod error;
mod layers;
mod model;
mod mutants;
mod process;
mod replay;
mod servers;
mod setup;
mod soak;
mod test;
mod workspace;

use std::process::ExitCode;

use crate::cli::Command;
use crate::error::Result;

/// What a shell reports for a program ended by Ctrl-C.
const EXIT_INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("error: {error}\n\n{}", cli::USAGE);
            return ExitCode::from(2);
        }
    };
    match process::catch_signals().and_then(|()| run(command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if process::interrupted() {
                EXIT_INTERRUPTED
            } else {
                1
            })
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Help => {
            println!("{}", cli::USAGE);
            Ok(ExitCode::SUCCESS)
        }
        Command::Setup => setup::ensure(servers::Kind::ALL).map(|()| ExitCode::SUCCESS),
        Command::Servers { command } => servers::command(&command),
        Command::Test { only, args } => test::command(only, &args),
        Command::Layers => layers::command(),
        Command::Mutants { names, list } => mutants::command(&names, list),
        Command::Ci { no_test } => ci::command(no_test),
        Command::Bench { args } => bench::command(&args),
        Command::Soak { args } => soak::command(&args),
        Command::Replay { args } => replay::command(&args),
        Command::Model { names, full } => model::command(&names, full),
    }
}
