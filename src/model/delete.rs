//! Deleting a model.

use diesel::connection::Connection;
use diesel::query_builder::{DeleteStatement, IntoUpdateTarget};
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::result::{Error, QueryResult};

use crate::connection::cache_of;
use crate::model::CacheModel;
use crate::signal::PostDelete;

/// Adds `.delete()` to models.
///
/// Implemented for `&M` where `M` derives `CacheInvalidate` and `Identifiable`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be deleted on `{Conn}`",
    label = "`.delete()` needs a model with a primary key",
    note = "derive `CacheInvalidate` and `Identifiable` on the model"
)]
pub trait DeleteDsl<Conn> {
    /// Deletes the model's row, then tells the receivers of `post_delete`, in one transaction.
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
    Conn: Connection,
    M: CacheModel,
    &'a M: IntoUpdateTarget,
    DeleteStatement<
        <&'a M as diesel::associations::HasTable>::Table,
        <&'a M as IntoUpdateTarget>::WhereClause,
    >: ExecuteDsl<Conn>,
{
    fn delete(self, conn: &mut Conn) -> QueryResult<()> {
        let delete = |conn: &mut Conn| match ExecuteDsl::execute(diesel::delete(self), conn)? {
            0 => Err(Error::NotFound),
            _ => Ok(()),
        };
        match cache_of::<M, Conn>(conn) {
            Some(cache) if cache.signals().hears_delete::<M>() => conn.transaction(|conn| {
                delete(conn)?;
                cache.signals().send_delete(&PostDelete::new(self))
            }),
            _ => delete(conn),
        }
    }
}
