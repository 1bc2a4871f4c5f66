//! Models that are saved, created and deleted, with their signals.

use std::sync::{Arc, Mutex};

use diesel::prelude::*;
use diesel_async::SimpleAsyncConnection;
use diesel_cache::asynchronous::{
    AsyncCache, CachedDsl, CreateDsl, DeleteAllDsl, DeleteDsl, SaveAllDsl, SaveDsl,
};
use diesel_cache::signal::Veto;
use diesel_cache::{CacheInvalidate, Outcome, Report};
use diesel_cache_tasks::{attached, redis};

use super::engine::{self, Arena, Conn};

diesel::table! {
    articles (id) {
        id -> Integer,
        author -> Integer,
        title -> Text,
    }
}

#[derive(
    Queryable, Selectable, Identifiable, AsChangeset, Debug, Clone, PartialEq, Eq, CacheInvalidate,
)]
#[diesel(table_name = articles)]
#[cache(key(author))]
pub(crate) struct Article {
    id: i32,
    author: i32,
    title: String,
}

#[derive(Insertable)]
#[diesel(table_name = articles)]
pub(crate) struct NewArticle<'a> {
    pub(crate) author: i32,
    pub(crate) title: &'a str,
}

pub(crate) async fn library() -> Arena {
    let arena = engine::arena();
    let (id, text) = match engine::NAME {
        "postgres" => ("SERIAL", "TEXT"),
        "mysql" => ("INTEGER AUTO_INCREMENT", "VARCHAR(100)"),
        _ => ("INTEGER", "TEXT"),
    };
    let create = format!(
        "CREATE TABLE articles (id {id} PRIMARY KEY, author INTEGER NOT NULL, title {text} NOT NULL)"
    );
    let mut conn = arena.connect().await;
    conn.batch_execute(&create).await.unwrap();
    arena
}

/// In memory, and in a store that others share.
pub(crate) fn caches() -> [AsyncCache; 2] {
    ["memory://".to_owned(), redis()].map(|url| AsyncCache::from_url(&url).unwrap())
}

async fn by(conn: &mut Conn, author: i32) -> (Vec<String>, Outcome) {
    let report = Report::new();
    let titles = articles::table
        .filter(articles::author.eq(author))
        .order(articles::id)
        .select(articles::title)
        .cached()
        .report(&report)
        .load(conn)
        .await
        .unwrap();
    (titles, report.outcome().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_helpers_write_is_seen_at_once() {
    for cache in caches() {
        let arena = library().await;
        let mut conn = attached(arena.connect().await, &cache).await;
        let mut other = attached(arena.connect().await, &cache).await;
        let title = "first".to_owned();
        let new = NewArticle {
            author: 1,
            title: &title,
        };
        let mut article: Article = new.create(&mut conn).await.unwrap();
        assert_eq!((article.author, &*article.title), (1, "first"));
        assert_eq!(by(&mut other, 1).await.0, ["first"]);
        article.title = "second".to_owned();
        article.save(&mut conn).await.unwrap();
        assert_eq!(by(&mut other, 1).await.0, ["second"]);
        let before = article.clone();
        article.author = 2;
        article.save_from(&before, &mut conn).await.unwrap();
        assert!(by(&mut other, 1).await.0.is_empty());
        assert_eq!(by(&mut other, 2).await.0, ["second"]);
        let more = NewArticle {
            author: 2,
            title: "third",
        };
        let more: Article = more.create(&mut conn).await.unwrap();
        let mut all = [article, more];
        all[0].title = "a".to_owned();
        all[1].title = "b".to_owned();
        all.save_all(&mut conn).await.unwrap();
        assert_eq!(by(&mut other, 2).await.0, ["a", "b"]);
        all[0].delete(&mut conn).await.unwrap();
        assert_eq!(by(&mut other, 2).await.0, ["b"]);
        let gone = all[0].save(&mut conn).await;
        assert_eq!(gone, Err(diesel::result::Error::NotFound));
        all[1..].delete_all(&mut conn).await.unwrap();
        assert!(by(&mut other, 2).await.0.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_are_told_and_may_veto() {
    let arena = library().await;
    let [cache, _] = caches();
    let mut conn = attached(arena.connect().await, &cache).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &str| heard.lock().unwrap().push(what.to_owned());
    let hear = || Arc::clone(&heard);
    let told = hear();
    cache.on_pre_save::<Article>(move |event| {
        told.lock().unwrap().push(format!("pre {}", event.created));
        let vetoed = event.instance.is_some_and(|article| article.title == "no");
        if vetoed {
            Err(Veto::new("no").into())
        } else {
            Ok(())
        }
    });
    let told = hear();
    cache.on_post_save::<Article>(move |event| {
        told.lock()
            .unwrap()
            .push(format!("post {}", event.instance.title));
        Ok(())
    });
    let told = hear();
    cache.on_pre_delete::<Article>(move |event| {
        told.lock()
            .unwrap()
            .push(format!("delete {}", event.instance.title));
        Ok(())
    });
    let told = hear();
    cache.on_post_commit::<Article>(move |event| {
        told.lock()
            .unwrap()
            .push(format!("commit {:?}", event.change));
        Ok(())
    });
    let new = NewArticle {
        author: 1,
        title: "one",
    };
    let mut article: Article = new.create(&mut conn).await.unwrap();
    note("--");
    article.title = "no".to_owned();
    assert!(article.save(&mut conn).await.is_err());
    assert_eq!(by(&mut conn, 1).await.0, ["one"]);
    note("--");
    cache
        .transaction(&mut conn, async |conn| {
            article.title = "two".to_owned();
            article.save(conn).await?;
            QueryResult::Ok(())
        })
        .await
        .unwrap();
    note("--");
    article.delete(&mut conn).await.unwrap();
    let want = [
        "pre true",
        "post one",
        "commit Created",
        "--",
        "pre false",
        "--",
        "pre false",
        "post two",
        "commit Saved",
        "--",
        "delete two",
        "commit Deleted",
    ];
    assert_eq!(*heard.lock().unwrap(), want);
}
