//! The scopes that are checked, and the mutants that must not pass.

use crate::scope::Scope;

/// What CI checks.
#[must_use]
pub fn small() -> Vec<Scope> {
    vec![
        Scope::new(
            "quarantines",
            "two writers of overlapping tags; readers on two machines",
        )
        .strong(0, 0b01)
        .strong(1, 0b11)
        .filler(2)
        .filler(2)
        .with(|scope| scope.evicts = true),
        Scope::new(
            "crash",
            "a writer's process dies; unknown outcomes; sessions that are killed",
        )
        .strong(0, 0b01)
        .strong(1, 0b11)
        .filler(2)
        .filler(2)
        .with(|scope| {
            scope.faults.crashes = 1;
            scope.faults.unknown = 1;
            scope.faults.kills = 1;
        }),
        Scope::new(
            "flush",
            "the store forgets everything while writers are at work",
        )
        .strong(0, 0b01)
        .strong(1, 0b11)
        .filler(2)
        .with(|scope| {
            scope.faults.flushes = 1;
            scope.faults.crashes = 1;
        }),
        Scope::new("proceed", "a writer that cannot reach the store goes on")
            .strong(0, 0b01)
            .strong(1, 0b11)
            .filler(0)
            .with(|scope| scope.faults.silences = 1),
        Scope::new(
            "eventual",
            "level eventual: fresh once the renewal has returned",
        )
        .eventual(0, 0b01)
        .eventual(1, 0b11)
        .filler(2)
        .filler(2)
        .with(|scope| scope.faults.unknown = 1),
        Scope::new(
            "schema",
            "a schema change, and a writer that knows the old one",
        )
        .ddl(0)
        .strong(1, 0b01)
        .filler(1)
        .with(|scope| scope.faults.crashes = 1),
    ]
}
