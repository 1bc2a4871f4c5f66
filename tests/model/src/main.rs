//! Runs the scopes: `cargo run --release -p diesel-cache-model -- [--full] [NAME ...]`.
#![allow(
    clippy::print_stdout,
    reason = "a command-line program reports on standard output"
)]

use std::process::ExitCode;

use diesel_cache_model::check::check;
use diesel_cache_model::table;

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let mut good = true;
    for mutant in diesel_cache_model::mutants::MUTANTS {
        if !names.is_empty() && !names.iter().any(|name| name == mutant.name) {
            continue;
        }
        let outcome = diesel_cache_model::check::shortest(&mutant.scope());
        let length = outcome.stale.as_ref().map_or(0, Vec::len);
        println!(
            "{:<40}{length:>4} steps {:>9} states {:>6.2} s",
            mutant.name,
            outcome.states,
            outcome.took.as_secs_f32()
        );
        good &= outcome.stale.is_some();
        if !names.is_empty() {
            println!("{:?}", outcome.stale);
        }
    }
    for scope in table::small() {
        if !names.is_empty() && !names.iter().any(|name| name == scope.name) {
            continue;
        }
        let outcome = check(&scope, 2);
        println!(
            "{:<16}{:>12} states  depth {:>3}  {:>7.1} s  hit {} after loss {}",
            scope.name,
            outcome.states,
            outcome.depth,
            outcome.took.as_secs_f32(),
            outcome.hit,
            outcome.hit_after_loss
        );
        if let Some(steps) = outcome.stale {
            good = false;
            for step in steps {
                println!("    {step:?}");
            }
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
