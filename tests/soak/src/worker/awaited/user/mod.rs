//! What a task of an application does. Compiled once per database.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_cache::asynchronous::AsyncCache;
use diesel_cache::{Cache, Outcome, Report};

use super::{Conn, RETURNS, bind, prepare};
use crate::chance::{Chance, Zipf};
use crate::event::Origin;
use crate::layout::{KEYS, Key, OWNERS, TABLES};
use crate::options::Path;
use crate::worker::awaited::give_up;
use crate::worker::log::Log;
use crate::worker::{Phase, Shared};

mod reads;
mod writes;

/// How many steps a task takes with one connection.
const STEPS: usize = 64;
/// How much more often popular rows are read, and some tables written.
const SKEW: f64 = 1.1;
const BUSYNESS: f64 = 1.2;
/// How long to wait for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a task waits before it tries again, or looks whether there is work.
const PAUSE: Duration = Duration::from_millis(2);
/// Of a hundred reads and writes, how many are given up, and how many times they wait at most.
const GIVEN_UP: usize = 3;
const WAITS: usize = 12;

/// Makes the pool and starts the tasks, on a runtime that lives as long as the process.
pub(in crate::worker) fn start(shared: &Arc<Shared>, cache: &Cache) -> Result<(), String> {
    let setup = &shared.setup;
    let threads = setup.options.threads;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let cache = AsyncCache::from(cache.clone());
    let pool = {
        let _inside = runtime.enter();
        pool(&setup.database, &cache, threads + 1)?
    };
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
        runtime.spawn(user.live(pool.clone()));
    }
    std::mem::forget(runtime);
    Ok(())
}

fn pool(url: &str, cache: &AsyncCache, size: usize) -> Result<Pool<Conn>, String> {
    let config = cache.manager_config_with::<Conn>(|conn| Box::pin(prepare(conn)));
    Pool::builder(AsyncDieselConnectionManager::new_with_config(url, config))
        .max_size(size)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE))
        .recycle_timeout(Some(PATIENCE))
        .runtime(deadpool::Runtime::Tokio1)
        .build()
        .map_err(|error| error.to_string())
}

/// A task of the application.
struct User {
    shared: Arc<Shared>,
    cache: AsyncCache,
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

/// The connection may be broken, or something on it was given up: take another.
struct Broken;

impl User {
    async fn live(mut self, pool: Pool<Conn>) {
        let mut obeyed = 0;
        loop {
            let order = self.shared.order();
            let (phase, number) = order;
            match phase {
                Phase::Work | Phase::Read => {
                    if let Some(mut conn) = self.connection(&pool).await {
                        for _ in 0..STEPS {
                            if self.shared.order() != order
                                || self.step(&mut conn, phase).await.is_err()
                            {
                                break;
                            }
                        }
                    }
                }
                Phase::Rest | Phase::Sweep => {
                    if obeyed != number {
                        if phase == Phase::Sweep && self.first {
                            self.sweep(&pool).await;
                        }
                        obeyed = number;
                        self.log.mark();
                        self.shared.resting.fetch_add(1, Ordering::SeqCst);
                    }
                    tokio::time::sleep(PAUSE).await;
                    self.log.mark();
                }
            }
        }
    }

    async fn connection(&mut self, pool: &Pool<Conn>) -> Option<Object<Conn>> {
        match pool.get().await {
            Ok(conn) => Some(conn),
            Err(_) => {
                self.log.failed();
                tokio::time::sleep(PAUSE).await;
                None
            }
        }
    }

    async fn step(&mut self, conn: &mut Conn, phase: Phase) -> Result<(), Broken> {
        if let Some(group) = self.shared.probe(&mut self.probed) {
            return self.read_all(conn, group).await;
        }
        if phase == Phase::Work && self.chance.percent(5) {
            self.write(conn).await
        } else {
            self.read(conn).await
        }
    }

    /// Reads each row once more, in each way.
    async fn sweep(&mut self, pool: &Pool<Conn>) {
        for table in 0..TABLES {
            for owner in 0..OWNERS {
                for _ in 0..100 {
                    let Some(mut conn) = self.connection(pool).await else {
                        continue;
                    };
                    if self.read_all(&mut conn, (table, owner)).await.is_ok() {
                        break;
                    }
                }
            }
        }
    }

    /// A row that is read, or written, often.
    fn popular(&mut self) -> Key {
        Key(self.popular.pick(&mut self.chance))
    }

    /// How often a future may wait before it is given up, if it is.
    fn patience(&mut self) -> Option<usize> {
        let given_up = self.chance.percent(GIVEN_UP);
        given_up.then(|| self.chance.below(WAITS))
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

/// Does it to the end, or gives it up.
async fn perhaps<T>(patience: Option<usize>, work: impl Future<Output = T>) -> Option<T> {
    match patience {
        Some(after) => give_up(after, work).await,
        None => Some(work.await),
    }
}
