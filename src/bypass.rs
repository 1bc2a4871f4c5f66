//! Why a read did not use the cache.

use std::fmt;

use crate::footprint::Refusal;

/// Why a read did not use the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Bypass {
    /// The connection is not attached to a cache.
    Unattached,
    /// The cache is switched off.
    Disabled,
    /// The query says `.no_cache()`.
    NoCache,
    /// The statement is not one plain read.
    NotARead,
    /// It calls something that may differ from call to call.
    Volatile,
    /// It locks rows.
    Locking,
    /// It depends on the session in a way the key does not hold.
    Session,
    /// It calls a function that is not known to depend on its arguments alone.
    UnknownFunction,
    /// It names a relation that the catalogue does not know.
    UnknownRelation,
    /// It reads a relation that is never cached: a foreign or virtual table, a
    /// system catalogue, a temporary table, a model with `#[cache(never)]`.
    Uncacheable,
    /// It reads a table with row-level security, and has no `.scope()`.
    RowSecurity,
    /// The transaction has written what it reads.
    OwnWrites,
    /// The transaction's isolation forbids it: an older snapshot, or dirty reads.
    Isolation,
    /// It cannot be told whether a transaction is open.
    UnknownTransaction,
    /// The transaction has failed and waits for its rollback.
    FailedTransaction,
    /// The database, its catalogue or the session's state is not known yet and cannot be asked now.
    Unidentified,
    /// The connection talks to a standby, which may lag.
    Standby,
    /// Another database is attached to the connection.
    AttachedDatabase,
    /// The catalogue was not looked at lately, and cannot be looked at now.
    CatalogueDue,
    /// A writer of something it reads may be about to commit.
    Quarantined,
    /// The store may have lost quarantines.
    Closed,
    /// The backend failed.
    Backend,
    /// The statement could not be described.
    Undescribed,
    /// A write of this process to something it reads could not be told to the store yet.
    Undelivered,
    /// The database is this connection's alone, and the store is shared.
    PrivateDatabase,
    /// The process was forked after its cache was built on a shared store.
    Forked,
    /// The relay has not looked yet at what was left in the outbox before the cache was built.
    Behind,
}

impl Bypass {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 27] = [
        Self::Unattached,
        Self::Disabled,
        Self::NoCache,
        Self::NotARead,
        Self::Volatile,
        Self::Locking,
        Self::Session,
        Self::UnknownFunction,
        Self::UnknownRelation,
        Self::Uncacheable,
        Self::RowSecurity,
        Self::OwnWrites,
        Self::Isolation,
        Self::UnknownTransaction,
        Self::FailedTransaction,
        Self::Unidentified,
        Self::Standby,
        Self::AttachedDatabase,
        Self::CatalogueDue,
        Self::Quarantined,
        Self::Closed,
        Self::Backend,
        Self::Undescribed,
        Self::Undelivered,
        Self::PrivateDatabase,
        Self::Forked,
        Self::Behind,
    ];

    /// The reason in a few words.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unattached => "connection not attached",
            Self::Disabled => "cache switched off",
            Self::NoCache => "no_cache()",
            Self::NotARead => "not a plain read",
            Self::Volatile => "volatile",
            Self::Locking => "locks rows",
            Self::Session => "depends on the session",
            Self::UnknownFunction => "unknown function",
            Self::UnknownRelation => "unknown relation",
            Self::Uncacheable => "relation is never cached",
            Self::RowSecurity => "row-level security without scope()",
            Self::OwnWrites => "own uncommitted writes",
            Self::Isolation => "transaction isolation",
            Self::UnknownTransaction => "transaction state unknown",
            Self::FailedTransaction => "transaction failed",
            Self::Unidentified => "database not known yet",
            Self::Standby => "standby server",
            Self::AttachedDatabase => "further database attached",
            Self::CatalogueDue => "catalogue not looked at lately",
            Self::Quarantined => "a writer may be committing",
            Self::Closed => "store's gate closed",
            Self::Backend => "backend failed",
            Self::Undescribed => "statement could not be described",
            Self::Undelivered => "own write not delivered to the store yet",
            Self::PrivateDatabase => "private database, shared store",
            Self::Forked => "forked after the cache was built",
            Self::Behind => "the relay has not looked yet",
        }
    }
}

impl fmt::Display for Bypass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Bypass {}

impl From<Refusal> for Bypass {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Volatile => Self::Volatile,
            Refusal::Locking => Self::Locking,
            Refusal::Session => Self::Session,
        }
    }
}
