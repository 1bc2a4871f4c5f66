//! `cargo xtask replay`: builds the program of `tests/replay`, starts the servers that its options
//! name and runs it. What the other options mean is its own business.

use std::process::{Command, ExitCode, Stdio};

use crate::error::{Context, Error, Result};
use crate::process::{self, Ended, Group};
use crate::servers::{Kind, Servers};
use crate::{setup, workspace};

const PACKAGE: &str = "diesel-cache-replay";

/// Runs the replay; `args` are its options.
pub(crate) fn command(args: &[String]) -> Result<ExitCode> {
    let kinds = kinds(args)?;
    // A debug build takes a minute for what takes seconds.
    let build = workspace::cargo(&["build", "--release", "--package", PACKAGE]);
    let ended = process::run(build)?;
    if !ended.success() {
        return Err(Error::new(format!("building {PACKAGE} failed ({ended})")));
    }
    let servers = match kinds.is_empty() {
        true => None,
        false => {
            setup::ensure(&kinds)?;
            Some(Servers::start(&kinds)?)
        }
    };
    let mut command = Command::new(workspace::target().join("release/replay"));
    command.args(args).stdin(Stdio::null());
    if let Some(servers) = &servers {
        command.envs(servers.environment());
    }
    let ended = Group::spawn(&mut command)
        .context("starting the replay")?
        .wait(None)?;
    Ok(match ended {
        Ended::Exited(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            ExitCode::from(code.unwrap_or(1))
        }
        Ended::TimedOut => ExitCode::FAILURE,
    })
}

/// The servers to start: of the database, and of the store.
fn kinds(args: &[String]) -> Result<Vec<Kind>> {
    let mut kinds = Vec::new();
    match option(args, "--database")? {
        Some("postgres") => kinds.push(Kind::Postgres),
        Some("mariadb") => kinds.push(Kind::Mariadb),
        // What else it may be is told by the program.
        _ => {}
    }
    if option(args, "--backend")? == Some("redis") {
        kinds.push(Kind::Redis);
    }
    Ok(kinds)
}

/// The value of an option; of several, the last.
fn option<'a>(args: &'a [String], name: &str) -> Result<Option<&'a str>> {
    let mut found = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == name {
            let value = args.next().map(String::as_str);
            let value = value.ok_or_else(|| Error::new(format!("`{name}` needs a value")))?;
            found = Some(value);
        } else if let Some(value) = arg.strip_prefix(name)
            && let Some(value) = value.strip_prefix('=')
        {
            found = Some(value);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds_of(line: &str) -> Result<Vec<Kind>> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        kinds(&args)
    }

    #[test]
    fn the_servers_are_found_among_the_options() {
        for (line, kinds) in [
            ("", vec![]),
            ("--verify --database sqlite --backend memory", vec![]),
            (
                "--database=mariadb --backend memory --trace f",
                vec![Kind::Mariadb],
            ),
            (
                "--backend=redis --database postgres",
                vec![Kind::Postgres, Kind::Redis],
            ),
        ] {
            assert_eq!(kinds_of(line).unwrap(), kinds, "{line}");
        }
        assert!(kinds_of("--database").is_err());
    }
}
