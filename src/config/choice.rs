//! Choices that a setting may offer.

use std::fmt;

/// What reads through a shared store promise. In memory both are the same: `Strong`.
///
/// | level | a write in an explicit transaction, or by a model's helper | a statement in autocommit |
/// |---|---|---|
/// | `Eventual` | a read that begins after the invalidation is fresh; older rows only between COMMIT and it. Of a process that dies in between, for the time to live at most | the same |
/// | `Strong` | linearizable with respect to commits on one primary; a process that dies changes nothing. With the store out of reach before COMMIT, see [`OnUnreachable`] | the same. Cannot be aborted |
/// | `Durable` | `Strong`, and no invalidation is ever lost of an outermost [`Cache::transaction`](crate::Cache::transaction), or of a model's helper outside of any transaction: a row of the outbox is committed with the write. For any other, see the next column | `Strong`; of tables with [triggers](crate::OutboxMigration), no invalidation is ever lost, whoever writes |
///
/// All processes that share a namespace must agree: a read is only as fresh as the weakest
/// writer's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Level {
    /// Invalidates after COMMIT: one round trip per write.
    Eventual,
    /// Puts what is written under quarantine before COMMIT, and lifts it after: two round
    /// trips per write.
    #[default]
    Strong,
    /// As `Strong`, and what is written on the explicit path leaves a row in the
    /// [outbox](crate::OutboxMigration), which is committed with it: should the process and the store
    /// fail together, the [relay](crate::Builder::relay) tells the store later. One statement more
    /// per transaction. It needs the outbox, and a relay.
    Durable,
}

/// What a write does whose invalidation cannot be announced, because the store is out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnUnreachable {
    /// It fails, with [`StoreUnreachable`](crate::StoreUnreachable): the write's result then depends on the cache. Only
    /// model helpers and [`Cache::transaction`](crate::Cache::transaction) can; any other write proceeds.
    Abort,
    /// It goes on. What it writes is bypassed in this process until the invalidation is delivered;
    /// other processes may read older rows until then, and for the time to live at most if
    /// this process dies before.
    #[default]
    Proceed,
}

/// How values that are not rows are written to a shared store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Codec {
    /// MessagePack with the fields' names: right for every type that serde describes.
    #[default]
    Msgpack,
    /// postcard: smaller and faster, for types that you have checked: it cannot read what skips or
    /// flattens fields, or needs to be told its own type.
    Postcard,
}

/// A setting that must not be seen.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Level {
    pub(super) const NAMES: &[&str] = &["eventual", "strong", "durable"];

    pub(super) fn by_name(name: &str) -> Self {
        match name {
            "eventual" => Self::Eventual,
            "durable" => Self::Durable,
            _ => Self::Strong,
        }
    }
}

impl OnUnreachable {
    pub(super) const NAMES: &[&str] = &["abort", "proceed"];

    pub(super) fn by_name(name: &str) -> Self {
        match name {
            "abort" => Self::Abort,
            _ => Self::Proceed,
        }
    }
}

impl Codec {
    pub(super) const NAMES: &[&str] = &["msgpack", "postcard"];

    pub(super) fn by_name(name: &str) -> Self {
        match name {
            "postcard" => Self::Postcard,
            _ => Self::Msgpack,
        }
    }
}

macro_rules! display {
    ($($choice:ident { $($variant:ident => $name:literal),* })*) => {
        $(impl fmt::Display for $choice {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $name),*
                })
            }
        })*
    };
}

display! {
    Level { Eventual => "eventual", Strong => "strong", Durable => "durable" }
    OnUnreachable { Abort => "abort", Proceed => "proceed" }
    Codec { Msgpack => "msgpack", Postcard => "postcard" }
}
