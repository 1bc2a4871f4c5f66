//! Strategies: what becomes of a model's cached results when its table is written.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::event::Invalidation;

/// What becomes of the cached results that read a model's table when the table is written.
///
/// Chosen on the model, `#[cache(strategy = "delete")]`, or in the configuration. Where
/// several models of one table differ, the stricter answer counts: results follow writes
/// if any model says so, and are removed if any model says so.
///
/// | strategy | a read after a committed write | the old result |
/// |---|---|---|
/// | [`Version`] (default) | never stale | dies unread; its memory is reclaimed by eviction or its time to live |
/// | [`Delete`] | never stale | is removed from the store before the write returns |
/// | [`Ttl`] | may be as old as the time to live | is served until it expires |
///
/// What a strategy does is asked once, when its model is registered.
///
/// A strategy of your own is a unit struct or static that implements this trait, named by
/// its path: `#[cache(strategy = Warm)]`.
///
/// ```
/// use diesel_cache::event::Invalidation;
/// use diesel_cache::strategy::Strategy;
///
/// #[derive(Debug)]
/// struct Audited;
///
/// impl Strategy for Audited {
///     fn name(&self) -> &str {
///         "audited"
///     }
///
///     fn invalidated(&self, table: &str, event: &Invalidation) {
///         println!("{table} was invalidated: {event}");
///     }
/// }
/// ```
pub trait Strategy: Any + Debug + Send + Sync {
    /// What it is called, in the configuration and in reports.
    fn name(&self) -> &str;

    /// Whether results depend on the table's writes. `false` gives up freshness: they
    /// then end by their time to live only, or by a change of the schema, a write that may
    /// have gone anywhere, or [`clear`](crate::Cache::clear). Default: yes.
    fn follows_writes(&self) -> bool {
        true
    }

    /// Whether results are removed from the store at once, and not merely never served
    /// again. Default: no.
    fn removes(&self) -> bool {
        false
    }

    /// Called after the table's results were invalidated, before the write returns to its
    /// caller. It cannot fail the write: a panic is caught and counted. The writing
    /// connection cannot be used here. Default: nothing.
    fn invalidated(&self, table: &str, event: &Invalidation) {
        let _ = (table, event);
    }
}

/// Gives the table's tags new tokens. The default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version;

/// Like [`Version`], and removes the results from the store at once: for memory that is
/// dear, and for data that should not lie around after it was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delete;

/// Lets results live for their time to live, whatever is written: for data that may be old.
///
/// A transaction still sees its own writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ttl;

impl Strategy for Version {
    fn name(&self) -> &str {
        "version"
    }
}

impl Strategy for Delete {
    fn name(&self) -> &str {
        "delete"
    }

    fn removes(&self) -> bool {
        true
    }
}

impl Strategy for Ttl {
    fn name(&self) -> &str {
        "ttl"
    }

    fn follows_writes(&self) -> bool {
        false
    }
}

/// The built-in strategy of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn Strategy> {
    match name {
        "version" => Some(&Version),
        "delete" => Some(&Delete),
        "ttl" => Some(&Ttl),
        _ => None,
    }
}

/// A strategy and what it said of itself.
#[derive(Debug, Clone)]
pub struct Chosen {
    strategy: &'static dyn Strategy,
    name: Box<str>,
    follows_writes: bool,
    removes: bool,
}

impl Chosen {
    /// Asks the strategy. One that panics counts as [`Version`] that is told.
    #[must_use]
    pub fn new(strategy: &'static dyn Strategy) -> Self {
        let ask = || Self {
            strategy,
            name: strategy.name().into(),
            follows_writes: strategy.follows_writes(),
            removes: strategy.removes(),
        };
        catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| {
            log::warn!("a strategy panicked when it was asked what it does");
            Self {
                strategy,
                name: "panicked".into(),
                follows_writes: true,
                removes: false,
            }
        })
    }

    /// Whether the results are removed at once.
    #[must_use]
    pub fn removes(&self) -> bool {
        self.removes
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells it of an invalidation. Returns whether it panicked.
    #[must_use]
    pub fn tell(&self, table: &str, event: &Invalidation) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.strategy.invalidated(table, event))).is_err()
    }

    /// Whether nothing follows an invalidation.
    fn is_default(&self) -> bool {
        (self.strategy as &dyn Any).is::<Version>()
    }
}

/// Equal if they are of one type and said the same.
impl PartialEq for Chosen {
    fn eq(&self, other: &Self) -> bool {
        let kind = |chosen: &Self| (chosen.strategy as &dyn Any).type_id();
        kind(self) == kind(other)
            && (&self.name, self.follows_writes, self.removes)
                == (&other.name, other.follows_writes, other.removes)
    }
}

impl Eq for Chosen {}

/// The strategies of a table's models, by the type of the model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strategies(BTreeMap<&'static str, Chosen>);

impl Strategies {
    /// Adds a model's strategy.
    pub fn add(&mut self, model: &'static str, strategy: Chosen) {
        self.0.insert(model, strategy);
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether results depend on the table's writes.
    // rule: the-stricter-strategy-counts
    #[must_use]
    pub fn follow_writes(&self) -> bool {
        self.0.is_empty() || self.0.values().any(|strategy| strategy.follows_writes)
    }

    /// Whether results are removed at once.
    #[must_use]
    pub fn remove(&self) -> bool {
        self.0.values().any(|strategy| strategy.removes)
    }

    /// Those that follow up on an invalidation: all but the default one.
    pub fn attentive(&self) -> impl Iterator<Item = &Chosen> {
        self.0.values().filter(|strategy| !strategy.is_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_strategy_counts() {
        let mut strategies = Strategies::default();
        assert!(strategies.follow_writes() && !strategies.remove());
        strategies.add("A", Chosen::new(&Ttl));
        assert!(!strategies.follow_writes() && !strategies.remove());
        strategies.add("B", Chosen::new(&Delete));
        assert!(strategies.follow_writes() && strategies.remove());
    }

    #[test]
    fn built_in_strategies_have_their_names() {
        for name in ["version", "delete", "ttl"] {
            assert_eq!(
                by_name(name).map(|found| found.name().to_owned()),
                Some(name.to_owned())
            );
        }
        assert!(by_name("Version").is_none());
    }
}
