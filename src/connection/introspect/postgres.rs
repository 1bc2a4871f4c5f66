//! PostgreSQL's answers.

use diesel::result::QueryResult;

use super::columns::postgres::shapes;
use super::{End, SessionInfo, Texts, cell, digest, flag, is_number, names, texts};
use crate::catalogue::{Catalogue, Child};
use crate::connection::Link;
use crate::connection::gate::Mark;
use crate::database::DatabaseId;
use crate::dialect::Dialect;
use crate::footprint::{self, Isolation};
use crate::outbox::Outbox;
use crate::token::ProcessId;

mod code;
mod settings;

// The server's start tells clones of one system identifier apart, and the incarnations
// of a server that was restarted, which may have lost commits.
const SESSION: &str = "\
    SELECT (SELECT system_identifier::text FROM pg_control_system()), \
           extract(epoch FROM pg_postmaster_start_time())::text, \
           (SELECT oid::text FROM pg_database WHERE datname = current_database()), \
           pg_backend_pid()::text, \
           current_setting('default_transaction_isolation'), \
           pg_is_in_recovery()::int::text, \
           current_user::text, session_user::text, \
           current_schemas(true)::text, \
           (SELECT string_agg(relname::text, chr(31)) FROM pg_class \
             WHERE relnamespace = pg_my_temp_schema() AND relkind IN ('r', 'v', 'p', 'm', 'f')), \
           current_setting('standard_conforming_strings'), \
           (SELECT string_agg(relname::text, chr(31)) FROM pg_class \
             WHERE relnamespace = pg_my_temp_schema() AND relkind = 'v')";

// Names and values, without those that differ by nature and never change a result.
const SETTINGS: &str = "\
    SELECT name, setting FROM pg_settings \
     WHERE context IN ('user', 'superuser', 'superuser-backend', 'backend') \
       AND name NOT IN ('application_name', 'transaction_isolation', \
                        'transaction_read_only', 'transaction_deferrable') \
     ORDER BY name";

pub(super) const OURS: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') \
                    AND n.nspname NOT LIKE 'pg\\_temp%' AND n.nspname NOT LIKE 'pg\\_toast%'";

pub(super) async fn session<L: Link>(
    conn: &mut L,
    name: Option<&str>,
    outbox: &Outbox,
) -> QueryResult<SessionInfo> {
    let rows = texts(conn, SESSION).await?;
    let row = rows.first().ok_or(diesel::result::Error::NotFound)?;
    let mut settings = texts(conn, SETTINGS).await?;
    settings.push(row[6..9].to_vec());
    let looked_at = settings::looked_at(conn, outbox).await?;
    settings.push(settings::values(conn, looked_at.as_ref()).await?);
    let identity = match name {
        Some(name) => name.to_owned(),
        None => format!("{} {} {}", cell(row, 0), cell(row, 1), cell(row, 2)),
    };
    Ok(SessionInfo {
        database: DatabaseId::named(format!("postgres {identity}").as_bytes()),
        session: Some(session_name(row)),
        settings: digest(&settings),
        isolation: match cell(row, 4) {
            "read committed" => Isolation::ReadCommitted,
            "read uncommitted" => Isolation::ReadUncommitted,
            _ => Isolation::Snapshot,
        },
        standby: flag(row, 5),
        attached: false,
        untrackable: cell(row, 10) != "on",
        looked_at,
        temporary: names(cell(row, 9)),
        temporary_views: names(cell(row, 11)),
        user: String::new(),
    })
}

pub(super) async fn catalogue<L: Link>(conn: &mut L, outbox: &Outbox) -> QueryResult<Catalogue> {
    let mut catalogue = Catalogue::default();
    catalogue.looked_at = settings::looked_at(conn, outbox).await?;
    let relations = format!(
        "SELECT c.relname::text, c.relkind::text, c.relrowsecurity::int::text, \
                CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END, c.oid::text \
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
          WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {OURS}"
    );
    let mut shapes = shapes(conn).await?;
    for row in texts(conn, &relations).await? {
        let relation = catalogue.relation(cell(&row, 0));
        relation.shape.tell(shapes.remove(cell(&row, 4)));
        relation.uncacheable |= cell(&row, 1) == "f";
        relation.row_security |= flag(&row, 2);
        if cell(&row, 1) == "v" {
            relation
                .views
                .push(footprint::analyze(cell(&row, 3), Dialect::Postgres));
        }
    }
    for row in references(conn).await? {
        catalogue.relation(cell(&row, 0)).children.push(Child {
            table: cell(&row, 1).to_lowercase().into(),
            on_delete: matches!(cell(&row, 2), "c" | "n" | "d"),
            on_update: matches!(cell(&row, 3), "c" | "n" | "d"),
            columns: names(cell(&row, 4)),
        });
    }
    let generated = "SELECT DISTINCT c.relname::text FROM pg_attribute a \
                       JOIN pg_class c ON c.oid = a.attrelid WHERE a.attgenerated <> ''";
    for row in texts(conn, generated).await? {
        catalogue.relation(cell(&row, 0)).changes_more = true;
    }
    let families = "SELECT p.relname::text, c.relname::text FROM pg_inherits i \
                      JOIN pg_class p ON p.oid = i.inhparent \
                      JOIN pg_class c ON c.oid = i.inhrelid \
                     WHERE p.relkind IN ('r', 'p', 'f') AND c.relkind IN ('r', 'p', 'f')";
    for row in texts(conn, families).await? {
        catalogue.join_families(cell(&row, 0), cell(&row, 1));
    }
    policies(conn, &mut catalogue).await?;
    code::load(conn, outbox, &mut catalogue).await?;
    Ok(catalogue)
}

