//! The code that PostgreSQL keeps: routines, triggers, rules, defaults, checks, policies.

use diesel::result::QueryResult;

use super::super::{Texts, cell, flag, texts};
use super::OURS;
use crate::catalogue::{Catalogue, Child, Code, Events, Language, Trigger, runs_a_text};
use crate::connection::Link;
use crate::dialect::Dialect;
use crate::footprint;
use crate::outbox::{Outbox, is_own_function};

/// A function that is not PostgreSQL's own, nor an extension's.
const USERS: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND NOT EXISTS (\
    SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass \
       AND e.objid = p.oid AND e.deptype = 'e')";

/// The function that `diesel setup` makes, to the letter: it sets `updated_at`.
const DIESELS: &str = "regexp_replace(p.prosrc, '\\s', '', 'g') = \
    'BEGINIF(NEWISDISTINCTFROMOLDANDNEW.updated_atISNOTDISTINCTFROMOLD.updated_at)\
THENNEW.updated_at:=current_timestamp;ENDIF;RETURNNEW;END;'";

/// The kind of a trigger that fires for each row before it is updated, and never else.
const EACH_UPDATED: u16 = 1 | 2 | 16;

/// Adds all of it. The references between tables are known by then.
pub(super) async fn load<L: Link>(
    conn: &mut L,
    outbox: &Outbox,
    catalogue: &mut Catalogue,
) -> QueryResult<()> {
    routines(conn, outbox, catalogue).await?;
    called_unseen(conn, catalogue).await?;
    triggers(conn, catalogue).await?;
    rules(conn, catalogue).await?;
    expressions(conn, catalogue).await
}

async fn routines<L: Link>(
    conn: &mut L,
    outbox: &Outbox,
    catalogue: &mut Catalogue,
) -> QueryResult<()> {
    // From version 14 on, a body may be kept in parsed form.
    let version = texts(conn, "SELECT current_setting('server_version_num')").await?;
    let version: u32 = version
        .first()
        .and_then(|row| cell(row, 0).parse().ok())
        .unwrap_or(0);
    let body = if version >= 140_000 {
        "coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)"
    } else {
        "p.prosrc"
    };
    let routines = format!(
        "SELECT p.proname::text, l.lanname::text, (p.provolatile = 'v')::int::text, \
                (NOT ({USERS}))::int::text, p.prokind::text, {body}, \
                pg_get_expr(p.proargdefaults, 0), \
                (SELECT string_agg(f.proname::text, chr(31)) FROM pg_aggregate a \
                   JOIN pg_proc f ON f.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, \
                        a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, \
                        a.aggmfinalfn) \
                  WHERE a.aggfnoid = p.oid), \
                (array_to_string(p.proconfig, ' ') LIKE '%standard_conforming_strings%')::int::text \
           FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
           JOIN pg_language l ON l.oid = p.prolang \
          WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')"
    );
    // rule: an-outbox-with-triggers-is-any-table
    let touched = format!(
        "SELECT '1' FROM pg_class WHERE relname = '{}' AND (relhastriggers OR relhasrules)",
        outbox.table()
    );
    let is_plain = texts(conn, &touched).await?.is_empty();
    for row in texts(conn, &routines).await? {
        let name = cell(&row, 0);
        // It writes to the outbox alone.
        let is_own = cell(&row, 1) == "plpgsql" && is_own_function(outbox, name, cell(&row, 5));
        let code = match is_own && is_plain {
            true => Some(Code::default()),
            false => routine(&row),
        };
        if let Some(code) = code {
            catalogue.add_routine(name, code, Dialect::Postgres);
        }
        if !cell(&row, 6).is_empty() {
            let defaults = Code::of(cell(&row, 6), Language::Expression).only_reading();
            catalogue.add_routine(name, defaults, Dialect::Postgres);
        }
    }
    let attributes = format!(
        "SELECT p.proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
           JOIN pg_type t ON t.oid = p.proargtypes[0] \
          WHERE p.pronargs >= 1 AND t.typtype = 'c' AND {USERS}"
    );
    for row in texts(conn, &attributes).await? {
        catalogue.add_attribute(cell(&row, 0));
    }
    Ok(())
}

