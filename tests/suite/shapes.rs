//! The shapes of queries, rows and connections that cached reads take.

use diesel::connection::{Connection, LoadConnection};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::sqlite::Sqlite;
use diesel_cache::{Bypass, Cached, CachedDsl, LoadSharedDsl, Outcome, Report, SaveDsl};

use crate::support::{Author, Post, attached, authors, memory, posts};

/// Runs a read twice: a miss, then a hit, of the same rows.
macro_rules! twice {
    ($conn:expr, $query:expr, $method:ident :: <$row:ty>) => {{
        let report = Report::new();
        let first: $row = $query.cached().report(&report).$method($conn).unwrap();
        assert_eq!(
            report.outcome(),
            Some(Outcome::Miss {
                stored: true,
                joined: false
            })
        );
        let second: $row = $query.cached().report(&report).$method($conn).unwrap();
        assert_eq!(report.outcome(), Some(Outcome::Hit));
        assert_eq!(first, second);
        second
    }};
}

#[test]
fn queries_of_every_shape() {
    let cache = memory();
    let conn = &mut attached(&cache);
    twice!(conn, authors::table, load::<Vec<(i32, String)>>);
    twice!(conn, authors::table.find(1), first::<Author>);
    twice!(
        conn,
        posts::table.select(Post::as_select()),
        get_results::<Vec<Post>>
    );
    twice!(conn, posts::table.count(), get_result::<i64>);
    let boxed = || {
        posts::table
            .select(posts::id)
            .filter(posts::id.gt(1))
            .into_boxed::<Sqlite>()
    };
    assert_eq!(twice!(conn, boxed(), load::<Vec<i32>>), [2, 3]);
    let joined = || posts::table.inner_join(authors::table).order(posts::id);
    let joined = || joined().select((Post::as_select(), authors::name));
    assert_eq!(twice!(conn, joined(), load::<Vec<(Post, String)>>).len(), 3);
    let left = || {
        authors::table
            .left_join(posts::table)
            .order((authors::id, posts::id))
    };
    let left = || left().select((authors::name, posts::title.nullable()));
    twice!(conn, left(), load::<Vec<(String, Option<String>)>>);
    let union = || {
        authors::table
            .select(authors::id)
            .union(posts::table.select(posts::id))
    };
    assert_eq!(twice!(conn, union(), load::<Vec<i32>>), [1, 2, 3]);
    let chain = || union().union_all(posts::table.select(posts::id));
    assert_eq!(twice!(conn, chain(), load::<Vec<i32>>).len(), 6);
    let exists = || diesel::select(diesel::dsl::exists(posts::table.filter(posts::id.eq(9))));
    assert!(!twice!(conn, exists(), get_result::<bool>));
    let by_any = || {
        posts::table
            .select(posts::id)
            .filter(posts::id.eq_any(vec![1, 3]))
    };
    assert_eq!(twice!(conn, by_any(), load::<Vec<i32>>), [1, 3]);
    let (a, b) = diesel::alias!(posts as a, posts as b);
    let pair = || a.inner_join(b.on(a.field(posts::id).eq(b.field(posts::author_id))));
    let pair = || pair().select((a.field(posts::id), b.field(posts::id)));
    twice!(conn, pair(), load::<Vec<(i32, i32)>>);
}

