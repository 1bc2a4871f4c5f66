//! Rules that tell which writes of a table matter to a read of it: by rows, columns and values.

use super::Mutant;

const READS: &str = "src/precision/reads.rs";
const TABLE: &str = "src/precision/table.rs";
const WRITES: &str = "src/precision/writes.rs";
const CHANGE: &str = "src/footprint/columns/change.rs";
const COLUMNS: &str = "src/footprint/columns/mod.rs";
const PREDICATE: &str = "src/footprint/columns/predicate.rs";
const SELECT: &str = "src/footprint/columns/select.rs";
const PRECISE: &str = "src/resolve/precise.rs";
const DATUM: &str = "src/datum.rs";

/// The unit tests of texts, of the algebra, and of both together.
const UNIT: &[&[&str]] = &[&[
    "--package",
    "diesel-cache",
    "--features",
    "postgres,mysql,sqlite,r2d2",
    "--lib",
    "--",
    "columns",
    "precision",
    "precise",
    "datum",
]];

/// What survives on SQLite.
const SUITE: &[&[&str]] = &[&[
    "--package",
    "diesel-cache",
    "--test",
    "suite",
    "--",
    "precision",
]];

noticed! {
    rule = UNIT, servers: false
}

noticed! {
    on_sqlite = SUITE, servers: false
}

