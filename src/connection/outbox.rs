//! What a session puts into the outbox, and what it is called there.

use diesel::result::{Error as DieselError, QueryResult};

use super::{Link, Wire};
use crate::config::{Level, OnUnreachable};
use crate::dialect::Dialect;
use crate::error::{Error, OutboxUnwritable};
use crate::outbox::SESSION;
use crate::statement::CacheDatabase;
use crate::stats::count;
use crate::tag::Tag;

/// Makes sure that the outbox is there, where the cache is to keep one.
///
/// # Errors
/// If it cannot be read.
pub(super) async fn check<L: Link>(conn: &mut L) -> Result<(), Error> {
    let Some(tracker) = conn.tracker() else {
        return Ok(());
    };
    let config = &tracker.cache().core().config;
    if config.level < Level::Durable {
        return Ok(());
    }
    let table = config.outbox.sql(L::Backend::DIALECT);
    let sql =
        format!("SELECT id, session, relation, event, tags, generation FROM {table} WHERE 1 = 0");
    match conn.texts(&sql).await {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::Outbox { table, source }),
    }
}

/// Tells the session what it is called in the outbox, so that triggers can write it down. One
/// that cannot be told is told nothing: the relay then takes its rows for another's.
// rule: a-session-is-called-by-what-its-tracker-answers-for
pub(super) async fn name_session<L: Link>(conn: &mut L) {
    let Some(tracker) = conn.tracker().filter(|tracker| tracker.cache().has_relay()) else {
        return;
    };
    let session = match tracker.outbox_session() {
        Some(session) => Some(std::sync::Arc::clone(session)),
        None => tracker.cache().core().sessions.begin(),
    };
    let Some(session) = session else {
        return;
    };
    let sql = match L::Backend::DIALECT {
        Dialect::Postgres => format!(
            "SELECT set_config('{SESSION}', '{}', false)",
            session.name()
        ),
        Dialect::Mysql => {
            let variable = SESSION.replace('.', "_");
            format!("SET @{variable} = '{}'", session.name())
        }
        // Its triggers cannot tell who writes.
        Dialect::Sqlite => String::new(),
    };
    tracker.set_outbox_session(Some(session));
    if !sql.is_empty() && conn.batch(&sql).await.is_err() {
        log::warn!(
            "a session cannot be told what it is called in the outbox: the relay tells the store \
             of what it writes, too"
        );
    }
}

/// Puts a row into the outbox, in the open transaction.
///
/// # Errors
/// If the transaction cannot be committed: the database has given it up, or the row could not be
/// written and the user wants it given up then.
pub(super) async fn write<L: Wire>(conn: &mut L, tags: &[Tag]) -> QueryResult<()> {
    let Some(tracker) = conn.tracker() else {
        return Ok(());
    };
    let cache = tracker.cache().clone();
    let core = cache.core();
    let session = tracker
        .outbox_session()
        .map(|session| session.name().to_owned());
    let Some(dialect) = tracker.dialect() else {
        count(&core.counters.outbox_failures);
        return Ok(());
    };
    let insert = core.config.outbox.insert(dialect, session.as_deref(), tags);
    let sql =
        format!("SAVEPOINT diesel_cache_outbox; {insert}; RELEASE SAVEPOINT diesel_cache_outbox");
    // Fails if the savepoint is gone, and with it the transaction.
    let undo = "ROLLBACK TO SAVEPOINT diesel_cache_outbox; RELEASE SAVEPOINT diesel_cache_outbox";
    let Err(error) = conn.batch(&sql).await else {
        return Ok(());
    };
    // rule: what-an-outbox-has-undone-is-not-committed
    // The application must not take an empty transaction for its own.
    if conn.batch(undo).await.is_err() {
        return Err(error);
    }
    count(&core.counters.outbox_failures);
    if core.config.on_unreachable == OnUnreachable::Abort {
        return Err(DieselError::QueryBuilderError(OutboxUnwritable.into()));
    }
    // The error may repeat what is no secret: tags and names.
    core.complain(&format!(
        "a transaction is committed without its row in the outbox: {error}"
    ));
    Ok(())
}
