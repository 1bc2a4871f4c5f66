//! Readers that fill. Those that hit need no steps: whatever any of them would be served is
//! checked in each state.

use super::Step;
use crate::look::{Look, look, look_at};
use crate::rule::Rule;
use crate::scope::{ROWS, Scope, Set, WINDOW};
use crate::store::{Fresh, members};
use crate::world::{Captured, Filler, Store, World};

/// A step of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// It fetches, makes the tokens that are missing, and captures.
    Fetch,
    /// It reads the database.
    Load,
    /// It reads an earlier state of it.
    LoadEarlier(u8),
    /// It captures what it saw, within the window. If it cannot, it depends on all rows.
    Seal,
    /// It cannot tell what it saw, and depends on all rows.
    SealAll,
    /// Broken: it does one half of that, or captures the window only now.
    Half,
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
            Filler::Loaded(captured, _) if scope.rows => {
                may(first_half(scope, captured).map_or(Read::Seal, |_| Read::Half));
                may(Read::SealAll);
            }
            Filler::Halfway(..) => may(Read::Seal),
            Filler::Loaded(..) | Filler::Sealed(..) | Filler::Holding(..) => may(Read::Put),
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
        Read::Seal => seal(scope, world, at, fresh),
        Read::SealAll => depend_on_all(scope, world, at),
        Read::Half => half(scope, world, at, fresh),
        Read::Put => {
            if let Filler::Loaded(captured, value) | Filler::Sealed(captured, value) =
                world.fillers[at]
            {
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
    let also = scope.also_of(tags);
    // What is wanted besides is made, too.
    if found == Look::Establish || also != 0 && matches!(found, Look::Miss(_)) {
        let store = world.store_of(process);
        store.establish(scope, tags | also, fresh);
        found = look(scope, store, tags);
    }
    world.fillers[at] = match (found, world.fillers[at]) {
        (Look::Miss(captured), Filler::Early(value)) => Filler::Loaded(captured, value),
        (Look::Miss(captured), _) => Filler::Captured(captured),
        (Look::Hit(value), Filler::Idle) if late => {
            Filler::Holding(value, world.needs(scope, process, value))
        }
        (_, before) => before,
    };
}

/// What is captured late, in one step or in two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// What was seen, if the window is as it was.
    Both,
    /// Broken: whether the window is as it was.
    Window,
    /// Broken: what was seen.
    Seen,
}

/// Broken: what comes before the late capture, or is the first half of it.
fn first_half(scope: &Scope, captured: Captured) -> Option<Part> {
    let again = captured.tags & WINDOW != 0;
    if !scope.keeps(Rule::WindowNotBefore) || !scope.keeps(Rule::WindowBeforeSnapshot) && again {
        Some(Part::Window)
    } else if !scope.keeps(Rule::WindowNotAfter) {
        Some(Part::Seen)
    } else {
        None
    }
}

fn half(scope: &Scope, world: &mut World, at: usize, fresh: &mut Fresh) {
    let Filler::Loaded(captured, value) = world.fillers[at] else {
        return;
    };
    let Some(part) = first_half(scope, captured) else {
        return;
    };
    let seen = world.shown(scope, value);
    let store = world.store_of(scope.fillers[at].process);
    if !scope.keeps(Rule::WindowBeforeSnapshot) {
        store.establish(scope, WINDOW, fresh);
        let mut captured = captured;
        captured.tags &= !WINDOW;
        for tag in members(WINDOW) {
            captured.tokens[tag] = store.clean(tag);
        }
        world.fillers[at] = Filler::Loaded(captured, value);
        return;
    }
    match capture(scope, store, captured, part, seen, fresh) {
        Some(captured) => world.fillers[at] = Filler::Halfway(captured, value),
        None => depend_on_all(scope, world, at),
    }
}

fn seal(scope: &Scope, world: &mut World, at: usize, fresh: &mut Fresh) {
    let (part, captured, value) = match world.fillers[at] {
        Filler::Loaded(captured, value) => (Part::Both, captured, value),
        Filler::Halfway(captured, value) if scope.keeps(Rule::WindowNotBefore) => {
            (Part::Window, captured, value)
        }
        Filler::Halfway(captured, value) => (Part::Seen, captured, value),
        _ => return,
    };
    let process = scope.fillers[at].process;
    let seen = world.shown(scope, value);
    let late = match world.withholds(scope, process, WINDOW | seen) {
        true => None,
        false => capture(scope, world.store_of(process), captured, part, seen, fresh),
    };
    match late {
        Some(late) => {
            world.fillers[at] = Filler::Sealed(late.only(scope.reads | seen), value);
        }
        None => depend_on_all(scope, world, at),
    }
}

/// The entry depends on all rows, if what says so was captured.
fn depend_on_all(scope: &Scope, world: &mut World, at: usize) {
    world.fillers[at] = match world.fillers[at] {
        Filler::Loaded(captured, value) | Filler::Halfway(captured, value)
            if members(ROWS).all(|tag| captured.tokens[tag] != 0) =>
        {
            Filler::Sealed(captured.only(scope.reads | ROWS), value)
        }
        _ => Filler::Idle,
    };
}

/// What `Core::capture_late` does: one step of the store.
fn capture(
    scope: &Scope,
    store: &mut Store,
    mut captured: Captured,
    part: Part,
    seen: Set,
    fresh: &mut Fresh,
) -> Option<Captured> {
    // What was not clean then has no token to be compared with.
    if members(WINDOW).any(|tag| captured.tokens[tag] == 0) {
        return None;
    }
    let mut tags = match part {
        Part::Both => WINDOW | seen,
        Part::Window => WINDOW,
        Part::Seen => seen,
    };
    store.establish(scope, tags, fresh);
    let blocked = members(WINDOW).any(|tag| store.cells[tag].is_quarantined());
    if blocked && !scope.keeps(Rule::WindowBlocks) {
        tags &= !WINDOW;
    }
    let Look::Miss(now) = look_at(scope, store, tags) else {
        return None;
    };
    if now.nonce != captured.nonce && scope.keeps(Rule::LateComparesNonces) {
        return None;
    }
    let same = |tag: usize| now.tokens[tag] == captured.tokens[tag];
    if scope.keeps(Rule::WindowCompares) && !members(tags & WINDOW).all(same) {
        return None;
    }
    if !scope.keeps(Rule::NonceFromBefore) {
        captured.nonce = now.nonce;
    }
    for tag in members(tags & seen) {
        captured.tokens[tag] = now.tokens[tag];
    }
    Some(captured)
}
