//! The settings of the application's own that policies look at.
//!
//! PostgreSQL lists its settings, but not those that somebody made by setting them, such as
//! `app.tenant`. A policy of row-level security that calls `current_setting('app.tenant')`
//! makes rows depend on one, so they are found in the texts of policies and functions, and asked for by name.

use std::collections::BTreeSet;

use diesel::result::QueryResult;

use super::{Texts, cell, texts};
use crate::connection::Link;
use crate::dialect::Dialect;
use crate::footprint::{self, Name};
use crate::outbox::{Outbox, literal, postgres_body};

// Where no table has row-level security, none of it matters.
const CODE: &str = "\
    SELECT t FROM (\
        SELECT concat_ws(' ; ', pg_get_expr(polqual, polrelid), \
                                pg_get_expr(polwithcheck, polrelid)) AS t FROM pg_policy \
        UNION ALL \
        SELECT CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) ELSE p.prosrc END \
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
         WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.prosrc IS DISTINCT FROM {own} \
        UNION ALL \
        SELECT pg_get_viewdef(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'v' AND n.nspname NOT IN ('pg_catalog', 'information_schema')) AS code \
     WHERE t ILIKE '%current_setting%' AND EXISTS (SELECT FROM pg_class WHERE relrowsecurity)";

/// The names of the settings that code of the database looks at; `None` if not all can be
/// told.
///
/// # Errors
/// What the database returns.
pub(super) async fn looked_at<L: Link>(
    conn: &mut L,
    outbox: &Outbox,
) -> QueryResult<Option<BTreeSet<Name>>> {
    let mut names = BTreeSet::new();
    // The outbox says who wrote, and nothing that is read depends on it.
    let code = CODE.replace("{own}", &literal(&postgres_body(outbox)));
    let all = texts(conn, &code)
        .await?
        .iter()
        .all(|row| collect(cell(row, 0), &mut names));
    Ok(all.then_some(names))
}

/// The names and values of those settings; or, where they cannot be named, a value that no
/// other session has.
///
/// # Errors
/// What the database returns.
pub(super) async fn values<L: Link>(
    conn: &mut L,
    names: Option<&BTreeSet<Name>>,
) -> QueryResult<Texts> {
    // rule: a-setting-that-cannot-be-named-keeps-the-session-apart
    let Some(names) = names else {
        return Ok(vec![Some(format!("{:032x}", rand::random::<u128>()))]);
    };
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<String> = names
        .iter()
        .map(|name| format!("'{name}', current_setting('{name}', true)"))
        .collect();
    let rows = texts(conn, &format!("SELECT {}", asked.join(", "))).await?;
    Ok(rows.into_iter().flatten().collect())
}

/// Whether a policy's condition looks at nothing but rows, and what the key holds: who asks,
/// and settings. The clock, the session's number or its address make it differ from call to
/// call, or from session to session.
// rule: a-policy-looks-at-nothing-that-the-key-does-not-hold
pub(super) fn is_in_the_key(condition: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut text = String::from("SELECT 1 WHERE (");
    let mut rest = condition;
    while let Some(first) = rest.chars().next() {
        let end = rest
            .find(|c| is_word(c) != is_word(first))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        text.push_str(match word.to_lowercase().as_str() {
            "current_user" | "session_user" | "current_role" => "''",
            "current_setting" => "lower",
            _ => word,
        });
        rest = after;
    }
    text.push(')');
    let analysis = footprint::analyze(&text, Dialect::Postgres);
    analysis
        .is_single_read()
        .is_some_and(|access| access.refusal.is_none() && access.unknown_functions.is_empty())
}

/// Adds the names that a text calls `current_setting` with. Returns whether it names all
/// of them as plain literals.
fn collect(code: &str, names: &mut BTreeSet<Name>) -> bool {
    let code = code.to_lowercase();
    let mut calls = code.split("current_setting");
    calls.next();
    for call in calls {
        match first_argument(call) {
            Some(name) => names.insert(name.into()),
            None => return false,
        };
    }
    true
}

/// The literal that is the first argument of the call: `('app.tenant'::text, true)`.
fn first_argument(call: &str) -> Option<&str> {
    let argument = call.trim_start().strip_prefix('(')?.trim_start();
    let (name, rest) = argument.strip_prefix('\'')?.split_once('\'')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("::text").unwrap_or(rest).trim_start();
    rest.starts_with([',', ')']).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str) -> Option<Vec<Name>> {
        let mut names = BTreeSet::new();
        collect(code, &mut names).then(|| names.into_iter().collect())
    }

    #[test]
    fn a_policy_looks_at_rows_and_at_who_asks() {
        for condition in [
            "(tenant = current_setting('app.tenant'::text, true))",
            "((owner)::text = (CURRENT_USER)::text) OR (SESSION_USER = 'x'::name)",
            "(id IN ( SELECT g.id FROM grants g WHERE (g.who = CURRENT_USER)))) AND ((a > 1)",
        ] {
            assert!(is_in_the_key(condition), "{condition}");
        }
        for condition in [
            "(clock_timestamp() < till)",
            "(now() < till)",
            "((pg_backend_pid())::text = a)",
            "(inet_client_addr() = a)",
            "(random() < 0.5)",
            "(mine(a) = 1)",
            "(till > CURRENT_DATE)",
            "(not even SQL",
        ] {
            assert!(!is_in_the_key(condition), "{condition}");
        }
    }

    #[test]
    fn literals_are_found() {
        let code = "(tenant = current_setting('app.Tenant'::text, true)) OR \
                    pg_catalog.CURRENT_SETTING ( 'role' ) = x";
        let names: Vec<Name> = vec!["app.tenant".into(), "role".into()];
        assert_eq!(found(code), Some(names));
        assert_eq!(found("tenant = current_user"), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_plain_literal_cannot_be_named() {
        for code in [
            "current_setting(name)",
            "current_setting('app.' || name)",
            "current_setting(E'app.tenant')",
            "current_setting(''app.tenant'')",
            "current_setting('it''s')",
            "\"current_setting\"('app.tenant')",
            "current_setting('app.tenant'::name::text)",
            "current_setting /* x */ ('app.tenant')",
            "SELECT 'current_setting'",
            "current_setting('",
            "current_setting($1)",
            "current_setting('app.tenänt')",
        ] {
            assert_eq!(found(code), None, "{code}");
        }
    }
}
