//! `cargo xtask soak`: builds the harness of `tests/soak`, starts the server of its database and
//! runs it. What its options mean is its own business.

use std::process::{Command, ExitCode, Stdio};

use crate::error::{Context, Error, Result};
use crate::process::{self, Group};
use crate::servers::{Kind, Servers};
use crate::{setup, workspace};

const PACKAGE: &str = "diesel-cache-soak";
/// The option that names the database, and what it is without it.
const DATABASE: &str = "--database";
const DEFAULT: &str = "postgres";

/// Runs the soak; `args` are its options.
pub(crate) fn command(args: &[String]) -> Result<ExitCode> {
    let kinds = server(database(args)?)?;
    // A debug build is too slow to be put under pressure.
    let build = workspace::cargo(&["build", "--release", "--package", PACKAGE]);
    let ended = process::run(build)?;
    if !ended.success() {
        return Err(Error::new(format!("building {PACKAGE} failed ({ended})")));
    }
    setup::ensure(&[kinds, &[Kind::Redis]].concat())?;
    let servers = Servers::start(kinds)?;
    let mut command = Command::new(workspace::target().join("release/soak"));
    command
        .args(args)
        .envs(servers.environment())
        .stdin(Stdio::null());
    // Killed with all its workers, should it have to be.
    let ended = Group::spawn(&mut command)
        .context("starting the soak")?
        .wait(None)?;
    Ok(match ended {
        process::Ended::Exited(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            ExitCode::from(code.unwrap_or(1))
        }
        process::Ended::TimedOut => ExitCode::FAILURE,
    })
}

/// The database that the options name.
fn database(args: &[String]) -> Result<&str> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == DATABASE {
            let name = args.next().map(String::as_str);
            return name.ok_or_else(|| Error::new(format!("`{DATABASE}` needs a name")));
        }
        let value = arg.strip_prefix(DATABASE);
        if let Some(name) = value.and_then(|value| value.strip_prefix('=')) {
            return Ok(name);
        }
    }
    Ok(DEFAULT)
}

/// The servers to start. The soak has stores of its own, which it may break.
fn server(database: &str) -> Result<&'static [Kind]> {
    match database {
        "postgres" => Ok(&[Kind::Postgres]),
        "mariadb" => Ok(&[Kind::Mariadb]),
        "sqlite" => Ok(&[]),
        other => Err(Error::new(format!(
            "`{other}` is none of postgres, mariadb, sqlite"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_database_is_found_among_the_options() {
        for (line, name) in [
            ("", "postgres"),
            ("--seconds 5 --database mariadb --seed 1", "mariadb"),
            ("--database=sqlite", "sqlite"),
        ] {
            assert_eq!(database(&words(line)).unwrap(), name);
            assert!(server(name).is_ok());
        }
        assert!(database(&words("--database")).is_err());
        assert!(server("oracle").is_err());
    }
}
