//! Tokens: what a cached result is valid for.
//!
//! A token is random and unique, never a counter: a token that is lost and made
//! anew is a different token, so that nothing stored under the old one revives.

use std::fmt;

/// The current state of one tag, at random. Two tokens are equal only if one is a copy of the other.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u128);

impl Token {
    /// A token nobody has seen before.
    #[must_use]
    pub fn fresh() -> Self {
        Self(rand::random())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:032x})", self.0)
    }
}

/// One writer: a transaction, or an autocommit statement, between its quarantine and its lift.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct WriterId(u128);

impl WriterId {
    /// An id nobody has used before.
    #[must_use]
    pub fn fresh() -> Self {
        Self(rand::random())
    }
}

impl fmt::Debug for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriterId({:032x})", self.0)
    }
}

/// The generation of a store. Entries of another generation are dead.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce(u128);

impl Nonce {
    /// A generation nobody has seen before.
    #[must_use]
    pub fn fresh() -> Self {
        Self(rand::random())
    }

    /// The generation with that random number.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(u128::from(bits))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({:032x})", self.0)
    }
}
