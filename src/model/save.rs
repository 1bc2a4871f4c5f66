//! Saving a model.

use diesel::associations::HasTable;
use diesel::connection::Connection;
use diesel::dsl::Update;
use diesel::query_builder::{AsChangeset, AsQuery, IntoUpdateTarget};
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::result::{Error, QueryResult};

use crate::connection::cache_of;
use crate::model::CacheModel;
use crate::model::heard::{Saves, transaction};

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
    /// Tells the receivers of `pre_save`, updates the model's row, and tells those of
    /// `post_save`, all in one transaction; after the commit, those of `post_commit`.
    /// Without receivers, it is one statement.
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
    Conn: Connection + 'static,
    M: CacheModel,
    &'a M: HasTable + IntoUpdateTarget + AsChangeset<Target = <&'a M as HasTable>::Table>,
    Update<&'a M, &'a M>: AsQuery + ExecuteDsl<Conn>,
{
    fn save(self, conn: &mut Conn) -> QueryResult<()> {
        match cache_of::<M, Conn>(conn) {
            Some(cache) => {
                let heard = Saves::of(&cache);
                heard.run(conn, |conn| told::<M, Conn>(self, &heard, conn))
            }
            None => update::<M, Conn>(self, conn),
        }
    }
}

/// Adds `.save_all()` to slices of models.
///
/// Implemented for `&[M]` where `&M` has [`save`](SaveDsl::save).
pub trait SaveAllDsl<Conn> {
    /// Saves all of the models in one transaction, in their order, each with its signals.
    ///
    /// Nothing is written for an empty slice.
    ///
    /// # Errors
    /// What [`save`](SaveDsl::save) returns for the first model that fails; all rows are
    /// then as they were.
    fn save_all(self, conn: &mut Conn) -> QueryResult<()>;
}

impl<'a, M, Conn> SaveAllDsl<Conn> for &'a [M]
where
    Conn: Connection + 'static,
    M: CacheModel,
    &'a M: HasTable + IntoUpdateTarget + AsChangeset<Target = <&'a M as HasTable>::Table>,
    Update<&'a M, &'a M>: AsQuery + ExecuteDsl<Conn>,
{
    fn save_all(self, conn: &mut Conn) -> QueryResult<()> {
        if self.is_empty() {
            return Ok(());
        }
        let heard = cache_of::<M, Conn>(conn).map(|cache| Saves::of(&cache));
        // rule: several-rows-are-written-as-a-whole
        transaction(conn, |conn| {
            self.iter().try_for_each(|model| match &heard {
                Some(heard) => told::<M, Conn>(model, heard, conn),
                None => update::<M, Conn>(model, conn),
            })
        })
    }
}

fn told<'a, M, Conn>(model: &'a M, heard: &Saves<M>, conn: &mut Conn) -> QueryResult<()>
where
    Conn: Connection + 'static,
    M: CacheModel,
    &'a M: HasTable + IntoUpdateTarget + AsChangeset<Target = <&'a M as HasTable>::Table>,
    Update<&'a M, &'a M>: AsQuery + ExecuteDsl<Conn>,
{
    // rule: a-veto-stops-the-statement
    heard.before(Some(model), conn)?;
    update::<M, Conn>(model, conn)?;
    heard.after(model, false, conn)
}

fn update<'a, M, Conn>(model: &'a M, conn: &mut Conn) -> QueryResult<()>
where
    Conn: Connection,
    &'a M: HasTable + IntoUpdateTarget + AsChangeset<Target = <&'a M as HasTable>::Table>,
    Update<&'a M, &'a M>: AsQuery + ExecuteDsl<Conn>,
{
    let update = diesel::update(model).set(model);
    match ExecuteDsl::execute(update, conn)? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}
