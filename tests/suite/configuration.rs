//! Settings of tables, switches, and the environment.

use std::process::Command;
use std::time::Duration;

use diesel::prelude::*;
use diesel_cache::strategy::{Strategy, Ttl};
use diesel_cache::{Bypass, Cache, CacheInvalidate, CacheModel, CachedDsl, Error, Outcome, Report};

use crate::support::{Post, attached, authors, memory, posts};

const MISS: Outcome = Outcome::Miss {
    stored: true,
    joined: false,
};
const DISABLED: Outcome = Outcome::Bypass(Bypass::Disabled);
const UNCACHEABLE: Outcome = Outcome::Bypass(Bypass::Uncacheable);

fn of_posts(conn: &mut SqliteConnection) -> Outcome {
    let report = Report::new();
    let _: Vec<String> = posts::table
        .select(posts::title)
        .cached()
        .report(&report)
        .load(conn)
        .unwrap();
    report.outcome().unwrap()
}

fn of_authors(conn: &mut SqliteConnection) -> Outcome {
    let report = Report::new();
    let _: Vec<String> = authors::table
        .select(authors::name)
        .cached()
        .report(&report)
        .load(conn)
        .unwrap();
    report.outcome().unwrap()
}

fn of_both(conn: &mut SqliteConnection) -> Outcome {
    let report = Report::new();
    let _: Vec<(String, String)> = authors::table
        .inner_join(posts::table)
        .select((authors::name, posts::title))
        .order(posts::id)
        .cached()
        .report(&report)
        .load(conn)
        .unwrap();
    report.outcome().unwrap()
}

fn toml(text: &str) -> Cache {
    Cache::builder().config_toml(text).build().unwrap()
}

