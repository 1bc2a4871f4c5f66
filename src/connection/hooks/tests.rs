//! The machine, driven by texts.
