//! The signals of a cache.

use std::any::{Any, TypeId};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::footprint::Name;
use crate::signal::{
    AnyEvent, Change, Event, Inside, Lifecycle, PostCommit, PostWrite, ReceiverId, Sender, Signal,
};

/// The signals of a cache, found by [`Cache::signals`](crate::Cache::signals).
#[derive(Default)]
pub struct Signals {
    // The key is the event's family, which holds both the signal and the model.
    signals: RwLock<HashMap<TypeId, Arc<dyn Listed>>>,
    // The key is the model.
    commits: RwLock<HashMap<TypeId, Box<dyn Any + Send + Sync>>>,
    any: [Arc<Signal<AnyEvent<'static>>>; 5],
    write: Arc<Signal<PostWrite<'static>>>,
    /// The models whose declared receivers are connected.
    declared: Mutex<HashSet<TypeId>>,
    /// The models whose settings are known as well.
    registered: RwLock<HashSet<TypeId>>,
}

/// What is to be done after a commit. Returns how many receivers failed.
pub(crate) type Hook = Box<dyn FnOnce() -> u64 + Send>;

/// The commit signal of a model, where nothing says that the model can be cloned.
pub(crate) trait Commits<M>: Send + Sync {
    /// Whether anyone listens.
    fn has_receivers(&self) -> bool;

    /// Tells the receivers of the model, and those of any model, of a clone of `instance`.
    fn hook(
        &self,
        instance: &M,
        sender: Sender,
        change: Change,
        changed: Option<BTreeSet<Name>>,
        any: Option<Arc<Signal<AnyEvent<'static>>>>,
    ) -> Hook;
}

impl<M: Clone + Send + 'static> Commits<M> for Arc<Signal<PostCommit<'static, M>>> {
    fn has_receivers(&self) -> bool {
        Signal::has_receivers(self)
    }

    fn hook(
        &self,
        instance: &M,
        sender: Sender,
        change: Change,
        changed: Option<BTreeSet<Name>>,
        any: Option<Arc<Signal<AnyEvent<'static>>>>,
    ) -> Hook {
        let signal = Self::clone(self);
        let instance = instance.clone();
        Box::new(move || {
            let told = signal.send_robust(&PostCommit {
                instance: &instance,
                change,
                changed: changed.as_ref(),
            });
            let failed = told.iter().filter(|(_, told)| told.is_err()).count() as u64;
            let any = any.map_or(0, |any| {
                tell_any(&any, Some(&instance), sender, change, changed.as_ref())
            });
            failed + any
        })
    }
}

/// Tells the receivers of any model's commits. Returns how many failed.
pub(crate) fn tell_any(
    signal: &Signal<AnyEvent<'static>>,
    instance: Option<&dyn Any>,
    sender: Sender,
    change: Change,
    changed: Option<&BTreeSet<Name>>,
) -> u64 {
    let told = signal.send_robust(&AnyEvent {
        lifecycle: Lifecycle::PostCommit,
        sender,
        instance,
        change,
        changed,
        inside: Inside::none(),
    });
    told.iter().filter(|(_, told)| told.is_err()).count() as u64
}

impl Signals {
    /// The signal of all models: sent after the model's own.
    #[must_use]
    pub fn any(&self, lifecycle: Lifecycle) -> &Arc<Signal<AnyEvent<'static>>> {
        &self.any[lifecycle as usize]
    }