fn title(conn: &mut SqliteConnection, title: &str) {
    diesel::update(posts::table)
        .set(posts::title.eq(title))
        .execute(conn)
        .unwrap();
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
#[cache(ttl = "15ms", depends_on(crate::support::authors))]
struct HurriedPost {
    #[allow(dead_code, reason = "only the derive reads it")]
    id: i32,
}

#[test]
fn a_table_can_be_switched_off_and_on() {
    let cache = memory();
    let mut one = attached(&cache);
    let mut two = attached(&cache);
    for conn in [&mut one, &mut two] {
        assert_eq!(
            (of_posts(conn), of_authors(conn), of_both(conn)),
            (MISS, MISS, MISS)
        );
    }
    cache.set_table_enabled("Posts", false);
    assert!(!cache.is_table_enabled("posts") && cache.is_table_enabled("authors"));
    for conn in [&mut one, &mut two] {
        assert_eq!(
            (of_posts(conn), of_authors(conn), of_both(conn)),
            (DISABLED, Outcome::Hit, DISABLED)
        );
    }
    // Writes are seen all the same.
    title(&mut one, "new");
    cache.set_model_enabled::<Post>(true);
    assert!(cache.is_table_enabled("posts"));
    assert_eq!(
        (of_posts(&mut one), of_posts(&mut one)),
        (MISS, Outcome::Hit)
    );
    let titles: Vec<String> = posts::table
        .select(posts::title)
        .cached()
        .load(&mut one)
        .unwrap();
    assert_eq!(titles, ["new"; 3]);
    cache.set_model_enabled::<Post>(false);
    assert_eq!(
        (of_posts(&mut one), of_authors(&mut one)),
        (DISABLED, Outcome::Hit)
    );
    // The whole cache's switch stands above.
    cache.set_enabled(false);
    cache.set_table_enabled("posts", true);
    assert_eq!(of_posts(&mut one), DISABLED);
}

#[test]
fn a_view_of_a_table_that_is_off_is_off() {
    let cache = memory();
    let mut conn = attached(&cache);
    diesel::sql_query("CREATE VIEW titles AS SELECT title FROM posts")
        .execute(&mut conn)
        .unwrap();
    diesel::table! { titles (title) { title -> Text } }
    let mut read = || {
        let report = Report::new();
        let _: Vec<String> = titles::table
            .select(titles::title)
            .cached()
            .report(&report)
            .load(&mut conn)
            .unwrap();
        report.outcome().unwrap()
    };
    assert_eq!((read(), read()), (MISS, Outcome::Hit));
    cache.set_table_enabled("posts", false);
    assert_eq!(read(), DISABLED);
}

#[test]
fn a_section_switches_a_table_off_from_the_start() {
    let cache = toml("[models.POSTS]\nenabled = false");
    assert!(!cache.is_table_enabled("posts"));
    let mut conn = attached(&cache);
    assert_eq!(
        (of_posts(&mut conn), of_authors(&mut conn)),
        (DISABLED, MISS)
    );
    cache.set_table_enabled("posts", true);
    assert_eq!(
        (of_posts(&mut conn), of_posts(&mut conn)),
        (MISS, Outcome::Hit)
    );
}

#[test]
fn a_section_forbids_caching() {
    let cache = toml("[models.posts]\nnever = true");
    let mut conn = attached(&cache);
    assert_eq!(
        (of_posts(&mut conn), of_authors(&mut conn)),
        (UNCACHEABLE, MISS)
    );
    cache.register::<Post>();
    assert_eq!(of_both(&mut conn), UNCACHEABLE);
}

#[test]
fn what_a_model_forbids_stays_forbidden() {
    let cache = toml("[models.posts]\nnever = false\nttl = '1h'");
    let mut conn = attached(&cache);
    assert_eq!(of_posts(&mut conn), MISS);
    cache.register::<SecretPost>();
    assert_eq!(of_posts(&mut conn), UNCACHEABLE);
}

#[test]
fn a_section_sets_the_time_to_live() {
    let cache = toml("[models.posts]\nttl = '15ms'");
    let mut conn = attached(&cache);
    assert_eq!(
        (
            of_posts(&mut conn),
            of_both(&mut conn),
            of_authors(&mut conn)
        ),
        (MISS, MISS, MISS)
    );
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(
        (
            of_posts(&mut conn),
            of_both(&mut conn),
            of_authors(&mut conn)
        ),
        (MISS, MISS, Outcome::Hit)
    );
    assert_eq!(cache.stats().expirations, 2);
}

#[test]
fn a_section_counts_over_its_model_and_dependencies_add_up() {
    let cache = toml("[models.posts]\nttl = '1h'\ndepends_on = ['tags']");
    cache.register::<HurriedPost>();
    let mut conn = attached(&cache);
    assert_eq!(of_posts(&mut conn), MISS);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(of_posts(&mut conn), Outcome::Hit);
    for table in ["authors", "tags"] {
        cache.invalidate_table(table);
        assert_eq!(
            (of_posts(&mut conn), of_posts(&mut conn)),
            (MISS, Outcome::Hit),
            "{table}"
        );
    }
    // A table that is depended on is read, in a way.
    cache.set_table_enabled("tags", false);
    assert_eq!(of_posts(&mut conn), DISABLED);
}

struct OldPost;

impl CacheModel for OldPost {
    type Kept<'a> = diesel_cache::NoKeys;
    fn kept(&self) -> diesel_cache::NoKeys {
        diesel_cache::NoKeys
    }
    type Table = posts::table;
    const TABLE: &'static str = "posts";
    const PRIMARY_KEY: &'static [&'static str] = &["id"];
    const TTL: Option<Duration> = None;
    const NEVER: bool = false;
    const DEPENDS_ON: &'static [&'static str] = &[];
    const STRATEGY: &'static dyn Strategy = &Ttl;
}

