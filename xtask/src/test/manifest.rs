//! What ran, and whether that is everything.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::process::Ended;

use super::output::{Binary, Output, Verdict};

/// A database that tests are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
    Mysql,
}

impl Database {
    const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mysql];

    /// The segment of a test's path that says it is about this database.
    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }

    /// The database that `segment` stands for.
    pub(crate) fn from_segment(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.segment() == segment)
    }

    fn of_test(name: &str) -> Option<Self> {
        name.split("::").find_map(Self::from_segment)
    }
}

/// How much was asked for, which decides what must have run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// All of it: every suite and every database must have tests.
    Everything,
    /// Only the tests of this database.
    Database(Database),
    /// What the caller's own filter leaves.
    Filtered,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl Count {
    fn ran(self) -> usize {
        self.passed + self.failed
    }

    fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed => self.failed += 1,
            Verdict::Ignored => self.ignored += 1,
        }
    }
}

/// Tests that ran in one go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suite {
    pub(super) name: &'static str,
    /// Whether tests were left out that another suite runs.
    pub(super) is_part: bool,
}

/// What ran in one test run, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Manifest {
    scope: Scope,
    suites: Vec<(&'static str, Count, Duration)>,
    subjects: BTreeMap<&'static str, Count>,
    failures: Vec<String>,
    problems: Vec<String>,
}

impl Manifest {
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            scope,
            suites: Vec::new(),
            subjects: BTreeMap::new(),
            failures: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Adds what the tests of a suite printed, and how their command ended.
    pub(super) fn add(&mut self, which: Suite, output: Output, ended: Ended, took: Duration) {
        let package = which.name;
        let mut suite = Count::default();
        for binary in &output.binaries {
            self.check(which, binary);
            for (name, verdict) in &binary.tests {
                suite.add(*verdict);
                let subject = subject(package, binary.doc, name);
                self.subjects.entry(subject).or_default().add(*verdict);
                match verdict {
                    Verdict::Passed => {}
                    Verdict::Failed => self.failures.push(format!("{package}: {name}")),
                    Verdict::Ignored => {
                        self.problems.push(format!("{package}: {name} is ignored"));
                    }
                }
            }
        }
        if self.scope == Scope::Everything && suite.ran() == 0 {
            self.problems.push(format!("{package}: no test ran"));
        }
        if !ended.success() && suite.failed == 0 {
            let problem = format!("{package}: cargo test failed ({ended})");
            self.problems.push(problem);
        }
        self.suites.push((package, suite, took));
    }

    /// Whether all that should have run has run, and passed.
    pub(super) fn is_good(&self) -> bool {
        self.failures.is_empty() && self.all_problems().is_empty()
    }

    fn check(&mut self, suite: Suite, binary: &Binary) {
        let package = suite.name;
        let name = &binary.name;
        if !binary.complete {
            let problem = format!("{package}: {name} did not finish");
            self.problems.push(problem);
        } else if !binary.adds_up() {
            let problem = format!(
                "{package}: {name} counts {:?} (passed, failed, ignored), but other tests were seen",
                binary.summed
            );
            self.problems.push(problem);
        }
        if self.scope == Scope::Everything {
            if binary.filtered > 0 && !suite.is_part {
                let problem = format!("{package}: {name} left out {} tests", binary.filtered);
                self.problems.push(problem);
            }
            // Integration tests exist for their tests; a library's own may be elsewhere.
            let has_own = !binary.doc && !name.starts_with("unittests ");
            if has_own && binary.tests.is_empty() && binary.complete {
                self.problems.push(format!("{package}: {name} has no test"));
            }
        }
    }

    /// Those found on the way, and those that only the whole shows.
    fn all_problems(&self) -> Vec<String> {
        let mut problems = self.problems.clone();
        let required = match self.scope {
            Scope::Everything => Database::ALL.to_vec(),
            Scope::Database(database) => vec![database],
            Scope::Filtered => Vec::new(),
        };
        for database in required {
            if self.subject(database.segment()).ran() == 0 {
                problems.push(format!("{}: no test ran", database.segment()));
            }
        }
        if self.total().ran() == 0 {
            problems.push("no test ran at all".to_owned());
        }
        problems
    }

