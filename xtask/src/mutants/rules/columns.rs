//! Rules of columns: which tables have a shape, and which values are compared by their bytes.

use super::Mutant;

const SHAPES: &str = "src/catalogue/columns.rs";
const TRIGGER: &str = "src/catalogue/trigger.rs";
const DATUM: &str = "src/datum.rs";
const CHANGE: &str = "src/footprint/columns/change.rs";
const WRITES: &str = "src/precision/writes.rs";
const POSTGRES: &str = "src/connection/introspect/columns/postgres.rs";
const POSTGRES_CODE: &str = "src/connection/introspect/postgres/code.rs";
const MYSQL: &str = "src/connection/introspect/columns/mysql.rs";
const MYSQL_CATALOGUE: &str = "src/connection/introspect/mysql.rs";
const SQLITE: &str = "src/connection/introspect/columns/sqlite.rs";

/// The library's unit tests of that name.
macro_rules! lib {
    ($of:literal) => {
        &[&[
            "--package",
            "diesel-cache",
            "--features",
            "postgres,mysql,sqlite,r2d2",
            "--lib",
            "--",
            $of,
        ]]
    };
}

/// The contracts of that name.
macro_rules! contracts {
    ($of:literal) => {
        &[&[
            "--package",
            "diesel-cache-databases",
            "--test",
            "contracts",
            "--",
            $of,
        ]]
    };
}

noticed! {
    /// A rule that tests without servers notice.
    rule, servers: false
}

noticed! {
    /// A rule that a contract with a server notices.
    contract, servers: true
}

pub(super) const RULES: &[Mutant] = &[
    rule(
        "a-shape-is-told-alike-or-not-at-all",
        SHAPES,
        "(Self::Told(before), Some(told)) if before == told => Self::Told(told),",
        "(Self::Told(_), Some(told)) => Self::Told(told),",
        lib!("catalogue"),
    ),
    rule(
        "columns-that-differ-by-case-make-no-shape",
        SHAPES,
        "if shape.columns.insert(fold(&name), info).is_some() {",
        "if shape.columns.insert(fold(&name), info).is_some() && false {",
        lib!("catalogue"),
    ),
    rule(
        "only-a-plain-table-has-a-shape",
        SHAPES,
        "&& self.on_access.is_empty();",
        ";",
        lib!("catalogue"),
    ),
    rule(
        "a-trigger-fires-before-unless-it-says-after",
        TRIGGER,
        "name(three[0])",
        "(true || name(three[0]))",
        lib!("catalogue"),
    ),
    rule(
        "a-text-counts-if-all-sessions-spell-it-alike",
        DATUM,
        "byte.is_ascii() && byte != 0",
        "byte != 0",
        lib!("datum"),
    ),
    rule(
        "a-text-counts-if-it-fits",
        DATUM,
        "length <= most",
        "length <= most || true",
        lib!("datum"),
    ),
    rule(
        "each-part-of-a-name-may-be-the-column",
        CHANGE,
        "columns.extend(parts);",
        "drop(parts);",
        lib!("columns"),
    ),
    rule(
        "a-column-that-is-given-twice-is-not-known",
        CHANGE,
        "|| distinct.len() < columns.len()",
        "|| distinct.len() > columns.len()",
        lib!("columns"),
    ),
    rule(
        "a-row-number-is-another-name-of-a-column",
        CHANGE,
        "|| columns.iter().any(is_hidden)",
        "|| (columns.is_empty() && columns.iter().any(is_hidden))",
        lib!("columns"),
    ),
    rule(
        "what-is-no-column-may-be-another-name-of-one",
        WRITES,
        "if !columns.iter().all(is_column) {",
        "if !columns.iter().any(is_column) && columns.is_empty() {",
        lib!("precision"),
    ),
    rule(
        "a-collation-that-pads-does-not-compare-bytes",
        MYSQL,
        "const BINARY: [&str; 2] = [\"utf8mb4_0900_bin\", \"utf8mb4_nopad_bin\"];",
        "const BINARY: [&str; 3] = [\"utf8mb4_0900_bin\", \"utf8mb4_nopad_bin\", \"utf8mb4_bin\"];",
        lib!("introspect"),
    ),
    contract(
        "a-zero-may-become-the-next-number",
        MYSQL,
        "if counts_up => Comparison::Integers(1, last),",
        "if counts_up => Comparison::Integers(0, last),",
        contracts!("mysql::columns"),
    ),
    contract(
        "a-shape-is-told-of-what-is-seen-whole",
        MYSQL_CATALOGUE,
        "&& rights.sees(cell(&row, 3), cell(&row, 0));",
        "&& (rights.sees(cell(&row, 3), cell(&row, 0)) || true);",
        contracts!("mysql::columns"),
    ),
    contract(
        "a-versioned-table-has-no-shape",
        MYSQL_CATALOGUE,
        "cell(&row, 1) == \"BASE TABLE\"",
        "!is_view",
        contracts!("mysql::columns"),
    ),
    contract(
        "a-deterministic-collation-compares-bytes",
        POSTGRES,
        "let is_deterministic = flag(row, 4);",
        "let is_deterministic = flag(row, 4) || true;",
        contracts!("postgres::columns"),
    ),
    contract(
        "what-sets-one-column-changes-no-other",
        POSTGRES_CODE,
        "kind == EACH_UPDATED &&",
        "kind >= EACH_UPDATED &&",
        contracts!("postgres::columns"),
    ),
    contract(
        "a-known-trigger-sets-its-column",
        SHAPES,
        "column.set_by_server = true;",
        "column.set_by_server |= false;",
        contracts!("postgres::columns"),
    ),
    contract(
        "ascii-is-the-same-in-all-encodings-but-one",
        MYSQL_CATALOGUE,
        "== \"swe7\"",
        "== \"swe8\"",
        contracts!("mysql::columns"),
    ),
    contract(
        "a-name-that-may-be-cut-is-another",
        POSTGRES,
        "told.odd |= name.len() >= MAY_BE_CUT;",
        "let _ = MAY_BE_CUT;",
        contracts!("postgres::columns"),
    ),
    contract(
        "only-a-table-by-itself-has-columns-of-its-own",
        POSTGRES,
        "WHERE c.relkind = 'r' AND",
        "WHERE c.relkind IN ('r', 'p', 'm') AND",
        contracts!("postgres::columns"),
    ),
    rule(
        "a-key-that-may-be-null-is-no-key",
        SQLITE,
        "[key] => key.is_row || key.not_null,",
        "[_] => true,",
        contracts!("sqlite::columns"),
    ),
    rule(
        "a-row-number-has-no-index",
        SQLITE,
        "&& !flag(row, 7),",
        "&& (true || flag(row, 7)),",
        contracts!("sqlite::columns"),
    ),
    rule(
        "a-text-is-compared-by-bytes-unless-collated",
        SQLITE,
        "return match has_collation {",
        "return match has_collation && false {",
        contracts!("sqlite::columns"),
    ),
    rule(
        "a-column-of-anything-keeps-anything",
        SQLITE,
        "|| declared == \"ANY\"",
        "",
        contracts!("sqlite::columns"),
    ),
];
