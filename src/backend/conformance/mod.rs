//! Does a backend keep its promises? For the authors of backends.
//!
//! The suite asks for backends by the name of a namespace: a new name is an empty store, and a
//! name that was used before is the same store once more, as another process would see it. (A
//! backend that is not [shared](crate::backend::CacheBackend::is_shared) is never asked for a
//! name twice.) Names are made at random, so that several runs may share a server.
//!
//! ```
//! # #[cfg(feature = "memory")] {
//! use diesel_cache::backend::{MemoryBackend, conformance};
//!
//! conformance::run(|_namespace| MemoryBackend::new(64 << 20));
//! # }
//! ```
//!
//! [`conformance_tests!`](crate::conformance_tests) makes a test of each check:
//!
//! ```
//! # #[cfg(feature = "memory")] {
//! mod my_backend {
//!     diesel_cache::conformance_tests!(|_namespace: &str| {
//!         diesel_cache::backend::MemoryBackend::new(64 << 20)
//!     });
//! }
//! # }
//! ```
//!
//! What is checked:
//!
//! - what each operation of [`CacheBackend`] promises, and that doing a thing twice does no harm;
//! - thousands of operations at random, compared with [`Reference`];
//! - readers and writers at once, with a counter in the place of a database;
//! - entries with further tags than those that were asked for, and tags that are wanted also;
//! - entries from empty to as large as the backend takes (at most 16 MiB), and keys of any bytes;
//! - that nothing grows with invalidations, as far as the backend [tells](CacheBackend::usage);
//! - of a shared backend besides: gates, epochs and testimonies, leases, and who holds a
//!   quarantine.
//!
//! The backend needs room for some 40 MiB, and nothing else may use the namespaces. A backend
//! that drops an entry while it has room fails: one that stores nothing would keep every promise.
//!
//! `CACHE_TEST_SEED` repeats a random run and `CACHE_TEST_STEPS` makes it longer.

use std::fmt;
use std::sync::Arc;

use crate::backend::CacheBackend;
use crate::error::BackendError;

#[cfg(feature = "async")]
mod awaited;
mod compare;
mod entries;
mod further;
mod gates;
mod leases;
mod parallel;
mod random;
mod reference;
mod rule;
mod state;
mod tags;
mod world;

#[cfg(feature = "async")]
pub use self::awaited::Awaited;
pub use self::reference::Reference;
pub use self::rule::Rule;
use self::world::World;

/// Makes a handle on the store of that name.
type Make<'a> = dyn Fn(&str) -> Arc<dyn CacheBackend> + 'a;

/// What a check found.
type Found = Result<(), Broken>;

/// One check.
struct Check {
    name: &'static str,
    run: fn(&World<'_>) -> Found,
    /// Of what only a shared backend has.
    shared: bool,
    /// Whether the gate of the store it is given is open.
    open: bool,
}

/// A promise that a backend did not keep.
#[derive(Debug)]
pub struct Failure {
    check: &'static str,
    what: String,
}

impl Failure {
    /// The name of the check.
    #[must_use]
    pub fn check(&self) -> &'static str {
        self.check
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

impl std::error::Error for Failure {}

/// Why a check failed.
#[derive(Debug)]
struct Broken(String);

impl From<BackendError> for Broken {
    fn from(error: BackendError) -> Self {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        Self(text)
    }
}

/// Fails the check unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err($crate::backend::conformance::Broken(format!($($what)+)));
        }
    };
}
use ensure;

/// The checks: the table that [`run`] goes through, and the macro with a test for each.
macro_rules! checks {
    ($d:tt $($module:ident ($shared:literal, $open:literal) { $($name:ident)+ })+) => {
        const CHECKS: &[Check] = &[$($(Check {
            name: stringify!($name),
            run: $module::$name,
            shared: $shared,
            open: $open,
        }),+),+];

        /// A test for each check of the suite, see
        /// [`conformance`](crate::backend::conformance).
        ///
        /// Takes a function from the name of a namespace to a backend. Those of what only a
        /// shared backend has pass for any other.
        #[macro_export]
        macro_rules! conformance_tests {
            ($d make:expr) => {
                $($(
                    #[test]
                    fn $name() {
                        let found =
                            $d crate::backend::conformance::check(stringify!($name), $d make);
                        if let Err(failure) = found {
                            panic!("{failure}");
                        }
                    }
                )+)+
            };
        }
    };
}

