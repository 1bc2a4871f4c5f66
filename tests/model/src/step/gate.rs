//! Processes that testify, and a reader that opens the gate.

use diesel_cache::protocol::Lift;
use diesel_cache::protocol::gate::{may_open, may_testify};

use super::Step;
use crate::rule::Rule;
use crate::scope::{PROCESSES, Scope, Set};
use crate::store::Fresh;
use crate::world::{Catalogue, Guard, Id, Opener, Session, Stage, World};

/// A step of those who open the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gating {
    /// A process asks how the store stands.
    Beat(usize),
    /// It forms its testimony and sends it.
    Testify(usize),
    /// The store takes it.
    Deliver(usize),
    /// It reads its catalogue.
    Load(usize),
    /// It gives its last session back, or gets one.
    Pool(usize),
    /// Its connection to another incarnation is replaced.
    Reconnect(usize),
    /// The opener asks how the store stands.
    Look,
    /// The opener asks the database for the marked sessions.
    Marks,
    /// The opener opens.
    Open,
}

pub(super) fn steps(scope: &Scope, world: &World, steps: &mut Vec<Step>) {
    let mut may = |step| steps.push(Step::Gate(step));
    for at in (0..PROCESSES).filter(|at| scope.has_process(*at)) {
        let process = &world.processes[at];
        if process.sending.is_some() {
            may(Gating::Deliver(at));
        }
        if !process.alive {
            continue;
        }
        if writes(scope, at) || scope.catalogues {
            may(Gating::Beat(at));
            if process.sending.is_none() && may_say(scope, world, at) {
                may(Gating::Testify(at));
            }
        }
        if process.session && label(scope, world, at).is_none_or(|it| process.catalogue != Some(it))
        {
            may(Gating::Load(at));
        }
        if scope.idle.contains(&at) && (!process.session || is_quiet(scope, world, at)) {
            may(Gating::Pool(at));
        }
        if process.behind {
            may(Gating::Reconnect(at));
        }
    }
    let first = scope.keeps(Rule::AskStoreFirst);
    match world.opener {
        Opener::Idle if first => may(Gating::Look),
        Opener::Idle => may(Gating::Marks),
        Opener::Standing(..) => {
            may(Gating::Look);
            may(Gating::Marks);
        }
        Opener::Marked(_) => {
            may(Gating::Marks);
            may(Gating::Look);
        }
        Opener::May(_) => may(Gating::Open),
    }
}

fn writes(scope: &Scope, process: usize) -> bool {
    scope.writers.iter().any(|writer| writer.process == process)
}

/// A session of a process is marked. If it had none, it was not asked when the gate opened.
pub(super) fn mark(scope: &Scope, world: &mut World, at: usize) {
    let had = world.processes[at].session || !is_quiet(scope, world, at);
    if !had && scope.catalogues && scope.keeps(Rule::MarkForgets) {
        world.processes[at].opening = None;
    }
}

/// Whether a process has no writer at work.
fn is_quiet(scope: &Scope, world: &World, process: usize) -> bool {
    let mut writers = scope.writers.iter().zip(&world.writers);
    writers.all(|(spec, writer)| spec.process != process || writer.session != Session::Live)
}

/// The catalogue that the process would read, if it needs another one.
fn label(scope: &Scope, world: &World, at: usize) -> Option<Catalogue> {
    let process = &world.processes[at];
    let label = if scope.keeps(Rule::LabelledByOpening) {
        process.opening
    } else {
        process.known
    };
    match process.catalogue {
        Some(catalogue) if catalogue.label == label => Some(catalogue),
        _ => None,
    }
}

/// Whether the process may testify in the epoch that it knows.
fn may_say(scope: &Scope, world: &World, at: usize) -> bool {
    let Some(epoch) = world.processes[at].known else {
        return false;
    };
    if !scope.keeps(Rule::GuardsForbid) {
        return true;
    }
    let writers = scope.writers.iter().zip(&world.writers);
    let own = writers.filter(|(spec, _)| spec.process == at);
    let guards = own.filter_map(|(_, writer)| match writer.guard {
        _ if writer.stage == Stage::Orphan && !scope.keeps(Rule::OrphansForbid) => None,
        Guard::None => None,
        Guard::Outstanding => scope.keeps(Rule::OutstandingForbids).then_some(None),
        Guard::Known(id) => Some(Some(id)),
    });
    may_testify(&epoch, guards)
}

/// The processes with a marked session.
fn marks(scope: &Scope, world: &World) -> impl Iterator<Item = usize> {
    (0..PROCESSES).filter(move |at| {
        let process = &world.processes[*at];
        let of_pool = process.session && process.alive;
        (of_pool || !is_quiet(scope, world, *at))
            && (process.alive || scope.keeps(Rule::SessionsOutliveProcesses))
    })
}

