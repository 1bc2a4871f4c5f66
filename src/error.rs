//! Errors.

use thiserror::Error;

/// What can go wrong when a cache is set up.
///
/// Nothing here ever comes out of a read or a write: those fall back to the database.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting has a value it cannot have.
    #[error("invalid value {value:?} for `{key}`: {allowed}")]
    Config {
        /// The setting's name.
        key: &'static str,
        /// The value that was given; never a secret.
        value: String,
        /// What is allowed instead.
        allowed: String,
    },
    /// A URL names a setting that does not exist.
    #[error("unknown setting `{key}`; known settings are {known}")]
    UnknownSetting {
        /// The name that was given.
        key: String,
        /// The names that exist.
        known: String,
    },
    /// A URL names a backend that does not exist, or that was not compiled in.
    #[error("no backend for `{scheme}`; this build knows {known}")]
    UnknownBackend {
        /// The URL's scheme.
        scheme: String,
        /// The schemes that exist in this build.
        known: String,
    },
    /// The process-wide cache was installed before.
    #[error("a process-wide cache is installed already")]
    AlreadyInstalled,
    /// Diesel's default instrumentation could not be set.
    #[error("Diesel's default instrumentation could not be set")]
    Install(#[source] diesel::result::Error),
    /// The connection could not be asked which database it talks to.
    #[error("the connection could not be asked which database it talks to")]
    Attach(#[source] diesel::result::Error),
}

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
