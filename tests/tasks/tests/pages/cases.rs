//! Whole responses, by the layer of tower's.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use diesel_cache::asynchronous::{AsyncCache, CachedDsl};
use diesel_cache::http::{Body, CacheLayer, PageOutcome, Unfit};
use diesel_cache::{Bypass, Unstored};
use diesel_cache_tasks::{attached, give_up, redis};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use tokio::sync::Mutex;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::engine::{Arena, Conn};
use super::kit::{blog, join, memory, posts, retitle, title, truth};

type Asked = Request<Empty<Bytes>>;

/// On connections that block it cannot be told whose statements are whose: one test at a time.
pub(crate) static ALONE: Mutex<()> = Mutex::const_new(());

/// What handlers work with.
struct Site {
    cache: AsyncCache,
    url: String,
    /// Each is taken while it is used: what is left of an answer that nobody awaited makes one of
    /// MySQL's useless.
    conns: Vec<Mutex<Option<Conn>>>,
    /// How often a handler ran.
    runs: AtomicUsize,
    /// How many handlers are about to answer, and how many were at most.
    busy: AtomicUsize,
    most: AtomicUsize,
    /// How long it takes before it answers.
    pause: Duration,
}

impl Site {
    async fn new(arena: &Arena, cache: &AsyncCache, pause: Duration) -> Arc<Self> {
        let mut conns = Vec::new();
        for _ in 0..4 {
            conns.push(Mutex::new(Some(join(arena, cache).await)));
        }
        Arc::new(Self {
            cache: cache.clone(),
            url: arena.url(),
            conns,
            runs: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            pause,
        })
    }

    fn runs(&self) -> usize {
        AtomicUsize::load(&self.runs, Ordering::SeqCst)
    }

    async fn answer(&self, request: Asked) -> Response<Full<Bytes>> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst);
        let mut slot = self.conns[run % self.conns.len()].lock().await;
        let mut conn = match slot.take() {
            Some(conn) => conn,
            None => attached(Conn::establish(&self.url).await.unwrap(), &self.cache).await,
        };
        let cached = || posts::table.find(1).select(posts::title).cached();
        let mut response = Response::builder();
        let text: String = match request.uri().path() {
            "/cached" => cached().first(&mut conn).await.unwrap(),
            "/spoken" => {
                response = response.header("vary", "accept-language");
                let title: String = cached().first(&mut conn).await.unwrap();
                format!("{title} in {:?}", request.headers().get("accept-language"))
            }
            "/mine" => {
                response = response.header("set-cookie", "a=b");
                cached().first(&mut conn).await.unwrap()
            }
            "/private" => {
                response = response.header("cache-control", "private");
                cached().first(&mut conn).await.unwrap()
            }
            "/short" => {
                response = response.header("cache-control", "max-age=1");
                cached().first(&mut conn).await.unwrap()
            }
            "/missing" => {
                response = response.status(StatusCode::NOT_FOUND);
                cached().first(&mut conn).await.unwrap()
            }
            "/plain" => truth(&mut conn, 1).await,
            "/both" => {
                let title: String = cached().first(&mut conn).await.unwrap();
                format!("{title} {}", truth(&mut conn, 2).await)
            }
            "/bypass" => cached().no_cache().first(&mut conn).await.unwrap(),
            "/write" => {
                retitle(&mut conn, 2, &format!("written {run}"))
                    .await
                    .unwrap();
                cached().first(&mut conn).await.unwrap()
            }
            "/value" => {
                let value = self.cache.value("a title");
                let value = value.get_or_insert_async(|value| {
                    let conn = &mut conn;
                    let read = cached().within(&value);
                    async move { read.first::<String>(conn).await }
                });
                value.await.unwrap()
            }
            "/set" => {
                let found = self.cache.values().get::<String>("plain");
                let title: String = cached().first(&mut conn).await.unwrap();
                format!("{title} {found:?}")
            }
            "/cookied" => {
                response = response.header("vary", "cookie");
                cached().first(&mut conn).await.unwrap()
            }
            "/tagged" => {
                response = response
                    .header("cache-control", "private")
                    .header("etag", "\"mine\"");
                cached().first(&mut conn).await.unwrap()
            }
            // A read that takes too long is done without.
            "/hasty" => {
                let title: String = cached().first(&mut conn).await.unwrap();
                // On a fast machine the answer may be there at once.
                loop {
                    let slow = posts::table.find(2).select(posts::title).cached().refresh();
                    let slow = slow.first::<String>(&mut conn);
                    if give_up(1, slow).await.is_none() {
                        break;
                    }
                }
                // What is left of its answer makes a connection of MySQL's useless.
                conn = attached(Conn::establish(&self.url).await.unwrap(), &self.cache).await;
                format!("{title} and more")
            }
            "/nothing" => "nothing".to_owned(),
            other => panic!("{other}"),
        };
        self.busy.fetch_add(1, Ordering::SeqCst);
        self.most.fetch_max(
            AtomicUsize::load(&self.busy, Ordering::SeqCst),
            Ordering::SeqCst,
        );
        tokio::time::sleep(self.pause).await;
        self.busy.fetch_sub(1, Ordering::SeqCst);
        *slot = Some(conn);
        response.body(Full::from(text)).unwrap()
    }
}