/// What the policies of row-level security read, and whether they call functions.
async fn policies<L: Link>(conn: &mut L, catalogue: &mut Catalogue) -> QueryResult<()> {
    let policies = "SELECT c.relname::text, r.relname::text, \
                           (d.refclassid = 'pg_proc'::regclass)::int::text \
                      FROM pg_depend d JOIN pg_policy y ON y.oid = d.objid \
                      JOIN pg_class c ON c.oid = y.polrelid \
                      LEFT JOIN pg_class r ON d.refclassid = 'pg_class'::regclass \
                                          AND r.oid = d.refobjid AND r.oid <> c.oid \
                     WHERE d.classid = 'pg_policy'::regclass";
    for row in texts(conn, policies).await? {
        let relation = catalogue.relation(cell(&row, 0));
        if !cell(&row, 1).is_empty() {
            relation
                .also_reads
                .insert(cell(&row, 1).to_lowercase().into());
        }
        relation.uncacheable |= flag(&row, 2);
    }
    let conditions = "SELECT c.relname::text, \
                             concat_ws(') AND (', pg_get_expr(y.polqual, y.polrelid), \
                                                  pg_get_expr(y.polwithcheck, y.polrelid)) \
                        FROM pg_policy y JOIN pg_class c ON c.oid = y.polrelid";
    for row in texts(conn, conditions).await? {
        if !settings::is_in_the_key(cell(&row, 1)) {
            catalogue.relation(cell(&row, 0)).uncacheable = true;
        }
    }
    Ok(())
}

async fn references<L: Link>(conn: &mut L) -> QueryResult<Vec<Texts>> {
    texts(
        conn,
        "SELECT p.relname::text, c.relname::text, k.confdeltype::text, k.confupdtype::text, \
                (SELECT string_agg(a.attname::text, chr(31)) FROM pg_attribute a \
                  WHERE a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)) \
           FROM pg_constraint k \
           JOIN pg_class p ON p.oid = k.confrelid \
           JOIN pg_class c ON c.oid = k.conrelid \
          WHERE k.contype = 'f'",
    )
    .await
}

/// A session's name: the database, the server's start and the process of the session.
fn session_name(row: &Texts) -> String {
    let of = |index| cell(row, index);
    format!("{}/{} {} {}", of(0), of(2), of(1), of(3))
}

/// Whether the session has ended: the server lists no such process, or it was restarted since.
pub(super) async fn has_ended<L: Link>(conn: &mut L, session: &str, end: End) -> QueryResult<bool> {
    let mut parts = session.split(' ');
    let (Some(database), Some(start), Some(pid)) = (parts.next(), parts.next(), parts.next())
    else {
        return Ok(false);
    };
    if !is_number(pid) {
        return Ok(false);
    }
    // A state that may not be seen is none.
    let at_work = match end {
        End::OfSession => "",
        End::OfStatement => " AND state IS DISTINCT FROM 'idle'",
    };
    let sql = format!(
        "SELECT (SELECT system_identifier::text FROM pg_control_system()) || '/' || \
                (SELECT oid::text FROM pg_database WHERE datname = current_database()), \
                extract(epoch FROM pg_postmaster_start_time())::text, \
                EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = {pid}{at_work})::int::text, \
                pg_is_in_recovery()::int::text"
    );
    let rows = texts(conn, &sql).await?;
    let row = rows.first().ok_or(diesel::result::Error::NotFound)?;
    // A standby tells nothing of its primary's sessions.
    if cell(row, 0) != database || flag(row, 3) {
        return Ok(false);
    }
    Ok(cell(row, 1) != start || !flag(row, 2))
}

/// The number of the advisory lock that marks a process' sessions.
fn lock(mark: Mark) -> u64 {
    (u64::from(mark.class) << 40) | mark.process.number()
}

/// Marks the session by an advisory lock that it shares with its like.
pub(super) async fn mark<L: Link>(conn: &mut L, mark: Mark) -> QueryResult<bool> {
    // Locks take a signed number, and are listed by two halves without a sign.
    let lock = lock(mark);
    let (upper, lower, signed) = (lock >> 32, lock & 0xffff_ffff, lock.cast_signed());
    let sql = format!(
        "SELECT (CASE WHEN EXISTS (SELECT 1 FROM pg_locks \
                  WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objsubid = 1 \
                    AND classid = {upper} AND objid = {lower} AND granted) \
                 THEN true ELSE pg_try_advisory_lock_shared({signed}) END)::int::text"
    );
    let rows = texts(conn, &sql).await?;
    let marked = rows.first().is_some_and(|row| flag(row, 0));
    // Of a cache that this connection was attached to before: what it asked is over.
    // rule: a-session-has-one-mark
    let others = format!(
        "SELECT pg_advisory_unlock_shared((classid::bigint << 32) | objid::bigint)::int::text \
           FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objsubid = 1 \
            AND granted AND classid::bigint >> 8 = {} \
            AND NOT (classid = {upper} AND objid = {lower})",
        mark.class
    );
    texts(conn, &others).await?;
    Ok(marked)
}

/// Whether a marked session is of none of these processes.
pub(super) async fn has_marks_besides<L: Link>(
    conn: &mut L,
    mark: Mark,
    processes: &[ProcessId],
) -> QueryResult<bool> {
    let sql = "SELECT DISTINCT classid::text, objid::text FROM pg_locks \
                WHERE locktype = 'advisory' AND objsubid = 1 \
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let locks = texts(conn, sql).await?;
    Ok(locks.iter().any(|row| {
        let half = |index| cell(row, index).parse::<u64>().unwrap_or_default();
        let lock = (half(0) << 32) | half(1);
        lock >> 40 == u64::from(mark.class) && !processes.contains(&ProcessId::of(lock))
    }))
}
