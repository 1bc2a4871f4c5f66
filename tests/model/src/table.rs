//! The scopes that are checked. Nobody may be served what is stale in any of them.

use crate::rule::Rule;
use crate::scope::{CHILD, MEMBERS, PARENT, ROW_A, ROW_B, ROWS, Scope, WINDOW};

/// What CI checks: minutes, and little memory.
#[must_use]
pub fn small() -> Vec<Scope> {
    vec![
        two("quarantines", "overlapping writers, late fills, evictions")
            .filler(2)
            .filler(2)
            .with(|scope| scope.evicts = true),
        two(
            "quarantines, plain",
            "the same, and no two states taken for one",
        )
        .filler(2)
        .with(|scope| {
            scope.evicts = true;
            scope.reduced = false;
        }),
        two(
            "puts compare nothing",
            "a store that takes what is outdated: judging is enough",
        )
        .filler(2)
        .filler(2)
        .without("puts compare nothing", &[Rule::PutCompares]),
        two(
            "crash",
            "a process dies, an outcome is unknown, a session is killed",
        )
        .filler(2)
        .filler(2)
        .with(broken_clients),
        two(
            "three writers",
            "one of each of three processes, readers that join each other",
        )
        .strong(2, 0b10)
        .filler(0)
        .with(|scope| scope.faults.crashes = 1),
        two("flush", "the store forgets everything")
            .filler(2)
            .filler(2)
            .with(broken_clients)
            .with(|scope| scope.faults.flushes = 1),
        one(
            "flush, plain",
            "the same with one writer, and no two states taken for one",
        )
        .filler(2)
        .with(|scope| {
            scope.faults.flushes = 1;
            scope.faults.crashes = 1;
            scope.reduced = false;
        }),
        two(
            "flush twice",
            "again while the gate is opened; testimonies that arrive late",
        )
        .filler(2)
        .with(|scope| {
            scope.faults.flushes = 2;
            scope.faults.crashes = 1;
            scope.faults.unknown = 1;
            scope.slow_testimony = true;
        }),
        two(
            "failover",
            "the store is another one: restarted, restored or promoted",
        )
        .filler(2)
        .filler(2)
        .with(broken_clients)
        .with(|scope| {
            scope.faults.failovers = 1;
            scope.evicts = true;
        }),
        two(
            "proceed",
            "a writer that cannot reach the store goes on; its quarantine may come late",
        )
        .filler(0)
        .filler(0)
        .with(|scope| {
            scope.faults.silences = 1;
            scope.faults.flushes = 1;
            scope.faults.crashes = 1;
        }),
        two("abort", "a writer that cannot reach the store rolls back")
            .filler(2)
            .with(|scope| {
                scope.aborts = true;
                scope.faults.silences = 2;
                scope.faults.flushes = 1;
                scope.faults.crashes = 1;
            }),
        Scope::new("eventual", "fresh once the renewal has returned")
            .eventual(0, 0b01)
            .eventual(1, 0b11)
            .filler(2)
            .filler(2)
            .with(|scope| {
                scope.faults.unknown = 1;
                scope.faults.flushes = 1;
            }),
        Scope::new("both levels", "one writer at each")
            .eventual(0, 0b01)
            .strong(1, 0b11)
            .filler(2)
            .filler(2)
            .with(broken_clients)
            .with(|scope| scope.faults.flushes = 1),
        Scope::new(
            "clear",
            "a writer that is not attached, and a clear after it",
        )
        .foreign(0, 0b01)
        .strong(1, 0b11)
        .filler(2)
        .filler(2)
        .with(broken_clients)
        .with(|scope| scope.faults.clears = 1),
        Scope::new(
            "schema",
            "a schema change, and a writer that it makes cascade",
        )
        .ddl(0)
        .strong(1, PARENT)
        .filler(2)
        .with(|scope| scope.faults.crashes = 1),
        Scope::new(
            "schema, lost",
            "the store forgets it, and its process dies while it is at work",
        )
        .ddl(0)
        .strong(1, PARENT)
        .filler(1)
        .with(|scope| {
            scope.faults.crashes = 1;
            scope.faults.flushes = 1;
        }),
        Scope::new(
            "schema, unknown",
            "its outcome is unknown, or the store out of reach",
        )
        .ddl(0)
        .strong(1, PARENT)
        .filler(1)
        .with(|scope| {
            scope.faults.unknown = 1;
            scope.faults.silences = 1;
        }),
        Scope::new(
            "schema, eventual",
            "the writer that cascades is at level eventual",
        )
        .ddl(0)
        .eventual(1, PARENT)
        .filler(2)
        .with(|scope| {
            scope.faults.unknown = 1;
        }),
        Scope::new(
            "schema, eventual, idle",
            "its process was not asked when the gate opened",
        )
        .ddl(0)
        .eventual(1, PARENT)
        .filler(0)
        .with(|scope| scope.idle = &[1]),
        Scope::new(
            "view",
            "it alters a view; its reader was not asked when the gate opened",
        )
        .ddl(0)
        .strong(0, CHILD)
        .filler(2)
        .with(|scope| {
            scope.view = true;
            scope.idle = &[2];
        }),
        rows("rows", "late captures, joined flights, evictions")
            .filler(2)
            .filler(2)
            .with(|scope| scope.evicts = true),
        rows("rows, plain", "no two states taken for one")
            .filler(2)
            .with(|scope| scope.reduced = false),
        rows(
            "rows, three",
            "a writer of each row, and one of the members",
        )
        .row(2, ROW_B)
        .filler(2),
        rows(
            "rows, crash",
            "a process dies, an outcome is unknown, a session is killed",
        )
        .filler(2)
        .with(broken_clients),
        rows("rows, flush", "the store forgets everything")
            .filler(2)
            .with(broken_clients)
            .with(|scope| scope.faults.flushes = 1),
        rows(
            "rows, proceed",
            "a writer goes on without the store; so do its readers",
        )
        .filler(0)
        .with(|scope| {
            scope.faults.silences = 1;
            scope.faults.crashes = 1;
        }),
        Scope::new("rows, eventual", "fresh once the renewal has returned")
            .eventual(0, ROW_A | ROWS | WINDOW)
            .eventual(1, MEMBERS | WINDOW)
            .with_rows()
            .filler(2)
            .with(|scope| {
                scope.faults.unknown = 1;
                scope.faults.flushes = 1;
            }),
        rows("rows, clear", "a clear between the captures")
            .filler(2)
            .with(|scope| {
                scope.faults.clears = 1;
                scope.evicts = true;
            }),
        rows(
            "rows, window last",
            "what was seen is captured one step before the window is compared",
        )
        .filler(2)
        .without("rows, window last", &[Rule::WindowNotAfter]),
        Scope::new("rows, nonces", "a late capture compares no nonce: hits do")
            .foreign(0, ROW_A)
            .with_rows()
            .member(1)
            .filler(2)
            .without("rows, nonces", &[Rule::LateComparesNonces]),
    ]
}

