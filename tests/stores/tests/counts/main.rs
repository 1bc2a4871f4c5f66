//! What reads and writes cost, by the server's own account.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]
#![allow(missing_docs, reason = "Diesel's macros make public items")]

mod invalidations;
mod tiers;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::backend::{Ask, CacheBackend, Databases, Writer};
use diesel_cache::database::TagSpace;
use diesel_cache::key::{Key, ValueParts};
use diesel_cache::protocol::{Judgement, Lift, TagState, judge};
use diesel_cache::tag::Tag;
use diesel_cache::token::{Opening, ProcessId, WriterId};
use diesel_cache::{Cache, CachedDsl, Outcome, Report};
use diesel_cache_faults::RedisServer;
use diesel_cache_stores::{Watch, connect, entry, until};

diesel::table! {
    items (id) {
        id -> Integer,
        name -> Text,
    }
}

diesel::table! {
    notes (id) {
        id -> Integer,
        text -> Text,
    }
}

const NAMESPACE: &str = "counts";

/// A server, a database, and a cache between them whose gate is open.
struct World {
    server: RedisServer,
    cache: Cache,
    conn: SqliteConnection,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let server = RedisServer::start(&[]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sqlite");
        let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        conn.batch_execute(
            "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL);",
        )
        .unwrap();
        let url = server.url();
        let options = format!("?namespace={NAMESPACE}&io_timeout=20s&connect_timeout=20s");
        let cache = Cache::from_url(&(url + &options)).unwrap();
        cache.attach(&mut conn).unwrap();
        let mut world = Self {
            server,
            cache,
            conn,
            _folder: folder,
        };
        until("the gate is open", || world.read(-1) == Outcome::Hit);
        // Each script has been sent once, and so is known to the server.
        world.write(1);
        world.read(-1);
        world.read(-1);
        world
    }

    fn read(&mut self, id: i32) -> Outcome {
        let report = Report::new();
        let query = items::table
            .filter(items::id.eq(id))
            .cached()
            .report(&report);
        let _: Vec<(i32, String)> = query.load(&mut self.conn).unwrap();
        report.outcome().unwrap()
    }

    /// A transaction of that many statements, on two tables.
    fn write(&mut self, statements: i32) {
        let written = self.conn.transaction(|conn| {
            for id in 0..statements {
                diesel::replace_into(items::table)
                    .values((items::id.eq(id), items::name.eq("name")))
                    .execute(conn)?;
                diesel::replace_into(notes::table)
                    .values((notes::id.eq(id), notes::text.eq("text")))
                    .execute(conn)?;
            }
            QueryResult::Ok(())
        });
        written.unwrap();
    }
}

/// Stores that many small entries.
fn fill(server: &RedisServer, count: usize) {
    let backend = connect(&server.url(), NAMESPACE);
    let tags = [Tag::any(TagSpace::of(b"others"), "t")];
    let ask = Ask::tokens(&tags, Databases::None);
    let Judgement::Miss(vector) = judge(backend.fetch(&ask).unwrap(), &tags) else {
        panic!("no tokens");
    };
    let (backend, entry) = (&backend, entry(&tags, vector, b""));
    std::thread::scope(|scope| {
        for part in 0..8 {
            let entry = entry.clone();
            scope.spawn(move || {
                for number in (part..count).step_by(8) {
                    let key = Key::of_value(&ValueParts {
                        name: &number.to_string(),
                        ..ValueParts::default()
                    });
                    backend.put(key, entry.clone(), None).unwrap();
                }
            });
        }
    });
}

/// What a hit, a miss and writes cost; the same however much is stored.
fn costs(world: &mut World) {
    let mut watch = Watch::start(&world.server);
    let beyond = 1_000_000;
    for round in 0..3 {
        assert!(matches!(
            world.read(beyond + round),
            Outcome::Miss { stored: true, .. }
        ));
        assert_eq!(watch.seen(), ["fetch", "capture", "put"]);
        for _ in 0..3 {
            assert_eq!(world.read(beyond + round), Outcome::Hit);
            assert_eq!(watch.seen(), ["fetch"]);
        }
    }
    for statements in [1, 2, 50] {
        world.write(statements);
        assert_eq!(
            watch.seen(),
            ["quarantine", "lift"],
            "{statements} statements"
        );
        // What shows rows is captured once more, now that they are known.
        assert!(matches!(world.read(0), Outcome::Miss { stored: true, .. }));
        assert_eq!(watch.seen(), ["fetch", "capture", "capture", "put"]);
        assert_eq!(world.read(0), Outcome::Hit);
        assert_eq!(watch.seen(), ["fetch"]);
        // What was just invalidated costs no more than what was never read.
        assert!(matches!(
            world.read(beyond),
            Outcome::Miss { stored: true, .. }
        ));
        assert_eq!(watch.seen(), ["fetch", "capture", "put"]);
    }
    // One before the commit, and one after it: it has not happened between them.
    let seen = world.conn.transaction(|conn| {
        diesel::delete(items::table).execute(conn)?;
        diesel::delete(notes::table).execute(conn)?;
        QueryResult::Ok(watch.seen())
    });
    let before = seen.unwrap();
    assert!(before.is_empty() || before == ["quarantine"], "{before:?}");
    let after = watch.seen();
    assert_eq!([before, after].concat(), ["quarantine", "lift"]);
    // A statement of its own.
    diesel::delete(items::table)
        .execute(&mut world.conn)
        .unwrap();
    assert_eq!(watch.seen(), ["quarantine", "lift"]);
    // Nothing is written, and nothing is said.
    let nothing = world.conn.transaction(|_| QueryResult::Ok(()));
    nothing.unwrap();
    assert_eq!(watch.seen(), [""; 0]);
}

