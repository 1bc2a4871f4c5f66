//! The table of rules: one file per area.
//!
//! To add a rule, write a [`Mutant`] with the smallest change that breaks the
//! rule and still compiles, then run `cargo xtask mutants <name>`.

mod tooling;

use super::Mutant;

/// Every rule.
pub(super) const ALL: &[&[Mutant]] = &[tooling::RULES];
