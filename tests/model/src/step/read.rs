//! Readers that fill. Those that hit need no steps: whatever any of them would be served is
//! checked in each state.

use super::Step;
use crate::look::{Look, look};
use crate::rule::Rule;
use crate::scope::Scope;
use crate::store::Fresh;
use crate::world::{Filler, World};

/// A step of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// It fetches, makes the tokens that are missing, and captures.
    Fetch,
    /// It reads the database.
    Load,
    /// It reads an earlier state of it.
    LoadEarlier(u8),
    /// It stores what it read.
    Put,
}

pub(super) fn steps(scope: &Scope, world: &World, steps: &mut Vec<Step>) {
    for (at, spec) in scope.fillers.iter().enumerate() {
        if !world.processes[spec.process].alive && world.fillers[at] == Filler::Idle {
            continue;
        }
        // Of several that are alike, one begins.
        let alike = scope.fillers[..at].iter().position(|other| other == spec);
        if world.fillers[at] == Filler::Idle
            && alike.is_some_and(|other| world.fillers[other] == Filler::Idle)
        {
            continue;
        }
        let mut may = |step| steps.push(Step::Read(at, step));
        let early = !scope.keeps(Rule::CaptureBeforeSnapshot);
        match world.fillers[at] {
            Filler::Idle if early => may(Read::Load),
            Filler::Idle | Filler::Early(_) => may(Read::Fetch),
            Filler::Captured(_) => {
                may(Read::Load);
                if !scope.keeps(Rule::ReadThePrimary) {
                    (0..world.log.len()).for_each(|len| may(Read::LoadEarlier(len)));
                }
            }
            Filler::Loaded(..) | Filler::Holding(..) => may(Read::Put),
        }
    }
}

pub(super) fn run(scope: &Scope, world: &mut World, at: usize, step: Read, fresh: &mut Fresh) {
    let process = scope.fillers[at].process;
    match step {
        Read::Fetch => fetch(scope, world, at, fresh),
        Read::Load => {
            let value = world.snapshot(scope);
            load(world, at, value);
        }
        Read::LoadEarlier(len) => {
            let value = world.snapshot_at(scope, len);
            load(world, at, value);
        }
        Read::Put => {
            if let Filler::Loaded(captured, value) = world.fillers[at] {
                world.store_of(process).put(scope, captured, value);
            }
            world.fillers[at] = Filler::Idle;
        }
    }
}

fn load(world: &mut World, at: usize, value: u8) {
    world.fillers[at] = match world.fillers[at] {
        Filler::Captured(captured) => Filler::Loaded(captured, value),
        _ => Filler::Early(value),
    };
}

fn fetch(scope: &Scope, world: &mut World, at: usize, fresh: &mut Fresh) {
    let process = scope.fillers[at].process;
    let Some(tags) = world.plan(scope, process) else {
        return;
    };
    let late = !scope.keeps(Rule::BypassBeforeFetch);
    if !late && world.bypasses(scope, process) {
        return;
    }
    let mut found = look(scope, world.seen_by(process), tags);
    if found == Look::Establish {
        let store = world.store_of(process);
        store.establish(scope, tags, fresh);
        found = look(scope, store, tags);
    }
    world.fillers[at] = match (found, world.fillers[at]) {
        (Look::Miss(captured), Filler::Early(value)) => Filler::Loaded(captured, value),
        (Look::Miss(captured), _) => Filler::Captured(captured),
        (Look::Hit(value), Filler::Idle) if late => {
            Filler::Holding(value, world.needs(scope, process))
        }
        (_, before) => before,
    };
}
