//! What goes wrong.

use super::Step;
use crate::rule::Rule;
use crate::scope::{PROCESSES, Scope, TAGS};
use crate::store::Fresh;
use crate::world::{Filler, Guard, Stage, Store, World, Writer};

/// Something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A process dies. What it has sent may still arrive.
    Crash(usize),
    /// The store forgets everything.
    Flush,
    /// The store is another one.
    Failover,
    /// Broken: this is what another one will have.
    Snapshot,
    /// A cell goes.
    Cell(usize),
    /// The entry goes.
    Entry,
    /// Somebody clears the cache.
    Clear,
}

pub(super) fn steps(scope: &Scope, world: &World, steps: &mut Vec<Step>) {
    let mut may = |step| steps.push(Step::Fault(step));
    let left = &world.left;
    if left.crashes > 0 {
        let writes = |at: &usize| scope.writers.iter().any(|writer| writer.process == *at);
        let alive = |at: &usize| world.processes[*at].alive;
        let mortal = (0..PROCESSES).filter(writes).filter(alive);
        mortal.for_each(|at| may(Fault::Crash(at)));
    }
    if left.flushes > 0 {
        may(Fault::Flush);
    }
    if left.failovers > 0 {
        may(Fault::Failover);
        if !scope.keeps(Rule::IncarnationInKeys) && world.old.is_none() {
            may(Fault::Snapshot);
        }
    }
    if left.clears > 0 {
        may(Fault::Clear);
    }
    if scope.evicts || !scope.keeps(Rule::QuarantinesStay) {
        (0..TAGS).for_each(|tag| may(Fault::Cell(tag)));
    }
    if scope.evicts {
        may(Fault::Entry);
    }
}

pub(super) fn run(scope: &Scope, world: &mut World, step: Fault, fresh: &mut Fresh) {
    match step {
        Fault::Crash(at) => crash(scope, world, at),
        Fault::Flush => {
            world.left.flushes -= 1;
            world.store = Store::default();
        }
        Fault::Failover => failover(scope, world),
        Fault::Snapshot => world.old = Some(Box::new(world.store.clone())),
        Fault::Cell(tag) => {
            world.store.evict(scope, tag);
        }
        Fault::Entry => world.store.entry = None,
        Fault::Clear => {
            world.left.clears -= 1;
            world.store.clear(scope, fresh);
        }
    }
}

fn crash(scope: &Scope, world: &mut World, at: usize) {
    world.left.crashes -= 1;
    let process = &mut world.processes[at];
    process.alive = false;
    process.known = None;
    process.opening = None;
    process.catalogue = None;
    for (spec, writer) in scope.writers.iter().zip(&mut world.writers) {
        if spec.process != at {
            continue;
        }
        writer.stage = match writer.stage {
            // What it never began needs no end.
            Stage::Idle | Stage::Resolved => {
                *writer = Writer::default();
                Stage::Over
            }
            Stage::Over => Stage::Over,
            _ => Stage::Dead,
        };
        writer.guard = Guard::None;
        writer.reply = None;
        writer.withheld = false;
    }
    for (spec, filler) in scope.fillers.iter().zip(&mut world.fillers) {
        // What it has read may be on its way to the store.
        let sent = match filler {
            Filler::Loaded(..) => !scope.rows,
            Filler::Sealed(..) => true,
            _ => false,
        };
        if spec.process == at && !sent {
            *filler = Filler::Idle;
        }
    }
}

fn failover(scope: &Scope, world: &mut World) {
    world.left.failovers -= 1;
    let before = std::mem::take(&mut world.store);
    if !scope.keeps(Rule::IncarnationInKeys) {
        if let Some(snapshot) = world.old.take() {
            world.store = *snapshot;
        }
    } else if !scope.keeps(Rule::IncarnationOfNow) {
        world.old = Some(Box::new(before));
        world
            .processes
            .iter_mut()
            .for_each(|process| process.behind = true);
    }
    // Connections break, unless they are to live on.
    if scope.keeps(Rule::IncarnationOfNow) {
        world
            .writers
            .iter_mut()
            .for_each(|writer| writer.sent = false);
        world
            .processes
            .iter_mut()
            .for_each(|process| process.sending = None);
    }
}
