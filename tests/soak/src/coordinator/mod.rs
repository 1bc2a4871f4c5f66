//! The coordinator: it starts everything, breaks it, and judges what the workers saw.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::fault::Kind;
use crate::options::{Level, Options};

mod collector;
mod database;
mod disguise;
mod files;
mod lanes;
mod oracle;
mod outsider;
mod store;
mod summary;
mod timeline;
mod workers;

use self::collector::Collector;
use self::database::Db;
use self::lanes::{Lane, World};
use self::oracle::Oracle;
use self::outsider::Outsider;
use self::store::Store;
use self::summary::Found;
use self::timeline::Timeline;
use self::workers::{Inputs, Workers};

/// How long reads go on after the last fault has healed.
const CALM: Duration = Duration::from_secs(5);
/// How long the cache has to come back before reads are counted.
const RECOVERY: Duration = Duration::from_secs(3);
/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(10);

/// What came out of a run.
pub(crate) struct Outcome {
    /// One line of JSON.
    pub(crate) line: String,
    /// What was promised and not kept.
    pub(crate) broken: Vec<String>,
}

/// Runs.
///
/// # Errors
/// What the harness itself could not do.
pub(crate) fn run(options: &Options) -> Result<Outcome, String> {
    let db = Db::start(options)?;
    let store = Store::start(options)?;
    let collector = Collector::start(options)?;
    let timeline = Timeline::start(&collector);
    let inputs = Inputs::default();
    let oracle = Oracle::start(&db, &collector, inputs.clone());
    let workers = Workers::start(options, &db, &store, &collector, inputs)?;
    let outsider = Outsider::start(options, &db, &collector)?;
    eprintln!("soak: {}", options.command());
    workers.tell_all("work");
    let began = Instant::now();
    // The cache fills, and the gate opens.
    thread::sleep(Duration::from_secs(1).min(Duration::from_secs(options.seconds)));
    let until = began + Duration::from_secs(options.seconds);
    let world = World {
        options,
        workers: &workers,
        store: &store,
        db: &db,
        timeline: &timeline,
        oracle: &oracle,
        met: Mutex::default(),
    };
    let broken = thread::scope(|scope| {
        let lanes: Vec<_> = Lane::of(&options.faults)
            .into_iter()
            .enumerate()
            .map(|(number, lane)| {
                let chance = Chance::of(options.seed, 1 << 40 | number as u64);
                let world = &world;
                scope.spawn(move || lane.run(world, chance, until))
            })
            .collect();
        let mut told = Instant::now();
        while Instant::now() < until || lanes.iter().any(|lane| !lane.is_finished()) {
            thread::sleep(Duration::from_millis(50));
            workers.replace_dead();
            if told.elapsed() > PROGRESS {
                told = Instant::now();
                eprintln!(
                    "soak: {:>4.0} s: {}",
                    began.elapsed().as_secs_f64(),
                    collector.progress()
                );
            }
        }
        let mut broken = Vec::new();
        for lane in lanes {
            match lane.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => broken.push(format!("a fault could not be made: {error}")),
                Err(_) => broken.push("a lane of faults panicked".to_owned()),
            }
        }
        broken
    });
    store.heal()?;
    db.heal();
    workers.replace_dead();
    // The cache has to come back by itself.
    thread::sleep(RECOVERY);
    timeline.enter(Kind::CALM);
    thread::sleep(CALM);
    let outside = outsider.map_or(Ok(0), Outsider::end)?;
    finish(&world)?;
    let met = world
        .met
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let stats = workers.stats();
    let died = workers.end();
    // All streams have to end before everything can be judged.
    drop((workers, oracle, timeline));
    let tally = collector.finish()?;
    let found = Found {
        tally: &tally,
        stats: &stats,
        met: &met,
        outside,
        stuck: collector.stuck(),
        duration: began.elapsed(),
    };
    let mut outcome = summary::of(options, &found);
    outcome.broken.extend(broken);
    outcome.broken.extend(died);
    Ok(outcome)
}

/// Everybody rests, the database is asked for everything, and then the caches are.
fn finish(world: &World<'_>) -> Result<(), String> {
    world.workers.tell_all("rest");
    world.workers.await_all("resting")?;
    world.oracle.ask_all()?;
    // What may be answered without asking was said before; and what others wrote is relayed.
    let lag = match world.options.level {
        Level::Durable => world.options.lag_ms,
        _ => 0,
    };
    thread::sleep(Duration::from_millis(world.options.staleness_ms + lag));
    world.timeline.enter(Kind::AT_END);
    world.workers.tell_all("sweep");
    world.workers.await_all("swept")
}
