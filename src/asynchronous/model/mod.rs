//! Models on connections that are awaited: `save`, `create` and `delete`, with their signals.
//!
//! Receivers are closures that return when they are done: they run on the task that writes, and
//! cannot use its connection.

use diesel::result::QueryResult;
use diesel_async::{AsyncConnection, TransactionManager};

use crate::asynchronous::CacheConnection;
use crate::asynchronous::transaction::{self, Stop};
use crate::cache::Cache;
use crate::config::Level;
use crate::connection::warn_unattached;
use crate::model::CacheModel;
use crate::model::heard::{Changed, Place};
use crate::signal::{Hook, Inside};

mod create;
mod delete;
mod save;

pub use self::create::{CreateDsl, InsertModel};
pub use self::delete::{DeleteAllDsl, DeleteDsl};
pub use self::save::{SaveAllDsl, SaveDsl};

/// The cache of a connection that a model is written through; the model is registered.
async fn cache_of<M: CacheModel, C: CacheConnection>(conn: &mut C) -> Option<Cache> {
    let cache = conn.with_tracker(|tracker| tracker.map(|tracker| tracker.cache().clone()));
    let Some(cache) = cache.await.flatten() else {
        warn_unattached();
        return None;
    };
    cache.register::<M>();
    Some(cache)
}

/// Begins the transaction that a write of a model needs: if a receiver may undo it, or if what it
/// writes is to be announced before it is committed. Returns whether it was begun.
///
/// # Errors
/// What the database returns.
async fn begin<C>(conn: &mut C, cache: &Cache, may_undo: bool) -> QueryResult<bool>
where
    C: CacheConnection + AsyncConnection,
{
    let core = cache.core();
    let announces = core.is_shared() && core.config.level >= Level::Strong;
    let begins = may_undo || announces || core.announces_early();
    if begins {
        C::TransactionManager::begin_transaction(conn).await?;
    }
    Ok(begins)
}

/// Ends it, if it was begun.
///
/// # Errors
/// What stopped the write.
async fn end<C, T>(conn: &mut C, begun: bool, result: Result<T, Stop>) -> QueryResult<T>
where
    C: CacheConnection + AsyncConnection,
{
    let result = match begun {
        true => transaction::end(conn, result).await,
        false => result,
    };
    result.map_err(Stop::error)
}

/// A place where receivers are told, and may not use the connection. What they leave behind for
/// the commit is collected.
#[derive(Default)]
struct Aside {
    changed: Option<Changed>,
    hooks: Vec<Hook>,
}

impl Place for Aside {
    fn inside(&mut self) -> Inside<'_> {
        Inside::awaited()
    }

    fn changed(&mut self) -> Option<Changed> {
        self.changed.clone()
    }

    fn after_commit(&mut self, hook: Hook) {
        self.hooks.push(hook);
    }
}

impl Aside {
    /// After an update: which columns it changed.
    async fn after_update<C: CacheConnection>(conn: &mut C) -> Self {
        let changed = conn.with_tracker(|tracker| tracker?.changed().cloned());
        Self {
            changed: changed.await.flatten(),
            hooks: Vec::new(),
        }
    }

    /// Leaves word for those who wait for the commit.
    async fn leave_word<C: CacheConnection>(self, conn: &mut C) {
        if self.hooks.is_empty() {
            return;
        }
        let hooks = self.hooks;
        conn.with_tracker(|tracker| {
            if let Some(tracker) = tracker {
                hooks
                    .into_iter()
                    .for_each(|hook| tracker.after_commit(hook));
            }
        })
        .await;
    }
}
