//! Receivers that are declared on the model.

use diesel::result::QueryResult;

use crate::model::CacheModel;
use crate::signal::{Event, PostCommit, PostDelete, PostSave, PreDelete, PreSave, Signal, Signals};

/// Collects the receivers that a model declares: see [`CacheModel::receivers`].
///
/// `#[cache(post_save = audit)]` on the model calls `declare.post_save(audit)`.
pub struct Declare<M>(Vec<Connect>, std::marker::PhantomData<fn(&M)>);

type Connect = Box<dyn FnOnce(&Signals)>;

/// What a receiver of a commit returns.
type Told = Result<(), Box<dyn std::error::Error + Send + Sync>>;

impl<M: CacheModel> Declare<M> {
    /// Declares a receiver that is told before every `save` and `create`, and may veto.
    pub fn pre_save(
        &mut self,
        receiver: impl Fn(&PreSave<'_, M>) -> QueryResult<()> + Send + Sync + 'static,
    ) -> &mut Self {
        self.add::<PreSave<'static, M>>(|signal| signal.connect(receiver))
    }

    /// Declares a receiver that is told of every `save` and `create`.
    pub fn post_save(
        &mut self,
        receiver: impl Fn(&PostSave<'_, M>) -> QueryResult<()> + Send + Sync + 'static,
    ) -> &mut Self {
        self.add::<PostSave<'static, M>>(|signal| signal.connect(receiver))
    }

    /// Declares a receiver that is told before every `delete`, and may veto.
    pub fn pre_delete(
        &mut self,
        receiver: impl Fn(&PreDelete<'_, M>) -> QueryResult<()> + Send + Sync + 'static,
    ) -> &mut Self {
        self.add::<PreDelete<'static, M>>(|signal| signal.connect(receiver))
    }

    /// Declares a receiver that is told of every `delete`.
    pub fn post_delete(
        &mut self,
        receiver: impl Fn(&PostDelete<'_, M>) -> QueryResult<()> + Send + Sync + 'static,
    ) -> &mut Self {
        self.add::<PostDelete<'static, M>>(|signal| signal.connect(receiver))
    }

    /// Declares a receiver that is told of every write of the model that has committed.
    pub fn post_commit(
        &mut self,
        receiver: impl Fn(&PostCommit<'_, M>) -> Told + Send + Sync + 'static,
    ) -> &mut Self
    where
        M: Clone + Send,
    {
        self.0.push(Box::new(|signals| {
            signals.commits::<M>().connect(receiver);
        }));
        self
    }

    fn add<E: Event>(
        &mut self,
        connect: impl FnOnce(&Signal<E>) -> crate::signal::ReceiverId + 'static,
    ) -> &mut Self {
        self.0.push(Box::new(|signals| {
            connect(&signals.of::<E>());
        }));
        self
    }
}

impl Signals {
    /// Connects what the model declares, unless it is connected.
    pub(super) fn declare<M: CacheModel>(&self) {
        if self.is_declared::<M>() {
            return;
        }
        // Collected before the lock is taken: `receivers` may be anyone's code.
        let mut declare = Declare(Vec::new(), std::marker::PhantomData);
        M::receivers(&mut declare);
        self.declare_once::<M>(|signals| {
            for connect in declare.0 {
                connect(signals);
            }
        });
    }
}

impl<M> std::fmt::Debug for Declare<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Declare").field(&self.0.len()).finish()
    }
}