/// What a routine may do; `None` for an extension's that this crate knows.
fn routine(row: &Texts) -> Option<Code> {
    let name = cell(row, 0).to_lowercase();
    let language = match cell(row, 1) {
        "sql" => Some(Language::Sql),
        "plpgsql" => Some(Language::PlPgSql),
        _ => None,
    };
    let (is_volatile, is_extensions) = (flag(row, 2), flag(row, 3));
    let is_known = footprint::is_known_function(&name, Dialect::Postgres);
    let is_pure = is_known && !footprint::is_unlisted_function(&name, Dialect::Postgres);
    // rule: an-extensions-function-may-be-known
    if is_extensions && is_known && !(is_volatile && is_pure) {
        return None;
    }
    if runs_a_text(&name) || flag(row, 8) {
        return Some(Code::opaque());
    }
    if cell(row, 4) == "a" {
        return Some(Code::calling(
            cell(row, 7).split('\u{1f}').filter(|name| !name.is_empty()),
        ));
    }
    let code = match (language, row.get(5).and_then(Option::as_deref)) {
        (Some(language), Some(body)) => Code::of(body, language),
        // rule: a-foreign-language-may-do-anything
        // But PostgreSQL's own functions, and those of extensions, say what they do.
        (None, _) if !is_volatile && (is_extensions || cell(row, 1) == "internal") => {
            return Some(Code::default());
        }
        _ => Code::opaque(),
    };
    // rule: only-a-volatile-function-writes-by-itself
    Some(if is_volatile {
        code
    } else {
        code.only_reading()
    })
}

/// Functions that are called where no text names them.
async fn called_unseen<L: Link>(conn: &mut L, catalogue: &mut Catalogue) -> QueryResult<()> {
    let hidden = format!(
        "SELECT DISTINCT p.proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
          WHERE {USERS} AND (\
                EXISTS (SELECT FROM pg_operator o WHERE o.oprcode = p.oid) \
             OR EXISTS (SELECT FROM pg_cast x WHERE x.castfunc = p.oid) \
             OR EXISTS (SELECT FROM pg_amproc x WHERE x.amproc = p.oid) \
             OR EXISTS (SELECT FROM pg_range x \
                         WHERE p.oid IN (x.rngcanonical, x.rngsubdiff)) \
             OR EXISTS (SELECT FROM pg_depend d JOIN pg_constraint k ON k.oid = d.objid \
                         WHERE d.classid = 'pg_constraint'::regclass AND k.contypid <> 0 \
                           AND d.refclassid = 'pg_proc'::regclass \
                           AND d.refobjid = p.oid))"
    );
    for row in texts(conn, &hidden).await? {
        let name = cell(&row, 0).to_lowercase();
        catalogue.hidden_calls.insert(name.into());
    }
    let defaults = format!(
        "SELECT DISTINCT p.proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
          WHERE {USERS} AND EXISTS (SELECT FROM pg_depend d \
                 WHERE d.classid = 'pg_type'::regclass AND d.refclassid = 'pg_proc'::regclass \
                   AND d.refobjid = p.oid)"
    );
    for row in texts(conn, &defaults).await? {
        let name = cell(&row, 0).to_lowercase();
        catalogue.domain_defaults.insert(name.into());
    }
    let fired = "SELECT DISTINCT p.proname::text FROM pg_event_trigger e \
                   JOIN pg_proc p ON p.oid = e.evtfoid WHERE e.evtenabled <> 'D'";
    for row in texts(conn, fired).await? {
        let name = cell(&row, 0).to_lowercase();
        catalogue.event_triggers.insert(name.into());
    }
    Ok(())
}

