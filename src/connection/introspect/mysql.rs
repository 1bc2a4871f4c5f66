//! MySQL's and MariaDB's answers.

use diesel::result::QueryResult;
use std::collections::{BTreeSet, HashMap};

use super::columns::mysql::{COLUMNS, Tables};
use super::{End, SessionInfo, cell, digest, flag, is_number, texts};
use crate::catalogue::{Catalogue, Child, Code, Events, Language, Trigger};
use crate::connection::Link;
use crate::connection::gate::Mark;
use crate::database::DatabaseId;
use crate::dialect::Dialect;
use crate::footprint::{self, Isolation, Name};
use crate::outbox::{Outbox, is_own_trigger};
use crate::token::ProcessId;

// A query may name tables of any schema of the server, so the server is the database.
const SESSION: &str = "\
    SELECT CONCAT_WS(' ', @@hostname, @@port, @@datadir, @@server_id), \
           CONCAT(CONNECTION_ID(), ' ', SUBSTRING_INDEX(USER(), '@', 1)), \
           CAST(@@read_only AS CHAR)";

const WHO: &str = "SELECT CURRENT_USER(), USER(), DATABASE()";

// Each server knows some of the names. Those that never change a result are left out.
const SETTINGS: &str = "\
    SHOW SESSION VARIABLES WHERE variable_name IN (\
    'sql_mode', 'old_mode', 'time_zone', 'character_set_client', 'character_set_connection', \
    'character_set_results', 'character_set_database', 'collation_connection', \
    'collation_database', 'character_set_collations', 'default_collation_for_utf8mb4', \
    'lc_time_names', 'div_precision_increment', 'group_concat_max_len', 'sql_select_limit', \
    'max_sort_length', 'sql_auto_is_null', 'default_week_format', 'sql_big_selects', \
    'max_join_size', 'default_regex_flags', 'system_versioning_asof', 'block_encryption_mode', \
    'cte_max_recursion_depth', 'max_recursive_iterations', 'max_allowed_packet', \
    'windowing_use_high_precision', 'tx_isolation', 'transaction_isolation')";

/// The engines whose tables hold their own rows, and no others'.
const KEEPS_ITS_ROWS: [&str; 9] = [
    "innodb",
    "myisam",
    "aria",
    "memory",
    "archive",
    "rocksdb",
    "tokudb",
    "ndbcluster",
    "ndb",
];

const OURS: &str = "NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')";

/// The user's own rights: a powerful one sees those of others as well.
const MINE: &str = "grantee = CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''', \
                    SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')";

pub(super) async fn session<L: Link>(conn: &mut L, name: Option<&str>) -> QueryResult<SessionInfo> {
    let rows = texts(conn, SESSION).await?;
    let row = rows.first().ok_or(diesel::result::Error::NotFound)?;
    let mut settings = texts(conn, SETTINGS).await?;
    let setting = |name: &str| {
        let found = settings.iter().find(|row| cell(row, 0) == name);
        found.map_or("", |row| cell(row, 1)).to_owned()
    };
    // It was renamed between versions; each server knows one of the names.
    let mut isolation = setting("transaction_isolation");
    if isolation.is_empty() {
        isolation = setting("tx_isolation");
    }
    let untrackable = odd_quotes(&setting("sql_mode"))
        // rule: ascii-is-the-same-in-all-encodings-but-one
        || ["client", "connection"].iter().any(|of| setting(&format!("character_set_{of}")) == "swe7");
    settings.retain(|row| !cell(row, 0).ends_with("_isolation"));
    settings.sort();
    let who = texts(conn, WHO).await?;
    // The account, not the host that it connects from, decides what it sees.
    let user = who.first().map_or("", |row| cell(row, 0)).to_owned();
    settings.extend(who);
    let identity = name.unwrap_or_else(|| cell(row, 0));
    Ok(SessionInfo {
        database: DatabaseId::named(format!("mysql {identity}").as_bytes()),
        session: Some(format!("{} {}", server(cell(row, 0)), cell(row, 1))),
        settings: digest(&settings),
        isolation: match isolation.as_str() {
            "READ-COMMITTED" => Isolation::ReadCommitted,
            "READ-UNCOMMITTED" => Isolation::ReadUncommitted,
            _ => Isolation::Snapshot,
        },
        standby: flag(row, 2),
        attached: false,
        untrackable,
        temporary: BTreeSet::new(),
        looked_at: None,
        temporary_views: BTreeSet::new(),
        user,
    })
}

