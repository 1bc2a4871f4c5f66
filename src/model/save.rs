//! Saving a model.

use diesel::associations::HasTable;
use diesel::connection::Connection;
use diesel::dsl::Update;
use diesel::query_builder::{AsChangeset, AsQuery, IntoUpdateTarget};
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::result::{Error, QueryResult};

use crate::connection::cache_of;
use crate::model::CacheModel;
use crate::signal::PostSave;

/// Adds `.save()` to models.
///
/// Implemented for `&M` where `M` derives `CacheInvalidate`, `Identifiable` and `AsChangeset`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be saved on `{Conn}`",
    label = "`.save()` needs a model that can be updated",
    note = "derive `CacheInvalidate`, `Identifiable` and `AsChangeset` on the model",
    note = "a model with `serialize_as` fields has no borrowed changeset: update it with `diesel::update`"
)]
pub trait SaveDsl<Conn> {
    /// Updates the model's row, then tells the receivers of `post_save`, in one transaction.
    ///
    /// What is written follows Diesel's `AsChangeset`: a field that is `None` is left
    /// as it is, unless the model says `treat_none_as_null`. Cached results that read
    /// the table are invalidated when the transaction commits.
    ///
    /// # Errors
    /// [`NotFound`](Error::NotFound) if there is no such row, what the database
    /// returns, or what a receiver returned; the row is then as it was.
    fn save(self, conn: &mut Conn) -> QueryResult<()>;
}

impl<'a, M, Conn> SaveDsl<Conn> for &'a M
where
    Conn: Connection,
    M: CacheModel,
    &'a M: HasTable + IntoUpdateTarget + AsChangeset<Target = <&'a M as HasTable>::Table>,
    Update<&'a M, &'a M>: AsQuery + ExecuteDsl<Conn>,
{
    fn save(self, conn: &mut Conn) -> QueryResult<()> {
        let update = |conn: &mut Conn| {
            let update = diesel::update(self).set(self);
            match ExecuteDsl::execute(update, conn)? {
                0 => Err(Error::NotFound),
                _ => Ok(()),
            }
        };
        match cache_of::<M, Conn>(conn) {
            Some(cache) if cache.signals().hears_save::<M>() => conn.transaction(|conn| {
                update(conn)?;
                cache.signals().send_save(&PostSave::new(self, false))
            }),
            _ => update(conn),
        }
    }
}