pub(super) const RULES: &[Mutant] = &[
    on_sqlite(
        "a-row-that-goes-counts-where-it-is-shown",
        READS,
        "selection.skips || source.nullable;",
        "selection.skips;",
    ),
    rule(
        "a-row-that-goes-counts-before-an-offset",
        READS,
        "selection.skips || source.nullable;",
        "source.nullable;",
    ),
    on_sqlite(
        "what-is-not-shown-is-what-was-asked-for",
        READS,
        "None => self.fixed[at].clone(),",
        "None => None,",
    ),
    rule(
        "of-several-values-none-is-known",
        READS,
        "values.next().filter(|_| values.next().is_none())",
        "values.next()",
    ),
    rule(
        "what-is-not-observed-decides",
        READS,
        "if read.observed.is_none() {",
        "if read.observed.is_none() && false {",
    ),
    rule(
        "a-row-comes-by-the-value-that-is-asked-for",
        READS,
        "self.tags.extend(parts.map(|part| table.tag(scope, part)));",
        "drop(parts.map(|part| table.tag(scope, part)));",
    ),
    rule(
        "a-row-comes-by-a-value-that-is-not-known",
        READS,
        "            self.tags.insert(table.tag(scope, Part::BecomesAny(column)));\n",
        "",
    ),
    rule(
        "a-row-comes-by-truth",
        READS,
        "                    self.tags\n                        .insert(table.tag(scope, Part::BecomesTrue(column)));",
        "                    self.tags\n                        .remove(&table.tag(scope, Part::BecomesTrue(column)));",
    ),
    rule(
        "a-row-that-is-not-seen-goes-by-any-value",
        READS,
        "            self.unobserved.insert(whole);\n",
        "",
    ),
    rule(
        "a-value-passes-between-equal-types",
        READS,
        "std::mem::discriminant(&other.comparison(name)) == own",
        "std::mem::discriminant(&other.comparison(name)) == own || true",
    ),
    rule(
        "a-row-goes-by-any-value",
        READS,
        "for column in narrow.keys() {",
        "for column in narrow.keys().take(0) {",
    ),
    on_sqlite(
        "what-a-row-would-be-called-proves-no-row",
        READS,
        "proves: !source.nullable ||",
        "proves: true ||",
    ),
    rule(
        "a-primary-key-that-is-null-is-no-row",
        READS,
        "if datum.is_none() && at == 0 {",
        "if datum.is_none() && at > 0 {",
    ),
    rule(
        "a-made-key-is-none-that-is-there",
        READS,
        "&& !asked_for.is_subset(&seen.rows)",
        "&& asked_for.is_disjoint(asked_for)",
    ),
    rule(
        "a-write-by-no-key-may-be-of-the-row",
        READS,
        "        self.depend(&Scope::AtUnknown, seen);\n",
        "",
    ),
    rule(
        "a-write-by-a-key-that-is-not-shown-may-be-of-the-row",
        READS,
        "(None, _) => self.depend(&Scope::AtSome(key), seen),",
        "(None, _) => {}",
    ),
    rule(
        "a-row-of-an-unknown-value-may-be-asked-for",
        READS,
        "known.chain([Scope::IsUnknown(key)]).collect()",
        "known.collect()",
    ),
    rule(
        "what-is-no-column-of-the-table-changes-nothing",
        TABLE,
        "let Columns::These(names) = columns else {\n            return None;",
        "let Columns::These(names) = columns else {\n            return Some(Vec::new());",
    ),
    rule(
        "too-many-columns-are-all",
        TABLE,
        ".take(MOST_COLUMNS + 1)",
        ".take(MOST_COLUMNS)",
    ),
    rule(
        "a-zero-that-is-kept-may-be-another-number",
        TABLE,
        "!(self.counts_for_zero &&",
        "!(false &&",
    ),
    rule(
        "many-numbers-are-true",
        TABLE,
        "Operand::Holds if comparison == Comparison::Bools =>",
        "Operand::Holds if comparison != Comparison::Unknown =>",
    ),
    rule(
        "what-the-server-sets-is-set",
        WRITES,
        "columns.union(&table.set_by_server).cloned().collect();",
        "columns.clone();",
    ),
    rule(
        "a-value-that-a-row-has-already-is-not-set",
        WRITES,
        "after.is_none() || after != fixed_column",
        "after.is_some() && after != fixed_column",
    ),
    rule(
        "a-value-that-is-not-given-is-not-known",
        WRITES,
        "let operand = row.get(column)?;",
        "let operand = row.get(column).or(row.values().next())?;",
    ),
    rule(
        "another-primary-key-is-another-row",
        WRITES,
        ".any(|column| columns.contains(column));\n    let mut address",
        ".any(|column| columns.contains(column) && false);\n    let mut address",
    ),
    rule(
        "a-row-that-moves-goes-and-comes",
        WRITES,
        "            tags.part_of(key, after.as_ref(), Part::Added);\n",
        "            let _ = after;\n",
    ),
    rule(
        "a-row-that-moves-goes-from-where-it-was",
        WRITES,
        "            tags.part_of(key, before.as_ref(), Part::Removed);\n            tags.part_of(key, after",
        "            tags.part_of(key, after",
    ),
    rule(
        "a-row-that-moves-goes-where-it-is-shown",
        WRITES,
        "        tags.addressed(address.as_ref(), Part::Removed);\n    }\n    tags",
        "    }\n    tags",
    ),
    rule(
        "a-write-without-an-address-may-be-of-any-row",
        WRITES,
        "None => self.add(&Scope::AtUnknown, part),",
        "None => {}",
    ),
    rule(
        "what-is-not-zero-is-true",
        WRITES,
        "if self.table.zero(column).as_ref() != Some(value) {",
        "if self.table.zero(column).as_ref() == Some(value) {",
    ),
    rule(
        "a-value-that-is-not-known-may-be-any",
        WRITES,
        "None => self.add(scope, Part::BecomesAny(column)),",
        "None => {}",
    ),
    rule(
        "what-passed-through-another-column-is-no-address",
        WRITES,
        ".filter(|given| given.through.is_empty())?",
        ".filter(|given| given.through.len() < 9)?",
    ),
    rule(
        "or-replace-removes-other-rows",
        CHANGE,
        "if replaces || update.from.is_some() {",
        "if (replaces && false) || update.from.is_some() {",
    ),
    rule(
        "insert-or-replace-removes-other-rows",
        CHANGE,
        "if !ignores || replaces ||",
        "if !ignores || (replaces && false) ||",
    ),
    rule(
        "an-upsert-changes-other-rows",
        CHANGE,
        "Some(_) => false,",
        "Some(_) => true,",
    ),
    rule(
        "a-column-that-is-set-twice-is-not-known",
        CHANGE,
        "if !columns.insert(column.clone()) || operand.is_none() {",
        "if (!columns.insert(column.clone()) && false) || operand.is_none() {",
    ),
    rule(
        "a-collapsed-list-is-all-the-rows",
        CHANGE,
        "&& matches!(value.value, Value::Placeholder(_))\n",
        "&& matches!(value.value, Value::Null)\n",
    ),
    rule(
        "an-escaped-text-is-no-known-value",
        COLUMNS,
        "if dialect == Dialect::Mysql && sql.contains('\\\\') {",
        "if dialect == Dialect::Mysql && sql.contains('\\0') {",
    ),
    rule(
        "a-placeholder-is-one-for-the-parser-and-the-lexer",
        COLUMNS,
        "if placeholders.count() != lexer::places(sql, dialect).0.len() {",
        "if placeholders.count() == usize::MAX {",
    ),
    rule(
        "a-placeholder-with-a-name-is-counted-by-sqlite-alone",
        COLUMNS,
        "Token::Colon | Token::AtSign | Token::Sharp => true,",
        "Token::Colon | Token::AtSign | Token::Sharp => false,",
    ),
    rule(
        "what-the-parser-binds-otherwise-fixes-no-values",
        COLUMNS,
        "if dialect == Dialect::Mysql && tokens.iter().any(is_or) {",
        "if dialect == Dialect::Sqlite && tokens.iter().any(is_or) {",
    ),
    rule(
        "a-row-without-a-match-is-not-bound-by-it",
        PREDICATE,
        "if holds.covers(&other) {",
        "if holds.covers(&other) || true {",
    ),
    rule(
        "a-row-without-a-match-is-not-bound-by-a-value",
        PREDICATE,
        "if holds.covers(&column) && !operands.is_empty() {",
        "if !operands.is_empty() {\n            let _ = holds;",
    ),
    rule(
        "a-value-remembers-what-it-was-compared-with",
        PREDICATE,
        "                    given.through.push(one.clone());\n",
        "                    given.through.extend([]);\n",
    ),
    rule(
        "a-place-remembers-what-it-was-compared-with",
        PREDICATE,
        "                    way.push(one.clone());\n",
        "                    way.extend([]);\n",
    ),
    rule(
        "an-alias-that-is-used-shows-what-decides",
        SELECT,
        "&& !uses_alias,",
        "&& (!uses_alias || true),",
    ),
    rule(
        "what-is-mixed-decides",
        SELECT,
        "            source.decisive.merge(&source.shown);\n",
        "",
    ),
    rule(
        "an-outer-join-shows-what-is-not-there",
        SELECT,
        "self.nullable.extend(first..self.relations.len()),",
        "self.nullable.extend(first..first),",
    ),
    rule(
        "an-outer-join-shows-what-is-not-there-on-both-sides",
        SELECT,
        "self.nullable.extend(0..self.relations.len()),",
        "self.nullable.extend(first..self.relations.len()),",
    ),
    rule(
        "a-natural-join-compares-all",
        SELECT,
        "JoinConstraint::Natural => self.using = Columns::All,",
        "JoinConstraint::Natural => {}",
    ),
    rule(
        "a-call-may-look-at-many-rows",
        SELECT,
        "&& !calls(projection) &&",
        "&& (!calls(projection) || true) &&",
    ),
    rule(
        "what-is-grouped-shows-no-row",
        SELECT,
        "    ungrouped\n        && !(unnamed",
        "    (ungrouped || true)\n        && !(unnamed",
    ),
    rule(
        "what-is-ordered-by-number-decides",
        SELECT,
        "&& !by_number",
        "&& (!by_number || true)",
    ),
    rule(
        "an-offset-skips-rows",
        SELECT,
        "offset.is_some() || !limit_by.is_empty()",
        "offset.is_none() && !limit_by.is_empty()",
    ),
    rule(
        "a-column-is-shown-by-its-equal",
        SELECT,
        "for column in facts.bound_columns(source) {",
        "for column in facts.bound_columns(source).into_iter().take(0) {",
    ),
    rule(
        "hidden-columns-change-with-every-write",
        SELECT,
        "if HIDDEN.contains(&&*name) {",
        "if HIDDEN.contains(&&*name) && false {",
    ),
    rule(
        "a-table-by-its-name-is-its-row",
        SELECT,
        "_ if is_table && !qualified => mentions.all(),",
        "_ if is_table && !qualified && false => mentions.all(),",
    ),
    rule(
        "a-star-is-a-product-between-two-operands",
        SELECT,
        "                && after.is_some()\n",
        "",
    ),
    rule(
        "a-key-that-the-table-has-not-is-none",
        PRECISE,
        "if known && !keys.contains(key) {",
        "if (known || true) && !keys.contains(key) {",
    ),
    rule(
        "mysql-counts-for-a-zero",
        PRECISE,
        "self.dialect == Dialect::Mysql;",
        "false;",
    ),
    rule(
        "what-is-read-elsewhere-too-is-read-as-a-whole",
        PRECISE,
        "selection.nested.contains(name)\n                || footprint.declared",
        "footprint.declared",
    ),
    rule(
        "what-is-declared-is-read-as-a-whole",
        PRECISE,
        "|| footprint.declared.contains(name)",
        "",
    ),
    rule(
        "what-the-catalogue-says-the-server-sets-is-set",
        PRECISE,
        ".filter(|(_, column)| column.set_by_server)",
        ".filter(|(_, column)| column.set_by_server && false)",
    ),
    rule(
        "what-is-written-besides-is-written-anyhow",
        PRECISE,
        "                    .writes_only_what_it_names(sql, write, target, pure)\n                    .then_some(())?;",
        "                    .writes_only_what_it_names(sql, write, target, pure);",
    ),
    rule(
        "a-value-counts-if-the-column-keeps-it",
        DATUM,
        "if (first..=last).contains(number) =>",
        "if (first..=last).contains(number) || true =>",
    ),
];
