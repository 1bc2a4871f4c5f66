//! Writers: their processes, the store and the database on their behalf.

use diesel_cache::protocol::Lift;

use super::{Step, gate};
use crate::rule::Rule;
use crate::scope::Scope;
use crate::store::Fresh;
use crate::world::{Guard, Reply, Server, Session, Stage, World, Writer};

/// A step of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// The catalogue tells its tags.
    Resolve,
    /// It is recorded, and its quarantine is sent. Its session is marked, if it is not yet.
    Begin,
    /// The connection to the store broke: it sends its quarantine again.
    Retry,
    /// The store runs its quarantine, however late.
    Quarantine,
    /// The acknowledgement arrives.
    Acknowledged,
    /// It waits no longer for the acknowledgement.
    GiveUp,
    /// It sends the statement, or COMMIT.
    Send,
    /// It rolls back instead.
    RollBack,
    /// The database commits.
    Commit,
    /// The database rolls back.
    Abort,
    /// The database answers.
    Answer,
    /// The answer is lost.
    LoseAnswer,
    /// It closes the gate, as it changed the schema.
    Close,
    /// It tells the store its outcome.
    Lift,
    /// The database ends its session.
    EndSession,
    /// A reader finds its quarantine, and that its session has ended.
    Resolved,
    /// Its own process finds that its session has ended.
    Forget,
}

pub(super) fn steps(scope: &Scope, world: &World, steps: &mut Vec<Step>) {
    for (at, spec) in scope.writers.iter().enumerate() {
        let writer = &world.writers[at];
        let mut may = |step| steps.push(Step::Write(at, step));
        if writer.sent {
            may(Write::Quarantine);
        }
        if world.processes[spec.process].alive {
            match writer.stage {
                Stage::Idle if scope.catalogues && !spec.ddl => may(Write::Resolve),
                Stage::Idle | Stage::Resolved => may(Write::Begin),
                Stage::Waiting | Stage::Late => {
                    if writer.reply.is_some() {
                        may(Write::Acknowledged);
                    } else if !writer.sent {
                        may(Write::Retry);
                    }
                    if writer.stage == Stage::Waiting && world.left.silences > 0 {
                        may(Write::GiveUp);
                    }
                    if !scope.keeps(Rule::AwaitAcknowledgement) {
                        may(Write::Send);
                    }
                }
                Stage::Ready => {
                    may(Write::Send);
                    may(Write::RollBack);
                }
                Stage::Asked => {
                    if matches!(writer.server, Server::Committed | Server::Aborted) {
                        may(Write::Answer);
                    }
                    if world.left.unknown > 0 && !spec.foreign {
                        may(Write::LoseAnswer);
                    }
                }
                Stage::Told(how) => {
                    if spec.ddl
                        && how == Lift::Renew
                        && !writer.closed
                        && scope.keeps(Rule::SchemaCloses)
                    {
                        may(Write::Close);
                    } else {
                        may(Write::Lift);
                    }
                }
                Stage::Orphan if writer.session == Session::Ended => may(Write::Forget),
                Stage::Orphan if !scope.keeps(Rule::UnknownStays) => may(Write::Lift),
                Stage::Orphan | Stage::Over | Stage::Dead => {}
            }
        }
        if writer.server == Server::Running {
            may(Write::Commit);
            may(Write::Abort);
        }
        let idle = matches!(
            writer.stage,
            Stage::Dead | Stage::Orphan | Stage::Late | Stage::Over
        );
        let killed = world.left.kills > 0
            && matches!(writer.stage, Stage::Waiting | Stage::Ready | Stage::Asked);
        if writer.session == Session::Live && writer.server != Server::Running && (idle || killed) {
            may(Write::EndSession);
        }
        if world.seen_by(spec.process).is_held_by(at) && is_resolved(scope, world, at) {
            may(Write::Resolved);
        }
    }
}

