//! The conformance suite: what it finds in backends that keep their promises, and in those that
//! break one.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use diesel_cache::backend::conformance::{self, Reference, Rule};

mod memory {
    use diesel_cache::backend::MemoryBackend;

    diesel_cache::conformance_tests!(|_: &str| MemoryBackend::new(128 << 20));
}

mod reference {
    diesel_cache::conformance_tests!(super::stores(None));
}

/// Stores by name: the same name is the same store.
fn stores(broken: Option<Rule>) -> impl Fn(&str) -> Reference {
    let known = Mutex::new(HashMap::new());
    move |name| {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || broken.map_or_else(Reference::new, Reference::breaking);
        known.entry(name.to_owned()).or_insert_with(made).clone()
    }
}

#[test]
fn each_broken_rule_is_found() {
    let is_found = |rule: &Rule| {
        conformance::names().any(|name| conformance::check(name, stores(Some(*rule))).is_err())
    };
    let missed: Vec<_> = Rule::ALL.iter().filter(|rule| !is_found(rule)).collect();
    assert!(
        missed.is_empty(),
        "nothing finds that these are broken: {missed:?}"
    );
}

#[test]
fn each_rule_is_listed_once() {
    let names: BTreeSet<_> = Rule::ALL.iter().map(|rule| format!("{rule:?}")).collect();
    assert_eq!(names.len(), Rule::ALL.len());
}

/// The random run alone finds what is wrong with tokens, quarantines and entries: what no check
/// of its own was written for.
#[test]
fn random_operations_find_broken_rules() {
    let at_random = "random_operations_do_what_the_reference_does";
    let rules = [
        Rule::RenewalsRenew,
        Rule::RenewalsMarkWhatIsHeld,
        Rule::QuarantinesBlock,
        Rule::LiftsSpareOthers,
        Rule::LateLiftsRenew,
        Rule::DirtStays,
        Rule::RestoresRestore,
        Rule::LiftsAreWhole,
        Rule::TokensAreUnique,
        Rule::TokensStay,
        Rule::LateFillsAreRefused,
        Rule::ClearsReachEntries,
        Rule::ClearsSpareQuarantines,
        Rule::AddsAdd,
        Rule::AddsReplaceTheDead,
        Rule::RemovalsRemove,
        Rule::TouchesMoveTheEnd,
        Rule::OpeningsLast,
        Rule::ClosingsBeginAnEpoch,
        Rule::ClosingsSpareOthers,
        Rule::EntriesMayGoOn,
        Rule::FurtherIsAfterTheAsked,
        Rule::FurtherTagsCount,
        Rule::FurtherQuarantinesAreTold,
        Rule::AlsoIsEstablished,
        Rule::AlsoIsInOrder,
        Rule::AlsoHasNoSay,
        Rule::NoLeaseForWhatIsHeld,
        Rule::LeasesAreExclusive,
        Rule::LeasesEndWithThePut,
        Rule::ReleasesSpareOthers,
        Rule::HoldersAreTold,
    ];
    for rule in rules {
        let is_found = |_| conformance::check(at_random, stores(Some(rule))).is_err();
        assert!(
            (0..5).any(is_found),
            "{rule:?} is broken, and nothing is found"
        );
    }
}

#[test]
fn a_failure_names_its_check_and_a_random_one_its_seed() {
    let broken = conformance::check(
        "a_renewed_tag_has_another_token",
        stores(Some(Rule::RenewalsRenew)),
    );
    let failure = broken.unwrap_err();
    assert_eq!(failure.check(), "a_renewed_tag_has_another_token");
    assert!(
        failure.to_string().contains("outlived a renewal"),
        "{failure}"
    );
    let at_random = "random_operations_do_what_the_reference_does";
    let failure = conformance::check(at_random, stores(Some(Rule::TokensStay))).unwrap_err();
    assert!(
        failure.to_string().contains("CACHE_TEST_SEED="),
        "{failure}"
    );
    assert!(conformance::check("no such check", stores(None)).is_err());
}
