//! The command line.

use crate::error::{Error, Result};
use crate::test::Database;

/// The help text.
pub(crate) const USAGE: &str = "\
cargo xtask <command>

  test [--only sqlite|postgres|mysql] [-- ARGS]
                        run all tests against private servers and say what ran;
                        ARGS go to the test binaries (a name filter, --nocapture)
  setup                 install what the tests need (as root), or say what is missing
  servers [-- CMD ...]  start the test servers, print their URLs and wait for Ctrl-C,
                        or run CMD with the URLs in its environment
  layers                check the layer rule of src/
  mutants [NAME ...] [--list]
                        break each rule on purpose: some test must fail
  ci [--no-test]        everything CI checks
  model [--full] [NAME ...]
                        check the model of the protocol, and that each of its mutants falls
  soak [OPTIONS]        several processes under faults, and a checked history;
                        its options stand in tests/soak/src/options.rs
  replay --trace FILE --database sqlite|postgres|mariadb --backend memory|redis [--verify]
                        replay a trace of a blog and say how many of its reads were hits;
                        all options stand in tests/replay/README.md
  bench [-- ARGS]       run the benches and compare each with its group's baseline
  help                  this text";

/// A command and its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Setup,
    Servers {
        command: Vec<String>,
    },
    Test {
        only: Option<Database>,
        args: Vec<String>,
    },
    Layers,
    Mutants {
        names: Vec<String>,
        list: bool,
    },
    Ci {
        no_test: bool,
    },
    Bench {
        args: Vec<String>,
    },
    Soak {
        args: Vec<String>,
    },
    Replay {
        args: Vec<String>,
    },
    Model {
        names: Vec<String>,
        full: bool,
    },
}

/// Reads the command line, without the program's name.
///
/// # Errors
///
/// Names the first argument that is not understood.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command> {
    let mut own: Vec<String> = args.into_iter().collect();
    let rest = match own.iter().position(|arg| arg == "--") {
        Some(at) => {
            let rest = own.split_off(at + 1);
            own.pop();
            Some(rest)
        }
        None => None,
    };
    let takes_rest = matches!(
        own.first().map(String::as_str),
        Some("test" | "servers" | "bench")
    );
    if rest.is_some() && !takes_rest {
        return Err(Error::new("this command takes nothing after `--`"));
    }
    let rest = rest.unwrap_or_default();
    if own.iter().any(|arg| arg == "--help" || arg == "-h") {
        return Ok(Command::Help);
    }
    let mut own = own.into_iter();
    let command = match own.next().as_deref() {
        None | Some("help") => Command::Help,
        Some("setup") => Command::Setup,
        Some("layers") => Command::Layers,
        Some("servers") => Command::Servers { command: rest },
        Some("bench") => Command::Bench { args: rest },
        Some("soak") => Command::Soak {
            args: own.by_ref().collect(),
        },
        Some("replay") => Command::Replay {
            args: own.by_ref().collect(),
        },
        Some("model") => {
            let (flags, names): (Vec<_>, Vec<_>) = own.by_ref().partition(|a| a.starts_with('-'));
            Command::Model {
                names,
                full: flag(&mut flags.into_iter(), "--full")?,
            }
        }
        Some("ci") => Command::Ci {
            no_test: flag(&mut own, "--no-test")?,
        },
        Some("test") => Command::Test {
            only: only(&mut own)?,
            args: rest,
        },
        Some("mutants") => {
            let (flags, names): (Vec<_>, Vec<_>) = own.by_ref().partition(|a| a.starts_with('-'));
            Command::Mutants {
                names,
                list: flag(&mut flags.into_iter(), "--list")?,
            }
        }
        Some(other) => return Err(Error::new(format!("unknown command `{other}`"))),
    };
    match own.next() {
        Some(extra) => Err(Error::new(format!("unexpected argument `{extra}`"))),
        None => Ok(command),
    }
}

fn flag(args: &mut impl Iterator<Item = String>, name: &str) -> Result<bool> {
    match args.next() {
        None => Ok(false),
        Some(arg) if arg == name => Ok(true),
        Some(arg) => Err(Error::new(format!("unexpected argument `{arg}`"))),
    }
}

fn only(args: &mut impl Iterator<Item = String>) -> Result<Option<Database>> {
    let name = match args.next() {
        None => return Ok(None),
        Some(arg) if arg == "--only" => args
            .next()
            .ok_or_else(|| Error::new("`--only` needs a database"))?,
        Some(arg) => match arg.strip_prefix("--only=") {
            Some(name) => name.to_owned(),
            None => return Err(Error::new(format!("unexpected argument `{arg}`"))),
        },
    };
    match Database::from_segment(&name) {
        Some(database) => Ok(Some(database)),
        None => Err(Error::new(format!(
            "`{name}` is none of sqlite, postgres, mysql"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn test_takes_a_database_and_arguments_for_the_binaries() {
        assert_eq!(
            words("test --only=mysql -- joins --nocapture").unwrap(),
            Command::Test {
                only: Some(Database::Mysql),
                args: vec!["joins".into(), "--nocapture".into()],
            }
        );
        assert!(words("test --only oracle").is_err());
        assert!(words("test joins").is_err());
    }

    #[test]
    fn mutants_takes_names_and_a_flag_in_any_order() {
        let expected = Command::Mutants {
            names: vec!["a".into(), "b".into()],
            list: true,
        };
        assert_eq!(words("mutants a --list b").unwrap(), expected);
        assert!(words("mutants --lost").is_err());
    }

    #[test]
    fn model_takes_names_and_a_flag_in_any_order() {
        let expected = Command::Model {
            names: vec!["flush".into()],
            full: true,
        };
        assert_eq!(words("model flush --full").unwrap(), expected);
        assert!(words("model --large").is_err());
    }

    #[test]
    fn stray_arguments_are_errors() {
        assert!(words("layers now").is_err());
        assert!(words("layers -- now").is_err());
        assert!(words("ci --fast").is_err());
        assert!(words("dance").is_err());
        assert_eq!(words("").unwrap(), Command::Help);
    }

    #[test]
    fn the_options_of_the_soak_are_its_own() {
        let expected = Command::Soak {
            args: vec!["--seconds".into(), "5".into(), "--faults=all".into()],
        };
        assert_eq!(words("soak --seconds 5 --faults=all").unwrap(), expected);
    }

    #[test]
    fn the_options_of_the_replay_are_its_own() {
        let expected = Command::Replay {
            args: vec!["--trace".into(), "f".into(), "--verify".into()],
        };
        assert_eq!(words("replay --trace f --verify").unwrap(), expected);
    }
}