checks! { $
    tags(false, true) {
        a_missing_tag_is_missing_until_it_is_established
        an_established_token_stays
        a_quarantine_blocks_until_the_lift_and_renews
        a_restored_quarantine_changes_nothing
        the_last_of_several_writers_makes_a_tag_clean
        a_renewing_writer_renews_also_when_the_last_restores
        a_quarantine_twice_is_one_quarantine
        a_second_quarantine_adds_tags
        a_lift_ends_all_that_the_writer_holds
        a_lift_that_finds_nothing_renews
        a_lift_that_finds_nothing_leaves_others_alone
        a_renewed_tag_has_another_token
        renewing_a_quarantined_tag_keeps_the_quarantine
        renewing_concerns_no_other_tag
        a_token_never_comes_back
        a_missing_tag_that_was_quarantined_is_no_old_one
    }
    entries(false, true) {
        what_is_put_is_found_as_it_was
        a_put_replaces
        other_tags_than_the_entrys_do_not_hit
        an_entry_without_tags_is_found
        recall_finds_an_entry_and_its_own_tags
        keys_may_be_any_bytes
        a_late_fill_is_refused
        a_fill_during_a_quarantine_is_refused
        an_entry_is_not_added_twice
        an_entry_is_added_where_none_is_valid
        a_removed_entry_is_gone
        a_touch_moves_the_end
        a_touch_moves_no_end_past_the_latest
        a_touch_revives_nothing
        times_cross_the_store
        a_purge_forgets_what_was_to_be_removed
        a_clear_ends_all_entries_and_late_fills
        a_clear_leaves_quarantines
    }
    further(false, true) {
        an_entry_goes_on_after_the_tags_asked_for
        a_renewed_further_tag_ends_an_entry
        a_quarantined_further_tag_blocks
        tags_that_an_entry_does_not_begin_with_find_nothing
        what_is_wanted_also_is_told_in_its_order
        what_is_wanted_twice_is_told_twice
        what_is_wanted_also_has_no_say
        a_fill_with_an_outdated_further_tag_is_refused
        an_entry_with_further_tags_is_added_and_touched
        a_thousand_further_tags_are_one_word
    }
    gates(true, false) {
        an_empty_store_is_closed
        a_database_is_open_once_it_was_opened
        a_gate_of_another_epoch_is_not_opened
        an_opening_keeps_its_name
        a_catalogue_is_recognised
        testimonies_are_kept_for_their_epoch
        closing_one_database_leaves_the_others
        closing_all_closes_all
        declarations_add_up_and_close_the_gate
        a_closed_gate_keeps_tokens_and_quarantines
        a_quarantine_tells_the_epoch
        a_process_sees_its_own_writers
        two_handles_see_one_store
    }
    leases(true, true) {
        one_asker_gets_the_lease
        a_put_ends_the_lease
        a_release_ends_only_ones_own
        no_lease_for_what_cannot_be_stored
        no_lease_for_what_is_there
        a_lease_ends_by_itself
        holders_are_told
    }
    further(true, true) {
        a_lease_goes_by_the_further_tags
    }
    parallel(false, true) {
        readers_and_writers_at_once
        readers_of_further_tags_and_writers_at_once
        one_of_several_adds
        many_writers_of_one_tag
    }
    random(false, false) {
        random_operations_do_what_the_reference_does
    }
    entries(false, true) {
        entries_of_every_size_are_whole
    }
    tags(false, true) {
        nothing_grows_with_invalidations
    }
}

/// The names of all checks.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|check| check.name)
}

/// Runs one check.
///
/// # Errors
/// If the backend did not keep a promise, or failed, or no check has that name.
pub fn check<B: CacheBackend>(name: &str, make: impl Fn(&str) -> B) -> Result<(), Failure> {
    let make = move |namespace: &str| Arc::new(make(namespace)) as Arc<dyn CacheBackend>;
    let unknown = Failure {
        check: "no such check",
        what: name.to_owned(),
    };
    let found = CHECKS.iter().find(|check| check.name == name);
    found.ok_or(unknown)?.on(&make)
}

/// Runs all checks.
///
/// # Errors
/// Each promise that the backend did not keep.
pub fn try_run<B: CacheBackend>(make: impl Fn(&str) -> B) -> Result<(), Vec<Failure>> {
    let make = move |namespace: &str| Arc::new(make(namespace)) as Arc<dyn CacheBackend>;
    let failures: Vec<_> = CHECKS
        .iter()
        .filter_map(|check| check.on(&make).err())
        .collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures)
    }
}

/// Runs all checks.
///
/// # Panics
/// If the backend did not keep a promise; it says which.
pub fn run<B: CacheBackend>(make: impl Fn(&str) -> B) {
    if let Err(failures) = try_run(make) {
        let lines: Vec<_> = failures.iter().map(ToString::to_string).collect();
        panic!("the backend does not conform:\n{}", lines.join("\n"));
    }
}

impl Check {
    fn on(&self, make: &Make<'_>) -> Result<(), Failure> {
        let world = World::new(make);
        if self.shared && !world.backend.is_shared() {
            return Ok(());
        }
        let opened = if self.open { world.open() } else { Ok(()) };
        opened
            .and_then(|()| (self.run)(&world))
            .map_err(|Broken(what)| Failure {
                check: self.name,
                what,
            })
    }
}
