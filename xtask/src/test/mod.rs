//! `cargo xtask test`: every test, against private servers, with a manifest of
//! what ran.
//!
//! A test that was skipped proves nothing, so here it fails: ignored tests,
//! suites without tests and databases without tests are all errors.

mod manifest;
mod output;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Instant;

use crate::error::Result;
use crate::servers::{Kind, Servers};
use crate::{process, setup, workspace};

pub(crate) use self::manifest::Database;
use self::manifest::{Manifest, Scope, Suite};
pub(crate) use self::output::Output;

/// Tests that are run in one go.
#[derive(Debug, Clone, Copy)]
struct Run {
    package: &'static str,
    /// What the report calls it.
    name: &'static str,
    words: &'static [&'static str],
    /// Of all tests, those whose names have this in them: the others run elsewhere.
    part: Option<&'static str>,
    environment: &'static [(&'static str, &'static str)],
    /// Whether it has tests of databases.
    databases: bool,
}

const fn all_of(package: &'static str) -> Run {
    Run {
        package,
        name: package,
        words: &[],
        part: None,
        environment: &[],
        databases: false,
    }
}

/// All of the tests there are.
const RUNS: &[Run] = &[
    Run {
        words: &[
            "--features",
            "file,memcached,redis,redis-cluster,redis-sentinel,tiered,tls",
        ],
        databases: true,
        ..all_of("diesel-cache")
    },
    // The examples in the documentation of connections that are awaited.
    Run {
        name: "diesel-cache, awaited",
        words: &[
            "--doc",
            "--features",
            "async-mysql,async-postgres,async-sqlite,axum,bb8,deadpool,mobc",
        ],
        ..all_of("diesel-cache")
    },
    // The connection to Redis that tasks share.
    Run {
        name: "diesel-cache, shared connection",
        words: &["--lib", "--features", "axum,redis"],
        part: Some("multiplexed"),
        ..all_of("diesel-cache")
    },
    // What may be kept of HTTP.
    Run {
        name: "diesel-cache, http",
        words: &["--lib", "--features", "axum,redis"],
        part: Some("http::"),
        ..all_of("diesel-cache")
    },
    all_of("diesel-cache-derive"),
    Run {
        databases: true,
        ..all_of("diesel-cache-databases")
    },
    // The same comparisons, with two caches that share a store.
    Run {
        name: "diesel-cache-databases, redis",
        words: &["--test", "differential"],
        environment: &[("CACHE_TEST_STORE", "redis")],
        databases: true,
        ..all_of("diesel-cache-databases")
    },
    all_of("diesel-cache-faults"),
    all_of("diesel-cache-model"),
    Run {
        databases: true,
        ..all_of("diesel-cache-replay")
    },
    all_of("diesel-cache-soak"),
    all_of("diesel-cache-stores"),
    Run {
        databases: true,
        ..all_of("diesel-cache-tasks")
    },
    Run {
        databases: true,
        ..all_of("axum_blog")
    },
    all_of("xtask"),
];

/// What is repeated less often than by default: the full numbers take minutes. Set by hand, they
/// stay.
const SHORTENED: &[(&str, &str)] = &[
    ("CACHE_TEST_ENTRIES", "100000"),
    ("CACHE_TEST_INVALIDATIONS", "100000"),
    ("CACHE_TEST_ROUNDS", "5"),
];
/// Names Valkey's program, where there is one.
const VALKEY: &str = "CACHE_TEST_VALKEY";

/// Runs the tests; `args` go to every test binary.
pub(crate) fn command(only: Option<Database>, args: &[String]) -> Result<ExitCode> {
    let kinds = kinds(only);
    setup::ensure(&kinds)?;
    let servers = Servers::start(&kinds)?;
    let mut manifest = Manifest::new(match only {
        Some(database) => Scope::Database(database),
        None if args.is_empty() => Scope::Everything,
        None => Scope::Filtered,
    });
    for one in RUNS.iter().filter(|run| only.is_none() || run.databases) {
        run(one, only, args, &servers, &mut manifest)?;
    }
    drop(servers);
    println!("\n{manifest}");
    Ok(match manifest.is_good() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn kinds(only: Option<Database>) -> Vec<Kind> {
    match only {
        None => Kind::ALL.to_vec(),
        Some(Database::Sqlite) => vec![Kind::Redis],
        Some(Database::Postgres) => vec![Kind::Postgres, Kind::Redis],
        Some(Database::Mysql) => vec![Kind::Mariadb, Kind::Redis],
    }
}

fn run(
    one: &Run,
    only: Option<Database>,
    args: &[String],
    servers: &Servers,
    manifest: &mut Manifest,
) -> Result<()> {
    // All of a package's binaries, even after one has failed.
    let mut words = vec!["test", "--no-fail-fast", "--package", one.package];
    words.extend(one.words);
    if only.is_some() && one.name == one.package {
        words.push("--tests");
    }
    let has_valkey = servers
        .environment()
        .iter()
        .any(|(name, _)| *name == VALKEY);
    if one.package == "diesel-cache-stores" {
        if has_valkey {
            words.extend(["--features", "valkey"]);
        } else {
            println!("\nValkey is not tested: there is no `valkey-server`, and no {VALKEY}");
        }
    }
    words.push("--");
    words.extend(one.part);
    let filter = only.map(|database| format!("{}::", database.segment()));
    words.extend(filter.as_deref());
    words.extend(args.iter().map(String::as_str));
    println!("\n$ cargo {}", words.join(" ").trim_end_matches(" --"));
    let mut command = workspace::cargo(&words);
    command.envs(servers.environment());
    command.envs(one.environment.iter().copied());
    for (name, value) in SHORTENED {
        if std::env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let began = Instant::now();
    let mut output = Output::default();
    let ended = process::stream(command, None, |line| {
        println!("{line}");
        output.line(line);
    })?;
    let suite = Suite {
        name: one.name,
        is_part: one.part.is_some(),
    };
    manifest.add(suite, output, ended, began.elapsed());
    Ok(())
}
