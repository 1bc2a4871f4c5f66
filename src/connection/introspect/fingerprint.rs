//! A short question whose answer is another one after every change of the catalogue.

use diesel::result::QueryResult;

use super::{Texts, cell, flag, texts};
use crate::connection::Link;

/// What the database says.
pub(super) struct Seen {
    pub(super) seen: Vec<Texts>,
    pub(super) standby: bool,
}

/// PostgreSQL numbers the version of each row of its catalogue by the transaction that
/// wrote it, so the sums differ after any change. Of relations themselves, only what
/// matters here counts: their rows change with statistics and with `TRUNCATE` as well.
/// The rows that PostgreSQL comes with have low numbers, and are left out.
const POSTGRES: &str = "\
    WITH ours AS MATERIALIZED (\
        SELECT c.oid, c.relname, c.relnamespace, c.relkind, c.relowner, c.relrowsecurity, \
               c.relforcerowsecurity, c.relispartition, c.reloptions \
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.oid >= 16384 \
           AND n.nspname NOT LIKE 'pg\\_temp%' AND n.nspname NOT LIKE 'pg\\_toast%'), \
    versions (catalogue, oid, version) AS (\
        SELECT 1, a.attrelid::bigint * 2048 + a.attnum, a.xmin FROM pg_attribute a \
          JOIN ours ON ours.oid = a.attrelid WHERE a.attnum > 0 \
        UNION ALL SELECT 2, oid::bigint, xmin FROM pg_proc WHERE oid >= 16384 \
        UNION ALL SELECT 3, oid::bigint, xmin FROM pg_trigger WHERE NOT tgisinternal \
        UNION ALL SELECT 4, w.oid::bigint, w.xmin FROM pg_rewrite w \
                    JOIN ours ON ours.oid = w.ev_class \
        UNION ALL SELECT 5, oid::bigint, xmin FROM pg_constraint WHERE oid >= 16384 \
        UNION ALL SELECT 6, oid::bigint, xmin FROM pg_policy \
        UNION ALL SELECT 7, inhrelid::bigint * 4294967296 + inhparent::bigint, xmin FROM pg_inherits \
        UNION ALL SELECT 8, a.oid::bigint, a.xmin FROM pg_attrdef a \
                    JOIN ours ON ours.oid = a.adrelid \
        UNION ALL SELECT 9, indexrelid::bigint, xmin FROM pg_index \
                   WHERE indexprs IS NOT NULL OR indpred IS NOT NULL \
        UNION ALL SELECT 10, oid::bigint, xmin FROM pg_type WHERE oid >= 16384 AND typtype = 'd' \
        UNION ALL SELECT 11, oid::bigint, xmin FROM pg_enum \
        UNION ALL SELECT 12, oid::bigint, xmin FROM pg_operator WHERE oid >= 16384 \
        UNION ALL SELECT 13, oid::bigint, xmin FROM pg_cast WHERE oid >= 16384 \
        UNION ALL SELECT 14, oid::bigint, xmin FROM pg_namespace \
                   WHERE nspname NOT LIKE 'pg\\_temp%' AND nspname NOT LIKE 'pg\\_toast%' \
        UNION ALL SELECT 15, aggfnoid::oid::bigint, xmin FROM pg_aggregate \
                   WHERE aggfnoid::oid >= 16384 \
        UNION ALL SELECT 16, oid::bigint, xmin FROM pg_ts_dict WHERE oid >= 16384 \
        UNION ALL SELECT 17, mapcfg::bigint * 65536 + maptokentype * 256 + mapseqno, xmin \
                    FROM pg_ts_config_map WHERE mapcfg >= 16384 \
        UNION ALL SELECT 18, roleid::bigint * 4294967296 + member::bigint, xmin \
                    FROM pg_auth_members \
        UNION ALL SELECT 19, oid::bigint, (rolsuper::int + 2 * rolbypassrls::int \
                    + 4 * rolinherit::int)::text::xid FROM pg_roles \
        UNION ALL SELECT 20, oid::bigint, xmin FROM pg_event_trigger \
        UNION ALL SELECT 21, oid::bigint, xmin FROM pg_amproc WHERE oid >= 16384 \
        UNION ALL SELECT 22, a.attrelid::bigint * 2048 + a.attnum, a.xmin FROM pg_attribute a \
                    JOIN pg_class c ON c.oid = a.attrelid \
                   WHERE c.relkind = 'c' AND c.oid >= 16384 AND a.attnum > 0) \
    SELECT pg_is_in_recovery()::int::text, \
           (SELECT concat(count(*), ' ', sum(hashtextextended(concat_ws(' ', oid, relnamespace, \
                    relkind, relowner, relrowsecurity, relforcerowsecurity, relispartition, \
                    array_to_string(reloptions, ' '), relname), 0))) FROM ours), \
           (SELECT concat(count(*), ' ', sum(hashtextextended(concat_ws(' ', catalogue, oid, \
                    version), 0))) FROM versions)";

