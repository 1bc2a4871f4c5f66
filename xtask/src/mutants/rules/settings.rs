//! Rules of the settings: what counts, and what is never shown.

use super::{LIB, Mutant, SUITE};

const LEVEL: &str = "src/config/layer.rs";
const KIND: &str = "src/config/kind.rs";
const RESOLVE: &str = "src/resolve.rs";

pub(super) const RULES: &[Mutant] = &[
    Mutant {
        name: "a-replaced-url-sets-nothing",
        file: LEVEL,
        find: "let to = if highest == Some(at) {",
        replace: "let to = if highest.is_some() {",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "error-texts-hold-no-secret",
        file: KIND,
        find: "if text.contains(['@', '=']) || text.contains(\"://\") {",
        replace: "if text.contains(['@', '=']) && text.is_empty() {",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "what-a-model-forbids-stays-forbidden",
        file: RESOLVE,
        find: "settings.never |= declared.never;",
        replace: "",
        tests: SUITE,
        servers: false,
    },
    Mutant {
        name: "declared-dependencies-stay",
        file: RESOLVE,
        find: ".extend(declared.depends_on.iter().cloned());",
        replace: ".extend(declared.depends_on.iter().take(0).cloned());",
        tests: SUITE,
        servers: false,
    },
    Mutant {
        name: "a-table-that-is-off-bypasses",
        file: "src/query/plan.rs",
        find: "if !cache.are_enabled(&footprint.reads.tables) {",
        replace: "if false && !cache.are_enabled(&footprint.reads.tables) {",
        tests: SUITE,
        servers: false,
    },
];
