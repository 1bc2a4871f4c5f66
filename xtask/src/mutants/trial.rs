//! Running a rule's tests in the copy.

use std::fmt;
use std::process::Command;
use std::time::Duration;

use crate::error::Result;
use crate::process::{self, Ended};
use crate::servers::Servers;
use crate::test::Output;
use crate::workspace;

use super::scratch::Scratch;

/// How long building the tests may take.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// How long the tests may take: a broken rule may also wait for ever.
const TEST_LIMIT: Duration = Duration::from_secs(300);
/// How many lines of the output an error shows.
const TAIL: usize = 25;

/// What the tests made of the copy as it is.
#[derive(Debug)]
pub(super) enum Fate {
    /// They noticed, by these tests or in this way.
    Killed(String),
    /// They did not notice; so many ran.
    Survived(usize),
    /// There was nothing to run, for this reason.
    DoesNotCompile(String),
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed(how) => write!(f, "killed by {how}"),
            Self::Survived(count) => write!(f, "SURVIVED {count} tests"),
            Self::DoesNotCompile(why) => write!(f, "does not compile: fix the table\n{why}"),
        }
    }
}

/// The copy, and what its tests need.
pub(super) struct Trial<'a> {
    scratch: &'a Scratch,
    servers: Option<&'a Servers>,
}

impl<'a> Trial<'a> {
    pub(super) fn new(scratch: &'a Scratch, servers: Option<&'a Servers>) -> Self {
        Self { scratch, servers }
    }

    pub(super) fn scratch(&self) -> &'a Scratch {
        self.scratch
    }

    /// Runs `cargo test` with these arguments.
    pub(super) fn run(&self, test: &[&str]) -> Result<Fate> {
        let mut tail = Vec::new();
        let build = self.cargo(&build_words(test));
        let built = process::stream(build, Some(BUILD_LIMIT), |line| {
            tail.push(line.to_owned());
        })?;
        if !built.success() {
            let from = tail.len().saturating_sub(TAIL);
            return Ok(Fate::DoesNotCompile(tail[from..].join("\n")));
        }
        let mut words = vec!["test", "--no-fail-fast"];
        words.extend(test);
        let mut output = Output::default();
        let mut last = String::new();
        let ended = process::stream(self.cargo(&words), Some(TEST_LIMIT), |line| {
            output.line(line);
            line.clone_into(&mut last);
        })?;
        Ok(judge(&output, ended, &last))
    }

    fn cargo(&self, words: &[&str]) -> Command {
        let mut command = workspace::cargo_in(&self.scratch.tree(), words);
        command.env("CARGO_TARGET_DIR", self.scratch.target());
        if let Some(servers) = self.servers {
            command.envs(servers.environment());
        }
        command
    }
}

/// The command that builds what `cargo test` with these arguments runs.
fn build_words<'a>(test: &[&'a str]) -> Vec<&'a str> {
    let own = || test.iter().copied().take_while(|word| *word != "--");
    if !own().any(|word| word == "--doc") {
        return ["test", "--no-run"].into_iter().chain(own()).collect();
    }
    // cargo builds doctests only while it runs them: then, the library, which
    // takes neither `--doc` nor a filter.
    let mut words = vec!["build"];
    let mut is_value = false;
    for word in own().filter(|word| *word != "--doc") {
        if is_value || word.starts_with('-') {
            words.push(word);
        }
        is_value = VALUED.contains(&word);
    }
    words
}

/// The options of cargo that are followed by a value.
const VALUED: &[&str] = &["-p", "--package", "-F", "--features"];

fn judge(output: &Output, ended: Ended, last: &str) -> Fate {
    let failed: Vec<_> = output.failed().collect();
    match ended {
        Ended::TimedOut => Fate::Killed(format!("running out of {TEST_LIMIT:?}")),
        _ if !failed.is_empty() => Fate::Killed(failed.join(", ")),
        Ended::Exited(status) if status.success() => Fate::Survived(output.ran()),
        // It was built, and yet no test ended: the binary itself died.
        Ended::Exited(_) if output.binaries.iter().any(|one| !one.complete) => {
            Fate::Killed(format!("the end of its test binary ({last})"))
        }
        Ended::Exited(_) => Fate::DoesNotCompile(last.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn exited(code: i32) -> Ended {
        Ended::Exited(ExitStatus::from_raw(code << 8))
    }

    fn output(lines: &str) -> Output {
        let mut output = Output::default();
        output.line("Running tests/it.rs (target/it)");
        output.line("running 1 test");
        lines.lines().for_each(|line| output.line(line));
        output
    }

    #[test]
    fn only_a_test_that_notices_kills() {
        let good = output(
            "test a ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        );
        assert!(matches!(judge(&good, exited(0), ""), Fate::Survived(1)));
        let bad = output("test a::b ... FAILED\nfailures:\n");
        assert!(matches!(judge(&bad, exited(101), ""), Fate::Killed(how) if how == "a::b"));
        let slow = judge(&output(""), Ended::TimedOut, "");
        assert!(matches!(slow, Fate::Killed(_)));
        let died = judge(&output(""), exited(101), "SIGABRT");
        assert!(matches!(died, Fate::Killed(_)));
        let nothing = judge(&Output::default(), exited(101), "");
        assert!(matches!(nothing, Fate::DoesNotCompile(_)));
    }

    #[test]
    fn doctests_are_built_as_the_library() {
        let test = ["--package", "a", "--doc", "x"];
        assert_eq!(build_words(&test), ["build", "--package", "a"]);
    }

    #[test]
    fn arguments_of_the_binary_are_not_for_the_build() {
        let test = ["--lib", "a", "--", "--exact"];
        assert_eq!(build_words(&test), ["test", "--no-run", "--lib", "a"]);
    }
}
