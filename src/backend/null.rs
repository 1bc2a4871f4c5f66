//! A store that keeps nothing.

use std::time::Instant;

use crate::backend::{Acknowledged, Ask, CacheBackend, Put, Usage, Writer};
use crate::database::TagSpace;
use crate::entry::Entry;
use crate::error::BackendError;
use crate::key::Key;
use crate::protocol::{Fetched, Further, Leased, Lift, TagState, TagStates};
use crate::tag::Tag;
use crate::token::{Epoch, Nonce, Opening, ProcessId, Token, WriterId};

/// A store that keeps nothing: every read misses, and nothing is ever too old. `null://`.
///
/// For tests and for finding out what the cache is worth, with everything else as it is:
/// connections are attached, signals sent, statistics counted. To switch a cache off, see
/// [`Cache::set_enabled`](crate::Cache::set_enabled): that costs a read nothing.
///
/// ```
/// let cache = diesel_cache::Cache::from_url("null://")?;
/// # Ok::<(), diesel_cache::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct NullBackend;

impl CacheBackend for NullBackend {
    fn fetch(&self, ask: &Ask<'_>) -> Result<Fetched, BackendError> {
        // Tokens that nobody sees twice: whatever is made of them fits nothing.
        let fresh = |tags: &[Tag]| -> TagStates {
            let states = tags.iter().map(|_| TagState::Clean(Token::fresh()));
            states.collect()
        };
        Ok(Fetched {
            gate: Some(Nonce::fresh()),
            opening: Some(Opening::LASTING),
            entry: None,
            states: fresh(ask.tags),
            also: fresh(ask.also),
            further: Further::None,
            leased: Leased::NotAsked,
        })
    }

    fn recall(&self, _: &Key, _: &[TagSpace]) -> Result<Fetched, BackendError> {
        Ok(Fetched {
            gate: Some(Nonce::fresh()),
            opening: None,
            entry: None,
            states: TagStates::new(),
            also: TagStates::new(),
            further: Further::None,
            leased: Leased::NotAsked,
        })
    }

    fn put(&self, _: Key, _: Entry, _: Option<ProcessId>) -> Result<Put, BackendError> {
        Ok(Put::TooLarge)
    }

    fn put_if_absent(&self, _: Key, _: Entry) -> Result<Put, BackendError> {
        Ok(Put::TooLarge)
    }

    fn touch(&self, _: &Key, _: Instant) -> Result<bool, BackendError> {
        Ok(false)
    }

    fn quarantine(&self, _: &Writer<'_>, _: &[Tag]) -> Result<Acknowledged, BackendError> {
        Ok(Acknowledged {
            epoch: Epoch::LASTING,
            opening: Some(Opening::LASTING),
        })
    }

    fn lift(&self, _: WriterId, _: &[Tag], _: Lift) -> Result<(), BackendError> {
        Ok(())
    }

    fn renew(&self, _: &[Tag]) -> Result<(), BackendError> {
        Ok(())
    }

    fn remove(&self, _: &Key) -> Result<bool, BackendError> {
        Ok(false)
    }

    fn purge(&self, _: &Tag) -> Result<(), BackendError> {
        Ok(())
    }

    fn clear(&self) -> Result<(), BackendError> {
        Ok(())
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }
}