/// Whether the SQL mode changes where a text begins and ends.
fn odd_quotes(sql_mode: &str) -> bool {
    sql_mode
        .split(',')
        .any(|mode| matches!(mode, "ANSI_QUOTES" | "NO_BACKSLASH_ESCAPES"))
}

pub(super) async fn catalogue<L: Link>(conn: &mut L, outbox: &Outbox) -> QueryResult<Catalogue> {
    let mut catalogue = Catalogue::default();
    let views = format!(
        "SELECT table_name, view_definition FROM information_schema.views \
          WHERE table_schema {OURS}"
    );
    for row in texts(conn, &views).await? {
        // Without the privilege to see it, the definition is empty: no single read.
        let definition = footprint::analyze(cell(&row, 1), Dialect::Mysql);
        catalogue.relation(cell(&row, 0)).views.push(definition);
    }
    // The server has been seen to crash on these joined; they are joined here.
    let mut keys: HashMap<[String; 3], BTreeSet<Name>> = HashMap::new();
    let columns = format!(
        "SELECT constraint_schema, constraint_name, table_name, referenced_column_name, \
                column_name, CAST(ordinal_position AS CHAR) \
           FROM information_schema.key_column_usage \
          WHERE constraint_schema {OURS} \
            AND (referenced_table_name IS NOT NULL OR constraint_name = 'PRIMARY')"
    );
    let mut tables = Tables::default();
    for row in texts(conn, &columns).await? {
        if cell(&row, 1) == "PRIMARY" {
            tables.key(cell(&row, 0), cell(&row, 2), cell(&row, 5), cell(&row, 4));
            continue;
        }
        let key = [0, 1, 2].map(|index| cell(&row, index).to_owned());
        let column = cell(&row, 3).to_lowercase().into();
        keys.entry(key).or_default().insert(column);
    }
    let references = format!(
        "SELECT constraint_schema, constraint_name, table_name, referenced_table_name, \
                delete_rule, update_rule \
           FROM information_schema.referential_constraints WHERE constraint_schema {OURS}"
    );
    for row in texts(conn, &references).await? {
        let acts = |rule: &str| !matches!(rule, "RESTRICT" | "NO ACTION");
        let key = [0, 1, 2].map(|index| cell(&row, index).to_owned());
        catalogue.relation(cell(&row, 3)).children.push(Child {
            table: cell(&row, 2).to_lowercase().into(),
            on_delete: acts(cell(&row, 4)),
            on_update: acts(cell(&row, 5)),
            columns: keys.remove(&key).unwrap_or_default(),
        });
    }
    // Generated columns, and those that the server sets at an update.
    let columns =
        format!("SELECT {COLUMNS} FROM information_schema.columns WHERE table_schema {OURS}");
    for row in texts(conn, &columns).await? {
        if tables.column(&row) {
            catalogue.relation(cell(&row, 1)).changes_more = true;
        }
    }
    let rights = rights(conn).await?;
    let relations = format!(
        "SELECT table_name, table_type, engine, table_schema FROM information_schema.tables \
          WHERE table_schema {OURS}"
    );
    for row in texts(conn, &relations).await? {
        let relation = catalogue.relation(cell(&row, 0));
        let engine = cell(&row, 2).to_lowercase();
        let is_view = cell(&row, 1).contains("VIEW");
        relation.non_transactional |= !is_view && engine != "innodb";
        relation.uncacheable |= !is_view && !KEEPS_ITS_ROWS.contains(&engine.as_str());
        // rule: a-shape-is-told-of-what-is-seen-whole
        let is_whole = cell(&row, 1) == "BASE TABLE" && rights.sees(cell(&row, 3), cell(&row, 0));
        let shape = tables.shape(cell(&row, 3), cell(&row, 0));
        relation.shape.tell(shape.filter(|_| is_whole));
        // rule: a-sequence-changes-by-being-read
        if cell(&row, 1) == "SEQUENCE" {
            relation.uncacheable = true;
            relation.confined = true;
        }
    }
    catalogue.hidden_references = !sees_references(conn).await?;
    routines(conn, &rights, &mut catalogue).await?;
    triggers(conn, &rights, outbox, &mut catalogue).await?;
    Ok(catalogue)
}

