//! What a cached read needs to know before it looks into the cache.

use std::collections::HashMap;
use std::sync::Arc;

use diesel::result::QueryResult;

use crate::bypass::Bypass;
use crate::cache::Cache;
use crate::connection::{self, Fill, Link, Wire};
use crate::database::TagSpace;
use crate::datum::Bound;
use crate::key::{Key, KeyParts, RowForm};
use crate::query::Options;
use crate::resolve::{Late, ReadFootprint, Refined, Resolver};
use crate::statement::{CacheDatabase, Statement};
use crate::tag::Tag;
use crate::token::Opening;

/// What a read needs to look into the cache.
pub(super) struct Plan {
    pub(super) cache: Cache,
    pub(super) key: Key,
    pub(super) footprint: ReadFootprint,
    pub(super) fill: Fill,
    pub(super) space: TagSpace,
    pub(super) opening: Option<Opening>,
    /// What the footprint was resolved by.
    pub(super) resolver: Arc<Resolver>,
    /// What more is known of the read.
    pub(super) refined: Option<Arc<Refined>>,
    /// Its text, its binds, and how these are read.
    pub(super) sql: String,
    binds: Vec<u8>,
    bound: fn(&[u8]) -> Vec<Bound>,
}

/// Whether the catalogue that the plan went by is still current.
pub(super) fn is_current<L: Wire>(conn: &mut L, resolver: &Arc<Resolver>) -> bool {
    conn.tracker()
        .and_then(|tracker| tracker.database())
        .and_then(|database| database.current())
        .is_some_and(|current| Arc::ptr_eq(&current, resolver))
}

/// Whether it may be waited for another's read: no transaction is held open.
pub(super) fn may_wait<L: Wire>(conn: &mut L) -> bool {
    conn.tracker().is_some_and(|tracker| tracker.may_ask())
}

/// The cache of a connection, if the read wants it at all.
///
/// # Errors
/// Why there is none.
pub(super) fn cache_for<L: Wire>(options: &Options, conn: &mut L) -> Result<Cache, Bypass> {
    let cache = conn.tracker().ok_or(Bypass::Unattached)?.cache().clone();
    if let Some(reason) = cache.refuses() {
        return Err(reason);
    }
    match options.no_cache {
        true => Err(Bypass::NoCache),
        false => Ok(cache),
    }
}

/// Finds out what a query reads, and under which key.
///
/// # Errors
/// Why it may not use the cache.
pub(super) async fn plan<L: Link>(
    cache: Cache,
    statement: QueryResult<Statement>,
    options: &Options,
    conn: &mut L,
    rows: (RowForm, &'static str),
    platform: [u8; 16],
) -> Result<Plan, Bypass> {
    connection::make_known(conn).await?;
    let tracker = conn.tracker().ok_or(Bypass::Unattached)?;
    // rule: a-private-database-shares-nothing
    if cache.core().is_shared() && tracker.is_private() {
        return Err(Bypass::PrivateDatabase);
    }
    let database = Arc::clone(tracker.database().ok_or(Bypass::Unidentified)?);
    let statement = statement.map_err(|_| Bypass::Undescribed)?;
    // First: a catalogue that is read after it is known counts in it.
    let mut opening = database.opening();
    // A catalogue that is not current, though it was just read, has an older write under way.
    let mut resolver = database.current().ok_or(Bypass::Quarantined)?;
    let mut resolved = resolver.resolve(&statement.sql);
    if matches!(resolved.read, Err(Bypass::UnknownRelation))
        && connection::reread_catalogue(conn).await
    {
        connection::make_known(conn).await?;
        opening = database.opening();
        resolver = database.current().ok_or(Bypass::Quarantined)?;
        resolved = resolver.resolve(&statement.sql);
    }
    // rule: a-key-holds-what-its-catalogue-looks-at
    // Policies may look at other settings by now than the session was asked for.
    if conn
        .tracker()
        .is_some_and(|tracker| tracker.looks_elsewhere())
    {
        return Err(Bypass::Session);
    }
    let mut footprint = resolved.read.clone()?;
    if !(options.depends_on.is_empty() && options.labels.is_empty()) {
        footprint = resolver.footprint(footprint.reads, &options.depends_on, &options.labels)?;
    }
    if !cache.are_enabled(&footprint.reads.tables) {
        return Err(Bypass::Disabled);
    }
    // rule: row-level-security-needs-a-scope
    if footprint.reads.row_security && options.scope.is_none() {
        return Err(Bypass::RowSecurity);
    }
    let tracker = conn.tracker().ok_or(Bypass::Unattached)?;
    let fill = tracker.admits(&footprint.reads)?;
    let session = tracker.scope().ok_or(Bypass::Session)?;
    let key = Key::new(&KeyParts {
        namespace: &cache.core().config.namespace,
        database: database.id.keys,
        dialect: database.dialect,
        session: &session,
        version: cache.core().config.version,
        versions: &footprint.versions,
        scope: options.scope.as_deref(),
        rows,
        platform: if cache.core().is_shared() {
            &platform
        } else {
            &[]
        },
        sql: &statement.sql,
        binds: &statement.binds,
    });
    let refined = resolved.precise.as_deref().and_then(|precise| {
        let bound = || L::Backend::bound(&statement.binds);
        resolver.refined(&key, &statement.sql, bound, precise, &footprint)
    });
    if let Some(refined) = &refined {
        footprint.tags = Arc::clone(&refined.tags);
    }
    Ok(Plan {
        cache,
        key,
        footprint,
        fill,
        space: database.id.tags,
        opening,
        resolver,
        refined,
        sql: statement.sql,
        binds: statement.binds,
        bound: L::Backend::bound,
    })
}

impl Plan {
    /// What the tags of the read stand for.
    pub(super) fn names(&self) -> HashMap<Tag, String> {
        let resolved = self.resolver.resolve(&self.sql);
        let bound = (self.bound)(&self.binds);
        let precise = resolved.precise.as_deref();
        self.resolver
            .names(&self.sql, &bound, precise, &self.footprint)
    }

    /// What the rows of the result add to what it depends on.
    pub(super) fn late(&self) -> Option<&Late> {
        self.refined.as_ref()?.late.as_ref()
    }
}
