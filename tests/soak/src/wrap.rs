//! The backend of a worker: that of an application, in which processes end at given points and
//! rules may be broken.

use std::sync::Arc;
use std::time::Instant;

use diesel_cache::backend::{
    Acknowledged, Answer, Ask, AwaitedBackend, CacheBackend, Declarations, Holder, Mark, Put,
    Standing, Unless, Usage, Writer,
};
use diesel_cache::database::TagSpace;
use diesel_cache::entry::Entry;
use diesel_cache::error::BackendError;
use diesel_cache::key::Key;
use diesel_cache::protocol::{Fetched, Lift};
use diesel_cache::tag::Tag;
use diesel_cache::token::{Epoch, Opening, ProcessId, WriterId};

use crate::points::{Armed, Point};
use crate::sabotage::Broken;

/// Hands everything on. A method of the trait that is missing here would be answered by
/// its default: a new one must be added.
#[derive(Debug)]
pub(crate) struct Wrapped {
    pub(crate) to: Arc<dyn CacheBackend>,
    pub(crate) armed: Arc<Armed>,
    pub(crate) broken: Option<Arc<Broken>>,
}

impl Wrapped {
    fn judged(&self, fetched: Fetched, tags: &[Tag]) -> Fetched {
        match &self.broken {
            Some(broken) => broken.fetched(fetched, tags),
            None => fetched,
        }
    }

    fn stored(&self, entry: Entry) -> Entry {
        match &self.broken {
            Some(broken) => broken.stored(entry),
            None => entry,
        }
    }
}

impl Wrapped {
    fn awaits(&self) -> Result<&dyn AwaitedBackend, BackendError> {
        let unawaited = || BackendError::new("it cannot be awaited");
        self.to.awaited().ok_or_else(unawaited)
    }
}

impl AwaitedBackend for Wrapped {
    fn fetch_unless<'a>(&'a self, ask: Ask<'a>, _: Option<Mark>) -> Answer<'a, Unless> {
        Box::pin(async move {
            self.armed.at(Point::BeforeFetch);
            let fetched = self.awaits()?.fetch_unless(ask, None).await;
            self.armed.at(Point::AfterFetch);
            Ok(self.judged(fetched?.fetched, ask.tags).into())
        })
    }

    fn recall_unless<'a>(
        &'a self,
        key: &'a Key,
        attached: &'a [TagSpace],
        _: Option<Mark>,
    ) -> Answer<'a, Unless> {
        Box::pin(async move {
            let recalled = self.awaits()?.recall_unless(key, attached, None);
            let fetched = recalled.await?.fetched;
            let tags = fetched.entry.as_ref().map(|entry| Arc::clone(&entry.tags));
            Ok(self
                .judged(fetched, tags.as_deref().unwrap_or_default())
                .into())
        })
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Answer<'_, Put> {
        Box::pin(async move {
            self.armed.at(Point::BeforePut);
            self.awaits()?.put(key, self.stored(entry), holder).await
        })
    }

    fn release<'a>(&'a self, key: &'a Key, holder: ProcessId) -> Answer<'a, ()> {
        Box::pin(async move { self.awaits()?.release(key, holder).await })
    }
}

impl CacheBackend for Wrapped {
    fn is_shared(&self) -> bool {
        self.to.is_shared()
    }

    fn awaited(&self) -> Option<&dyn AwaitedBackend> {
        self.to.awaited().map(|_| self as &dyn AwaitedBackend)
    }

    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        self.armed.at(Point::BeforeFetch);
        let fetched = self.to.fetch(ask);
        self.armed.at(Point::AfterFetch);
        Ok(self.judged(fetched?, ask.tags))
    }

    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Result<Fetched, BackendError> {
        let fetched = self.to.recall(key, attached)?;
        let tags = fetched.entry.as_ref().map(|entry| Arc::clone(&entry.tags));
        Ok(self.judged(fetched, tags.as_deref().unwrap_or_default()))
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        self.armed.at(Point::BeforePut);
        self.to.put(key, self.stored(entry), holder)
    }

    fn put_if_absent(&self, key: Key, entry: Entry) -> Result<Put, BackendError> {
        self.to.put_if_absent(key, self.stored(entry))
    }

    fn release(&self, key: &Key, holder: ProcessId) -> Result<(), BackendError> {
        self.to.release(key, holder)
    }

    fn touch(&self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
        self.to.touch(key, expires_at)
    }

    fn quarantine(&self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError> {
        self.armed.at(Point::BeforeQuarantine);
        self.armed.during(Point::InQuarantine);
        let broken = self.broken.as_ref();
        let done = match broken.and_then(|broken| broken.acknowledged(writer, tags)) {
            Some(said) => Ok(said),
            None => self.to.quarantine(writer, tags),
        };
        self.armed.at(Point::AfterQuarantine);
        self.armed.during(Point::InCommit);
        done
    }

    fn lift(&self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
        self.armed.at(Point::BeforeLift);
        self.armed.during(Point::InLift);
        if let Some(broken) = &self.broken {
            broken.lifted(writer);
        }
        let lifted = self.to.lift(writer, tags, how);
        self.armed.at(Point::AfterLift);
        lifted
    }

    fn renew(&self, tags: &[Tag]) -> Result<(), BackendError> {
        self.to.renew(tags)
    }

    fn remove(&self, key: &Key) -> Result<bool, BackendError> {
        self.to.remove(key)
    }

    fn purge(&self, tag: &Tag) -> Result<(), BackendError> {
        self.to.purge(tag)
    }

    fn clear(&self) -> Result<(), BackendError> {
        self.to.clear()
    }

    fn usage(&self) -> Usage {
        self.to.usage()
    }

    fn holders(&self, tags: &[Tag]) -> Result<Vec<Holder>, BackendError> {
        self.to.holders(tags)
    }

    fn beat(&self, process: ProcessId, spaces: &[TagSpace]) -> Result<Standing, BackendError> {
        let standing = self.to.beat(process, spaces)?;
        match &self.broken {
            Some(broken) => broken.stands(&*self.to, standing, spaces),
            None => Ok(standing),
        }
    }

    fn testify(
        &self,
        process: ProcessId,
        epoch: Epoch,
        spaces: &[TagSpace],
    ) -> Result<(), BackendError> {
        self.to.testify(process, epoch, spaces)
    }

    fn open(&self, epoch: Epoch, space: TagSpace, opening: Opening) -> Result<(), BackendError> {
        self.to.open(epoch, space, opening)
    }

    fn recognises(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<bool, BackendError> {
        self.to.recognises(space, user, fingerprint)
    }

    fn remember(
        &self,
        space: TagSpace,
        user: &str,
        fingerprint: &[u8; 32],
    ) -> Result<(), BackendError> {
        self.to.remember(space, user, fingerprint)
    }

    fn declare(
        &self,
        space: TagSpace,
        declarations: &Declarations,
    ) -> Result<Declarations, BackendError> {
        self.to.declare(space, declarations)
    }

    fn close(&self, space: Option<TagSpace>) -> Result<(), BackendError> {
        self.to.close(space)
    }
}
