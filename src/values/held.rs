//! A value as it is kept, and its size.

use std::any::Any;
use std::collections::BTreeSet;
use std::io::{Error, Write};
use std::sync::Arc;

use serde::Serialize;

use crate::footprint::Name;

/// A value, and the tables that it was made from.
#[derive(Debug)]
pub(super) struct Held<T> {
    pub(super) value: T,
    pub(super) tables: BTreeSet<Name>,
    /// What was said about these tables then.
    pub(super) settings: Option<[u8; 32]>,
}

impl<T: Send + Sync + 'static> Held<T> {
    /// A value that was made from no table.
    pub(super) fn plain(value: T) -> Arc<dyn Any + Send + Sync> {
        Arc::new(Self {
            value,
            tables: BTreeSet::new(),
            settings: None,
        })
    }
}

/// Counts bytes, up to a limit.
struct Counter {
    bytes: u64,
    limit: u64,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if self.bytes > self.limit {
            return Err(Error::other("too large"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// How large a value is when it is serialized, and no less than it is in place.
pub(super) fn weigh<T: Serialize>(value: &T, limit: u64) -> Weighed {
    let mut counter = Counter { bytes: 0, limit };
    match rmp_serde::encode::write_named(&mut counter, value) {
        Ok(()) => {
            let bytes = usize::try_from(counter.bytes).unwrap_or(usize::MAX);
            Weighed::Bytes(bytes.max(size_of::<T>()))
        }
        Err(_) if counter.bytes > limit => Weighed::TooLarge,
        Err(_) => Weighed::Unserializable,
    }
}

/// What weighing a value told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weighed {
    Bytes(usize),
    TooLarge,
    Unserializable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_weighs_its_bytes() {
        assert!(matches!(weigh(&"x".repeat(100), 1000), Weighed::Bytes(n) if n >= 100));
        assert!(matches!(weigh(&vec!["x"; 100], 1000), Weighed::Bytes(n) if n >= 200));
        assert_eq!(weigh(&[0_u8; 4], 1000), Weighed::Bytes(5));
    }

    #[test]
    fn what_is_too_large_or_cannot_be_serialized_says_so() {
        struct Stubborn;
        impl Serialize for Stubborn {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no"))
            }
        }
        assert_eq!(weigh(&"x".repeat(100), 50), Weighed::TooLarge);
        assert_eq!(weigh(&Stubborn, 50), Weighed::Unserializable);
    }
}
