//! What must miss, what must hit, what must bypass.

use super::engine;

#[path = "../behaviour/cases/mysql_only.rs"]
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
