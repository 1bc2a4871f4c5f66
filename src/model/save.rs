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
use crate::model::kept::{KeptKeys, KeptRow};

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
    /// Without receivers, it is one statement; two, if the model has [keys](CacheModel::KEYS) and the
    /// row has other values in them by now: see [`save_from`](Self::save_from).
    ///
    /// What is written follows Diesel's `AsChangeset`: a field that is `None` is left
    /// as it is, unless the model says `treat_none_as_null`. Cached results that read
    /// the table are invalidated when the transaction commits.
    ///
    /// # Errors
    /// [`NotFound`](Error::NotFound) if there is no such row, what the database
    /// returns, or what a receiver returned; the row is then as it was.
    fn save(self, conn: &mut Conn) -> QueryResult<()>;

    /// Like [`save`](Self::save), for an instance whose [keys](CacheModel::KEYS) have changed
    /// since it was loaded: `old` tells which values they had.
    ///
    /// It matters for what is invalidated alone: with the old values, results that ask for others
    /// than the old and the new ones stay. `old` may be wrong: the row is saved all the same.
    ///
    /// # Errors
    /// Those of [`save`](Self::save).
    fn save_from(self, old: Self, conn: &mut Conn) -> QueryResult<()>;
}

impl<'a, M, Conn> SaveDsl<Conn> for &'a M
where
    Conn: Connection + 'static,
    M: CacheModel,
    &'a M: HasTable + IntoUpdateTarget + AsChangeset<Target = <&'a M as HasTable>::Table>,
    Update<&'a M, &'a M>: AsQuery + ExecuteDsl<Conn>,
    Update<KeptRow<'a, M>, &'a M>: AsQuery + ExecuteDsl<Conn>,
{
    fn save(self, conn: &mut Conn) -> QueryResult<()> {
        self.save_from(self, conn)
    }

    fn save_from(self, old: Self, conn: &mut Conn) -> QueryResult<()> {
        match cache_of::<M, Conn>(conn) {
            Some(cache) => {
                let heard = Saves::of(&cache);
                heard.run(conn, |conn| told::<M, Conn>(self, old, &heard, conn))
            }
            None => update::<M, Conn>(self, old, conn),
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
    Update<KeptRow<'a, M>, &'a M>: AsQuery + ExecuteDsl<Conn>,
{
    fn save_all(self, conn: &mut Conn) -> QueryResult<()> {
        if self.is_empty() {
            return Ok(());
        }
        let heard = cache_of::<M, Conn>(conn).map(|cache| Saves::of(&cache));
        // rule: several-rows-are-written-as-a-whole
        transaction(conn, |conn| {
            self.iter().try_for_each(|model| match &heard {
                Some(heard) => told::<M, Conn>(model, model, heard, conn),
                None => update::<M, Conn>(model, model, conn),
            })
        })
    }
}

fn told<'a, M, Conn>(model: &'a M, old: &'a M, heard: &Saves<M>, conn: &mut Conn) -> QueryResult<()>
where
    Conn: Connection + 'static,
    M: CacheModel,
    &'a M: HasTable + IntoUpdateTarget + AsChangeset<Target = <&'a M as HasTable>::Table>,
    Update<&'a M, &'a M>: AsQuery + ExecuteDsl<Conn>,
    Update<KeptRow<'a, M>, &'a M>: AsQuery + ExecuteDsl<Conn>,
{
    // rule: a-veto-stops-the-statement
    heard.before(Some(model), conn)?;
    update::<M, Conn>(model, old, conn)?;
    heard.after(model, false, conn)
}

fn update<'a, M, Conn>(model: &'a M, old: &'a M, conn: &mut Conn) -> QueryResult<()>
where
    Conn: Connection,
    M: CacheModel,
    &'a M: HasTable + IntoUpdateTarget + AsChangeset<Target = <&'a M as HasTable>::Table>,
    Update<&'a M, &'a M>: AsQuery + ExecuteDsl<Conn>,
    Update<KeptRow<'a, M>, &'a M>: AsQuery + ExecuteDsl<Conn>,
{
    // rule: a-row-that-moved-is-saved-all-the-same
    if M::Kept::<'a>::ANY {
        let kept = diesel::update(KeptRow::new(model, old)).set(model);
        if ExecuteDsl::execute(kept, conn)? > 0 {
            return Ok(());
        }
    }
    let update = diesel::update(model).set(model);
    match ExecuteDsl::execute(update, conn)? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}
