//! Values by a name of the user's own: plain ones here, computed ones in `compute`.

use std::any::type_name;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::{Ask, Databases};
use crate::cache::Cache;
use crate::core::{LONGEST, Thread};
use crate::dependencies::watch::{self, Place};
use crate::entry::Entry;
use crate::key::{Key, ValueParts};
use crate::now::now;
use crate::stats::count;
use crate::values::bytes::Unfit;
use crate::values::held::Held;

#[cfg(feature = "async")]
mod awaited;
mod bytes;
mod compute;
mod digest;
mod held;
mod look;
mod on;
mod probe;

pub use self::compute::Value;

/// What can be stored under a name: a type with serde's `Serialize` and `Deserialize`.
///
/// In memory a value is kept as it is, and cloned out of the cache; serde tells how large it
/// is, and carries it to stores outside of the process. Wrap large values in an `Arc` (serde's
/// feature `rc`), which makes the clone cheap.
///
/// # Outside of the process
///
/// What is stored there is what serde is told, so a value may come back as another one. Each is
/// read again before it is stored; one that came back as another is not stored, and a line in the
/// log names its type, once. That is noticed of
///
/// - fields that are renamed one way only, or read but never written (`skip_serializing`); a field
///   with an `alias` looks the same, and is refused as well;
/// - `Some(None)` in MessagePack, and untagged values that fit an earlier variant;
/// - what is nested deeper than 256 levels in MessagePack. With postcard, the depth is yours to
///   bound.
///
/// It is **not** noticed of a field with `#[serde(skip)]`: it comes back as its default. Nor of
/// fields that are skipped one way inside of a tuple, or of what serde reads by looking at the data
/// first (flattened, untagged or internally tagged), as long as they have a default.
///
/// With the value stand the name of its type, and the names and kinds of what it reads: after one
/// of them has changed, older values are not found. Of a tuple the first part counts, and nothing
/// of what serde reads by looking at the data first: raise the [version](Value::version) there.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored as a cached value",
    label = "not a value that can be cached",
    note = "cached values must be `Clone + Send + Sync + 'static` and implement serde's `Serialize` and `Deserialize`"
)]
pub trait CacheValue: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> CacheValue for T {}

/// Plain values by name, in the vocabulary of Django's cache; made by
/// [`Cache::values`].
///
/// No write to the database invalidates them: they end by their time-out, by
/// [`delete`](Self::delete) or by [`clear`](Cache::clear). For values that are made from the
/// database, use [`Cache::value`], which knows what they depend on. (There is no way to
/// `set` a value with dependencies: it would have to be computed before they are
/// captured, and could be outdated when it is stored.) Both share their names: what
/// is [`set`](Self::set) here is found there, and the other way round.
///
/// A time-out of `None` is the cache's time to live; there is no "for ever" as in
/// Django. One of zero stores nothing, and forgets what was there.
///
/// ```
/// use std::time::Duration;
/// use diesel_cache::Cache;
///
/// let cache = Cache::from_url("memory://")?;
/// let values = cache.values();
/// assert!(values.set("greeting", "hello".to_owned(), None));
/// assert_eq!(values.get::<String>("greeting").as_deref(), Some("hello"));
/// assert!(!values.add("greeting", "hi".to_owned(), Some(Duration::from_secs(60))));
/// assert!(values.version(2).get::<String>("greeting").is_none());
/// # Ok::<(), diesel_cache::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Values {
    cache: Cache,
    version: u32,
}

impl Cache {
    /// Plain values by name.
    #[must_use]
    pub fn values(&self) -> Values {
        Values {
            cache: self.clone(),
            version: 0,
        }
    }
}

impl Values {
    /// The values of that version, apart from those of any other. Default: 0.
    #[must_use]
    pub fn version(&self, version: u32) -> Self {
        Self {
            cache: self.cache.clone(),
            version,
        }
    }

    /// The value of that name, if there is one, it has not timed out, and it is a `T`.
    ///
    /// `None` while the cache is switched off, and when the backend cannot be asked.
    #[must_use]
    pub fn get<T: CacheValue>(&self, name: &str) -> Option<T> {
        // A value that is being computed does not see what this depends on.
        watch::cached(None, Place::Anywhere);
        let core = self.cache.core();
        if let Some(reason) = self.cache.refuses() {
            core.counters.bypass(reason);
            return None;
        }
        let found = now(look::valid::<Thread, T>(core, &self.key(name)))
            .map(|(_, held)| held.value.clone());
        count(match found {
            Some(_) => &core.counters.hits,
            None => &core.counters.misses,
        });
        found
    }

    /// The values of those names that [`get`](Self::get) would find, by name.
    #[must_use]
    pub fn get_many<T, N>(&self, names: impl IntoIterator<Item = N>) -> BTreeMap<String, T>
    where
        T: CacheValue,
        N: Into<String>,
    {
        let names = names.into_iter().map(Into::into);
        names
            .filter_map(|name: String| Some((self.get(&name)?, name)))
            .map(|(value, name)| (name, value))
            .collect()
    }