/// What takes gigabytes, and up to an hour.
#[must_use]
pub fn large() -> Vec<Scope> {
    vec![
        two(
            "every loss",
            "flush and failover, dead and unknown writers, evictions",
        )
        .filler(2)
        .filler(2)
        .with(broken_clients)
        .with(|scope| {
            scope.faults.flushes = 1;
            scope.faults.failovers = 1;
            scope.evicts = true;
        }),
        two("three writers, flush", "one of each of three processes")
            .strong(2, 0b10)
            .filler(0)
            .with(|scope| {
                scope.faults.flushes = 1;
                scope.faults.crashes = 1;
            }),
        two("proceed, everything", "out of reach twice, with every loss")
            .filler(0)
            .filler(2)
            .with(broken_clients)
            .with(|scope| {
                scope.faults.silences = 2;
                scope.faults.flushes = 1;
                scope.faults.failovers = 1;
            }),
        Scope::new(
            "schema, lost, elsewhere",
            "with the reader in a third process",
        )
        .ddl(0)
        .strong(1, PARENT)
        .filler(2)
        .with(|scope| {
            scope.faults.crashes = 1;
            scope.faults.flushes = 1;
        }),
        Scope::new(
            "schema, idle",
            "with every process that may be without a session",
        )
        .ddl(0)
        .eventual(1, PARENT)
        .filler(2)
        .with(|scope| {
            scope.idle = &[1, 2];
            scope.faults.unknown = 1;
            scope.faults.crashes = 1;
        }),
        Scope::new(
            "schema, three",
            "a schema change, a writer that cascades, a writer of the child",
        )
        .ddl(0)
        .strong(1, PARENT)
        .strong(1, CHILD)
        .filler(1)
        .with(|scope| {
            scope.faults.crashes = 1;
            scope.faults.flushes = 1;
        }),
        Scope::new(
            "schema, everything",
            "with every loss, out of reach, and unknown",
        )
        .ddl(0)
        .strong(1, PARENT)
        .filler(2)
        .with(broken_clients)
        .with(|scope| {
            scope.faults.flushes = 1;
            scope.faults.failovers = 1;
            scope.faults.silences = 1;
            scope.slow_testimony = true;
        }),
        rows("rows, two readers", "in different places, with evictions")
            .filler(2)
            .filler(0)
            .with(broken_clients)
            .with(|scope| scope.evicts = true),
        rows(
            "rows, three, flush",
            "a writer of each row, one of the members",
        )
        .row(2, ROW_B)
        .filler(2)
        .with(|scope| {
            scope.faults.flushes = 1;
            scope.faults.crashes = 1;
        }),
    ]
}

fn one(name: &'static str, about: &'static str) -> Scope {
    Scope::new(name, about).strong(0, 0b01)
}

fn two(name: &'static str, about: &'static str) -> Scope {
    one(name, about).strong(1, 0b11)
}

/// A writer of a row, and one of the members: by that one another row is seen.
fn rows(name: &'static str, about: &'static str) -> Scope {
    Scope::new(name, about).row(0, ROW_A).member(1)
}

fn broken_clients(scope: &mut Scope) {
    scope.faults.crashes = 1;
    scope.faults.unknown = 1;
    scope.faults.kills = 1;
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    /// Those that take no time. `cargo xtask model` checks all.
    #[test]
    fn nobody_is_served_what_is_stale() {
        let quick = [
            "quarantines",
            "quarantines, plain",
            "flush, plain",
            "eventual",
            "rows, window last",
        ];
        for name in quick {
            let scope = super::small().into_iter().find(|scope| scope.name == name);
            let outcome = check(&scope.expect("it is in the table"), 2);
            assert_eq!(outcome.stale, None, "{name}");
            assert!(outcome.hit, "{name}: no reader hits after a write");
        }
    }
}