    fn subject(&self, name: &str) -> Count {
        self.subjects.get(name).copied().unwrap_or_default()
    }

    fn total(&self) -> Count {
        let mut total = Count::default();
        for (_, suite, _) in &self.suites {
            total.passed += suite.passed;
            total.failed += suite.failed;
            total.ignored += suite.ignored;
        }
        total
    }
}

/// Whether a suite has tests of databases.
fn is_of_databases(suite: &str) -> bool {
    let whole = ["axum_blog", "diesel-cache", "diesel-cache-replay"];
    whole.contains(&suite) || suite.starts_with("diesel-cache-databases")
}

/// What a test counts as.
fn subject(package: &'static str, doc: bool, name: &str) -> &'static str {
    let database = match is_of_databases(package) && !doc {
        true => Database::of_test(name),
        false => None,
    };
    match (database, package) {
        (Some(database), _) => database.segment(),
        (None, _) if doc => "doc",
        (None, "diesel-cache") => "library",
        (None, "diesel-cache-derive") => "derive",
        (None, "diesel-cache-databases") => "databases, any",
        (None, "diesel-cache-faults") => "faults",
        (None, "diesel-cache-stores") => "stores",
        (None, "diesel-cache-soak") => "soak",
        (None, "diesel-cache-model") => "model",
        (None, "diesel-cache-replay") => "replay",
        (None, "axum_blog") => "example, any",
        (None, other) => other,
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["passed", "failed", "ignored"];
        let [passed, failed, ignored] = head;
        writeln!(f, "{:<24}{passed:>8}{failed:>8}{ignored:>9}", "suite")?;
        for (name, count, took) in &self.suites {
            row(f, name, *count)?;
            writeln!(f, "{:>9.1} s", took.as_secs_f32())?;
        }
        writeln!(f, "\n{:<24}{passed:>8}{failed:>8}{ignored:>9}", "about")?;
        let mut subjects = self.subjects.clone();
        if self.scope == Scope::Everything {
            for database in Database::ALL {
                subjects.entry(database.segment()).or_default();
            }
        }
        for (name, count) in subjects {
            row(f, name, count)?;
            writeln!(f)?;
        }
        let problems = self.all_problems();
        if !self.is_good() {
            writeln!(f)?;
        }
        for failure in &self.failures {
            writeln!(f, "FAILED   {failure}")?;
        }
        for problem in &problems {
            writeln!(f, "PROBLEM  {problem}")?;
        }
        let total = self.total();
        // A run that is wrong in another way must not end in "0 failed".
        let failed = total.failed + problems.len();
        write!(f, "\n{} passed, {failed} failed", total.passed)
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, count: Count) -> fmt::Result {
    let Count {
        passed,
        failed,
        ignored,
    } = count;
    write!(f, "{name:<24}{passed:>8}{failed:>8}{ignored:>9}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    /// A run of one integration binary with these lines of tests.
    fn manifest(scope: Scope, runs: &[(&'static str, &[&str])]) -> Manifest {
        let mut manifest = Manifest::new(scope);
        for (package, lines) in runs {
            let count = |end: &str| lines.iter().filter(|line| line.ends_with(end)).count();
            let (passed, failed, ignored) = (count(" ok"), count("FAILED"), count("ignored"));
            let mut output = Output::default();
            output.line("     Running tests/it/main.rs (target/it)");
            output.line(&format!("running {} tests", lines.len()));
            lines.iter().for_each(|line| output.line(line));
            output.line(&format!(
                "test result: x. {passed} passed; {failed} failed; {ignored} ignored; \
                 0 measured; 0 filtered out"
            ));
            let status = if failed > 0 { 101 << 8 } else { 0 };
            let ended = Ended::Exited(ExitStatus::from_raw(status));
            manifest.add(whole(package), output, ended, Duration::ZERO);
        }
        manifest
    }

    fn whole(name: &'static str) -> Suite {
        Suite {
            name,
            is_part: false,
        }
    }

    const ALL: [&str; 3] = [
        "test sqlite::a ... ok",
        "test postgres::behaviour::a ... ok",
        "test mysql::a ... ok",
    ];

    #[test]
    fn a_full_run_is_good() {
        let library = ("diesel-cache", &["test key::a ... ok"][..]);
        let manifest = manifest(
            Scope::Everything,
            &[library, ("diesel-cache-databases", &ALL)],
        );
        assert!(manifest.is_good(), "{manifest}");
        assert_eq!(manifest.subject("library").passed, 1);
        assert_eq!(manifest.subject("postgres").passed, 1);
        assert!(manifest.to_string().ends_with("\n4 passed, 0 failed"));
    }

    #[test]
    fn an_ignored_test_is_a_problem() {
        let mut lines = ALL.to_vec();
        lines.push("test sqlite::b ... ignored");
        let manifest = manifest(Scope::Everything, &[("diesel-cache-databases", &lines)]);
        assert!(!manifest.is_good());
        assert!(manifest.to_string().contains("sqlite::b is ignored"));
    }

    #[test]
    fn a_test_that_was_left_out_is_a_problem_unless_another_suite_runs_it() {
        for (is_part, is_good) in [(false, false), (true, true)] {
            let mut manifest = manifest(Scope::Everything, &[("diesel-cache-databases", &ALL)]);
            let mut output = Output::default();
            for line in [
                "     Running unittests src/lib.rs (target/lib)",
                "running 1 test",
                "test key::a ... ok",
                "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 463 filtered out",
            ] {
                output.line(line);
            }
            let suite = Suite {
                is_part,
                ..whole("diesel-cache")
            };
            let ended = Ended::Exited(ExitStatus::from_raw(0));
            manifest.add(suite, output, ended, Duration::ZERO);
            assert_eq!(manifest.is_good(), is_good, "{manifest}");
        }
    }

    #[test]
    fn a_database_without_tests_is_a_problem() {
        let run = [("diesel-cache-databases", &ALL[..2])];
        assert!(!manifest(Scope::Everything, &run).is_good());
        assert!(manifest(Scope::Database(Database::Sqlite), &run).is_good());
        assert!(!manifest(Scope::Database(Database::Mysql), &run).is_good());
        assert!(manifest(Scope::Filtered, &run).is_good());
    }

    #[test]
    fn a_suite_without_tests_is_a_problem() {
        let empty = ("xtask", &[][..]);
        let full = ("diesel-cache-databases", &ALL[..]);
        assert!(!manifest(Scope::Everything, &[full, empty]).is_good());
        assert!(manifest(Scope::Filtered, &[full, empty]).is_good());
        assert!(!manifest(Scope::Filtered, &[empty]).is_good());
    }

    #[test]
    fn a_failed_test_is_named() {
        let lines = ["test mysql::a ... FAILED", "test mysql::b ... ok"];
        let scope = Scope::Database(Database::Mysql);
        let manifest = manifest(scope, &[("diesel-cache-databases", &lines)]);
        assert!(!manifest.is_good());
        let text = manifest.to_string();
        assert!(text.contains("FAILED   diesel-cache-databases: mysql::a"));
        assert!(text.ends_with("\n1 passed, 1 failed"), "{text}");
    }

    #[test]
    fn a_command_that_fails_without_a_failed_test_is_a_problem() {
        let mut manifest = manifest(Scope::Filtered, &[("diesel-cache-databases", &ALL)]);
        let ended = Ended::Exited(ExitStatus::from_raw(101 << 8));
        manifest.add(whole("xtask"), Output::default(), ended, Duration::ZERO);
        assert!(!manifest.is_good());
        assert!(manifest.to_string().ends_with("\n3 passed, 1 failed"));
    }

    #[test]
    fn only_packages_with_databases_count_for_them() {
        assert_eq!(subject("xtask", false, "a::postgres::b"), "xtask");
        assert_eq!(subject("diesel-cache", false, "sqlite::b"), "sqlite");
        assert_eq!(subject("diesel-cache", false, "is_sqlite::b"), "library");
        assert_eq!(subject("diesel-cache", true, "src/lib.rs - a"), "doc");
    }
}
