//! A backend that hands on what it is asked.

use std::sync::Arc;
use std::time::Instant;

use crate::backend::{
    Acknowledged, Ask, AwaitedBackend, CacheBackend, Declarations, Holder, Mark, Put, Standing,
    Unless, Usage, Writer,
};
use crate::config::Level;
use crate::database::TagSpace;
use crate::entry::Entry;
use crate::error::BackendError;
use crate::key::Key;
use crate::protocol::{Fetched, Lift};
use crate::tag::Tag;
use crate::token::{Epoch, Opening, ProcessId, WriterId};

/// Hands on all operations but those that can be awaited.
macro_rules! forward {
    ($self:ident => $inner:expr) => {
        fn is_shared(&$self) -> bool {
            $inner.is_shared()
        }

        fn level(&$self) -> Level {
            $inner.level()
        }

        fn put_if_absent(&$self, key: Key, entry: Entry) -> Result<Put, BackendError> {
            $inner.put_if_absent(key, entry)
        }

        fn touch(&$self, key: &Key, expires_at: Instant) -> Result<bool, BackendError> {
            $inner.touch(key, expires_at)
        }

        fn quarantine(&$self, writer: &Writer<'_>, tags: &[Tag]) -> Result<Acknowledged, BackendError> {
            $inner.quarantine(writer, tags)
        }

        fn lift(&$self, writer: WriterId, tags: &[Tag], how: Lift) -> Result<(), BackendError> {
            $inner.lift(writer, tags, how)
        }

        fn renew(&$self, tags: &[Tag]) -> Result<(), BackendError> {
            $inner.renew(tags)
        }

        fn remove(&$self, key: &Key) -> Result<bool, BackendError> {
            $inner.remove(key)
        }

        fn purge(&$self, tag: &Tag) -> Result<(), BackendError> {
            $inner.purge(tag)
        }

        fn clear(&$self) -> Result<(), BackendError> {
            $inner.clear()
        }

        fn usage(&$self) -> Usage {
            $inner.usage()
        }

        fn holders(&$self, tags: &[Tag]) -> Result<Vec<Holder>, BackendError> {
            $inner.holders(tags)
        }

        fn beat(&$self, process: ProcessId, spaces: &[TagSpace]) -> Result<Standing, BackendError> {
            $inner.beat(process, spaces)
        }

        fn testify(
            &$self,
            process: ProcessId,
            epoch: Epoch,
            spaces: &[TagSpace],
        ) -> Result<(), BackendError> {
            $inner.testify(process, epoch, spaces)
        }

        fn open(&$self, epoch: Epoch, space: TagSpace, opening: Opening) -> Result<(), BackendError> {
            $inner.open(epoch, space, opening)
        }

        fn recognises(
            &$self,
            space: TagSpace,
            user: &str,
            fingerprint: &[u8; 32],
        ) -> Result<bool, BackendError> {
            $inner.recognises(space, user, fingerprint)
        }

        fn remember(
            &$self,
            space: TagSpace,
            user: &str,
            fingerprint: &[u8; 32],
        ) -> Result<(), BackendError> {
            $inner.remember(space, user, fingerprint)
        }

        fn declare(
            &$self,
            space: TagSpace,
            declarations: &Declarations,
        ) -> Result<Declarations, BackendError> {
            $inner.declare(space, declarations)
        }

        fn close(&$self, space: Option<TagSpace>) -> Result<(), BackendError> {
            $inner.close(space)
        }
    };
}
#[cfg(all(feature = "conformance", feature = "async"))]
pub(super) use forward;

/// A backend that several caches share.
impl<B: CacheBackend + ?Sized> CacheBackend for Arc<B> {
    forward!(self => (**self));

    fn awaited(&self) -> Option<&dyn AwaitedBackend> {
        (**self).awaited()
    }

    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        (**self).fetch(ask)
    }

    fn recall(&self, key: &Key, attached: &[TagSpace]) -> Result<Fetched, BackendError> {
        (**self).recall(key, attached)
    }

    fn fetch_unless(&self, ask: &Ask<'_>, held: Option<Mark>) -> Result<Unless, BackendError> {
        (**self).fetch_unless(ask, held)
    }

    fn recall_unless(
        &self,
        key: &Key,
        attached: &[TagSpace],
        held: Option<Mark>,
    ) -> Result<Unless, BackendError> {
        (**self).recall_unless(key, attached, held)
    }

    fn put(&self, key: Key, entry: Entry, holder: Option<ProcessId>) -> Result<Put, BackendError> {
        (**self).put(key, entry, holder)
    }

    fn release(&self, key: &Key, holder: ProcessId) -> Result<(), BackendError> {
        (**self).release(key, holder)
    }
}
