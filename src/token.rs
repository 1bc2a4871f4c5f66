//! Tokens: what a cached result is valid for.
//!
//! A token is random and unique, never a counter: a token that is lost and made
//! anew is a different token, so that nothing stored under the old one revives.

use std::fmt;

macro_rules! random_number {
    ($(#[$doc:meta])* $name:ident, $fresh:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u128);

        impl $name {
            #[doc = $fresh]
            #[must_use]
            pub fn fresh() -> Self {
                Self(rand::random())
            }

            /// The one with these bytes: how it crosses to a store outside of the process.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }

            /// Its bytes.
            #[must_use]
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:032x})"), self.0)
            }
        }
    };
}

random_number! {
    /// The current state of one tag, at random. Two tokens are equal only if one is a copy of the other.
    Token, "A token nobody has seen before."
}

random_number! {
    /// One writer: a transaction, or an autocommit statement, between its quarantine and its lift.
    WriterId, "An id nobody has used before."
}

random_number! {
    /// The generation of a store. Entries of another generation are dead.
    Nonce, "A generation nobody has seen before."
}

random_number! {
    /// A time in which the gate of a database is open. What was learnt of a database's catalogue
    /// before it began does not count in it.
    Opening, "An opening that nobody has seen before."
}

random_number! {
    /// A time in which a store has lost nothing. It begins anew whenever the store may have
    /// lost a quarantine.
    Epoch, "An epoch that nobody has seen before."
}

impl Nonce {
    /// The generation with that random number.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(u128::from(bits))
    }
}

impl Epoch {
    /// That of a store which loses nothing as long as the process lives.
    pub const LASTING: Self = Self(0);
}

impl Opening {
    /// That of a store which loses nothing as long as the process lives.
    pub const LASTING: Self = Self(0);
}

/// One process that uses a shared store, at random: a number below 2^40.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId(u64);

impl ProcessId {
    /// An id that no other process has.
    #[must_use]
    pub fn fresh() -> Self {
        Self::of(rand::random())
    }

    /// The process with the lower 40 bits of that number.
    #[must_use]
    pub fn of(number: u64) -> Self {
        Self(number & 0xff_ffff_ffff)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ProcessId {
    /// Ten hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010x}", self.0)
    }
}

impl fmt::Debug for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProcessId({self})")
    }
}