/// Where the user may see what there is.
#[derive(Debug, Default)]
struct Rights {
    /// Everywhere.
    all: bool,
    /// Every relation and routine of these schemas.
    schemas: BTreeSet<Name>,
    /// The triggers of all relations, of those of a schema, of a relation.
    all_triggers: bool,
    schema_triggers: BTreeSet<Name>,
    table_triggers: BTreeSet<(Name, Name)>,
    /// All columns of all relations of a schema, and of a relation.
    schema_columns: BTreeSet<Name>,
    table_columns: BTreeSet<(Name, Name)>,
}

async fn rights<L: Link>(conn: &mut L) -> QueryResult<Rights> {
    let mut rights = Rights::default();
    let everywhere =
        format!("SELECT privilege_type FROM information_schema.user_privileges WHERE {MINE}");
    for row in texts(conn, &everywhere).await? {
        rights.all |= cell(&row, 0) == "SELECT";
        rights.all_triggers |= cell(&row, 0) == "TRIGGER";
    }
    let schemas = format!(
        "SELECT table_schema, privilege_type FROM information_schema.schema_privileges \
          WHERE {MINE}"
    );
    for row in texts(conn, &schemas).await? {
        let schema: Name = cell(&row, 0).replace('\\', "").to_lowercase().into();
        if cell(&row, 1) == "TRIGGER" {
            rights.schema_triggers.insert(schema.clone());
        }
        if cell(&row, 1) == "SELECT" {
            rights.schema_columns.insert(schema.clone());
        }
        rights.schemas.insert(schema);
    }
    let tables = format!(
        "SELECT table_schema, table_name, privilege_type \
           FROM information_schema.table_privileges \
          WHERE privilege_type IN ('SELECT', 'TRIGGER') AND {MINE}"
    );
    for row in texts(conn, &tables).await? {
        let table = [0, 1].map(|index| Name::from(cell(&row, index).to_lowercase()));
        match cell(&row, 2) {
            "SELECT" => rights.table_columns.insert(table.into()),
            _ => rights.table_triggers.insert(table.into()),
        };
    }
    Ok(rights)
}

impl Rights {
    /// Whether all triggers of the relation may be seen.
    fn sees_triggers(&self, schema: &str, table: &str) -> bool {
        let (schema, table) = (Name::from(schema.to_lowercase()), table.to_lowercase());
        self.all_triggers
            || self.schema_triggers.contains(&schema)
            || self.table_triggers.contains(&(schema, table.into()))
    }

    /// Whether all columns of the relation may be seen.
    fn sees(&self, schema: &str, table: &str) -> bool {
        let (schema, table) = (Name::from(schema.to_lowercase()), table.to_lowercase());
        self.all
            || self.schema_columns.contains(&schema)
            || self.table_columns.contains(&(schema, table.into()))
    }

