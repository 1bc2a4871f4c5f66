//! Subscriptions: what was invalidated, and why.

use diesel::prelude::*;
use diesel_cache::{Cache, CachedDsl, Source};

use crate::support::{attached, authors, memory, posts};

fn rename(conn: &mut SqliteConnection, title: &str) {
    let update = diesel::update(posts::table.find(1)).set(posts::title.eq(title));
    assert_eq!(update.execute(conn).unwrap(), 1);
}

fn told(events: &diesel_cache::Subscription) -> Vec<String> {
    std::iter::from_fn(|| events.try_next())
        .map(|event| event.to_string())
        .collect()
}

#[test]
fn each_invalidation_is_told_with_its_tables_and_source() {
    let cache = memory();
    let mut conn = attached(&cache);
    let events = cache.subscribe(16);
    rename(&mut conn, "a");
    let committed = conn.transaction(|conn| {
        rename(conn, "b");
        assert!(told(&events).len() <= 1, "nothing before COMMIT");
        diesel::delete(authors::table.find(2)).execute(conn)
    });
    committed.unwrap();
    assert_eq!(told(&events), ["authors, posts by Transaction"]);
    cache.invalidate_table("Tags");
    cache.invalidate_tag("front");
    diesel::sql_query("DROP TABLE tags")
        .execute(&mut conn)
        .unwrap();
    cache.clear();
    assert_eq!(
        told(&events),
        [
            "tags by Explicit",
            "tag front by Explicit",
            "the schema by Statement",
            "everything by Explicit"
        ]
    );
    // Until a read has asked for the new catalogue, a write may go anywhere.
    let count = posts::table.count().cached();
    count.get_result::<i64>(&mut conn).unwrap();
    assert_eq!(told(&events), ["the schema by Catalogue"]);
    rename(&mut conn, "c");
    let event = events.try_next().unwrap();
    assert_eq!(event.source, Source::Statement);
    assert!(event.touches("POSTS") && !event.touches("authors"));
}

#[test]
fn what_is_rolled_back_is_not_told() {
    let cache = memory();
    let mut conn = attached(&cache);
    let events = cache.subscribe(16);
    let _ = conn.transaction(|conn| {
        rename(conn, "never");
        QueryResult::<()>::Err(diesel::result::Error::RollbackTransaction)
    });
    let _ = conn.transaction(|conn| {
        let _ = conn.transaction(|conn| {
            rename(conn, "never");
            QueryResult::<()>::Err(diesel::result::Error::RollbackTransaction)
        });
        diesel::update(authors::table)
            .set(authors::name.eq(authors::name))
            .execute(conn)
    });
    assert_eq!(told(&events), ["authors by Transaction"]);
}

#[test]
fn a_slow_subscriber_loses_the_newest_and_no_write_waits() {
    let cache = memory();
    let (slow, quick) = (cache.subscribe(2), cache.subscribe(8));
    for table in ["a", "b", "c", "d"] {
        cache.invalidate_table(table);
    }
    assert_eq!(told(&slow), ["a by Explicit", "b by Explicit"]);
    assert_eq!((slow.lost(), quick.lost()), (2, 0));
    assert_eq!(cache.stats().events_lost, 2);
    cache.invalidate_table("e");
    assert_eq!(told(&slow), ["e by Explicit"], "it goes on afterwards");
    drop(slow);
    cache.invalidate_table("f");
    assert_eq!(cache.stats().events_lost, 2, "who has left loses nothing");
    assert_eq!(told(&quick).len(), 6);
}

#[test]
fn a_subscription_ends_with_its_cache() {
    let cache = Cache::from_url("memory://").unwrap();
    let events = cache.subscribe(4);
    let waiting =
        std::thread::spawn(move || events.map(|event| event.to_string()).collect::<Vec<_>>());
    cache.invalidate_table("a");
    drop(cache);
    assert_eq!(waiting.join().unwrap(), ["a by Explicit"]);
}
