//! Makes connections: finds the server, greets it and judges it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use r2d2::ManageConnection;

use crate::config::Level;

use super::address::{Address, Place, Topology};
use super::failure::Failure;
use super::link::{self, Link, Login, Wire};
use super::server::Server;
use super::transport::{Cover, Transport};

/// What connections are made to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) address: Address,
    pub(super) cover: Cover,
    pub(super) level: Level,
    pub(super) root: String,
    pub(super) connect_timeout: Duration,
    pub(super) largest: u64,
}

/// Makes connections to a target, for one process.
#[derive(Debug, Clone)]
pub(super) struct Manager(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    target: Arc<Target>,
    /// Raised when all connections that there are shall be given up.
    age: AtomicU64,
    /// Why the last attempt failed.
    problem: Mutex<Option<Failure>>,
    /// Nodes that were told of, besides those of the URL.
    #[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
    learned: Mutex<Vec<Place>>,
}

impl Manager {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Self(Arc::new(Shared {
            target,
            age: AtomicU64::new(0),
            problem: Mutex::default(),
            #[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
            learned: Mutex::default(),
        }))
    }

    /// Why the last attempt to connect failed, if it did.
    pub(super) fn problem(&self) -> Option<Failure> {
        let problem = self.0.problem.lock();
        problem.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives up all connections that are as old as that one.
    pub(super) fn give_up(&self, link: &Link) {
        let younger = link.age + 1;
        self.0.age.fetch_max(younger, Ordering::AcqRel);
    }

    /// Whether a connection may be used.
    // rule: a-child-does-not-use-its-parents-connections
    pub(super) fn is_current(&self, link: &Link) -> bool {
        !link.is_poisoned()
            && link.age == self.0.age.load(Ordering::Acquire)
            && link.process == std::process::id()
    }

    fn make(&self) -> Result<Link, Failure> {
        let target = &*self.0.target;
        let age = self.0.age.load(Ordering::Acquire);
        let deadline = Instant::now() + target.connect_timeout;
        match &target.address.topology {
            Topology::Single => match target.address.places.first() {
                Some(place) => self.link(place, age, deadline, false),
                None => Err(Failure::Garbled),
            },
            #[cfg(feature = "redis-cluster")]
            Topology::Cluster => {
                let (place, nodes) = super::locate::owner(target, &self.candidates(), deadline)?;
                *self.learned() = nodes;
                self.link(&place, age, deadline, true)
            }
            #[cfg(feature = "redis-sentinel")]
            Topology::Sentinel(name) => {
                let (place, sentinel) =
                    super::locate::master(target, name, &self.candidates(), deadline)?;
                // The one that answered is asked first the next time.
                *self.learned() = vec![sentinel];
                self.link(&place, age, deadline, false)
            }
        }
    }

    #[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
    fn learned(&self) -> std::sync::MutexGuard<'_, Vec<Place>> {
        self.0
            .learned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Who may be asked where the server is.
    #[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
    fn candidates(&self) -> Vec<Place> {
        let mut places = self.learned().clone();
        for place in &self.0.target.address.places {
            if !places.contains(place) {
                places.push(place.clone());
            }
        }
        places
    }

    fn link(
        &self,
        place: &Place,
        age: u64,
        deadline: Instant,
        in_cluster: bool,
    ) -> Result<Link, Failure> {
        let target = &*self.0.target;
        let transport = Transport::connect(place, &target.cover, deadline)?;
        let mut wire = Wire::new(transport, target.largest);
        let (parser, answers) = wire.greet(target.login(), &[redis::cmd("INFO")], deadline)?;
        let answer = answers.into_iter().next().ok_or(Failure::Garbled)?;
        let info = link::info(answer)?;
        let server = Server::judge(info.as_deref(), target.level, in_cluster);
        let server =
            server.map_err(|failure| match (&target.address.topology, failure.code()) {
                (Topology::Single, Some("READONLY")) => Failure::Unusable(
                    "the store is a replica: name its master, or use `redis+sentinel://`"
                        .to_owned(),
                ),
                _ => failure,
            })?;
        Ok(Link::new(wire, parser, server, age))
    }
}

impl Target {
    pub(super) fn login(&self) -> Login<'_> {
        Login {
            user: self.address.user.as_ref(),
            password: self.address.password.as_ref(),
            database: self.address.database,
        }
    }
}

impl ManageConnection for Manager {
    type Connection = Link;
    type Error = Failure;

    fn connect(&self) -> Result<Link, Failure> {
        let made = self.make();
        let mut problem = self
            .0
            .problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *problem = made.as_ref().err().cloned();
        made
    }

    /// Nothing is asked: that would double the round trips of every operation.
    fn is_valid(&self, link: &mut Link) -> Result<(), Failure> {
        if self.is_current(link) {
            Ok(())
        } else {
            Err(Failure::Garbled)
        }
    }

    fn has_broken(&self, link: &mut Link) -> bool {
        !self.is_current(link)
    }
}
