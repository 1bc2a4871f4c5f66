//! What a handler has done on a thread where blocking is allowed.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use diesel::prelude::*;
use diesel_cache::http::{CacheLayer, PageOutcome};
use diesel_cache::{Cache, CachedDsl, Unstored};
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tower::{Layer, ServiceExt, service_fn};

diesel::table! { posts (id) { id -> Integer, title -> Text } }

/// A read on another thread that hits sends no statement: the page does not know of it all the same,
/// and is not stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_hits_on_another_thread_keeps_a_page_from_being_stored() {
    let cache = Cache::from_url("memory://").unwrap();
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    diesel::sql_query("CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL)")
        .execute(&mut conn)
        .unwrap();
    cache.attach(&mut conn).unwrap();
    let conn = Arc::new(Mutex::new(conn));
    let handler = service_fn(move |_: Request<Empty<Bytes>>| {
        let conn = Arc::clone(&conn);
        async move {
            let read = tokio::task::spawn_blocking(move || {
                let titles = posts::table.select(posts::title).cached();
                titles.load::<String>(&mut *conn.lock().unwrap()).unwrap()
            });
            let text = format!("{:?}", read.await.unwrap());
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(text)))
        }
    });
    // It names something, so that a page of no read would be stored.
    let pages = CacheLayer::new(&cache).tag("pages").layer(handler);
    for _ in 0..4 {
        let asked = Request::get("/").body(Empty::new()).unwrap();
        let response = pages.clone().oneshot(asked).await.unwrap();
        let outcome = response.extensions().get::<PageOutcome>().unwrap();
        assert_eq!(*outcome, PageOutcome::Unstored(Unstored::Unseen));
    }
}
