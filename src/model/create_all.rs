//! Creating several models.

use diesel::backend::Backend;
use diesel::connection::Connection;
use diesel::result::QueryResult;

use crate::connection::cache_of;
use crate::model::CacheModel;
use crate::model::heard::{Saves, returning, transaction};

/// Adds `.create_all::<Model>()` to lists of insertable values.
pub trait CreateAllDsl<Conn>: Sized {
    /// The insertable values.
    type Values;

    /// Creates a model of each of the values, in their order and in one transaction, each
    /// with its signals: first `pre_save` for each, then the rows, then `post_save` for each.
    ///
    /// PostgreSQL takes 500 rows in one `INSERT … RETURNING`; on SQLite and MySQL it is one
    /// statement for each row, since SQLite gives the default of a column to single rows only,
    /// and MySQL returns no rows. Nothing is written for an empty list.
    ///
    /// # Errors
    /// As [`create`](crate::CreateDsl::create) says; no row is then inserted.
    /// [`NotFound`](diesel::result::Error::NotFound) if the database left out a row.
    fn create_all<M>(self, conn: &mut Conn) -> QueryResult<Vec<M>>
    where
        M: CacheModel,
        Conn: Connection + 'static,
        Conn::Backend: InsertModels<Self::Values, M, Conn>;
}

impl<V, Conn> CreateAllDsl<Conn> for Vec<V> {
    type Values = V;

    fn create_all<M>(self, conn: &mut Conn) -> QueryResult<Vec<M>>
    where
        M: CacheModel,
        Conn: Connection + 'static,
        Conn::Backend: InsertModels<V, M, Conn>,
    {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let heard = cache_of::<M, Conn>(conn).map(|cache| Saves::of(&cache));
        transaction(conn, |conn| {
            if let Some(heard) = &heard {
                for _ in &self {
                    heard.before(None, conn)?;
                }
            }
            let models = returning(conn, |conn| Conn::Backend::insert_models(self, conn))?;
            if let Some(heard) = &heard {
                for model in &models {
                    heard.after(model, true, conn)?;
                }
            }
            Ok(models)
        })
    }
}

/// How a database inserts several values of type `V` and returns models `M`.
#[diagnostic::on_unimplemented(
    message = "`{V}` cannot create a `{M}` on this connection",
    label = "`.create_all()` needs insertable values and a selectable model of one table",
    note = "derive `Insertable` on `{V}`, and `Queryable` and `Selectable` on `{M}`"
)]
pub trait InsertModels<V, M, Conn>: Backend {
    /// Inserts all and returns as many, in their order. Called in a transaction.
    ///
    /// # Errors
    /// What the database returns.
    fn insert_models(values: Vec<V>, conn: &mut Conn) -> QueryResult<Vec<M>>;
}

/// Inserts one by one.
#[cfg(any(feature = "sqlite", feature = "mysql_backend"))]
macro_rules! insert_each {
    ($database:ty) => {
        impl<V, M, Conn> InsertModels<V, M, Conn> for $database
        where
            $database: crate::model::InsertModel<V, M, Conn>,
        {
            fn insert_models(values: Vec<V>, conn: &mut Conn) -> QueryResult<Vec<M>> {
                let values = values.into_iter();
                values
                    .map(|values| {
                        <$database as crate::model::InsertModel<V, M, Conn>>::insert_model(
                            values, conn,
                        )
                    })
                    .collect()
            }
        }
    };
}

#[cfg(feature = "sqlite")]
insert_each!(diesel::sqlite::Sqlite);

#[cfg(feature = "mysql_backend")]
insert_each!(diesel::mysql::Mysql);

#[cfg(feature = "postgres_backend")]
mod postgres {
    use diesel::connection::Connection;
    use diesel::pg::Pg;
    use diesel::query_builder::Query;
    use diesel::query_dsl::methods::LoadQuery;
    use diesel::result::{Error, QueryResult};
    use diesel::{Insertable, RunQueryDsl, Selectable, SelectableHelper};

    use super::InsertModels;
    use crate::model::CacheModel;
    use crate::model::create::Returning;

    /// Times the 128 columns that Diesel's tables can have, fewer than the 65535 binds
    /// that a statement can.
    const ROWS: usize = 500;

    impl<'query, V, M, Conn> InsertModels<V, M, Conn> for Pg
    where
        Conn: Connection<Backend = Self>,
        M: CacheModel + Selectable<Self>,
        Vec<V>: Insertable<M::Table>,
        Returning<Vec<V>, M, Self>: Query + LoadQuery<'query, Conn, M>,
    {
        fn insert_models(values: Vec<V>, conn: &mut Conn) -> QueryResult<Vec<M>> {
            let mut values = values.into_iter();
            let mut models = Vec::with_capacity(values.len());
            loop {
                let rows: Vec<V> = values.by_ref().take(ROWS).collect();
                let wanted = models.len() + rows.len();
                if rows.is_empty() {
                    return Ok(models);
                }
                let insert = diesel::insert_into(M::Table::default())
                    .values(rows)
                    .returning(<M as SelectableHelper<Self>>::as_returning());
                models.extend(RunQueryDsl::get_results::<M>(insert, conn)?);
                if models.len() != wanted {
                    return Err(Error::NotFound);
                }
            }
        }
    }
}
