//! Pooled and generic connections.

use diesel::connection::LoadConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel_cache::{Cache, CachedDsl, Outcome, Report};

use super::engine;

diesel::table! { things (id) { id -> Integer, name -> Text } }

/// An application's function, generic over its connection.
fn first_name<C>(conn: &mut C, report: &Report) -> QueryResult<String>
where
    C: Connection<Backend = engine::Db> + LoadConnection,
{
    let query = things::table.order(things::id).select(things::name);
    query.cached().report(report).first::<String>(conn)
}

#[test]
fn a_pool_shares_its_cache() {
    let cache = Cache::from_url("memory://").unwrap();
    let arena = engine::arena();
    let pool = Pool::builder()
        .max_size(2)
        .connection_customizer(cache.customizer())
        .build(ConnectionManager::<engine::Conn>::new(arena.url()))
        .unwrap();
    let mut one = pool.get().unwrap();
    let mut two = pool.get().unwrap();
    diesel::sql_query("CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL)")
        .execute(&mut one)
        .unwrap();
    let add = |conn: &mut _, id: i32, name: &str| {
        diesel::insert_into(things::table)
            .values((things::id.eq(id), things::name.eq(name)))
            .execute(conn)
    };
    add(&mut one, 2, "two").unwrap();
    let report = Report::new();
    assert_eq!(first_name(&mut two, &report).unwrap(), "two");
    assert_eq!(first_name(&mut one, &report).unwrap(), "two");
    assert_eq!(report.outcome(), Some(Outcome::Hit));
    add(&mut two, 1, "one").unwrap();
    assert_eq!(first_name(&mut one, &report).unwrap(), "one");
    drop((one, two));
    assert_eq!(cache.stats().trackers_removed, 0);
}
