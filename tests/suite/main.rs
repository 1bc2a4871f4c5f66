//! What needs no server: models, signals, settings, compile errors. On SQLite.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

mod models;
mod sessions;
mod settings;
mod shapes;
mod support;
mod ui;
