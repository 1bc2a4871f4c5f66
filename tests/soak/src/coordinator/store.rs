//! The store of a run, and how it is broken.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use diesel_cache_faults::{Mode, Proxy, RedisServer, Reply};

use crate::chance::Chance;
use crate::coordinator::disguise::Disguise;
use crate::coordinator::files::Files;
use crate::fault::Kind;
use crate::options::{Backend, Level, Options, Sabotage};

/// Where the entries of a run are.
#[derive(Debug)]
pub(super) enum Store {
    /// In the worker.
    Memory,
    /// On a server with a network of its own.
    Server(Shared),
    /// In a folder.
    Files(Files),
}

#[derive(Debug)]
pub(super) struct Shared {
    /// Whoever holds it may break it.
    server: Mutex<RedisServer>,
    proxy: Proxy,
    /// Whether the proxy leads to a [`Disguise`].
    disguised: bool,
    /// Whether it is out of reach for long at times: up to a minute, or a tenth of the run.
    longest: Option<u64>,
}

impl Store {
    pub(super) fn start(options: &Options) -> Result<Self, String> {
        match options.backend {
            Backend::Memory => Ok(Self::Memory),
            Backend::File => Files::start(options).map(Self::Files),
            Backend::Redis | Backend::Tiered => {
                let server = RedisServer::start(&[]).map_err(told)?;
                let disguised = options.sabotage == Some(Sabotage::Incarnation);
                let proxy = front(&server, disguised).and_then(Proxy::start);
                Ok(Self::Server(Shared {
                    server: Mutex::new(server),
                    proxy: proxy.map_err(told)?,
                    disguised,
                    longest: (options.level == Level::Durable)
                        .then(|| (options.seconds * 100).min(60_000)),
                }))
            }
        }
    }

    pub(super) fn url_for_workers(&self) -> Option<String> {
        match self {
            Self::Memory => None,
            Self::Server(shared) => Some(shared.proxy.url()),
            Self::Files(files) => Some(files.folder().display().to_string()),
        }
    }

    /// Makes one fault, from its beginning to its end.
    pub(super) fn suffer(&self, kind: Kind, chance: &mut Chance) -> Result<(), String> {
        let suffered = match self {
            Self::Memory => Ok(()),
            Self::Server(shared) => {
                let mut server = shared.server();
                shared.suffer(kind, chance, &mut server)
            }
            Self::Files(files) => files.suffer(kind, chance),
        };
        suffered.map_err(|error| format!("{}: {error}", kind.name()))
    }

    /// Loses everything, in one way or another, unless it is being broken right now.
    pub(super) fn lose(&self, chance: &mut Chance) -> Result<(), String> {
        let shared = match self {
            Self::Memory => return Ok(()),
            Self::Files(files) => return files.lose(chance).map_err(told),
            Self::Server(shared) => shared,
        };
        let Ok(server) = shared.server.try_lock() else {
            return Ok(());
        };
        if chance.percent(70) {
            ok(server.command(&["FLUSHALL"])).map_err(told)
        } else {
            server.restart_empty().map_err(told)
        }
    }

    /// Everything as it was.
    pub(super) fn heal(&self) -> Result<(), String> {
        match self {
            Self::Server(shared) => {
                shared.proxy.set(Mode::Pass);
                shared.server().resume();
                Ok(())
            }
            Self::Files(files) => files.heal().map_err(told),
            Self::Memory => Ok(()),
        }
    }
}

