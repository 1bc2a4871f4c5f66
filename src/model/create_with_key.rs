//! Creating a model whose key is known.

use diesel::Insertable;
use diesel::backend::Backend;
use diesel::connection::{Connection, LoadConnection};
use diesel::dsl::{AsSelect, Find, Select};
use diesel::expression::Expression;
use diesel::query_builder::InsertStatement;
use diesel::query_dsl::methods::{ExecuteDsl, FindDsl, LoadQuery, SelectDsl};
use diesel::result::{Error, QueryResult};
use diesel::{Selectable, SelectableHelper};

use crate::connection::cache_of;
use crate::model::CacheModel;
use crate::model::create::create_told;
use crate::model::heard::{Saves, transaction};

/// Adds `.create_with_key::<Model>()` to insertable values.
pub trait CreateWithKeyDsl<Conn, K>: Sized {
    /// Inserts the values and reads the model of the primary key `key`, on every database
    /// and in one transaction: for composite and natural keys, for UUIDs, and for whatever
    /// key the caller knows before the row exists. Its signals are those of
    /// [`create`](crate::CreateDsl::create).
    ///
    /// `key` is what the table's `find` takes: a value, or a tuple for a composite key.
    ///
    /// # Errors
    /// What the database returns, or what a receiver returned.
    /// [`NotFound`](Error::NotFound) if no row has that key afterwards: it is not the key of
    /// the values. Nothing is then inserted. That the key is the values' own is for you to
    /// see to: with the key of another row, that row is returned, and told of.
    fn create_with_key<M>(self, key: K, conn: &mut Conn) -> QueryResult<M>
    where
        M: CacheModel,
        Conn: Connection + 'static,
        Conn::Backend: InsertWithKey<Self, K, M, Conn>;
}

impl<V, K, Conn> CreateWithKeyDsl<Conn, K> for V {
    fn create_with_key<M>(self, key: K, conn: &mut Conn) -> QueryResult<M>
    where
        M: CacheModel,
        Conn: Connection + 'static,
        Conn::Backend: InsertWithKey<Self, K, M, Conn>,
    {
        let insert = |conn: &mut Conn| {
            transaction(conn, |conn| Conn::Backend::insert_with_key(self, key, conn))
        };
        match cache_of::<M, Conn>(conn) {
            Some(cache) => create_told(&Saves::of(&cache), conn, insert),
            None => insert(conn),
        }
    }
}

/// How values of type `V` are inserted and read again as a model `M` by the key `K`.
#[diagnostic::on_unimplemented(
    message = "`{V}` and the key `{K}` cannot create a `{M}` on this connection",
    label = "`.create_with_key()` needs insertable values, a selectable model of one table, and its primary key",
    note = "derive `Insertable` on `{V}`, and `Queryable` and `Selectable` on `{M}`",
    note = "the key is what `{M}`'s table can `find`: a value, or a tuple for a composite key"
)]
pub trait InsertWithKey<V, K, M, Conn>: Backend {
    /// Inserts and reads.
    ///
    /// # Errors
    /// What the database returns.
    fn insert_with_key(values: V, key: K, conn: &mut Conn) -> QueryResult<M>;
}

type Inserted<V, T> = InsertStatement<T, <V as Insertable<T>>::Values>;
type Found<K, M, DB> = Select<Find<<M as CacheModel>::Table, K>, AsSelect<M, DB>>;

impl<'query, V, K, M, Conn, DB> InsertWithKey<V, K, M, Conn> for DB
where
    DB: Backend,
    Conn: LoadConnection<Backend = DB>,
    M: CacheModel + Selectable<DB>,
    AsSelect<M, DB>: Expression,
    V: Insertable<M::Table>,
    Inserted<V, M::Table>: ExecuteDsl<Conn>,
    M::Table: FindDsl<K>,
    Find<M::Table, K>: SelectDsl<AsSelect<M, DB>>,
    Found<K, M, DB>: LoadQuery<'query, Conn, M>,
{
    fn insert_with_key(values: V, key: K, conn: &mut Conn) -> QueryResult<M> {
        let insert = diesel::insert_into(M::Table::default()).values(values);
        ExecuteDsl::execute(insert, conn)?;
        let found = FindDsl::find(M::Table::default(), key);
        let found = SelectDsl::select(found, <M as SelectableHelper<DB>>::as_select());
        LoadQuery::internal_load(found, conn)?
            .next()
            .unwrap_or(Err(Error::NotFound))
    }
}
