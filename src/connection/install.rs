//! A cache for every new connection of the process.

use diesel::connection::{Instrumentation, set_default_instrumentation};
use once_cell::sync::OnceCell;

use crate::cache::Cache;
use crate::connection::{Manner, Tracker};
use crate::error::Error;

/// Makes a connection's further instrumentation.
type MakeNext = fn() -> Option<Box<dyn Instrumentation>>;

static INSTALLED: OnceCell<(Cache, Option<MakeNext>)> = OnceCell::new();

impl Cache {
    /// Attaches this cache to every connection that the process establishes from now on.
    ///
    /// `next` makes the instrumentation that each connection passes its events on
    /// to: give what you gave to Diesel's `set_default_instrumentation`, which this
    /// replaces. Such a connection is asked about its database by the first cached
    /// read outside of a transaction; until then its reads bypass the cache, and
    /// every write of it invalidates everything, as does, on PostgreSQL and MySQL, every read of
    /// what is not known to be a plain table: a view may call functions that write. If it is lost in a write before that, and
    /// the server commits the write later, results read in between are stale for their
    /// time to live: attach connections by [`customizer`](Self::customizer) or
    /// [`attach`](Self::attach) where that matters.
    ///
    /// # Errors
    /// If a process-wide cache is installed already, or Diesel refuses.
    pub fn install(&self, next: Option<MakeNext>) -> Result<(), Error> {
        INSTALLED
            .set((self.clone(), next))
            .map_err(|_| Error::AlreadyInstalled)?;
        set_default_instrumentation(make).map_err(Error::Install)
    }

    /// The process-wide cache, if one is installed.
    #[must_use]
    pub fn installed() -> Option<&'static Self> {
        INSTALLED.get().map(|(cache, _)| cache)
    }
}

fn make() -> Option<Box<dyn Instrumentation>> {
    let (cache, next) = INSTALLED.get()?;
    let next = next.and_then(|next| next());
    Some(Box::new(Tracker::new(cache.clone(), next, Manner::Unknown)))
}
