//! Saving a model.

use std::future::Future;

use diesel::associations::HasTable;
use diesel::dsl::Update;
use diesel::query_builder::{AsChangeset, AsQuery, IntoUpdateTarget};
use diesel::result::{Error, QueryResult};
use diesel_async::AsyncConnection;
use diesel_async::methods::ExecuteDsl;

use super::{Aside, begin, cache_of, end};
use crate::asynchronous::CacheConnection;
use crate::asynchronous::transaction::{self, Stop, tell};
use crate::model::CacheModel;
use crate::model::heard::boxed::{Saving, saving};
use crate::model::kept::{KeptKeys, KeptRow};

/// Adds `.save()` to models, on connections that are awaited.
///
/// Implemented for `&M` where `M` derives `CacheInvalidate`, `Identifiable` and `AsChangeset`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be saved on `{Conn}`",
    label = "`.save()` needs a model that can be updated",
    note = "derive `CacheInvalidate`, `Identifiable` and `AsChangeset` on the model",
    note = "a model with `serialize_as` fields has no borrowed changeset: update it with `diesel::update`"
)]
pub trait SaveDsl<Conn> {
    /// Saves the model, under the terms of [`SaveDsl::save`](crate::SaveDsl::save). With a
    /// shared store it is a transaction: what it writes is announced before it is committed.
    ///
    /// # Errors
    /// [`NotFound`](Error::NotFound) if there is no such row, what the database returns, or what
    /// a receiver returned; the row is then as it was.
    fn save(self, conn: &mut Conn) -> impl Future<Output = QueryResult<()>> + Send;

    /// Saves a model whose keys have changed since it was loaded, as
    /// [`SaveDsl::save_from`](crate::SaveDsl::save_from) says.
    ///
    /// # Errors
    /// Those of [`save`](Self::save).
    fn save_from(self, old: Self, conn: &mut Conn) -> impl Future<Output = QueryResult<()>> + Send;
}

impl<'a, M, Conn> SaveDsl<Conn> for &'a M
where
    Conn: CacheConnection + AsyncConnection,
    M: CacheModel + Sync,
    &'a M: HasTable + IntoUpdateTarget + AsChangeset<Target = <&'a M as HasTable>::Table>,
    Update<&'a M, &'a M>: AsQuery + ExecuteDsl<Conn> + Send,
    Update<KeptRow<'a, M>, &'a M>: AsQuery + ExecuteDsl<Conn> + Send,
{
    fn save(self, conn: &mut Conn) -> impl Future<Output = QueryResult<()>> + Send {
        self.save_from(self, conn)
    }

    async fn save_from(self, old: Self, conn: &mut Conn) -> QueryResult<()> {
        let Some(cache) = cache_of::<M, Conn>(conn).await else {
            return update::<M, Conn>(self, old, conn).await;
        };
        let heard = saving::<M>(&cache);
        let begun = begin(conn, &cache, heard.may_undo()).await?;
        let saved = told::<M, Conn>(self, old, &*heard, conn).await;
        end(conn, begun, saved).await
    }
}

/// Adds `.save_all()` to slices of models, on connections that are awaited.
///
/// Implemented for `&[M]` where `&M` has [`save`](SaveDsl::save).
pub trait SaveAllDsl<Conn> {
    /// Saves all of the models in one transaction, in their order, each with its signals.
    /// Nothing is written for an empty slice.
    ///
    /// # Errors
    /// What [`save`](SaveDsl::save) returns for the first model that fails; all rows are then
    /// as they were.
    fn save_all(self, conn: &mut Conn) -> impl Future<Output = QueryResult<()>> + Send;
}

impl<'a, M, Conn> SaveAllDsl<Conn> for &'a [M]
where
    Conn: CacheConnection + AsyncConnection,
    M: CacheModel + Sync,
    &'a M: HasTable + IntoUpdateTarget + AsChangeset<Target = <&'a M as HasTable>::Table>,
    Update<&'a M, &'a M>: AsQuery + ExecuteDsl<Conn> + Send,
    Update<KeptRow<'a, M>, &'a M>: AsQuery + ExecuteDsl<Conn> + Send,
{
    async fn save_all(self, conn: &mut Conn) -> QueryResult<()> {
        use diesel_async::TransactionManager;

        if self.is_empty() {
            return Ok(());
        }
        let cache = cache_of::<M, Conn>(conn).await;
        let heard = cache.as_ref().map(saving::<M>);
        // rule: several-rows-are-written-as-a-whole
        Conn::TransactionManager::begin_transaction(conn).await?;
        let mut saved = Ok(());
        for model in self {
            saved = match &heard {
                Some(heard) => told::<M, Conn>(model, model, &**heard, conn).await,
                None => update::<M, Conn>(model, model, conn)
                    .await
                    .map_err(Stop::from),
            };
            if saved.is_err() {
                break;
            }
        }
        let ended = transaction::end(conn, saved).await;
        ended.map_err(Stop::error)
    }
}

async fn told<'a, M, Conn>(
    model: &'a M,
    old: &'a M,
    heard: &dyn Saving<M>,
    conn: &mut Conn,
) -> Result<(), Stop>
where
    Conn: CacheConnection,
    M: CacheModel + Sync,
    &'a M: HasTable + IntoUpdateTarget + AsChangeset<Target = <&'a M as HasTable>::Table>,
    Update<&'a M, &'a M>: AsQuery + ExecuteDsl<Conn> + Send,
    Update<KeptRow<'a, M>, &'a M>: AsQuery + ExecuteDsl<Conn> + Send,
{
    // rule: a-veto-stops-the-statement
    tell(|| heard.before(Some(model), &mut Aside::default()))?;
    update::<M, Conn>(model, old, conn).await?;
    let mut aside = Aside::after_update(conn).await;
    let told = tell(|| heard.after(model, false, &mut aside));
    aside.leave_word(conn).await;
    told
}

async fn update<'a, M, Conn>(model: &'a M, old: &'a M, conn: &mut Conn) -> QueryResult<()>
where
    Conn: CacheConnection,
    M: CacheModel + Sync,
    &'a M: HasTable + IntoUpdateTarget + AsChangeset<Target = <&'a M as HasTable>::Table>,
    Update<&'a M, &'a M>: AsQuery + ExecuteDsl<Conn> + Send,
    Update<KeptRow<'a, M>, &'a M>: AsQuery + ExecuteDsl<Conn> + Send,
{
    // rule: a-row-that-moved-is-saved-all-the-same
    if M::Kept::<'a>::ANY {
        let kept = ExecuteDsl::execute(diesel::update(KeptRow::new(model, old)).set(model), conn);
        if kept.await? > 0 {
            return Ok(());
        }
    }
    let updated = ExecuteDsl::execute(diesel::update(model).set(model), conn);
    match updated.await? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}
