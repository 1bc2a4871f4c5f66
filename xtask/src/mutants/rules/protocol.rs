//! Rules of the protocol: when a stored result may be served.

use super::{LIB, Mutant};

/// The conformance suite on memory.
const CONFORMANCE: &[&[&str]] = &[&[
    "--package",
    "diesel-cache",
    "--test",
    "suite",
    "conformance::memory",
]];

pub(super) const RULES: &[Mutant] = &[
    Mutant {
        name: "a-quarantined-tag-blocks",
        file: "src/protocol.rs",
        find: "TagState::Quarantined => return Judgement::Quarantined,",
        replace: "TagState::Quarantined => missing = true,",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "every-captured-token-is-current",
        file: "src/protocol.rs",
        find: "&& entry.vector.tokens.starts_with(&tokens)\n",
        replace: "",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "entries-of-another-generation-are-dead",
        file: "src/protocol.rs",
        find: "entry.vector.nonce == nonce\n            && entry",
        replace: "entry",
        tests: LIB,
        servers: false,
    },
    judged(
        "every-further-token-is-current",
        "|| fetched.further == Further::Current",
        "|| fetched.further != Further::Quarantined",
    ),
    judged(
        "an-entry-that-goes-on-needs-the-word-of-the-store",
        "|| fetched.further == Further::Current",
        "|| matches!(fetched.further, Further::Current | Further::None)",
    ),
    judged(
        "a-quarantined-further-tag-blocks",
        "        Some(_) if fetched.further == Further::Quarantined => Judgement::Quarantined,\n",
        "",
    ),
    judged(
        "an-entry-begins-with-the-tags-that-are-asked-for",
        "&& entry.tags.starts_with(tags)",
        "&& entry.tags.len() >= tags.len()",
    ),
    judged(
        "each-tag-of-an-entry-has-its-token",
        "\n            && entry.vector.tokens.len() == entry.tags.len()",
        "",
    ),
    judged(
        "further-tags-stand-as-the-worst-of-them",
        "(TagState::Clean(token), Self::None | Self::Current) if token == held",
        "(TagState::Clean(token), _) if token == held",
    ),
    judged(
        "a-further-token-is-compared",
        "Self::None | Self::Current) if token == held",
        "Self::None | Self::Current) if token == held || token != held",
    ),
    pure(
        "an-entry-has-a-token-for-each-tag",
        "src/backend/memory.rs",
        "if entry.vector.tokens.len() != entry.tags.len() {",
        "if false {",
    ),
    Mutant {
        name: "cells-answer-for-their-own-tags",
        file: "src/backend/memory.rs",
        find: "let begins = self.entry.tags.starts_with(asked);",
        replace: "let begins = self.entry.tags.len() >= asked.len();",
        tests: CONFORMANCE,
        servers: false,
    },
    Mutant {
        name: "a-dead-further-cell-says-nothing-of-its-tag",
        file: "src/backend/memory.rs",
        find: "TagState::Missing => (cells.state(tag), cell.token),",
        replace: "TagState::Missing => (cells.state(&Tag::root()), cell.token),",
        tests: CONFORMANCE,
        servers: false,
    },
    Mutant {
        name: "a-borrowed-bind-equals-an-owned-one",
        file: "src/statement.rs",
        find: "if !quoted && let Some(tail)",
        replace: "if let Some(tail)",
        tests: &[&["--package", "diesel-cache", "--test", "suite"]],
        servers: false,
    },
    Mutant {
        name: "a-lift-ends-all-that-its-writer-holds",
        file: "src/backend/memory/cells.rs",
        find: "let mut all = self.by_writer.remove(&writer).unwrap_or_default();",
        replace: "let mut all = BTreeSet::new();",
        tests: CONFORMANCE,
        servers: false,
    },
    Mutant {
        name: "a-fill-of-another-generation-is-refused",
        file: "src/backend/memory.rs",
        find: "if entry.vector.nonce != self.nonce() {",
        replace: "if false {",
        tests: CONFORMANCE,
        servers: false,
    },
    pure(
        "an-outage-is-a-line-in-ten-seconds",
        "src/core/complaints.rs",
        "< SILENCE",
        "< Duration::ZERO",
    ),
    Mutant {
        name: "the-worker-outlives-a-panic",
        file: "src/shared/worker.rs",
        find: "catch_unwind(AssertUnwindSafe(ask)).ok()",
        replace: "Some(ask())",
        tests: &[&["--package", "diesel-cache-stores", "--test", "unhappy"]],
        servers: false,
    },
    cell(
        "the-cell-renews-for-a-stranger",
        "            self.renew();\n            return;",
        "            return;",
    ),
    cell(
        "the-cell-remembers-who-wrote",
        "kept.filter(|_| how == Lift::Restore)",
        "kept",
    ),
    cell(
        "the-cell-waits-for-its-last-writer",
        "(false, kept) => Self::Quarantined { writers, kept },",
        "(false, _) => Self::Missing,",
    ),
    cell(
        "a-quarantine-is-never-forgotten",
        "matches!(self, Self::Clean(_));",
        "!matches!(self, Self::Missing);",
    ),
    gate(
        "testimony-waits-for-every-guard",
        "guards.all(",
        "guards.any(",
    ),
    gate(
        "every-session-has-its-testimony",
        "marked.into_iter().all(",
        "marked.into_iter().any(",
    ),
];

/// A rule of the judgement.
const fn judged(name: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    pure(name, "src/protocol.rs", find, replace)
}

/// A rule of a tag's cell.
const fn cell(name: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    pure(name, "src/protocol/cell.rs", find, replace)
}

/// A rule of the gate.
const fn gate(name: &'static str, find: &'static str, replace: &'static str) -> Mutant {
    pure(name, "src/protocol/gate.rs", find, replace)
}

noticed! {
    pure = LIB, servers: false
}
