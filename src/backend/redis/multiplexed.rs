//! One connection for all tasks of a runtime: what they send overlaps, and each awaits its own
//! answer.
//!
//! The connection is redis-rs' [`MultiplexedConnection`]; whose it is, and when it is made anew, is
//! decided here. Each one is greeted and judged as a connection that blocks is: so it belongs to one
//! server in one term, and a new one learns its incarnation. (redis-rs' own `ConnectionManager`
//! connects anew beneath whoever uses it, who would go on under the names of the term before.)

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redis::aio::{AsyncStream, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, Value};
use tokio::net::TcpStream;
use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;
use tokio::time::timeout_at;

use super::address::Place;
use super::call::Line;
use super::failure::{Failure, Loss, of_client};
use super::manager::Manager;
use super::server::Server;
use super::transport::Cover;

/// The connections of this process, one for each runtime that asks.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<HashMap<Id, Arc<Slot>>>);

/// Where the connection of a runtime stands.
#[derive(Debug, Default)]
struct Slot {
    line: RwLock<Option<Arc<Shared>>>,
    /// Held by the one who makes another.
    making: Arc<tokio::sync::Mutex<()>>,
    /// How many were tried to be made.
    tries: AtomicU64,
}

/// A connection that has been greeted.
#[derive(Debug)]
struct Shared {
    conn: MultiplexedConnection,
    server: Server,
    /// How often all connections had been given up when it was made.
    age: u64,
    commands: AtomicU64,
    /// Whether it must not be used again.
    dead: AtomicBool,
    /// What sends and receives.
    driver: AbortHandle,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Shared {
    fn is_current(&self, manager: &Manager) -> bool {
        !self.dead.load(Ordering::Acquire)
            && self.age == manager.age()
            && !self.driver.is_finished()
    }
}

impl Slot {
    fn current(&self, manager: &Manager) -> Option<Arc<Shared>> {
        let line = self.line.read().unwrap_or_else(PoisonError::into_inner);
        let line = line.as_ref().filter(|line| line.is_current(manager));
        line.map(Arc::clone)
    }

    fn set(&self, line: Option<Arc<Shared>>) {
        *self.line.write().unwrap_or_else(PoisonError::into_inner) = line;
    }

    /// Whether its runtime is gone, or nothing has come of it.
    fn is_idle(&self) -> bool {
        let line = self.line.read().unwrap_or_else(PoisonError::into_inner);
        line.as_ref().is_none_or(|line| line.driver.is_finished())
    }
}

/// A task's use of a connection.
#[derive(Debug)]
pub(super) struct Use(Arc<Shared>);

impl Use {
    pub(super) fn age(&self) -> u64 {
        self.0.age
    }
}

impl Line for Use {
    fn server(&self) -> &Server {
        &self.0.server
    }

    fn number(&mut self) -> u64 {
        self.0.commands.fetch_add(1, Ordering::Relaxed)
    }

    async fn exchange(&mut self, command: Cmd, deadline: Instant) -> Result<Value, Failure> {
        // Given up, it is answered all the same, to nobody: the others are not out of step.
        exchange(&mut self.0.conn.clone(), &command, deadline).await
    }

