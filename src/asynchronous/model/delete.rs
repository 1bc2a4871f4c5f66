//! Deleting a model.

use std::future::Future;

use diesel::associations::HasTable;
use diesel::query_builder::{DeleteStatement, IntoUpdateTarget};
use diesel::result::{Error, QueryResult};
use diesel_async::AsyncConnection;
use diesel_async::methods::ExecuteDsl;

use super::{Aside, begin, cache_of, end};
use crate::asynchronous::CacheConnection;
use crate::asynchronous::transaction::{self, Stop, tell};
use crate::model::CacheModel;
use crate::model::heard::boxed::{Deleting, deleting};
use crate::model::kept::{KeptKeys, KeptRow};

type Delete<'a, M> =
    DeleteStatement<<&'a M as HasTable>::Table, <&'a M as IntoUpdateTarget>::WhereClause>;
type DeleteKept<'a, M> =
    DeleteStatement<<&'a M as HasTable>::Table, <KeptRow<'a, M> as IntoUpdateTarget>::WhereClause>;

/// Adds `.delete()` to models, on connections that are awaited.
///
/// Implemented for `&M` where `M` derives `CacheInvalidate` and `Identifiable`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be deleted on `{Conn}`",
    label = "`.delete()` needs a model with a primary key",
    note = "derive `CacheInvalidate` and `Identifiable` on the model"
)]
pub trait DeleteDsl<Conn> {
    /// Deletes the model's row, under the terms of [`DeleteDsl::delete`](crate::DeleteDsl::delete).
    /// With a shared store it is a transaction: what it writes is announced before it is
    /// committed.
    ///
    /// # Errors
    /// [`NotFound`](Error::NotFound) if there is no such row, what the database returns, or what
    /// a receiver returned; the row is then as it was.
    fn delete(self, conn: &mut Conn) -> impl Future<Output = QueryResult<()>> + Send;
}

impl<'a, M, Conn> DeleteDsl<Conn> for &'a M
where
    Conn: CacheConnection + AsyncConnection,
    M: CacheModel + Sync,
    &'a M: IntoUpdateTarget,
    Delete<'a, M>: ExecuteDsl<Conn> + Send,
    DeleteKept<'a, M>: ExecuteDsl<Conn> + Send,
{
    async fn delete(self, conn: &mut Conn) -> QueryResult<()> {
        let Some(cache) = cache_of::<M, Conn>(conn).await else {
            return delete::<M, Conn>(self, conn).await;
        };
        let heard = deleting::<M>(&cache);
        let begun = begin(conn, &cache, heard.may_undo()).await?;
        let deleted = told::<M, Conn>(self, &*heard, conn).await;
        end(conn, begun, deleted).await
    }
}

/// Adds `.delete_all()` to slices of models, on connections that are awaited.
///
/// Implemented for `&[M]` where `&M` has [`delete`](DeleteDsl::delete).
pub trait DeleteAllDsl<Conn> {
    /// Deletes all of the models' rows in one transaction, in their order, each with its
    /// signals. Nothing is written for an empty slice.
    ///
    /// # Errors
    /// What [`delete`](DeleteDsl::delete) returns for the first model that fails; all rows are
    /// then as they were.
    fn delete_all(self, conn: &mut Conn) -> impl Future<Output = QueryResult<()>> + Send;
}

impl<'a, M, Conn> DeleteAllDsl<Conn> for &'a [M]
where
    Conn: CacheConnection + AsyncConnection,
    M: CacheModel + Sync,
    &'a M: IntoUpdateTarget,
    Delete<'a, M>: ExecuteDsl<Conn> + Send,
    DeleteKept<'a, M>: ExecuteDsl<Conn> + Send,
{
    async fn delete_all(self, conn: &mut Conn) -> QueryResult<()> {
        use diesel_async::TransactionManager;

        if self.is_empty() {
            return Ok(());
        }
        let cache = cache_of::<M, Conn>(conn).await;
        let heard = cache.as_ref().map(deleting::<M>);
        Conn::TransactionManager::begin_transaction(conn).await?;
        let mut deleted = Ok(());
        for model in self {
            deleted = match &heard {
                Some(heard) => told::<M, Conn>(model, &**heard, conn).await,
                None => delete::<M, Conn>(model, conn).await.map_err(Stop::from),
            };
            if deleted.is_err() {
                break;
            }
        }
        let ended = transaction::end(conn, deleted).await;
        ended.map_err(Stop::error)
    }
}

async fn told<'a, M, Conn>(
    model: &'a M,
    heard: &dyn Deleting<M>,
    conn: &mut Conn,
) -> Result<(), Stop>
where
    Conn: CacheConnection,
    M: CacheModel + Sync,
    &'a M: IntoUpdateTarget,
    Delete<'a, M>: ExecuteDsl<Conn> + Send,
    DeleteKept<'a, M>: ExecuteDsl<Conn> + Send,
{
    tell(|| heard.before(model, &mut Aside::default()))?;
    delete::<M, Conn>(model, conn).await?;
    let mut aside = Aside::default();
    let told = tell(|| heard.after(model, &mut aside));
    aside.leave_word(conn).await;
    told
}

async fn delete<'a, M, Conn>(model: &'a M, conn: &mut Conn) -> QueryResult<()>
where
    Conn: CacheConnection,
    M: CacheModel + Sync,
    &'a M: IntoUpdateTarget,
    Delete<'a, M>: ExecuteDsl<Conn> + Send,
    DeleteKept<'a, M>: ExecuteDsl<Conn> + Send,
{
    // rule: a-row-that-moved-is-deleted-all-the-same
    if M::Kept::<'a>::ANY {
        let kept = ExecuteDsl::execute(diesel::delete(KeptRow::new(model, model)), conn);
        if kept.await? > 0 {
            return Ok(());
        }
    }
    match ExecuteDsl::execute(diesel::delete(model), conn).await? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}
