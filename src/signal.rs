//! Signals: what happens to a model, told to whoever asked.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use diesel::result::QueryResult;

/// A model was written: `save` or `create` has run its statement.
#[derive(Debug)]
#[non_exhaustive]
pub struct PostSave<'a, M> {
    /// What was saved. For `create`, as the database returned it.
    pub instance: &'a M,
    /// Whether the row is new.
    pub created: bool,
}

/// A model was deleted: `delete` has run its statement.
#[derive(Debug)]
#[non_exhaustive]
pub struct PostDelete<'a, M> {
    /// What was deleted.
    pub instance: &'a M,
}

impl<'a, M> PostSave<'a, M> {
    pub(crate) fn new(instance: &'a M, created: bool) -> Self {
        Self { instance, created }
    }
}

impl<'a, M> PostDelete<'a, M> {
    pub(crate) fn new(instance: &'a M) -> Self {
        Self { instance }
    }
}

/// One connected receiver; give it to [`disconnect`](crate::Cache::disconnect).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReceiverId(u64);

type SaveReceiver<M> = Arc<dyn Fn(&PostSave<'_, M>) -> QueryResult<()> + Send + Sync>;
type DeleteReceiver<M> = Arc<dyn Fn(&PostDelete<'_, M>) -> QueryResult<()> + Send + Sync>;

/// A receiver of any type.
type Connected = (ReceiverId, Box<dyn Any + Send + Sync>);

/// The receivers of a cache, in the order in which they were connected.
#[derive(Default)]
pub(crate) struct Signals {
    next: AtomicU64,
    // The key is the receiver's own type, which holds both the signal and the model.
    receivers: RwLock<HashMap<TypeId, Vec<Connected>>>,
}

impl Signals {
    pub(crate) fn connect_save<M: 'static>(
        &self,
        receiver: impl Fn(&PostSave<'_, M>) -> QueryResult<()> + Send + Sync + 'static,
    ) -> ReceiverId {
        self.connect::<SaveReceiver<M>>(Arc::new(receiver))
    }

    pub(crate) fn connect_delete<M: 'static>(
        &self,
        receiver: impl Fn(&PostDelete<'_, M>) -> QueryResult<()> + Send + Sync + 'static,
    ) -> ReceiverId {
        self.connect::<DeleteReceiver<M>>(Arc::new(receiver))
    }

    pub(crate) fn disconnect(&self, id: ReceiverId) -> bool {
        let mut receivers = self
            .receivers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut found = false;
        for connected in receivers.values_mut() {
            connected.retain(|(known, _)| {
                *known != id || {
                    found = true;
                    false
                }
            });
        }
        found
    }

    /// Whether anyone listens to the saves of `M`.
    pub(crate) fn hears_save<M: 'static>(&self) -> bool {
        !self.connected::<SaveReceiver<M>>().is_empty()
    }

    /// Whether anyone listens to the deletes of `M`.
    pub(crate) fn hears_delete<M: 'static>(&self) -> bool {
        !self.connected::<DeleteReceiver<M>>().is_empty()
    }

    /// Tells every receiver. The first error ends it.
    ///
    /// # Errors
    /// What a receiver returned.
    pub(crate) fn send_save<M: 'static>(&self, event: &PostSave<'_, M>) -> QueryResult<()> {
        self.connected::<SaveReceiver<M>>()
            .iter()
            .try_for_each(|receiver| receiver(event))
    }

    /// Tells every receiver. The first error ends it.
    ///
    /// # Errors
    /// What a receiver returned.
    pub(crate) fn send_delete<M: 'static>(&self, event: &PostDelete<'_, M>) -> QueryResult<()> {
        self.connected::<DeleteReceiver<M>>()
            .iter()
            .try_for_each(|receiver| receiver(event))
    }

    fn connect<R: Any + Send + Sync>(&self, receiver: R) -> ReceiverId {
        let id = ReceiverId(self.next.fetch_add(1, Ordering::Relaxed));
        self.receivers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(TypeId::of::<R>())
            .or_default()
            .push((id, Box::new(receiver)));
        id
    }

    // Cloned out, so that a receiver may connect and disconnect others.
    fn connected<R: Any + Clone>(&self) -> Vec<R> {
        self.receivers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&TypeId::of::<R>())
            .into_iter()
            .flatten()
            .filter_map(|(_, receiver)| receiver.downcast_ref::<R>().cloned())
            .collect()
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let receivers = self
            .receivers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Signals")
            .field(
                "receivers",
                &receivers.values().map(Vec::len).sum::<usize>(),
            )
            .finish()
    }
}
