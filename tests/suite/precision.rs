//! Which writes leave which results alone. On SQLite.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{Cache, CacheInvalidate, CachedDsl, Outcome, Report};

use crate::support::memory;

diesel::table! {
    people (id) {
        id -> Integer,
        name -> Text,
    }
}

diesel::table! {
    notes (id) {
        id -> Integer,
        owner -> Integer,
        title -> Text,
        views -> Integer,
        public -> Bool,
    }
}

diesel::allow_tables_to_appear_in_same_query!(people, notes);

#[derive(
    Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, AsChangeset, CacheInvalidate,
)]
#[cache(key(owner))]
struct Note {
    id: i32,
    owner: i32,
    title: String,
    views: i32,
    public: bool,
}

fn blog(cache: &Cache) -> SqliteConnection {
    cache.register::<Note>();
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    conn.batch_execute(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE notes (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, title TEXT NOT NULL,
             views INTEGER NOT NULL DEFAULT 0, public BOOLEAN NOT NULL DEFAULT 1);
         INSERT INTO people VALUES (1, 'Ada'), (2, 'Brian'), (3, 'Chen');
         INSERT INTO notes (id, owner, title) VALUES
             (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c'), (4, 2, 'd'), (5, 2, 'e');",
    )
    .unwrap();
    cache.attach(&mut conn).unwrap();
    conn
}

/// Whether the result of a read survives a write.
macro_rules! survives {
    ($conn:expr, $query:expr, $row:ty, $write:expr) => {{
        let conn: &mut SqliteConnection = $conn;
        let report = Report::new();
        let read = |conn: &mut SqliteConnection| -> (Vec<$row>, Outcome) {
            let rows = $query.cached().report(&report).load(conn).unwrap();
            (rows, report.outcome().unwrap())
        };
        read(conn);
        let (before, outcome) = read(conn);
        assert_eq!(outcome, Outcome::Hit, "it is stored");
        $write.execute(conn).unwrap();
        let (after, outcome) = read(conn);
        let truth: Vec<$row> = $query.load(conn).unwrap();
        assert_eq!(after, truth);
        let survives = outcome == Outcome::Hit;
        assert!(!survives || before == after);
        survives
    }};
}

#[test]
fn a_row_is_told_from_another() {
    let cache = memory();
    let conn = &mut blog(&cache);
    let by_id = || notes::table.find(1).select(Note::as_select());
    let note = |id: i32| notes::table.find(id);
    assert!(survives!(
        conn,
        by_id(),
        Note,
        diesel::update(note(2)).set(notes::title.eq("x"))
    ));
    assert!(!survives!(
        conn,
        by_id(),
        Note,
        diesel::update(note(1)).set(notes::title.eq("x"))
    ));
    assert!(survives!(conn, by_id(), Note, diesel::delete(note(2))));
    let new = (notes::owner.eq(1), notes::title.eq("new"));
    assert!(survives!(
        conn,
        by_id(),
        Note,
        diesel::insert_into(notes::table).values(new)
    ));
    let mine = notes::table.filter(notes::owner.eq(1));
    let others = notes::table.filter(notes::owner.eq(2));
    assert!(survives!(
        conn,
        by_id(),
        Note,
        diesel::update(others).set(notes::public.eq(false))
    ));
    assert!(!survives!(
        conn,
        by_id(),
        Note,
        diesel::update(mine).set(notes::public.eq(false))
    ));
    let all = diesel::update(notes::table).set(notes::views.eq(notes::views + 1));
    assert!(!survives!(conn, by_id(), Note, all));
    assert!(!survives!(conn, by_id(), Note, diesel::delete(note(1))));
}

#[test]
fn what_is_not_there_may_come() {
    let cache = memory();
    let conn = &mut blog(&cache);
    let by_id = || notes::table.find(6).select(Note::as_select());
    let values = |id: i32| (notes::id.eq(id), notes::owner.eq(3), notes::title.eq("n"));
    assert!(survives!(
        conn,
        by_id(),
        Note,
        diesel::insert_into(notes::table).values(values(7))
    ));
    let made = (notes::owner.eq(1), notes::title.eq("new"));
    assert!(!survives!(
        conn,
        by_id(),
        Note,
        diesel::insert_into(notes::table).values(made)
    ));
    diesel::delete(notes::table.find(8)).execute(conn).unwrap();
    assert!(!survives!(
        conn,
        by_id(),
        Note,
        diesel::insert_into(notes::table).values(values(6))
    ));
}

#[test]
fn a_list_by_a_key_is_told_from_another() {
    let cache = memory();
    let conn = &mut blog(&cache);
    let list = || {
        notes::table
            .filter(notes::owner.eq(2))
            .filter(notes::public)
            .order(notes::id.desc())
            .limit(2)
            .select(Note::as_select())
    };
    let insert = |owner: i32| {
        diesel::insert_into(notes::table).values((notes::owner.eq(owner), notes::title.eq("n")))
    };
    let note = |id: i32| notes::table.find(id);
    assert!(survives!(conn, list(), Note, insert(1)));
    // It shows 4 and 5, and not 3.
    assert!(survives!(
        conn,
        list(),
        Note,
        diesel::update(note(3)).set(notes::title.eq("x"))
    ));
    assert!(!survives!(
        conn,
        list(),
        Note,
        diesel::update(note(4)).set(notes::title.eq("x"))
    ));
    assert!(survives!(conn, list(), Note, diesel::delete(note(3))));
    assert!(!survives!(conn, list(), Note, diesel::delete(note(4))));
    assert!(!survives!(conn, list(), Note, insert(2)));
    // Whose it is is not known: it may come in if it is public, and was not there otherwise.
    let publish = |public: bool| diesel::update(note(1)).set(notes::public.eq(public));
    assert!(survives!(conn, list(), Note, publish(false)));
    assert!(!survives!(conn, list(), Note, publish(true)));
    let turn = diesel::update(note(1)).set(notes::public.eq(notes::public));
    assert!(!survives!(conn, list(), Note, turn));
    let of_one = notes::table.filter(notes::owner.eq(1));
    assert!(survives!(
        conn,
        list(),
        Note,
        diesel::update(of_one).set(notes::public.eq(true))
    ));
    // A row that moves.
    assert!(!survives!(
        conn,
        list(),
        Note,
        diesel::update(note(1)).set(notes::owner.eq(2))
    ));
}

/// A key that the rows do not show is the one that was asked for.
#[test]
fn a_list_that_does_not_show_its_key_is_told_from_another() {
    let cache = memory();
    let conn = &mut blog(&cache);
    let titles = || {
        notes::table
            .filter(notes::owner.eq(1))
            .order(notes::id)
            .select((notes::id, notes::title))
    };
    let of = |owner: i32| notes::table.filter(notes::owner.eq(owner));
    let renamed = |owner: i32| diesel::update(of(owner)).set(notes::title.eq("x"));
    assert!(survives!(conn, titles(), (i32, String), renamed(2)));
    assert!(!survives!(conn, titles(), (i32, String), renamed(1)));
    assert!(survives!(
        conn,
        titles(),
        (i32, String),
        diesel::delete(of(2).filter(notes::views.eq(0)))
    ));
    assert!(!survives!(
        conn,
        titles(),
        (i32, String),
        diesel::delete(of(1).filter(notes::id.eq(2)))
    ));
    // Of several, none is known.
    let both = || {
        notes::table
            .filter(notes::owner.eq_any([1, 3]))
            .select((notes::id, notes::title))
    };
    assert!(!survives!(conn, both(), (i32, String), renamed(1)));
    // A row that moves to another owner takes its address with it.
    let moved = diesel::update(notes::table.find(1)).set(notes::owner.eq(3));
    assert!(!survives!(conn, titles(), (i32, String), moved));
}

#[test]
fn a_count_is_told_by_its_key_and_columns() {
    let cache = memory();
    let conn = &mut blog(&cache);
    let count = || notes::table.filter(notes::owner.eq(2)).count();
    let all = diesel::update(notes::table).set(notes::title.eq("t"));
    assert!(survives!(conn, count(), i64, all));
    let mine = notes::table.filter(notes::owner.eq(1));
    assert!(survives!(conn, count(), i64, diesel::delete(mine)));
    let insert = |owner: i32| {
        diesel::insert_into(notes::table).values((notes::owner.eq(owner), notes::title.eq("n")))
    };
    assert!(survives!(conn, count(), i64, insert(1)));
    assert!(!survives!(conn, count(), i64, insert(2)));
    // Whose it is is not known.
    assert!(!survives!(
        conn,
        count(),
        i64,
        diesel::delete(notes::table.find(1))
    ));
}

#[test]
fn a_join_shows_rows_of_both_tables() {
    let cache = memory();
    let conn = &mut blog(&cache);
    let list = || {
        notes::table
            .inner_join(people::table.on(people::id.eq(notes::owner)))
            .filter(notes::owner.eq(2))
            .order(notes::id)
            .select((notes::id, notes::title, notes::owner, people::name))
    };
    type Row = (i32, String, i32, String);
    let rename = |id: i32| diesel::update(people::table.find(id)).set(people::name.eq("new"));
    assert!(survives!(conn, list(), Row, rename(1)));
    assert!(!survives!(conn, list(), Row, rename(2)));
    let view = |id: i32| diesel::update(notes::table.find(id)).set(notes::views.eq(7));
    assert!(
        survives!(conn, list(), Row, view(3)),
        "it does not show how often"
    );
    let person = (people::id.eq(9), people::name.eq("Zoe"));
    let joined = diesel::insert_into(people::table).values(person);
    assert!(survives!(conn, list(), Row, joined));
}

#[test]
fn an_outer_join_shows_what_is_not_there() {
    let cache = memory();
    let conn = &mut blog(&cache);
    let lonely = || {
        people::table
            .left_join(notes::table.on(notes::owner.eq(people::id)))
            .filter(notes::id.is_null())
            .order(people::id)
            .select((people::id, people::name, notes::id.nullable()))
    };
    type Row = (i32, String, Option<i32>);
    assert!(!survives!(
        conn,
        lonely(),
        Row,
        diesel::delete(notes::table.find(1))
    ));
    assert!(!survives!(
        conn,
        lonely(),
        Row,
        diesel::delete(notes::table.find(2))
    ));
    let title = diesel::update(notes::table.find(3)).set(notes::title.eq("x"));
    assert!(survives!(conn, lonely(), Row, title));
}

#[test]
fn saved_and_deleted_models_tell_their_keys() {
    use diesel_cache::{DeleteDsl, SaveDsl};
    let cache = memory();
    let conn = &mut blog(&cache);
    let of = |owner: i32| notes::table.filter(notes::owner.eq(owner)).count();
    let note = |conn: &mut SqliteConnection, id: i32| -> Note {
        notes::table
            .find(id)
            .select(Note::as_select())
            .first(conn)
            .unwrap()
    };
    struct Write<F>(F);
    impl<F: FnOnce(&mut SqliteConnection) -> QueryResult<()>> Write<F> {
        fn execute(self, conn: &mut SqliteConnection) -> QueryResult<()> {
            (self.0)(conn)
        }
    }
    let mut moved = note(conn, 1);
    moved.title = "new".into();
    assert!(survives!(
        conn,
        of(2),
        i64,
        Write(|conn: &mut _| moved.save(conn))
    ));
    // The count reads nothing but the key, which the row has already.
    assert!(survives!(
        conn,
        of(1),
        i64,
        Write(|conn: &mut _| moved.save(conn))
    ));
    let old = moved.clone();
    moved.owner = 3;
    assert!(survives!(
        conn,
        of(2),
        i64,
        Write(|conn: &mut _| moved.save_from(&old, conn))
    ));
    assert_eq!(note(conn, 1).owner, 3);
    moved.owner = 1;
    assert!(!survives!(
        conn,
        of(3),
        i64,
        Write(|conn: &mut _| moved.save(conn))
    ));
    assert_eq!(note(conn, 1).owner, 1);
    // It was told wrong, and is saved all the same.
    moved.owner = 3;
    let wrong = Note {
        owner: 2,
        ..moved.clone()
    };
    assert!(!survives!(
        conn,
        of(1),
        i64,
        Write(|conn: &mut _| moved.save_from(&wrong, conn))
    ));
    assert!(survives!(
        conn,
        of(2),
        i64,
        Write(|conn: &mut _| moved.delete(conn))
    ));
    let stale = Note {
        owner: 9,
        ..note(conn, 2)
    };
    assert!(!survives!(
        conn,
        of(1),
        i64,
        Write(|conn: &mut _| stale.delete(conn))
    ));
    assert_eq!(stale.delete(conn), Err(diesel::result::Error::NotFound));
}

#[test]
fn a_row_that_is_missed_is_not_seen_by_what_would_equal_its_key() {
    let cache = memory();
    let conn = &mut blog(&cache);
    conn.batch_execute("DELETE FROM notes").unwrap();
    let query = || {
        people::table
            .left_join(notes::table.on(notes::id.eq(people::id)))
            .filter(people::id.eq(1))
            .select((people::id, notes::title.nullable()))
    };
    let insert = "INSERT INTO notes (id, owner, title) VALUES ('1', 1, 'new')";
    assert!(!survives!(
        conn,
        query(),
        (i32, Option<String>),
        diesel::sql_query(insert)
    ));
}

#[test]
fn a_transaction_writes_all_that_its_statements_write() {
    let cache = memory();
    let conn = &mut blog(&cache);
    let note = |id: i32| notes::table.find(id).select(Note::as_select());
    for id in 1..=3 {
        note(id).cached().load(conn).unwrap();
    }
    let title = |id: i32| diesel::update(notes::table.find(id)).set(notes::title.eq("x"));
    let outcome = |conn: &mut SqliteConnection, id: i32| {
        let report = Report::new();
        note(id).cached().report(&report).load(conn).unwrap();
        report.outcome().unwrap() == Outcome::Hit
    };
    conn.transaction(|conn| {
        title(1).execute(conn)?;
        title(2).execute(conn)
    })
    .unwrap();
    assert_eq!([1, 2, 3].map(|id| outcome(conn, id)), [false, false, true]);
    // Whatever else a table was written by, one write of which nothing is known is of any row.
    for wide_first in [true, false] {
        let wide =
            diesel::sql_query("INSERT OR REPLACE INTO notes (id, owner, title) VALUES (3, 1, 'r')");
        conn.transaction(|conn| {
            if wide_first {
                wide.execute(conn)?;
                title(1).execute(conn)
            } else {
                title(1).execute(conn)?;
                wide.execute(conn)
            }
        })
        .unwrap();
        assert_eq!([1, 2, 3].map(|id| outcome(conn, id)), [false; 3]);
    }
}

#[test]
fn a_key_that_is_declared_late_counts_for_what_is_read_from_then_on() {
    let cache = memory();
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    conn.batch_execute(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, title TEXT NOT NULL,
             views INTEGER NOT NULL DEFAULT 0, public BOOLEAN NOT NULL DEFAULT 1);
         INSERT INTO notes (id, owner, title) VALUES (1, 1, 'a'), (2, 2, 'b');",
    )
    .unwrap();
    cache.attach(&mut conn).unwrap();
    let conn = &mut conn;
    let count = |owner: i32| notes::table.filter(notes::owner.eq(owner)).count();
    let of_two = || diesel::update(notes::table.filter(notes::owner.eq(2)));
    let away = |owner: i32| of_two().set(notes::owner.eq(owner));
    assert!(!survives!(conn, count(1), i64, away(3)));
    cache.register::<Note>();
    assert!(survives!(conn, count(1), i64, away(4)));
    diesel::update(notes::table.find(2))
        .set(notes::owner.eq(2))
        .execute(conn)
        .unwrap();
    assert!(survives!(conn, count(1), i64, away(5)));
}

