#![doc = include_str!("../../docs/signals.md")]

mod connection;
mod events;
mod list;
mod registry;
mod veto;

pub use self::connection::ReceiverConnection;
pub use self::events::{
    AnyEvent, Change, Lifecycle, PostCommit, PostDelete, PostSave, PostWrite, PreDelete, PreSave,
    Sender,
};
pub use self::list::{ReceiverError, ReceiverId, Signal, Told, WithUid};
pub use self::registry::Signals;
pub use self::veto::Veto;

pub(crate) use self::connection::Inside;
pub(crate) use self::registry::{Commits, Hook, tell_any};

/// What a [`Signal`] tells of: a type that stands for a family of events.
///
/// The events of a signal may borrow, so they differ by a lifetime; the family is named
/// by the `'static` one. An event that owns what it tells stands for itself:
///
/// ```
/// use diesel_cache::signal::{Event, Signal};
///
/// struct OrderPaid {
///     number: u32,
/// }
///
/// impl Event for OrderPaid {
///     type Of<'a> = Self;
///     type Error = String;
/// }
///
/// static ORDER_PAID: Signal<OrderPaid> = Signal::new();
///
/// let id = ORDER_PAID.connect(|order| {
///     assert_eq!(order.number, 7);
///     Err("no printer".into())
/// });
/// assert_eq!(ORDER_PAID.send(&OrderPaid { number: 7 }), Err("no printer".into()));
/// assert!(ORDER_PAID.disconnect(id));
/// assert_eq!(ORDER_PAID.send(&OrderPaid { number: 8 }), Ok(()));
/// ```
pub trait Event: 'static {
    /// The event, as long as what it borrows.
    type Of<'a>;
    /// What a receiver may fail with.
    type Error: 'static;
}
