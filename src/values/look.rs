//! Looking for a value.

use std::sync::Arc;
use std::time::Instant;

use crate::core::{Core, Reach};
use crate::entry::{Entry, Payload};
use crate::key::Key;
use crate::protocol::{Judgement, judge};
use crate::stats::count;
use crate::values::CacheValue;
use crate::values::held::Held;

/// The valid entry under a key: its own tokens are all current, and it is not too old.
pub(super) async fn entry<R: Reach>(core: &Arc<Core>, key: &Key) -> Option<Entry> {
    // rule: a-forked-child-finds-no-value
    if core.is_shared() && core.is_forked() {
        return None;
    }
    // Before the store is asked: what is told to it in between is current.
    let doubtful = core.shared.bypasses();
    let fetched = match R::recall(core, key).await {
        Ok(fetched) => fetched,
        Err(error) => {
            core.failed(&error);
            return None;
        }
    };
    let tags = Arc::clone(&fetched.entry.as_ref()?.tags);
    // rule: a-value-waits-for-what-is-not-delivered
    if doubtful && !tags.is_empty() {
        return None;
    }
    match judge(fetched, &tags) {
        Judgement::Hit(entry) if entry.expires_at <= Instant::now() => {
            count(&core.counters.expirations);
            None
        }
        Judgement::Hit(entry) => Some(entry),
        // rule: a-value-is-served-only-by-its-own-tokens
        _ => None,
    }
}

/// The valid entry under a key, if it holds a `T`.
pub(super) async fn valid<R: Reach, T: CacheValue>(
    core: &Arc<Core>,
    key: &Key,
) -> Option<(Entry, Arc<Held<T>>)> {
    let entry = entry::<R>(core, key).await?;
    let held = match &entry.payload {
        Payload::Typed(_) => entry.payload.typed::<Held<T>>()?,
        Payload::Bytes(bytes) => Arc::new(Held::decode(bytes, core.config.codec)?),
    };
    Some((entry, held))
}
