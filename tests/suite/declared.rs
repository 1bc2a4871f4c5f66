//! Receivers that are declared on the model.

use std::cell::RefCell;

use diesel::prelude::*;
use diesel_cache::signal::Veto;
use diesel_cache::{
    Cache, CacheInvalidate, CreateDsl, DeleteDsl, PostCommit, PostDelete, PostSave, PreDelete,
    PreSave, SaveDsl,
};

use crate::support::{NewAuthor, attached, authors, memory};

thread_local! {
    static TOLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn tell(what: &str) {
    TOLD.with_borrow_mut(|told| told.push(what.into()));
}

fn told() -> Vec<String> {
    TOLD.take()
}

#[derive(Debug, Clone, Queryable, Selectable, Identifiable, AsChangeset, CacheInvalidate)]
#[diesel(table_name = authors)]
#[cache(
    pre_save = check,
    post_save = [first, second],
    pre_delete = leave,
    post_delete = gone,
    post_commit = committed
)]
struct Author {
    id: i32,
    name: String,
}

fn check(event: &PreSave<'_, Author>) -> QueryResult<()> {
    tell("check");
    match event.instance {
        Some(author) if author.name.is_empty() => Err(Veto::new("a name").into()),
        _ => Ok(()),
    }
}

fn first(_: &PostSave<'_, Author>) -> QueryResult<()> {
    tell("first");
    Ok(())
}

fn second(event: &PostSave<'_, Author>) -> QueryResult<()> {
    let posts = event.with_connection(|conn: &mut SqliteConnection| {
        let posts = crate::support::posts::table;
        posts.count().get_result::<i64>(conn)
    })?;
    tell(&format!("second, {posts} posts"));
    Ok(())
}

fn leave(_: &PreDelete<'_, Author>) -> QueryResult<()> {
    tell("leave");
    Ok(())
}

fn gone(_: &PostDelete<'_, Author>) -> QueryResult<()> {
    tell("gone");
    Ok(())
}

fn committed(
    event: &PostCommit<'_, Author>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    tell(&format!("{:?}", event.change));
    Ok(())
}

fn later(cache: &Cache) {
    cache.on_post_save::<Author>(|_| {
        tell("later");
        Ok(())
    });
}

fn ada(name: &str) -> Author {
    Author {
        id: 1,
        name: name.into(),
    }
}

#[test]
fn declared_receivers_are_told_first_and_once() {
    let cache = memory();
    let mut conn = attached(&cache);
    later(&cache);
    cache.register::<Author>().register::<Author>();
    ada("A").save(&mut conn).unwrap();
    let saved = ["check", "first", "second, 3 posts", "later", "Saved"];
    assert_eq!(told(), saved);
    ada("A").save(&mut conn).unwrap();
    assert_eq!(told(), saved);
    ada("A").delete(&mut conn).unwrap();
    assert_eq!(told(), ["leave", "gone", "Deleted"]);
    let refused = ada("").save(&mut conn).unwrap_err();
    assert_eq!(refused.to_string(), "a name");
    assert_eq!(told(), ["check"]);
    let chen = NewAuthor { name: "C" }.create::<Author>(&mut conn);
    assert_eq!(chen.unwrap().name, "C");
    assert_eq!(
        told(),
        ["check", "first", "second, 1 posts", "later", "Created"]
    );
}

#[test]
fn each_cache_connects_them() {
    for _ in 0..2 {
        let cache = memory();
        let mut conn = attached(&cache);
        // Nobody has registered the model.
        ada("A").save(&mut conn).unwrap();
        assert_eq!(told(), ["check", "first", "second, 3 posts", "Saved"]);
    }
}

#[test]
fn registering_from_many_threads_connects_once() {
    for _ in 0..20 {
        let cache = memory();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| cache.register::<Author>());
            }
        });
        let mut conn = attached(&cache);
        ada("A").save(&mut conn).unwrap();
        assert_eq!(told(), ["check", "first", "second, 3 posts", "Saved"]);
    }
}
