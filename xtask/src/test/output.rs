//! Reading what `cargo test` prints.

/// What became of one test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed,
    Ignored,
}

/// A test binary, or the doctests of a crate.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Binary {
    /// As cargo names it: `unittests src/lib.rs`, `tests/it/main.rs`.
    pub(crate) name: String,
    /// Whether these are doctests.
    pub(crate) doc: bool,
    /// Each test that was seen to end.
    pub(crate) tests: Vec<(String, Verdict)>,
    /// What the binary itself says: passed, failed, ignored.
    pub(crate) summed: [usize; 3],
    /// How many tests the binary left out by name.
    pub(crate) filtered: usize,
    /// Whether the binary got as far as its summary.
    pub(crate) complete: bool,
}

/// The output of one `cargo test`, line by line.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// The binaries that were run, in order.
    pub(crate) binaries: Vec<Binary>,
    /// Between `running N tests` and the list of failures or the summary.
    in_tests: bool,
    /// Between the list of failures and the summary.
    in_failures: bool,
}

impl Output {
    /// Takes the next line.
    pub(crate) fn line(&mut self, line: &str) {
        let line = strip_colors(line);
        let line = line.trim_end();
        if let Some(binary) = header(line.trim_start()) {
            self.in_tests = false;
            self.in_failures = false;
            self.binaries.push(binary);
            return;
        }
        let Some(binary) = self.binaries.last_mut() else {
            return;
        };
        if line.starts_with("running ") && (line.ends_with(" tests") || line.ends_with(" test")) {
            self.in_tests = true;
            self.in_failures = false;
            binary.complete = false;
        } else if line == "failures:" {
            // From here on, captured output: it may look like anything.
            self.in_tests = false;
            self.in_failures = true;
        } else if let Some(summary) = line.strip_prefix("test result: ") {
            if self.in_failures && !summary.starts_with("FAILED") {
                return;
            }
            if let Some((counts, filtered)) = read_summary(summary) {
                for (sum, count) in binary.summed.iter_mut().zip(counts) {
                    *sum += count;
                }
                binary.filtered += filtered;
                binary.complete = true;
                self.in_tests = false;
                self.in_failures = false;
            }
        } else if self.in_tests {
            binary.tests.extend(read_test(line, binary.doc));
        }
    }

    /// The names of the tests that failed.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &str> {
        let tests = self.binaries.iter().flat_map(|binary| &binary.tests);
        tests
            .filter(|(_, verdict)| *verdict == Verdict::Failed)
            .map(|(name, _)| name.as_str())
    }

    /// How many tests ran.
    pub(crate) fn ran(&self) -> usize {
        let sums = self.binaries.iter().map(|binary| binary.summed);
        sums.map(|[passed, failed, _]| passed + failed).sum()
    }
}

impl Binary {
    /// How many tests ended this way, by name.
    pub(crate) fn count(&self, wanted: Verdict) -> usize {
        let verdicts = self.tests.iter().map(|(_, verdict)| *verdict);
        verdicts.filter(|verdict| *verdict == wanted).count()
    }

    /// Whether the tests seen by name are those of the binary's own summary.
    pub(crate) fn adds_up(&self) -> bool {
        let seen = [Verdict::Passed, Verdict::Failed, Verdict::Ignored];
        self.summed == seen.map(|verdict| self.count(verdict))
    }
}

fn header(line: &str) -> Option<Binary> {
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some(Binary {
            name: format!("doctests of {name}"),
            doc: true,
            ..Binary::default()
        });
    }
    // `Running unittests src/lib.rs (target/debug/deps/diesel_cache-0123456789abcdef)`
    let (name, path) = line.strip_prefix("Running ")?.rsplit_once(" (")?;
    path.ends_with(')').then(|| Binary {
        name: name.to_owned(),
        ..Binary::default()
    })
}

