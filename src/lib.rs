//! diesel-cache.
pub mod backend;
pub mod bypass;
mod cache;
pub mod catalogue;
mod config;
mod connection;
mod core;
pub mod database;
mod database_state;
pub mod dialect;
pub mod entry;
pub mod error;
mod flight;
pub mod footprint;
mod invalidate;
pub mod key;
pub mod model;
pub mod outcome;
pub mod protocol;
mod query;
pub mod resolve;
mod signal;
pub mod statement;
pub mod stats;
pub mod tag;
pub mod token;

pub use crate::bypass::Bypass;
pub use crate::cache::{Builder, Cache};
pub use crate::connection::AttachConnection;
#[cfg(feature = "r2d2")]
pub use crate::connection::Customizer;
pub use crate::error::Error;
pub use crate::model::{CacheModel, CreateDsl, DeleteDsl, InsertModel, SaveDsl};
pub use crate::outcome::{Outcome, Report};
pub use crate::query::{
    CacheableQuery, Cached, CachedDsl, CachedRows, DatabaseRows, LoadShared, LoadSharedDsl, Shared,
};
pub use crate::signal::{PostDelete, PostSave, ReceiverId};
pub use crate::statement::CacheDatabase;
pub use crate::stats::{Source, Stats};
#[cfg(feature = "derive")]
pub use diesel_cache_derive::CacheInvalidate;
