//! A signal: a list of receivers, and the ways to tell them.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::signal::Event;

/// One connected receiver; give it to [`Signal::disconnect`] or
/// [`Cache::disconnect`](crate::Cache::disconnect). Unique in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReceiverId(u64);

impl ReceiverId {
    fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

type Receiver<E> =
    dyn for<'a, 'b> Fn(&'b <E as Event>::Of<'a>) -> Result<(), <E as Event>::Error> + Send + Sync;

struct Connected<E: Event> {
    id: ReceiverId,
    uid: Option<Arc<str>>,
    receiver: Arc<Receiver<E>>,
}

impl<E: Event> Clone for Connected<E> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            uid: self.uid.clone(),
            receiver: Arc::clone(&self.receiver),
        }
    }
}

/// A list of receivers for events of one kind.
///
/// Those of a cache are found by [`Cache::signals`](crate::Cache::signals); make others
/// with [`new`](Self::new). Receivers are told in the order in which they were connected.
/// Each sending goes to the receivers of its beginning: one that is connected meanwhile is
/// not told, and one that is disconnected meanwhile still is. Receivers may connect,
/// disconnect and send, themselves included. A signal holds its receivers: there are no
/// weak references.
pub struct Signal<E: Event> {
    // A sending holds the list that it began with; a change makes a new one.
    receivers: RwLock<Option<Arc<[Connected<E>]>>>,
}

impl<E: Event> Signal<E> {
    /// A signal without receivers.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            receivers: RwLock::new(None),
        }
    }

    /// Connects a receiver. It is told of every event that is sent from now on, after
    /// those that are connected already.
    pub fn connect<F>(&self, receiver: F) -> ReceiverId
    where
        F: for<'a, 'b> Fn(&'b E::Of<'a>) -> Result<(), E::Error> + Send + Sync + 'static,
    {
        self.add(None, Arc::new(receiver))
    }

    /// Connects under a name: as long as a receiver of that name is connected to this
    /// signal, no other is.
    #[must_use = "the receiver comes with `connect`"]
    pub fn dispatch_uid(&self, uid: &str) -> WithUid<'_, E> {
        WithUid {
            signal: self,
            uid: uid.into(),
        }
    }

    /// Disconnects a receiver. Returns whether it was connected to this signal.
    pub fn disconnect(&self, id: ReceiverId) -> bool {
        self.remove(|connected| connected.id == id)
    }

    /// Disconnects the receiver of that name. Returns whether there was one.
    pub fn disconnect_uid(&self, uid: &str) -> bool {
        self.remove(|connected| connected.uid.as_deref() == Some(uid))
    }

    /// Whether anyone listens.
    #[must_use]
    pub fn has_receivers(&self) -> bool {
        self.read().is_some()
    }

    /// Tells every receiver. The first error ends it, and so does a panic, which goes on
    /// to the caller.
    ///
    /// # Errors
    /// What a receiver returned.
    pub fn send(&self, event: &E::Of<'_>) -> Result<(), E::Error> {
        for connected in self.snapshot().iter() {
            // rule: a-receivers-error-ends-the-sending
            (connected.receiver)(event)?;
        }
        Ok(())
    }

    /// Tells every receiver, whatever the others do: errors and panics are caught.
    /// Returns what became of each, in the order in which they were told.
    pub fn send_robust(&self, event: &E::Of<'_>) -> Vec<(ReceiverId, Told<E::Error>)> {
        let told = |connected: &Connected<E>| {
            // rule: robust-sends-go-on-after-a-panic
            let returned = catch_unwind(AssertUnwindSafe(|| (connected.receiver)(event)));
            let returned = match returned {
                Ok(returned) => returned.map_err(ReceiverError::Error),
                Err(payload) => Err(ReceiverError::Panic(payload)),
            };
            (connected.id, returned)
        };
        self.snapshot().iter().map(told).collect()
    }

    fn read(&self) -> Option<Arc<[Connected<E>]>> {
        let receivers = self.receivers.read();
        receivers.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn snapshot(&self) -> Arc<[Connected<E>]> {
        self.read().unwrap_or_else(|| Arc::new([]))
    }

    fn add(&self, uid: Option<Arc<str>>, receiver: Arc<Receiver<E>>) -> ReceiverId {
        let mut receivers = self
            .receivers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let before = receivers.as_deref().unwrap_or_default();
        // rule: a-dispatch-uid-connects-once
        if let Some(uid) = &uid
            && let Some(first) = before.iter().find(|c| c.uid.as_ref() == Some(uid))
        {
            return first.id;
        }
        let id = ReceiverId::fresh();
        let new = Connected { id, uid, receiver };
        *receivers = Some(before.iter().cloned().chain([new]).collect());
        id
    }

    fn remove(&self, which: impl Fn(&Connected<E>) -> bool) -> bool {
        let mut receivers = self
            .receivers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let before = receivers.take();
        let known = before.as_deref().unwrap_or_default();
        let left: Arc<[_]> = known.iter().filter(|c| !which(c)).cloned().collect();
        let found = left.len() < known.len();
        *receivers = (!left.is_empty()).then_some(left);
        // A receiver's own drop may come back here.
        drop(receivers);
        drop(before);
        found
    }
}

impl<E: Event> Default for Signal<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Event> fmt::Debug for Signal<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("event", &std::any::type_name::<E>())
            .field("receivers", &self.snapshot().len())
            .finish()
    }
}

/// Connects under a name; made by [`Signal::dispatch_uid`].
#[derive(Debug)]
pub struct WithUid<'s, E: Event> {
    signal: &'s Signal<E>,
    uid: Arc<str>,
}

impl<E: Event> WithUid<'_, E> {
    /// Connects the receiver, unless one of this name is connected already: then that one
    /// stays, and its id is returned.
    pub fn connect<F>(self, receiver: F) -> ReceiverId
    where
        F: for<'a, 'b> Fn(&'b E::Of<'a>) -> Result<(), E::Error> + Send + Sync + 'static,
    {
        self.signal.add(Some(self.uid), Arc::new(receiver))
    }
}

/// What a receiver returned that was told robustly.
pub type Told<E> = Result<(), ReceiverError<E>>;

/// Why a receiver failed that [`Signal::send_robust`] told.
#[derive(thiserror::Error)]
pub enum ReceiverError<E> {
    /// It returned an error.
    #[error("a receiver returned an error")]
    Error(E),
    /// It panicked; this is the panic's payload.
    #[error("a receiver panicked")]
    Panic(Box<dyn Any + Send>),
}

impl<E: fmt::Debug> fmt::Debug for ReceiverError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => f.debug_tuple("Error").field(error).finish(),
            Self::Panic(_) => f.debug_tuple("Panic").finish_non_exhaustive(),
        }
    }
}
