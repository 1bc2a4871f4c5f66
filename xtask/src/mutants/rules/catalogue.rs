//! Rules of the catalogue: what a database's relations and code add to a statement.

use super::{LIB, Mutant};

const READS: &str = "src/catalogue/mod.rs";
const EFFECTS: &str = "src/catalogue/effects.rs";
const CODE: &str = "src/catalogue/code.rs";

noticed! {
    /// A rule that the library's unit tests notice.
    rule = LIB, servers: false
}

/// A rule that a test of the hazards notices; all but SQLite's need the servers.
const fn hazard(
    name: &'static str,
    file: &'static str,
    find: &'static str,
    replace: &'static str,
    tests: &'static [&'static [&'static str]],
    servers: bool,
) -> Mutant {
    Mutant {
        name,
        file,
        find,
        replace,
        tests,
        servers,
    }
}

const LOOK: &str = "src/connection/catalogue.rs";
const WATCH: &str = "src/database_state/watch.rs";
const MYSQL: &str = "src/connection/introspect/mysql.rs";
const POSTGRES: &str = "src/connection/introspect/postgres/code.rs";

/// The hazards whose names begin so.
macro_rules! hazards {
    ($of:literal) => {
        &[&[
            "--package",
            "diesel-cache-databases",
            "--test",
            "hazards",
            "--",
            $of,
        ]]
    };
}

const DRIFT_OF_SQLITE: &[&[&str]] = hazards!("sqlite::drift");
const DRIFT_OF_POSTGRES: &[&[&str]] = hazards!("postgres::drift");
const CODE_OF_POSTGRES: &[&[&str]] = hazards!("postgres::of_code");
const CODE_OF_MYSQL: &[&[&str]] = hazards!("mysql::of_code");

const INSTALLED: &[&[&str]] = &[&[
    "--package",
    "diesel-cache-databases",
    "--test",
    "installed",
    "--",
    "a_view_of_an_unknown_connection",
]];

pub(super) const RULES: &[Mutant] = &[
    hazard(
        "an-unknown-relation-may-call-what-writes",
        "src/connection/unresolved.rs",
        "was.iter().all(|was| was.read_plain_tables(sql))",
        "true",
        INSTALLED,
        true,
    ),
    rule(
        "unknown-function-is-not-cached",
        READS,
        "if access.unknown_functions.iter().any(|f| !pure.contains(f)) {",
        "if false {",
    ),
    rule(
        "user-function-shadows-a-known-one",
        READS,
        ".any(|f| self.routines.contains_key(f) && !pure.contains(f))",
        ".any(|f| false && self.routines.contains_key(f) && !pure.contains(f))",
    ),
    rule(
        "a-view-reads-its-base-tables",
        READS,
        "Some(definition) => self.collect(definition, pure, reads, true)?,",
        "Some(_) => {}",
    ),
    rule(
        "a-policy-reads-its-tables",
        READS,
        "self.collect(&policies, pure, reads, true)?;",
        "let _ = &policies;",
    ),
    rule(
        "a-function-may-be-called-unseen",
        READS,
        "|| self.attributes_in(sql).next().is_some()",
        "|| (false && self.attributes_in(sql).next().is_some())",
    ),
    rule(
        "a-routine-may-have-the-name-of-an-unlisted-function",
        READS,
        "self.attributes.insert(name.clone());",
        "",
    ),
    rule(
        "of-several-routines-each-may-be-called",
        READS,
        "self.routines.entry(name).or_default().push(code);",
        "self.routines.insert(name, vec![code]);",
    ),
    rule(
        "ddl-changes-the-schema",
        EFFECTS,
        "Step::Ddl => effects.writes.schema = true,",
        "Step::Ddl => {}",
    ),
    rule(
        "an-unknown-statement-writes-everything",
        EFFECTS,
        "Step::Unknown => {\n                    effects.anything();",
        "Step::Unknown => {",
    ),
    rule(
        "unknown-function-may-write",
        EFFECTS,
        "None if must_be_known => self.anything(),",
        "None if must_be_known => {}",
    ),
    rule(
        "what-is-called-unseen-may-write",
        EFFECTS,
        "if analysis.steps.iter().any(runs) {",
        "if false && analysis.steps.iter().any(runs) {",
    ),
    rule(
        "an-upsert-fires-all-triggers",
        EFFECTS,
        "WriteKind::Replace => Self::INSERT | Self::UPDATE | Self::DELETE,",
        "WriteKind::Replace => Self::UPDATE,",
    ),
    rule(
        "a-policy-may-call-what-writes",
        EFFECTS,
        "self.open.extend(relation.on_access.iter().map(Task::Run));",
        "",
    ),
    rule(
        "a-view-may-call-what-writes",
        EFFECTS,
        "Some(definition) => self.open.push(Task::Access(definition)),",
        "Some(_) => {}",
    ),
    rule(
        "code-writes-what-it-names",
        EFFECTS,
        "for name in &code.written {",
        "for name in code.written.iter().take(0) {",
    ),
    rule(
        "code-calls-what-it-names",
        EFFECTS,
        "            self.call(name, false);\n            self.reach(name);",
        "            self.reach(name);",
    ),
    rule(
        "what-is-called-must-be-known",
        EFFECTS,
        "for name in &code.calls {",
        "for name in code.calls.iter().take(0) {",
    ),
    rule(
        "opaque-code-writes-everything",
        EFFECTS,
        "if code.opaque {\n            self.writes.database = true;",
        "if code.opaque {",
    ),
    rule(
        "opaque-code-may-change-the-schema",
        EFFECTS,
        "self.writes.database = true;\n            self.writes.redefines = true;",
        "self.writes.database = true;",
    ),
    rule(
        "opaque-code-may-write-what-ignores-a-rollback",
        EFFECTS,
        "self.writes.redefines = true;\n            self.keeps_some();",
        "self.writes.redefines = true;",
    ),
    rule(
        "code-that-sets-changes-the-session",
        EFFECTS,
        "self.writes.sets |= code.sets;",
        "",
    ),
    rule(
        "what-may-not-be-seen-may-cascade",
        EFFECTS,
        "if self.catalogue.hidden_references && !matches!(kind, WriteKind::Insert) {",
        "if false {",
    ),
    rule(
        "a-trigger-writes-what-its-code-writes",
        EFFECTS,
        ".filter(|trigger| trigger.events.meets(events));",
        ".filter(|trigger| trigger.events.meets(events) && false);",
    ),
    rule(
        "a-default-may-call-what-writes",
        EFFECTS,
        "self.open.extend(relation.on_write.iter().map(Task::Run));",
        "",
    ),
    rule(
        "partitions-share-their-rows",
        EFFECTS,
        "for member in &relation.family {",
        "for member in relation.family.iter().take(0) {",
    ),
    rule(
        "a-write-to-a-view-writes-its-base-tables",
        EFFECTS,
        "self.write(base, WriteKind::Replace);",
        "let _ = base;",
    ),
    rule(
        "two-updates-have-their-own-columns",
        EFFECTS,
        "if kinds.contains(&kind) {",
        "if !kinds.is_empty() {",
    ),
    rule(
        "a-table-may-replace-its-rows",
        EFFECTS,
        "WriteKind::Insert | WriteKind::Update { .. } if relation.replaces => WriteKind::Replace,",
        "",
    ),
    rule(
        "an-update-may-move-a-row-to-another-partition",
        EFFECTS,
        "WriteKind::Update { .. } if !relation.family.is_empty() => WriteKind::Replace,",
        "",
    ),
    rule(
        "columns-may-change-without-standing-in-set",
        EFFECTS,
        "WriteKind::Update { .. } if relation.changes_more => WriteKind::Update { columns: None },",
        "",
    ),
    rule(
        "cascades-write-the-child-tables",
        EFFECTS,
        "child.on_delete.then_some(WriteKind::Replace)\n",
        "None\n",
    ),
    rule(
        "key-updates-cascade",
        EFFECTS,
        "(child.on_update && hits_key(columns)).then_some(WriteKind::Update { columns: None })",
        "(false && child.on_update && hits_key(columns)).then_some(WriteKind::Update { columns: None })",
    ),
    rule(
        "what-is-read-otherwise-may-do-anything",
        CODE,
        "Some(pieces) => Self::of_pieces(&pieces, language),\n            None => Self::opaque(),",
        "Some(pieces) => Self::of_pieces(&pieces, language),\n            None => Self::default(),",
    ),
    rule(
        "unicode-escapes-hide-names",
        CODE,
        "if is_escaped {",
        "if false && is_escaped {",
    ),
    rule(
        "dynamic-sql-may-do-anything",
        CODE,
        "code.opaque |= OPAQUE_POSTGRES.contains(&word) || runs_a_text(word);",
        "code.opaque |= runs_a_text(word);",
    ),
    rule(
        "dynamic-sql-of-mysql-may-do-anything",
        CODE,
        "code.opaque |= OPAQUE_MYSQL.contains(&word);",
        "",
    ),
    rule(
        "an-anonymous-block-may-do-anything",
        CODE,
        "code.opaque |= word == \"do\" &&",
        "code.opaque |= false &&",
    ),
    rule(
        "functions-that-run-a-text-may-do-anything",
        CODE,
        "RUN_A_TEXT.iter().any(|start| function.starts_with(start))",
        "function.is_empty()",
    ),
    rule(
        "code-writes-what-stands-after-its-verbs",
        CODE,
        "open.extend(found.map(|verb| (verb, depth)));",
        "let _ = found;",
    ),
    rule(
        "code-may-change-the-session",
        CODE,
        "code.sets |= match language {",
        "let _ = match language {",
    ),
    rule(
        "user-variables-are-of-the-session",
        CODE,
        "Piece::Symbol(b'@') if self.language == Language::Mysql => {",
        "Piece::Symbol(b'@') if false => {",
    ),
    rule(
        "a-called-procedure-must-be-known",
        CODE,
        "if self.follows(&[\"call\"])",
        "if false && self.follows(&[\"call\"])",
    ),
    rule(
        "a-called-function-must-be-known",
        CODE,
        "if !is_table && !is_structure && !footprint::is_known_function(name, dialect) {",
        "if false && !is_table && !is_structure {",
    ),
    rule(
        "long-names-are-cut",
        CODE,
        "if name.len() > LONGEST_NAME {",
        "if false && name.len() > LONGEST_NAME {",
    ),
    rule(
        "a-look-holds-for-the-interval",
        WATCH,
        ">= interval.as_nanos()",
        ">= u128::MAX",
    ),
    rule(
        "what-was-never-looked-at-may-have-changed",
        WATCH,
        "seen.fingerprint.as_ref() != Some(fingerprint)",
        "seen.fingerprint.is_some_and(|known| known != *fingerprint)",
    ),
    rule(
        "an-older-answer-says-nothing",
        WATCH,
        "if seen.at > self.began {",
        "if false {",
    ),
    rule(
        "a-suspicion-outdates-the-looks-under-way",
        WATCH,
        "if seen.suspicions == self.suspicions {",
        "if true {",
    ),
    rule(
        "one-looks-for-all",
        WATCH,
        "if self.looking.swap(true, Ordering::SeqCst) {",
        "if false {",
    ),
    hazard(
        "a-catalogue-is-looked-at-before-it-is-relied-on",
        LOOK,
        "if !watch.is_due(interval) {",
        "if true || !watch.is_due(interval) {",
        DRIFT_OF_SQLITE,
        false,
    ),
    hazard(
        "a-change-from-elsewhere-voids-the-catalogue",
        LOOK,
        "telling.schema_found_changed(space, seen.user(), &view.fingerprint);",
        "let _ = (&telling, &seen);",
        DRIFT_OF_SQLITE,
        false,
    ),
    hazard(
        "a-change-from-elsewhere-voids-what-is-cached",
        "src/cache/mod.rs",
        "self.renew_schema(space, user, now);\n    }\n\n    ///",
        "}\n\n    ///",
        DRIFT_OF_SQLITE,
        false,
    ),
    hazard(
        "what-is-left-of-a-time-when-nobody-looked-is-void",
        LOOK,
        "meeting.meet_schema(id.tags, seen.user(), &view.fingerprint);",
        "let _ = (&meeting, &seen);",
        DRIFT_OF_SQLITE,
        false,
    ),
    hazard(
        "an-error-of-a-look-ends-no-transaction",
        LOOK,
        "if place == Place::Autocommit {",
        "if true || place == Place::Autocommit {",
        CODE_OF_POSTGRES,
        true,
    ),
    hazard(
        "a-look-sees-what-is-committed",
        "src/connection/transaction.rs",
        "&& self.isolation == Isolation::ReadCommitted\n",
        "",
        DRIFT_OF_POSTGRES,
        true,
    ),
    hazard(
        "what-does-not-show-what-it-runs-may-change-the-schema",
        "src/connection/tracker/resolve.rs",
        "self.cache.schema_suspected(database.id.tags);",
        "let _ = database;",
        DRIFT_OF_POSTGRES,
        true,
    ),
    hazard(
        "code-that-may-not-be-seen-may-do-anything",
        MYSQL,
        "if text.is_empty()\n",
        "if false\n",
        CODE_OF_MYSQL,
        true,
    ),
    hazard(
        "code-may-write-what-may-not-be-seen",
        MYSQL,
        ".any(|schema| !sees(schema) && !is_new_or_old(schema))",
        ".any(|schema| false && !sees(schema) && !is_new_or_old(schema))",
        CODE_OF_MYSQL,
        true,
    ),
    hazard(
        "a-trigger-that-may-not-be-seen-may-do-anything",
        MYSQL,
        "if !rights.sees_triggers(",
        "if false && !rights.sees_triggers(",
        CODE_OF_MYSQL,
        true,
    ),
    rule(
        "an-extensions-function-may-be-known",
        POSTGRES,
        "if is_extensions && is_known && !(is_volatile && is_pure) {",
        "if is_known {",
    ),
    rule(
        "a-foreign-language-may-do-anything",
        POSTGRES,
        "        _ => Code::opaque(),\n    };\n    // rule: only",
        "        _ => Code::default(),\n    };\n    // rule: only",
    ),
    rule(
        "only-a-volatile-function-writes-by-itself",
        POSTGRES,
        "Some(if is_volatile {",
        "Some(if !is_volatile {",
    ),
    hazard(
        "a-trigger-may-change-the-row",
        POSTGRES,
        "let is_before_update = kind & 2 != 0 && kind & 16 != 0;",
        "let is_before_update = false;",
        CODE_OF_POSTGRES,
        true,
    ),
    hazard(
        "the-condition-of-a-trigger-may-write",
        POSTGRES,
        "if let Some(condition) = when(cell(&row, 5)) {",
        "if let Some(condition) = when(\"\") {",
        CODE_OF_POSTGRES,
        true,
    ),
    hazard(
        "a-rule-is-a-trigger",
        POSTGRES,
        "triggers.extend([condition, action].map(rule));",
        "let _ = (triggers, condition, action, rule);",
        CODE_OF_POSTGRES,
        true,
    ),
    hazard(
        "an-expression-of-a-table-may-write",
        POSTGRES,
        "relation.on_write.push(code);",
        "drop(code);",
        CODE_OF_POSTGRES,
        true,
    ),
    hazard(
        "an-expression-of-a-policy-may-write",
        POSTGRES,
        "relation.on_access.push(code);",
        "drop(code);",
        CODE_OF_POSTGRES,
        true,
    ),
];