fn read_test(line: &str, doc: bool) -> Option<(String, Verdict)> {
    // What a test's child process printed without a newline may come before it.
    let start = match line.starts_with("test ") {
        true => 0,
        false => line.rfind("test ")?,
    };
    let (name, verdict) = line[start..].strip_prefix("test ")?.rsplit_once(" ... ")?;
    let verdict = match verdict {
        "ok" => Verdict::Passed,
        "FAILED" => Verdict::Failed,
        _ if verdict.starts_with("ignored") => Verdict::Ignored,
        _ => return None,
    };
    let name = name.strip_suffix(" - should panic").unwrap_or(name);
    // trybuild reports files in the very same form: `test ui/fail/a.rs ... ok`.
    let is_test = match doc {
        true => name.contains("(line "),
        false => !name.contains(['/', ' ']) && !name.ends_with(".rs"),
    };
    is_test.then(|| (name.to_owned(), verdict))
}

/// `ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s`
fn read_summary(text: &str) -> Option<([usize; 3], usize)> {
    let (_, counts) = text.split_once(". ")?;
    let count = |what: &str| -> Option<usize> {
        let part = counts.split("; ").find_map(|part| part.strip_suffix(what));
        part?.trim().parse().ok()
    };
    let ended = [count("passed")?, count("failed")?, count("ignored")?];
    Some((ended, count("filtered out")?))
}

fn strip_colors(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        if char == '\u{1b}' {
            // `ESC [ … letter`
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(char);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Output {
        let mut output = Output::default();
        text.lines().for_each(|line| output.line(line));
        output
    }

    const TWO_BINARIES: &str = "\
   Compiling diesel-cache v0.1.0
     Running unittests src/lib.rs (target/debug/deps/diesel_cache-0123)

running 3 tests
test key::tests::differs ... ok
test key::tests::panics - should panic ... ok
test slow ... ignored, takes an hour

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

\u{1b}[1m\u{1b}[92m     Running\u{1b}[0m tests/it/main.rs (target/debug/deps/it-4567)

running 2 tests
test ui/fail/a.rs ... ok
noise without a newlinetest sqlite::joins ... ok
test sqlite::views ... FAILED

failures:

---- sqlite::views stdout ----
test not::a::test ... ok
test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
running 3 tests of another program

failures:
    sqlite::views

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.1s

error: 1 target failed:
";

    #[test]
    fn binaries_and_their_tests_are_read() {
        let output = read(TWO_BINARIES);
        let [unit, it] = &output.binaries[..] else {
            panic!("{output:?}");
        };
        assert_eq!(unit.name, "unittests src/lib.rs");
        assert_eq!(unit.summed, [2, 0, 1]);
        assert_eq!(unit.tests[1].0, "key::tests::panics");
        assert_eq!(it.name, "tests/it/main.rs");
        assert_eq!(it.tests.len(), 2);
        assert_eq!(it.filtered, 4);
        assert!(unit.adds_up() && it.adds_up());
        assert_eq!(output.failed().collect::<Vec<_>>(), ["sqlite::views"]);
        assert_eq!(output.ran(), 4);
    }

    #[test]
    fn doctests_may_come_in_two_runs() {
        let output = read(
            "   Doc-tests diesel_cache\n\nrunning 2 tests\n\
             test src/lib.rs - (line 3) ... ok\n\
             test src/lib.rs - Cache (line 9) - compile fail ... ok\n\n\
             test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\n\
             running 1 test\n\
             test src/model.rs - model (line 1) ... ok\n\n\
             test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!(output.binaries.len(), 1);
        assert!(output.binaries[0].doc && output.binaries[0].adds_up());
        assert_eq!(output.ran(), 3);
    }

    #[test]
    fn a_binary_that_dies_is_incomplete() {
        let output = read(
            "     Running unittests src/lib.rs (target/x)\n\nrunning 2 tests\n\
             test a ... ok\nerror: test failed, to rerun pass `--lib`\n",
        );
        assert!(!output.binaries[0].complete);
        assert!(!output.binaries[0].adds_up());
    }
}