#[derive(Debug, Clone, PartialEq, QueryableByName)]
struct Named {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

#[test]
fn raw_sql_with_binds() {
    let cache = memory();
    let conn = &mut attached(&cache);
    let named = |id: i32| {
        diesel::sql_query("SELECT name FROM authors WHERE id = ? OR id = ?")
            .bind::<diesel::sql_types::Integer, _>(id)
            .bind::<diesel::sql_types::Integer, _>(id)
    };
    assert_eq!(twice!(conn, named(1), load::<Vec<Named>>)[0].name, "Ada");
    assert_eq!(twice!(conn, named(2), load::<Vec<Named>>)[0].name, "Brian");
}

#[test]
fn nothing_found_is_cached_too() {
    let cache = memory();
    let conn = &mut attached(&cache);
    let report = Report::new();
    let mut find = || -> Option<Author> {
        authors::table
            .find(9)
            .cached()
            .report(&report)
            .first(conn)
            .optional()
            .unwrap()
    };
    assert_eq!((find(), find()), (None, None));
    assert_eq!(report.outcome(), Some(Outcome::Hit));
}

#[test]
fn rows_one_at_a_time_and_grouped() {
    let cache = memory();
    let conn = &mut attached(&cache);
    for _ in 0..2 {
        let query = posts::table.select(posts::id).cached();
        let rows = query
            .load_iter::<i32, diesel::connection::DefaultLoadingMode>(conn)
            .unwrap();
        assert_eq!(rows.map(Result::unwrap).collect::<Vec<i32>>(), [1, 2, 3]);
    }
    let all: Vec<Author> = authors::table.cached().load(conn).unwrap();
    let mine = Post::belonging_to(&all).select(Post::as_select()).cached();
    let mine: Vec<Vec<Post>> = mine.load::<Post>(conn).unwrap().grouped_by(&all);
    assert_eq!((mine[0].len(), mine[1].len()), (2, 1));
}

#[test]
fn shared_rows_need_no_clone_and_are_not_copied() {
    #[derive(Queryable)]
    struct Unclonable(i32, #[allow(dead_code, reason = "part of the row")] String);
    let cache = memory();
    let conn = &mut attached(&cache);
    let first = authors::table
        .cached()
        .load_shared::<Unclonable>(conn)
        .unwrap();
    let second = authors::table
        .cached()
        .load_shared::<Unclonable>(conn)
        .unwrap();
    assert!(std::ptr::eq(&raw const first[0], &raw const second[0]));
    assert_eq!(second.iter().map(|row| row.0).collect::<Vec<i32>>(), [1, 2]);
}

#[test]
fn two_row_types_of_one_query_do_not_meet() {
    let cache = memory();
    let conn = &mut attached(&cache);
    twice!(conn, authors::table, load::<Vec<(i32, String)>>);
    twice!(conn, authors::table, load::<Vec<Author>>);
}

#[test]
fn pooled_connections() {
    let cache = memory();
    let pool = Pool::builder()
        .max_size(2)
        .connection_customizer(cache.customizer())
        .build(ConnectionManager::<SqliteConnection>::new(":memory:"))
        .unwrap();
    let mut conn = pool.get().unwrap();
    diesel::sql_query("CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        .execute(&mut conn)
        .unwrap();
    diesel::insert_into(authors::table)
        .values((authors::id.eq(1), authors::name.eq("Ada")))
        .execute(&mut conn)
        .unwrap();
    twice!(&mut conn, authors::table, load::<Vec<Author>>);
    let ada = Author {
        id: 1,
        name: "A.".into(),
    };
    ada.save(&mut conn).unwrap();
    assert_eq!(
        twice!(&mut conn, authors::table, load::<Vec<Author>>),
        [ada]
    );
}

/// An application's function, generic over its connection.
fn first_name<C>(conn: &mut C) -> QueryResult<String>
where
    C: Connection<Backend = Sqlite> + LoadConnection,
{
    authors::table
        .order(authors::id)
        .select(authors::name)
        .cached()
        .first(conn)
}

#[test]
fn generic_connections() {
    let cache = memory();
    let conn = &mut attached(&cache);
    assert_eq!(first_name(conn).unwrap(), "Ada");
    assert_eq!(first_name(conn).unwrap(), "Ada");
    assert_eq!(cache.stats().hits, 1);
}

/// An application's own connection.
struct Wrapped(SqliteConnection);

mod wrapped {
    use diesel::connection::{
        CacheSize, ConnectionSealed, Instrumentation, SimpleConnection, TransactionManager,
    };
    use diesel::expression::QueryMetadata;
    use diesel::query_builder::{Query, QueryFragment, QueryId};

    use super::*;

    impl ConnectionSealed for Wrapped {}

    impl SimpleConnection for Wrapped {
        fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
            self.0.batch_execute(query)
        }
    }

    impl Connection for Wrapped {
        type Backend = Sqlite;
        type TransactionManager = diesel::connection::AnsiTransactionManager;

        fn establish(url: &str) -> ConnectionResult<Self> {
            SqliteConnection::establish(url).map(Self)
        }

        fn execute_returning_count<T>(&mut self, source: &T) -> QueryResult<usize>
        where
            T: QueryFragment<Sqlite> + QueryId,
        {
            self.0.execute_returning_count(source)
        }

        fn transaction_state(
            &mut self,
        ) -> &mut <Self::TransactionManager as TransactionManager<Self>>::TransactionStateData
        {
            self.0.transaction_state()
        }

        fn instrumentation(&mut self) -> &mut dyn Instrumentation {
            self.0.instrumentation()
        }

        fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
            self.0.set_instrumentation(instrumentation);
        }

        fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
            self.0.set_prepared_statement_cache_size(size);
        }
    }

    impl LoadConnection for Wrapped {
        type Cursor<'conn, 'query> = <SqliteConnection as LoadConnection>::Cursor<'conn, 'query>;
        type Row<'conn, 'query> = <SqliteConnection as LoadConnection>::Row<'conn, 'query>;

        fn load<'conn, 'query, T>(
            &'conn mut self,
            source: T,
        ) -> QueryResult<Self::Cursor<'conn, 'query>>
        where
            T: Query + QueryFragment<Sqlite> + QueryId + 'query,
            Sqlite: QueryMetadata<T::SqlType>,
        {
            self.0.load(source)
        }
    }
}

#[test]
fn wrapped_connections() {
    let cache = memory();
    let mut conn = Wrapped(attached(&cache));
    cache.attach(&mut conn).unwrap();
    twice!(&mut conn, authors::table, load::<Vec<Author>>);
    Author {
        id: 1,
        name: "A.".into(),
    }
    .save(&mut conn)
    .unwrap();
    assert_eq!(
        twice!(&mut conn, authors::table, load::<Vec<Author>>)[0].name,
        "A."
    );
}

#[test]
fn a_connection_without_a_cache_reads_uncached() {
    let conn = &mut attached(&memory());
    conn.set_instrumentation(None::<Box<dyn diesel::connection::Instrumentation>>);
    let report = Report::new();
    let query: Cached<_> = authors::table.select(authors::id).cached().report(&report);
    assert_eq!(query.load::<i32>(conn).unwrap(), [1, 2]);
    assert_eq!(report.outcome(), Some(Outcome::Bypass(Bypass::Unattached)));
}
