//! The rows of the outbox: how they are read and removed.

use diesel::connection::LoadConnection;
use diesel::result::QueryResult;

use crate::connection::introspect::cell;
use crate::connection::{Blocking, Link, quietly};
use crate::dialect::Dialect;
use crate::now::now;
use crate::outbox::{Outbox, literal};
use crate::statement::CacheDatabase;

/// How many rows are read at once.
pub(super) const MOST: usize = 1000;
/// How many rows are removed by one statement.
const AT_ONCE: usize = 250;

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// As the database writes it.
    pub(super) id: String,
    /// Another one after each write that found the row there.
    pub(super) generation: String,
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
        // It takes no part in what others must serialize.
        Dialect::Postgres => conn.batch_execute(
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
        ),
        // Otherwise a look at rows that are locked locks the gaps between them, too: no trigger
        // could add any.
        // rule: the-relay-locks-no-gaps
        Dialect::Mysql => conn.batch_execute(
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
             SET SESSION innodb_lock_wait_timeout = 1",
        ),
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
    let rows = now(Blocking(conn).texts(&sql))?;
    Ok(rows
        .into_iter()
        .map(|mut row| Row {
            id: cell(&row, 0).to_owned(),
            generation: cell(&row, 1).to_owned(),
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
    let mut tags = Vec::new();
    for some in rows.chunks(AT_ONCE) {
        let sql = format!(
            "SELECT tags FROM {} WHERE id IN ({})",
            outbox.sql(C::Backend::DIALECT),
            ids(some, C::Backend::DIALECT)
        );
        let rows = now(Blocking(conn).texts(&sql))?;
        tags.extend(rows.iter().map(|row| cell(row, 0).to_owned()));
    }
    Ok(tags)
}

/// The rows' numbers, as they stand in a list.
fn ids(rows: &[&Row], dialect: Dialect) -> String {
    let literal = |row: &&Row| match dialect {
        // A number in quotes would be taken for one with less digits.
        Dialect::Mysql => row.id.clone(),
        Dialect::Postgres | Dialect::Sqlite => literal(&row.id),
    };
    rows.iter().map(literal).collect::<Vec<_>>().join(", ")
}

/// Removes rows that the store has been told of, unless they are others by now. What is locked
/// stays: another relay is at it.
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
        let ids = ids(some, C::Backend::DIALECT);
        quietly(conn, |conn| match C::Backend::DIALECT {
            Dialect::Postgres => conn.batch_execute(&format!(
                "DELETE FROM {name} WHERE id IN (SELECT id FROM {name} \
                  WHERE id IN ({ids}) FOR UPDATE SKIP LOCKED)"
            )),
            Dialect::Sqlite => {
                let pair = |row: &&Row| {
                    let (id, generation) = (literal(&row.id), literal(&row.generation));
                    format!("({id}, CAST({generation} AS integer))")
                };
                let pairs: Vec<String> = some.iter().map(pair).collect();
                conn.batch_execute(&format!(
                    "DELETE FROM {name} WHERE (id, generation) IN (VALUES {})",
                    pairs.join(", ")
                ))
            }
            // Without the index, it would wait for rows that are not told yet.
            Dialect::Mysql => conn.transaction(|conn| {
                let lock = format!(
                    "SELECT {} FROM {name} FORCE INDEX (PRIMARY) WHERE id IN ({ids}) \
                        FOR UPDATE SKIP LOCKED",
                    text("id", Dialect::Mysql)
                );
                let free = now(Blocking(conn).texts(&lock))?;
                if free.is_empty() {
                    return Ok(());
                }
                let free: Vec<&str> = free.iter().map(|row| cell(row, 0)).collect();
                conn.batch_execute(&format!(
                    "DELETE o FROM {name} AS o FORCE INDEX (PRIMARY) WHERE o.id IN ({})",
                    free.join(", ")
                ))
            }),
        })?;
    }
    Ok(())
}
