//! Creating a model.

use diesel::backend::Backend;
use diesel::connection::Connection;
use diesel::result::QueryResult;

use crate::connection::cache_of;
use crate::model::CacheModel;
use crate::model::heard::{Saves, returning};

/// Adds `.create::<Model>()` to insertable values.
pub trait CreateDsl<Conn>: Sized {
    /// Tells the receivers of `pre_save`, inserts the values, tells those of `post_save`,
    /// and returns the model as the database made it, all in one transaction; after the
    /// commit, it tells those of `post_commit`. Without receivers, it is one statement.
    ///
    /// MySQL has no `RETURNING`: there, the model needs one auto-increment key, which
    /// the values leave to the database, and two statements more. For every other key
    /// there is [`create_with_key`](crate::CreateWithKeyDsl::create_with_key).
    ///
    /// Cached results that read the table are invalidated when the transaction commits.
    ///
    /// # Errors
    /// What the database returns, or what a receiver returned; nothing is then inserted.
    fn create<M>(self, conn: &mut Conn) -> QueryResult<M>
    where
        M: CacheModel,
        Conn: Connection + 'static,
        Conn::Backend: InsertModel<Self, M, Conn>;
}

impl<V, Conn> CreateDsl<Conn> for V {
    fn create<M>(self, conn: &mut Conn) -> QueryResult<M>
    where
        M: CacheModel,
        Conn: Connection + 'static,
        Conn::Backend: InsertModel<Self, M, Conn>,
    {
        let insert =
            |conn: &mut Conn| returning(conn, |conn| Conn::Backend::insert_model(self, conn));
        match cache_of::<M, Conn>(conn) {
            Some(cache) => create_told(&Saves::of(&cache), conn, insert),
            None => insert(conn),
        }
    }
}

/// Inserts by `insert`, with the receivers before and after.
pub(super) fn create_told<M, Conn>(
    heard: &Saves<M>,
    conn: &mut Conn,
    insert: impl FnOnce(&mut Conn) -> QueryResult<M>,
) -> QueryResult<M>
where
    M: CacheModel,
    Conn: Connection + 'static,
{
    heard.run(conn, |conn| {
        heard.before(None, conn)?;
        let model = insert(conn)?;
        heard.after(&model, true, conn)?;
        Ok(model)
    })
}

/// How a database inserts values of type `V` and returns the model `M`.
#[diagnostic::on_unimplemented(
    message = "`{V}` cannot create a `{M}` on this connection",
    label = "`.create()` needs insertable values and a selectable model of one table",
    note = "derive `Insertable` on `{V}`, and `Queryable` and `Selectable` on `{M}`"
)]
pub trait InsertModel<V, M, Conn>: Backend {
    /// Inserts and returns.
    ///
    /// # Errors
    /// What the database returns.
    fn insert_model(values: V, conn: &mut Conn) -> QueryResult<M>;
}

/// The operation of a plain `INSERT`, which Diesel does not name.
#[cfg(any(feature = "sqlite", feature = "postgres_backend"))]
pub(crate) trait Operation {
    type Op;
}

#[cfg(any(feature = "sqlite", feature = "postgres_backend"))]
impl<T, Op> Operation for diesel::query_builder::IncompleteInsertStatement<T, Op> {
    type Op = Op;
}

#[cfg(any(feature = "sqlite", feature = "postgres_backend"))]
pub(crate) type Returning<V, M, DB> = diesel::query_builder::InsertStatement<
    <M as CacheModel>::Table,
    <V as diesel::Insertable<<M as CacheModel>::Table>>::Values,
    <diesel::query_builder::IncompleteInsertStatement<<M as CacheModel>::Table> as Operation>::Op,
    diesel::query_builder::ReturningClause<diesel::dsl::AsSelect<M, DB>>,
>;

