//! Rules of the transactions that tests play commits in.

use super::{LIB, Mutant, SUITE};

const GROUND: &str = "src/connection/simulated.rs";
const TRACKER: &str = "src/connection/tracker.rs";
const CONNECTION: &str = "src/connection/mod.rs";

pub(super) const RULES: &[Mutant] = &[
    Mutant {
        name: "a-test-transaction-that-may-be-over-bypasses",
        file: GROUND,
        find: "if self.lost || self.doubt {",
        replace: "if self.lost {",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "the-catalogue-knows-no-uncommitted-schema",
        file: GROUND,
        find: "        if self.schema {\n            return Err(Bypass::Unidentified);\n        }\n",
        replace: "",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "uncommitted-rows-have-keys-of-their-own",
        file: GROUND,
        find: "        hasher.update(&self.nonce);\n",
        replace: "",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "a-test-transaction-has-a-scope-of-its-own",
        file: TRACKER,
        find: "Some(simulation.map_or(scope, |simulation| simulation.scope(scope)))",
        replace: "Some(simulation.map_or(scope, |_| scope))",
        tests: SUITE,
        servers: false,
    },
    Mutant {
        name: "what-counted-as-committed-can-be-undone",
        file: GROUND,
        find: "_ => effect.undoes = true,",
        replace: "_ => {}",
        tests: SUITE,
        servers: false,
    },
    Mutant {
        name: "set-local-lasts-for-the-test-transaction",
        file: GROUND,
        find: "                local: false,\n",
        replace: "                local: true,\n",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "a-savepoint-that-was-found-proves-its-transaction",
        file: GROUND,
        find: "*proves |= self.savepoints[at].sure;",
        replace: "*proves |= true;",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "an-error-may-end-the-test-transaction",
        file: GROUND,
        find: "            self.doubt = true;\n",
        replace: "",
        tests: SUITE,
        servers: false,
    },
    Mutant {
        name: "a-test-transaction-that-ends-touches-everything",
        file: TRACKER,
        find: "            quarantine.merge(&simulation.touches(effect));\n",
        replace: "            let _ = simulation.touches(effect);\n",
        tests: SUITE,
        servers: false,
    },
    Mutant {
        name: "a-test-transaction-leaves-nothing-behind",
        file: TRACKER,
        find: "            self.transaction.lose_ground();\n            self.cache.clear();\n",
        replace: "            self.transaction.lose_ground();\n",
        tests: SUITE,
        servers: false,
    },
    Mutant {
        name: "a-shared-cache-holds-no-uncommitted-rows",
        file: CONNECTION,
        find: "if !cache.is_for_tests() {",
        replace: "if false && !cache.is_for_tests() {",
        tests: SUITE,
        servers: false,
    },
    Mutant {
        name: "uncommitted-rows-make-no-value",
        file: "src/query/execute.rs",
        find: "if conn.tracker().is_some_and(|tracker| tracker.is_simulated()) {",
        replace: "if false && conn.tracker().is_some_and(|tracker| tracker.is_simulated()) {",
        tests: SUITE,
        servers: false,
    },
    Mutant {
        name: "a-test-transaction-keeps-its-snapshot",
        file: CONNECTION,
        find: "let begin = \"START TRANSACTION WITH CONSISTENT SNAPSHOT\";",
        replace: "let begin = \"DO 0\";",
        tests: PLAYED,
        servers: true,
    },
];

/// The played commits on MariaDB.
const PLAYED: &[&[&str]] = &[&[
    "--package",
    "diesel-cache-databases",
    "--test",
    "behaviour",
    "--",
    "mysql::test_transactions",
]];