/// A hit is one round trip, however many tags the entry has that its reader cannot name; so is
/// a look at them that finds one of them quarantined or outdated.
#[test]
fn a_hit_of_an_entry_with_further_tags_is_one_round_trip() {
    let server = RedisServer::start(&[]).unwrap();
    let backend = connect(&server.url(), NAMESPACE);
    let space = TagSpace::of(b"further");
    let tags: Vec<_> = (0..303).map(|n| Tag::any(space, &n.to_string())).collect();
    let (asked, further) = tags.split_at(3);
    let process = ProcessId::fresh();
    let epoch = backend.beat(process, &[space]).unwrap().epoch;
    backend.open(epoch, space, Opening::fresh()).unwrap();
    let key = Key::of_value(&ValueParts::default());
    let mut watch = Watch::start(&server);
    let ask = Ask::entry(&key, asked, Databases::One(space));
    let look = || backend.fetch(&ask).unwrap();
    assert!(matches!(judge(look(), asked), Judgement::Establish));
    assert_eq!(watch.seen(), ["fetch"]);
    // What a miss costs does not depend on them either.
    let captured = backend
        .fetch(&Ask {
            also: further,
            establish: true,
            ..ask
        })
        .unwrap();
    let also = captured.also.clone();
    let Judgement::Miss(mut vector) = judge(captured, asked) else {
        panic!("no tokens");
    };
    let also = also.iter().map(|state| match state {
        TagState::Clean(token) => *token,
        other => panic!("{other:?}"),
    });
    vector.tokens = vector.tokens.iter().copied().chain(also).collect();
    backend
        .put(key.clone(), entry(&tags, vector, b"rows"), None)
        .unwrap();
    assert_eq!(watch.seen(), ["capture", "put"]);
    for _ in 0..3 {
        assert!(matches!(judge(look(), asked), Judgement::Hit(_)));
        assert_eq!(watch.seen(), ["fetch"]);
    }
    let writer = Writer {
        id: WriterId::fresh(),
        process,
        space: Some(space),
        session: None,
    };
    backend.quarantine(&writer, &tags[200..201]).unwrap();
    assert!(matches!(judge(look(), asked), Judgement::Quarantined));
    backend.lift(writer.id, &[], Lift::Renew).unwrap();
    assert!(matches!(judge(look(), asked), Judgement::Miss(_)));
    assert_eq!(watch.seen(), ["quarantine", "fetch", "lift", "fetch"]);
}

/// No command whose cost grows with what is stored was ever used.
fn nothing_is_searched(world: &World) {
    let stats = world.server.info("commandstats").unwrap();
    for command in [
        "keys", "scan", "sscan", "hscan", "zscan", "sort", "flushall", "flushdb",
    ] {
        let used = stats
            .keys()
            .any(|name| name == &format!("cmdstat_{command}"));
        assert!(!used, "{command}: {stats:?}");
    }
}

#[test]
fn a_thousand_entries() {
    let mut world = World::new();
    fill(&world.server, 1000);
    costs(&mut world);
    world.cache.clear();
    nothing_is_searched(&world);
}

/// A million, or as many as `CACHE_TEST_ENTRIES` says.
#[test]
fn many_entries() {
    let count = std::env::var("CACHE_TEST_ENTRIES").map_or(1_000_000, |n| n.parse().unwrap());
    let mut world = World::new();
    fill(&world.server, count);
    let size = world.server.command(&["DBSIZE"]).unwrap().text().unwrap();
    assert!(size.parse::<usize>().unwrap() > count, "{size} keys");
    costs(&mut world);
    world.cache.clear();
    nothing_is_searched(&world);
}
