//! What must miss, what must hit, what must bypass.

use super::engine;

/// What diesel-async has in another way, or not at all.
mod blocking {
    use super::world::Case;

    pub(super) fn cases() -> Vec<Case> {
        Vec::new()
    }
}

#[path = "../behaviour/cases/postgres_only.rs"]
mod dialect;
#[path = "../behaviour/cases/reads.rs"]
mod reads;
#[path = "../behaviour/cases/schema.rs"]
mod schema;
#[path = "../behaviour/cases/shared.rs"]
mod shared;
#[path = "../behaviour/cases/table.rs"]
mod table;
#[path = "../behaviour/cases/world.rs"]
mod world;
