//! What is said of statements before the database, or its catalogue, is known.

use std::sync::Arc;

use crate::catalogue::Writes;
use crate::dialect::Dialect;
use crate::footprint::{self, Access, Analysis, Step};
use crate::resolve::{Resolved, Resolver};

/// The dialect that a URL can only mean. SQLite takes any text as a file's name, and
/// libpq takes `key=value` pairs.
pub(super) fn dialect_of_url(url: &str) -> Option<Dialect> {
    if url.starts_with("mysql://") {
        Some(Dialect::Mysql)
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        Some(Dialect::Postgres)
    } else if url.starts_with("file:") || (!url.is_empty() && !url.contains('=')) {
        Some(Dialect::Sqlite)
    } else {
        None
    }
}

/// Whether a statement, without its binds, may give back all locks of its session, and with them
/// what the session is marked by. It is then marked again when it is asked about next.
pub(super) fn takes_marks_away(sql: &str) -> bool {
    // Longer ones are nobody's way to do that.
    let short = sql.get(..sql.len().min(512)).unwrap_or(sql);
    let short = short.to_ascii_lowercase();
    short.trim_start().starts_with("discard")
        || short.contains("pg_advisory_unlock_all")
        || short.contains("release_all_locks")
}

/// Diesel's question for the number of a custom type, sent while another statement is prepared.
pub(super) fn is_type_lookup(text: &str) -> bool {
    text.starts_with("SELECT \"pg_type\".\"oid\", \"pg_type\".\"typarray\" FROM")
}

/// What a statement does while the catalogue is not known, but for what it `was`: any write may
/// write anything, and so may any read of what may be a view, or guarded by a policy: they call
/// functions.
pub(super) fn unresolved(sql: &str, dialect: Dialect, was: &[Arc<Resolver>]) -> Resolved {
    let analysis = footprint::analyze(sql, dialect);
    let mut writes = Writes::default();
    if !(reads_only(&analysis) && calls_nothing(sql, &analysis, dialect, was)) {
        writes.database = true;
        writes.non_transactional = dialect == Dialect::Mysql;
        writes.schema = analysis
            .steps
            .iter()
            .any(|step| matches!(step, Step::Ddl | Step::Unknown));
        note_hidden(&mut writes, &analysis, dialect);
        // rule: what-an-unknown-relation-calls-may-make-temporaries
        // On MySQL, a connection that may have made one never knows again.
        writes.temporaries |= dialect == Dialect::Postgres;
        writes.redefines |= dialect == Dialect::Postgres;
    }
    // rule: what-reads-may-set-while-the-catalogue-is-not-known
    // By a view, by a policy, by an operator.
    let says_so = |step: &Step| matches!(step, Step::Control(_) | Step::Session(_));
    writes.sets |= dialect != Dialect::Sqlite && !analysis.steps.iter().all(says_so);
    Resolved::without_catalogue(sql, analysis, writes)
}

/// What a trigger or a routine may do besides writing.
fn note_hidden(writes: &mut Writes, analysis: &Analysis, dialect: Dialect) {
    let unknown = |access: &Access| !access.unknown_functions.is_empty();
    let runs_unknown = analysis.steps.iter().any(|step| match step {
        Step::Unknown => true,
        Step::Read(access) => unknown(access),
        Step::Write(write) => unknown(&write.access),
        _ => false,
    });
    let is_write = |step: &Step| matches!(step, Step::Write(_));
    // SQLite's triggers can do neither.
    let fires = dialect != Dialect::Sqlite && analysis.steps.iter().any(is_write);
    writes.sets = runs_unknown || fires;
    // A connection to MySQL that may have made one never knows again.
    writes.temporaries = runs_unknown || (fires && dialect != Dialect::Mysql);
    writes.redefines = writes.sets && dialect != Dialect::Mysql;
}

/// What a statement does before the database is known, and with it the dialect.
pub(super) fn unidentified(text: &str, hint: Option<Dialect>, was: &[Arc<Resolver>]) -> Resolved {
    let (analysis, harmless) = match hint {
        Some(dialect) => {
            let sql = footprint::strip_binds(text, dialect);
            let analysis = footprint::analyze(sql, dialect);
            let harmless = reads_only(&analysis) && calls_nothing(sql, &analysis, dialect, was);
            (analysis, harmless)
        }
        None => {
            let dialects = [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite];
            let [analysis, others @ ..] = dialects.map(|dialect| footprint::analyze(text, dialect));
            let harmless = reads_only(&analysis)
                && calls_nothing(
                    footprint::strip_binds(text, Dialect::Postgres),
                    &analysis,
                    Dialect::Postgres,
                    was,
                )
                && others
                    .iter()
                    .all(|other| reads_only(other) && controls(other) == controls(&analysis));
            (analysis, harmless)
        }
    };
    let mut writes = Writes {
        root: !harmless,
        // The table's engine is not known, either.
        non_transactional: !harmless && hint == Some(Dialect::Mysql),
        ..Writes::default()
    };
    note_hidden(&mut writes, &analysis, hint.unwrap_or(Dialect::Mysql));
    Resolved::without_catalogue(text, analysis, writes)
}

/// Whether what is read by a text of reads calls no function of the database's: it reads tables
/// that were plain ones in each catalogue that was known last.
// rule: an-unknown-relation-may-call-what-writes
fn calls_nothing(sql: &str, analysis: &Analysis, dialect: Dialect, was: &[Arc<Resolver>]) -> bool {
    let reads = |step: &Step| match step {
        Step::Read(access) => !access.relations.is_empty(),
        _ => false,
    };
    // SQLite's functions cannot write.
    dialect == Dialect::Sqlite
        || !analysis.steps.iter().any(reads)
        || is_type_lookup(sql)
        || (!was.is_empty() && was.iter().all(|was| was.read_plain_tables(sql)))
}

/// Whether the text writes nothing, but for what the relations that it reads may call.
fn reads_only(analysis: &Analysis) -> bool {
    analysis.steps.iter().all(|step| match step {
        Step::Read(access) => {
            // A function may be redefined by the user, even one that is known.
            access.unknown_functions.is_empty() && access.pure_functions.is_empty()
        }
        Step::Control(_) | Step::Session(_) | Step::Harmless => true,
        Step::Write(_) | Step::Ddl | Step::CreateTemporary(_) | Step::Unknown => false,
    })
}

fn controls(analysis: &Analysis) -> Vec<&Step> {
    analysis
        .steps
        .iter()
        .filter(|step| matches!(step, Step::Control(_)))
        .collect()
}
