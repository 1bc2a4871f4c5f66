//! What needs no server: models, signals, settings, compile errors. On SQLite.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]

mod commits;
mod computed_values;
mod configuration;
mod conformance;
mod declared;
mod documents;
mod explain;
mod feed;
mod helpers;
mod lifecycle;
mod models;
mod plain_values;
mod precision;
mod sessions;
mod settings;
mod shapes;
mod signals;
mod strategies;
mod support;
mod test_support;
mod ui;
mod unhappy_models;
mod unhappy_values;
mod window;
mod writes;