    /// What code of that schema may do.
    // rule: code-that-may-not-be-seen-may-do-anything
    fn code(&self, schema: &str, text: &str, sql_mode: &str) -> Code {
        let sees = |schema: &str| self.all || self.schemas.contains(schema);
        let is_new_or_old = |name: &str| matches!(name, "new" | "old");
        // Without the privilege to see it, the text is empty.
        if text.is_empty()
            || odd_quotes(sql_mode)
            || !sees(&schema.to_lowercase())
            || Code::schemas(text)
                .iter()
                .any(|schema| !sees(schema) && !is_new_or_old(schema))
        {
            return Code::opaque();
        }
        Code::of(text, Language::Mysql)
    }
}

async fn routines<L: Link>(
    conn: &mut L,
    rights: &Rights,
    catalogue: &mut Catalogue,
) -> QueryResult<()> {
    let routines = format!(
        "SELECT routine_name, routine_schema, routine_definition, sql_mode, routine_body \
           FROM information_schema.routines WHERE routine_schema {OURS}"
    );
    for row in texts(conn, &routines).await? {
        let code = if cell(&row, 4).eq_ignore_ascii_case("sql") {
            rights.code(cell(&row, 1), cell(&row, 2), cell(&row, 3))
        } else {
            Code::opaque()
        };
        catalogue.add_routine(cell(&row, 0), code, Dialect::Mysql);
    }
    Ok(())
}

async fn triggers<L: Link>(
    conn: &mut L,
    rights: &Rights,
    outbox: &Outbox,
    catalogue: &mut Catalogue,
) -> QueryResult<()> {
    let triggers = format!(
        "SELECT event_object_table, event_object_schema, action_statement, sql_mode, \
                event_manipulation, action_timing \
           FROM information_schema.triggers WHERE event_object_schema {OURS}"
    );
    let rows = texts(conn, &triggers).await?;
    // rule: an-outbox-with-triggers-is-any-table
    let is_plain = !rows.iter().any(|row| cell(row, 0) == outbox.table());
    for row in rows {
        let event = cell(&row, 4).to_lowercase();
        let mut events = Events::NONE;
        for (word, fires) in [
            ("insert", Events::INSERT),
            ("update", Events::UPDATE),
            ("delete", Events::DELETE),
        ] {
            if event.contains(word) {
                events = events | fires;
            }
        }
        // It writes to the outbox alone.
        let is_after = cell(&row, 5).eq_ignore_ascii_case("after");
        let is_own = is_own_trigger(outbox, Dialect::Mysql, cell(&row, 0), cell(&row, 2));
        if is_plain && is_after && is_own {
            continue;
        }
        catalogue.doubts_outbox |= !is_own && cell(&row, 2).contains(outbox.table());
        let relation = catalogue.relation(cell(&row, 0));
        // rule: a-trigger-may-change-the-row
        relation.changes_more |=
            event.contains("update") && cell(&row, 5).eq_ignore_ascii_case("before");
        relation.triggers.push(Trigger {
            events,
            before: !is_after,
            code: rights.code(cell(&row, 1), cell(&row, 2), cell(&row, 3)),
        });
    }
    // rule: a-trigger-that-may-not-be-seen-may-do-anything
    let relations = format!(
        "SELECT table_schema, table_name FROM information_schema.tables \
          WHERE table_schema {OURS} AND table_type NOT LIKE '%VIEW%'"
    );
    for row in texts(conn, &relations).await? {
        if !rights.sees_triggers(cell(&row, 0), cell(&row, 1)) {
            let relation = catalogue.relation(cell(&row, 1));
            relation.changes_more = true;
            relation.triggers.push(Trigger {
                events: Events::ALL,
                before: true,
                code: Code::opaque(),
            });
        }
    }
    Ok(())
}

