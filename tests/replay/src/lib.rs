//! Replays a trace of a blog's reads and writes through diesel-cache, and tells how many of
//! the reads were hits.
//!
//! `cargo xtask replay` starts the servers and runs this program; its options stand in
//! `options.rs`.
//!
//! # Layout
//!
//! - `trace.rs`: the format of traces.
//! - `models.rs`, `schema.rs` and `schema/`: the blog's tables, as an application has them.
//! - `user/`: the application's reads and writes, compiled once per database.
//! - `database.rs`: a database of the run's own; `store.rs`: its cache, and what Redis was asked;
//!   `counted.rs`: a connection that counts what it is asked.
//! - `canonical.rs`: the digest of all results; `tally.rs`: the counters of a run.
//! - `attributes.rs`: the attributes of the models, for the report.
#![allow(
    clippy::duplicate_mod,
    reason = "what the user does is compiled once per database"
)]

mod attributes;
mod canonical;
mod counted;
mod database;
mod mariadb;
mod models;
mod options;
mod postgres;
mod schema;
mod sqlite;
mod store;
mod tally;
mod trace;

use serde_json::{Value, json};

use crate::database::Place;
pub use crate::options::{Backend, Database, Delete, Options, USAGE};
use crate::store::Store;
use crate::tally::Tally;
use crate::trace::Trace;

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// One line of JSON.
    pub line: Value,
    /// What is not as it should be.
    pub broken: Vec<String>,
}

/// What a replay is given.
struct Run<'a> {
    options: &'a Options,
    trace: &'a Trace,
    place: &'a Place,
    store: &'a Store,
}

/// Replays the trace that the options name.
///
/// # Errors
/// If the trace cannot be read, a server does not do what it is asked, or an operation fails.
pub fn run(options: &Options) -> Result<Outcome, String> {
    let trace = Trace::read(&options.trace)?;
    let place = Place::create(options.database)?;
    let store = Store::open(options.backend)?;
    let run = Run {
        options,
        trace: &trace,
        place: &place,
        store: &store,
    };
    let tally = match options.database {
        Database::Sqlite => sqlite::user::replay(&run),
        Database::Postgres => postgres::user::replay(&run),
        Database::Mariadb => mariadb::user::replay(&run),
    }?;
    store.close();
    Ok(Outcome {
        broken: broken(&tally, options),
        line: line(&tally, &run),
    })
}

fn line(tally: &Tally, run: &Run<'_>) -> Value {
    let options = run.options;
    let mut line = tally.line();
    line["verified"] = json!(options.verify);
    line["attributes"] = json!(attributes::of_models());
    line["database"] = json!(options.database.text());
    line["backend"] = json!(options.backend.text());
    line["delete"] = json!(options.delete.text());
    line["trace"] = run.trace.params.clone();
    line
}

fn broken(tally: &Tally, options: &Options) -> Vec<String> {
    let mut broken = Vec::new();
    if tally.mismatches > 0 {
        broken.push(format!(
            "{} reads differ from the database",
            tally.mismatches
        ));
    }
    if let Some(expected) = &options.expect_sha256
        && *expected != tally.sha256
    {
        broken.push(format!(
            "the digest is {}, and {expected} was expected",
            tally.sha256
        ));
    }
    if let Some(least) = options.min_hit_ratio
        && tally.total().ratio() < least
    {
        broken.push(format!(
            "the hit ratio is {}, and {least} was expected at least",
            tally.total().ratio()
        ));
    }
    broken
}