    /// Stores a value in place of what was there. Returns whether it is stored: it may be
    /// too large, and the backend may fail.
    ///
    /// Works while the cache is switched off, so that nothing older is found when it is
    /// switched on again.
    #[allow(clippy::must_use_candidate, reason = "stores; the answer is extra")]
    pub fn set<T: CacheValue>(&self, name: &str, value: T, timeout: Option<Duration>) -> bool {
        let key = self.key(name);
        let core = self.cache.core();
        let stored = match self.entry(value, timeout) {
            Some(entry) => now(core.store::<Thread>(key.clone(), entry, None)),
            None => false,
        };
        // rule: a-value-that-cannot-be-stored-leaves-no-older-one
        if !stored {
            core.forget(&key);
        }
        stored
    }

    /// [`set`](Self::set) for several. Returns the names of those that are not stored.
    #[allow(clippy::must_use_candidate, reason = "stores; the answer is extra")]
    pub fn set_many<T, N>(
        &self,
        values: impl IntoIterator<Item = (N, T)>,
        timeout: Option<Duration>,
    ) -> Vec<String>
    where
        T: CacheValue,
        N: Into<String>,
    {
        let named = values.into_iter().map(|(name, value)| (name.into(), value));
        named
            .filter_map(|(name, value): (String, T)| {
                (!self.set(&name, value, timeout)).then_some(name)
            })
            .collect()
    }

    /// Stores a value if there is none of that name. Returns whether it is stored; of several
    /// at once, one is.
    #[allow(clippy::must_use_candidate, reason = "stores; the answer is extra")]
    pub fn add<T: CacheValue>(&self, name: &str, value: T, timeout: Option<Duration>) -> bool {
        let Some(entry) = self.entry(value, timeout) else {
            return false;
        };
        self.cache.core().store_if_absent(self.key(name), entry)
    }

    /// Gives a value a new time-out, from now. Returns whether there was one; a time-out of
    /// zero deletes it. A computed value never outlives what it was made from.
    #[allow(clippy::must_use_candidate, reason = "changes; the answer is extra")]
    pub fn touch(&self, name: &str, timeout: Option<Duration>) -> bool {
        let core = self.cache.core();
        let timeout = timeout.unwrap_or(core.config.ttl);
        if timeout.is_zero() {
            return self.delete(name);
        }
        let until = Instant::now() + timeout.min(LONGEST);
        core.backend
            .touch(&self.key(name), until)
            .unwrap_or_else(|error| {
                core.failed(&error);
                false
            })
    }

    /// Whether there is a value of that name, of whatever type.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        watch::cached(None, Place::Anywhere);
        self.cache.refuses().is_none()
            && now(look::entry::<Thread>(self.cache.core(), &self.key(name))).is_some()
    }

    /// Forgets a value. Returns whether there was one.
    #[allow(clippy::must_use_candidate, reason = "deletes; the answer is extra")]
    pub fn delete(&self, name: &str) -> bool {
        self.cache.core().forget(&self.key(name))
    }

    /// Forgets several values. Returns how many there were.
    #[allow(clippy::must_use_candidate, reason = "deletes; the answer is extra")]
    pub fn delete_many<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>) -> usize {
        let names = names.into_iter();
        names.filter(|name| self.delete(name.as_ref())).count()
    }

    fn key(&self, name: &str) -> Key {
        let config = &self.cache.core().config;
        Key::of_value(&ValueParts {
            namespace: &config.namespace,
            versions: [config.version, self.version],
            name,
            ..ValueParts::default()
        })
    }

    /// The entry of a plain value, or `None` if it is not to be stored.
    fn entry<T: CacheValue>(&self, value: T, timeout: Option<Duration>) -> Option<Entry> {
        let core = self.cache.core();
        let timeout = timeout.unwrap_or(core.config.ttl);
        if timeout.is_zero() {
            return None;
        }
        let (payload, weight) = match Held::plain(value).payload(core) {
            Ok(payload) => payload,
            Err(Unfit::Unserializable) => {
                log::warn!("a value of type {} cannot be serialized", type_name::<T>());
                return None;
            }
            Err(Unfit::TooLarge | Unfit::Lossy) => return None,
        };
        let expires_at = Instant::now() + timeout.min(LONGEST);
        Some(Entry {
            tags: Arc::from([]),
            vector: now(core.capture::<Thread>(&Ask::tokens(&[], Databases::None)))
                .ok()?
                .0,
            payload,
            weight,
            expires_at,
            lifetime: timeout,
            stale_until: expires_at,
            not_after: None,
            removed_with: Arc::from([]),
        })
    }
}
