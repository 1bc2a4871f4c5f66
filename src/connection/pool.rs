//! A cache for every connection of an r2d2 pool.

use diesel::r2d2::{CustomizeConnection, Error as PoolError, R2D2Connection};

use crate::cache::Cache;
use crate::connection::AttachConnection;
use crate::error::Error;
use crate::stats::count;

/// Attaches a cache to every connection of a pool; made by [`Cache::customizer`].
#[derive(Debug)]
pub struct Customizer(Cache);

impl Cache {
    /// What to give to `r2d2::Pool::builder().connection_customizer(…)`.
    ///
    /// ```
    /// use diesel::r2d2::{ConnectionManager, Pool};
    /// use diesel::sqlite::SqliteConnection;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = diesel_cache::Cache::from_url("memory://")?;
    /// let pool = Pool::builder()
    ///     .max_size(1)
    ///     .connection_customizer(cache.customizer())
    ///     .build(ConnectionManager::<SqliteConnection>::new(":memory:"))?;
    /// # let _ = pool.get()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn customizer(&self) -> Box<Customizer> {
        Box::new(Customizer(self.clone()))
    }
}

impl<C> CustomizeConnection<C, PoolError> for Customizer
where
    C: AttachConnection + R2D2Connection + Send + 'static,
{
    fn on_acquire(&self, conn: &mut C) -> Result<(), PoolError> {
        self.0.attach(conn).map_err(|error| match error {
            Error::Attach(error) => PoolError::QueryError(error),
            other => PoolError::QueryError(diesel::result::Error::QueryBuilderError(other.into())),
        })
    }

    fn on_release(&self, mut conn: C) {
        // rule: a-removed-tracker-is-counted
        if !conn.has_cache(&self.0) {
            count(&self.0.core().counters.trackers_removed);
            log::warn!(
                "the cache's instrumentation was removed from a pooled connection by a later \
                 `set_instrumentation`: writes through it invalidated nothing"
            );
        }
    }
}