async fn triggers<L: Link>(conn: &mut L, catalogue: &mut Catalogue) -> QueryResult<()> {
    let triggers = format!(
        "SELECT c.relname::text, t.tgtype::int::text, p.proname::text, \
                (n.nspname = 'pg_catalog')::int::text, ({DIESELS})::int::text, \
                CASE WHEN t.tgqual IS NOT NULL THEN pg_get_triggerdef(t.oid) END \
           FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
           JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace \
          WHERE NOT t.tgisinternal"
    );
    for row in texts(conn, &triggers).await? {
        let kind: u16 = cell(&row, 1).parse().unwrap_or(u16::MAX);
        let mut events = Events::NONE;
        for (bit, event) in [
            (4, Events::INSERT),
            (8, Events::DELETE),
            (16, Events::UPDATE),
            (32, Events::TRUNCATE),
        ] {
            if kind & bit != 0 {
                events = events | event;
            }
        }
        let relation = catalogue.relation(cell(&row, 0));
        // rule: a-trigger-may-change-the-row
        let is_before_update = kind & 2 != 0 && kind & 16 != 0;
        relation.changes_more |=
            is_before_update && (!flag(&row, 4) || relation.children.iter().any(is_updated_with));
        // rule: what-sets-one-column-changes-no-other
        // Diesel's function, for each row that is updated, and nothing else.
        let is_known = flag(&row, 4) && kind == EACH_UPDATED && relation.sets_besides("updated_at");
        // `BEFORE`, and `INSTEAD OF`.
        let before = kind & (2 | 64) != 0 && !is_known;
        // PostgreSQL's own write nothing else.
        let code = match flag(&row, 3) {
            true => Code::default(),
            false => Code::calling([cell(&row, 2)]),
        };
        if before || code != Code::default() {
            relation.triggers.push(Trigger {
                events,
                before,
                code,
            });
        }
        if let Some(condition) = when(cell(&row, 5)) {
            let code = Code::of(condition, Language::Expression).only_reading();
            if catalogue.matters(&code) {
                let triggers = &mut catalogue.relation(cell(&row, 0)).triggers;
                triggers.push(Trigger {
                    events,
                    before,
                    code,
                });
            }
        }
    }
    Ok(())
}

/// Whether a change of `updated_at` changes the referring table.
fn is_updated_with(child: &Child) -> bool {
    child.columns.is_empty() || child.columns.contains("updated_at")
}

/// The condition of a trigger, given its definition, and perhaps more.
fn when(definition: &str) -> Option<&str> {
    let start = find_outside_of_quotes(definition, " WHEN (")?;
    let end = definition.rfind(" EXECUTE ").unwrap_or(definition.len());
    definition.get(start..end.max(start))
}

/// Where `wanted` stands first in what PostgreSQL printed, names and texts left out. It
/// doubles the quotes in them.
fn find_outside_of_quotes(text: &str, wanted: &str) -> Option<usize> {
    let mut open = None;
    text.char_indices().find_map(|(at, c)| {
        match (c, open) {
            ('\'' | '"', None) => open = Some(c),
            (c, Some(quote)) if c == quote => open = None,
            _ => {}
        }
        (open.is_none() && text[at..].starts_with(wanted)).then_some(at)
    })
}

async fn rules<L: Link>(conn: &mut L, catalogue: &mut Catalogue) -> QueryResult<()> {
    let rules = "SELECT c.relname::text, w.ev_type::text, pg_get_ruledef(w.oid) \
                   FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class \
                  WHERE w.rulename <> '_RETURN'";
    for row in texts(conn, rules).await? {
        let events = match cell(&row, 1) {
            "2" => Events::UPDATE,
            "3" => Events::INSERT,
            "4" => Events::DELETE,
            _ => Events::ALL,
        };
        // `CREATE RULE name AS ON INSERT TO t WHERE … DO INSTEAD …`.
        let definition = cell(&row, 2);
        let (condition, action) = match find_outside_of_quotes(definition, " DO ") {
            Some(at) => definition.split_at(at),
            None => ("", definition),
        };
        let action = action.strip_prefix(" DO ").unwrap_or(action);
        let condition = Code::of(condition, Language::Expression).only_reading();
        let action = Code::of(action, Language::Sql);
        let triggers = &mut catalogue.relation(cell(&row, 0)).triggers;
        // rule: a-rule-may-do-something-else-instead
        let rule = |code| Trigger {
            events,
            before: true,
            code,
        };
        triggers.extend([condition, action].map(rule));
    }
    Ok(())
}

