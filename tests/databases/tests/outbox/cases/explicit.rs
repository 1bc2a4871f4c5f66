//! The explicit path leaves a row, which is committed with the write.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::{
    Builder, Cache, DeleteDsl, Level, OnUnreachable, OutboxUnwritable, SaveAllDsl, SaveDsl,
};

use super::engine::{Arena, Conn, NAME};
use super::kit::{
    Post, attached, blog, posts, relayed, title, until, until_empty, until_hit, waiting,
    with_outbox,
};

/// A cache whose relay looks once, and then not for a minute.
fn idle(builder: Builder, arena: &Arena) -> Cache {
    let builder = relayed(builder, arena).relay_interval(std::time::Duration::from_secs(60));
    let cache = builder.level(Level::Durable).build().unwrap();
    let mut conn = attached(&cache, arena);
    until("the relay has looked", || {
        title(&mut conn, 1).1 != diesel_cache::Outcome::Bypass(diesel_cache::Bypass::Behind)
    });
    cache
}

fn retitle(conn: &mut Conn, title: &str) -> QueryResult<usize> {
    diesel::update(posts::table.filter(posts::id.eq(1)))
        .set(posts::title.eq(title))
        .execute(conn)
}

fn post(conn: &mut Conn) -> Post {
    posts::table.filter(posts::id.eq(1)).first(conn).unwrap()
}

/// One row per transaction, with the tags and the session's name; none where nothing is committed.
#[test]
fn a_transaction_leaves_one_row() {
    let arena = with_outbox();
    let cache = idle(Cache::builder(), &arena);
    let mut conn = attached(&cache, &arena);
    let mut looker = arena.connect();
    let mut rows = 0;
    let mut leaves = |conn: &mut Conn, more: usize, write: &mut dyn FnMut(&mut Conn)| {
        write(conn);
        let found = waiting(&mut looker);
        rows += more;
        assert_eq!(found.len(), rows, "{found:?}");
        for (session, relation, tags) in found {
            assert!(session.is_some() && relation.is_none());
            assert!(tags.is_some_and(|tags| tags.len() >= 32 && tags.len() % 32 == 0));
        }
    };
    leaves(&mut conn, 1, &mut |conn| {
        let two = |conn: &mut Conn| retitle(conn, "a").and_then(|_| retitle(conn, "b"));
        cache.transaction(conn, two).unwrap();
    });
    leaves(&mut conn, 1, &mut |conn| post(conn).save(conn).unwrap());
    leaves(&mut conn, 1, &mut |conn| {
        let posts: Vec<Post> = posts::table.load(conn).unwrap();
        posts.save_all(conn).unwrap();
    });
    leaves(&mut conn, 1, &mut |conn| {
        let last: Post = posts::table.filter(posts::id.eq(4)).first(conn).unwrap();
        last.delete(conn).unwrap();
    });
    leaves(&mut conn, 0, &mut |conn| {
        cache
            .transaction(conn, |conn| posts::table.count().get_result::<i64>(conn))
            .unwrap();
    });
    leaves(&mut conn, 0, &mut |conn| {
        let failed = cache.transaction(conn, |conn| {
            retitle(conn, "undone")?;
            Err::<(), _>(diesel::result::Error::RollbackTransaction)
        });
        assert!(failed.is_err());
    });
    // The inner one commits nothing.
    leaves(&mut conn, 1, &mut |conn| {
        let outer = cache.transaction(conn, |conn| {
            cache.transaction(conn, |conn| retitle(conn, "inner"))?;
            post(conn).save(conn)
        });
        outer.unwrap();
    });
    // Plain statements and transactions leave none: that is what triggers are for.
    leaves(&mut conn, 0, &mut |conn| {
        retitle(conn, "plain").unwrap();
        conn.transaction(|conn| retitle(conn, "plain")).unwrap();
    });
    assert_eq!(cache.stats().outbox_failures, 0);
}

/// A relay removes the rows that the sessions of its process answer for, and tells nobody of them.
#[test]
fn own_rows_are_removed_unheard() {
    let arena = with_outbox();
    let builder = relayed(Cache::builder().level(Level::Durable), &arena);
    let cache = builder.build().unwrap();
    let mut conn = attached(&cache, &arena);
    until_hit(&mut conn, 1);
    for round in 0..20 {
        cache
            .transaction(&mut conn, |conn| retitle(conn, &round.to_string()))
            .unwrap();
    }
    until_empty(&mut arena.connect());
    assert_eq!(cache.stats().relayed, 0);
    assert_eq!(title(&mut conn, 1).0.as_deref(), Some("19"));
}

/// What the level needs is asked for when it is chosen.
#[test]
fn what_is_missing_is_named() {
    let arena = blog();
    let error = Cache::builder().level(Level::Durable).build().unwrap_err();
    let expected = "invalid value \"durable\" for `level` in the settings: with `Builder::relay`, \
                    which tells the store of what the outbox keeps";
    assert_eq!(error.to_string(), expected);
    let cache = relayed(Cache::builder().level(Level::Durable), &arena)
        .build()
        .unwrap();
    let mut conn = arena.connect();
    let error = cache.attach(&mut conn).unwrap_err().to_string();
    assert!(
        error.contains("diesel_cache_outbox") && error.contains("`OutboxMigration`"),
        "{error}"
    );
}

/// An outbox that is gone costs its promise, not the write; or the write, if that was chosen.
#[test]
fn a_row_that_cannot_be_written_is_counted_or_aborts() {
    for choice in [OnUnreachable::Proceed, OnUnreachable::Abort] {
        let arena = with_outbox();
        let cache = idle(Cache::builder().on_unreachable(choice), &arena);
        let mut conn = attached(&cache, &arena);
        until_hit(&mut conn, 1);
        arena
            .connect()
            .batch_execute("DROP TABLE diesel_cache_outbox")
            .unwrap();
        let written = cache.transaction(&mut conn, |conn| retitle(conn, "kept"));
        let title = title(&mut conn, 1).0;
        if choice == OnUnreachable::Proceed {
            assert_eq!(written, Ok(1));
            assert_eq!(title.as_deref(), Some("kept"));
        } else {
            let diesel::result::Error::QueryBuilderError(error) = written.unwrap_err() else {
                panic!("{NAME}: another error");
            };
            assert!(error.is::<OutboxUnwritable>());
            assert_eq!(title.as_deref(), Some("a"));
        }
        assert_eq!(cache.stats().outbox_failures, 1);
    }
}

/// A transaction that the database has given up is never taken for one that was committed.
#[test]
fn what_the_database_gave_up_is_not_committed() {
    let arena = with_outbox();
    let cache = idle(Cache::builder(), &arena);
    let mut conn = attached(&cache, &arena);
    let _ = cache.transaction(&mut conn, |conn| {
        retitle(conn, "lost")?;
        if NAME == "postgres" {
            let _ = diesel::sql_query("SELECT 1 / 0").execute(conn);
        } else {
            conn.batch_execute("ROLLBACK")?;
        }
        Ok::<_, diesel::result::Error>(())
    });
    let kept: Post = posts::table
        .filter(posts::id.eq(1))
        .first(&mut arena.connect())
        .unwrap();
    assert_eq!(kept.title, "a");
    assert_eq!(
        title(&mut attached(&cache, &arena), 1).0.as_deref(),
        Some("a")
    );
    assert_eq!(waiting(&mut arena.connect()), []);
}