pub(super) fn run(scope: &Scope, world: &mut World, step: Gating, fresh: &mut Fresh) {
    match step {
        Gating::Beat(at) => beat(scope, world, at, fresh),
        Gating::Testify(at) => testify(scope, world, at),
        Gating::Deliver(at) => {
            if let Some(epoch) = world.processes[at].sending.take() {
                world.store_of(at).testify(scope, at, epoch);
            }
        }
        Gating::Load(at) => load(scope, world, at),
        Gating::Pool(at) => {
            if !world.processes[at].session {
                mark(scope, world, at);
            }
            world.processes[at].session = !world.processes[at].session;
        }
        Gating::Reconnect(at) => world.processes[at].behind = false,
        Gating::Look => look(scope, world),
        Gating::Marks => ask(scope, world),
        Gating::Open => {
            if let Opener::May(epoch) = std::mem::take(&mut world.opener) {
                world.store.open(scope, epoch, fresh);
            }
        }
    }
}

fn beat(scope: &Scope, world: &mut World, at: usize, fresh: &mut Fresh) {
    let gate = world.store_of(at).epoch(scope, fresh);
    world.processes[at].known = Some(gate.epoch);
    // Where nothing goes by it, it is not remembered.
    if scope.catalogues {
        world.processes[at].opening = gate.opening;
    }
    for number in 0..scope.writers.len() {
        if scope.writers[number].process == at {
            compare(scope, world, number, gate.epoch);
        }
    }
}

/// Compares what a process knows of its writer with what the store knows.
fn compare(scope: &Scope, world: &mut World, number: usize, epoch: Id) {
    let at = scope.writers[number].process;
    let held = world.seen_by(at).is_held_by(number);
    let writer = &mut world.writers[number];
    let known = match writer.guard {
        Guard::Known(id) => id == epoch || !scope.keeps(Rule::ForgetInOneEpoch),
        _ => false,
    };
    // While a close waits to be delivered, what it is to precede does, too.
    let closes = scope.writers[number].ddl && !writer.closed && scope.keeps(Rule::ReapAfterClose);
    let reaps = match writer.stage {
        Stage::Idle => false,
        Stage::Over | Stage::Told(Lift::Restore) => true,
        Stage::Told(Lift::Renew) => !closes,
        _ => !scope.keeps(Rule::ReapSparesGuards),
    };
    if held && reaps {
        // The store knows its tags.
        world.store_of(at).lift(scope, number, 0, Lift::Renew);
    } else if !held && known && writer.stage == Stage::Orphan {
        writer.guard = Guard::None;
        writer.stage = Stage::Over;
        world.store_of(at).lift(scope, number, 0, Lift::Renew);
    }
}

fn testify(scope: &Scope, world: &mut World, at: usize) {
    let process = &mut world.processes[at];
    let Some(epoch) = process.known else {
        return;
    };
    if !scope.keeps(Rule::LabelledByOpening)
        && process.catalogue.is_some_and(|it| it.label != Some(epoch))
    {
        process.catalogue = None;
    }
    if scope.slow_testimony {
        process.sending = Some(epoch);
    } else {
        world.store_of(at).testify(scope, at, epoch);
    }
}

fn load(scope: &Scope, world: &mut World, at: usize) {
    let changed = world.log.is_changed(scope, world.log.len());
    let process = &mut world.processes[at];
    let label = if scope.keeps(Rule::LabelledByOpening) {
        process.opening
    } else {
        process.known
    };
    process.catalogue = Some(Catalogue { changed, label });
}

/// The opener asks how the store stands.
fn look(scope: &Scope, world: &mut World) {
    let Some(gate) = world.store.gate.filter(|gate| gate.opening.is_none()) else {
        return;
    };
    let testified = world.store.testified;
    world.opener = match world.opener {
        Opener::Marked(marked) if goes(scope, marked, testified) => Opener::May(gate.epoch),
        Opener::Marked(marked) => Opener::Marked(marked),
        _ => Opener::Standing(gate.epoch, testified),
    };
}

/// The opener asks the database for the marked sessions.
fn ask(scope: &Scope, world: &mut World) {
    let marked = marks(scope, world).fold(0, |set, at| set | 1 << at);
    world.opener = match world.opener {
        Opener::Standing(epoch, testified) if goes(scope, marked, testified) => Opener::May(epoch),
        Opener::Standing(epoch, testified) => Opener::Standing(epoch, testified),
        _ => Opener::Marked(marked),
    };
}

fn goes(scope: &Scope, marked: Set, testified: Set) -> bool {
    let processes = (0..PROCESSES).filter(|at| marked & 1 << at != 0);
    may_open(processes, |at| testified & 1 << at != 0) || !scope.keeps(Rule::OpenNeedsTestimonies)
}
