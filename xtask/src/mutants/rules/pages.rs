//! Rules of whole responses, and of the connection to Redis that tasks share.

use super::Mutant;

const WATCH: &str = "src/dependencies/watch.rs";
const POLICY: &str = "src/http/policy.rs";
const SERVICE: &str = "src/http/service.rs";
const SHARED: &str = "src/backend/redis/multiplexed.rs";

const PAGES: &[&[&str]] = &[&["--package", "diesel-cache-tasks", "--test", "pages"]];
const LINES: &[&[&str]] = &[&[
    "--package",
    "diesel-cache",
    "--features",
    "async,redis",
    "--lib",
    "backend::redis::tests::multiplexed",
]];

noticed! {
    /// A rule that is noticed by requests.
    page = PAGES, servers: true
}

noticed! {
    /// A rule that is noticed on servers that the tests start themselves.
    line = LINES, servers: false
}

pub(super) const RULES: &[Mutant] = &[
    page(
        "a-watch-is-kept-for-each-poll",
        WATCH,
        "let _watch = begin(watched.clone());\n        work.as_mut().poll(task)",
        "work.as_mut().poll(task)",
    ),
    page(
        "what-a-task-has-done-elsewhere-counts",
        WATCH,
        "if !may_be_awaited() || TOLD",
        "if true || TOLD",
    ),
    page(
        "a-page-for-one-is-no-page-for-all",
        POLICY,
        ".any(|name| headers.contains_key(name) && !told.contains(name))",
        ".any(|name| false && headers.contains_key(name) && !told.contains(name))",
    ),
    page(
        "a-page-varies-only-on-what-is-in-its-name",
        POLICY,
        "let known = |name: &HeaderName| varied.contains(name);",
        "let known = |name: &HeaderName| true || varied.contains(name);",
    ),
    page(
        "no-page-is-shared-by-two-requests",
        POLICY,
        "variant.push_str(&value.as_bytes().escape_ascii().to_string());",
        "let _ = value;",
    ),
    page(
        "a-page-of-no-read-is-not-kept",
        SERVICE,
        "if !names_something && handle.is_empty() {",
        "if false && !names_something && handle.is_empty() {",
    ),
    page(
        "what-a-task-has-read-elsewhere-counts",
        WATCH,
        "if told.is_none() && place == Place::Anywhere {",
        "if false && told.is_none() && place == Place::Anywhere {",
    ),
    page(
        "a-request-is-cached-once",
        SERVICE,
        "if head.extensions.get::<Met>().is_some() {",
        "if false && head.extensions.get::<Met>().is_some() {",
    ),
    page(
        "a-method-that-is-not-safe-invalidates-its-uri",
        SERVICE,
        "let unsafe_of = (!head.method.is_safe()).then(",
        "let unsafe_of = (false && !head.method.is_safe()).then(",
    ),
    page(
        "a-page-goes-by-the-whole-path",
        SERVICE,
        "return original.0.clone();",
        "let _ = original;",
    ),
    line(
        "a-shared-connection-that-fails-is-replaced",
        SHARED,
        "self.0.dead.store(true, Ordering::Release);",
        "let _ = is_sound;",
    ),
    line(
        "one-makes-the-connection-for-all",
        SHARED,
        "if let Some(line) = slot.current(manager) {\n            return Ok(Use(line));\n        }\n        if slot.tries",
        "if slot.tries",
    ),
];
