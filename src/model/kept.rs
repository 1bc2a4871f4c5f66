//! What a write of a model says of its row besides its primary key.

use diesel::associations::HasTable;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, IntoUpdateTarget, QueryFragment, QueryId, UpdateTarget};
use diesel::result::QueryResult;

use crate::model::CacheModel;

/// The values of a model's [keys](CacheModel::KEYS), as an expression: that the row still has
/// them. See [`CacheModel::kept`].
#[derive(Debug, Clone, Copy, QueryId)]
pub struct Kept<E>(
    /// The expression.
    pub E,
);

/// That a model has no keys but the primary key.
#[derive(Debug, Clone, Copy, QueryId)]
pub struct NoKeys;

/// An expression, or none.
pub trait KeptKeys {
    /// Whether there is one.
    const ANY: bool;
}

impl<E> KeptKeys for Kept<E> {
    const ANY: bool = true;
}

impl KeptKeys for NoKeys {
    const ANY: bool = false;
}

impl<E, DB> QueryFragment<DB> for Kept<E>
where
    DB: Backend,
    E: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql(" AND ");
        self.0.walk_ast(pass)
    }
}

impl<DB: Backend> QueryFragment<DB> for NoKeys {
    fn walk_ast<'b>(&'b self, _: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        Ok(())
    }
}

/// The row of a model, if it still has the values that its keys had in another instance.
///
/// A statement that says them is known to write no row of other values: nothing must be read
/// before it, and whatever the row is by now, the statement's text tells what it can touch.
pub struct KeptRow<'a, M: CacheModel> {
    row: &'a M,
    kept: M::Kept<'a>,
}

impl<'a, M: CacheModel> KeptRow<'a, M> {
    /// The row of `row`, if its keys have the values that they have in `keys`.
    pub(crate) fn new(row: &'a M, keys: &'a M) -> Self {
        Self {
            row,
            kept: keys.kept(),
        }
    }
}

impl<M: CacheModel> std::fmt::Debug for KeptRow<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptRow").finish_non_exhaustive()
    }
}

/// A `WHERE` clause, and that keys have the values that they had.
#[derive(Debug, Clone, Copy, QueryId)]
pub struct AndKept<W, K> {
    clause: W,
    kept: K,
}

impl<W, K, DB> QueryFragment<DB> for AndKept<W, K>
where
    DB: Backend,
    W: QueryFragment<DB>,
    K: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.clause.walk_ast(pass.reborrow())?;
        self.kept.walk_ast(pass)
    }
}

impl<'a, M: CacheModel> HasTable for KeptRow<'a, M>
where
    &'a M: HasTable,
{
    type Table = <&'a M as HasTable>::Table;

    fn table() -> Self::Table {
        <&'a M as HasTable>::table()
    }
}

impl<'a, M: CacheModel> IntoUpdateTarget for KeptRow<'a, M>
where
    &'a M: IntoUpdateTarget,
{
    type WhereClause = AndKept<<&'a M as IntoUpdateTarget>::WhereClause, M::Kept<'a>>;

    fn into_update_target(self) -> UpdateTarget<Self::Table, Self::WhereClause> {
        let target = self.row.into_update_target();
        UpdateTarget {
            table: target.table,
            where_clause: AndKept {
                clause: target.where_clause,
                kept: self.kept,
            },
        }
    }
}
