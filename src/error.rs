//! Errors.

use std::path::PathBuf;

use thiserror::Error;

/// What can go wrong when a cache is set up.
///
/// Nothing here ever comes out of a read or a write: those fall back to the database.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting has a value it cannot have.
    #[error("invalid value {value} for `{key}` in {place}: {allowed}")]
    Config {
        /// Where it stands: an environment variable, a file and its line, a URL, a method.
        place: String,
        /// The setting's name; for one of a table with its section, `models.posts.ttl`.
        key: String,
        /// The value that was given, texts in quotes. Of what may hold a secret, only a
        /// URL's scheme is shown.
        value: String,
        /// What is allowed instead.
        allowed: String,
    },
    /// A setting does not exist.
    #[error("unknown setting `{key}` in {place}{hint}; known settings are {known}")]
    UnknownSetting {
        /// The name that was given.
        key: String,
        /// Where it stands.
        place: String,
        /// The name that was probably meant, in words; or empty.
        hint: String,
        /// The names that exist.
        known: String,
    },
    /// A file of settings cannot be read.
    #[error("the settings in `{}` cannot be read: {source}", path.display())]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A text of settings is not TOML.
    #[error("{place} is not TOML: {problem}")]
    ConfigSyntax {
        /// The file or text, and the line.
        place: String,
        /// What is wrong; nothing of the text itself.
        problem: String,
    },
    /// Both a backend of one's own and a URL were given.
    #[error("a backend is given by `Builder::backend`, and another by {place}")]
    TwoBackends {
        /// Where the URL stands.
        place: String,
    },
    /// A URL names a backend that does not exist, or that was not compiled in.
    #[error("no backend for `{scheme}` in {place}; this build knows {known}")]
    UnknownBackend {
        /// Where the URL stands.
        place: String,
        /// The URL's scheme.
        scheme: String,
        /// The schemes that exist in this build.
        known: String,
    },
    /// A shared store answered, and cannot be used.
    #[error("the store in {place} cannot be used: {reason}")]
    Store {
        /// Where its URL stands.
        place: String,
        /// What is wrong, and what to do about it.
        reason: String,
    },
    /// The process-wide cache was installed before.
    #[error("a process-wide cache is installed already")]
    AlreadyInstalled,
    /// Diesel's default instrumentation could not be set.
    #[error("Diesel's default instrumentation could not be set")]
    Install(#[source] diesel::result::Error),
    /// A test transaction with commits could not be begun.
    #[cfg(feature = "test")]
    #[error("the test transaction was not begun: {reason}")]
    TestTransaction {
        /// Why not.
        reason: &'static str,
        /// What the database said.
        source: Option<diesel::result::Error>,
    },
    /// The database has no outbox that can be read, and the cache is to keep one.
    #[error(
        "the outbox {table} cannot be read: run the migration that `OutboxMigration` writes, and let \
         this user select, insert, update and delete there"
    )]
    Outbox {
        /// The table.
        table: String,
        /// What the database said.
        source: diesel::result::Error,
    },
    /// The connection could not be asked which database it talks to.
    #[error("the connection could not be asked which database it talks to")]
    Attach(#[source] diesel::result::Error),
}

/// The error of a write that was not made because the store is out of reach, inside of Diesel's
/// [`QueryBuilderError`](diesel::result::Error::QueryBuilderError). See [`OnUnreachable::Abort`](crate::OnUnreachable::Abort).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the write was given up: the cache's store cannot be reached (on_unreachable = \"abort\")")]
#[non_exhaustive]
pub struct StoreUnreachable;

/// The error of a write that was not made because its row could not be put into the outbox, inside
/// of Diesel's [`QueryBuilderError`](diesel::result::Error::QueryBuilderError). See
/// [`Level::Durable`](crate::Level::Durable).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the write was given up: the cache's outbox cannot be written")]
#[non_exhaustive]
pub struct OutboxUnwritable;

/// What a backend reports when it cannot do its work.
#[derive(Debug, Error)]
#[error("the cache's backend failed: {message}")]
pub struct BackendError {
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl BackendError {
    /// An error with a message that holds no secret.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// The error beneath it.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }
}
