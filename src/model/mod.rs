//! Models: what the cache knows about them, and the helpers that save, create and
//! delete them with their signals.

use std::time::Duration;

use crate::cache::Cache;
use crate::footprint::Name;
use crate::strategy::{Chosen, Strategy, Version};

mod create;
mod create_all;
mod create_with_key;
mod declare;
mod delete;
pub(crate) mod heard;
pub(crate) mod kept;
mod save;
mod signals;

#[cfg(any(feature = "async-sqlite", feature = "async-postgres"))]
pub(crate) use self::create::Returning;
#[cfg(feature = "async-mysql")]
pub(crate) use self::create::needs_number;
pub use self::create::{CreateDsl, InsertModel};
pub use self::create_all::{CreateAllDsl, InsertModels};
pub use self::create_with_key::{CreateWithKeyDsl, InsertWithKey};
pub use self::declare::Declare;
pub use self::delete::{DeleteAllDsl, DeleteDsl};
pub use self::kept::{AndKept, Kept, KeptKeys, KeptRow, NoKeys};
pub use self::save::{SaveAllDsl, SaveDsl};

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
    /// The keys by which rows of this table are told apart besides the primary key, each by the
    /// names in SQL of its columns: a write then leaves results alone that ask for other values of
    /// one of them. A key counts where the database compares its columns byte by byte: whole
    /// numbers, UUIDs, texts of a binary collation. Default: none.
    const KEYS: &'static [&'static [&'static str]] = &[];
    /// The values of those of its [keys](Self::KEYS) that the model holds, as an expression: see
    /// [`kept`](Self::kept). [`NoKeys`] if it has none.
    type Kept<'a>: KeptKeys
    where
        Self: 'a;
    /// That the row still has the values that the instance has in its keys.
    ///
    /// [`save`](SaveDsl::save) and [`delete`](DeleteDsl::delete) say so first: a statement that
    /// tells which values its row has leaves the results alone that ask for others. If there is
    /// no such row any more, they run again without it.
    fn kept(&self) -> Self::Kept<'_>;
    /// How long results that read this table live at most; `None` for the cache's default.
    const TTL: Option<Duration>;
    /// Whether results that read this table are never cached.
    const NEVER: bool;
    /// Further tables whose writes invalidate results that read this table.
    const DEPENDS_ON: &'static [&'static str];
    /// The version of what is stored: results that read this table are never shared
    /// between programs whose models of it differ in their version. To be raised when the
    /// meaning of the rows changes, and their types do not show it. Default: 0.
    const VERSION: u32 = 0;
    /// What becomes of results that read this table when it is written.
    const STRATEGY: &'static dyn Strategy = &Version;

    /// Whether a result that was invalidated by a write may be served while another reader makes
    /// it anew: for at most as long as that reader is waited for, see
    /// [`single_flight_wait`](crate::Builder::single_flight_wait), each time, and never past its
    /// own time to live. This gives up freshness, also of one's own writes; and it counts for a
    /// read only if all of its tables say so. Default: no.
    const STALE_AFTER_WRITE: bool = false;

    /// Connects the receivers that are declared on the model, in their order. Called once
    /// for each cache, before any other receiver of the model is connected. Default: none.
    fn receivers(declare: &mut Declare<Self>) {
        let _ = declare;
    }
}

impl Cache {
    /// Takes a model's `#[cache(...)]` settings into account: its time to live, its keys, its
    /// further dependencies, its version and strategy, and whether it may be cached at all.
    /// Connects the receivers that are declared on it.
    ///
    /// The settings hold for every read of the model's table; of two models of one
    /// table, the stricter setting counts. [`save`](SaveDsl::save) and its kin
    /// register their model themselves.
    pub fn register<M: CacheModel>(&self) -> &Self {
        // Each save comes here.
        if self.signals().is_registered::<M>() {
            return self;
        }
        self.signals().declare::<M>();
        // Asked before anything is locked: it is the user's.
        let strategy = Chosen::new(M::STRATEGY);
        self.configure(M::TABLE, |table| {
            table.ttl = [table.ttl, M::TTL].into_iter().flatten().min();
            table.never |= M::NEVER;
            let all = table.stale_after_write.unwrap_or(true);
            table.stale_after_write = Some(all && M::STALE_AFTER_WRITE);
            table.depends_on.extend(
                M::DEPENDS_ON
                    .iter()
                    .map(|name| Name::from(name.to_lowercase())),
            );
            table.keys.extend(M::KEYS.iter().map(|key| {
                let columns = key.iter();
                columns
                    .map(|name| Name::from(name.to_lowercase()))
                    .collect()
            }));
            let model = std::any::type_name::<M>();
            table.strategies.add(model, strategy);
            if M::VERSION != 0 {
                table.versions.insert(model, M::VERSION);
            }
        });
        self.signals().set_registered::<M>();
        self
    }

    /// Switches the cache on or off for reads of this model's table, under the terms of
    /// [`set_table_enabled`](Self::set_table_enabled).
    pub fn set_model_enabled<M: CacheModel>(&self, enabled: bool) {
        self.set_table_enabled(M::TABLE, enabled);
    }

    /// Invalidates every cached result that may hold this row, in every database, at once.
    ///
    /// What a write that was not seen has changed besides is not known, so this invalidates as
    /// much as [`invalidate_table`](Self::invalidate_table) does. Needed only for writes that
    /// no attached connection sees.
    pub fn invalidate_row<M: CacheModel>(&self, instance: &M) {
        let _ = instance;
        self.invalidate_table(M::TABLE);
    }
}
