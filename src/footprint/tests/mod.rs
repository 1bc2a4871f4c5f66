//! Every rule, in the dialects it concerns.

mod batches;
mod control;
mod functions;
mod lexer;
mod limits;
mod properties;
mod reads;
mod schema;
mod session;
mod writes;

use super::analysis::{Access, Name, Refusal, Step, Target, Write, WriteKind};
use super::analyze;
use crate::dialect::Dialect;
use crate::dialect::Dialect::{Mysql, Postgres, Sqlite};

const ALL: [Dialect; 3] = [Postgres, Mysql, Sqlite];

fn steps(sql: &str, dialect: Dialect) -> Vec<Step> {
    analyze(sql, dialect).steps
}

/// The access of the one read that `sql` is.
#[track_caller]
fn read(sql: &str, dialect: Dialect) -> Access {
    let analysis = analyze(sql, dialect);
    match analysis.is_single_read() {
        Some(access) => access.clone(),
        None => panic!("{dialect}: {sql}: {analysis:?}"),
    }
}

/// The one write that `sql` is.
#[track_caller]
fn write(sql: &str, dialect: Dialect) -> Write {
    match &*steps(sql, dialect) {
        [Step::Write(write)] => write.clone(),
        other => panic!("{dialect}: {sql}: {other:?}"),
    }
}

#[track_caller]
fn assert_steps(sql: &str, dialect: Dialect, expected: &[Step]) {
    assert_eq!(steps(sql, dialect), expected, "{dialect}: {sql}");
}

/// `sql` is one read of exactly `relations`, without unknown functions and refusal.
#[track_caller]
fn assert_reads(sql: &str, dialect: Dialect, relations: &[&str]) {
    let access = read(sql, dialect);
    assert_eq!(access.relations, names(relations), "{dialect}: {sql}");
    assert!(
        access.unknown_functions.is_empty(),
        "{dialect}: {sql}: {access:?}"
    );
    assert_eq!(access.refusal, None, "{dialect}: {sql}");
}

/// `sql` is one read that is refused for `why` and calls nothing unknown.
#[track_caller]
fn assert_refused(sql: &str, dialect: Dialect, why: Refusal) {
    let access = read(sql, dialect);
    assert_eq!(access.refusal, Some(why), "{dialect}: {sql}");
    assert!(
        access.unknown_functions.is_empty(),
        "{dialect}: {sql}: {access:?}"
    );
}

#[track_caller]
fn assert_unknown_functions(sql: &str, dialect: Dialect, functions: &[&str]) {
    assert_eq!(
        read(sql, dialect).unknown_functions,
        names(functions),
        "{dialect}: {sql}"
    );
}

/// `sql` is one write of exactly these targets.
#[track_caller]
fn assert_writes(sql: &str, dialect: Dialect, targets: &[(&str, WriteKind)]) {
    let write = write(sql, dialect);
    let expected: Vec<_> = targets
        .iter()
        .map(|(name, kind)| Target {
            relation: (*name).into(),
            kind: kind.clone(),
        })
        .collect();
    assert_eq!(write.targets, expected, "{dialect}: {sql}");
    for target in &write.targets {
        assert!(
            write.access.relations.contains(&target.relation),
            "{dialect}: {sql}"
        );
    }
    assert!(
        write.access.unknown_functions.is_empty(),
        "{dialect}: {sql}: {write:?}"
    );
}

fn names(names: &[&str]) -> std::collections::BTreeSet<Name> {
    names.iter().map(|name| Name::from(*name)).collect()
}

fn update(columns: &[&str]) -> WriteKind {
    WriteKind::Update {
        columns: Some(names(columns)),
    }
}