/// Whether the user may see every foreign key of the tables that it may see. MySQL shows
/// them only to users with more rights on the referring table than to read it.
async fn sees_references<L: Link>(conn: &mut L) -> QueryResult<bool> {
    const RIGHTS: &str = "privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'REFERENCES', 'ALTER')";
    let everywhere =
        format!("SELECT '1' FROM information_schema.user_privileges WHERE {RIGHTS} AND {MINE}");
    if !texts(conn, &everywhere).await?.is_empty() {
        return Ok(true);
    }
    let allowed = format!(
        "SELECT table_schema FROM information_schema.schema_privileges WHERE {RIGHTS} AND {MINE}"
    );
    let allowed: BTreeSet<String> = texts(conn, &allowed)
        .await?
        .iter()
        .map(|row| cell(row, 0).replace('\\', ""))
        .collect();
    let seen = format!(
        "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_schema {OURS}"
    );
    let seen = texts(conn, &seen).await?;
    Ok(seen.iter().all(|row| allowed.contains(cell(row, 0))))
}

/// A server in the name of a session.
fn server(identity: &str) -> String {
    blake3::hash(identity.as_bytes()).to_hex()[..16].to_owned()
}

/// Whether the session has ended: the server does not list it, and would.
pub(super) async fn has_ended<L: Link>(conn: &mut L, session: &str, end: End) -> QueryResult<bool> {
    let mut parts = session.splitn(3, ' ');
    let (Some(of), Some(id), Some(user)) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(false);
    };
    if !is_number(id) {
        return Ok(false);
    }
    // Without a privilege, only the sessions of one's own user are listed.
    let me = "SELECT CONCAT_WS(' ', @@hostname, @@port, @@datadir, @@server_id), \
                     SUBSTRING_INDEX(USER(), '@', 1)";
    let me = texts(conn, me).await?;
    if me
        .first()
        .is_none_or(|row| server(cell(row, 0)) != of || cell(row, 1) != user)
    {
        return Ok(false);
    }
    let at_work = match end {
        End::OfSession => "",
        End::OfStatement => " AND command <> 'Sleep'",
    };
    let sql = format!("SELECT '1' FROM information_schema.processlist WHERE id = {id}{at_work}");
    Ok(texts(conn, &sql).await?.is_empty())
}

/// Marks the session by two locks: that it is one of this cache's, and of which process.
pub(super) async fn mark<L: Link>(conn: &mut L, mark: Mark) -> QueryResult<bool> {
    let Mark { class, process } = mark;
    let name = format!("CONCAT('diesel_cache.{class:08x}.', CONNECTION_ID())");
    let of_process = format!("CONCAT('diesel_cache.{class:08x}.', CONNECTION_ID(), '.{process}')");
    // Asked again, it is not taken twice. A number would come as its bytes, not as a text.
    let sql = format!(
        "SELECT CAST(IF(IS_USED_LOCK({of_process}) <=> CONNECTION_ID(), 1, \
                        GET_LOCK({of_process}, 0)) AS CHAR), \
                CAST(IF(IS_USED_LOCK({name}) <=> CONNECTION_ID(), 1, \
                        GET_LOCK({name}, 0)) AS CHAR)"
    );
    let rows = texts(conn, &sql).await?;
    Ok(rows.first().is_some_and(|row| flag(row, 0) && flag(row, 1)))
}

/// Whether a marked session is of none of these processes.
pub(super) async fn has_marks_besides<L: Link>(
    conn: &mut L,
    mark: Mark,
    processes: &[ProcessId],
) -> QueryResult<bool> {
    let name = format!("CONCAT('diesel_cache.{:08x}.', p.id", mark.class);
    let mut sql = format!(
        "SELECT '1' FROM information_schema.processlist p WHERE IS_USED_LOCK({name})) = p.id"
    );
    for process in processes {
        let of_process = format!("{name}, '.{process}')");
        sql.push_str(&format!(" AND NOT (IS_USED_LOCK({of_process}) <=> p.id)"));
    }
    Ok(!texts(conn, &sql).await?.is_empty())
}
