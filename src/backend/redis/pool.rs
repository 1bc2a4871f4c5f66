//! The pool of connections, one for each process that a program forks into.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use r2d2::{HandleError, PooledConnection};
use scheduled_thread_pool::ScheduledThreadPool;

use super::failure::{Failure, Loss};
use super::manager::{Manager, Target};

/// The pools of this process and of those it was forked from. Neither the connections nor the
/// thread that makes them may be used by a child, and its parent's locks may be held for ever.
pub(super) struct Pools {
    target: Arc<Target>,
    size: u32,
    first: OnceLock<Box<Pool>>,
}

impl std::fmt::Debug for Pools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pools")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// The pool of one process.
pub(super) struct Pool {
    process: u32,
    manager: Manager,
    pool: r2d2::Pool<Manager>,
    #[cfg(feature = "async")]
    lines: super::multiplexed::Lines,
    size: u32,
    /// That of a child.
    next: OnceLock<Box<Pool>>,
}

/// The threads that make connections: few for all pools of a process, and others for a child.
struct Threads {
    process: u32,
    pool: Arc<ScheduledThreadPool>,
    next: OnceLock<Box<Threads>>,
}

impl Threads {
    // rule: pools-share-their-threads
    fn current() -> Arc<ScheduledThreadPool> {
        static FIRST: OnceLock<Box<Threads>> = OnceLock::new();
        let process = std::process::id();
        let mut place = &FIRST;
        loop {
            let threads = place.get_or_init(|| Box::new(Self::new(process)));
            if threads.process == process {
                return Arc::clone(&threads.pool);
            }
            place = &threads.next;
        }
    }

    fn new(process: u32) -> Self {
        // One store that does not answer must not keep all others waiting.
        let pool = ScheduledThreadPool::builder()
            .num_threads(2)
            .thread_name_pattern("diesel-cache-redis-{}")
            .build();
        Self {
            process,
            pool: Arc::new(pool),
            next: OnceLock::new(),
        }
    }
}

/// Says so when connections cannot be made, at the first failure of each kind.
#[derive(Debug, Default)]
struct Log(std::sync::Mutex<Option<Failure>>);

impl HandleError<Failure> for Log {
    fn handle_error(&self, failure: Failure) {
        let mut last = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.as_ref() != Some(&failure) {
            log::warn!("no connection to the cache's store: {failure}");
            *last = Some(failure);
        }
    }
}

impl Pools {
    pub(super) fn new(target: Arc<Target>, size: u32) -> Self {
        Self {
            target,
            size: size.max(1),
            first: OnceLock::new(),
        }
    }

    /// The pool of this process. Nothing is connected before it is needed.
    pub(super) fn current(&self) -> &Pool {
        let process = std::process::id();
        let mut place = &self.first;
        loop {
            let pool = place.get_or_init(|| Box::new(Pool::new(&self.target, self.size, process)));
            if pool.process == process {
                return pool;
            }
            place = &pool.next;
        }
    }
}

impl Pool {
    fn new(target: &Arc<Target>, size: u32, process: u32) -> Self {
        let manager = Manager::new(Arc::clone(target));
        let pool = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .test_on_check_out(false)
            // How long r2d2 waits between two attempts goes by half of this.
            .connection_timeout(target.connect_timeout.saturating_mul(2))
            .thread_pool(Threads::current())
            .error_handler(Box::<Log>::default())
            .build_unchecked(manager.clone());
        Self {
            process,
            manager,
            pool,
            #[cfg(feature = "async")]
            lines: Default::default(),
            size,
            next: OnceLock::new(),
        }
    }

    pub(super) fn manager(&self) -> &Manager {
        &self.manager
    }

    /// The connections that tasks share.
    #[cfg(feature = "async")]
    pub(super) fn lines(&self) -> &super::multiplexed::Lines {
        &self.lines
    }

    /// A connection that may be used.
    ///
    /// # Errors
    /// If there is none in that time.
    pub(super) fn get(&self, patience: Duration) -> Result<PooledConnection<Manager>, Failure> {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(mut link) = self.pool.get_timeout(left) else {
                let state = self.pool.state();
                let busy = state.connections >= self.size && state.idle_connections == 0;
                let problem = if busy { None } else { self.manager.problem() };
                return Err(problem.unwrap_or(Failure::Lost(if busy {
                    Loss::Busy
                } else {
                    Loss::Unreachable
                })));
            };
            if self.manager.is_current(&link) {
                return Ok(link);
            }
            // It was given up while it lay in the pool. The pool drops it when it comes back.
            link.poison();
        }
    }
}
