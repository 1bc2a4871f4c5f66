//! What can go wrong with a server, and what it means for the connection.

use std::fmt;
use std::io;

/// Why an operation was not answered. Nothing in it comes from the server but the code of an
/// error: a message may hold what must not be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The connection is not to be had, or was lost.
    Lost(Loss),
    /// The server answered something else than the protocol says.
    Garbled,
    /// The server refused with that code.
    Refused(String),
    /// The server can be reached and cannot be used. In words.
    Unusable(String),
    /// Nothing is asked for a while.
    Open,
}

/// How a connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// No answer in time.
    Slow,
    /// No free connection in time, although the server is there.
    Busy,
    /// No connection in time.
    Unreachable,
    /// The other side ended it.
    Ended,
    /// Anything else.
    Broken,
}

impl Failure {
    /// What a server's error means. The code is its first word.
    pub(super) fn of_code(code: &str) -> Self {
        let plain = |c: char| c.is_ascii_uppercase() || c == '_';
        let code = if !code.is_empty() && code.len() <= 24 && code.chars().all(plain) {
            code
        } else {
            "an unknown error"
        };
        Self::Refused(code.to_owned())
    }

    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(code) => Some(code),
            _ => None,
        }
    }

    /// Whether the connection may be used again. Only after what is known to leave it, and the
    /// server behind it, as they were: a server in another role or state is looked up anew.
    // rule: a-connection-with-any-other-error-is-thrown-away
    pub(super) fn spares_connection(&self) -> bool {
        matches!(
            self.code(),
            Some("NOSCRIPT" | "OOM" | "NOREPLICAS" | "MISCONF" | "BUSY")
        )
    }

    /// Whether the operation was not carried out, and another connection may help.
    pub(super) fn is_elsewhere(&self) -> bool {
        matches!(
            self.code(),
            Some("DCTERM" | "READONLY" | "MOVED" | "ASK" | "NOAUTH")
        )
    }

    /// Whether other connections of the same age are probably of no use either.
    pub(super) fn ends_others(&self) -> bool {
        self.is_elsewhere() || matches!(self, Self::Lost(Loss::Ended))
    }

    /// Whether it says that the store is in trouble.
    pub(super) fn counts(&self) -> bool {
        !matches!(self, Self::Lost(Loss::Busy) | Self::Open) && self.code() != Some("OOM")
    }
}

/// What an error of the client's means.
pub(super) fn of_client(error: &redis::RedisError) -> Failure {
    let source = std::error::Error::source(error);
    let io = source.and_then(|source| source.downcast_ref::<io::Error>());
    if error.is_timeout() {
        Failure::Lost(Loss::Slow)
    } else if let Some(io) = io {
        Failure::from(io::Error::from(io.kind()))
    } else if error.is_connection_dropped() {
        Failure::Lost(Loss::Ended)
    } else if error.is_io_error() {
        Failure::Lost(Loss::Broken)
    } else if let Some(code) = error.code() {
        Failure::of_code(code)
    } else {
        Failure::Garbled
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        Self::Lost(match error.kind() {
            Kind::TimedOut | Kind::WouldBlock => Loss::Slow,
            Kind::ConnectionRefused
            | Kind::NotFound
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::AddrNotAvailable => Loss::Unreachable,
            Kind::UnexpectedEof
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::NotConnected => Loss::Ended,
            _ => Loss::Broken,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost(Loss::Slow) => "the store did not answer in time",
            Self::Lost(Loss::Busy) => "all connections to the store are in use",
            Self::Lost(Loss::Unreachable) => "the store cannot be reached",
            Self::Lost(Loss::Ended) => "the store ended the connection",
            Self::Lost(Loss::Broken) => "the connection to the store broke",
            Self::Garbled => "the store answered something else than was asked",
            Self::Refused(code) => return write!(f, "the store refused: {code}"),
            Self::Unusable(reason) => reason,
            Self::Open => "the store failed before, and is not asked for a while",
        })
    }
}

impl std::error::Error for Failure {}
