//! Creating a model.

use diesel::backend::Backend;
use diesel::result::QueryResult;
use diesel_async::AsyncConnection;
use futures_util::future::BoxFuture;

use super::{Aside, begin, cache_of, end};
use crate::asynchronous::CacheConnection;
use crate::asynchronous::transaction::{Stop, tell};
use crate::model::CacheModel;
use crate::model::heard::boxed::{Saving, saving};

/// Adds `.create::<Model>()` to insertable values, on connections that are awaited.
pub trait CreateDsl<Conn>: Sized {
    /// Inserts the values and returns the model as the database made it, under the terms of
    /// [`CreateDsl::create`](crate::CreateDsl::create). With a shared store it is a transaction:
    /// what it writes is announced before it is committed.
    ///
    /// # Errors
    /// What the database returns, or what a receiver returned; nothing is then inserted.
    // Boxed, as a future of lifetimes of its own: an opaque one is not found to be `Send` inside
    // of another's closure (rust-lang/rust#100013).
    fn create<'conn, 'query, 'work, M>(
        self,
        conn: &'conn mut Conn,
    ) -> BoxFuture<'work, QueryResult<M>>
    where
        'conn: 'work,
        'query: 'work,
        M: CacheModel + Send + Sync,
        Conn: CacheConnection + AsyncConnection + 'work,
        Conn::Backend: InsertModel<'query, Self, M, Conn>,
        Self: Send + 'work;
}

impl<V, Conn> CreateDsl<Conn> for V {
    fn create<'conn, 'query, 'work, M>(
        self,
        conn: &'conn mut Conn,
    ) -> BoxFuture<'work, QueryResult<M>>
    where
        'conn: 'work,
        'query: 'work,
        M: CacheModel + Send + Sync,
        Conn: CacheConnection + AsyncConnection + 'work,
        Conn::Backend: InsertModel<'query, Self, M, Conn>,
        Self: Send + 'work,
    {
        Box::pin(async move {
            let Some(cache) = cache_of::<M, Conn>(conn).await else {
                return Conn::Backend::insert_model(self, conn).await;
            };
            let heard = saving::<M>(&cache);
            let begun = begin(conn, &cache, heard.may_undo()).await?;
            let created = told(self, &*heard, conn).await;
            end(conn, begun, created).await
        })
    }
}

async fn told<'query, V, M, Conn>(
    values: V,
    heard: &dyn Saving<M>,
    conn: &mut Conn,
) -> Result<M, Stop>
where
    V: Send,
    M: CacheModel + Send + Sync,
    Conn: CacheConnection,
    Conn::Backend: InsertModel<'query, V, M, Conn>,
{
    tell(|| heard.before(None, &mut Aside::default()))?;
    let model = Conn::Backend::insert_model(values, conn).await?;
    let mut aside = Aside::default();
    let told = tell(|| heard.after(&model, true, &mut aside));
    aside.leave_word(conn).await;
    told.map(|()| model)
}

/// How a database inserts values of type `V` and returns the model `M`.
#[diagnostic::on_unimplemented(
    message = "`{V}` cannot create a `{M}` on this connection",
    label = "`.create()` needs insertable values and a selectable model of one table",
    note = "derive `Insertable` on `{V}`, and `Queryable` and `Selectable` on `{M}`"
)]
pub trait InsertModel<'query, V, M, Conn>: Backend {
    /// Inserts and returns.
    ///
    /// # Errors
    /// What the database returns.
    fn insert_model<'conn, 'work>(
        values: V,
        conn: &'conn mut Conn,
    ) -> BoxFuture<'work, QueryResult<M>>
    where
        'conn: 'work,
        'query: 'work,
        V: 'work,
        Conn: 'work;
}

/// Inserts with `RETURNING`.
#[cfg(any(feature = "async-sqlite", feature = "async-postgres"))]
macro_rules! insert_returning {
    ($database:ty) => {
        impl<'query, V, M, Conn> InsertModel<'query, V, M, Conn> for $database
        where
            Conn: diesel_async::AsyncConnectionCore<Backend = $database>,
            M: CacheModel + diesel::Selectable<$database> + Send,
            V: diesel::Insertable<M::Table> + Send,
            crate::model::Returning<V, M, $database>: diesel::query_builder::Query
                + diesel_async::methods::LoadQuery<'query, Conn, M>
                + Send
                + 'query,
        {
            fn insert_model<'conn, 'work>(
                values: V,
                conn: &'conn mut Conn,
            ) -> BoxFuture<'work, QueryResult<M>>
            where
                'conn: 'work,
                'query: 'work,
                V: 'work,
                Conn: 'work,
            {
                let insert = diesel::insert_into(M::Table::default())
                    .values(values)
                    .returning(<M as diesel::SelectableHelper<$database>>::as_returning());
                Box::pin(async move {
                    let rows = diesel_async::methods::LoadQuery::internal_load(insert, conn);
                    let mut rows = std::pin::pin!(rows.await?);
                    let mut made = Err(diesel::result::Error::NotFound);
                    // rule: an-insert-is-read-to-its-end
                    // Its error may come after the row.
                    while let Some(row) = futures_util::StreamExt::next(&mut rows).await {
                        made = Ok(row?);
                    }
                    made
                })
            }
        }
    };
}

