//! One process of a deployment, which knows the keys of its own models alone.
//!
//! `deployed URL FILE ROLE`, where the role is the key that it declares: `owner`, `kind` or `none`.
//! Each line on its standard input is a statement; a query is read through the cache. It answers
//! `hit` or `miss` and the rows, or how many rows were written.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]
#![allow(clippy::print_stdout, reason = "it is what the test reads")]
#![allow(missing_docs, reason = "Diesel's macros make public items")]

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};
use diesel_cache::{Cache, CacheInvalidate, CachedDsl, Outcome, Report};

diesel::table! { items (id) { id -> Integer, owner -> Integer, kind -> Integer, body -> Text } }

macro_rules! model {
    ($name:ident $(, $key:ident)?) => {
        #[derive(Queryable, Identifiable, AsChangeset, CacheInvalidate)]
        #[diesel(table_name = items)]
        $(#[cache(key($key))])?
        #[allow(dead_code, reason = "its keys are what matters")]
        struct $name {
            id: i32,
            owner: i32,
            kind: i32,
            body: String,
        }
    };
}

model!(ByOwner, owner);
model!(ByKind, kind);
model!(ByNone);

#[derive(QueryableByName, Debug, Clone)]
struct Row {
    #[diesel(sql_type = Integer)]
    id: i32,
    #[diesel(sql_type = Integer)]
    owner: i32,
    #[diesel(sql_type = Integer)]
    kind: i32,
    #[diesel(sql_type = Text)]
    body: String,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, url, file, role] = <[String; 4]>::try_from(arguments).unwrap();
    let cache = Cache::from_url(&url).unwrap();
    match role.as_str() {
        "owner" => cache.register::<ByOwner>(),
        "kind" => cache.register::<ByKind>(),
        _ => cache.register::<ByNone>(),
    };
    let mut conn = SqliteConnection::establish(&file).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 20000; PRAGMA synchronous = OFF")
        .unwrap();
    cache.attach(&mut conn).unwrap();
    for line in std::io::stdin().lines() {
        let query = diesel::sql_query(line.unwrap());
        if !diesel::debug_query::<diesel::sqlite::Sqlite, _>(&query)
            .to_string()
            .starts_with("SELECT")
        {
            println!("{}", query.execute(&mut conn).unwrap());
            continue;
        }
        let report = Report::new();
        let rows: Vec<Row> = query.cached().report(&report).load(&mut conn).unwrap();
        let outcome = match report.outcome() {
            Some(Outcome::Hit) => "hit",
            _ => "miss",
        };
        let rows: Vec<_> = rows
            .iter()
            .map(|row| format!("{},{},{},{}", row.id, row.owner, row.kind, row.body))
            .collect();
        println!("{outcome} {}", rows.join(" "));
    }
}