type Pages = BoxCloneSyncService<Asked, Response<Body>, Infallible>;

fn pages(site: &Arc<Site>, layer: CacheLayer) -> Pages {
    let site = Arc::clone(site);
    let handler = service_fn(move |request: Asked| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(site.answer(request).await) }
    });
    BoxCloneSyncService::new(layer.layer(handler))
}

/// The text of an answer, and what became of it.
async fn ask(pages: &Pages, request: Asked) -> (Response<()>, String, PageOutcome) {
    let response = pages
        .clone()
        .ready()
        .await
        .unwrap()
        .call(request)
        .await
        .unwrap();
    let outcome = *response.extensions().get::<PageOutcome>().unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (Response::from_parts(head, ()), text, outcome)
}

fn request(path: &str, headers: &[(&str, &str)]) -> Asked {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).unwrap()
}

async fn get(pages: &Pages, path: &str) -> (String, PageOutcome) {
    let (_, text, outcome) = ask(pages, request(path, &[])).await;
    (text, outcome)
}

fn text(text: &str, outcome: PageOutcome) -> (String, PageOutcome) {
    (text.to_owned(), outcome)
}

/// In memory, and on a store that others use too.
fn caches() -> [AsyncCache; 2] {
    [memory(), AsyncCache::from_url(&redis()).unwrap()]
}