#[test]
fn caches_that_share_a_backend_know_primary_keys_only() {
    use diesel_cache::backend::MemoryBackend;
    use std::sync::Arc;
    let store = Arc::new(MemoryBackend::new(1 << 20));
    let [one, other] = [0, 1].map(|_| {
        let builder = Cache::builder().backend(Arc::clone(&store));
        builder.database("blog").build().unwrap()
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let connect = || SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let mut conn = connect();
    conn.batch_execute(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, title TEXT NOT NULL,
             views INTEGER NOT NULL DEFAULT 0, public BOOLEAN NOT NULL DEFAULT 1);
         INSERT INTO notes (id, owner, title) VALUES (1, 1, 'a'), (2, 2, 'b');",
    )
    .unwrap();
    one.register::<Note>();
    one.attach(&mut conn).unwrap();
    let mut unaware = connect();
    other.attach(&mut unaware).unwrap();
    let count = || notes::table.filter(notes::owner.eq(1)).count().cached();
    assert_eq!(count().get_result::<i64>(&mut conn).unwrap(), 1);
    // It knows of no key, and does not say whose the note was.
    let moved = diesel::update(notes::table.find(1)).set(notes::owner.eq(7));
    moved.execute(&mut unaware).unwrap();
    assert_eq!(count().get_result::<i64>(&mut conn).unwrap(), 0);
    let by_id = || notes::table.find(2).select(notes::title).cached();
    assert_eq!(by_id().load::<String>(&mut conn).unwrap(), ["b"]);
    let moved = diesel::update(notes::table.find(1)).set(notes::owner.eq(8));
    moved.execute(&mut unaware).unwrap();
    let report = Report::new();
    by_id().report(&report).load::<String>(&mut conn).unwrap();
    assert_eq!(
        report.outcome(),
        Some(Outcome::Hit),
        "rows are told apart by the primary key"
    );
}

#[test]
fn what_a_view_reads_is_read_as_a_whole() {
    let cache = memory();
    let conn = &mut blog(&cache);
    conn.batch_execute(
        "CREATE VIEW totals AS SELECT owner, count(*) AS total FROM notes GROUP BY owner;
         CREATE VIEW more AS SELECT owner, total + 1 AS total FROM totals",
    )
    .unwrap();
    diesel::table! { totals (owner) { owner -> Integer, total -> BigInt } }
    diesel::table! { more (owner) { owner -> Integer, total -> BigInt } }
    diesel::allow_tables_to_appear_in_same_query!(notes, totals, more);
    let insert =
        || diesel::insert_into(notes::table).values((notes::owner.eq(1), notes::title.eq("n")));
    let joined = || {
        notes::table
            .inner_join(totals::table.on(totals::owner.eq(notes::owner)))
            .filter(notes::id.eq(1))
            .select((notes::id, totals::total))
    };
    assert!(!survives!(conn, joined(), (i32, i64), insert()));
    let nested = || {
        let most = more::table
            .select(diesel::dsl::max(more::total))
            .single_value();
        notes::table
            .filter(notes::id.eq(1))
            .filter(most.gt(4_i64))
            .select(notes::id)
    };
    assert!(!survives!(conn, nested(), i32, insert()));
}
