//! The events of models and statements.

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeSet;

use diesel::result::{Error, QueryResult};

use crate::footprint::{Name, Target};
use crate::signal::{Event, Inside, ReceiverConnection};

/// A model is about to be written by `save` or `create`. An error of a receiver is a veto:
/// the statement does not run, and `save` or `create` returns the error.
#[derive(Debug)]
#[non_exhaustive]
pub struct PreSave<'a, M> {
    /// What is about to be saved. `None` for `create`: the model does not exist before
    /// the database has made it.
    pub instance: Option<&'a M>,
    /// Whether the row will be new.
    pub created: bool,
    pub(crate) inside: Inside<'a>,
}

/// A model was written: `save` or `create` has run its statement, and the transaction
/// is still open. An error of a receiver undoes the write.
#[derive(Debug)]
#[non_exhaustive]
pub struct PostSave<'a, M> {
    /// What was saved. For `create`, as the database returned it.
    pub instance: &'a M,
    /// Whether the row is new.
    pub created: bool,
    /// The columns that stood in `SET`: bare names in lower case. A field that was left
    /// out because it is `None` is not among them. `None` for a new row, and where the
    /// columns are not known.
    pub changed: Option<&'a BTreeSet<Name>>,
    pub(crate) inside: Inside<'a>,
}

/// A model is about to be deleted. An error of a receiver is a veto: the statement does
/// not run, and `delete` returns the error.
#[derive(Debug)]
#[non_exhaustive]
pub struct PreDelete<'a, M> {
    /// What is about to be deleted.
    pub instance: &'a M,
    pub(crate) inside: Inside<'a>,
}

/// A model was deleted: `delete` has run its statement, and the transaction is still
/// open. An error of a receiver undoes the write.
#[derive(Debug)]
#[non_exhaustive]
pub struct PostDelete<'a, M> {
    /// What was deleted.
    pub instance: &'a M,
    pub(crate) inside: Inside<'a>,
}

/// A model was written and its transaction has committed; what was cached of it is
/// invalidated already.
///
/// Sent robustly: an error or a panic of a receiver changes nothing and stops no other
/// receiver. The connection that committed is still in use, so there is none to be had
/// here; a receiver that wants one takes another.
#[derive(Debug)]
#[non_exhaustive]
pub struct PostCommit<'a, M> {
    /// A clone of the model as it was when it was written.
    pub instance: &'a M,
    /// What was done to it.
    pub change: Change,
    /// As in [`PostSave::changed`].
    pub changed: Option<&'a BTreeSet<Name>>,
}

/// What was done to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// `create`
    Created,
    /// `save`
    Saved,
    /// `delete`
    Deleted,
}

/// One of the signals that each model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lifecycle {
    /// Before `save` or `create`: [`PreSave`].
    PreSave,
    /// After `save` or `create`, inside of its transaction: [`PostSave`].
    PostSave,
    /// Before `delete`: [`PreDelete`].
    PreDelete,
    /// After `delete`, inside of its transaction: [`PostDelete`].
    PostDelete,
    /// After the commit: [`PostCommit`].
    PostCommit,
}

/// The model that an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Sender {
    /// The model's type.
    pub id: TypeId,
    /// The type's name, for people: it may differ from compiler to compiler.
    pub name: &'static str,
    /// The table's name in SQL.
    pub table: &'static str,
}

impl Sender {
    /// The model `M` of that table.
    #[must_use]
    pub fn of<M: 'static>(table: &'static str) -> Self {
        Self {
            id: TypeId::of::<M>(),
            name: type_name::<M>(),
            table,
        }
    }
}

/// An event of any model, for receivers that listen to all of them. Its terms are those
/// of the model's own event: an error in [`Lifecycle::PreSave`] is a veto, and so on.
#[derive(Debug)]
#[non_exhaustive]
pub struct AnyEvent<'a> {
    /// Which signal it is.
    pub lifecycle: Lifecycle,
    /// The model.
    pub sender: Sender,
    /// The instance, to be downcast: see [`instance_of`](Self::instance_of). `None` where
    /// the model's own event has none, and in [`Lifecycle::PostCommit`] if nobody has
    /// asked for the model's own [`Signals::post_commit`](crate::signal::Signals::post_commit):
    /// that is what tells how to clone the instance.
    pub instance: Option<&'a dyn Any>,
    /// What is, or was, done to it.
    pub change: Change,
    /// As in [`PostSave::changed`].
    pub changed: Option<&'a BTreeSet<Name>>,
    pub(crate) inside: Inside<'a>,
}

