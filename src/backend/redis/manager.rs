//! Makes connections: finds the server, greets it and judges it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use r2d2::ManageConnection;
use redis::Value;

use crate::config::Level;

use super::address::{Address, Place, Topology};
use super::failure::Failure;
use super::greeting::{self, Login};
use super::link::{Link, Wire};
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

    /// Notes why an attempt failed, if it did.
    pub(super) fn note(&self, problem: Option<Failure>) {
        let mut noted = self
            .0
            .problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *noted = problem;
    }

    /// What connections are made to.
    #[cfg(feature = "async")]
    pub(super) fn target(&self) -> &Arc<Target> {
        &self.0.target
    }

    /// How often all connections have been given up.
    pub(super) fn age(&self) -> u64 {
        self.0.age.load(Ordering::Acquire)
    }

    /// Gives up all connections of that age.
    pub(super) fn give_up(&self, age: u64) {
        self.0.age.fetch_max(age + 1, Ordering::AcqRel);
    }

    /// Whether a connection may be used.
    // rule: a-child-does-not-use-its-parents-connections
    pub(super) fn is_current(&self, link: &Link) -> bool {
        !link.is_poisoned() && link.age == self.age() && link.process == std::process::id()
    }

    fn make(&self) -> Result<Link, Failure> {
        let target = &*self.0.target;
        let age = self.age();
        let deadline = Instant::now() + target.connect_timeout;
        let place = self.locate(deadline)?;
        let transport = Transport::connect(&place, &target.cover, deadline)?;
        let mut wire = Wire::new(transport, target.largest);
        let (parser, answers) = wire.greet(target.login(), &[redis::cmd("INFO")], deadline)?;
        let answer = answers.into_iter().next().ok_or(Failure::Garbled);
        let server = target.judge(answer)?;
        Ok(Link::new(wire, parser, server, age))
    }

    /// Where the server is. Blocks, unless it stands in the URL.
    pub(super) fn locate(&self, deadline: Instant) -> Result<Place, Failure> {
        let target = &*self.0.target;
        #[cfg(not(any(feature = "redis-cluster", feature = "redis-sentinel")))]
        let _ = deadline;
        match &target.address.topology {
            Topology::Single => target
                .address
                .places
                .first()
                .cloned()
                .ok_or(Failure::Garbled),
            #[cfg(feature = "redis-cluster")]
            Topology::Cluster => {
                let (place, nodes) = super::locate::owner(target, &self.candidates(), deadline)?;
                *self.learned() = nodes;
                Ok(place)
            }
            #[cfg(feature = "redis-sentinel")]
            Topology::Sentinel(name) => {
                let (place, sentinel) =
                    super::locate::master(target, name, &self.candidates(), deadline)?;
                // The one that answered is asked first the next time.
                *self.learned() = vec![sentinel];
                Ok(place)
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
}

impl Target {
    pub(super) fn login(&self) -> Login<'_> {
        Login {
            user: self.address.user.as_ref(),
            password: self.address.password.as_ref(),
            database: self.address.database,
        }
    }

    /// The server that says that of itself.
    ///
    /// # Errors
    /// Why it is not used.
    pub(super) fn judge(&self, info: Result<Value, Failure>) -> Result<Server, Failure> {
        let info = greeting::info(info)?;
        #[cfg(feature = "redis-cluster")]
        let in_cluster = self.address.topology == Topology::Cluster;
        #[cfg(not(feature = "redis-cluster"))]
        let in_cluster = false;
        let server = Server::judge(info.as_deref(), self.level, in_cluster);
        server.map_err(|failure| match (&self.address.topology, failure.code()) {
            (Topology::Single, Some("READONLY")) => Failure::Unusable(
                "the store is a replica: name its master, or use `redis+sentinel://`".to_owned(),
            ),
            _ => failure,
        })
    }
}

impl ManageConnection for Manager {
    type Connection = Link;
    type Error = Failure;

    fn connect(&self) -> Result<Link, Failure> {
        let made = self.make();
        self.note(made.as_ref().err().cloned());
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
