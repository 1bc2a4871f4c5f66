//! Rules of connections that are awaited.

use super::Mutant;

const TRACKER: &str = "src/connection/tracker.rs";
const FLIGHT: &str = "src/connection/tracker/flight.rs";
const ANNOUNCE: &str = "src/connection/tracker/announce.rs";
const LINK: &str = "src/asynchronous/link.rs";
const EXECUTE: &str = "src/query/execute.rs";
const SINGLE: &str = "src/flight.rs";
const CORE: &str = "src/core.rs";

const TASKS: &[&[&str]] = &[&["--package", "diesel-cache-tasks"]];

noticed! {
    /// A rule that is noticed on the databases.
    served = TASKS, servers: true
}

pub(super) const RULES: &[Mutant] = &[
    served(
        "a-lease-of-one-who-is-gone-is-given-back",
        "src/core/reach.rs",
        "R::let_go(self.core, key.clone());",
        "let _ = key;",
    ),
    served(
        "rows-come-before-their-commit",
        FLIGHT,
        "!self.is_awaited() || !returns && resolved.analysis.steps.iter().all(plain)",
        "{ let _ = (returns, plain); true }",
    ),
    served(
        "which-of-several-has-finished-is-not-known",
        FLIGHT,
        "if let Some(other) = self.in_flight.iter_mut().find(|other| same(other)) {",
        "if let Some(other) = self.in_flight.iter_mut().find(|_| false) {",
    ),
    served(
        "what-was-given-up-may-have-committed",
        FLIGHT,
        ".extend(guards.map(|guard| Doubt { guard, since }));",
        ".extend(guards.filter_map(|guard| { guard.restore(); None::<Doubt> })); let _ = since;",
    ),
    served(
        "a-finish-is-that-of-its-text",
        FLIGHT,
        "if self.manner == Manner::Blocks {\n            return self.in_flight.pop();",
        "if true {\n            return self.in_flight.pop();",
    ),
    served(
        "an-answer-to-another-question-is-none",
        FLIGHT,
        "if gave_up && self.dialect() == Some(Dialect::Mysql) {",
        "if false && gave_up {",
    ),
    served(
        "a-commit-is-announced-by-who-awaits-it",
        ANNOUNCE,
        "let handed = self.is_awaited() && core.is_shared() && core.config.level >= Level::Strong;",
        "let handed = false;",
    ),
    served(
        "no-thread-of-a-runtime-waits-for-the-store",
        CORE,
        "if way == Way::Handed && self.is_shared() {",
        "if way == Way::Handed && false {",
    ),
    served(
        "an-abandoned-flight-has-another-leader",
        SINGLE,
        "self.flight.tell(Came::Abandoned);",
        "self.flight.tell(Came::Nothing);",
    ),
    served(
        "what-landed-is-handed-on-until-it-is-stored",
        EXECUTE,
        "if leader.is_some()\n        && !core.is_shared()",
        "if false\n        && !core.is_shared()",
    ),
    served(
        "quiet-is-kept-for-each-poll",
        LINK,
        "        let _quiet = Quiet::begin();\n        work.as_mut().poll(task)",
        "        work.as_mut().poll(task)",
    ),
    served(
        "a-transaction-has-its-connection-for-itself",
        TRACKER,
        "            {\n                self.is_exclusive();\n            }",
        "            {}",
    ),
    served(
        "a-look-undoes-what-nobody-else-wrote",
        TRACKER,
        "            && !self.is_view\n",
        "",
    ),
];
