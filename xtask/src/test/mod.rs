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
use self::manifest::{Manifest, Scope};
pub(crate) use self::output::Output;

/// The packages whose tests there are.
const PACKAGES: &[&str] = &[
    "diesel-cache",
    "diesel-cache-derive",
    "diesel-cache-databases",
    "diesel-cache-faults",
    "diesel-cache-soak",
    "diesel-cache-stores",
    "xtask",
];
/// The packages that have tests of databases.
const DATABASE_PACKAGES: &[&str] = &["diesel-cache", "diesel-cache-databases"];

/// What is repeated less often than by default: the full numbers take minutes. Set by hand, they
/// stay.
const SHORTENED: &[(&str, &str)] = &[
    ("CACHE_TEST_ENTRIES", "100000"),
    ("CACHE_TEST_INVALIDATIONS", "100000"),
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
    let packages = match only {
        Some(_) => DATABASE_PACKAGES,
        None => PACKAGES,
    };
    for package in packages {
        run(package, only, args, &servers, &mut manifest)?;
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
    package: &'static str,
    only: Option<Database>,
    args: &[String],
    servers: &Servers,
    manifest: &mut Manifest,
) -> Result<()> {
    // All of a package's binaries, even after one has failed.
    let mut words = vec!["test", "--no-fail-fast", "--package", package];
    if only.is_some() {
        words.extend(["--lib", "--tests"]);
    }
    let has_valkey = servers
        .environment()
        .iter()
        .any(|(name, _)| *name == VALKEY);
    if package == "diesel-cache-stores" {
        if has_valkey {
            words.extend(["--features", "valkey"]);
        } else {
            println!("\nValkey is not tested: there is no `valkey-server`, and no {VALKEY}");
        }
    }
    words.push("--");
    let filter = only.map(|database| format!("{}::", database.segment()));
    words.extend(filter.as_deref());
    words.extend(args.iter().map(String::as_str));
    println!("\n$ cargo {}", words.join(" ").trim_end_matches(" --"));
    let mut command = workspace::cargo(&words);
    command.envs(servers.environment());
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
    manifest.add(package, output, ended, began.elapsed());
    Ok(())
}
