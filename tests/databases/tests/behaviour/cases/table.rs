//! Cached queries and writes, as a table: what must miss, what must hit, what must bypass.
//!
//! `DIESEL_CACHE_CASE=text` runs only the cases whose names contain the text.

use super::world::{Case, Expect, run};
use super::{dialect, shared};

fn cases() -> Vec<Case> {
    let mut cases = shared::cases();
    cases.extend(dialect::cases());
    cases
}

#[test]
fn every_case() {
    run(&cases());
}

#[test]
fn there_are_enough_cases() {
    let cases = cases();
    let count = |expect: Expect| cases.iter().filter(|case| case.expect == expect).count();
    assert!(cases.len() >= 110, "{} cases", cases.len());
    assert!(
        count(Expect::MustMiss) >= 80,
        "{} must miss",
        count(Expect::MustMiss)
    );
    assert!(
        count(Expect::MustHit) >= 40,
        "{} must hit",
        count(Expect::MustHit)
    );
    let mut names: Vec<&str> = cases.iter().map(|case| case.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "two cases of one name");
}