/// Inserts with `RETURNING`.
#[cfg(any(feature = "sqlite", feature = "postgres_backend"))]
macro_rules! insert_returning {
    ($database:ty) => {
        impl<'query, V, M, Conn> InsertModel<V, M, Conn> for $database
        where
            Conn: Connection<Backend = $database>,
            M: CacheModel + diesel::Selectable<$database>,
            V: diesel::Insertable<M::Table>,
            Returning<V, M, $database>: diesel::query_builder::Query
                + diesel::query_dsl::methods::LoadQuery<'query, Conn, M>,
        {
            fn insert_model(values: V, conn: &mut Conn) -> QueryResult<M> {
                let insert = diesel::insert_into(M::Table::default())
                    .values(values)
                    .returning(<M as diesel::SelectableHelper<$database>>::as_returning());
                let mut rows = diesel::query_dsl::methods::LoadQuery::internal_load(insert, conn)?;
                let row = rows
                    .next()
                    .unwrap_or(Err(diesel::result::Error::NotFound))?;
                // rule: an-insert-is-read-to-its-end
                // SQLite's error of an autocommit, such as a deferred foreign key, comes
                // after the row.
                match rows.next() {
                    Some(Err(error)) => Err(error),
                    Some(Ok(_)) | None => Ok(row),
                }
            }
        }
    };
}

#[cfg(feature = "sqlite")]
insert_returning!(diesel::sqlite::Sqlite);

#[cfg(feature = "postgres_backend")]
insert_returning!(diesel::pg::Pg);

#[cfg(feature = "mysql_backend")]
mod mysql {
    use diesel::connection::Connection;
    use diesel::dsl::{AsSelect, Filter, Select, sql};
    use diesel::expression::{Expression, SqlLiteral};
    use diesel::mysql::Mysql;
    use diesel::query_builder::{InsertStatement, Query};
    use diesel::query_dsl::methods::{ExecuteDsl, FilterDsl, LoadQuery, SelectDsl};
    use diesel::result::{Error, QueryResult};
    use diesel::sql_types::{Bool, Unsigned};
    use diesel::{Insertable, RunQueryDsl, Selectable, SelectableHelper};

    use super::{InsertModel, needs_number};
    use crate::model::CacheModel;

    type Inserted<V, M> = InsertStatement<
        <M as CacheModel>::Table,
        <V as Insertable<<M as CacheModel>::Table>>::Values,
    >;
    type Selected<M> = Select<<M as CacheModel>::Table, AsSelect<M, Mysql>>;

    impl<'query, V, M, Conn> InsertModel<V, M, Conn> for Mysql
    where
        Conn: Connection<Backend = Self> + diesel::connection::LoadConnection,
        M: CacheModel + Selectable<Self>,
        AsSelect<M, Self>: Expression,
        V: Insertable<M::Table>,
        Inserted<V, M>: ExecuteDsl<Conn>,
        M::Table: SelectDsl<AsSelect<M, Self>>,
        Selected<M>: FilterDsl<SqlLiteral<Bool>>,
        Filter<Selected<M>, SqlLiteral<Bool>>: Query + LoadQuery<'query, Conn, M>,
    {
        fn insert_model(values: V, conn: &mut Conn) -> QueryResult<M> {
            let [key] = M::PRIMARY_KEY else {
                return Err(needs_number());
            };
            conn.transaction(|conn| {
                // The number of an earlier insert must not be taken for this one's.
                diesel::select(sql::<Unsigned<diesel::sql_types::BigInt>>(
                    "LAST_INSERT_ID(0)",
                ))
                .get_result::<u64>(conn)?;
                let insert = diesel::insert_into(M::Table::default()).values(values);
                ExecuteDsl::execute(insert, conn)?;
                let id = diesel::select(sql::<Unsigned<diesel::sql_types::BigInt>>(
                    "LAST_INSERT_ID()",
                ))
                .get_result::<u64>(conn)?;
                if id == 0 {
                    return Err(needs_number());
                }
                let key = key.replace('`', "``");
                let is_it = sql::<Bool>(&format!("`{key}` = {id}"));
                let select = SelectDsl::select(
                    M::Table::default(),
                    <M as SelectableHelper<Self>>::as_select(),
                );
                LoadQuery::internal_load(FilterDsl::filter(select, is_it), conn)?
                    .next()
                    .unwrap_or(Err(Error::NotFound))
            })
        }
    }
}

/// A model that MySQL cannot return.
#[cfg(feature = "mysql_backend")]
pub(crate) fn needs_number() -> diesel::result::Error {
    diesel::result::Error::QueryBuilderError(
        "`create` on MySQL needs one auto-increment key, which the values leave to the database: \
         use `create_with_key` for this model"
            .into(),
    )
}
