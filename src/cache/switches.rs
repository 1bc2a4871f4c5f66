//! Switching reads off and on while the application runs.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::cache::Cache;
use crate::config::Config;
use crate::footprint::{self, Name};

/// What is switched off.
#[derive(Debug)]
pub(super) struct Switches {
    enabled: AtomicBool,
    /// Whether any table is off; spares reads the lock.
    any: AtomicBool,
    tables: RwLock<HashSet<Name>>,
}

impl Switches {
    pub(super) fn new(config: &Config) -> Self {
        let off = config.tables.iter().filter(|(_, table)| !table.enabled);
        let tables: HashSet<Name> = off.map(|(name, _)| name.clone()).collect();
        Self {
            enabled: AtomicBool::new(config.enabled),
            any: AtomicBool::new(!tables.is_empty()),
            tables: RwLock::new(tables),
        }
    }
}

impl Cache {
    /// Whether cached reads use the cache. Writes invalidate in any case.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.switches.enabled.load(Ordering::SeqCst)
    }

    /// Switches the cache on or off for reads, at once and for all connections.
    pub fn set_enabled(&self, enabled: bool) {
        self.0.switches.enabled.store(enabled, Ordering::SeqCst);
    }

    /// Whether cached reads of `table` use the cache, as far as
    /// [`set_table_enabled`](Self::set_table_enabled) and the configuration say.
    #[must_use]
    pub fn is_table_enabled(&self, table: &str) -> bool {
        let tables = &self.0.switches.tables;
        let tables = tables.read().unwrap_or_else(PoisonError::into_inner);
        !tables.contains(&footprint::bare(table))
    }

    /// Switches the cache on or off for reads of `table`, at once and for all connections.
    ///
    /// The name is the table's in SQL, in any case; a schema before it does not count. While it is off, reads
    /// of the table, through a view as well, and those that depend on it by `depends_on`, are
    /// bypassed with [`Bypass::Disabled`](crate::Bypass::Disabled). Writes go on
    /// invalidating, so results that were stored before are right when it is on again.
    ///
    /// ```
    /// let cache = diesel_cache::Cache::from_url("memory://")?;
    /// cache.set_table_enabled("posts", false);
    /// assert!(!cache.is_table_enabled("Posts"));
    /// cache.set_table_enabled("posts", true);
    /// assert!(cache.is_table_enabled("posts"));
    /// # Ok::<(), diesel_cache::Error>(())
    /// ```
    pub fn set_table_enabled(&self, table: &str, enabled: bool) {
        let switches = &self.0.switches;
        let mut tables = switches
            .tables
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if enabled {
            tables.remove(&footprint::bare(table));
        } else {
            tables.insert(footprint::bare(table));
        }
        switches.any.store(!tables.is_empty(), Ordering::SeqCst);
    }

    /// Whether reads of all of those tables use the cache.
    pub(crate) fn are_enabled(&self, tables: &BTreeSet<Name>) -> bool {
        let switches = &self.0.switches;
        if !switches.any.load(Ordering::SeqCst) {
            return true;
        }
        let off = switches
            .tables
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        !tables.iter().any(|table| off.contains(table))
    }
}
