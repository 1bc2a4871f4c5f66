//! Deleting a model.

use diesel::associations::HasTable;
use diesel::connection::Connection;
use diesel::query_builder::{DeleteStatement, IntoUpdateTarget};
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::result::{Error, QueryResult};

use crate::connection::cache_of;
use crate::model::CacheModel;
use crate::model::heard::{Deletes, transaction};
use crate::model::kept::{KeptKeys, KeptRow};

/// Adds `.delete()` to models.
///
/// Implemented for `&M` where `M` derives `CacheInvalidate` and `Identifiable`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be deleted on `{Conn}`",
    label = "`.delete()` needs a model with a primary key",
    note = "derive `CacheInvalidate` and `Identifiable` on the model"
)]
pub trait DeleteDsl<Conn> {
    /// Tells the receivers of `pre_delete`, deletes the model's row, and tells those of
    /// `post_delete`, all in one transaction; after the commit, those of `post_commit`.
    /// Without receivers, it is one statement; two, if the model has [keys](CacheModel::KEYS) and the
    /// row has other values in them by now. Rows that the database deletes on its own,
    /// by `ON DELETE CASCADE`, have no signals.
    ///
    /// Cached results that read the table, or a table that the deletion cascades to,
    /// are invalidated when the transaction commits.
    ///
    /// # Errors
    /// [`NotFound`](Error::NotFound) if there is no such row, what the database
    /// returns, or what a receiver returned; the row is then as it was.
    fn delete(self, conn: &mut Conn) -> QueryResult<()>;
}

impl<'a, M, Conn> DeleteDsl<Conn> for &'a M
where
    Conn: Connection + 'static,
    M: CacheModel,
    &'a M: IntoUpdateTarget,
    DeleteStatement<<&'a M as HasTable>::Table, <&'a M as IntoUpdateTarget>::WhereClause>:
        ExecuteDsl<Conn>,
    DeleteStatement<<&'a M as HasTable>::Table, <KeptRow<'a, M> as IntoUpdateTarget>::WhereClause>:
        ExecuteDsl<Conn>,
{
    fn delete(self, conn: &mut Conn) -> QueryResult<()> {
        match cache_of::<M, Conn>(conn) {
            Some(cache) => {
                let heard = Deletes::of(&cache);
                heard.run(conn, |conn| told(self, &heard, conn))
            }
            None => delete(self, conn),
        }
    }
}

/// Adds `.delete_all()` to slices of models.
///
/// Implemented for `&[M]` where `&M` has [`delete`](DeleteDsl::delete).
pub trait DeleteAllDsl<Conn> {
    /// Deletes all of the models' rows in one transaction, in their order, each with its
    /// signals.
    ///
    /// Nothing is written for an empty slice.
    ///
    /// # Errors
    /// What [`delete`](DeleteDsl::delete) returns for the first model that fails; all rows
    /// are then as they were.
    fn delete_all(self, conn: &mut Conn) -> QueryResult<()>;
}

impl<'a, M, Conn> DeleteAllDsl<Conn> for &'a [M]
where
    Conn: Connection + 'static,
    M: CacheModel,
    &'a M: IntoUpdateTarget,
    DeleteStatement<<&'a M as HasTable>::Table, <&'a M as IntoUpdateTarget>::WhereClause>:
        ExecuteDsl<Conn>,
    DeleteStatement<<&'a M as HasTable>::Table, <KeptRow<'a, M> as IntoUpdateTarget>::WhereClause>:
        ExecuteDsl<Conn>,
{
    fn delete_all(self, conn: &mut Conn) -> QueryResult<()> {
        if self.is_empty() {
            return Ok(());
        }
        let heard = cache_of::<M, Conn>(conn).map(|cache| Deletes::of(&cache));
        transaction(conn, |conn| {
            self.iter().try_for_each(|model| match &heard {
                Some(heard) => told(model, heard, conn),
                None => delete(model, conn),
            })
        })
    }
}

fn told<'a, M, Conn>(model: &'a M, heard: &Deletes<M>, conn: &mut Conn) -> QueryResult<()>
where
    Conn: Connection + 'static,
    M: CacheModel,
    &'a M: IntoUpdateTarget,
    DeleteStatement<<&'a M as HasTable>::Table, <&'a M as IntoUpdateTarget>::WhereClause>:
        ExecuteDsl<Conn>,
    DeleteStatement<<&'a M as HasTable>::Table, <KeptRow<'a, M> as IntoUpdateTarget>::WhereClause>:
        ExecuteDsl<Conn>,
{
    heard.before(model, conn)?;
    delete(model, conn)?;
    heard.after(model, conn)
}

fn delete<'a, M, Conn>(model: &'a M, conn: &mut Conn) -> QueryResult<()>
where
    Conn: Connection,
    M: CacheModel,
    &'a M: IntoUpdateTarget,
    DeleteStatement<<&'a M as HasTable>::Table, <&'a M as IntoUpdateTarget>::WhereClause>:
        ExecuteDsl<Conn>,
    DeleteStatement<<&'a M as HasTable>::Table, <KeptRow<'a, M> as IntoUpdateTarget>::WhereClause>:
        ExecuteDsl<Conn>,
{
    // rule: a-row-that-moved-is-deleted-all-the-same
    if M::Kept::<'a>::ANY {
        let kept = diesel::delete(KeptRow::new(model, model));
        if ExecuteDsl::execute(kept, conn)? > 0 {
            return Ok(());
        }
    }
    match ExecuteDsl::execute(diesel::delete(model), conn)? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}
