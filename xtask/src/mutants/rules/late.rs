//! Rules of what is known of a result only once it was read, and of the keys that processes share.

use super::{LIB, Mutant, SUITE};

/// The tests with a store that goes deaf.
const UNHAPPY: &[&[&str]] = &[&[
    "--package",
    "diesel-cache-stores",
    "--test",
    "unhappy",
    "a_row_that_was_written_here",
]];

/// What the precision of results is tested by on SQLite.
const PRECISION: &[&[&str]] = &[&[
    "--package",
    "diesel-cache",
    "--test",
    "suite",
    "precision::",
]];

/// The unit tests of what tells rows and columns apart.
const UNITS: &[&[&str]] = &[&[
    "--package",
    "diesel-cache",
    "--lib",
    "--",
    "columns",
    "precision",
    "datum",
]];

noticed! {
    precision = PRECISION, servers: false
}

noticed! {
    unit = UNITS, servers: false
}

pub(super) const RULES: &[Mutant] = &[
    Mutant {
        name: "what-is-not-delivered-may-be-of-a-row-that-is-shown",
        file: "src/core/lookup.rs",
        find: "self.shared.is_undelivered(question.also)",
        replace: "self.shared.is_undelivered(&[])",
        tests: UNHAPPY,
        servers: true,
    },
    Mutant {
        name: "what-was-seen-is-captured-within-the-window",
        file: "src/core/lookup.rs",
        find: "&& now.tokens.starts_with(&before)",
        replace: "&& !before.is_empty()",
        tests: SUITE,
        servers: false,
    },
    precision(
        "what-a-view-reads-is-read-as-a-whole",
        "src/resolve/precise.rs",
        "|| footprint.reads.indirect.contains(name)",
        "",
    ),
    unit(
        "an-order-may-go-by-a-name-that-is-not-written",
        "src/footprint/columns/select.rs",
        "&& !(unnamed && query.order_by.is_some())",
        "&& !(unnamed && false)",
    ),
    unit(
        "a-quoted-text-after-a-table-is-a-column",
        "src/footprint/columns/select.rs",
        "Token::SingleQuotedString(text) if qualified =>",
        "Token::SingleQuotedString(text) if qualified && text.is_empty() =>",
    ),
    unit(
        "an-escaped-name-is-no-known-column",
        "src/footprint/columns/mod.rs",
        "sql.contains(\"U&\\\"\")",
        "sql.is_empty()",
    ),
    unit(
        "binds-that-are-not-as-many-are-not-known",
        "src/precision/mod.rs",
        "values.len() == *count",
        "values.len() >= *count",
    ),
    unit(
        "a-character-among-binds-may-be-a-quote",
        "src/datum.rs",
        "'\\'' => return None,",
        "",
    ),
    precision(
        "a-row-that-moved-is-deleted-all-the-same",
        "src/model/delete.rs",
        "if ExecuteDsl::execute(kept, conn)? > 0 {",
        "if ExecuteDsl::execute(kept, conn)? + 1 > 0 {",
    ),
    precision(
        "a-row-that-moved-is-saved-all-the-same",
        "src/model/save.rs",
        "if ExecuteDsl::execute(kept, conn)? > 0 {",
        "if ExecuteDsl::execute(kept, conn)? + 1 > 0 {",
    ),
    precision(
        "another-key-is-another-catalogue",
        "src/cache/mod.rs",
        "let rekeyed = before.keys() != settings.keys();",
        "let rekeyed = false;",
    ),
    precision(
        "a-backend-of-several-caches-knows-no-keys",
        "src/cache/mod.rs",
        "if core.owns_backend { own } else { Keys::new() }",
        "own",
    ),
    Mutant {
        name: "what-others-declare-is-understood-or-writes-are-wide",
        file: "src/resolve/keys.rs",
        find: "if *form != FORM {\n            return None;",
        replace: "if *form != FORM {\n            continue;",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "parts-of-two-writes-are-those-of-both",
        file: "src/catalogue/mod.rs",
        find: "(Some(parts), Some(own)) => own.extend(parts.iter().copied()),",
        replace: "",
        tests: SUITE,
        servers: false,
    },
    Mutant {
        name: "a-write-that-is-wide-stays-wide",
        file: "src/catalogue/mod.rs",
        find: "if !other.parts.contains_key(table) ||",
        replace: "if",
        tests: SUITE,
        servers: false,
    },
];