/// Until the gate of the store is open, and it takes what is read.
async fn warm(site: &Site) {
    let mut slot = site.conns[0].lock().await;
    let conn = slot.as_mut().unwrap();
    for _ in 0..200 {
        if title(conn, 2).await.1 == diesel_cache::Outcome::Hit {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nothing is ever stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_found_until_what_it_was_made_from_is_written() {
    let _alone = ALONE.lock().await;
    let arena = blog().await;
    for cache in caches() {
        let site = Site::new(&arena, &cache, Duration::ZERO).await;
        let mut writer = join(&arena, &cache).await;
        retitle(&mut writer, 1, "a").await.unwrap();
        warm(&site).await;
        for path in ["/cached", "/value"] {
            let pages = pages(&site, CacheLayer::new(&cache));
            retitle(&mut writer, 1, "a").await.unwrap();
            cache.flush(Duration::from_secs(20)).await;
            assert_eq!(get(&pages, path).await, text("a", PageOutcome::Stored));
            let runs = site.runs();
            for _ in 0..3 {
                assert_eq!(get(&pages, path).await, text("a", PageOutcome::Hit));
            }
            assert_eq!(site.runs(), runs);
            for n in 0..5 {
                let new = n.to_string();
                cache
                    .transaction(&mut writer, async |conn| retitle(conn, 1, &new).await)
                    .await
                    .unwrap();
                assert_eq!(get(&pages, path).await.0, new, "{path}");
                assert_eq!(get(&pages, path).await, text(&new, PageOutcome::Hit));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_what_the_cache_did_not_see_is_not_stored() {
    let _alone = ALONE.lock().await;
    let arena = blog().await;
    let cache = memory();
    let site = Site::new(&arena, &cache, Duration::ZERO).await;
    warm(&site).await;
    let pages = pages(&site, CacheLayer::new(&cache));
    for (path, outcome) in [
        ("/plain", PageOutcome::Unstored(Unstored::Unseen)),
        ("/nothing", PageOutcome::Unfit(Unfit::Independent)),
        ("/both", PageOutcome::Unstored(Unstored::Unseen)),
        ("/set", PageOutcome::Unstored(Unstored::Unseen)),
        ("/write", PageOutcome::Unstored(Unstored::Wrote)),
        (
            "/bypass",
            PageOutcome::Unstored(Unstored::Bypassed(Bypass::NoCache)),
        ),
        ("/mine", PageOutcome::Unfit(Unfit::Private)),
        ("/private", PageOutcome::Unfit(Unfit::Private)),
        ("/missing", PageOutcome::Unfit(Unfit::Status)),
        ("/hasty", PageOutcome::Unstored(Unstored::Failed)),
    ] {
        for _ in 0..3 {
            let (text, found) = get(&pages, path).await;
            assert_eq!(found, outcome, "{path}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_may_be_read_without_the_cache() {
    let _alone = ALONE.lock().await;
    let arena = blog().await;
    let cache = memory();
    let site = Site::new(&arena, &cache, Duration::ZERO).await;
    warm(&site).await;
    let mut writer = join(&arena, &cache).await;
    let layer = CacheLayer::new(&cache).depends_on("posts").tag("all pages");
    let pages = pages(&site, layer);
    for path in ["/plain", "/both", "/nothing"] {
        assert_eq!(get(&pages, path).await.1, PageOutcome::Stored, "{path}");
        assert_eq!(get(&pages, path).await.1, PageOutcome::Hit, "{path}");
        retitle(&mut writer, 2, path).await.unwrap();
        assert_eq!(get(&pages, path).await.1, PageOutcome::Stored, "{path}");
        cache.invalidate_tag("all pages").await;
        assert_eq!(get(&pages, path).await.1, PageOutcome::Stored, "{path}");
    }
    assert_eq!(get(&pages, "/both").await.0, "a /nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_page_is_not_sent_it_again() {
    let _alone = ALONE.lock().await;
    let arena = blog().await;
    let cache = memory();
    let site = Site::new(&arena, &cache, Duration::ZERO).await;
    warm(&site).await;
    let mut writer = join(&arena, &cache).await;
    let pages = pages(&site, CacheLayer::new(&cache));
    let (head, _, _) = ask(&pages, request("/cached", &[])).await;
    let etag = head.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(
        head.headers()["cache-status"],
        "diesel-cache; fwd=miss; stored"
    );
    let conditional = || request("/cached", &[("if-none-match", &etag)]);
    let (head, body, outcome) = ask(&pages, conditional()).await;
    assert_eq!((head.status(), &*body), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!(outcome, PageOutcome::Hit);
    assert_eq!(head.headers()["etag"], etag.as_str());
    assert_eq!(head.headers()["cache-status"], "diesel-cache; hit");
    assert!(head.headers().contains_key("age"));
    retitle(&mut writer, 1, "z").await.unwrap();
    let (head, body, _) = ask(&pages, conditional()).await;
    assert_eq!((head.status(), &*body), (StatusCode::OK, "z"));
    assert_ne!(head.headers()["etag"], etag.as_str());
    let (head, _, _) = ask(&pages, request("/tagged", &[("if-none-match", "\"mine\"")])).await;
    assert_eq!(head.status(), StatusCode::NOT_MODIFIED);
    // One that is made anew, and is the same, is not sent either.
    retitle(&mut writer, 1, "a").await.unwrap();
    let (head, _, outcome) = ask(&pages, conditional()).await;
    assert_eq!(outcome, PageOutcome::Stored);
    assert_eq!(head.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_differ_in_what_matters_have_pages_of_their_own() {
    let _alone = ALONE.lock().await;
    let arena = blog().await;
    let cache = memory();
    let site = Site::new(&arena, &cache, Duration::ZERO).await;
    warm(&site).await;
    let pages_of_all = pages(&site, CacheLayer::new(&cache));
    let spoken = |language| request("/spoken", &[("accept-language", language)]);
    // What it varies on is learnt from the first.
    let (_, _, first) = ask(&pages_of_all, spoken("de")).await;
    assert_eq!(first, PageOutcome::Unfit(Unfit::Varies));
    for language in ["de", "fr"] {
        let (_, made, outcome) = ask(&pages_of_all, spoken(language)).await;
        assert_eq!(outcome, PageOutcome::Stored);
        assert!(made.contains(language), "{made}");
    }
    for language in ["de", "fr"] {
        let (_, found, outcome) = ask(&pages_of_all, spoken(language)).await;
        assert_eq!(outcome, PageOutcome::Hit);
        assert!(found.contains(language), "{found}");
    }
    let (_, none, outcome) = ask(&pages_of_all, request("/spoken", &[])).await;
    assert!(none.contains("None"), "{none} {outcome:?}");
    for (name, why) in [
        ("cookie", Unfit::Personal),
        ("authorization", Unfit::Personal),
        ("range", Unfit::Range),
    ] {
        let (_, _, outcome) = ask(&pages_of_all, request("/cached", &[(name, "x")])).await;
        assert_eq!(outcome, PageOutcome::Forbidden(why));
    }
    // That a response varies on who asks does not make those cacheable who say it.
    for _ in 0..2 {
        get(&pages_of_all, "/cookied").await;
        let asked = request("/cookied", &[("cookie", "session=1")]);
        let outcome = ask(&pages_of_all, asked).await.2;
        assert_eq!(outcome, PageOutcome::Forbidden(Unfit::Personal));
    }
    assert_eq!(get(&pages_of_all, "/cookied").await.1, PageOutcome::Hit);
    let layer = CacheLayer::new(&cache).vary_by(|head| {
        let user = head.extensions.get::<&'static str>()?;
        Some(user.as_bytes().to_vec())
    });
    let pages_of_users = pages(&site, layer);
    let nobody = PageOutcome::Forbidden(Unfit::Unknown);
    assert_eq!(get(&pages_of_users, "/cached").await.1, nobody);
    for user in ["ada", "bob"] {
        for outcome in [PageOutcome::Stored, PageOutcome::Hit] {
            let mut asked = request("/cached", &[("cookie", "any")]);
            asked.extensions_mut().insert(user);
            assert_eq!(ask(&pages_of_users, asked).await.2, outcome);
        }
    }
    let layer = CacheLayer::new(&cache).vary_on(http::header::COOKIE);
    let pages_of_each = pages(&site, layer);
    for cookie in ["a=b", "a=c"] {
        for outcome in [PageOutcome::Stored, PageOutcome::Hit] {
            let asked = request("/cached", &[("cookie", cookie)]);
            assert_eq!(ask(&pages_of_each, asked).await.2, outcome);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_ask_for_a_new_page_or_forbid_one() {
    let _alone = ALONE.lock().await;
    let arena = blog().await;
    let cache = memory();
    let site = Site::new(&arena, &cache, Duration::ZERO).await;
    warm(&site).await;
    let pages = pages(&site, CacheLayer::new(&cache));
    let asking = |control| request("/cached", &[("cache-control", control)]);
    assert_eq!(get(&pages, "/cached").await.1, PageOutcome::Stored);
    assert_eq!(ask(&pages, asking("no-cache")).await.2, PageOutcome::Stored);
    let forbidden = PageOutcome::Forbidden(Unfit::Request);
    assert_eq!(ask(&pages, asking("no-store")).await.2, forbidden);
    assert_eq!(get(&pages, "/cached").await.1, PageOutcome::Hit);
    assert_eq!(get(&pages, "/short").await.1, PageOutcome::Stored);
    assert_eq!(get(&pages, "/short").await.1, PageOutcome::Hit);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(get(&pages, "/short").await.1, PageOutcome::Stored);
    cache.set_enabled(false);
    let off = PageOutcome::Bypass(Bypass::Disabled);
    assert_eq!(get(&pages, "/cached").await.1, off);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_handler_runs_for_all_who_ask_at_once() {
    let _alone = ALONE.lock().await;
    let arena = blog().await;
    for cache in caches() {
        let site = Site::new(&arena, &cache, Duration::from_millis(200)).await;
        warm(&site).await;
        let pages = pages(&site, CacheLayer::new(&cache));
        let ended = (0..50).map(|_| {
            let pages = pages.clone();
            tokio::spawn(async move { get(&pages, "/cached").await })
        });
        let mut hits = 0;
        for ended in ended.collect::<Vec<_>>() {
            let (text, outcome) = ended.await.unwrap();
            assert_eq!(text, "a", "{outcome}");
            hits += usize::from(outcome == PageOutcome::Hit);
        }
        assert_eq!((site.runs(), hits), (1, 49));
    }
}

/// What may not be stored is not waited for by one after another.
#[tokio::test(flavor = "multi_thread")]
async fn handlers_whose_pages_are_not_kept_run_at_the_same_time() {
    let _alone = ALONE.lock().await;
    let arena = blog().await;
    let cache = memory();
    let site = Site::new(&arena, &cache, Duration::from_millis(100)).await;
    warm(&site).await;
    let pages = pages(&site, CacheLayer::new(&cache));
    let ended = (0..9).map(|_| {
        let pages = pages.clone();
        tokio::spawn(async move { get(&pages, "/private").await.1 })
    });
    for ended in ended.collect::<Vec<_>>() {
        assert_eq!(ended.await.unwrap(), PageOutcome::Unfit(Unfit::Private));
    }
    assert_eq!(site.runs(), 9);
    assert!(AtomicUsize::load(&site.most, Ordering::SeqCst) > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_have_pages_of_their_own_and_one_request_meets_one() {
    let _alone = ALONE.lock().await;
    let arena = blog().await;
    let cache = memory();
    let site = Site::new(&arena, &cache, Duration::ZERO).await;
    warm(&site).await;
    let one = pages(&site, CacheLayer::new(&cache));
    let two = pages(&site, CacheLayer::new(&cache));
    assert_eq!(get(&one, "/cached").await.1, PageOutcome::Stored);
    assert_eq!(get(&two, "/cached").await.1, PageOutcome::Stored);
    let named = || CacheLayer::new(&cache).named("both");
    let (one, two) = (pages(&site, named()), pages(&site, named()));
    assert_eq!(get(&one, "/cached").await.1, PageOutcome::Stored);
    assert_eq!(get(&two, "/cached").await.1, PageOutcome::Hit);
    let nested: Pages = {
        let inner = pages(&site, CacheLayer::new(&cache).named("inner"));
        BoxCloneSyncService::new(CacheLayer::new(&cache).layer(inner))
    };
    for outcome in [PageOutcome::Stored, PageOutcome::Hit] {
        let (head, _, found) = ask(&nested, request("/cached", &[])).await;
        assert_eq!(found, outcome);
        assert_eq!(head.headers().get_all("cache-status").iter().count(), 1);
    }
}

/// A nested router takes its part of the path away before the layer sees it.
#[tokio::test(flavor = "multi_thread")]
async fn nested_routers_have_pages_of_their_own() {
    let _alone = ALONE.lock().await;
    let arena = blog().await;
    let cache = memory();
    let site = Site::new(&arena, &cache, Duration::ZERO).await;
    warm(&site).await;
    let layer = CacheLayer::new(&cache);
    let router = || {
        let site = Arc::clone(&site);
        let handler = async move || site.answer(request("/cached", &[])).await;
        let handler = axum::routing::get(async move || {
            let (head, body) = handler().await.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Response::from_parts(head, axum::body::Body::from(body))
        });
        axum::Router::new()
            .route("/list", handler)
            .layer(layer.clone())
    };
    let app = axum::Router::new()
        .nest("/shop", router())
        .nest("/tenant/{id}", router());
    let outcome = async |path: &str| {
        let asked = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = app.clone().oneshot(asked).await.unwrap();
        *response.extensions().get::<PageOutcome>().unwrap()
    };
    for path in ["/shop/list", "/tenant/1/list", "/tenant/2/list"] {
        assert_eq!(outcome(path).await, PageOutcome::Stored, "{path}");
        assert_eq!(outcome(path).await, PageOutcome::Hit, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_is_not_safe_invalidates_its_uri() {
    let _alone = ALONE.lock().await;
    let arena = blog().await;
    let cache = memory();
    let site = Site::new(&arena, &cache, Duration::ZERO).await;
    warm(&site).await;
    let pages = pages(&site, CacheLayer::new(&cache));
    for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"] {
        get(&pages, "/cached").await;
        assert_eq!(get(&pages, "/cached").await.1, PageOutcome::Hit);
        let mut asked = request("/cached", &[]);
        *asked.method_mut() = method.parse().unwrap();
        let outcome = ask(&pages, asked).await.2;
        assert_eq!(outcome, PageOutcome::Forbidden(Unfit::Method));
        let after = match method {
            "HEAD" | "OPTIONS" => PageOutcome::Hit,
            _ => PageOutcome::Stored,
        };
        assert_eq!(get(&pages, "/cached").await.1, after, "{method}");
    }
}

/// Whoever makes a page may hang up at any point: those who wait for it get theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_keeps_nobody_waiting() {
    let _alone = ALONE.lock().await;
    let arena = blog().await;
    let cache = memory();
    let site = Site::new(&arena, &cache, Duration::from_millis(2)).await;
    warm(&site).await;
    let pages = pages(&site, CacheLayer::new(&cache));
    for after in 0..40 {
        cache.clear().await;
        let others = (0..4).map(|_| {
            let pages = pages.clone();
            tokio::spawn(async move { get(&pages, "/cached").await.0 })
        });
        let others: Vec<_> = others.collect();
        let done = give_up(after, get(&pages, "/cached")).await;
        for other in others {
            let text = tokio::time::timeout(Duration::from_secs(20), other).await;
            assert_eq!(text.unwrap().unwrap(), "a");
        }
        if done.is_some() {
            return;
        }
    }
}

/// Pages are asked for while posts are written in every way: none is older than what was committed
/// before it was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn no_page_is_older_than_a_commit_before_it() {
    let _alone = ALONE.lock().await;
    let arena = blog().await;
    for cache in caches() {
        let site = Site::new(&arena, &cache, Duration::ZERO).await;
        warm(&site).await;
        let pages = pages(&site, CacheLayer::new(&cache));
        let stop = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn({
            let (cache, stop) = (cache.clone(), Arc::clone(&stop));
            let mut conn = join(&arena, &cache).await;
            async move {
                for n in 0_u32.. {
                    if AtomicBool::load(&stop, Ordering::SeqCst) {
                        return n;
                    }
                    let new = format!("title {n}");
                    let written = cache.transaction(&mut conn, async |conn| {
                        retitle(conn, 1, &new).await?;
                        match n % 5 {
                            4 => Err(diesel::result::Error::RollbackTransaction),
                            _ => Ok(()),
                        }
                    });
                    assert_eq!(written.await.is_err(), n % 5 == 4);
                    tokio::time::sleep(Duration::from_millis(u64::from(n % 7))).await;
                }
                unreachable!()
            }
        });
        let mut plain = arena.connect().await;
        let (mut hits, mut compared) = (0, 0);
        for n in 0..400 {
            let path = ["/cached", "/value"][n % 2];
            let before: String = posts::table
                .find(1)
                .select(posts::title)
                .first(&mut plain)
                .await
                .unwrap();
            let (page, outcome) = get(&pages, path).await;
            let after = truth(&mut plain, 1).await;
            hits += usize::from(outcome == PageOutcome::Hit);
            if before == after {
                compared += 1;
                assert_eq!(page, before, "{outcome:?}");
            }
        }
        stop.store(true, Ordering::SeqCst);
        let written = writer.await.unwrap();
        assert!(
            hits > 0 && compared > 20 && written > 5,
            "{hits} {compared} {written}"
        );
    }
}
