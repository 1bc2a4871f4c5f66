//! What one SQL text does, as far as its text alone can tell.
//!
//! An [`Analysis`] over-approximates: a relation that may be read is listed, a
//! statement that may write is not called a read, and whatever is not understood
//! is [`Step::Unknown`]. Names are bare (no schema), unquoted and lower-cased:
//! two relations that differ only in case or schema count as one.

use std::collections::BTreeSet;

/// A relation, column, function or variable name: bare, unquoted, lower-cased.
pub type Name = Box<str>;

/// The steps of one SQL text, in order. A text with several statements has several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Analysis {
    /// One step per statement; empty for an empty or comment-only text.
    pub steps: Vec<Step>,
}

/// What one statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Reads and, as far as its text shows, writes nothing.
    /// An unknown function in it may still write: see [`Access::unknown_functions`].
    Read(Access),
    /// Writes to known relations.
    Write(Write),
    /// Changes the schema. Anything may have changed. Where MySQL commits before a
    /// statement, a [`Control::Commit`] stands before its step.
    Ddl,
    /// Creates a temporary relation that may shadow a real one on this connection.
    CreateTemporary(Name),
    /// Begins, ends or configures a transaction.
    Control(Control),
    /// Changes the session, and with it what the same SQL returns.
    Session(Session),
    /// Neither reads rows worth caching nor writes any.
    Harmless,
    /// Not understood: counts as a write to everything. It may have changed the
    /// session and made temporary relations too, and on MySQL (`CALL`, `EXECUTE`)
    /// ended the transaction.
    Unknown,
}

/// What a statement reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Every name that stands where a relation can stand, CTE names included
    /// (a CTE may shadow a table of the same name that it reads).
    pub relations: BTreeSet<Name>,
    /// Those of `relations` that a CTE of the statement defines.
    pub ctes: BTreeSet<Name>,
    /// Functions whose result depends on their arguments alone. Listed because a
    /// user-defined function may shadow them.
    pub pure_functions: BTreeSet<Name>,
    /// Functions this crate does not know: they may read or write anything.
    pub unknown_functions: BTreeSet<Name>,
    /// Why the result must not be cached, whatever the schema says.
    pub refusal: Option<Refusal>,
}

/// Why the text of a read forbids caching its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Refusal {
    /// It calls something that may differ from call to call: `now()`, `random()`.
    Volatile,
    /// It locks rows: `FOR UPDATE`, `FOR SHARE`, `LOCK IN SHARE MODE`.
    Locking,
    /// It reads or changes the session: `current_user`, `set_config()`, `@variable`.
    Session,
}

/// A statement that writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// What it writes. Never empty.
    pub targets: Vec<Target>,
    /// What it reads on the way. Its relations include the targets.
    pub access: Access,
}

/// One relation written by a statement, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The relation.
    pub relation: Name,
    /// How it is written.
    pub kind: WriteKind,
}

/// How a relation is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteKind {
    /// Rows are added, none is changed or removed.
    Insert,
    /// Rows are changed. The columns that stand in `SET`; `None` when not known.
    Update {
        /// The columns that stand in `SET`, or `None` when they are not known.
        columns: Option<BTreeSet<Name>>,
    },
    /// Rows are added or changed (`ON CONFLICT DO UPDATE`, `ON DUPLICATE KEY UPDATE`),
    /// or removed and added (`REPLACE`, `INSERT OR REPLACE`, `MERGE`).
    Replace,
    /// Rows are removed.
    Delete,
    /// All rows are removed; with `cascade`, those of every referencing table too.
    Truncate {
        /// Whether `CASCADE` stands in the statement.
        cascade: bool,
    },
}

/// A statement that begins, ends or configures a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// `BEGIN`, `START TRANSACTION`; the isolation it names, if any.
    Begin(Option<Isolation>),
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`, `ABORT`.
    Rollback,
    /// `SAVEPOINT name`.
    Savepoint(Name),
    /// `RELEASE SAVEPOINT name`.
    Release(Name),
    /// `ROLLBACK TO SAVEPOINT name`.
    RollbackTo(Name),
    /// `SET TRANSACTION ISOLATION LEVEL …`: this transaction (PostgreSQL) or the next (MySQL).
    SetIsolation(Isolation),
    /// `SET SESSION CHARACTERISTICS …`, `SET SESSION TRANSACTION …`,
    /// `SET default_transaction_isolation = …`: all later transactions.
    SetSessionIsolation(Isolation),
    /// MySQL's `SET autocommit = 1`: commits what is open.
    AutocommitOn,
    /// A control statement this crate cannot follow (`SET autocommit = 0`,
    /// `COMMIT AND CHAIN`, `LOCK TABLES`, `XA …`, `PREPARE TRANSACTION`,
    /// `SET completion_type`, …).
    Unrecognised,
}

/// How isolated a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Isolation {
    /// Sees what others have not committed.
    ReadUncommitted,
    /// Each statement sees what was committed when it began.
    ReadCommitted,
    /// Every statement sees what was committed when the first one ran, or is serializable.
    Snapshot,
}

/// A statement that changes the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Session {
    /// `SET [LOCAL] name = value`, `PRAGMA name = value`, `USE schema`, with a literal value.
    Set {
        /// Whether it ends with the transaction (`SET LOCAL`).
        local: bool,
        /// The variable. Aliases are one name: `SET TIME ZONE` is `timezone`,
        /// `SET SCHEMA` is `search_path`, `SET NAMES` on PostgreSQL is `client_encoding`,
        /// `SET ROLE` is `role`, `SET SESSION AUTHORIZATION` is `session_authorization`.
        name: Name,
        /// The value's text as it stands in the statement.
        value: Box<str>,
    },
    /// `RESET name`, `SET name TO DEFAULT`.
    Reset(Name),
    /// `RESET ALL`: sets back `default_transaction_isolation` too.
    ResetAll,
    /// Anything else: what it changes is not known.
    Unrecognised,
}

impl Analysis {
    /// What the text reads, if it is one statement and that statement is a read.
    #[must_use]
    pub fn is_single_read(&self) -> Option<&Access> {
        match &*self.steps {
            [Step::Read(access)] => Some(access),
            _ => None,
        }
    }

    /// Whether nothing in the text can have written a row or changed the schema, the
    /// session or the transaction.
    #[must_use]
    pub fn is_inert(&self) -> bool {
        self.steps.iter().all(|step| match step {
            Step::Read(access) => access.unknown_functions.is_empty(),
            Step::Harmless => true,
            _ => false,
        })
    }
}
