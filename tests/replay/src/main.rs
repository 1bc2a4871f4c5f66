//! The program that `cargo xtask replay` runs.

use std::process::ExitCode;

use diesel_cache_replay::{Options, USAGE, run};

#[allow(clippy::print_stdout, reason = "the result goes to standard output")]
fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(outcome) => {
            println!("{}", outcome.line);
            for broken in &outcome.broken {
                eprintln!("replay: BROKEN: {broken}");
            }
            ExitCode::from(u8::from(!outcome.broken.is_empty()))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}
