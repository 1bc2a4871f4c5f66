//! The one error type of these commands: a sentence for the person at the terminal.

use std::fmt;

/// What went wrong, ready to print.
#[derive(Debug)]
pub(crate) struct Error(String);

/// The result of a step of a command.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that says `message`.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Says what was being done when a call failed.
pub(crate) trait Context<T> {
    /// Prefixes the error with `doing`.
    ///
    /// # Errors
    ///
    /// The original error, if any, as an [`Error`].
    fn context(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Error(format!("{doing}: {error}")))
    }
}