pub(super) async fn postgres<L: Link>(conn: &mut L) -> QueryResult<Seen> {
    let mut seen = texts(conn, POSTGRES).await?;
    let row = seen.first_mut().ok_or(diesel::result::Error::NotFound)?;
    let standby = flag(row, 0);
    row.remove(0);
    Ok(Seen { seen, standby })
}

const OURS: &str = "NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')";

/// MySQL keeps no versions: what it shows of its catalogue is summed up.
fn sum_of(columns: &str, table: &str, schema: &str) -> String {
    // Half of a digest as a number; a sum, since exclusive or would lose what stands twice.
    let part = |from: u8| {
        format!(
            "SUM(CAST(CONV(SUBSTRING(MD5(CONCAT_WS('\u{1f}', {columns})), {from}, 12), 16, 10) \
             AS UNSIGNED))"
        )
    };
    format!(
        "SELECT CONCAT_WS(' ', COUNT(*), {}, {}) FROM information_schema.{table} \
          WHERE {schema} {OURS}",
        part(1),
        part(13)
    )
}

pub(super) async fn mysql<L: Link>(conn: &mut L) -> QueryResult<Seen> {
    let mut seen = Vec::new();
    for (columns, table, schema) in [
        (
            "table_schema, table_name, table_type, engine",
            "tables",
            "table_schema",
        ),
        (
            "table_schema, table_name, ordinal_position, column_name, column_type, is_nullable, \
             IFNULL(column_default, '\u{1}'), extra, IFNULL(collation_name, ''), \
             IFNULL(generation_expression, '')",
            "columns",
            "table_schema",
        ),
        (
            "table_schema, table_name, view_definition",
            "views",
            "table_schema",
        ),
        (
            "trigger_schema, trigger_name, event_object_schema, event_object_table, \
             event_manipulation, action_timing, action_order, action_statement, sql_mode",
            "triggers",
            "trigger_schema",
        ),
        (
            "routine_schema, routine_name, routine_type, IFNULL(routine_definition, '\u{1}'), \
             sql_mode, last_altered, security_type",
            "routines",
            "routine_schema",
        ),
        (
            "constraint_schema, constraint_name, table_name, referenced_table_name, \
             delete_rule, update_rule",
            "referential_constraints",
            "constraint_schema",
        ),
        (
            "constraint_schema, constraint_name, table_name, ordinal_position, column_name, \
             IFNULL(referenced_table_name, ''), IFNULL(referenced_column_name, '')",
            "key_column_usage",
            "constraint_schema",
        ),
    ] {
        seen.extend(texts(conn, &sum_of(columns, table, schema)).await?);
    }
    // What the user may see decides on what is made of it.
    for table in ["user_privileges", "schema_privileges", "table_privileges"] {
        let mut rights = texts(conn, &format!("SELECT * FROM information_schema.{table}")).await?;
        rights.sort();
        seen.extend(rights);
    }
    let standby = texts(conn, "SELECT CAST(@@read_only AS CHAR)").await?;
    let standby = standby.first().is_some_and(|row| cell(row, 0) == "1");
    Ok(Seen { seen, standby })
}

/// SQLite counts the changes of its schema.
pub(super) async fn sqlite<L: Link>(conn: &mut L) -> QueryResult<Seen> {
    let seen = texts(conn, "SELECT schema_version FROM pragma_schema_version").await?;
    if seen.is_empty() {
        return Err(diesel::result::Error::NotFound);
    }
    Ok(Seen {
        seen,
        standby: false,
    })
}
