//! The shortest way through the cache.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{Cache, CachedDsl, Outcome, Report};

use super::engine;

diesel::table! { things (id) { id -> Integer, name -> Text } }

#[test]
fn a_write_on_one_connection_reaches_reads_on_another() {
    let arena = engine::arena();
    let mut one = arena.connect();
    let mut two = arena.connect();
    one.batch_execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL)")
        .unwrap();
    let cache = Cache::from_url("memory://").unwrap();
    cache.attach(&mut one).unwrap();
    cache.attach(&mut two).unwrap();
    let report = Report::new();
    let read = |conn: &mut engine::Conn| {
        let rows = things::table
            .order(things::id)
            .cached()
            .report(&report)
            .load(conn)
            .unwrap();
        let rows: Vec<(i32, String)> = rows;
        (rows.len(), report.outcome().unwrap())
    };
    let miss = Outcome::Miss {
        stored: true,
        joined: false,
    };
    assert_eq!(read(&mut one), (0, miss));
    assert_eq!(read(&mut two), (0, Outcome::Hit));
    diesel::insert_into(things::table)
        .values((things::id.eq(1), things::name.eq("a")))
        .execute(&mut two)
        .unwrap();
    assert_eq!(read(&mut one), (1, miss));
    assert_eq!(read(&mut two), (1, Outcome::Hit));
}
