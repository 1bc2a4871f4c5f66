//! Rules of the footprints: which tables a statement reads and writes.

use super::{LIB, Mutant};

const CATALOGUE: &str = "src/catalogue.rs";

pub(super) const RULES: &[Mutant] = &[
    Mutant {
        name: "unknown-function-is-not-cached",
        file: CATALOGUE,
        find: "if access.unknown_functions.iter().any(|f| !pure.contains(f)) {",
        replace: "if false {",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "user-function-shadows-a-known-one",
        file: CATALOGUE,
        find: ".any(|f| self.functions.contains_key(f) && !pure.contains(f))",
        replace: ".any(|f| false && self.functions.contains_key(f) && !pure.contains(f))",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "unknown-function-may-write",
        file: CATALOGUE,
        find: "if access.unknown_functions.iter().any(|f| !harmless(f))",
        replace: "if access.unknown_functions.iter().any(|f| false && !harmless(f))",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "a-view-reads-its-base-tables",
        file: CATALOGUE,
        find: "Some(definition) => self.collect(definition, pure, reads)?,",
        replace: "Some(_) => {}",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "a-write-to-a-view-writes-its-base-tables",
        file: CATALOGUE,
        find: "open.push((base.clone(), WriteKind::Replace));",
        replace: "let _ = base;",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "a-trigger-may-write-anything",
        file: CATALOGUE,
        find: "if relation.triggers || relation.uncacheable {",
        replace: "if relation.uncacheable {",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "partitions-share-their-rows",
        file: CATALOGUE,
        find: "for member in &relation.family {",
        replace: "for member in relation.family.iter().take(0) {",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "cascades-write-the-child-tables",
        file: CATALOGUE,
        find: "child.on_delete.then_some(WriteKind::Replace)\n",
        replace: "None\n",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "key-updates-cascade",
        file: CATALOGUE,
        find: "(child.on_update && hits_key(columns)).then_some(WriteKind::Update { columns: None })",
        replace: "(false && child.on_update && hits_key(columns)).then_some(WriteKind::Update { columns: None })",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "ddl-changes-the-schema",
        file: CATALOGUE,
        find: "Step::Ddl => writes.schema = true,",
        replace: "Step::Ddl => {}",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "an-unknown-statement-writes-everything",
        file: CATALOGUE,
        find: "Step::Unknown => {\n                    writes.database = true;",
        replace: "Step::Unknown => {",
        tests: LIB,
        servers: false,
    },
];