impl Shared {
    fn server(&self) -> MutexGuard<'_, RedisServer> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn suffer(&self, kind: Kind, chance: &mut Chance, server: &mut RedisServer) -> io::Result<()> {
        match kind {
            Kind::StoreKill => {
                server.kill();
                self.pause(chance, 100, 1500);
                server.restart_empty()?;
            }
            Kind::StoreRestore => {
                let snapshot = server.snapshot()?;
                pause(chance, 200, 2000);
                server.restart_from(&snapshot)?;
            }
            Kind::StoreStop => {
                server.pause()?;
                self.pause(chance, 300, 2000);
                server.resume();
            }
            Kind::StorePause => {
                let millis = chance.between(200, 1500).to_string();
                let mode = *chance.pick(&["ALL", "WRITE"]);
                ok(server.command(&["CLIENT", "PAUSE", &millis, mode]))?;
                thread::sleep(Duration::from_millis(millis.parse().unwrap_or(0)));
            }
            Kind::FlushAll => {
                for _ in 0..chance.between(1, 4) {
                    ok(server.command(&["FLUSHALL"]))?;
                    pause(chance, 20, 400);
                }
            }
            Kind::Eviction => {
                let info = server.info("memory")?;
                let used = info.get("used_memory").and_then(|used| used.parse().ok());
                let limit = used.unwrap_or(2_000_000u64).saturating_sub(200_000);
                let set =
                    |name: &str, value: &str| ok(server.command(&["CONFIG", "SET", name, value]));
                set("maxmemory-policy", "volatile-lru")?;
                set("maxmemory", &limit.to_string())?;
                pause(chance, 1000, 3000);
                set("maxmemory", "0")?;
                set("maxmemory-policy", "noeviction")?;
            }
            Kind::ProxyDrop => {
                let mode = *chance.pick(&[Mode::Lose, Mode::LoseAnswers]);
                self.for_a_while(mode, chance);
            }
            Kind::ProxyDelay => {
                let delay = Duration::from_millis(chance.between(1, 60));
                let modes = [Mode::Delay(delay), Mode::Hold, Mode::HoldAnswers];
                self.for_a_while(*chance.pick(&modes), chance);
            }
            Kind::ProxyCut => {
                for _ in 0..chance.between(1, 5) {
                    self.proxy.cut();
                    pause(chance, 5, 200);
                }
                if chance.percent(50) {
                    self.for_a_while(Mode::Refuse, chance);
                }
            }
            Kind::Failover => self.fail_over(chance, server)?,
            _ => {}
        }
        Ok(())
    }

    fn pause(&self, chance: &mut Chance, low: u64, high: u64) {
        match self.longest {
            Some(longest) if longest > high && chance.percent(20) => pause(chance, high, longest),
            _ => pause(chance, low, high),
        }
    }

    fn for_a_while(&self, mode: Mode, chance: &mut Chance) {
        self.proxy.set(mode);
        self.pause(chance, 200, 1500);
        self.proxy.set(Mode::Pass);
    }

    /// A replica takes the place of its master, and lacks what that had not sent yet.
    fn fail_over(&self, chance: &mut Chance, master: &mut RedisServer) -> io::Result<()> {
        let replica = RedisServer::start(&["--repl-diskless-sync-delay", "0"])?;
        ok(master.command(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]))?;
        let port = master.port().to_string();
        ok(replica.command(&["REPLICAOF", "127.0.0.1", &port]))?;
        for _ in 0..500 {
            let info = replica.info("replication")?;
            if info
                .get("master_link_status")
                .is_some_and(|status| status == "up")
            {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        if chance.percent(60) {
            // What the master acknowledges from here on, the replica does not get.
            ok(master.command(&["CLIENT", "KILL", "TYPE", "replica"]))?;
            let nowhere = diesel_cache_faults::free_port()?.to_string();
            ok(replica.command(&["REPLICAOF", "127.0.0.1", &nowhere]))?;
            pause(chance, 50, 800);
        }
        ok(replica.command(&["REPLICAOF", "NO", "ONE"]))?;
        master.kill();
        self.proxy.lead_to(front(&replica, self.disguised)?);
        self.proxy.cut();
        *master = replica;
        Ok(())
    }
}

/// Where a server is to be found.
fn front(server: &RedisServer, disguised: bool) -> io::Result<SocketAddr> {
    match disguised {
        true => Ok(Disguise::start(server.address())?.address()),
        false => Ok(server.address()),
    }
}

pub(super) fn pause(chance: &mut Chance, low: u64, high: u64) {
    thread::sleep(Duration::from_millis(chance.between(low, high)));
}

fn ok(reply: io::Result<Reply>) -> io::Result<()> {
    match reply? {
        Reply::Error(error) => Err(io::Error::other(error)),
        _ => Ok(()),
    }
}

fn told(error: io::Error) -> String {
    format!("the store: {error}")
}
