//! A blog with an outbox.

use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::dialect::Dialect;
use diesel_cache::{
    Builder, Cache, CacheDatabase, CacheInvalidate, CachedDsl, OutboxMigration, Outcome, Report,
};

use super::engine::{self, Arena, Conn};

diesel::table! { authors (id) { id -> Integer, name -> Text } }
diesel::table! { posts (id) { id -> Integer, author_id -> Integer, title -> Text } }
diesel::table! {
    diesel_cache_outbox (id) {
        id -> BigInt,
        session -> Nullable<Text>,
        relation -> Nullable<Text>,
        tags -> Nullable<Text>,
    }
}
diesel::allow_tables_to_appear_in_same_query!(authors, posts);

/// A post as its row.
#[derive(
    Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, AsChangeset, CacheInvalidate,
)]
#[diesel(table_name = posts)]
pub(crate) struct Post {
    pub(crate) id: i32,
    pub(crate) author_id: i32,
    pub(crate) title: String,
}

/// The dialect of the engine.
pub(crate) fn dialect() -> Dialect {
    <engine::Db as CacheDatabase>::DIALECT
}

/// The migration of the blog's tables.
pub(crate) fn migration() -> OutboxMigration {
    let migration = OutboxMigration::new(dialect());
    migration.table("authors").unwrap().table("posts").unwrap()
}

/// A blog: two authors with two posts each. Without triggers, but with an outbox.
pub(crate) fn blog() -> Arena {
    let arena = engine::arena();
    let engine = if engine::NAME == "mysql" {
        " ENGINE = InnoDB"
    } else {
        ""
    };
    arena
        .connect()
        .batch_execute(&format!(
            "CREATE TABLE authors (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL){engine};
             CREATE TABLE posts (id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL,
                 title VARCHAR(99) NOT NULL,
                 FOREIGN KEY (author_id) REFERENCES authors (id) ON DELETE CASCADE){engine};
             INSERT INTO authors VALUES (1, 'one'), (2, 'two');
             INSERT INTO posts VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c'), (4, 2, 'd');"
        ))
        .unwrap();
    arena
}

/// A blog with an outbox, and without triggers.
pub(crate) fn with_outbox() -> Arena {
    let arena = blog();
    let sql = OutboxMigration::new(dialect()).up();
    arena.connect().batch_execute(&sql).unwrap();
    arena
}

/// A blog with an outbox and triggers.
pub(crate) fn with_triggers() -> Arena {
    let arena = blog();
    arena.connect().batch_execute(&migration().up()).unwrap();
    arena
}

/// With a relay of the arena's database.
pub(crate) fn relayed(builder: Builder, arena: &Arena) -> Builder {
    let url = arena.url();
    builder
        .relay_interval(Duration::from_millis(20))
        .relay(move || Conn::establish(&url))
}

/// A cache in memory with a relay.
pub(crate) fn memory(arena: &Arena) -> Cache {
    relayed(Cache::builder(), arena).build().unwrap()
}

/// A connection with the cache.
pub(crate) fn attached(cache: &Cache, arena: &Arena) -> Conn {
    let mut conn = arena.connect();
    if engine::NAME == "sqlite" {
        conn.batch_execute("PRAGMA busy_timeout = 60000").unwrap();
    }
    cache.attach(&mut conn).unwrap();
    conn
}

/// Waits for it.
pub(crate) fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !ready() {
        assert!(
            Instant::now() < limit,
            "{}: not after a minute: {what}",
            engine::NAME
        );
        thread::sleep(Duration::from_millis(5));
    }
}

/// The title of a post, through the cache.
pub(crate) fn title(conn: &mut Conn, id: i32) -> (Option<String>, Outcome) {
    let report = Report::new();
    let query = posts::table.filter(posts::id.eq(id)).select(posts::title);
    let titles: Vec<String> = query.cached().report(&report).load(conn).unwrap();
    (titles.into_iter().next(), report.outcome().unwrap())
}

/// How many posts there are, through the cache.
pub(crate) fn count(conn: &mut Conn) -> (i64, Outcome) {
    let report = Report::new();
    let query = posts::table.count();
    let counts: Vec<i64> = query.cached().report(&report).load(conn).unwrap();
    (counts[0], report.outcome().unwrap())
}

/// Waits until that post is served from the cache.
pub(crate) fn until_hit(conn: &mut Conn, id: i32) {
    until("the post is cached", || title(conn, id).1 == Outcome::Hit);
}

/// What waits in the outbox.
pub(crate) fn waiting(conn: &mut Conn) -> Vec<(Option<String>, Option<String>, Option<String>)> {
    use diesel_cache_outbox::dsl;
    let rows = dsl::diesel_cache_outbox.select((dsl::session, dsl::relation, dsl::tags));
    rows.order(dsl::id).load(conn).unwrap()
}

/// Waits until the outbox is empty.
pub(crate) fn until_empty(conn: &mut Conn) {
    until("the outbox is empty", || waiting(conn).is_empty());
}
