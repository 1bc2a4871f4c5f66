//! The trace in `traces/` is replayed on every database: all results are right, and as many of
//! them come from the cache as can be asked.
//!
//! The servers are those that `cargo xtask test` starts.

#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use diesel_cache_replay::{Backend, Database, Delete, Options, run};
use serde_json::Value;

/// The counters of a server are those of all its clients.
static ALONE: Mutex<()> = Mutex::new(());

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("traces")
        .join(name)
}

fn expected() -> Value {
    serde_json::from_str(&std::fs::read_to_string(file("blog.expected.json")).unwrap()).unwrap()
}

fn options(database: Database, backend: Backend) -> Options {
    Options {
        trace: file("blog.jsonl"),
        database,
        backend,
        delete: Delete::Model,
        verify: true,
        expect_sha256: expected()["sha256"].as_str().map(str::to_owned),
        min_hit_ratio: None,
    }
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no count"))
}

/// Replays the trace, and compares what comes of it with what is known of the trace.
fn is_right(options: &Options) -> Value {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = run(options).unwrap();
    let (line, expected) = (outcome.line, expected());
    assert!(outcome.broken.is_empty(), "{:?}: {line}", outcome.broken);
    assert_eq!(line["mismatches"], 0);
    assert_eq!(line["sha256"], expected["sha256"]);
    assert_eq!(line["writes"], expected["writes"]);
    for (kind, reads) in expected["reads_by_kind"].as_object().unwrap() {
        let found = &line["by_kind"][kind];
        assert_eq!(found["reads"], *reads, "{kind}");
        let hits = |policy: &str| number(&expected["hits"][policy]["by_kind"][kind]);
        let sound = hits("table")..=hits("oracle_value");
        assert!(sound.contains(&number(&found["hits"])), "{kind}: {line}");
    }
    let passed = line["bypasses"].as_object().unwrap();
    assert!(passed.is_empty(), "{line}");
    // What is no hit is a statement, and so is each write.
    let least = number(&line["reads"]) - number(&line["hits"]) + number(&line["writes"]);
    let of_library = number(&line["database_statements_of_library"]);
    let seen = number(&line["database_statements"]) - of_library;
    assert!(seen >= least, "{line}");
    line
}

/// Entries in memory.
fn in_memory(database: Database) {
    let line = is_right(&options(database, Backend::Memory));
    assert_eq!(line["store_round_trips"], 0);
    // A row of which only the key is known is deleted as rightly.
    is_right(&Options {
        delete: Delete::Id,
        ..options(database, Backend::Memory)
    });
}

/// Entries in Redis.
fn in_redis(database: Database) {
    let line = is_right(&options(database, Backend::Redis));
    // Each read asks it, and each write tells it.
    let least = number(&line["reads"]) + number(&line["writes"]);
    assert!(number(&line["store_round_trips"]) >= least, "{line}");
}

mod sqlite {
    use super::*;

    #[test]
    fn in_memory() {
        super::in_memory(Database::Sqlite);
    }

    #[test]
    fn in_redis() {
        super::in_redis(Database::Sqlite);
    }

    #[test]
    fn what_is_not_as_expected_is_told() {
        let outcome = run(&Options {
            expect_sha256: Some("0".repeat(64)),
            min_hit_ratio: Some(0.99),
            ..options(Database::Sqlite, Backend::Memory)
        });
        assert_eq!(outcome.unwrap().broken.len(), 2);
    }
}

mod postgres {
    use super::*;

    #[test]
    fn in_memory() {
        super::in_memory(Database::Postgres);
    }
}

mod mysql {
    use super::*;

    #[test]
    fn in_memory() {
        super::in_memory(Database::Mariadb);
    }
}
