//! What a connection's life means for the cache.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::{Bypass, Cache, CachedDsl, Outcome, Report};

use crate::support::{authors, memory};

const MISS: Outcome = Outcome::Miss {
    stored: true,
    joined: false,
};

/// Two connections to one file, both attached.
fn two(cache: &Cache) -> (tempfile::TempDir, SqliteConnection, SqliteConnection) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db.sqlite");
    let connect = || {
        let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        conn.batch_execute("PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 2000")
            .unwrap();
        conn
    };
    let (mut one, mut two) = (connect(), connect());
    one.batch_execute(
        "CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
         INSERT INTO authors VALUES (1, 'Ada'), (2, 'Brian');",
    )
    .unwrap();
    cache.attach(&mut one).unwrap();
    cache.attach(&mut two).unwrap();
    (folder, one, two)
}

fn count(conn: &mut SqliteConnection) -> (i64, Outcome) {
    let report = Report::new();
    let count: i64 = authors::table
        .count()
        .cached()
        .report(&report)
        .get_result(conn)
        .unwrap();
    (count, report.outcome().unwrap())
}

fn add(conn: &mut SqliteConnection, name: &str) -> QueryResult<usize> {
    diesel::insert_into(authors::table)
        .values(authors::name.eq(name))
        .execute(conn)
}

#[test]
fn a_connection_dropped_inside_a_transaction_counts_as_committed() {
    let cache = memory();
    let (_folder, mut one, mut two) = two(&cache);
    assert_eq!(
        (count(&mut one), count(&mut one).1),
        ((2, MISS), Outcome::Hit)
    );
    two.batch_execute("BEGIN").unwrap();
    add(&mut two, "Chen").unwrap();
    assert_eq!(count(&mut one), (2, Outcome::Hit));
    drop(two);
    assert_eq!(count(&mut one), (2, MISS));
}

/// A value that cannot be bound: Diesel starts its statement, and never finishes it.
#[derive(Debug, diesel::expression::AsExpression)]
#[diesel(sql_type = diesel::sql_types::Text)]
struct Unbindable;

impl diesel::serialize::ToSql<diesel::sql_types::Text, diesel::sqlite::Sqlite> for Unbindable {
    fn to_sql<'b>(
        &'b self,
        _: &mut diesel::serialize::Output<'b, '_, diesel::sqlite::Sqlite>,
    ) -> diesel::serialize::Result {
        Err("it cannot be bound".into())
    }
}

#[test]
fn a_start_without_a_finish_is_settled_by_the_next_statement() {
    let cache = memory();
    let (_folder, mut one, mut two) = two(&cache);
    assert_eq!(count(&mut one), (2, MISS));
    let never = diesel::delete(authors::table.filter(authors::name.eq(Unbindable)));
    assert!(never.execute(&mut two).is_err());
    assert_eq!(count(&mut one), (2, Outcome::Bypass(Bypass::Quarantined)));
    diesel::sql_query("SELECT 1").execute(&mut two).unwrap();
    assert_eq!(count(&mut one), (2, MISS));
    assert_eq!(count(&mut one), (2, Outcome::Hit));
}

#[test]
fn a_panic_leaves_the_transaction_open_until_it_ends() {
    let cache = memory();
    let (_folder, mut one, mut two) = two(&cache);
    assert_eq!(count(&mut one), (2, MISS));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        two.transaction(|two| -> Result<(), Error> {
            add(two, "Chen")?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(count(&mut one), (2, Outcome::Hit));
    assert_eq!(count(&mut two).0, 3, "it reads its own write");
    two.batch_execute("COMMIT").unwrap();
    assert_eq!(count(&mut one), (3, MISS));
}

#[test]
fn a_temporary_table_shadows_for_its_own_connection() {
    let cache = memory();
    let (_folder, mut one, mut two) = two(&cache);
    assert_eq!(count(&mut one), (2, MISS));
    two.batch_execute("CREATE TEMP TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        .unwrap();
    assert_eq!(count(&mut two), (0, Outcome::Bypass(Bypass::Uncacheable)));
    assert_eq!(count(&mut one).0, 2);
}

#[test]
fn an_attached_database_is_not_told_apart() {
    let cache = memory();
    let (folder, mut one, mut two) = two(&cache);
    assert_eq!(count(&mut one), (2, MISS));
    let other = folder.path().join("other.sqlite");
    two.batch_execute(&format!("ATTACH '{}' AS other", other.display()))
        .unwrap();
    assert_eq!(
        count(&mut two),
        (2, Outcome::Bypass(Bypass::AttachedDatabase))
    );
    assert_eq!(count(&mut one), (2, Outcome::Hit));
    add(&mut two, "Chen").unwrap();
    assert_eq!(count(&mut one), (3, MISS));
}

#[test]
fn two_binds_never_share_an_answer() {
    let cache = memory();
    let (_folder, mut one, _two) = two(&cache);
    let mut named = |name: &str| -> Vec<i32> {
        let query = authors::table
            .filter(authors::name.eq(name))
            .select(authors::id);
        query.cached().load::<i32>(&mut one).unwrap()
    };
    for (name, ids) in [
        ("BorrowedAda", vec![]),
        ("Ada", vec![1]),
        ("Borrowed", vec![]),
    ] {
        assert_eq!(named(name), ids, "{name}");
    }
    for quoted in [
        "\"Ada",
        "Ada\"",
        "\\\"Ada",
        "\\",
        "Borrowed\"Borrowed",
        "\"Borrowed",
    ] {
        assert!(named(quoted).is_empty());
    }
    assert_eq!(cache.stats().hits, 0);
}