/// Whether there is evidence that the writer is over.
fn is_resolved(scope: &Scope, world: &World, at: usize) -> bool {
    let writer = &world.writers[at];
    !scope.keeps(Rule::ResolveByEvidence)
        || writer.session == Session::Ended
        || !scope.keeps(Rule::ResolveBySession) && writer.server != Server::Running
}

pub(super) fn run(scope: &Scope, world: &mut World, at: usize, step: Write, fresh: &mut Fresh) {
    let spec = &scope.writers[at];
    match step {
        Write::Resolve => resolve(world, at, spec.process),
        Write::Begin => begin(scope, world, at),
        Write::Retry => world.writers[at].sent = true,
        Write::Quarantine => quarantine(scope, world, at, fresh),
        Write::Acknowledged => acknowledged(scope, world, at),
        Write::GiveUp => give_up(scope, world, at),
        Write::Send => send(scope, world, at),
        Write::RollBack => {
            world.writers[at].server = Server::Aborted;
            tell(&mut world.writers[at], Lift::Restore);
        }
        Write::Commit => {
            world.writers[at].server = Server::Committed;
            world.log.push(at);
        }
        Write::Abort => world.writers[at].server = Server::Aborted,
        Write::Answer => {
            let how = match world.writers[at].server {
                Server::Committed if scope.keeps(Rule::CommitRenews) => Lift::Renew,
                _ => Lift::Restore,
            };
            tell(&mut world.writers[at], how);
            if spec.ddl && !scope.keeps(Rule::LabelledByOpening) {
                world.processes[spec.process].catalogue = None;
            }
        }
        Write::LoseAnswer => lose_answer(scope, world, at),
        Write::Close => {
            world.writers[at].closed = true;
            world.store_of(spec.process).close(scope, fresh);
        }
        Write::Lift => {
            if !spec.strong && scope.keeps(Rule::RenewalCompares) {
                compare(scope, world, at);
            }
            let tags = world.tags_of(scope, at);
            let how = match world.writers[at].stage {
                Stage::Told(how) => how,
                _ => Lift::Renew,
            };
            let store = world.store_of(spec.process);
            if spec.foreign {
                store.clear(scope, fresh);
            } else if spec.strong || !scope.keeps(Rule::UnknownStays) {
                store.lift(scope, at, tags, how);
            } else if how == Lift::Renew {
                store.renew(scope, tags);
            }
            over(world, at, how);
        }
        Write::EndSession => {
            let writer = &mut world.writers[at];
            if matches!(writer.stage, Stage::Waiting | Stage::Ready | Stage::Asked) {
                world.left.kills -= 1;
            }
            writer.session = Session::Ended;
        }
        Write::Resolved => {
            resolved(scope, world, at, fresh);
            // What an older catalogue told may not be all of it; its own process knows.
            world.writers[at].due |= !scope.catalogues;
        }
        Write::Forget => {
            resolved(scope, world, at, fresh);
            over(world, at, Lift::Renew);
        }
    }
}

fn resolve(world: &mut World, at: usize, process: usize) {
    let catalogue = world.processes[process].catalogue;
    let writer = &mut world.writers[at];
    writer.stage = Stage::Resolved;
    match catalogue {
        Some(catalogue) => {
            writer.changed = catalogue.changed;
            writer.label = catalogue.label;
        }
        None => writer.wide = true,
    }
}

fn begin(scope: &Scope, world: &mut World, at: usize) {
    let spec = &scope.writers[at];
    gate::mark(scope, world, spec.process);
    let writer = &mut world.writers[at];
    writer.session = Session::Live;
    if !spec.strong || !scope.keeps(Rule::QuarantineFirst) {
        writer.stage = Stage::Ready;
        // Level strong promises that a commit is seen at once.
        writer.due = spec.strong;
        return;
    }
    writer.stage = Stage::Waiting;
    writer.sent = true;
    if scope.keeps(Rule::GuardComesFirst) {
        writer.guard = Guard::Outstanding;
    }
}

