//! Why a read is answered as it is, and what a write would invalidate. On SQLite.

use diesel::prelude::*;
use diesel_cache::explain::{Extent, MissReason, Standing, WholeReason};
use diesel_cache::{Bypass, CacheInvalidate, CachedDsl, Outcome, Source, explain_write};

use crate::support::{attached, authors, memory, posts, tags};

#[derive(Debug, Clone, Queryable, Selectable, Identifiable, CacheInvalidate)]
#[cache(key(author_id))]
struct Post {
    id: i32,
    #[allow(dead_code, reason = "the key is what matters")]
    author_id: i32,
}

#[test]
fn a_read_tells_what_it_depends_on_and_what_changed() {
    let cache = memory();
    cache.register::<Post>();
    let conn = &mut attached(&cache);
    let mine = || {
        let mine = posts::table.filter(posts::author_id.eq(1)).order(posts::id);
        mine.select((posts::id, posts::title)).cached().tag("home")
    };
    let absent = mine().explain::<(i32, String), _, _>(conn);
    assert_eq!(absent.miss, Some(MissReason::Absent));
    assert!(
        absent.outcome
            == Outcome::Miss {
                stored: true,
                joined: false
            }
    );
    assert_eq!(absent.tables, [Box::<str>::from("posts")]);
    assert!(absent.sql.contains("`author_id` = ?"));

    mine().load::<(i32, String)>(conn).unwrap();
    let stored = mine().explain::<(i32, String), _, _>(conn);
    assert_eq!((stored.outcome, stored.miss), (Outcome::Hit, None));
    assert_eq!(stored.key, absent.key);
    let what: Vec<&str> = stored.dependencies.iter().map(|d| &*d.what).collect();
    for expected in [
        "everything",
        "tag home",
        "posts: rows with the author_id that is asked for: that are added",
        "posts: rows of whatever author_id: author_id, set to what is asked for",
        "a row that the result shows",
    ] {
        assert!(what.contains(&expected), "{expected} in {what:#?}");
    }
    let text = stored.to_string();
    assert!(!text.contains("Ada") && !text.contains("= 1"), "{text}");

    diesel::update(posts::table.find(1))
        .set(posts::title.eq("x"))
        .execute(conn)
        .unwrap();
    let changed = mine().explain::<(i32, String), _, _>(conn);
    assert_eq!(changed.miss, Some(MissReason::Invalidated), "{changed}");
    let changed: Vec<_> = changed
        .dependencies
        .iter()
        .filter(|dependency| dependency.standing == Standing::Changed)
        .collect();
    assert!(!changed.is_empty());
    for dependency in changed {
        assert_eq!(dependency.what, "a row that the result shows");
        let renewed = dependency.renewed.as_ref().expect("it is remembered");
        assert_eq!(renewed.by.source, Source::Statement);
        assert!(renewed.by.touches("posts"));
    }

    cache.clear();
    let cleared = mine().explain::<(i32, String), _, _>(conn);
    assert!(matches!(
        cleared.miss,
        Some(MissReason::Absent | MissReason::Cleared)
    ));
    let never = mine().no_cache().explain::<(i32, String), _, _>(conn);
    assert_eq!(never.outcome, Outcome::Bypass(Bypass::NoCache));
}

#[test]
fn a_write_tells_how_much_it_writes_and_why_no_less() {
    let cache = memory();
    cache.register::<Post>();
    let conn = &mut attached(&cache);
    let names = |names: &[&str]| -> Vec<Box<str>> { names.iter().map(|&n| n.into()).collect() };
    let (id, author) = (names(&["id"]), names(&["author_id"]));

    let update = diesel::update(posts::table.find(1)).set(posts::title.eq("x"));
    let what = explain_write(&update, conn).unwrap();
    let extent = Extent::Part {
        columns: Some(names(&["title"])),
        keys: vec![id.clone()],
        unknown: vec![author.clone()],
    };
    assert_eq!(what.tables["posts"], extent);
    assert!(!what.everything && !what.schema);
    assert_eq!(what.to_string().lines().count(), 2);

    let insert = diesel::insert_into(posts::table)
        .values((posts::author_id.eq(2), posts::title.eq("secret")));
    let what = explain_write(&insert, conn).unwrap();
    let extent = Extent::Part {
        columns: None,
        keys: vec![author],
        unknown: vec![id],
    };
    assert_eq!(what.tables["posts"], extent);
    assert!(!what.to_string().contains("secret"));

    let delete = diesel::delete(authors::table.find(1));
    let what = explain_write(&delete, conn).unwrap();
    assert_eq!(what.tables["posts"], Extent::Whole(WholeReason::Follows));
    assert!(matches!(what.tables["authors"], Extent::Part { .. }));

    let many: Vec<i32> = (0..101).collect();
    let many = diesel::delete(posts::table.filter(posts::id.eq_any(many)));
    let what = explain_write(&many, conn).unwrap();
    assert!(matches!(&what.tables["posts"], Extent::Part { keys, .. } if keys.is_empty()));

    let upsert = diesel::replace_into(tags::table).values((
        tags::post_id.eq(1),
        tags::name.eq("a"),
        tags::weight.eq(2),
    ));
    let what = explain_write(&upsert, conn).unwrap();
    assert_eq!(
        what.tables["tags"],
        Extent::Whole(WholeReason::NotUnderstood)
    );

    let unknown = diesel::sql_query("VACUUM INTO 'x'");
    let _ = explain_write(&unknown, conn).unwrap();
    let mut other = SqliteConnection::establish(":memory:").unwrap();
    assert_eq!(
        explain_write(&update, &mut other).unwrap_err(),
        Bypass::Unattached
    );
}

#[test]
fn what_was_invalidated_for_nothing_is_counted() {
    let cache = diesel_cache::Cache::from_url("memory://?over_invalidation_sample=0.5").unwrap();
    let conn = &mut attached(&cache);
    // Which queries are of the sample their keys decide: of so many, some are.
    let first = |most: i64| posts::table.order(posts::id).limit(most).cached();
    let read = |conn: &mut SqliteConnection| {
        for most in 1..=32 {
            first(most)
                .load::<(i32, i32, String, Option<String>)>(conn)
                .unwrap();
        }
    };
    let title = |conn: &mut SqliteConnection, title: &str| {
        diesel::update(posts::table)
            .set(posts::title.eq(title))
            .execute(conn)
            .unwrap();
    };
    title(conn, "same");
    read(conn);
    title(conn, "same");
    read(conn);
    let stats = cache.stats();
    let compared = stats.invalidations_compared;
    assert!((4..=28).contains(&compared), "{compared}");
    assert_eq!(stats.over_invalidations, compared);
    title(conn, "other");
    read(conn);
    let stats = cache.stats();
    assert_eq!(stats.invalidations_compared, 2 * compared);
    assert_eq!(stats.over_invalidations, compared);
    let all = cache.over_invalidations();
    let [cause] = all.as_slice() else {
        panic!("{all:?}");
    };
    assert_eq!(cause.cause, "a row that the result shows");
    assert_eq!((cause.compared, cause.same), (2 * compared, compared));
    let none = memory();
    let conn = &mut attached(&none);
    read_all(conn);
    assert!(none.over_invalidations().is_empty());
}

fn read_all(conn: &mut SqliteConnection) {
    let all = || posts::table.select(posts::id).order(posts::id).cached();
    all().load::<i32>(conn).unwrap();
    diesel::update(posts::table)
        .set(posts::id.eq(posts::id))
        .execute(conn)
        .unwrap();
    all().load::<i32>(conn).unwrap();
}
