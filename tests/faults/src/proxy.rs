//! A TCP proxy that fails on demand.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::TICK;
use crate::ports::free_port;

/// How long the connection to the server may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const CHUNK: usize = 64 << 10;

/// What a [`Proxy`] does with what comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Passes it on at once.
    #[default]
    Pass,
    /// Passes it on this much later, in each direction.
    Delay(Duration),
    /// Holds it back, in both directions, and passes it on when the mode changes to
    /// [`Pass`](Self::Pass): what a network does that is down for a while. A command may
    /// so be carried out long after its sender gave it up.
    Hold,
    /// Like [`Hold`](Self::Hold) for the server's answers only: commands are carried out.
    HoldAnswers,
    /// Takes it and loses it. What lost something is reset when the mode changes.
    Lose,
    /// Like [`Lose`](Self::Lose) for the server's answers only: commands are carried out.
    LoseAnswers,
    /// Resets all connections and accepts none.
    Refuse,
}

/// A proxy in front of one server, on a free loopback port. Dropping it resets its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    upstream: SocketAddr,
    listening: bool,
    ended: bool,
    accepted: u64,
    next: u64,
    links: Vec<Link>,
}

/// One connection through the proxy.
#[derive(Debug)]
struct Link {
    id: u64,
    client: TcpStream,
    server: TcpStream,
    /// Whether bytes of it were lost: nothing may follow them.
    lost: bool,
}

