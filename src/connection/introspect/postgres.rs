//! PostgreSQL's answers.

use diesel::connection::LoadConnection;
use diesel::result::QueryResult;

use super::{SessionInfo, Texts, cell, digest, flag, is_number, names, texts};
use crate::catalogue::{Catalogue, Child, FunctionKind};
use crate::database::DatabaseId;
use crate::dialect::Dialect;
use crate::footprint::{self, Isolation};
use crate::statement::CacheDatabase;

// The server's start tells clones of one system identifier apart, and the incarnations
// of a server that was restarted, which may have lost commits.
const SESSION: &str = "\
    SELECT (SELECT system_identifier::text FROM pg_control_system()), \
           pg_postmaster_start_time()::text, \
           (SELECT oid::text FROM pg_database WHERE datname = current_database()), \
           pg_backend_pid()::text, \
           current_setting('default_transaction_isolation'), \
           pg_is_in_recovery()::int::text, \
           current_user::text, session_user::text, \
           current_schemas(true)::text, \
           (SELECT string_agg(relname::text, chr(31)) FROM pg_class \
             WHERE relnamespace = pg_my_temp_schema() AND relkind IN ('r', 'v', 'p', 'm', 'f')), \
           current_setting('standard_conforming_strings')";

// Names and values, without those that differ by nature and never change a result.
const SETTINGS: &str = "\
    SELECT name, setting FROM pg_settings \
     WHERE context IN ('user', 'superuser', 'superuser-backend', 'backend') \
       AND name NOT IN ('application_name', 'transaction_isolation', \
                        'transaction_read_only', 'transaction_deferrable') \
     ORDER BY name";

const OURS: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') \
                    AND n.nspname NOT LIKE 'pg\\_temp%' AND n.nspname NOT LIKE 'pg\\_toast%'";

pub(super) fn session<C>(conn: &mut C, name: Option<&str>) -> QueryResult<SessionInfo>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let rows = texts(conn, SESSION)?;
    let row = rows.first().ok_or(diesel::result::Error::NotFound)?;
    let mut settings = texts(conn, SETTINGS)?;
    settings.push(row[6..9].to_vec());
    let identity = match name {
        Some(name) => name.to_owned(),
        None => format!("{} {} {}", cell(row, 0), cell(row, 1), cell(row, 2)),
    };
    Ok(SessionInfo {
        database: DatabaseId::named(format!("postgres {identity}").as_bytes()),
        session: Some(cell(row, 3).to_owned()),
        settings: digest(&settings),
        isolation: match cell(row, 4) {
            "read committed" => Isolation::ReadCommitted,
            "read uncommitted" => Isolation::ReadUncommitted,
            _ => Isolation::Snapshot,
        },
        standby: flag(row, 5),
        attached: false,
        untrackable: cell(row, 10) != "on",
        temporary: names(cell(row, 9)),
    })
}

pub(super) fn catalogue<C>(conn: &mut C) -> QueryResult<Catalogue>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let mut catalogue = Catalogue::default();
    let relations = format!(
        "SELECT c.relname::text, c.relkind::text, c.relrowsecurity::int::text, \
                (EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid \
                          WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND NOT {DIESELS}) \
                 OR EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid \
                            AND w.rulename <> '_RETURN'))::int::text, \
                CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END \
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
          WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {OURS}"
    );
    for row in texts(conn, &relations)? {
        let relation = catalogue.relation(cell(&row, 0));
        relation.uncacheable |= cell(&row, 1) == "f";
        relation.row_security |= flag(&row, 2);
        relation.triggers |= flag(&row, 3);
        if cell(&row, 1) == "v" {
            relation
                .views
                .push(footprint::analyze(cell(&row, 4), Dialect::Postgres));
        }
    }
    for row in references(conn)? {
        catalogue.relation(cell(&row, 0)).children.push(Child {
            table: cell(&row, 1).to_lowercase().into(),
            on_delete: matches!(cell(&row, 2), "c" | "n" | "d"),
            on_update: matches!(cell(&row, 3), "c" | "n" | "d"),
            columns: names(cell(&row, 4)),
        });
    }
    let generated = "SELECT DISTINCT c.relname::text FROM pg_attribute a \
                       JOIN pg_class c ON c.oid = a.attrelid WHERE a.attgenerated <> ''";
    for row in texts(conn, generated)? {
        catalogue.add_generated(cell(&row, 0));
    }
    let families = "SELECT p.relname::text, c.relname::text FROM pg_inherits i \
                      JOIN pg_class p ON p.oid = i.inhparent \
                      JOIN pg_class c ON c.oid = i.inhrelid \
                     WHERE p.relkind IN ('r', 'p', 'f') AND c.relkind IN ('r', 'p', 'f')";
    for row in texts(conn, families)? {
        catalogue.join_families(cell(&row, 0), cell(&row, 1));
    }
    called_by_tables(conn, &mut catalogue)?;
    functions(conn, &mut catalogue)?;
    Ok(catalogue)
}

