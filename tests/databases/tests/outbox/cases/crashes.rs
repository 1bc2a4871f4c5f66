//! Processes that are killed at every point, with the store in reach or not: nothing that they
//! committed is lost.
//!
//! By default a part of them; all, with `CACHE_TEST_CRASHES=all`.

use std::process::Command;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel_cache::backend::{CacheBackend, Holder, RedisBackend, RedisOptions};
use diesel_cache::{Cache, CachedDsl, Level, Outcome, Report};
use diesel_cache_faults::RedisServer;

use super::engine::{self, Arena, Conn};
use super::kit::{authors, posts, relayed, until_empty, with_outbox, with_triggers};

/// What is done on the explicit path, and what needs triggers.
const EXPLICIT: [&str; 3] = ["one", "two", "gone"];
const TRIGGERED: [&str; 7] = ["one", "two", "gone", "plain", "both", "undone", "other"];

/// The scripts: each of one or two steps, with the store out of reach from some call on.
fn scripts(steps: &[&str]) -> Vec<String> {
    let mut plays: Vec<String> = steps.iter().map(|one| format!("{one} rest")).collect();
    for one in steps {
        plays.extend(steps.iter().map(|two| format!("{one} {two} rest")));
    }
    let mut scripts = Vec::new();
    for play in plays {
        scripts.push(play.clone());
        let down = (0..4).map(|call| format!("{play} down={call}"));
        let deaf = (0..2).map(|call| format!("{play} deaf={call}"));
        scripts.extend(down.chain(deaf));
    }
    scripts
}

/// The rows of the blog, each read by itself and all at once; and whether all were hits.
fn read(conn: &mut Conn, cached: bool) -> (Vec<String>, bool) {
    let report = Report::new();
    let mut hits = true;
    let mut found = Vec::new();
    for id in 1..=4 {
        let query = posts::table.filter(posts::id.eq(id)).select(posts::title);
        let titles: Vec<String> = match cached {
            true => query.cached().report(&report).load(conn),
            false => query.load(conn),
        }
        .unwrap();
        hits &= !cached || report.outcome() == Some(Outcome::Hit);
        found.push(format!("{titles:?}"));
    }
    let query = authors::table.select(authors::name).order(authors::id);
    let names: Vec<String> = match cached {
        true => query.cached().report(&report).load(conn),
        false => query.load(conn),
    }
    .unwrap();
    hits &= !cached || report.outcome() == Some(Outcome::Hit);
    found.push(format!("{names:?}"));
    (found, hits)
}

/// Those who live on.
struct World {
    arena: Arena,
    server: RedisServer,
    plain: Conn,
    /// How many crashes there were.
    crashes: u64,
    /// How many of those left something that another had to tell.
    left: u64,
}

impl World {
    fn new(arena: Arena) -> Self {
        Self {
            plain: arena.connect(),
            server: RedisServer::start(&[]).unwrap(),
            arena,
            crashes: 0,
            left: 0,
        }
    }

    fn cache(&self) -> Cache {
        let builder = Cache::builder()
            .url(format!(
                "{}?io_timeout=20s&connect_timeout=20s",
                self.server.url()
            ))
            .level(Level::Durable);
        let builder = relayed(builder, &self.arena).relay_interval(Duration::from_millis(2));
        builder.build().unwrap()
    }

    /// Who has announced a write and not said how it ended.
    fn holders(&self) -> Vec<Holder> {
        let mut options = RedisOptions::default();
        options.io_timeout = Duration::from_secs(20);
        let store = RedisBackend::connect(&self.server.url(), options).unwrap();
        store.holders(&[]).unwrap()
    }

    /// A process lives, up to its end. Returns whether it was killed on the way.
    fn live(&self, script: &str) -> bool {
        let output = Command::new(env!("CARGO_BIN_EXE_crashing"))
            .args([engine::NAME, &self.arena.url(), &self.server.url(), script])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(complained.is_empty(), "{script}: {complained}");
        !said.contains("done")
    }

    /// Somebody comes to life again, and must find nothing stale; and leaves everything cached.
    fn judge(&mut self, what: &str) {
        let truth = read(&mut self.plain, false).0;
        let cache = self.cache();
        let mut conn = super::kit::attached(&cache, &self.arena);
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let (found, hits) = read(&mut conn, true);
            assert_eq!(found, truth, "{}: STALE after `{what}`", engine::NAME);
            // Everything is cached again, so that the next process can leave it stale.
            if hits {
                break;
            }
            assert!(
                Instant::now() < limit,
                "{what}: {:?} are quarantined: {:?}",
                self.holders(),
                cache.stats().bypasses
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        until_empty(&mut self.plain);
        let (found, _) = read(&mut conn, true);
        assert_eq!(found, truth, "{}: STALE after `{what}`", engine::NAME);
        self.left += u64::from(cache.stats().relayed > 0);
    }

    /// A script, killed at each point in turn, from the first on in steps of `stride`; and what
    /// tells of what it left, killed as well.
    fn enumerate(&mut self, script: &str, first: usize, stride: usize, twice: bool) {
        let mut point = first;
        loop {
            let killed = self.live(&format!("{script} kill={point}"));
            if twice {
                for point in 1..=4 {
                    self.crashes += u64::from(self.live(&format!("rest kill={point}")));
                }
            }
            self.crashes += u64::from(killed);
            self.judge(&format!("{script} kill={point}"));
            if !killed {
                return;
            }
            point += stride;
        }
    }
}

fn crash_everywhere(arena: Arena, steps: &[&str]) {
    let all = std::env::var("CACHE_TEST_CRASHES").is_ok_and(|which| which == "all");
    // A process takes longer to connect to a server.
    let part = if engine::NAME == "sqlite" { 13 } else { 40 };
    let mut world = World::new(arena);
    world.judge("nothing");
    let began = Instant::now();
    for (number, script) in scripts(steps).iter().enumerate() {
        if all {
            world.enumerate(script, 1, 1, number % 8 == 0);
        } else if number % part == 3 {
            world.enumerate(script, 1 + number % 5, 5, number % 2 == 0);
        }
        if all && number % 50 == 0 {
            eprintln!(
                "{}: {number} scripts, {} crashes, {} left something, {:?}",
                engine::NAME,
                world.crashes,
                world.left,
                began.elapsed()
            );
        }
    }
    eprintln!(
        "{}: {} crashes, {} left something to be told, {:?}",
        engine::NAME,
        world.crashes,
        world.left,
        began.elapsed()
    );
    assert!(
        world.crashes >= 8 && world.left >= 2,
        "{} {}",
        world.crashes,
        world.left
    );
}

#[test]
fn nothing_is_lost_with_triggers() {
    crash_everywhere(with_triggers(), &TRIGGERED);
}

#[test]
fn nothing_is_lost_on_the_explicit_path() {
    crash_everywhere(with_outbox(), &EXPLICIT);
}
