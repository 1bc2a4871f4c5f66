//! States that differ only in how random numbers are called, or in what nothing asks for
//! any longer, are one state.

use diesel_cache::protocol::cell::Cell;

use crate::rule::Rule;
use crate::scope::{ALSO, Scope};
use crate::store::members;
use crate::world::{
    CONSTANT, Captured, Filler, GONE, Guard, Id, Opener, Session, Stage, Store, World, Writer,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Token,
    Nonce,
    Epoch,
    Opening,
}

/// Gives the state its shortest form.
pub fn reduce(world: &mut World, scope: &Scope) {
    if scope.reduced && !scope.broken.remembers() {
        forget(world, scope);
    }
    if let [one, other] = &scope.fillers[..]
        && one == other
    {
        world.fillers.sort_unstable();
    }
    rename(world, scope);
}

/// Numbers the random numbers in the order in which they are met.
fn rename(world: &mut World, scope: &Scope) {
    let mut names = [[0; 256]; 4];
    let mut next = [1; 4];
    visit(world, scope, &mut |kind, id| {
        if *id == 0 || *id >= CONSTANT {
            return;
        }
        let kind = kind as usize;
        let name = &mut names[kind][usize::from(*id)];
        if *name == 0 {
            *name = next[kind];
            next[kind] += 1;
        }
        *id = *name;
    });
}

fn visit(world: &mut World, scope: &Scope, see: &mut impl FnMut(Kind, &mut Id)) {
    visit_store(&mut world.store, see);
    if let Some(old) = &mut world.old {
        visit_store(old, see);
    }
    // Broken catalogues are labelled by epochs.
    let label = if scope.keeps(Rule::LabelledByOpening) {
        Kind::Opening
    } else {
        Kind::Epoch
    };
    for process in &mut world.processes {
        process.known.iter_mut().for_each(|id| see(Kind::Epoch, id));
        process
            .sending
            .iter_mut()
            .for_each(|id| see(Kind::Epoch, id));
        process
            .opening
            .iter_mut()
            .for_each(|id| see(Kind::Opening, id));
        let catalogue = process.catalogue.iter_mut();
        catalogue
            .flat_map(|it| &mut it.label)
            .for_each(|id| see(label, id));
    }
    for writer in &mut world.writers {
        if let Guard::Known(id) = &mut writer.guard {
            see(Kind::Epoch, id);
        }
        if let Some(reply) = &mut writer.reply {
            see(Kind::Epoch, &mut reply.epoch);
            reply
                .opening
                .iter_mut()
                .for_each(|id| see(Kind::Opening, id));
        }
        writer.label.iter_mut().for_each(|id| see(label, id));
    }
    match &mut world.opener {
        Opener::Standing(id, _) | Opener::May(id) => see(Kind::Epoch, id),
        Opener::Idle | Opener::Marked(_) => {}
    }
    for filler in &mut world.fillers {
        if let Filler::Captured(captured)
        | Filler::Loaded(captured, _)
        | Filler::Halfway(captured, _)
        | Filler::Sealed(captured, _) = filler
        {
            visit_captured(captured, see);
        }
    }
}

fn visit_store(store: &mut Store, see: &mut impl FnMut(Kind, &mut Id)) {
    if let Some(gate) = &mut store.gate {
        see(Kind::Epoch, &mut gate.epoch);
        see(Kind::Nonce, &mut gate.nonce);
        gate.opening
            .iter_mut()
            .for_each(|id| see(Kind::Opening, id));
    }
    for cell in &mut store.cells {
        match cell {
            Cell::Clean(id) | Cell::Quarantined { kept: Some(id), .. } => see(Kind::Token, id),
            _ => {}
        }
    }
    if let Some(entry) = &mut store.entry {
        visit_captured(&mut entry.captured, see);
    }
}

fn visit_captured(captured: &mut Captured, see: &mut impl FnMut(Kind, &mut Id)) {
    see(Kind::Nonce, &mut captured.nonce);
    captured
        .tokens
        .iter_mut()
        .for_each(|id| see(Kind::Token, id));
}

/// Drops what cannot matter again: tokens, nonces and epochs that the store no longer has never
/// come back. (An opening that has gone is still compared with the label of a catalogue.) Only
/// where no rule is broken that would find them.
fn forget(world: &mut World, scope: &Scope) {
    let gate = world.store.gate;
    let epoch = gate.map(|gate| gate.epoch);
    let current = |id: Option<Id>| id.filter(|_| id == epoch);
    let store = &world.store;
    let has = |tag: usize, id: Id| match store.cells[tag] {
        Cell::Clean(token)
        | Cell::Quarantined {
            kept: Some(token), ..
        } => token == id,
        _ => false,
    };
    let lives = |captured: &Captured| {
        gate.is_some_and(|gate| gate.nonce == captured.nonce)
            && members(captured.tags).all(|tag| has(tag, captured.tokens[tag]))
    };
    for filler in &mut world.fillers {
        match filler {
            // What was captured besides may be dead, and the rest of use.
            Filler::Captured(captured)
            | Filler::Loaded(captured, _)
            | Filler::Halfway(captured, _)
                if scope.rows =>
            {
                let also = captured.tags & ALSO;
                for tag in members(also) {
                    if !has(tag, captured.tokens[tag]) {
                        captured.tokens[tag] = 0;
                    }
                }
                let all = members(also).all(|tag| captured.tokens[tag] == 0);
                if all || !lives(&captured.only(scope.reads)) {
                    *filler = Filler::Idle;
                }
            }
            Filler::Captured(captured)
            | Filler::Loaded(captured, _)
            | Filler::Sealed(captured, _)
                if !lives(captured) =>
            {
                *filler = Filler::Idle;
            }
            _ => {}
        }
    }
    if store.entry.is_some_and(|entry| !lives(&entry.captured)) {
        world.store.entry = None;
    }
    if let Opener::Standing(id, _) | Opener::May(id) = world.opener
        && Some(id) != epoch
    {
        world.opener = Opener::Idle;
    }
    for process in &mut world.processes {
        process.sending = current(process.sending);
    }
    // Broken catalogues are labelled by epochs, and compared by them.
    if scope.keeps(Rule::LabelledByOpening) {
        for process in &mut world.processes {
            process.known = current(process.known);
        }
        for writer in &mut world.writers {
            if let Guard::Known(id) = &mut writer.guard
                && Some(*id) != epoch
            {
                *id = GONE;
            }
            if let Some(reply) = &mut writer.reply
                && Some(reply.epoch) != epoch
            {
                reply.epoch = GONE;
            }
        }
    }
    for (at, writer) in world.writers.iter_mut().enumerate() {
        let ended = writer.session == Session::Ended || writer.session == Session::New;
        let over = matches!(writer.stage, Stage::Over | Stage::Dead);
        if over && ended && !writer.sent && !world.store.is_held_by(at) {
            // Whether its commit must be seen by others is all that is left of it.
            *writer = Writer {
                stage: Stage::Over,
                session: Session::Ended,
                due: writer.due && world.log.has(at),
                ..Writer::default()
            };
        }
    }
}
