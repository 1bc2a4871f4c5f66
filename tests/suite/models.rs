//! `save`, `create`, `delete` and their signals.

use std::sync::{Arc, Mutex};

use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::{CachedDsl, CreateDsl, DeleteDsl, Outcome, Report, SaveDsl};

use crate::support::{Author, NewAuthor, Post, Tag, attached, authors, memory, posts, tags};

fn names(conn: &mut SqliteConnection, report: &Report) -> Vec<String> {
    let query = authors::table.order(authors::id).select(authors::name);
    query.cached().report(report).load(conn).unwrap()
}

#[test]
fn save_writes_the_row_and_invalidates() {
    let cache = memory();
    let mut conn = attached(&cache);
    let report = Report::new();
    assert_eq!(names(&mut conn, &report), ["Ada", "Brian"]);
    let mut ada: Author = authors::table.find(1).first(&mut conn).unwrap();
    ada.name = "Ada L.".into();
    ada.save(&mut conn).unwrap();
    assert_eq!(names(&mut conn, &report), ["Ada L.", "Brian"]);
    assert_eq!(names(&mut conn, &report), ["Ada L.", "Brian"]);
    assert_eq!(report.outcome(), Some(Outcome::Hit));
}

#[test]
fn saving_or_deleting_a_missing_row_is_not_found() {
    let cache = memory();
    let mut conn = attached(&cache);
    let nobody = Author {
        id: 99,
        name: "Nobody".into(),
    };
    assert_eq!(nobody.save(&mut conn), Err(Error::NotFound));
    assert_eq!(nobody.delete(&mut conn), Err(Error::NotFound));
}

#[test]
fn a_composite_key_names_the_row() {
    let cache = memory();
    let mut conn = attached(&cache);
    let tag = Tag {
        post_id: 1,
        name: "b".into(),
        weight: 7,
    };
    tag.save(&mut conn).unwrap();
    let weights = tags::table.order(tags::name).select(tags::weight);
    assert_eq!(weights.load::<i32>(&mut conn).unwrap(), [1, 7]);
    tag.delete(&mut conn).unwrap();
    assert_eq!(tags::table.count().get_result::<i64>(&mut conn).unwrap(), 1);
}

#[test]
fn none_follows_the_changeset() {
    let cache = memory();
    let mut conn = attached(&cache);
    let mut post: Post = posts::table
        .find(2)
        .select(Post::as_select())
        .first(&mut conn)
        .unwrap();
    post.body = None;
    post.title = "deux".into();
    post.save(&mut conn).unwrap();
    let row = posts::table.find(2).select((posts::title, posts::body));
    let row: (String, Option<String>) = row.first(&mut conn).unwrap();
    assert_eq!(row, ("deux".into(), Some("text".into())));
}

#[test]
fn delete_invalidates_what_it_cascades_to() {
    let cache = memory();
    let mut conn = attached(&cache);
    let count = |conn: &mut SqliteConnection| -> i64 {
        posts::table.count().cached().get_result(conn).unwrap()
    };
    assert_eq!((count(&mut conn), count(&mut conn)), (3, 3));
    let ada: Author = authors::table.find(1).first(&mut conn).unwrap();
    ada.delete(&mut conn).unwrap();
    assert_eq!(count(&mut conn), 1);
}

#[test]
fn create_returns_the_row() {
    let cache = memory();
    let mut conn = attached(&cache);
    let report = Report::new();
    assert_eq!(names(&mut conn, &report).len(), 2);
    let new: Author = NewAuthor { name: "Chen" }
        .create::<Author>(&mut conn)
        .unwrap();
    assert_eq!(
        new,
        Author {
            id: 3,
            name: "Chen".into()
        }
    );
    assert_eq!(names(&mut conn, &report), ["Ada", "Brian", "Chen"]);
}

#[test]
fn receivers_are_told_in_order_and_can_be_disconnected() {
    let cache = memory();
    let mut conn = attached(&cache);
    let told = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let told = Arc::clone(&told);
        move |name: &str, created: bool| {
            told.lock()
                .unwrap()
                .push(format!("{what} {name} {created}"));
        }
    };
    let (first, second, deleted) = (note("first"), note("second"), note("deleted"));
    let id = cache.on_post_save::<Author>(move |event| {
        first(&event.instance.name, event.created);
        Ok(())
    });
    cache.on_post_save::<Author>(move |event| {
        second(&event.instance.name, event.created);
        Ok(())
    });
    cache.on_post_delete::<Author>(move |event| {
        deleted(&event.instance.name, false);
        Ok(())
    });
    let chen: Author = NewAuthor { name: "Chen" }
        .create::<Author>(&mut conn)
        .unwrap();
    assert!(cache.disconnect(id));
    assert!(!cache.disconnect(id));
    chen.save(&mut conn).unwrap();
    chen.delete(&mut conn).unwrap();
    // Another model's writes are not theirs.
    Tag {
        post_id: 1,
        name: "a".into(),
        weight: 3,
    }
    .save(&mut conn)
    .unwrap();
    let told = told.lock().unwrap();
    assert_eq!(
        *told,
        [
            "first Chen true",
            "second Chen true",
            "second Chen false",
            "deleted Chen false"
        ]
    );
}

#[test]
fn a_receiver_that_fails_undoes_the_write() {
    let cache = memory();
    let mut conn = attached(&cache);
    cache.on_post_save::<Author>(|_| Err(Error::RollbackTransaction));
    cache.on_post_delete::<Author>(|_| Err(Error::RollbackTransaction));
    let report = Report::new();
    let before = names(&mut conn, &report);
    let mut ada: Author = authors::table.find(1).first(&mut conn).unwrap();
    assert_eq!(ada.delete(&mut conn), Err(Error::RollbackTransaction));
    ada.name = "changed".into();
    assert_eq!(ada.save(&mut conn), Err(Error::RollbackTransaction));
    assert_eq!(names(&mut conn, &report), before);
    assert_eq!(
        report.outcome(),
        Some(Outcome::Hit),
        "nothing was committed"
    );
    let created = NewAuthor { name: "Chen" }.create::<Author>(&mut conn);
    assert_eq!(created, Err(Error::RollbackTransaction));
    assert_eq!(names(&mut conn, &report), before);
}

#[test]
fn helpers_work_on_a_connection_without_a_cache() {
    let cache = memory();
    let mut conn = attached(&cache);
    conn.set_instrumentation(None::<Box<dyn diesel::connection::Instrumentation>>);
    let ada = Author {
        id: 1,
        name: "A.".into(),
    };
    ada.save(&mut conn).unwrap();
    ada.delete(&mut conn).unwrap();
}

#[test]
fn a_transaction_of_the_cache_refuses_a_connection_it_does_not_see() {
    let cache = memory();
    let mut conn = attached(&cache);
    let rename = |conn: &mut SqliteConnection| {
        diesel::update(authors::table.find(1))
            .set(authors::name.eq("x"))
            .execute(conn)
    };
    assert_eq!(cache.transaction(&mut conn, rename), Ok(1));
    let other = memory();
    let refused = other.transaction(&mut conn, rename);
    assert!(
        matches!(refused, Err(Error::QueryBuilderError(_))),
        "{refused:?}"
    );
}