/// A function that is not PostgreSQL's own, nor an extension's.
const USERS: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND NOT EXISTS (\
    SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass \
       AND e.objid = p.oid AND e.deptype = 'e')";

/// One of the two functions that `diesel setup` makes, to the letter: the one sets
/// `updated_at`, the other makes a trigger of it.
const DIESELS: &str = "regexp_replace(p.prosrc, '\\s', '', 'g') IN (\
    'BEGINIF(NEWISDISTINCTFROMOLDANDNEW.updated_atISNOTDISTINCTFROMOLD.updated_at)\
THENNEW.updated_at:=current_timestamp;ENDIF;RETURNNEW;END;', \
    'BEGINEXECUTEformat(''CREATETRIGGERset_updated_atBEFOREUPDATEON%sFOREACHROW\
EXECUTEPROCEDUREdiesel_set_updated_at()'',_tbl);END;')";

fn called_by_tables<C>(conn: &mut C, catalogue: &mut Catalogue) -> QueryResult<()>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    // Tables whose defaults or constraints call a user's function.
    let calling = format!(
        "SELECT DISTINCT c.relname::text FROM pg_depend d \
           LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid \
           LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid \
           JOIN pg_class c ON c.oid = coalesce(a.adrelid, k.conrelid) \
           JOIN pg_proc p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid \
           JOIN pg_namespace n ON n.oid = p.pronamespace \
          WHERE {USERS}"
    );
    for row in texts(conn, &calling)? {
        catalogue.relation(cell(&row, 0)).triggers = true;
    }
    // What the policies of row-level security read and call.
    let policies = "SELECT c.relname::text, r.relname::text, \
                           (d.refclassid = 'pg_proc'::regclass)::int::text \
                      FROM pg_depend d JOIN pg_policy y ON y.oid = d.objid \
                      JOIN pg_class c ON c.oid = y.polrelid \
                      LEFT JOIN pg_class r ON d.refclassid = 'pg_class'::regclass \
                                          AND r.oid = d.refobjid AND r.oid <> c.oid \
                     WHERE d.classid = 'pg_policy'::regclass";
    for row in texts(conn, policies)? {
        let relation = catalogue.relation(cell(&row, 0));
        if !cell(&row, 1).is_empty() {
            relation
                .also_reads
                .insert(cell(&row, 1).to_lowercase().into());
        }
        relation.uncacheable |= flag(&row, 2);
    }
    Ok(())
}

fn functions<C>(conn: &mut C, catalogue: &mut Catalogue) -> QueryResult<()>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    // PostgreSQL keeps a `STABLE` function from writing by itself, but not from calling a
    // `VOLATILE` one that writes.
    let functions = format!(
        "WITH f AS (SELECT p.*, {USERS} AND NOT {DIESELS} AS users FROM pg_proc p \
                      JOIN pg_namespace n ON n.oid = p.pronamespace \
                     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')) \
         SELECT proname::text, bool_or(provolatile = 'v' OR (users AND EXISTS (\
                    SELECT FROM f v WHERE v.users AND v.provolatile = 'v' \
                       AND v.prorettype <> 'trigger'::regtype)))::int::text \
           FROM f GROUP BY proname"
    );
    for row in texts(conn, &functions)? {
        let kind = if flag(&row, 1) {
            FunctionKind::MayWrite
        } else {
            FunctionKind::ReadOnly
        };
        catalogue.add_function(cell(&row, 0), kind);
    }
    let attributes = format!(
        "SELECT p.proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
           JOIN pg_type t ON t.oid = p.proargtypes[0] \
          WHERE p.pronargs = 1 AND t.typtype = 'c' AND {USERS}"
    );
    for row in texts(conn, &attributes)? {
        catalogue.add_attribute(cell(&row, 0));
    }
    let hidden = format!(
        "SELECT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
          WHERE {USERS} AND (\
                EXISTS (SELECT FROM pg_operator o WHERE o.oprcode = p.oid) \
             OR EXISTS (SELECT FROM pg_cast x WHERE x.castfunc = p.oid) \
             OR EXISTS (SELECT FROM pg_depend d JOIN pg_constraint k ON k.oid = d.objid \
                         WHERE d.classid = 'pg_constraint'::regclass AND k.contypid <> 0 \
                           AND d.refclassid = 'pg_proc'::regclass \
                           AND d.refobjid = p.oid)))::int::text"
    );
    catalogue.hidden_calls = texts(conn, &hidden)?
        .first()
        .is_some_and(|row| flag(row, 0));
    Ok(())
}

fn references<C>(conn: &mut C) -> QueryResult<Vec<Texts>>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
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
}

pub(super) fn has_ended<C>(conn: &mut C, session: &str) -> QueryResult<bool>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    if !is_number(session) {
        return Ok(false);
    }
    let sql = format!("SELECT 1::text FROM pg_stat_activity WHERE pid = {session}");
    Ok(texts(conn, &sql)?.is_empty())
}