/// Defaults, generated columns, checks, indexes and what refreshes a materialized view; and
/// policies.
async fn expressions<L: Link>(conn: &mut L, catalogue: &mut Catalogue) -> QueryResult<()> {
    let expressions = format!(
        "SELECT c.relname::text, x.policy::int::text, x.text \
           FROM (SELECT adrelid, pg_get_expr(adbin, adrelid), false FROM pg_attrdef \
                 UNION ALL SELECT conrelid, pg_get_expr(conbin, conrelid), false \
                             FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 \
                 UNION ALL SELECT indrelid, pg_get_expr(indexprs, indrelid), false FROM pg_index \
                 UNION ALL SELECT indrelid, pg_get_expr(indpred, indrelid), false FROM pg_index \
                 UNION ALL SELECT partrelid, pg_get_expr(partexprs, partrelid), false \
                             FROM pg_partitioned_table \
                 UNION ALL SELECT oid, pg_get_viewdef(oid), false FROM pg_class WHERE relkind = 'm' \
                 UNION ALL SELECT polrelid, pg_get_expr(polqual, polrelid), true FROM pg_policy \
                 UNION ALL SELECT polrelid, pg_get_expr(polwithcheck, polrelid), true \
                             FROM pg_policy) x (relation, text, policy) \
           JOIN pg_class c ON c.oid = x.relation JOIN pg_namespace n ON n.oid = c.relnamespace \
          WHERE (x.text LIKE '%(%' OR c.relkind = 'm') AND x.text NOT LIKE 'nextval(%' AND {OURS}"
    );
    for row in texts(conn, &expressions).await? {
        let code = Code::of(cell(&row, 2), Language::Expression).only_reading();
        if !catalogue.matters(&code) {
            continue;
        }
        let relation = catalogue.relation(cell(&row, 0));
        if flag(&row, 1) {
            relation.on_access.push(code);
        } else {
            relation.on_write.push(code);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function of that name, language, volatility and origin.
    fn of(name: &str, language: &str, volatile: bool, extensions: bool) -> Option<Code> {
        let flag = |on: bool| Some(u8::from(on).to_string());
        let text = |text: &str| Some(text.to_owned());
        routine(&vec![
            text(name),
            text(language),
            flag(volatile),
            flag(extensions),
            text("f"),
            text("INSERT INTO audit VALUES (1)"),
            None,
            None,
            flag(false),
        ])
    }

    #[test]
    fn an_extensions_function_may_be_known() {
        // Of `pg_trgm` and `uuid-ossp`.
        assert_eq!(of("similarity", "c", false, true), None);
        assert_eq!(of("uuid_generate_v4", "c", true, true), None);
        // An extension may have a function that is not what its name says.
        assert_eq!(of("lower", "c", true, true), Some(Code::opaque()));
        assert_eq!(of("unheard_of", "c", true, true), Some(Code::opaque()));
        assert_eq!(of("unheard_of", "c", false, true), Some(Code::default()));
        assert_eq!(of("crosstab", "c", false, true), Some(Code::opaque()));
        // A user's function hides none of it.
        assert!(of("similarity", "sql", true, false).is_some());
    }

    #[test]
    fn a_foreign_language_may_do_anything() {
        for language in ["plpython3u", "plperl", "c", "plv8"] {
            for volatile in [false, true] {
                let expected = if volatile {
                    Code::opaque()
                } else {
                    Code::opaque().only_reading()
                };
                assert_eq!(of("f", language, volatile, false), Some(expected));
            }
        }
        assert_eq!(of("f", "internal", false, false), Some(Code::default()));
        assert_eq!(of("f", "internal", true, false), Some(Code::opaque()));
    }

    #[test]
    fn only_a_volatile_function_writes_by_itself() {
        let code = Code::of("INSERT INTO audit VALUES (1)", Language::Sql);
        assert_eq!(of("f", "sql", true, false), Some(code.clone()));
        assert_eq!(of("f", "sql", false, false), Some(code.only_reading()));
    }

    #[test]
    fn the_condition_of_a_trigger() {
        let definition = "CREATE TRIGGER t BEFORE UPDATE ON p FOR EACH ROW \
                          WHEN ((new.id > f(1))) EXECUTE FUNCTION g()";
        assert_eq!(when(definition), Some(" WHEN ((new.id > f(1)))"));
        assert_eq!(when("CREATE TRIGGER t BEFORE UPDATE ON p"), None);
    }
}