#[cfg(feature = "async-sqlite")]
insert_returning!(diesel::sqlite::Sqlite);

#[cfg(feature = "async-postgres")]
insert_returning!(diesel::pg::Pg);

#[cfg(feature = "async-mysql")]
mod mysql {
    use std::pin::pin;

    use diesel::dsl::{AsSelect, Filter, Select, sql};
    use diesel::expression::{Expression, SqlLiteral};
    use diesel::mysql::Mysql;
    use diesel::query_builder::{InsertStatement, Query};
    use diesel::query_dsl::methods::{FilterDsl, SelectDsl};
    use diesel::result::{Error, QueryResult};
    use diesel::sql_types::{BigInt, Bool, Unsigned};
    use diesel::{Insertable, Selectable, SelectableHelper};
    use diesel_async::methods::{ExecuteDsl, LoadQuery};
    use diesel_async::{AsyncConnection, RunQueryDsl, TransactionManager};
    use futures_util::StreamExt;
    use futures_util::future::BoxFuture;

    use super::InsertModel;
    use crate::model::{CacheModel, needs_number};

    type Inserted<V, M> = InsertStatement<
        <M as CacheModel>::Table,
        <V as Insertable<<M as CacheModel>::Table>>::Values,
    >;
    type Selected<M> = Select<<M as CacheModel>::Table, AsSelect<M, Mysql>>;

    /// The number that the session's last insert was given.
    async fn last_number<C>(conn: &mut C, ask: &'static str) -> QueryResult<u64>
    where
        C: AsyncConnection<Backend = Mysql>,
    {
        diesel::select(sql::<Unsigned<BigInt>>(ask))
            .get_result(conn)
            .await
    }

    impl<'query, V, M, Conn> InsertModel<'query, V, M, Conn> for Mysql
    where
        Conn: AsyncConnection<Backend = Self>,
        M: CacheModel + Selectable<Self> + Send,
        AsSelect<M, Self>: Expression,
        V: Insertable<M::Table> + Send,
        Inserted<V, M>: ExecuteDsl<Conn> + Send,
        M::Table: SelectDsl<AsSelect<M, Self>>,
        Selected<M>: FilterDsl<SqlLiteral<Bool>>,
        Filter<Selected<M>, SqlLiteral<Bool>>: Query + LoadQuery<'query, Conn, M> + Send,
    {
        fn insert_model<'conn, 'work>(
            values: V,
            conn: &'conn mut Conn,
        ) -> BoxFuture<'work, QueryResult<M>>
        where
            'conn: 'work,
            'query: 'work,
            V: 'work,
            Conn: 'work,
        {
            Box::pin(async move {
                let [key] = M::PRIMARY_KEY else {
                    return Err(needs_number());
                };
                Conn::TransactionManager::begin_transaction(conn).await?;
                let inserted = async {
                    // The number of an earlier insert must not be taken for this one's.
                    last_number(conn, "LAST_INSERT_ID(0)").await?;
                    let insert = diesel::insert_into(M::Table::default()).values(values);
                    ExecuteDsl::execute(insert, conn).await?;
                    let id = last_number(conn, "LAST_INSERT_ID()").await?;
                    if id == 0 {
                        return Err(needs_number());
                    }
                    let key = key.replace('`', "``");
                    let is_it = sql::<Bool>(&format!("`{key}` = {id}"));
                    let select = SelectDsl::select(
                        M::Table::default(),
                        <M as SelectableHelper<Self>>::as_select(),
                    );
                    let found = LoadQuery::internal_load(FilterDsl::filter(select, is_it), conn);
                    let mut found = pin!(found.await?);
                    found.next().await.unwrap_or(Err(Error::NotFound))
                };
                match inserted.await {
                    Ok(model) => {
                        Conn::TransactionManager::commit_transaction(conn).await?;
                        Ok(model)
                    }
                    Err(error) => {
                        Conn::TransactionManager::rollback_transaction(conn).await?;
                        Err(error)
                    }
                }
            })
        }
    }
}