    /// The signal of every statement that wrote.
    #[must_use]
    pub fn post_write(&self) -> &Arc<Signal<PostWrite<'static>>> {
        &self.write
    }

    /// The signal of that family of events.
    pub(crate) fn of<E: Event>(&self) -> Arc<Signal<E>> {
        if let Some(known) = self.known::<E>() {
            return known;
        }
        let mut signals = self.signals.write().unwrap_or_else(PoisonError::into_inner);
        let new: Arc<Signal<E>> = Arc::default();
        let listed = signals
            .entry(TypeId::of::<E>())
            .or_insert_with(|| Arc::clone(&new) as Arc<dyn Listed>);
        downcast(listed).unwrap_or(new)
    }

    /// The signal of that family of events, if anyone listens.
    pub(crate) fn heard<E: Event>(&self) -> Option<Arc<Signal<E>>> {
        self.known::<E>().filter(|signal| signal.has_receivers())
    }

    /// The signal of all models, if anyone listens.
    pub(crate) fn heard_any(&self, lifecycle: Lifecycle) -> Option<Arc<Signal<AnyEvent<'static>>>> {
        Some(self.any(lifecycle))
            .filter(|signal| signal.has_receivers())
            .cloned()
    }

    /// The commit signal of a model; from now on its instances can be cloned for it.
    pub(crate) fn commits<M: Clone + Send + 'static>(&self) -> Arc<Signal<PostCommit<'static, M>>> {
        let signal = self.of::<PostCommit<'static, M>>();
        let commits: Arc<dyn Commits<M>> = Arc::new(Arc::clone(&signal));
        self.commits
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(TypeId::of::<M>())
            .or_insert_with(|| Box::new(commits));
        signal
    }

    /// The commit signal of a model, if it was ever asked for.
    pub(crate) fn known_commits<M: 'static>(&self) -> Option<Arc<dyn Commits<M>>> {
        let commits = self.commits.read().unwrap_or_else(PoisonError::into_inner);
        let found = commits.get(&TypeId::of::<M>())?;
        found.downcast_ref::<Arc<dyn Commits<M>>>().cloned()
    }

    /// Runs `connect` the first time that it is asked for the model `M`. Whoever else asks
    /// meanwhile waits.
    pub(crate) fn declare_once<M: 'static>(&self, connect: impl FnOnce(&Self)) {
        let mut declared = self.declared.lock().unwrap_or_else(PoisonError::into_inner);
        // rule: declared-receivers-are-connected-once
        if declared.insert(TypeId::of::<M>()) {
            connect(self);
        }
    }

    /// Whether the declared receivers of the model `M` are connected.
    pub(crate) fn is_declared<M: 'static>(&self) -> bool {
        let declared = self.declared.lock().unwrap_or_else(PoisonError::into_inner);
        declared.contains(&TypeId::of::<M>())
    }

    /// Whether the model `M` is registered.
    pub(crate) fn is_registered<M: 'static>(&self) -> bool {
        let registered = self.registered.read();
        let registered = registered.unwrap_or_else(PoisonError::into_inner);
        registered.contains(&TypeId::of::<M>())
    }

    /// The model `M` is registered.
    pub(crate) fn set_registered<M: 'static>(&self) {
        let registered = self.registered.write();
        let mut registered = registered.unwrap_or_else(PoisonError::into_inner);
        registered.insert(TypeId::of::<M>());
    }

    /// Disconnects a receiver, whichever signal it listens to. Returns whether it was connected.
    pub fn disconnect(&self, id: ReceiverId) -> bool {
        let of_all = self.any.iter().any(|signal| signal.disconnect(id));
        of_all || self.write.disconnect(id) || {
            let listed: Vec<_> = self.listed();
            listed.iter().any(|signal| signal.disconnect(id))
        }
    }

    fn known<E: Event>(&self) -> Option<Arc<Signal<E>>> {
        let signals = self.signals.read().unwrap_or_else(PoisonError::into_inner);
        downcast(signals.get(&TypeId::of::<E>())?)
    }

    fn listed(&self) -> Vec<Arc<dyn Listed>> {
        let signals = self.signals.read().unwrap_or_else(PoisonError::into_inner);
        signals.values().cloned().collect()
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals")
            .field("models", &self.listed())
            .field("any", &self.any)
            .field("write", &self.write)
            .finish_non_exhaustive()
    }
}

/// A signal of any event.
trait Listed: Any + Send + Sync + fmt::Debug {
    fn disconnect(&self, id: ReceiverId) -> bool;
}

impl<E: Event> Listed for Signal<E> {
    fn disconnect(&self, id: ReceiverId) -> bool {
        Self::disconnect(self, id)
    }
}

fn downcast<E: Event>(listed: &Arc<dyn Listed>) -> Option<Arc<Signal<E>>> {
    let any: Arc<dyn Any + Send + Sync> = Arc::clone(listed) as _;
    any.downcast().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_declares_once_whoever_asks_at_the_same_time() {
        let signals = Signals::default();
        let mut declared = 0;
        // Both have found that it is not declared.
        signals.declare_once::<u8>(|_| declared += 1);
        signals.declare_once::<u8>(|_| declared += 1);
        signals.declare_once::<u16>(|_| declared += 10);
        assert_eq!(declared, 11);
        assert!(signals.is_declared::<u8>() && !signals.is_declared::<u32>());
    }
}
