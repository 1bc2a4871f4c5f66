//! Cached reads against uncached ones, at random.

use super::engine;

#[path = "../differential/cases/random.rs"]
mod random;
#[path = "../differential/cases/reads.rs"]
mod reads;