impl Link {
    /// Resets both ends, and wakes whoever waits for them.
    fn reset(&self) {
        for stream in [&self.client, &self.server] {
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        self.close();
    }

    fn close(&self) {
        for stream in [&self.client, &self.server] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

impl Mode {
    fn holds(self, direction: Direction) -> bool {
        match self {
            Self::Hold => true,
            Self::HoldAnswers => direction == Direction::ToClient,
            _ => false,
        }
    }

    fn loses(self, direction: Direction) -> bool {
        match self {
            Self::Lose => true,
            Self::LoseAnswers => direction == Direction::ToClient,
            _ => false,
        }
    }
}

impl Proxy {
    /// Starts a proxy in front of `upstream`, which need not accept connections yet.
    ///
    /// # Errors
    /// If no port can be listened at.
    pub fn start(upstream: SocketAddr) -> io::Result<Self> {
        let port = free_port()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                mode: Mode::Pass,
                upstream,
                listening: true,
                ended: false,
                accepted: 0,
                next: 0,
                links: Vec::new(),
            }),
            changed: Condvar::new(),
        });
        let own = Arc::clone(&shared);
        let acceptor = thread::spawn(move || own.accept(listener));
        Ok(Self {
            port,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:port/`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Changes what it does, for connections that there are as for new ones. When it returns,
    /// that is so.
    pub fn set(&self, mode: Mode) {
        let mut state = self.shared.lock();
        state.mode = mode;
        let (whole, lost) = state.links.drain(..).partition(|link| !link.lost);
        state.links = whole;
        lost.iter().for_each(Link::reset);
        self.shared.changed.notify_all();
        if mode == Mode::Refuse {
            state.reset_all();
            drop(state);
            self.wake();
            state = self.shared.lock();
        }
        let deadline = Instant::now() + CONNECT_LIMIT;
        while state.mode == mode
            && state.listening == (mode == Mode::Refuse)
            && Instant::now() < deadline
        {
            state = self.shared.wait(state, TICK);
        }
    }

    /// What it does now.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.shared.lock().mode
    }

    /// Resets every connection there is. New ones are not concerned.
    pub fn cut(&self) {
        self.shared.lock().reset_all();
        self.shared.changed.notify_all();
    }

    /// Leads new connections to another server. Those there are stay where they are.
    pub fn lead_to(&self, upstream: SocketAddr) {
        self.shared.lock().upstream = upstream;
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.lock().links.len()
    }

    /// How many connections it has accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.lock().accepted
    }

    /// Gets the acceptor out of its wait.
    fn wake(&self) {
        let _ = TcpStream::connect_timeout(&self.address(), CONNECT_LIMIT);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        state.reset_all();
        drop(state);
        self.shared.changed.notify_all();
        self.wake();
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl State {
    fn reset_all(&mut self) {
        for link in self.links.drain(..) {
            link.reset();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        let woken = self.changed.wait_timeout(state, limit);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    fn accept(self: &Arc<Self>, listener: TcpListener) {
        let Ok(address) = listener.local_addr() else {
            return;
        };
        let mut listener = Some(listener);
        loop {
            let mut state = self.lock();
            if state.ended {
                return;
            }
            if state.mode == Mode::Refuse {
                listener = None;
                state.listening = false;
                self.changed.notify_all();
                drop(self.wait(state, TICK));
                continue;
            }
            if listener.is_none() {
                listener = TcpListener::bind(address).ok();
                state.listening = listener.is_some();
                self.changed.notify_all();
            }
            drop(state);
            match listener.as_ref().map(TcpListener::accept) {
                Some(Ok((client, _))) => self.link(client),
                Some(Err(_)) | None => thread::sleep(TICK),
            }
        }
    }

    /// Connects a client to the server, unless nobody is to be.
    fn link(self: &Arc<Self>, client: TcpStream) {
        let state = self.lock();
        if state.ended || state.mode == Mode::Refuse {
            return;
        }
        let upstream = state.upstream;
        drop(state);
        let linked = TcpStream::connect_timeout(&upstream, CONNECT_LIMIT).and_then(|server| {
            client.set_nodelay(true)?;
            server.set_nodelay(true)?;
            let ends = (client.try_clone()?, server.try_clone()?);
            Ok((ends, (client.try_clone()?, server.try_clone()?), server))
        });
        let Ok((up, down, server)) = linked else {
            let _ = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
            return;
        };
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        state.accepted += 1;
        state.links.push(Link {
            id,
            client,
            server,
            lost: false,
        });
        if state.ended || state.mode == Mode::Refuse {
            state.reset_all();
        }
        drop(state);
        for ((from, to), direction) in [
            (up, Direction::ToServer),
            ((down.1, down.0), Direction::ToClient),
        ] {
            let own = Arc::clone(self);
            thread::spawn(move || {
                own.forward(id, from, to, direction);
                own.finish(id);
            });
        }
    }

    fn forward(&self, id: u64, mut from: TcpStream, mut to: TcpStream, direction: Direction) {
        let mut chunk = vec![0; CHUNK];
        loop {
            let Ok(length @ 1..) = from.read(&mut chunk) else {
                return;
            };
            let Some(passes) = self.decide(id, direction) else {
                return;
            };
            if passes && to.write_all(&chunk[..length]).is_err() {
                return;
            }
        }
    }

    /// Waits as the mode says; then whether a chunk passes (or is lost). `None` if the
    /// connection has ended meanwhile.
    fn decide(&self, id: u64, direction: Direction) -> Option<bool> {
        let came = Instant::now();
        let mut state = self.lock();
        loop {
            let mode = state.mode;
            let link = state.links.iter_mut().find(|link| link.id == id)?;
            if mode.loses(direction) {
                link.lost = true;
                return Some(false);
            }
            let left = match mode {
                Mode::Delay(delay) => delay.saturating_sub(came.elapsed()),
                _ if mode.holds(direction) => Duration::from_secs(1),
                _ => Duration::ZERO,
            };
            if left.is_zero() {
                return Some(true);
            }
            state = self.wait(state, left);
        }
    }

    /// One direction has ended: the connection ends.
    fn finish(&self, id: u64) {
        let mut state = self.lock();
        if let Some(at) = state.links.iter().position(|link| link.id == id) {
            state.links.swap_remove(at).close();
        }
        self.changed.notify_all();
    }
}
