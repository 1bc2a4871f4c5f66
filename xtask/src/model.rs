//! `cargo xtask model`: builds the model of `tests/model`, and checks its scopes and mutants.

use std::process::{Command, ExitCode, Stdio};

use crate::error::{Context, Error, Result};
use crate::process::{self, Ended, Group};
use crate::workspace;

const PACKAGE: &str = "diesel-cache-model";

/// Checks the small scopes and all mutants; with `full` the large scopes, too; with names only
/// what is called so.
pub(crate) fn command(names: &[String], full: bool) -> Result<ExitCode> {
    // A debug build would take an hour.
    let build = workspace::cargo(&["build", "--release", "--package", PACKAGE]);
    let ended = process::run(build)?;
    if !ended.success() {
        return Err(Error::new(format!("building {PACKAGE} failed ({ended})")));
    }
    let mut command = Command::new(workspace::target().join("release/model"));
    command
        .args(full.then_some("--full"))
        .args(names)
        .stdin(Stdio::null());
    let ended = Group::spawn(&mut command)
        .context("starting the model")?
        .wait(None)?;
    Ok(match ended {
        Ended::Exited(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