/// A statement wrote: any statement of an attached connection, of a model's helper, of
/// Diesel's query builder or in raw SQL.
///
/// A read is one only if it calls a function that is not known, and may write. Sent
/// robustly, when the statement has returned without an error; its transaction may still be
/// open, and be rolled back later. On SQLite, a statement that returns rows is told of before
/// its rows have come, or its error. There is no instance, and no connection to be had.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PostWrite<'a> {
    /// What stands in the text: each relation that is written, and how.
    pub targets: &'a [Target],
    /// The tables written, as far as they are known: those of the text, and what cascades,
    /// views and partitions add. Bare names in lower case.
    pub tables: &'a BTreeSet<Name>,
    /// Whether more may have been written than `tables` says: the statement is a change of
    /// the schema or is not understood, it calls unknown functions, a trigger stands behind a
    /// table, or the catalogue is not known yet.
    pub anything: bool,
    /// Whether a transaction is open, or may be.
    pub in_transaction: bool,
}

impl<'a, M> PreSave<'a, M> {
    /// An event to send by hand; it has no connection.
    #[must_use]
    pub fn new(instance: Option<&'a M>, created: bool) -> Self {
        Self {
            instance,
            created,
            inside: Inside::none(),
        }
    }
}

impl<'a, M> PostSave<'a, M> {
    /// An event to send by hand; it has no connection.
    #[must_use]
    pub fn new(instance: &'a M, created: bool) -> Self {
        Self {
            instance,
            created,
            changed: None,
            inside: Inside::none(),
        }
    }
}

impl<'a, M> PreDelete<'a, M> {
    /// An event to send by hand; it has no connection.
    #[must_use]
    pub fn new(instance: &'a M) -> Self {
        Self {
            instance,
            inside: Inside::none(),
        }
    }
}

impl<'a, M> PostDelete<'a, M> {
    /// An event to send by hand; it has no connection.
    #[must_use]
    pub fn new(instance: &'a M) -> Self {
        Self {
            instance,
            inside: Inside::none(),
        }
    }
}

impl<'a, M> PostCommit<'a, M> {
    /// An event to send by hand.
    #[must_use]
    pub fn new(instance: &'a M, change: Change) -> Self {
        Self {
            instance,
            change,
            changed: None,
        }
    }
}

impl<'a> AnyEvent<'a> {
    /// An event to send by hand; it has no connection.
    #[must_use]
    pub fn new(
        lifecycle: Lifecycle,
        sender: Sender,
        instance: Option<&'a dyn Any>,
        change: Change,
    ) -> Self {
        Self {
            lifecycle,
            sender,
            instance,
            change,
            changed: None,
            inside: Inside::none(),
        }
    }

    /// The instance, if the event is about the model `M` and has one.
    #[must_use]
    pub fn instance_of<M: 'static>(&self) -> Option<&'a M> {
        self.instance?.downcast_ref()
    }
}

/// The way to the connection, for the events that are sent inside of the transaction.
macro_rules! with_connection {
    ($([$($generics:tt)*] $event:ty),* $(,)?) => {$(
        impl<$($generics)*> $event {
            /// Runs `run` with the connection that the model is written through, inside of
            /// the same transaction: what it writes is committed, or rolled back, with the model.
            ///
            /// `C` is the connection's own type, also where it comes from a pool.
            ///
            /// # Errors
            /// What `run` returns. [`QueryBuilderError`](Error::QueryBuilderError), if the model
            /// is written through another type of connection, if the event has none (it was
            /// sent by hand, or after the commit), or inside of another `with_connection` of
            /// the same event.
            pub fn with_connection<C: ReceiverConnection, T>(
                &self,
                run: impl FnOnce(&mut C) -> QueryResult<T>,
            ) -> QueryResult<T> {
                self.inside.with(run)
            }
        }
    )*};
}

with_connection!(
    [M] PreSave<'_, M>,
    [M] PostSave<'_, M>,
    [M] PreDelete<'_, M>,
    [M] PostDelete<'_, M>,
    [] AnyEvent<'_>,
);

impl<M: 'static> Event for PreSave<'static, M> {
    type Of<'a> = PreSave<'a, M>;
    type Error = Error;
}

impl<M: 'static> Event for PostSave<'static, M> {
    type Of<'a> = PostSave<'a, M>;
    type Error = Error;
}

impl<M: 'static> Event for PreDelete<'static, M> {
    type Of<'a> = PreDelete<'a, M>;
    type Error = Error;
}

impl<M: 'static> Event for PostDelete<'static, M> {
    type Of<'a> = PostDelete<'a, M>;
    type Error = Error;
}

/// A model must be cloned and kept for its commit.
impl<M: Clone + Send + 'static> Event for PostCommit<'static, M> {
    type Of<'a> = PostCommit<'a, M>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
}

impl Event for AnyEvent<'static> {
    type Of<'a> = AnyEvent<'a>;
    type Error = Error;
}

impl Event for PostWrite<'static> {
    type Of<'a> = PostWrite<'a>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
}
