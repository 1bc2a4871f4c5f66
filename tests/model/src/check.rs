//! The properties, and how they are checked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::look::{Look, look};
use crate::rule::Rule;
use crate::scope::{PROCESSES, ROW_A, ROW_B, Scope};
use crate::step::{self, Step};
use crate::store::members;
use crate::world::{Captured, Filler, Stored, World};

const FRESH: &str = "nobody is served what is stale";
const HIT: &str = "a hit after a write";
const HIT_AFTER_LOSS: &str = "a hit after a loss";

/// The model of one scope.
#[derive(Debug)]
struct Protocol {
    scope: Scope,
    hit: AtomicBool,
    hit_after_loss: AtomicBool,
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.scope)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Step>) {
        step::steps(&self.scope, world, actions);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        step::next(&self.scope, world, step)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(FRESH, |model: &Self, world| {
                stale(&model.scope, world).is_none()
            }),
            // They are asked for in every state, so: until they were met.
            Property::sometimes(HIT, |model: &Self, world| {
                !model.hit.load(Ordering::Relaxed)
                    && hits(&model.scope, world)
                    && !model.hit.swap(true, Ordering::Relaxed)
            }),
            Property::sometimes(HIT_AFTER_LOSS, |model: &Self, world| {
                !model.hit_after_loss.load(Ordering::Relaxed)
                    && has_lost(&model.scope, world)
                    && hits(&model.scope, world)
                    && !model.hit_after_loss.swap(true, Ordering::Relaxed)
            }),
        ]
    }
}

/// Whether the store has lost something, or its gate was closed, by now.
fn has_lost(scope: &Scope, world: &World) -> bool {
    world.left.flushes < scope.faults.flushes
        || world.left.failovers < scope.faults.failovers
        || world.log.is_changed(scope, world.log.len())
}

/// Whether some reader would be served what a writer of the scope wrote.
fn hits(scope: &Scope, world: &World) -> bool {
    let told = |entry: Stored| !scope.rows || entry.captured.tags & (ROW_A | ROW_B) != 0;
    let wrote = |entry: Stored| entry.value > 0 && told(entry);
    world.store.entry.is_some_and(wrote)
        && (0..PROCESSES).any(|process| served(scope, world, process).is_some())
}

/// What a reader of that process would be served, if it began now.
fn served(scope: &Scope, world: &World, process: usize) -> Option<u8> {
    if !world.processes[process].alive || scope.catalogues && !scope.has_process(process) {
        return None;
    }
    let store = world.seen_by(process);
    let entry = store.entry?;
    let waits = !scope.keeps(Rule::WaitersJudge)
        && world.fillers.iter().any(|filler| *filler != Filler::Idle);
    if waits {
        return Some(entry.value);
    }
    if world.bypasses(scope, process) && scope.keeps(Rule::BypassUndelivered) {
        return None;
    }
    match look(scope, store, world.plan(scope, process)?) {
        Look::Hit(value) => Some(value),
        _ => None,
    }
}

/// What a reader of that process would be handed by one that it joins, if it began now.
fn joined(scope: &Scope, world: &World, process: usize) -> Option<u8> {
    if !world.processes[process].alive || world.bypasses(scope, process) {
        return None;
    }
    let mut fillers = scope.fillers.iter().zip(&world.fillers);
    fillers.find_map(|(spec, filler)| match filler {
        Filler::Loaded(captured, value) if spec.process == process => {
            let found = look(scope, world.seen_by(process), world.plan(scope, process)?);
            match found {
                Look::Miss(own) if flies_with(scope, own, *captured) => Some(*value),
                Look::Miss(_) | Look::Establish if !scope.keeps(Rule::JoinByVector) => Some(*value),
                _ => None,
            }
        }
        _ => None,
    })
}

/// Whether who captured the one may join the flight of who captured the other.
fn flies_with(scope: &Scope, own: Captured, other: Captured) -> bool {
    let also = members(scope.also_of(scope.reads));
    match scope.keeps(Rule::JoinByAlso) {
        true => own == other && also.into_iter().all(|tag| own.tokens[tag] != 0),
        false => {
            own.nonce == other.nonce
                && members(scope.reads).all(|tag| own.tokens[tag] == other.tokens[tag])
        }
    }
}

/// The process whose readers would be served what is stale, if there is one.
fn stale(scope: &Scope, world: &World) -> Option<usize> {
    (0..PROCESSES).find(|process| {
        let old = |value: u8| value < world.needs(scope, *process, value);
        served(scope, world, *process).is_some_and(old)
            || joined(scope, world, *process).is_some_and(old)
            || scope
                .fillers
                .iter()
                .zip(&world.fillers)
                .any(|(spec, filler)| {
                    matches!(filler, Filler::Holding(value, needs) if value < needs)
                        && spec.process == *process
                        && !world.bypasses(scope, *process)
                })
    })
}

/// What became of a run.
#[derive(Debug)]
pub struct Outcome {
    /// How many states there are, or were met.
    pub states: usize,
    /// How many steps the longest of the shortest paths has.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// The steps to a reader that is served what is stale.
    pub stale: Option<Vec<Step>>,
    /// Whether a reader hits after a write.
    pub hit: bool,
    /// Whether a reader hits after a loss.
    pub hit_after_loss: bool,
}

/// Checks a scope, with so many threads.
#[must_use]
pub fn check(scope: &Scope, threads: usize) -> Outcome {
    run(scope, threads, None)
}

/// The shortest way to a reader that is served what is stale.
#[must_use]
pub fn shortest(scope: &Scope) -> Outcome {
    let mut outcome = run(scope, 1, None);
    // The checker may go on for a while after the first one that it met.
    while let Some(steps) = &outcome.stale {
        let shorter = run(scope, 1, Some(steps.len()));
        if shorter.stale.is_none() {
            break;
        }
        outcome = shorter;
    }
    outcome
}

fn run(scope: &Scope, threads: usize, below: Option<usize>) -> Outcome {
    let began = Instant::now();
    let model = Protocol {
        scope: scope.clone(),
        hit: AtomicBool::new(false),
        hit_after_loss: AtomicBool::new(false),
    };
    let mut builder = model
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures);
    if let Some(steps) = below {
        // A path of that many steps has one more state, which is not looked at.
        builder = builder.target_max_depth(steps + 1);
    }
    let checker = builder.spawn_bfs().join();
    let discoveries = checker.discoveries();
    let stale = discoveries
        .get(FRESH)
        .map(|path| path.clone().into_actions());
    Outcome {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: began.elapsed(),
        stale,
        hit: checker.model().hit.load(Ordering::Relaxed),
        hit_after_loss: checker.model().hit_after_loss.load(Ordering::Relaxed),
    }
}
