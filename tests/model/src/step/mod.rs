//! What can happen next, and what becomes of it.

mod fault;
mod gate;
mod read;
mod write;

use crate::reduce::reduce;
use crate::scope::Scope;
use crate::store::Fresh;
use crate::world::World;

pub use self::fault::Fault;
pub use self::gate::Gating;
pub use self::read::Read;
pub use self::write::Write;

/// One step of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Of a writer, of the store or the database on its behalf.
    Write(usize, Write),
    /// Of a reader.
    Read(usize, Read),
    /// Of those who open the gate.
    Gate(Gating),
    /// Of fate.
    Fault(Fault),
}

/// Everything that can happen next.
pub fn steps(scope: &Scope, world: &World, steps: &mut Vec<Step>) {
    write::steps(scope, world, steps);
    read::steps(scope, world, steps);
    gate::steps(scope, world, steps);
    fault::steps(scope, world, steps);
}

/// What becomes of it; none if nothing does.
#[must_use]
pub fn next(scope: &Scope, before: &World, step: Step) -> Option<World> {
    let mut world = before.clone();
    let fresh = &mut Fresh::new();
    match step {
        Step::Write(writer, step) => write::run(scope, &mut world, writer, step, fresh),
        Step::Read(filler, step) => read::run(scope, &mut world, filler, step, fresh),
        Step::Gate(step) => gate::run(scope, &mut world, step, fresh),
        Step::Fault(step) => fault::run(scope, &mut world, step, fresh),
    }
    reduce(&mut world, scope);
    (world != *before).then_some(world)
}