    fn judged(&mut self, is_sound: bool) {
        // Those who wait for an answer on it still get theirs.
        if !is_sound {
            self.0.dead.store(true, Ordering::Release);
        }
    }
}

async fn exchange(
    conn: &mut MultiplexedConnection,
    command: &Cmd,
    deadline: Instant,
) -> Result<Value, Failure> {
    let answer = timeout_at(deadline.into(), conn.send_packed_command(command));
    match answer.await {
        Ok(answer) => answer.map_err(|error| of_client(&error)),
        Err(_) => Err(Failure::Lost(Loss::Slow)),
    }
}

impl Lines {
    /// The connection of this runtime; made, if there is none that may be used.
    ///
    /// # Errors
    /// If there is none in that time.
    pub(super) async fn get(&self, manager: &Manager, patience: Duration) -> Result<Use, Failure> {
        let unreachable = Failure::Lost(Loss::Unreachable);
        let Ok(runtime) = Handle::try_current() else {
            return Err(unreachable);
        };
        let slot = self.slot(runtime.id());
        if let Some(line) = slot.current(manager) {
            return Ok(Use(line));
        }
        let end = tokio::time::Instant::now() + patience;
        let late = || manager.problem().unwrap_or(unreachable.clone());
        let tries = slot.tries.load(Ordering::Acquire);
        // One makes it, the others wait, also for its failure. Whoever began goes on to the end, also when given up.
        let turn = timeout_at(end, Arc::clone(&slot.making).lock_owned());
        let turn = turn.await.map_err(|_| late())?;
        if let Some(line) = slot.current(manager) {
            return Ok(Use(line));
        }
        if slot.tries.load(Ordering::Acquire) != tries {
            return Err(late());
        }
        let manager_of_task = manager.clone();
        let made = runtime.spawn(async move {
            let made = make(&manager_of_task).await.map(Arc::new);
            manager_of_task.note(made.as_ref().err().cloned());
            slot.set(made.as_ref().ok().cloned());
            slot.tries.fetch_add(1, Ordering::AcqRel);
            drop(turn);
            made
        });
        match timeout_at(end, made).await {
            Ok(Ok(made)) => made.map(Use),
            Ok(Err(_)) => Err(unreachable),
            Err(_) => Err(late()),
        }
    }

    fn slot(&self, runtime: Id) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&runtime) {
            return Arc::clone(slot);
        }
        // rule: a-runtime-that-is-gone-leaves-nothing
        slots.retain(|_, slot| !slot.is_idle());
        Arc::clone(slots.entry(runtime).or_default())
    }
}

/// Makes a connection.
async fn make(manager: &Manager) -> Result<Shared, Failure> {
    let target = manager.target();
    let age = manager.age();
    let deadline = Instant::now() + target.connect_timeout;
    let place = {
        let manager = manager.clone();
        // Nodes and sentinels are asked by connections that block, and are few.
        let located = tokio::task::spawn_blocking(move || manager.locate(deadline));
        located.await.map_err(|_| Failure::Lost(Loss::Broken))??
    };
    let stream = timeout_at(deadline.into(), connect(&place, &target.cover)).await;
    let stream = stream.map_err(|_| Failure::Lost(Loss::Unreachable))??;
    // It introduces itself below, so that what the server says is judged in one place.
    let introduction = RedisConnectionInfo::default().set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let made = MultiplexedConnection::new_with_config(&introduction, stream, config);
    let (mut conn, driver) = made.await.map_err(|error| of_client(&error))?;
    let driver = tokio::spawn(driver).abort_handle();
    let greeted = async {
        let login = target.login();
        let mut answers = Vec::new();
        for command in login.commands() {
            answers.push(exchange(&mut conn, &command, deadline).await);
        }
        login.check(&mut answers.into_iter())?;
        target.judge(exchange(&mut conn, &redis::cmd("INFO"), deadline).await)
    };
    let server = match greeted.await {
        Ok(server) => server,
        Err(failure) => {
            driver.abort();
            return Err(failure);
        }
    };
    Ok(Shared {
        conn,
        server,
        age,
        commands: AtomicU64::new(0),
        dead: AtomicBool::new(false),
        driver,
    })
}

type Stream = std::pin::Pin<Box<dyn AsyncStream + Send + Sync>>;

async fn connect(place: &Place, cover: &Cover) -> Result<Stream, Failure> {
    match place {
        Place::Tcp(host, port) => {
            let socket = TcpStream::connect((&**host, *port)).await?;
            // rule: no-small-write-waits-for-more
            socket.set_nodelay(true)?;
            match cover {
                None => Ok(Box::pin(socket)),
                #[cfg(feature = "tls")]
                Some(tls) => Ok(Box::pin(tls.cover_awaited(host, socket).await?)),
                #[cfg(not(feature = "tls"))]
                Some(never) => match *never {},
            }
        }
        #[cfg(unix)]
        Place::Unix(path) => Ok(Box::pin(tokio::net::UnixStream::connect(path).await?)),
        #[cfg(not(unix))]
        Place::Unix(_) => Err(std::io::Error::from(std::io::ErrorKind::Unsupported).into()),
    }
}