fn quarantine(scope: &Scope, world: &mut World, at: usize, fresh: &mut Fresh) {
    let process = scope.writers[at].process;
    let tags = world.tags_of(scope, at);
    let reply = world.store_of(process).quarantine(scope, at, tags, fresh);
    let writer = &mut world.writers[at];
    writer.sent = false;
    if matches!(writer.stage, Stage::Waiting | Stage::Late) {
        let opening = reply.opening.filter(|_| scope.catalogues);
        writer.reply = Some(Reply { opening, ..reply });
    }
}

fn acknowledged(scope: &Scope, world: &mut World, at: usize) {
    let writer = &mut world.writers[at];
    let Some(Reply { epoch, opening }) = writer.reply.take() else {
        return;
    };
    let known = if scope.keeps(Rule::LabelledByOpening) {
        opening
    } else {
        Some(epoch)
    };
    let old =
        scope.catalogues && !scope.writers[at].ddl && (known.is_none() || known != writer.label);
    // What it quarantined first was another set, and maybe in another epoch.
    let late = writer.stage == Stage::Late && !scope.keeps(Rule::LateCompares);
    if old && !writer.wide && !late && scope.keeps(Rule::OldCatalogueWidens) {
        writer.wide = true;
        writer.sent = true;
        return;
    }
    writer.guard = Guard::Known(epoch);
    writer.due = true;
    writer.stage = match writer.stage {
        Stage::Late => Stage::Orphan,
        _ => Stage::Ready,
    };
}

fn give_up(scope: &Scope, world: &mut World, at: usize) {
    world.left.silences -= 1;
    let writer = &mut world.writers[at];
    writer.reply = None;
    if scope.aborts {
        writer.server = Server::Aborted;
        tell(writer, Lift::Restore);
    } else {
        if scope.keeps(Rule::UnansweredCompares) {
            compare(scope, world, at);
        }
        let writer = &mut world.writers[at];
        writer.withheld = true;
        writer.stage = Stage::Ready;
    }
}

/// A writer that went by an older catalogue than its process knows of touches everything.
fn compare(scope: &Scope, world: &mut World, at: usize) {
    let opening = world.processes[scope.writers[at].process].opening;
    let old = opening.is_none() || opening != world.writers[at].label;
    if scope.catalogues && !scope.writers[at].ddl && old {
        world.writers[at].wide = true;
    }
}

fn send(scope: &Scope, world: &mut World, at: usize) {
    let writer = &mut world.writers[at];
    if writer.session == Session::Ended {
        // Nobody is there. The client cannot know that nothing was done.
        writer.stage = Stage::Orphan;
        return;
    }
    writer.due |= scope.writers[at].strong && writer.stage == Stage::Waiting;
    writer.reply = None;
    writer.stage = Stage::Asked;
    writer.server = Server::Running;
}

fn lose_answer(scope: &Scope, world: &mut World, at: usize) {
    world.left.unknown -= 1;
    let writer = &mut world.writers[at];
    if scope.writers[at].strong || !scope.keeps(Rule::UnknownStays) {
        writer.stage = Stage::Orphan;
    } else {
        writer.stage = Stage::Late;
        writer.sent = true;
        writer.guard = Guard::Outstanding;
    }
}

/// Lifts for a writer whose session has ended.
fn resolved(scope: &Scope, world: &mut World, at: usize, fresh: &mut Fresh) {
    let spec = &scope.writers[at];
    let tags = world.tags_of(scope, at);
    let store = world.store_of(spec.process);
    if spec.ddl && scope.keeps(Rule::ResolveCloses) {
        store.close(scope, fresh);
    }
    store.lift(scope, at, tags, Lift::Renew);
}

/// The outcome is known, and the store is to be told. From here on the process may testify.
fn tell(writer: &mut Writer, how: Lift) {
    writer.guard = Guard::None;
    writer.stage = Stage::Told(how);
}

/// The store has been told the outcome.
fn over(world: &mut World, at: usize, how: Lift) {
    let writer = &mut world.writers[at];
    writer.due |= how == Lift::Renew;
    writer.withheld = false;
    writer.guard = Guard::None;
    writer.stage = Stage::Over;
}
