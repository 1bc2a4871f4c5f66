//! What a connection is asked about its database, its session and its catalogue.

use diesel::result::QueryResult;
use std::collections::BTreeSet;

use crate::catalogue::Catalogue;
use crate::connection::Link;
use crate::connection::gate::Mark;
use crate::database::{DatabaseId, TagSpace};
use crate::database_state::Fingerprint;
use crate::dialect::Dialect;
use crate::footprint::{Isolation, Name};
use crate::outbox::Outbox;
use crate::shared::Shared;
use crate::statement::CacheDatabase;
use crate::token::ProcessId;

mod columns;
mod fingerprint;
mod mysql;
mod postgres;
mod sqlite;
#[cfg(feature = "sqlite")]
mod sqlite_marks;

/// A row of texts.
pub(crate) type Texts = Vec<Option<String>>;

/// What a session says of itself.
#[derive(Debug)]
pub(crate) struct SessionInfo {
    pub(crate) database: DatabaseId,
    /// How the database names the session in its list of sessions.
    pub(crate) session: Option<String>,
    /// A digest of all settings that may change what a query returns.
    pub(crate) settings: [u8; 32],
    pub(crate) isolation: Isolation,
    pub(crate) standby: bool,
    /// Whether the connection sees further databases.
    pub(crate) attached: bool,
    /// Whether the session's statements may do what their texts do not tell: they are
    /// quoted otherwise than this crate reads them, or a temporary trigger lies in wait.
    pub(crate) untrackable: bool,
    /// The settings of the application's own that `settings` holds; as in the catalogue.
    pub(crate) looked_at: Option<BTreeSet<Name>>,
    /// Temporary relations, as far as they can be listed.
    pub(crate) temporary: BTreeSet<Name>,
    /// Those of them that are views.
    pub(crate) temporary_views: BTreeSet<Name>,
    /// The database user, where users see different catalogues.
    pub(crate) user: String,
}

/// What a look at the catalogue sees.
#[derive(Debug)]
pub(crate) struct View {
    /// Another one after every change of the catalogue that matters here.
    pub(crate) fingerprint: Fingerprint,
    /// Whether the server is a standby.
    pub(crate) standby: bool,
}

/// Looks at the catalogue.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn view<L: Link>(conn: &mut L) -> QueryResult<View> {
    let rows = match L::Backend::DIALECT {
        Dialect::Postgres => fingerprint::postgres(conn).await?,
        Dialect::Mysql => fingerprint::mysql(conn).await?,
        Dialect::Sqlite => fingerprint::sqlite(conn).await?,
    };
    Ok(View {
        fingerprint: digest(&rows.seen),
        standby: rows.standby,
    })
}

/// Asks a connection about its session.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn session<L: Link>(
    conn: &mut L,
    name: Option<&str>,
    outbox: &Outbox,
) -> QueryResult<SessionInfo> {
    match L::Backend::DIALECT {
        Dialect::Postgres => postgres::session(conn, name, outbox).await,
        Dialect::Mysql => mysql::session(conn, name).await,
        Dialect::Sqlite => sqlite::session(conn, name).await,
    }
}

/// Reads the catalogue, but for what the triggers of that outbox do.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn catalogue<L: Link>(conn: &mut L, outbox: &Outbox) -> QueryResult<Catalogue> {
    let mut catalogue = match L::Backend::DIALECT {
        Dialect::Postgres => postgres::catalogue(conn, outbox).await?,
        Dialect::Mysql => mysql::catalogue(conn, outbox).await?,
        Dialect::Sqlite => sqlite::catalogue(conn, outbox).await?,
    };
    catalogue.keep_outbox(outbox.table());
    Ok(catalogue)
}

/// What is to have come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The session, and so whatever it was doing.
    OfSession,
    /// What it was doing: it waits for another statement, outside of any transaction.
    OfStatement,
}

/// Whether the database says that the session has ended, or what it was doing.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn has_ended<L: Link>(
    conn: &mut L,
    space: TagSpace,
    session: &str,
    end: End,
) -> QueryResult<bool> {
    let _ = (space, end);
    match L::Backend::DIALECT {
        Dialect::Postgres => postgres::has_ended(conn, session, end).await,
        Dialect::Mysql => mysql::has_ended(conn, session, end).await,
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => sqlite_marks::has_ended(conn, space, session).await,
        #[cfg(not(feature = "sqlite"))]
        Dialect::Sqlite => Ok(false),
    }
}

