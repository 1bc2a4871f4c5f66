//! What a script says, on one database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{Builder, Bypass, Cache, CachedDsl, Outcome, Report};

use super::Conn;
use crate::points::{Points, Statements};

diesel::table! { posts (id) { id -> Integer, author_id -> Integer, title -> Text } }
diesel::table! { authors (id) { id -> Integer, name -> Text } }

/// Does what the script says.
pub(crate) fn play(url: &str, builder: Builder, script: &str, points: &Arc<Points>) {
    let connect = {
        let url = url.to_owned();
        move || Conn::establish(&url)
    };
    let cache = builder.relay(connect.clone()).build().unwrap();
    let mut conn = connect().unwrap();
    let mut other = connect().unwrap();
    for conn in [&mut conn, &mut other] {
        if url.ends_with(".sqlite") {
            conn.batch_execute("PRAGMA busy_timeout = 60000; PRAGMA foreign_keys = ON")
                .unwrap();
        }
    }
    cache
        .attach_with(&mut conn, Statements(Arc::clone(points)))
        .unwrap();
    until_serving(&mut conn);
    points.begin();
    for word in script.split(' ') {
        step(word, &cache, &mut conn, &mut other);
    }
}

/// The relay has looked, and the gate is open.
fn until_serving(conn: &mut Conn) {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let report = Report::new();
        let query = posts::table.filter(posts::id.eq(1)).select(posts::title);
        let _: Vec<String> = query.cached().report(&report).load(conn).unwrap();
        match report.outcome() {
            Some(Outcome::Bypass(Bypass::Behind | Bypass::Closed | Bypass::CatalogueDue)) => {}
            _ => return,
        }
        assert!(Instant::now() < limit, "the cache is not used");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn retitle(conn: &mut Conn, id: i32) -> QueryResult<usize> {
    let title = format!("{}", rand::random::<u32>());
    diesel::update(posts::table.filter(posts::id.eq(id)))
        .set(posts::title.eq(title))
        .execute(conn)
}

fn rename(conn: &mut Conn, id: i32) -> QueryResult<usize> {
    let name = format!("{}", rand::random::<u32>());
    diesel::update(authors::table.filter(authors::id.eq(id)))
        .set(authors::name.eq(name))
        .execute(conn)
}

/// What fails, fails: the store may be out of reach.
fn step(word: &str, cache: &Cache, conn: &mut Conn, other: &mut Conn) {
    let _ = match word {
        // The explicit path.
        "one" => cache.transaction(conn, |conn| retitle(conn, 1)),
        "two" => cache.transaction(conn, |conn| {
            retitle(conn, 2)?;
            let inner: QueryResult<()> = conn.transaction(|conn| {
                retitle(conn, 3)?;
                Err(diesel::result::Error::RollbackTransaction)
            });
            let _ = inner;
            rename(conn, 1)
        }),
        "gone" => cache.transaction(conn, |conn| {
            let id = 4;
            diesel::delete(posts::table.filter(posts::id.eq(id))).execute(conn)?;
            let title = format!("{}", rand::random::<u32>());
            let row = (
                posts::id.eq(id),
                posts::author_id.eq(2),
                posts::title.eq(title),
            );
            diesel::insert_into(posts::table).values(row).execute(conn)
        }),
        // The seen path, with triggers.
        "plain" => retitle(conn, 1),
        "both" => conn.transaction(|conn| {
            retitle(conn, 2)?;
            rename(conn, 2)
        }),
        "undone" => conn.transaction(|conn| {
            retitle(conn, 3)?;
            Err(diesel::result::Error::RollbackTransaction)
        }),
        // Past the cache.
        "other" => retitle(other, 3),
        // The relay has time to look.
        "rest" => {
            std::thread::sleep(Duration::from_millis(30));
            Ok(0)
        }
        _ => Ok(0),
    };
}
