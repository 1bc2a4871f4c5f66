//! A database with two tables and a cache over it.
#![allow(dead_code, reason = "not every engine needs all of it")]

use std::cell::RefCell;

use diesel::connection::{CacheSize, Connection, Instrumentation, SimpleConnection};
use diesel::prelude::*;
use diesel_cache::{Cache, CachedDsl, Outcome, Report};

use super::engine::{self, Arena, Conn};
use crate::support::{HIT, MISS};

diesel::table! { things (id) { id -> Integer, name -> Text } }
diesel::table! { others (id) { id -> Integer, note -> Text } }
diesel::allow_tables_to_appear_in_same_query!(things, others);

pub(crate) type Rows = Vec<(i32, String)>;

pub(crate) struct Rig {
    pub(crate) cache: Cache,
    /// Reads what the database holds, out of every cache's sight.
    judge: RefCell<Conn>,
    pub(crate) arena: Arena,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Cache::from_url("memory://").unwrap())
    }

    pub(crate) fn with(cache: Cache) -> Self {
        let arena = engine::arena();
        arena
            .connect()
            .batch_execute(
                "CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL);
                 CREATE TABLE others (id INTEGER PRIMARY KEY, note VARCHAR(99) NOT NULL);
                 INSERT INTO things VALUES (1, 'a');
                 INSERT INTO others VALUES (1, 'a');",
            )
            .unwrap();
        let mut judge = arena.connect();
        judge.set_instrumentation(None::<Box<dyn Instrumentation>>);
        judge.set_prepared_statement_cache_size(CacheSize::Disabled);
        Self {
            cache,
            judge: RefCell::new(judge),
            arena,
        }
    }

    /// A connection that the cache knows.
    pub(crate) fn conn(&self) -> Conn {
        let mut conn = self.arena.connect();
        self.cache.attach(&mut conn).unwrap();
        conn
    }

    /// A connection that the cache does not know.
    pub(crate) fn plain(&self) -> Conn {
        self.arena.connect()
    }

    pub(crate) fn truth(&self) -> Rows {
        things::table
            .order(things::id)
            .load(&mut *self.judge.borrow_mut())
            .unwrap()
    }

    /// Reads, and proves that it got what the database holds.
    #[track_caller]
    pub(crate) fn fresh(&self, conn: &mut Conn) -> Outcome {
        let (rows, outcome) = read(conn);
        assert_eq!(rows, self.truth(), "a stale read: {outcome}");
        outcome
    }

    /// Fills the cache, and proves that it is filled.
    #[track_caller]
    pub(crate) fn warm(&self, conn: &mut Conn) {
        self.fresh(conn);
        assert_eq!(self.fresh(conn), HIT);
        read_others(conn);
        assert_eq!(read_others(conn).1, HIT);
    }

    /// The write reached the cache: one fresh read fills it, and the next one hits.
    #[track_caller]
    pub(crate) fn invalidated(&self, conn: &mut Conn) {
        assert_eq!(self.fresh(conn), MISS);
        assert_eq!(self.fresh(conn), HIT);
    }
}

pub(crate) fn read(conn: &mut Conn) -> (Rows, Outcome) {
    let report = Report::new();
    let rows = things::table
        .order(things::id)
        .cached()
        .report(&report)
        .load(conn)
        .unwrap();
    (rows, report.outcome().unwrap())
}

pub(crate) fn read_others(conn: &mut Conn) -> (Rows, Outcome) {
    let report = Report::new();
    let rows = others::table
        .order(others::id)
        .cached()
        .report(&report)
        .load(conn)
        .unwrap();
    (rows, report.outcome().unwrap())
}

/// Reads `things` by SQL text.
pub(crate) fn read_sql(conn: &mut Conn, sql: &str) -> (Vec<String>, Outcome) {
    #[derive(QueryableByName, Clone)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let report = Report::new();
    let rows: Vec<Row> = diesel::sql_query(sql)
        .cached()
        .report(&report)
        .load(conn)
        .unwrap();
    let names = rows.into_iter().map(|row| row.name).collect();
    (names, report.outcome().unwrap())
}

pub(crate) fn rename(conn: &mut Conn, name: &str) -> QueryResult<usize> {
    diesel::update(things::table.find(1))
        .set(things::name.eq(name))
        .execute(conn)
}

pub(crate) fn annotate(conn: &mut Conn, note: &str) -> QueryResult<usize> {
    diesel::update(others::table.find(1))
        .set(others::note.eq(note))
        .execute(conn)
}

pub(crate) fn add(conn: &mut Conn, id: i32, name: &str) -> QueryResult<usize> {
    diesel::insert_into(things::table)
        .values((things::id.eq(id), things::name.eq(name)))
        .execute(conn)
}

pub(crate) fn run(conn: &mut Conn, sql: &str) {
    conn.batch_execute(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Runs a statement that must fail.
pub(crate) fn fail(conn: &mut Conn, sql: &str) {
    assert!(conn.batch_execute(sql).is_err(), "{sql} did not fail");
}

/// A transaction whose closure returns without an error.
pub(crate) fn transact<T>(conn: &mut Conn, body: impl FnOnce(&mut Conn) -> T) -> QueryResult<T> {
    conn.transaction(|conn| Ok(body(conn)))
}

/// The same, uncached.
pub(crate) fn plain_sql(conn: &mut Conn, sql: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let rows: Vec<Row> = diesel::sql_query(sql).load(conn).unwrap();
    rows.into_iter().map(|row| row.name).collect()
}
