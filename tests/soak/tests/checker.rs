//! The checker finds what sabotaged builds do, and nothing in others.
//!
//! The servers of the databases are those that `cargo xtask test` starts; the stores are the
//! runs' own.

#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// One run at a time: each wants the whole machine.
static ALONE: Mutex<()> = Mutex::new(());

/// How many runs a sabotage may take to show. Whether it does is up to chance.
const RUNS: u64 = 5;

fn run(line: &str) -> (Output, Value) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env!("CARGO_BIN_EXE_soak"))
        .args(line.split_whitespace())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let found = serde_json::from_slice(&output.stdout);
    let found: Value = found.unwrap_or_else(|error| panic!("{error}\n{told}"));
    assert!(found["reads"].as_u64().unwrap() > 1000, "{found}");
    assert!(found["hits"].as_u64().unwrap() > 100, "{found}");
    assert_eq!(found["checker_errors"], 0, "{told}");
    (output, found)
}

/// Some run finds stale reads, and fails.
fn is_caught(line: &str) {
    for seed in 1..=RUNS {
        let (output, found) = run(&format!("{line} --seed {seed}"));
        if found["stale_reads"].as_u64().unwrap() > 0 {
            let excused = found["stale_while_cut_off"] == found["stale_reads"];
            assert!(excused || !output.status.success(), "{found}");
            return;
        }
    }
    panic!("`{line}` was not caught in {RUNS} runs");
}

/// Nothing is wrong, and the cache is of use.
fn is_clean(line: &str) {
    let (output, found) = run(line);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{found}\n{told}");
    for what in [
        "stale_reads",
        "stale_at_end",
        "phantom_reads",
        "foreign_reads",
    ] {
        assert_eq!(found[what], 0, "{what}: {found}\n{told}");
    }
    assert!(found["hit_ratio_at_end"].as_f64().unwrap() > 0.2, "{found}");
}

#[test]
fn a_missing_quarantine_is_caught() {
    is_caught("--seconds 15 --database postgres --faults db-cut --sabotage quarantine-off");
}

#[test]
fn a_gate_that_is_always_open_is_caught() {
    is_caught(
        "--seconds 20 --database postgres --faults stop-writer,store-kill --sabotage gate-off",
    );
}

#[test]
fn a_store_without_incarnations_is_caught() {
    is_caught("--seconds 15 --database sqlite --faults store-restore --sabotage incarnation-off");
}

#[test]
fn tokens_that_come_back_are_caught() {
    is_caught("--seconds 6 --database sqlite --faults none --sabotage tokens-as-counters");
}

#[test]
fn a_lift_of_an_unknown_outcome_is_caught() {
    is_caught("--seconds 15 --database postgres --faults db-cut --sabotage lift-on-unknown");
}

#[test]
fn entries_in_memory_are_never_stale() {
    is_clean("--seconds 10 --backend memory --database sqlite --faults all --threads 3");
}

#[test]
fn no_fault_makes_a_read_stale() {
    is_clean(
        "--seconds 40 --database postgres --faults all --path explicit --on-unreachable abort",
    );
}

#[test]
fn no_death_makes_a_seen_write_stale() {
    is_clean(
        "--seconds 20 --database mariadb \
         --faults kill-writer,kill-points,stop-writer,flushall,db-kill,db-cut,clear",
    );
}

#[test]
fn no_death_makes_a_read_from_files_stale() {
    is_clean(
        "--seconds 15 --backend file --database sqlite --path explicit --on-unreachable abort \
         --faults kill-writer,kill-points,stop-writer,store-kill,store-restore,flushall,clear",
    );
}

#[test]
fn memory_in_front_of_a_store_makes_no_read_stale() {
    is_clean(
        "--seconds 20 --backend tiered --database postgres --faults all --path explicit \
         --on-unreachable abort",
    );
}

/// A client of the database's own writes besides the application: what it writes is read late, and
/// nothing is lost.
#[test]
fn what_is_durable_is_late_and_never_lost() {
    // As late as is stated, and half as late again for a busy machine.
    let (output, found) = run(
        "--seconds 25 --level durable --database mariadb --path explicit --faults all --lag-ms 8000",
    );
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{found}\n{told}");
    for what in [
        "stale_at_end",
        "stale_inside",
        "phantom_reads",
        "foreign_reads",
    ] {
        assert_eq!(found[what], 0, "{what}: {found}\n{told}");
    }
    assert!(found["outside_writes"].as_u64().unwrap() > 50, "{found}");
    assert!(found["stale_reads"].as_u64().unwrap() > 0, "{found}");
}

/// With the store stopped, the network cut, and processes stopped.
#[test]
fn memory_that_need_not_ask_is_never_older_than_it_may_be() {
    let (output, found) = run(
        "--seconds 20 --backend tiered --staleness-ms 250 --faults all \
         --database sqlite --path explicit --on-unreachable abort",
    );
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{found}\n{told}");
    assert!(
        found["longest_staleness_ms"].as_f64().unwrap() <= 250.0,
        "{found}"
    );
    // It was of use, and it was not asked each time.
    assert!(found["stale_reads"].as_u64().unwrap() > 0, "{found}");
    assert_eq!(found["stale_at_end"], 0, "{found}\n{told}");
}
