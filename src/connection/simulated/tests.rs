//! The ground, driven by texts.
