//! `cargo xtask ci`: everything that must hold before a change is merged.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::{Context, Error, Result};
use crate::servers::Kind;
use crate::workspace::cargo;
use crate::{layers, model, process, setup, test};

const PACKAGES: [&str; 11] = [
    "axum_blog",
    "diesel-cache",
    "diesel-cache-derive",
    "diesel-cache-databases",
    "diesel-cache-faults",
    "diesel-cache-model",
    "diesel-cache-replay",
    "diesel-cache-soak",
    "diesel-cache-stores",
    "diesel-cache-tasks",
    "xtask",
];

/// The features of shared stores, and of connections that are awaited.
const STORE: &str = "async-mysql,async-postgres,async-sqlite,axum,bb8,deadpool,file,memcached,mobc,redis,\
                     redis-cluster,redis-sentinel,tiered,tls";

/// Runs every check, also after one has failed, and then the tests.
pub(crate) fn command(no_test: bool) -> Result<ExitCode> {
    setup::ensure(Kind::ALL)?;
    let mut steps = Steps::default();
    steps.cargo("format", cargo(&["fmt", "--all", "--check"]))?;
    // One package at a time: built together, Diesel's macros would get the features that
    // one package asks for, and Diesel those of another.
    for package in PACKAGES {
        let clippy = ["clippy", "--package", package, "--all-targets", "--"];
        steps.cargo(&format!("clippy {package}"), deny_warnings(&clippy))?;
    }
    let store = [
        "clippy",
        "--package",
        "diesel-cache",
        "--all-targets",
        "--features",
        STORE,
        "--",
    ];
    steps.cargo("clippy of stores and tasks", deny_warnings(&store))?;
    steps.step("layers", || Ok(layers::command()? == ExitCode::SUCCESS))?;
    let docs: [&[&str]; 2] = [
        &[
            "diesel-cache",
            "--features",
            "async-mysql,async-postgres,async-sqlite,axum,bb8,conformance,deadpool,file,memcached,mobc,sqlite,\
             r2d2,redis,redis-cluster,redis-sentinel,test,tiered,tls",
        ],
        &["diesel-cache-derive"],
    ];
    for words in docs {
        let mut doc = cargo(&[&["doc", "--no-deps", "--package"], words].concat());
        doc.env("RUSTDOCFLAGS", "-Dwarnings");
        steps.cargo(&format!("documentation {}", words[0]), doc)?;
    }
    let base = [
        "clippy",
        "--package",
        "diesel-cache",
        "--no-default-features",
    ];
    steps.cargo("no features", deny_warnings(&[&base[..], &["--"]].concat()))?;
    for feature in features()? {
        let words = [&base[..], &["--features", &feature, "--"]].concat();
        let name = format!("feature {feature}");
        steps.cargo(&name, deny_warnings(&words))?;
    }
    if no_test {
        return Ok(steps.report());
    }
    steps.step("model", || {
        Ok(model::command(&[], false)? == ExitCode::SUCCESS)
    })?;
    steps.step("tests", || {
        Ok(test::command(None, &[])? == ExitCode::SUCCESS)
    })?;
    Ok(steps.report())
}

fn deny_warnings(words: &[&str]) -> Command {
    let mut command = cargo(words);
    command.args(["-D", "warnings"]);
    command
}

/// The features of the library, each to be checked alone.
fn features() -> Result<Vec<String>> {
    let metadata = ["metadata", "--format-version=1", "--no-deps"];
    let output = cargo(&metadata)
        .output()
        .context("running cargo metadata")?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    read_features(&metadata)
        .ok_or_else(|| Error::new("cargo metadata does not know diesel-cache's features"))
}

fn read_features(metadata: &Value) -> Option<Vec<String>> {
    let mut packages = metadata["packages"].as_array()?.iter();
    let library = packages.find(|package| package["name"] == "diesel-cache")?;
    let names = library["features"].as_object()?.keys();
    Some(names.filter(|name| *name != "default").cloned().collect())
}

/// The steps so far.
#[derive(Debug, Default)]
struct Steps {
    done: Vec<(String, Duration, bool)>,
}

impl Steps {
    fn cargo(&mut self, name: &str, command: Command) -> Result<()> {
        self.step(name, || Ok(process::run(command)?.success()))
    }

    fn step(&mut self, name: &str, run: impl FnOnce() -> Result<bool>) -> Result<()> {
        eprintln!("\n== {name}");
        let began = Instant::now();
        let good = match run() {
            Err(error) if !process::interrupted() => {
                eprintln!("error: {error}");
                false
            }
            other => other?,
        };
        self.done.push((name.to_owned(), began.elapsed(), good));
        Ok(())
    }

    /// To standard error, so that the tests' last line stays the last.
    fn report(&self) -> ExitCode {
        eprintln!();
        for (name, took, good) in &self.done {
            let verdict = if *good { "ok" } else { "FAILED" };
            let took = took.as_secs_f32();
            eprintln!("{name:<24}{took:>8.1} s  {verdict}");
        }
        match self.done.iter().all(|(_, _, good)| *good) {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn features_are_those_of_the_library() {
        let metadata = json!({"packages": [
            {"name": "xtask", "features": {"other": []}},
            {"name": "diesel-cache", "features": {"default": ["memory"], "memory": [], "sqlite": []}},
        ]});
        assert_eq!(read_features(&metadata).unwrap(), ["memory", "sqlite"]);
        assert!(read_features(&json!({"packages": []})).is_none());
    }

    #[test]
    fn a_failed_step_does_not_stop_the_others() {
        let mut steps = Steps::default();
        steps.step("a", || Err(Error::new("no"))).unwrap();
        steps.step("b", || Ok(true)).unwrap();
        let verdicts: Vec<_> = steps.done.iter().map(|step| step.2).collect();
        assert_eq!(verdicts, [false, true]);
        assert_eq!(steps.report(), ExitCode::FAILURE);
    }
}
