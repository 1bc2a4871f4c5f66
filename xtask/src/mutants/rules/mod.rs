//! The table of rules: one file per area.
//!
//! To add a rule, write a [`Mutant`] with the smallest change that breaks the
//! rule and still compiles, then run `cargo xtask mutants <name>`.

/// Makes a function that makes rules: of a name, a file, what to find there and what to put in its
/// place. They are noticed by the same tests, or by those that are given last.
macro_rules! noticed {
    ($(#[$doc:meta])* $name:ident = $tests:expr, servers: $servers:expr) => {
        $(#[$doc])*
        const fn $name(
            name: &'static str,
            file: &'static str,
            find: &'static str,
            replace: &'static str,
        ) -> Mutant {
            Mutant {
                name,
                file,
                find,
                replace,
                tests: $tests,
                servers: $servers,
            }
        }
    };
    ($(#[$doc:meta])* $name:ident, servers: $servers:expr) => {
        $(#[$doc])*
        const fn $name(
            name: &'static str,
            file: &'static str,
            find: &'static str,
            replace: &'static str,
            tests: &'static [&'static [&'static str]],
        ) -> Mutant {
            Mutant {
                name,
                file,
                find,
                replace,
                tests,
                servers: $servers,
            }
        }
    };
}

mod asynchronous;
mod backends;
mod bytes;
mod catalogue;
mod columns;
mod late;
mod outbox;
mod pages;
mod precision;
mod protocol;
mod settings;
mod signals;
mod simulated;
mod store;
mod tooling;
mod tracker;
mod values;

use super::Mutant;

/// Every rule.
pub(super) const ALL: &[&[Mutant]] = &[
    backends::RULES,
    bytes::RULES,
    tracker::RULES,
    catalogue::RULES,
    columns::RULES,
    late::RULES,
    outbox::RULES,
    asynchronous::RULES,
    pages::RULES,
    precision::RULES,
    protocol::RULES,
    settings::RULES,
    signals::RULES,
    simulated::RULES,
    store::RULES,
    tooling::RULES,
    values::RULES,
];

/// The library's unit tests.
const LIB: &[&[&str]] = &[&[
    "--package",
    "diesel-cache",
    "--features",
    "postgres,mysql,sqlite,r2d2",
    "--lib",
    "--",
    "--skip",
    "footprint",
]];

/// The library's tests on SQLite.
const SUITE: &[&[&str]] = &[&[
    "--package",
    "diesel-cache",
    "--test",
    "suite",
    "--",
    "--skip",
    "ui::",
]];
