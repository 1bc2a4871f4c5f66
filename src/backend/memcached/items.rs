//! Items: got together, and changed only if nobody else has changed them.

use std::time::Duration;

use std::net::SocketAddr;

use memcache::exp::{
    Delete, Error, Get, Meta, MetaClient, MetaClientBuilder, MutationStatus, Op, OpResult, Set, Ttl,
};

use crate::backend::breaker::Breaker;
use crate::backend::forked::PerProcess;
use crate::error::BackendError;

/// How often a change that others keep overtaking is tried.
const ATTEMPTS: usize = 32;
/// How many items are asked for at once.
const MANY: usize = 1000;

/// An item as it was found.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) value: Vec<u8>,
    cas: u64,
}

/// What is to become of an item.
#[derive(Debug)]
pub(super) enum Next {
    /// What it is.
    Keep,
    /// That, for so long.
    Put(Vec<u8>, Duration),
    /// Nothing.
    Delete,
}

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is larger than the server takes.
    TooLarge,
    Other(BackendError),
}

impl From<Failure> for BackendError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TooLarge => Self::new("memcached: an item is larger than the server takes"),
            Failure::Other(error) => error,
        }
    }
}

/// The items of a server.
pub(super) struct Items {
    builder: MetaClientBuilder,
    address: SocketAddr,
    /// `None`, if the address is none.
    clients: PerProcess<Option<MetaClient>>,
    breaker: Breaker,
}

impl std::fmt::Debug for Items {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Items")
            .field("breaker", &self.breaker.state())
            .finish_non_exhaustive()
    }
}

