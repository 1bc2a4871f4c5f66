//! Rules of what crosses to a store outside of the process, and comes back.

use super::{LIB, Mutant};

const TYPED: &str = "src/query/rows/typed.rs";
const SQLITE: &str = "src/query/rows/sqlite.rs";
const WIRE: &str = "src/query/rows/wire.rs";
const REPLAY: &str = "src/query/rows/replay.rs";
const RAW: &str = "src/query/rows/raw_bytes.rs";
const MYSQL: &str = "src/query/rows/raw/mysql.rs";
const CODEC: &str = "src/codec.rs";
const VALUE: &str = "src/values/bytes.rs";
const DIGEST: &str = "src/values/digest.rs";

pub(super) const RULES: &[Mutant] = &[
    Mutant {
        name: "a-row-is-made-before-its-cells-are-looked-at",
        file: TYPED,
        find: "        self.rows\n            .push(U::build_from_row(row).map_err(Error::DeserializationError)?);\n",
        replace: "        for index in 0..row.field_count() {\n            let field = Row::get(row, index);\n            let value = field.as_ref().and_then(Field::value);\n            value.map_or(0, DB::value_weight);\n        }\n        self.rows\n            .push(U::build_from_row(row).map_err(Error::DeserializationError)?);\n",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "cells-that-cannot-be-kept-are-not-stored",
        file: TYPED,
        find: "            self.cells = None;",
        replace: "            self.cells = Some(DB::Cells::default());",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "a-text-that-is-not-its-bytes-is-not-kept",
        file: SQLITE,
        find: "if self.bytes.get(range.clone()) != Some(value.read_text().as_bytes()) {",
        replace: "if false {",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "bytes-of-another-library-are-a-miss",
        file: WIRE,
        find: "let texts = [library, kind, cells]",
        replace: "let texts = [kind, cells]",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "bytes-of-another-platform-are-a-miss",
        file: WIRE,
        find: ".into_iter().chain(platform)",
        replace: ".into_iter().chain([platform[0]])",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "bytes-under-another-fingerprint-are-a-miss",
        file: CODEC,
        find: "bytes.strip_prefix(&fingerprint)?",
        replace: "bytes.get(fingerprint.len()..)?",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "a-cell-fits-its-type",
        file: RAW,
        find: "if !DB::fits(cell, column.cell_type.as_ref()?) {",
        replace: "if column.cell_type.is_none() {",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "a-time-of-another-client-library-is-a-miss",
        file: MYSQL,
        find: "format!(\"MySQL {time:?} {numbers:?} {:?}\", *TIME)",
        replace: "format!(\"MySQL {time:?} {numbers:?}\")",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "a-scratch-database-is-no-connection-of-the-application",
        file: REPLAY,
        find: "        connection.set_instrumentation(Silent);\n",
        replace: "",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "a-scratch-database-keeps-few-statements",
        file: REPLAY,
        find: "if self.statements.len() < MOST_STATEMENTS {",
        replace: "if self.statements.len() < usize::MAX {",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "a-value-that-comes-back-as-another-is-not-stored",
        file: VALUE,
        find: "if !survives(&self.value, &value, codec) {",
        replace: "if read::<T>(&value, codec).is_none() {",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "a-value-of-another-type-is-a-miss",
        file: VALUE,
        find: "let texts = [\"a value\", codec, type_name::<T>()];",
        replace: "let texts = [\"a value\", codec];",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "a-value-of-other-fields-is-a-miss",
        file: VALUE,
        find: "parts.chain([&shape[..], &FORMAT",
        replace: "parts.chain([&shape[..0], &FORMAT",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "a-field-that-is-never-written-does-not-come-back",
        file: VALUE,
        find: "    let Some(unseen) = digester.unseen() else {\n        return false;\n    };\n",
        replace: "    let unseen = digester.unseen().unwrap_or_default();\n",
        tests: LIB,
        servers: false,
    },
    Mutant {
        name: "some-of-nothing-is-not-nothing",
        file: DIGEST,
        find: "Ok(self.hash((Kind::Some, value.serialize(self)?)))",
        replace: "value.serialize(self)",
        tests: LIB,
        servers: false,
    },
];
