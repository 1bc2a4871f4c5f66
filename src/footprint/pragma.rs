//! SQLite's `PRAGMA`.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::analysis::{Control, Isolation, Session, Step};
use super::session::text;
use super::tokens::{Cursor, string};

/// Pragmas that change no result and no row, whatever their value.
const HARMLESS: &str = "analysis_limit auto_vacuum automatic_index busy_timeout cache_size cache_spill \
    cell_size_check checkpoint_fullfsync collation_list compile_options data_version database_list \
    default_cache_size defer_foreign_keys fkey_check foreign_key_check foreign_key_list foreign_keys \
    freelist_count fullfsync function_list hard_heap_limit ignore_check_constraints incremental_vacuum \
    index_info index_list index_xinfo integrity_check journal_mode journal_size_limit locking_mode \
    max_page_count mmap_size module_list optimize page_count page_size pragma_list query_only quick_check \
    recursive_triggers secure_delete shrink_memory soft_heap_limit stats synchronous table_info \
    table_list table_xinfo temp_store threads trusted_schema wal_autocheckpoint wal_checkpoint";

/// Pragmas that change what the same SQL returns.
const SESSION: &str = "case_sensitive_like count_changes empty_result_callbacks encoding \
    full_column_names legacy_alter_table reverse_unordered_selects short_column_names";

/// Pragmas that are harmless to read and not to set.
const READABLE: &str =
    "application_id freelist_count schema_version user_version writable_schema read_uncommitted";

/// The step of `PRAGMA …`; `cursor` stands after the word.
pub(super) fn step(mut cursor: Cursor<'_>) -> Step {
    let Some((_, name)) = cursor.qualified_name() else {
        return Step::Unknown;
    };
    let is_in = |names: &str| names.split_ascii_whitespace().any(|known| *known == *name);
    let value = value(cursor);
    // rule: harmless-pragma
    if is_in(HARMLESS) {
        return Step::Harmless;
    }
    let Some(value) = value else {
        let is_known = cursor.is_done() && (is_in(READABLE) || is_in(SESSION));
        return if is_known {
            Step::Harmless
        } else {
            Step::Unknown
        };
    };
    // rule: read-uncommitted-pragma
    if &*name == "read_uncommitted" {
        return Step::Control(match boolean(value) {
            Some(true) => Control::SetSessionIsolation(Isolation::ReadUncommitted),
            Some(false) => Control::SetSessionIsolation(Isolation::Snapshot),
            None => Control::Unrecognised,
        });
    }
    // rule: result-changing-pragma
    if is_in(SESSION) {
        return Step::Session(Session::Set {
            local: false,
            name,
            value: text(value).into(),
        });
    }
    // rule: unknown-pragma-may-write
    Step::Unknown
}

/// The tokens of the value in `= value` or `(value)`.
fn value(mut cursor: Cursor<'_>) -> Option<&[TokenWithSpan]> {
    if cursor.eat_symbol(&Token::Eq) {
        return Some(cursor.rest());
    }
    if cursor.eat_symbol(&Token::LParen) {
        let (last, value) = cursor.rest().split_last()?;
        return (last.token == Token::RParen).then_some(value);
    }
    None
}

fn boolean(value: &[TokenWithSpan]) -> Option<bool> {
    let [token] = value else { return None };
    let text = match &token.token {
        Token::Word(word) => word.value.as_str(),
        Token::Number(number, _) => number,
        other => string(other)?,
    };
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Some(true),
        "0" | "off" | "no" | "false" => Some(false),
        _ => None,
    }
}
