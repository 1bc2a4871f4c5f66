//! What the outbox costs a write: `cargo xtask servers -- cargo bench -p diesel-cache-databases`.
//!
//! Pairs of writes that follow each other, one with and one without; the median of their ratios, and
//! the middle half of them. The servers are those of the tests, which do not wait for their disks,
//! so that what the outbox adds is not hidden.
#![allow(clippy::unwrap_used, reason = "a bench that fails must stop")]
#![allow(clippy::duplicate_mod, reason = "compiled once per engine")]
#![allow(clippy::print_stdout, reason = "it tells what it found")]

mod engines {
    pub(crate) mod mysql;
    pub(crate) mod postgres;
    pub(crate) mod sqlite;
}

fn main() {
    println!(
        "{:<10}{:<44}{:>8}{:>8}{:>8}{:>12}",
        "", "", "lower", "median", "upper", "without"
    );
    engines::sqlite::pairs::run();
    engines::postgres::pairs::run();
    engines::mysql::pairs::run();
}
