//! What the cache knows about a model.

use std::time::Duration;

/// A Diesel model whose reads are cached and whose lifecycle is signalled.
///
/// Implemented by `#[derive(CacheInvalidate)]`; the derive reads Diesel's own
/// attributes, so that a model says each thing once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a cached model",
    label = "this model does not derive `CacheInvalidate`",
    note = "add `#[derive(diesel_cache::CacheInvalidate)]` to the struct that also derives `Identifiable`"
)]
pub trait CacheModel: Sized + 'static {
    /// The table's module-level type: `posts::table`.
    type Table: diesel::Table + Default;
    /// The table's name in SQL, without a schema.
    const TABLE: &'static str;
    /// The names in SQL of the primary key's columns, in order.
    const PRIMARY_KEY: &'static [&'static str];
    /// How long results that read this table live at most; `None` for the cache's default.
    const TTL: Option<Duration>;
    /// Whether results that read this table are never cached.
    const NEVER: bool;
    /// Further tables whose writes invalidate results that read this table.
    const DEPENDS_ON: &'static [&'static str];
}
