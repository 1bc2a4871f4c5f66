//! What a statement reads and writes.
pub mod analysis;