#[test]
fn a_section_chooses_the_strategy() {
    let of_model = memory();
    of_model.register::<OldPost>();
    let of_section = toml("[models.posts]\nstrategy = 'ttl'");
    let neither = toml("[models.posts]\nttl = '5m'");
    let over_model = toml("[models.posts]\nstrategy = 'version'");
    over_model.register::<OldPost>();
    for (cache, stale) in [
        (of_model, true),
        (of_section, true),
        (neither, false),
        (over_model, false),
    ] {
        let mut conn = attached(&cache);
        assert_eq!(of_posts(&mut conn), MISS);
        title(&mut conn, "new");
        assert_eq!(of_posts(&mut conn) == Outcome::Hit, stale);
    }
}

#[test]
fn each_method_sets_what_its_name_says() {
    // A value that `build` refuses tells that it got there.
    let refused = [
        (Cache::builder().ttl(Duration::ZERO), "ttl"),
        (Cache::builder().jitter(0.6), "jitter"),
        (Cache::builder().negative_ttl(Duration::MAX), "negative_ttl"),
        (Cache::builder().capacity(1), "capacity"),
        (Cache::builder().database(""), "database"),
        (
            Cache::builder().single_flight_wait(Duration::MAX),
            "single_flight_wait",
        ),
        (
            Cache::builder()
                .pure_functions(["a"])
                .pure_functions(["b.c"]),
            "pure_functions",
        ),
    ];
    for (builder, key) in refused {
        let error = builder.build().unwrap_err().to_string();
        assert!(
            error.contains(&format!("`{key}` in `Builder::{key}`")),
            "{error}"
        );
    }
}

#[test]
fn a_backend_and_a_url_are_one_too_many() {
    let backend = || diesel_cache::backend::MemoryBackend::new(1 << 20);
    assert!(Cache::builder().backend(backend()).build().is_ok());
    let both = Cache::builder().backend(backend()).url("memory://").build();
    assert!(matches!(both, Err(Error::TwoBackends { place }) if place == "the URL"));
}

#[test]
fn debug_shows_no_password() {
    let builder = Cache::builder()
        .url("redis://user:hunter2@host")
        .config_toml("url = 'redis://user:hunter2@host'")
        .config_file("cache.toml");
    let text = format!("{builder:?}");
    assert!(
        text.contains("redis://…") && text.contains("cache.toml"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}

const CHILD: &str = "SUITE_CHILD";

/// Runs one of these tests in a process of its own, with these variables set.
fn in_a_child(test: &str, variables: &[(&str, &str)]) {
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("configuration::{test}"), "--nocapture"])
        .envs(variables.iter().copied())
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn from_env_reads_the_environment_and_the_file_that_it_names() {
    if std::env::var_os(CHILD).is_some() {
        let cache = Cache::from_env().unwrap();
        assert!(!cache.is_table_enabled("authors") && !cache.is_table_enabled("tags"));
        let mut conn = attached(&cache);
        assert_eq!(of_posts(&mut conn), MISS);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(of_posts(&mut conn), MISS);
        assert_eq!(cache.stats().expirations, 1);
        // What is not asked to read it does not.
        assert!(
            Cache::from_url("memory://")
                .unwrap()
                .is_table_enabled("tags")
        );
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "ttl = '1h'\n[models.authors]\nenabled = false").unwrap();
    in_a_child(
        "from_env_reads_the_environment_and_the_file_that_it_names",
        &[
            ("DIESEL_CACHE_CONFIG", file.path().to_str().unwrap()),
            ("DIESEL_CACHE_TTL", "15ms"),
            ("DIESEL_CACHE_MODELS__TAGS__ENABLED", "off"),
        ],
    );
}

#[test]
fn a_wrong_environment_is_refused() {
    if std::env::var_os(CHILD).is_some() {
        let error = Cache::from_env().unwrap_err().to_string();
        assert!(
            error.contains("did you mean `DIESEL_CACHE_TTL`?"),
            "{error}"
        );
        return;
    }
    in_a_child(
        "a_wrong_environment_is_refused",
        &[("DIESEL_CACHE_TLL", "5m")],
    );
}
