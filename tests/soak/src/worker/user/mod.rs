//! What a thread of an application does. Compiled once per database.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use diesel::connection::Instrumentation;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Error as PoolError, Pool};
use diesel_cache::{Cache, Outcome, Report};

use super::{Conn, READS_FIRST, bind, prepare};
use crate::chance::{Chance, Zipf};
use crate::event::Origin;
use crate::layout::{KEYS, Key, OWNERS, TABLES};
use crate::options::Path;
use crate::worker::log::Log;
use crate::worker::{Phase, Shared};

mod raw;
mod reads;
mod typed;
mod writes;

/// How many steps a thread takes with one connection.
const STEPS: usize = 64;
/// How much more often popular rows are read.
const SKEW: f64 = 1.1;
/// How much more often some tables are written: others keep what is cached for long.
const BUSYNESS: f64 = 1.2;
/// How long to wait for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a thread waits before it tries again, or looks whether there is work.
const PAUSE: Duration = Duration::from_millis(2);

type Connections = Pool<ConnectionManager<Conn>>;

/// Prepares each connection, then attaches the cache to it.
#[derive(Debug)]
struct Customizer(Cache);

impl CustomizeConnection<Conn, PoolError> for Customizer {
    fn on_acquire(&self, conn: &mut Conn) -> Result<(), PoolError> {
        prepare(conn).map_err(PoolError::QueryError)?;
        self.0.customizer().on_acquire(conn)
    }

    fn on_release(&self, conn: Conn) {
        self.0.customizer().on_release(conn);
    }
}

/// Makes the pool and starts the threads.
pub(in crate::worker) fn start(shared: &Arc<Shared>, cache: &Cache) -> Result<(), String> {
    // Nobody needs to read that a connection failed where connections are made to fail.
    let _ =
        diesel::connection::set_default_instrumentation(|| -> Option<Box<dyn Instrumentation>> {
            None
        });
    let setup = &shared.setup;
    let threads = setup.options.threads;
    let pool = Pool::builder()
        .max_size(threads as u32 + 1)
        .min_idle(Some(0))
        .connection_timeout(PATIENCE)
        .error_handler(Box::new(diesel::r2d2::NopErrorHandler))
        .connection_customizer(Box::new(Customizer(cache.clone())))
        .build_unchecked(ConnectionManager::new(&setup.database));
    typed::register(cache);
    let popular = Arc::new(Zipf::new(KEYS, SKEW, setup.options.seed));
    let busy = Arc::new(Zipf::new(TABLES, BUSYNESS, setup.options.seed + 1));
    for thread in 0..threads {
        let number = setup.slot * threads + thread;
        let log = Log::open(&setup.socket, number).map_err(|error| error.to_string())?;
        let part = setup.life << 16 | number as u64;
        let user = User {
            shared: Arc::clone(shared),
            cache: cache.clone(),
            log,
            chance: Chance::of(setup.options.seed, part),
            popular: Arc::clone(&popular),
            busy: Arc::clone(&busy),
            report: Report::new(),
            path: setup.options.path,
            first: thread == 0,
            probed: 0,
        };
        let pool = pool.clone();
        thread::spawn(move || user.live(&pool));
    }
    Ok(())
}

/// A thread of the application.
struct User {
    shared: Arc<Shared>,
    cache: Cache,
    log: Log,
    chance: Chance,
    popular: Arc<Zipf>,
    busy: Arc<Zipf>,
    report: Report,
    path: Path,
    /// Whether it is the one that sweeps.
    first: bool,
    /// How many probes it has read.
    probed: usize,
}

/// The connection may be broken: take another.
struct Broken;

impl User {
    fn live(mut self, pool: &Connections) {
        let mut obeyed = 0;
        loop {
            let order = self.shared.order();
            let (phase, number) = order;
            match phase {
                Phase::Work | Phase::Read => {
                    self.use_one(pool, |user, conn| {
                        (0..STEPS).try_for_each(|_| {
                            if user.shared.order() == order {
                                user.step(conn, phase)
                            } else {
                                Ok(())
                            }
                        })
                    });
                }
                Phase::Rest | Phase::Sweep => {
                    if obeyed != number {
                        if phase == Phase::Sweep && self.first {
                            self.sweep(pool);
                        }
                        obeyed = number;
                        self.log.mark();
                        self.shared.resting.fetch_add(1, Ordering::SeqCst);
                    }
                    thread::sleep(PAUSE);
                    self.log.mark();
                }
            }
        }
    }

    /// Does something with a connection. Returns whether there was one, and it was whole.
    fn use_one(
        &mut self,
        pool: &Connections,
        run: impl FnOnce(&mut Self, &mut Conn) -> Result<(), Broken>,
    ) -> bool {
        match pool.get() {
            Ok(mut conn) => run(self, &mut conn).is_ok(),
            Err(_) => {
                self.log.failed();
                thread::sleep(PAUSE);
                false
            }
        }
    }

    fn step(&mut self, conn: &mut Conn, phase: Phase) -> Result<(), Broken> {
        if let Some(group) = self.shared.probe(&mut self.probed) {
            return self.read_all(conn, group);
        }
        if phase == Phase::Work && self.chance.percent(5) {
            self.write(conn)
        } else {
            self.read(conn)
        }
    }

    /// Reads each row once more, in each way.
    fn sweep(&mut self, pool: &Connections) {
        for table in 0..TABLES {
            for owner in 0..OWNERS {
                let group = (table, owner);
                let mut tries = 0;
                while tries < 100 && !self.use_one(pool, |user, conn| user.read_all(conn, group)) {
                    tries += 1;
                }
            }
        }
    }

    /// A row that is read, or written, often.
    fn popular(&mut self) -> Key {
        Key(self.popular.pick(&mut self.chance))
    }

    /// Where the last read's rows came from.
    fn origin(&self) -> Origin {
        match self.report.outcome() {
            Some(Outcome::Hit) => Origin::Hit,
            Some(Outcome::Miss { .. }) => Origin::Miss,
            _ => Origin::Bypass,
        }
    }
}
