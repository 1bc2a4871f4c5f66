//! The rows of the outbox: how they are read and removed.

use diesel::connection::LoadConnection;
use diesel::result::QueryResult;

use crate::connection::introspect::{cell, texts};
use crate::connection::quietly;
use crate::dialect::Dialect;
use crate::outbox::Outbox;
use crate::statement::CacheDatabase;

/// How many rows are read at once.
pub(super) const MOST: usize = 1000;
/// How many rows are removed by one statement.
const AT_ONCE: usize = 250;

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: i64,
    /// Grows with each write that found the row there.
    pub(super) generation: i64,
    pub(super) session: Option<String>,
    /// The table that was written; without one, the row has tags.
    pub(super) relation: Option<String>,
    /// How it was written.
    pub(super) event: Option<String>,
}

/// A number as text.
fn text(column: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Mysql => format!("CAST({column} AS CHAR)"),
        Dialect::Postgres | Dialect::Sqlite => format!("CAST({column} AS text)"),
    }
}

/// Makes a connection fit for a relay.
///
/// # Errors
/// What the database returns.
pub(super) fn prepare<C>(conn: &mut C) -> QueryResult<()>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    match C::Backend::DIALECT {
        Dialect::Postgres => Ok(()),
        // Otherwise a look at rows that are locked locks the gaps between them, too: no trigger
        // could add any.
        // rule: the-relay-locks-no-gaps
        Dialect::Mysql => {
            conn.batch_execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        }
        Dialect::Sqlite => conn.batch_execute("PRAGMA busy_timeout = 2000"),
    }
}

/// The rows that are there; with a prefix, those of the sessions whose names begin with it.
///
/// # Errors
/// What the database returns.
pub(super) fn list<C>(conn: &mut C, outbox: &Outbox, of: Option<&str>) -> QueryResult<Vec<Row>>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let dialect = C::Backend::DIALECT;
    let (id, generation) = (text("id", dialect), text("generation", dialect));
    let condition = match of {
        Some(prefix) => format!("WHERE session LIKE '{prefix}%'"),
        None => String::new(),
    };
    let sql = format!(
        "SELECT {id}, {generation}, session, relation, event FROM {} {condition} \
          ORDER BY {} LIMIT {MOST}",
        outbox.sql(dialect),
        // What nobody answers for comes first.
        "CASE WHEN session IS NULL THEN 0 ELSE 1 END, id",
    );
    let rows = quietly(conn, |conn| texts(conn, &sql))?;
    let number = |row: &Vec<Option<String>>, at| cell(row, at).parse().unwrap_or(-1);
    Ok(rows
        .into_iter()
        .map(|mut row| Row {
            id: number(&row, 0),
            generation: number(&row, 1),
            session: row.get_mut(2).and_then(Option::take),
            relation: row.get_mut(3).and_then(Option::take),
            event: row.get_mut(4).and_then(Option::take),
        })
        .collect())
}

/// The tags of rows, as they are written.
///
/// # Errors
/// What the database returns.
pub(super) fn tags<C>(conn: &mut C, outbox: &Outbox, rows: &[&Row]) -> QueryResult<Vec<String>>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let ids: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT tags FROM {} WHERE id IN ({})",
        outbox.sql(C::Backend::DIALECT),
        ids.join(", ")
    );
    let rows = quietly(conn, |conn| texts(conn, &sql))?;
    Ok(rows.iter().map(|row| cell(row, 0).to_owned()).collect())
}

/// Removes rows that the store has been told of, unless they are others by now. What is locked
/// stays: somebody adds to it.
///
/// # Errors
/// What the database returns. Some of them may be gone.
// rule: what-was-not-told-is-not-removed
pub(super) fn remove<C>(conn: &mut C, outbox: &Outbox, rows: &[&Row]) -> QueryResult<()>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let name = outbox.sql(C::Backend::DIALECT);
    for some in rows.chunks(AT_ONCE) {
        let pairs = |rows: &[&Row]| {
            let pair = |row: &&Row| format!("({}, {})", row.id, row.generation);
            rows.iter().map(pair).collect::<Vec<_>>().join(", ")
        };
        let ids: Vec<String> = some.iter().map(|row| row.id.to_string()).collect();
        let ids = ids.join(", ");
        quietly(conn, |conn| match C::Backend::DIALECT {
            Dialect::Postgres => conn.batch_execute(&format!(
                "DELETE FROM {name} WHERE id IN (SELECT id FROM {name} \
                  WHERE (id, generation) IN (VALUES {}) FOR UPDATE SKIP LOCKED)",
                pairs(some)
            )),
            Dialect::Sqlite => conn.batch_execute(&format!(
                "DELETE FROM {name} WHERE (id, generation) IN (VALUES {})",
                pairs(some)
            )),
            Dialect::Mysql => conn.transaction(|conn| {
                let id = text("id", Dialect::Mysql);
                let free = texts(
                    conn,
                    &format!("SELECT {id} FROM {name} WHERE id IN ({ids}) FOR UPDATE SKIP LOCKED"),
                )?;
                let is_free = |row: &&&Row| {
                    let id = row.id.to_string();
                    free.iter().any(|free| cell(free, 0) == id)
                };
                let free: Vec<&Row> = some.iter().filter(is_free).copied().collect();
                if free.is_empty() {
                    return Ok(());
                }
                conn.batch_execute(&format!(
                    "DELETE FROM {name} WHERE (id, generation) IN ({})",
                    pairs(&free)
                ))
            }),
        })?;
    }
    Ok(())
}
