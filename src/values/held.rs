//! A value as it is kept, and its size.

use std::collections::BTreeSet;
use std::io::{Error, Write};
use std::sync::Arc;

use serde::Serialize;

use crate::core::Core;
use crate::entry::Payload;
use crate::footprint::Name;
use crate::stats::count;
use crate::values::CacheValue;
use crate::values::bytes::Unfit;

/// A value, and the tables that it was made from.
#[derive(Debug)]
pub(super) struct Held<T> {
    pub(super) value: T,
    pub(super) tables: BTreeSet<Name>,
    /// What was said about these tables then.
    pub(super) settings: Option<[u8; 32]>,
}

impl<T: CacheValue> Held<T> {
    /// A value that was made from no table.
    pub(super) fn plain(value: T) -> Self {
        Self {
            value,
            tables: BTreeSet::new(),
            settings: None,
        }
    }

    /// What is stored of it, and what that weighs.
    ///
    /// # Errors
    /// Why it must not be stored. That it is too large is counted.
    pub(super) fn payload(self, core: &Core) -> Result<(Payload, usize), Unfit> {
        let limit = core.config.max_entry_bytes;
        let found = if core.is_shared() {
            self.encode(core.config.codec, limit)
                .map(|bytes| (bytes.len(), Payload::Bytes(bytes.into())))
        } else {
            weigh(&self.value, limit).map(|weight| (weight, Payload::Typed(Arc::new(self))))
        };
        if matches!(found, Err(Unfit::TooLarge)) {
            count(&core.counters.rejected_too_large);
        }
        found.map(|(weight, payload)| (payload, weight))
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
///
/// # Errors
/// Why that cannot be told.
fn weigh<T: Serialize>(value: &T, limit: u64) -> Result<usize, Unfit> {
    let mut counter = Counter { bytes: 0, limit };
    match rmp_serde::encode::write_named(&mut counter, value) {
        Ok(()) => {
            let bytes = usize::try_from(counter.bytes).unwrap_or(usize::MAX);
            Ok(bytes.max(size_of::<T>()))
        }
        Err(_) if counter.bytes > limit => Err(Unfit::TooLarge),
        Err(_) => Err(Unfit::Unserializable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_weighs_its_bytes() {
        assert!(matches!(weigh(&"x".repeat(100), 1000), Ok(n) if n >= 100));
        assert!(matches!(weigh(&vec!["x"; 100], 1000), Ok(n) if n >= 200));
        assert_eq!(weigh(&[0_u8; 4], 1000), Ok(5));
    }

    #[test]
    fn what_is_too_large_or_cannot_be_serialized_says_so() {
        struct Stubborn;
        impl Serialize for Stubborn {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no"))
            }
        }
        assert_eq!(weigh(&"x".repeat(100), 50), Err(Unfit::TooLarge));
        assert_eq!(weigh(&Stubborn, 50), Err(Unfit::Unserializable));
    }
}
