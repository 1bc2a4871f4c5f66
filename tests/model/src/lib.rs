//! A model of the consistency protocol, checked exhaustively.
//!
//! See the package's README.md for what is modelled and what is not. The model runs the
//! library's own [judgement](diesel_cache::protocol::judge), [cells](diesel_cache::protocol::cell)
//! and [gate](diesel_cache::protocol::gate) over a database that is a log of commits.
//!
//! # Layout
//!
//! - [`scope`]: what one run has; [`rule`]: what can be left out of it
//! - [`world`]: the state; [`reduce`]: which states are one
//! - [`store`], [`look`]: what the store does, and what a reader makes of it
//! - [`step`]: what can happen next
//! - [`check`]: the properties, and how they are checked
//! - [`table`]: the scopes and the mutants
//! - [`tier`]: memory in front of a store, a model of its own

pub mod check;
pub mod look;
pub mod mutants;
pub mod reduce;
pub mod rule;
pub mod scope;
pub mod step;
pub mod store;
pub mod table;
pub mod tier;
pub mod world;
