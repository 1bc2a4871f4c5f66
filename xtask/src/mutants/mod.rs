//! `cargo xtask mutants`: breaks each rule on purpose, in a copy of the
//! workspace, and requires that the rule's own tests notice.
//!
//! A rule that can be broken without a failing test is one that the next
//! refactoring loses. The table is in [`rules`].

mod rules;
mod scratch;
mod trial;

use std::process::ExitCode;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::servers::{Kind, Servers};
use crate::setup;

use self::scratch::Scratch;
use self::trial::{Fate, Trial};

/// A rule, how to break it, and the tests that must notice.
#[derive(Debug)]
pub(crate) struct Mutant {
    /// The rule's name, in kebab case.
    pub(crate) name: &'static str,
    /// The file that upholds it, relative to the workspace.
    pub(crate) file: &'static str,
    /// Source text that occurs exactly once in that file.
    pub(crate) find: &'static str,
    /// What to put in its place: it must compile.
    pub(crate) replace: &'static str,
    /// The tests that must notice, each as the arguments of a `cargo test`;
    /// one failing test is enough.
    pub(crate) tests: &'static [&'static [&'static str]],
    /// Whether these tests need the servers.
    pub(crate) servers: bool,
}

impl Mutant {
    /// The broken text of the file whose text is `original`.
    fn apply(&self, original: &str) -> Result<String> {
        match original.matches(self.find).count() {
            1 => Ok(original.replacen(self.find, self.replace, 1)),
            count => Err(Error::new(format!(
                "{}: its text occurs {count} times in {}, not once: fix the table",
                self.name, self.file
            ))),
        }
    }
}

/// Tries the named rules, or all of them.
pub(crate) fn command(names: &[String], list: bool) -> Result<ExitCode> {
    let mutants = choose(names)?;
    if list {
        for mutant in &mutants {
            println!("{:<40} {}", mutant.name, mutant.file);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let scratch = Scratch::new()?;
    for mutant in &mutants {
        mutant.apply(scratch.original(mutant.file)?)?;
    }
    let servers = match mutants.iter().any(|mutant| mutant.servers) {
        true => {
            setup::ensure(Kind::ALL)?;
            Some(Servers::start(Kind::ALL)?)
        }
        false => None,
    };
    let trial = Trial::new(&scratch, servers.as_ref());
    baseline(&trial, &mutants)?;
    let mut bad = 0;
    for mutant in &mutants {
        let began = Instant::now();
        let fate = try_one(&trial, mutant)?;
        bad += usize::from(!matches!(fate, Fate::Killed(_)));
        let took = began.elapsed().as_secs_f32();
        println!("{:<40} {fate} [{took:.1} s]", mutant.name);
    }
    println!("mutants: {} killed, {bad} not", mutants.len() - bad);
    Ok(match bad {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn choose(names: &[String]) -> Result<Vec<&'static Mutant>> {
    let all = || rules::ALL.iter().copied().flatten();
    if names.is_empty() {
        return Ok(all().collect());
    }
    let find = |name: &String| {
        let found = all().find(|mutant| mutant.name == name);
        found.ok_or_else(|| Error::new(format!("no rule `{name}`: see `mutants --list`")))
    };
    names.iter().map(find).collect()
}

/// The tests must pass, and there must be some, while nothing is broken.
fn baseline(trial: &Trial<'_>, mutants: &[&Mutant]) -> Result<()> {
    let mut seen = Vec::new();
    for test in mutants.iter().flat_map(|mutant| mutant.tests) {
        if seen.contains(test) {
            continue;
        }
        seen.push(test);
        let words = test.join(" ");
        eprintln!("mutants: baseline: cargo test {words}");
        let broken = match trial.run(test)? {
            Fate::Survived(0) => "no test matches",
            Fate::Survived(_) => continue,
            fate => return Err(Error::new(format!("baseline: `{words}`: {fate}"))),
        };
        return Err(Error::new(format!("baseline: `{words}`: {broken}")));
    }
    Ok(())
}

fn try_one(trial: &Trial<'_>, mutant: &Mutant) -> Result<Fate> {
    let _restored_when_dropped = trial.scratch().mutate(mutant)?;
    let mut ran = 0;
    for test in mutant.tests {
        match trial.run(test)? {
            Fate::Survived(count) => ran += count,
            fate => return Ok(fate),
        }
    }
    Ok(Fate::Survived(ran))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use crate::workspace;

    use super::*;

    #[test]
    fn every_rule_of_the_table_fits_the_sources() {
        let mut misfits = Vec::new();
        for mutant in choose(&[]).unwrap() {
            let path = workspace::root().join(mutant.file);
            let text = fs::read_to_string(&path).expect(mutant.file);
            match mutant.apply(&text) {
                Ok(broken) => assert_ne!(broken, text, "{} changes nothing", mutant.name),
                Err(error) => misfits.push(error.to_string()),
            }
            assert!(!mutant.tests.is_empty(), "{} has no test", mutant.name);
        }
        assert!(misfits.is_empty(), "{}", misfits.join("\n"));
    }

    #[test]
    fn every_rule_has_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for mutant in choose(&[]).unwrap() {
            assert!(names.insert(mutant.name), "{} twice", mutant.name);
        }
        assert!(choose(&["no-such-rule".into()]).is_err());
    }

    #[test]
    fn text_that_is_not_unique_is_refused() {
        let mutant = Mutant {
            name: "rule",
            file: "src/lib.rs",
            find: "a < b",
            replace: "a > b",
            tests: &[&["--lib"]],
            servers: false,
        };
        assert_eq!(mutant.apply("if a < b {}").unwrap(), "if a > b {}");
        assert!(mutant.apply("a < b; a < b").is_err());
        assert!(mutant.apply("a <= b").is_err());
    }
}
