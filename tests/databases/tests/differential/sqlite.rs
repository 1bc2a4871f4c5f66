//! Random operations on sqlite.

use diesel_cache_databases::sqlite as engine;

#[path = "cases/chains.rs"]
mod chains;
#[path = "cases/counters.rs"]
mod counters;
#[path = "cases/dynamic.rs"]
mod dynamic;
#[path = "cases/precise/mod.rs"]
mod precise;
#[path = "cases/random.rs"]
mod random;
#[path = "cases/reads.rs"]
mod reads;
#[path = "cases/schemas.rs"]
mod schemas;
#[path = "cases/values.rs"]
mod values;

/// Binds that only one database has.
mod special {
    use diesel::query_builder::{BoxedSqlQuery, SqlQuery};

    use super::engine::Db;

    type Bound = BoxedSqlQuery<'static, Db, SqlQuery>;

    pub(super) fn bind_ints(_: Bound, _: Vec<Option<i32>>) -> Bound {
        unreachable!("there are no arrays")
    }
}
