#![doc = include_str!("../README.md")]
//!
//! # Layout
//!
//! Follow a read, then a write; the files are named in the order in which the data meets them.
//!
//! **A read.** [`CachedDsl::cached`] in `query/` wraps a query. When it is loaded,
//! `query/execute.rs` takes it through the rest:
//!
//! 1. `connection/` finds the cache in the connection's instrumentation, and asks who the
//!    database is, what the session's settings are and what the catalogue says, if that is not
//!    known yet.
//! 2. [`statement`] renders the query: its SQL and the bytes of its binds.
//! 3. [`footprint`] tells from the text alone what it reads. [`catalogue`] adds what the
//!    database knows of its views and tables, [`resolve`] what models say, and the result is a
//!    list of [`tag`]s or a reason to [`bypass`].
//! 4. `connection/transaction.rs` says whether a read may look into the cache now: not for what
//!    the open transaction has written, and not under an older snapshot.
//! 5. [`key`] joins everything that may change the answer.
//! 6. `core` fetches the [`entry`] and the [`token`]s of its tags from the [`backend`], and
//!    [`protocol`] judges: a hit, a miss, or neither.
//! 7. On a miss, `flight` lets one of several equal readers ask the database. What it finds is
//!    stored under the tokens that were captured in step 6.
//!
//! [`outcome`] says which of these it was, and [`stats`] counts it.
//!
//! **A value.** `values/` caches what is made from reads, under a name; `dependencies/` collects
//! what it depends on, and refuses what is not certain.
//!
//! **A write.** [`model`] has `save`, `create` and `delete`, which run plain statements, and
//! [`signal`] tells their receivers. From here on all statements are alike:
//!
//! 1. `connection/tracker.rs` is Diesel's instrumentation. It is told of every statement before
//!    it is sent.
//! 2. [`footprint`], [`catalogue`] and [`resolve`] tell what the statement writes: its tables, and
//!    those that cascades, partitions, views, triggers and functions add.
//! 3. `connection/transaction.rs` follows the transaction and its savepoints, and says what must
//!    be under quarantine before the statement is sent.
//! 4. `invalidate` puts the tags under quarantine and, when the outcome is known, lifts it with
//!    new tokens or with the old ones. Then it follows the [`strategy`] of each table, and `feed`
//!    tells the [`event`] to subscribers.
//! 5. `connection/hooks.rs` says what may run after a commit that is certain.
//!
//! **Both.** `cache/` is the handle and its builder, `config` the settings, [`database`] the
//! identity of a database, `database_state` the catalogue as long as it is current (and
//! `connection/catalogue.rs` looks whether it is), [`dialect`] the SQL that it speaks, [`error`]
//! what can fail at the start.
//!
//! The public modules are there for [backends](backend::CacheBackend) and for tests. What an
//! application needs stands at the root of the crate.
//!
//! # Features
//!
//! - **`memory`** (default): [`MemoryBackend`](backend::MemoryBackend) and `memory://`. Without
//!   it, a cache needs a backend of your own.
//! - **`derive`** (default): the derive macro [`CacheInvalidate`]. Without it, implement
//!   [`CacheModel`] by hand.
//! - **`sqlite`**, **`postgres`**, **`mysql`**: [`CacheDatabase`] for that database. None is on by
//!   default; with none of them, nothing can be cached.
//! - **`r2d2`**: [`Customizer`], made by `Cache::customizer`, and pooled connections.
//! - **`test`**: the module `test`: assertions, a recording backend and simulated commits, for
//!   the tests of applications.
//! - **`conformance`**: the module `backend::conformance`: the tests that every backend passes,
//!   for the authors of others.
//!
//! Features that are not listed here are not part of the API.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "async")]
pub mod asynchronous;
pub mod backend;
pub mod bypass;
mod cache;
pub mod catalogue;
mod codec;
mod config;
mod connection;
mod core;
pub mod database;
mod database_state;
pub mod datum;
mod dependencies;
pub mod dialect;
pub mod entry;
pub mod error;
pub mod event;
pub mod explain;
mod feed;
mod flight;
pub mod footprint;
#[cfg(feature = "tower")]
pub mod http;
mod invalidate;
pub mod key;
pub mod model;
mod now;
mod outbox;
pub mod outcome;
pub mod precision;
pub mod protocol;
mod query;
mod relay;
pub mod resolve;
mod shared;
pub mod signal;
pub mod statement;
pub mod stats;
pub mod strategy;
pub mod tag;
#[cfg(feature = "test")]
pub mod test;
pub mod token;
mod values;

pub use crate::bypass::Bypass;
pub use crate::cache::{Builder, Cache};
pub use crate::config::{Codec, Level, OnUnreachable};
#[cfg(feature = "r2d2")]
pub use crate::connection::Customizer;
pub use crate::connection::{AttachConnection, explain_write};
pub use crate::core::OverInvalidation;
pub use crate::dependencies::{Dependencies, Unstored};
pub use crate::error::{Error, OutboxUnwritable, StoreUnreachable};
pub use crate::event::{Invalidation, Source};
pub use crate::feed::Subscription;
pub use crate::model::{
    CacheModel, CreateAllDsl, CreateDsl, CreateWithKeyDsl, Declare, DeleteAllDsl, DeleteDsl,
    InsertModel, InsertModels, InsertWithKey, Kept, KeptKeys, NoKeys, SaveAllDsl, SaveDsl,
};
pub use crate::outbox::{InvalidName as InvalidOutboxName, OutboxMigration};
pub use crate::outcome::{Outcome, Report};
pub use crate::query::{
    CacheableQuery, Cached, CachedDsl, CachedRows, DatabaseRows, LoadShared, LoadSharedDsl, Shared,
};
pub use crate::signal::{
    PostCommit, PostDelete, PostSave, PostWrite, PreDelete, PreSave, ReceiverId, Signal, Signals,
};
pub use crate::statement::CacheDatabase;
pub use crate::stats::Stats;
pub use crate::values::{CacheValue, Value, Values};
#[cfg(feature = "derive")]
pub use diesel_cache_derive::CacheInvalidate;
