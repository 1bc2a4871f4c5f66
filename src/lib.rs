//! diesel-cache.
pub mod dialect;
pub mod footprint;
pub mod model;

pub use crate::model::CacheModel;
#[cfg(feature = "derive")]
pub use diesel_cache_derive::CacheInvalidate;
