//! Settings, and what they change.

use std::time::Duration;

use diesel::prelude::*;
use diesel_cache::{Bypass, Cache, CacheInvalidate, CachedDsl, Outcome, Report};

use crate::support::{Post, attached, authors, memory, posts};

const MISS: Outcome = Outcome::Miss {
    stored: true,
    joined: false,
};
const UNSTORED: Outcome = Outcome::Miss {
    stored: false,
    joined: false,
};

fn outcome(conn: &mut SqliteConnection) -> Outcome {
    let report = Report::new();
    let posts: Vec<Post> = posts::table
        .select(Post::as_select())
        .cached()
        .report(&report)
        .load(conn)
        .unwrap();
    assert_eq!(posts.len(), 3);
    report.outcome().unwrap()
}

#[test]
fn a_wrong_url_says_what_is_allowed() {
    for (url, says) in [
        (
            "",
            "no backend for `` in the URL; this build knows `memory://`",
        ),
        (
            "mongodb://secret@host",
            "no backend for `mongodb` in the URL; this build knows `memory://`",
        ),
        (
            "secret-without-a-scheme",
            "no backend for `` in the URL; this build knows `memory://`",
        ),
        (
            "secret of mine://host",
            "no backend for `` in the URL; this build knows `memory://`",
        ),
        ("memory://secret", "nothing between `memory://` and a query"),
        (
            "memory://?capacity=big",
            "`capacity` in the query of the URL: a size in bytes",
        ),
        (
            "memory://?ttl=0s",
            "`ttl` in the query of the URL: a positive duration",
        ),
        (
            "memory://?jitter=2",
            "`jitter` in the query of the URL: a number from 0 to 0.5",
        ),
        (
            "memory://?colour=red",
            "unknown setting `colour` in the query of the URL; known settings are capacity",
        ),
        (
            "memory://?enabled=perhaps",
            "`enabled` in the query of the URL: true or false",
        ),
    ] {
        let error = Cache::from_url(url).unwrap_err().to_string();
        assert!(error.contains(says), "{url}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn the_cache_can_be_switched_off_and_on() {
    let cache = memory();
    let mut conn = attached(&cache);
    assert_eq!(outcome(&mut conn), MISS);
    cache.set_enabled(false);
    assert_eq!(outcome(&mut conn), Outcome::Bypass(Bypass::Disabled));
    // Writes are seen all the same.
    diesel::update(posts::table)
        .set(posts::title.eq("x"))
        .execute(&mut conn)
        .unwrap();
    cache.set_enabled(true);
    assert_eq!(outcome(&mut conn), MISS);
    assert_eq!(outcome(&mut conn), Outcome::Hit);

    let off = Cache::from_url("memory://?enabled=false").unwrap();
    let mut conn = attached(&off);
    assert_eq!(outcome(&mut conn), Outcome::Bypass(Bypass::Disabled));
}

#[test]
fn clear_and_invalidate_table_forget() {
    let cache = memory();
    let mut conn = attached(&cache);
    assert_eq!(
        (outcome(&mut conn), outcome(&mut conn)),
        (MISS, Outcome::Hit)
    );
    cache.clear();
    assert_eq!(cache.stats().usage.entries, 0);
    assert_eq!(
        (outcome(&mut conn), outcome(&mut conn)),
        (MISS, Outcome::Hit)
    );
    cache.invalidate_table("authors");
    assert_eq!(outcome(&mut conn), Outcome::Hit);
    cache.invalidate_table("POSTS");
    assert_eq!(
        (outcome(&mut conn), outcome(&mut conn)),
        (MISS, Outcome::Hit)
    );
    let post: Post = posts::table
        .select(Post::as_select())
        .first(&mut conn)
        .unwrap();
    cache.invalidate_row(&post);
    assert_eq!(outcome(&mut conn), MISS);
}

#[test]
fn entries_expire() {
    let cache = Cache::builder()
        .ttl(Duration::from_millis(20))
        .build()
        .unwrap();
    let mut conn = attached(&cache);
    assert_eq!(outcome(&mut conn), MISS);
    std::thread::sleep(Duration::from_millis(25));
    assert_eq!(outcome(&mut conn), MISS);
    assert_eq!(cache.stats().expirations, 1);
}

#[test]
fn a_read_can_have_its_own_time_to_live() {
    let cache = memory();
    let mut conn = attached(&cache);
    let report = Report::new();
    let mut read = |ttl| -> Outcome {
        let query = authors::table.select(authors::name);
        let _: Vec<String> = query
            .cached()
            .ttl(ttl)
            .report(&report)
            .load(&mut conn)
            .unwrap();
        report.outcome().unwrap()
    };
    assert_eq!(read(Duration::ZERO), MISS);
    assert_eq!(read(Duration::from_secs(60)), MISS);
    assert_eq!(read(Duration::ZERO), Outcome::Hit);
}

#[test]
fn what_is_too_large_is_not_stored() {
    let cache = Cache::from_url("memory://?max_entry_bytes=10").unwrap();
    let mut conn = attached(&cache);
    assert_eq!(outcome(&mut conn), UNSTORED);
    assert_eq!(cache.stats().rejected_too_large, 1);
}

#[test]
fn options_of_a_read() {
    let cache = memory();
    let mut conn = attached(&cache);
    let report = Report::new();
    let names = || {
        authors::table
            .select(authors::name)
            .cached()
            .report(&report)
    };
    let mut run = |query: diesel_cache::Cached<_>| -> Outcome {
        let _: Vec<String> = query.load(&mut conn).unwrap();
        report.outcome().unwrap()
    };
    assert_eq!(run(names()), MISS);
    assert_eq!(run(names().no_cache()), Outcome::Bypass(Bypass::NoCache));
    assert_eq!(run(names().refresh()), MISS);
    assert_eq!(run(names()), Outcome::Hit);
    assert_eq!(run(names().scope("one")), MISS);
    assert_eq!(run(names().scope("two")), MISS);
    assert_eq!(run(names().scope("one")), Outcome::Hit);
    assert_eq!(run(names().depends_on("tags")), MISS);
    cache.invalidate_table("tags");
    assert_eq!(run(names().depends_on("tags")), MISS);
}

#[derive(CacheInvalidate)]
#[diesel(table_name = crate::support::posts)]
#[cache(never)]
struct SecretPost {
    #[allow(dead_code, reason = "only the derive reads it")]
    id: i32,
}

#[derive(CacheInvalidate)]
#[diesel(table_name = crate::support::posts)]
#[cache(ttl = "15ms", depends_on(crate::support::tags))]
struct HurriedPost {
    #[allow(dead_code, reason = "only the derive reads it")]
    id: i32,
}

#[test]
fn a_model_can_forbid_caching() {
    let cache = memory();
    let mut conn = attached(&cache);
    assert_eq!(outcome(&mut conn), MISS);
    cache.register::<SecretPost>();
    assert_eq!(outcome(&mut conn), Outcome::Bypass(Bypass::Uncacheable));
}

#[test]
fn of_two_models_of_a_table_the_stricter_counts() {
    let cache = memory();
    cache.register::<HurriedPost>().register::<Post>();
    let mut conn = attached(&cache);
    assert_eq!(
        (outcome(&mut conn), outcome(&mut conn)),
        (MISS, Outcome::Hit)
    );
    cache.invalidate_table("tags");
    assert_eq!(outcome(&mut conn), MISS);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(outcome(&mut conn), MISS);
}

#[test]
fn functions_can_be_declared_pure() {
    let cache = memory();
    let mut conn = attached(&cache);
    let with = |cache: &Cache, conn: &mut SqliteConnection| -> Outcome {
        cache.attach(conn).unwrap();
        diesel::define_sql_function! { fn half(x: diesel::sql_types::Integer) -> diesel::sql_types::Integer; }
        half_utils::register_impl(conn, |x: i32| x / 2).unwrap();
        let report = Report::new();
        let _: Vec<i32> = posts::table
            .select(half(posts::id))
            .cached()
            .report(&report)
            .load(conn)
            .unwrap();
        report.outcome().unwrap()
    };
    assert_eq!(
        with(&cache, &mut conn),
        Outcome::Bypass(Bypass::UnknownFunction)
    );
    let declared = Cache::builder().pure_functions(["half"]).build().unwrap();
    assert_eq!(with(&declared, &mut conn), MISS);
}
