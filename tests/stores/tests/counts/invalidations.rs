//! Invalidations leave nothing behind.

use diesel_cache::backend::{CacheBackend, Writer};
use diesel_cache::database::TagSpace;
use diesel_cache::protocol::Lift;
use diesel_cache::tag::Tag;
use diesel_cache::token::{ProcessId, WriterId};
use diesel_cache_faults::RedisServer;
use diesel_cache_stores::connect;

/// How many tags one invalidation has.
const TAGS: usize = 4;
/// How many threads invalidate at once.
const THREADS: usize = 8;
/// How far the memory may be from where it was: buffers of connections, and the allocator.
const TOLERANCE: u64 = 4 << 20;

/// A million, or as many as `CACHE_TEST_INVALIDATIONS` says; each is of tags that nothing else has.
#[test]
fn invalidations_leave_the_memory_where_it_was() {
    let named = std::env::var("CACHE_TEST_INVALIDATIONS");
    let count: usize = named.map_or(1_000_000, |n| n.parse().unwrap());
    let server = RedisServer::start(&[]).unwrap();
    invalidate(&server, 0..10_000);
    let (memory, keys) = (used(&server), size(&server));
    invalidate(&server, 10_000..10_000 + count);
    let (after, keys_after) = (used(&server), size(&server));
    eprintln!(
        "{count} invalidations: {memory} bytes and {keys} keys before, {after} and {keys_after} after"
    );
    assert_eq!(keys_after, keys);
    assert!(after < memory + TOLERANCE, "{memory} bytes, then {after}");
}

fn invalidate(server: &RedisServer, numbers: std::ops::Range<usize>) {
    let backend = connect(&server.url(), "invalidations");
    let (backend, process) = (&backend, ProcessId::fresh());
    let space = TagSpace::of(b"invalidations");
    std::thread::scope(|scope| {
        for part in 0..THREADS {
            let numbers = numbers.clone();
            scope.spawn(move || {
                for number in numbers.skip(part).step_by(THREADS) {
                    let tag = |n| Tag::any(space, &format!("{number} {n}"));
                    let tags: [Tag; TAGS] = std::array::from_fn(tag);
                    if number % 4 == 0 {
                        backend.renew(&tags).unwrap();
                        continue;
                    }
                    let writer = Writer {
                        id: WriterId::fresh(),
                        process,
                        space: Some(space),
                        session: Some("a session"),
                    };
                    backend.quarantine(&writer, &tags).unwrap();
                    let how = if number % 4 == 1 {
                        Lift::Restore
                    } else {
                        Lift::Renew
                    };
                    backend.lift(writer.id, &tags, how).unwrap();
                }
            });
        }
    });
}

fn used(server: &RedisServer) -> u64 {
    server.info("memory").unwrap()["used_memory"]
        .parse()
        .unwrap()
}

fn size(server: &RedisServer) -> String {
    server.command(&["DBSIZE"]).unwrap().text().unwrap()
}