/// Whole seconds, and none less than one.
fn ttl(time: Duration) -> Ttl {
    let seconds = time.as_millis().div_ceil(1000).max(1);
    Ttl::secs(u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// What went wrong, and nothing of what the server or the items say.
fn told(error: &Error) -> &'static str {
    match error {
        Error::Io(_) => "the server cannot be reached",
        Error::Timeout { .. } => "the server did not answer in time",
        Error::Ambiguous { .. } => "the server did not say whether it was done",
        Error::Protocol(_) => "the answer was not understood",
        Error::Server(_) => "the server refused",
        Error::Rejected(_) => "the server did not understand",
        _ => "the client refused",
    }
}

/// Whether the server is at fault, and not what it was asked.
fn counts(error: &Error) -> bool {
    !matches!(
        error,
        Error::Server(_) | Error::Rejected(_) | Error::Usage(_)
    )
}

impl Items {
    pub(super) fn new(builder: MetaClientBuilder, address: SocketAddr, breaker: Breaker) -> Self {
        Self {
            builder,
            address,
            clients: PerProcess::new(),
            breaker,
        }
    }

    /// Nothing is connected before it is needed.
    fn client(&self) -> Option<&MetaClient> {
        let connect = || self.builder.clone().connect(self.address).ok();
        self.clients.get(connect).as_ref()
    }

    pub(super) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Whether the server answers.
    pub(super) fn answers(&self) -> Result<(), Failure> {
        self.ask(|client| client.noop())
    }

    fn ask<T>(&self, ask: impl FnOnce(&MetaClient) -> Result<T, Error>) -> Result<T, Failure> {
        if !self.breaker.admits() {
            let left_alone = BackendError::new("memcached: the server is left alone for a while");
            return Err(Failure::Other(left_alone));
        }
        let Some(client) = self.client() else {
            let nowhere = BackendError::new("memcached: its address is not understood");
            return Err(Failure::Other(nowhere));
        };
        ask(client)
            .inspect(|_| self.breaker.succeeded())
            .map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &Error) -> Failure {
        if let Error::Server(text) = error
            && text.contains("too large")
        {
            self.breaker.succeeded();
            return Failure::TooLarge;
        }
        let told = told(error);
        if !counts(error) {
            self.breaker.succeeded();
        } else if self.breaker.failed() {
            log::warn!("the cache's store is left alone for a while: memcached: {told}");
        }
        Failure::Other(BackendError::new(format!("memcached: {told}")))
    }

    /// The items of these names, in one round trip. With a time, they live at least that long from
    /// now on.
    pub(super) fn get(
        &self,
        names: &[Vec<u8>],
        prolong: Option<Duration>,
    ) -> Result<Vec<Option<Item>>, Failure> {
        let mut items = Vec::with_capacity(names.len());
        for names in names.chunks(MANY) {
            let gets = names.iter().map(|name| {
                let get = Get::new(name).meta(Meta::NONE.cas());
                match prolong {
                    Some(time) => get.touch(ttl(time)),
                    None => get,
                }
            });
            for found in self.ask(|client| client.run_many(gets))? {
                let found = found.map_err(|error| self.failed(&error))?;
                items.push(match (found.value, found.item.cas) {
                    (Some(value), Some(cas)) => Some(Item { value, cas }),
                    _ => None,
                });
            }
        }
        Ok(items)
    }

    /// Changes each of these items, if nobody else changes it meanwhile: then it is looked at again.
    pub(super) fn update(
        &self,
        names: &[Vec<u8>],
        mut next: impl FnMut(usize, Option<&[u8]>) -> Next,
    ) -> Result<(), Failure> {
        let mut left: Vec<usize> = (0..names.len()).collect();
        for _ in 0..ATTEMPTS {
            let wanted: Vec<Vec<u8>> = left.iter().map(|at| names[*at].clone()).collect();
            let found = self.get(&wanted, None)?;
            let mut changed = Vec::new();
            let mut operations = Vec::new();
            for (at, item) in left.iter().zip(&found) {
                let name = &names[*at];
                let operation = match (next(*at, item.as_ref().map(|item| &*item.value)), item) {
                    (Next::Keep, _) | (Next::Delete, None) => continue,
                    (Next::Put(value, time), Some(item)) => {
                        // rule: an-item-is-changed-as-it-was-seen
                        Set::new(name, value)
                            .ttl(ttl(time))
                            .compare_cas(item.cas)
                            .into()
                    }
                    (Next::Put(value, time), None) => {
                        Set::new(name, value).ttl(ttl(time)).add().into()
                    }
                    (Next::Delete, Some(item)) => Delete::new(name).compare_cas(item.cas).into(),
                };
                changed.push(*at);
                operations.push(operation);
            }
            left = self.overtaken(&changed, operations)?;
            if left.is_empty() {
                return Ok(());
            }
        }
        let overtaken = BackendError::new("memcached: others kept changing the same items");
        Err(Failure::Other(overtaken))
    }

    /// Those of the items at these places that somebody else has changed.
    fn overtaken(&self, places: &[usize], operations: Vec<Op>) -> Result<Vec<usize>, Failure> {
        let mut overtaken = Vec::new();
        let mut places = places.iter();
        let mut operations = operations.into_iter().peekable();
        while operations.peek().is_some() {
            let some: Vec<Op> = operations.by_ref().take(MANY).collect();
            for done in self.ask(|client| client.run_batch(some))? {
                let done = done.map_err(|error| self.failed(&error))?;
                let applied = match done {
                    OpResult::Mutation(done) => done.status == MutationStatus::Applied,
                    _ => false,
                };
                if let Some(place) = places.next().filter(|_| !applied) {
                    overtaken.push(*place);
                }
            }
        }
        Ok(overtaken)
    }

    /// Stores an item, whatever was there.
    pub(super) fn set(&self, name: &[u8], value: &[u8], time: Duration) -> Result<(), Failure> {
        let set = Set::new(name, value).ttl(ttl(time));
        self.ask(|client| client.run(set)).map(drop)
    }

    /// Removes an item.
    pub(super) fn delete(&self, name: &[u8]) -> Result<(), Failure> {
        self.ask(|client| client.run(Delete::new(name))).map(drop)
    }
}
