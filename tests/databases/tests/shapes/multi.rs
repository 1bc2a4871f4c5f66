//! `#[derive(MultiConnection)]`: a read is cached by matching on the variant; writes
//! through the enum are seen whichever way they take.

use diesel::connection::Instrumentation;
use diesel::prelude::*;
use diesel_cache::{AttachConnection, Cache, CachedDsl, Error, Outcome, Report};

diesel::table! { things (id) { id -> Integer, name -> Text } }

#[derive(diesel::MultiConnection)]
enum AnyConnection {
    Pg(PgConnection),
    My(MysqlConnection),
    Lite(SqliteConnection),
}

impl AttachConnection for AnyConnection {
    fn attach_cache(
        &mut self,
        cache: &Cache,
        next: Option<Box<dyn Instrumentation>>,
    ) -> Result<(), Error> {
        match self {
            Self::Pg(conn) => conn.attach_cache(cache, next),
            Self::My(conn) => conn.attach_cache(cache, next),
            Self::Lite(conn) => conn.attach_cache(cache, next),
        }
    }

    fn has_cache(&mut self, cache: &Cache) -> bool {
        match self {
            Self::Pg(conn) => conn.has_cache(cache),
            Self::My(conn) => conn.has_cache(cache),
            Self::Lite(conn) => conn.has_cache(cache),
        }
    }
}

fn names(conn: &mut AnyConnection, report: &Report) -> QueryResult<Vec<String>> {
    let query = things::table
        .order(things::id)
        .select(things::name)
        .cached()
        .report(report);
    match conn {
        AnyConnection::Pg(conn) => query.load::<String>(conn),
        AnyConnection::My(conn) => query.load::<String>(conn),
        AnyConnection::Lite(conn) => query.load::<String>(conn),
    }
}

fn check(mut conn: AnyConnection) {
    diesel::sql_query("CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL)")
        .execute(&mut conn)
        .unwrap();
    let cache = Cache::from_url("memory://").unwrap();
    cache.attach(&mut conn).unwrap();
    let report = Report::new();
    assert!(names(&mut conn, &report).unwrap().is_empty());
    assert!(names(&mut conn, &report).unwrap().is_empty());
    assert_eq!(report.outcome(), Some(Outcome::Hit));
    diesel::insert_into(things::table)
        .values((things::id.eq(1), things::name.eq("one")))
        .execute(&mut conn)
        .unwrap();
    assert_eq!(names(&mut conn, &report).unwrap(), ["one"]);
    let renamed = cache.transaction(&mut conn, |conn: &mut AnyConnection| {
        diesel::update(things::table)
            .set(things::name.eq("uno"))
            .execute(conn)
    });
    assert_eq!(renamed, Ok(1));
    assert_eq!(names(&mut conn, &report).unwrap(), ["uno"]);
}

mod sqlite {
    #[test]
    fn a_connection_of_many_databases() {
        let arena = diesel_cache_databases::sqlite::arena();
        super::check(super::AnyConnection::Lite(arena.connect()));
    }
}

mod postgres {
    #[test]
    fn a_connection_of_many_databases() {
        let arena = diesel_cache_databases::postgres::arena();
        super::check(super::AnyConnection::Pg(arena.connect()));
    }
}

mod mysql {
    #[test]
    fn a_connection_of_many_databases() {
        let arena = diesel_cache_databases::mysql::arena();
        super::check(super::AnyConnection::My(arena.connect()));
    }
}