/// Marks the session as one of a process. Returns whether it is marked.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn mark<L: Link>(
    conn: &mut L,
    mark: Mark,
    shared: &Shared,
) -> QueryResult<Marked> {
    let marked = match L::Backend::DIALECT {
        Dialect::Postgres => postgres::mark(conn, mark).await?,
        Dialect::Mysql => mysql::mark(conn, mark).await?,
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => {
            let session = sqlite_marks::mark(conn, mark, &shared.lock_files).await?;
            return Ok(session.map_or(Marked::No, Marked::As));
        }
        #[cfg(not(feature = "sqlite"))]
        Dialect::Sqlite => false,
    };
    let _ = shared;
    Ok(if marked { Marked::Yes } else { Marked::No })
}

/// Whether this process leads, as one that locks the file of that name beside SQLite's database.
/// A database in memory is its own.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn lead_by_file<L: Link>(
    conn: &mut L,
    name: &str,
    shared: &Shared,
) -> QueryResult<bool> {
    #[cfg(feature = "sqlite")]
    return sqlite_marks::lead(conn, name, &shared.lock_files).await;
    #[cfg(not(feature = "sqlite"))]
    {
        let _ = (conn, name, shared);
        Ok(false)
    }
}

/// Whether a session is marked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "sqlite"),
    allow(dead_code, reason = "SQLite names its sessions so")
)]
pub(crate) enum Marked {
    /// It is not.
    No,
    /// It is.
    Yes,
    /// It is, under a name that the database does not give it.
    As(String),
}

/// Whether any session is marked that is of none of these processes.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn has_marks_besides<L: Link>(
    conn: &mut L,
    mark: Mark,
    processes: &[ProcessId],
) -> QueryResult<bool> {
    match L::Backend::DIALECT {
        Dialect::Postgres => postgres::has_marks_besides(conn, mark, processes).await,
        Dialect::Mysql => mysql::has_marks_besides(conn, mark, processes).await,
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => sqlite_marks::has_marks_besides(conn, mark, processes).await,
        #[cfg(not(feature = "sqlite"))]
        Dialect::Sqlite => Ok(true),
    }
}

/// Forgets the marks of processes that have ended and are not among those that are known.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn forget_marks<L: Link>(
    conn: &mut L,
    mark: Mark,
    known: &[ProcessId],
) -> QueryResult<()> {
    match L::Backend::DIALECT {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => sqlite_marks::forget_marks(conn, mark, known).await,
        _ => {
            let _ = (conn, mark, known);
            Ok(())
        }
    }
}

/// Runs a query and reads every value as text.
///
/// # Errors
/// If the database refuses.
async fn texts<L: Link>(conn: &mut L, sql: &str) -> QueryResult<Vec<Texts>> {
    conn.texts(sql).await
}

pub(crate) fn cell(row: &Texts, index: usize) -> &str {
    row.get(index)
        .and_then(Option::as_deref)
        .unwrap_or_default()
}

fn flag(row: &Texts, index: usize) -> bool {
    cell(row, index) == "1"
}

/// A digest of rows, each part with its length before it.
fn digest(rows: &[Texts]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for value in rows.iter().flatten() {
        let value = value.as_deref();
        hasher.update(&[u8::from(value.is_some())]);
        hasher.update(&(value.unwrap_or_default().len() as u64).to_le_bytes());
        hasher.update(value.unwrap_or_default().as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// What stands between the names of a list: no name holds it.
const SEPARATOR: char = '\u{1f}';

/// A set of names.
fn names(list: &str) -> BTreeSet<Name> {
    list.split(SEPARATOR)
        .filter(|name| !name.is_empty())
        .map(|name| name.to_lowercase().into())
        .collect()
}

/// Whether a part of a session's name can stand in a query: a number, as both servers give.
fn is_number(session: &str) -> bool {
    !session.is_empty() && session.bytes().all(|byte| byte.is_ascii_digit())
}
