//! Where the server's cells are stored, a row type needs nothing but to be loadable.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{Cache, CachedDsl, Outcome, Report};

use super::engine;

diesel::table! {
    things (id) {
        id -> Integer,
        name -> Nullable<Text>,
        size -> Double,
    }
}

/// Neither `Clone` nor `Send`, and without serde.
#[derive(Debug, PartialEq, Queryable)]
struct Thing {
    id: i32,
    #[diesel(deserialize_as = Option<String>)]
    name: Name,
    size: f64,
}

#[derive(Debug, PartialEq)]
struct Name(Option<std::rc::Rc<str>>);

impl From<Option<String>> for Name {
    fn from(name: Option<String>) -> Self {
        Self(name.map(Into::into))
    }
}

#[derive(Debug, PartialEq, QueryableByName)]
struct Sized {
    #[diesel(sql_type = diesel::sql_types::Double)]
    size: f64,
    #[diesel(sql_type = diesel::sql_types::Integer)]
    id: i32,
}

#[test]
fn rows_without_any_bound() {
    let cache = Cache::from_url("memory://").unwrap();
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(99), size DOUBLE PRECISION NOT NULL);
         INSERT INTO things VALUES (1, NULL, 0.5), (2, 'two', -2), (3, '', 1e300);",
    )
    .unwrap();
    cache.attach(&mut conn).unwrap();
    let report = Report::new();
    let mut all = || -> Vec<Thing> {
        things::table
            .order(things::id)
            .cached()
            .report(&report)
            .load::<Thing>(&mut conn)
            .unwrap()
    };
    let first = all();
    assert_eq!(all(), first);
    assert_eq!(report.outcome(), Some(Outcome::Hit));
    assert_eq!(
        (first[0].id, &first[0].name, first[2].size),
        (1, &Name(None), 1e300)
    );
    // By name, whatever the order of the columns.
    let mut named = || -> Vec<Sized> {
        let query = diesel::sql_query("SELECT id, size FROM things ORDER BY id");
        query
            .cached()
            .report(&report)
            .load::<Sized>(&mut conn)
            .unwrap()
    };
    let first = named();
    assert_eq!(named(), first);
    assert_eq!(report.outcome(), Some(Outcome::Hit));
    assert_eq!(first[1], Sized { size: -2.0, id: 2 });
}
