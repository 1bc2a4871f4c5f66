//! Checks the scopes, and that each mutant falls: `cargo xtask model [--full] [NAME ...]`.
//!
//! With names: only those, and the steps of a counterexample. `--full` adds the large scopes.
#![allow(
    clippy::print_stdout,
    reason = "a command-line program reports on standard output"
)]

use std::process::ExitCode;

use diesel_cache_model::check::{Outcome, check, shortest};
use diesel_cache_model::mutants::MUTANTS;
use diesel_cache_model::scope::Scope;
use diesel_cache_model::table;

fn main() -> ExitCode {
    let (flags, names): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|word| word.starts_with("--"));
    if flags.iter().any(|flag| flag != "--full") {
        eprintln!("error: the only option is --full");
        return ExitCode::from(2);
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|other| other == name);
    let mut scopes = table::small();
    if !flags.is_empty() || !names.is_empty() {
        scopes.extend(table::large());
    }
    scopes.retain(|scope| wanted(scope.name));
    let mutants: Vec<_> = MUTANTS
        .iter()
        .filter(|mutant| wanted(mutant.name))
        .collect();
    if scopes.is_empty() && mutants.is_empty() {
        eprintln!("error: nothing is called so");
        return ExitCode::from(2);
    }
    let mut bad = 0;
    if !mutants.is_empty() {
        println!("{:<44}{:>6}{:>10}", "mutant", "steps", "states");
    }
    for mutant in mutants {
        let outcome = shortest(&mutant.scope());
        let steps = outcome.stale.as_ref().map(Vec::len);
        let steps = steps.map_or("HOLDS".to_owned(), |steps| steps.to_string());
        println!("{:<44}{steps:>6}{:>10}", mutant.name, outcome.states);
        bad += usize::from(outcome.stale.is_none());
        if !names.is_empty() {
            print_steps(&outcome);
        }
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if !scopes.is_empty() {
        println!(
            "\n{:<28}{:>10}{:>7}{:>10}  verdict",
            "scope", "states", "depth", "time"
        );
    }
    for scope in &scopes {
        let outcome = check(scope, threads);
        let problem = problem(scope, &outcome);
        println!(
            "{:<28}{:>10}{:>7}{:>8.1} s  {}",
            scope.name,
            outcome.states,
            outcome.depth,
            outcome.took.as_secs_f32(),
            problem.unwrap_or("holds"),
        );
        bad += usize::from(problem.is_some());
        print_steps(&outcome);
    }
    if let Some(peak) = peak() {
        println!("\npeak memory {peak} MiB");
    }
    match bad {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// What is wrong with the outcome of a scope in which nobody may be served what is stale.
fn problem(scope: &Scope, outcome: &Outcome) -> Option<&'static str> {
    let loses = scope.faults.flushes + scope.faults.failovers > 0;
    if outcome.stale.is_some() {
        Some("STALE")
    } else if !outcome.hit {
        Some("VACUOUS: no reader hits after a write")
    } else if loses && !outcome.hit_after_loss {
        Some("VACUOUS: no reader hits after a loss")
    } else {
        None
    }
}

fn print_steps(outcome: &Outcome) {
    for step in outcome.stale.iter().flatten() {
        println!("    {step:?}");
    }
}

/// The most memory that the process has had, in MiB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().split(' ').next()?.parse().ok()?;
    Some(kilobytes / 1024)
}
