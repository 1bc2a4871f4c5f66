//! Statements that change the session, recognised from their tokens.

use std::fmt::Write as _;

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::analysis::{Access, Control, Isolation, Name, Refusal, Session, Step};
use super::calls;
use super::control::{level_of_value, set_transaction};
use super::pragma;
use super::tokens::{Cursor, bare, by_comma, fold, is, is_any, string};
use crate::dialect::Dialect;

const UNRECOGNISED: Step = Step::Session(Session::Unrecognised);

/// The steps of `statement` if it changes the session.
pub(super) fn recognise(statement: &[TokenWithSpan], dialect: Dialect) -> Option<Vec<Step>> {
    let mut cursor = Cursor::new(statement);
    let steps = if cursor.eat("SET") {
        match dialect {
            Dialect::Postgres => vec![set_postgres(cursor)],
            Dialect::Mysql => {
                let mut steps = set_mysql(cursor);
                steps.extend(called(statement));
                steps
            }
            // SQLite knows no such statement: it fails, and changes nothing.
            Dialect::Sqlite => vec![UNRECOGNISED],
        }
    } else if cursor.eat("RESET") {
        reset(cursor, dialect)
    } else if cursor.eat("DISCARD") {
        // rule: discard
        if cursor.eat("ALL") {
            vec![Step::Session(Session::ResetAll), UNRECOGNISED]
        } else if cursor.eat_any(&["PLANS", "SEQUENCES"]) {
            vec![Step::Harmless]
        } else {
            vec![UNRECOGNISED]
        }
    } else if cursor.eat("USE") {
        // rule: use-changes-the-schema
        vec![match cursor.name() {
            Some(_) if cursor.is_done() => set(false, "schema", &statement[1..]),
            _ => UNRECOGNISED,
        }]
    } else if cursor.eat("PRAGMA") {
        vec![pragma::step(cursor)]
    } else if cursor.eat_any(&["ATTACH", "DETACH"]) {
        // rule: attach-changes-the-session
        vec![UNRECOGNISED]
    } else {
        return None;
    };
    Some(steps)
}

/// The functions that the values of a MySQL `SET` call, as a read that is never cached.
// rule: a-set-may-call-functions
fn called(statement: &[TokenWithSpan]) -> Option<Step> {
    let calls = calls::scan(statement, Dialect::Mysql, &calls::Declared::default());
    let mut access = Access::default();
    calls.add_to(&mut access);
    // No function of MySQL's own can be redefined.
    if access.unknown_functions.is_empty() {
        return None;
    }
    calls::refuse(&mut access.refusal, Refusal::Session);
    Some(Step::Read(access))
}

/// The text of `tokens`, one blank between them.
pub(super) fn text(tokens: &[TokenWithSpan]) -> String {
    let mut out = String::new();
    for (at, token) in tokens.iter().enumerate() {
        if at > 0 && token.token != Token::Comma && token.token != Token::Period {
            out.push(' ');
        }
        // Quotes are written back, so that one text never stands for two values.
        let written = match &token.token {
            Token::SingleQuotedString(text) => write!(out, "'{}'", text.replace('\'', "''")),
            Token::EscapedStringLiteral(text) => write!(out, "E'{}'", text.replace('\'', "''")),
            Token::DoubleQuotedString(text) => write!(out, "\"{}\"", text.replace('"', "\"\"")),
            Token::Word(word) if word.quote_style.is_some() => {
                write!(out, "\"{}\"", word.value.replace('"', "\"\""))
            }
            other => write!(out, "{other}"),
        };
        debug_assert!(written.is_ok(), "a string takes every text");
    }
    out
}

fn set(local: bool, name: &str, value: &[TokenWithSpan]) -> Step {
    Step::Session(Session::Set {
        local,
        name: name.into(),
        value: text(value).into(),
    })
}

/// Whether `value` is made of literals, names and commas alone.
fn is_literal(value: &[TokenWithSpan]) -> bool {
    !value.is_empty()
        && value.iter().all(|token| match &token.token {
            Token::Word(word) => !word.value.starts_with('@'),
            Token::Number(..) | Token::Comma | Token::Minus | Token::Plus => true,
            other => string(other).is_some() || matches!(other, Token::HexStringLiteral(_)),
        })
}

fn set_postgres(mut cursor: Cursor<'_>) -> Step {
    if cursor.eat("CONSTRAINTS") {
        return Step::Harmless;
    }
    if cursor.eat_all(&["SESSION", "CHARACTERISTICS", "AS", "TRANSACTION"]) {
        return set_transaction(cursor, true);
    }
    if cursor.eat("TRANSACTION") {
        return set_transaction(cursor, false);
    }
    // `SET SESSION AUTHORIZATION x` and `SET SESSION SESSION AUTHORIZATION x`.
    let local = cursor.eat("LOCAL");
    let authorization = cursor.eat_all(&["SESSION", "AUTHORIZATION"]) || {
        !local && cursor.eat("SESSION") && cursor.eat_all(&["SESSION", "AUTHORIZATION"])
    };
    if authorization {
        return assign(local, "session_authorization", cursor.rest());
    }
    // rule: aliases-are-one-variable
    let alias = if cursor.eat("ROLE") {
        Some("role")
    } else if cursor.eat_all(&["TIME", "ZONE"]) {
        Some("timezone")
    } else if cursor.eat("SCHEMA") {
        Some("search_path")
    } else if cursor.eat("NAMES") {
        Some("client_encoding")
    } else if cursor.eat_all(&["XML", "OPTION"]) {
        Some("xmloption")
    } else {
        None
    };
    if let Some(name) = alias {
        // `SET role = x` is the plain form of `SET ROLE x`.
        if !cursor.eat_symbol(&Token::Eq) {
            cursor.eat("TO");
        }
        return assign(local, name, cursor.rest());
    }
    let Some(name) = dotted_name(&mut cursor) else {
        return UNRECOGNISED;
    };
    if !cursor.eat_symbol(&Token::Eq) && !cursor.eat("TO") {
        return UNRECOGNISED;
    }
    set_variable(local, &name, cursor.rest())
}

/// PostgreSQL's `SET name = value`.
fn set_variable(local: bool, name: &str, value: &[TokenWithSpan]) -> Step {
    match name {
        // rule: isolation-variables-are-control
        "default_transaction_isolation" if local => Step::Harmless,
        "default_transaction_isolation" if is(value.first(), "DEFAULT") => {
            Step::Control(Control::SetSessionIsolation(Isolation::Snapshot))
        }
        "default_transaction_isolation" => Step::Control(level_of_value(value).map_or(
            Control::SetSessionIsolation(Isolation::Snapshot),
            Control::SetSessionIsolation,
        )),
        "transaction_isolation" => Step::Control(Control::SetIsolation(
            level_of_value(value).unwrap_or(Isolation::Snapshot),
        )),
        "transaction_read_only" | "default_transaction_read_only" | "transaction_deferrable" => {
            Step::Harmless
        }
        // rule: quoting-variables-are-control
        // From then on the tokens are not what they seem.
        "standard_conforming_strings" => Step::Control(Control::Unrecognised),
        _ => assign(local, name, value),
    }
}

/// The step of `name = value`, or of `name` set back when the value says so.
fn assign(local: bool, name: &str, value: &[TokenWithSpan]) -> Step {
    let goes_back = match name {
        "role" => is_any(value.first(), &["NONE", "DEFAULT"]),
        "timezone" => is_any(value.first(), &["LOCAL", "DEFAULT"]),
        _ => is(value.first(), "DEFAULT"),
    };
    if goes_back && value.len() == 1 {
        // rule: set-local-default-is-not-a-reset
        // `SET LOCAL x TO DEFAULT` ends with the transaction, which a reset cannot say.
        return if local {
            UNRECOGNISED
        } else {
            Step::Session(Session::Reset(name.into()))
        };
    }
    // `SET TIME ZONE INTERVAL '…'` and everything that must be computed.
    if !is_literal(value) || is(value.first(), "INTERVAL") {
        // rule: computed-values-are-unrecognised
        return UNRECOGNISED;
    }
    set(local, name, value)
}

fn dotted_name(cursor: &mut Cursor<'_>) -> Option<Name> {
    let mut name = cursor.name()?.into_string();
    while cursor.eat_symbol(&Token::Period) {
        name.push('.');
        name.push_str(&cursor.name()?);
    }
    Some(name.into())
}

fn reset(mut cursor: Cursor<'_>, dialect: Dialect) -> Vec<Step> {
    if dialect != Dialect::Postgres {
        // MySQL's `RESET BINARY LOGS` and the like.
        return vec![Step::Unknown];
    }
    if cursor.eat("ALL") {
        return vec![Step::Session(Session::ResetAll)];
    }
    let name: Name = if cursor.eat_all(&["SESSION", "AUTHORIZATION"]) {
        "session_authorization".into()
    } else if cursor.eat_all(&["TIME", "ZONE"]) {
        "timezone".into()
    } else {
        match dotted_name(&mut cursor) {
            Some(name) => name,
            None => return vec![UNRECOGNISED],
        }
    };
    // rule: reset-isolation-is-control
    vec![match &*name {
        "default_transaction_isolation" => {
            Step::Control(Control::SetSessionIsolation(Isolation::Snapshot))
        }
        "transaction_isolation" => Step::Control(Control::SetIsolation(Isolation::Snapshot)),
        "standard_conforming_strings" => Step::Control(Control::Unrecognised),
        _ if cursor.is_done() => Step::Session(Session::Reset(name)),
        _ => UNRECOGNISED,
    }]
}

fn set_mysql(mut cursor: Cursor<'_>) -> Vec<Step> {
    let whole = cursor;
    // rule: mysql-set-transaction
    let global = cursor.eat("GLOBAL");
    let session = !global && cursor.eat_any(&["SESSION", "LOCAL"]);
    if cursor.eat("TRANSACTION") {
        return vec![if global {
            UNRECOGNISED
        } else {
            set_transaction(cursor, session)
        }];
    }
    cursor = whole;
    if cursor.eat("STATEMENT") || cursor.eat("PASSWORD") || cursor.eat_all(&["DEFAULT", "ROLE"]) {
        return vec![Step::Unknown];
    }
    if cursor.eat("ROLE") {
        return vec![if is_literal(cursor.rest()) {
            assign(false, "role", cursor.rest())
        } else {
            UNRECOGNISED
        }];
    }
    if cursor.eat("NAMES") {
        return vec![charset("names", cursor.rest())];
    }
    if cursor.eat("CHARSET") || cursor.eat_all(&["CHARACTER", "SET"]) {
        return vec![UNRECOGNISED];
    }
    // rule: every-assignment-is-a-step
    let mut steps = Vec::new();
    let mut scope = Scope::Session;
    for item in by_comma(cursor.rest()) {
        assignment(item, &mut scope, &mut steps);
    }
    steps
}

/// `SET NAMES` and its variables overwrite each other in their order; one charset for all does not.
fn charset(name: &str, value: &[TokenWithSpan]) -> Step {
    // rule: only-one-charset-is-followed
    let is_utf8mb4 = match value {
        [token] => bare(&token.token)
            .or_else(|| string(&token.token))
            .is_some_and(|v| v.eq_ignore_ascii_case("utf8mb4")),
        _ => false,
    };
    if is_utf8mb4 {
        set(false, name, value)
    } else {
        UNRECOGNISED
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Session,
    /// `SET @@name`: for the isolation, the next transaction alone.
    Next,
    Global,
}

/// One assignment of MySQL's `SET a = 1, SESSION b = 2, @@c = 3, @d = 4`.
fn assignment(item: &[TokenWithSpan], scope: &mut Scope, steps: &mut Vec<Step>) {
    let mut cursor = Cursor::new(item);
    // A scope holds for what follows without one.
    if cursor.eat_any(&["GLOBAL", "PERSIST", "PERSIST_ONLY"]) {
        *scope = Scope::Global;
    } else if cursor.eat_any(&["SESSION", "LOCAL"]) {
        *scope = Scope::Session;
    }
    let mut scope = *scope;
    let Some(mut name) = variable(&mut cursor, &mut scope) else {
        steps.push(UNRECOGNISED);
        return;
    };
    if &*name == "tx_isolation" {
        name = "transaction_isolation".into();
    }
    // rule: global-variables-are-unrecognised
    if scope == Scope::Global
        || !(cursor.eat_symbol(&Token::Eq) || cursor.eat_symbol(&Token::Assignment))
    {
        steps.push(UNRECOGNISED);
        return;
    }
    let value = cursor.rest();
    let step = match &*name {
        // rule: autocommit
        "autocommit" => Step::Control(if is_on(value) {
            Control::AutocommitOn
        } else {
            Control::Unrecognised
        }),
        "completion_type" => Step::Control(Control::Unrecognised),
        "transaction_isolation" => Step::Control(match level_of_value(value) {
            Some(isolation) if scope == Scope::Next => Control::SetIsolation(isolation),
            Some(isolation) => Control::SetSessionIsolation(isolation),
            None => Control::Unrecognised,
        }),
        "transaction_read_only" | "tx_read_only" => Step::Harmless,
        "character_set_client" | "character_set_results" | "character_set_connection" => {
            charset(&name, value)
        }
        other if other.starts_with("character_set") || other.starts_with("collation") => {
            UNRECOGNISED
        }
        // rule: quoting-modes-are-control
        "sql_mode" if !keeps_quoting(value) => {
            steps.push(UNRECOGNISED);
            Step::Control(Control::Unrecognised)
        }
        _ => assign(false, &name, value),
    };
    steps.push(step);
}

/// The name of a system variable; `None` for a user variable and what is not understood.
fn variable(cursor: &mut Cursor<'_>, scope: &mut Scope) -> Option<Name> {
    let first = bare(&cursor.next()?.token)?;
    let Some(system) = first.strip_prefix("@@") else {
        // rule: user-variables-are-unrecognised
        let is_plain = !first.starts_with('@') && !matches!(cursor.peek()?.token, Token::Period);
        return is_plain.then(|| fold(first));
    };
    *scope = Scope::Next;
    if !cursor.eat_symbol(&Token::Period) {
        return Some(fold(system));
    }
    *scope = match &*fold(system) {
        "session" | "local" => Scope::Session,
        "global" | "persist" | "persist_only" => Scope::Global,
        _ => return None,
    };
    cursor.name()
}

fn is_on(value: &[TokenWithSpan]) -> bool {
    let [token] = value else { return false };
    match &token.token {
        Token::Number(number, _) => number == "1",
        other => bare(other).or_else(|| string(other)).is_some_and(|text| {
            ["on", "true"]
                .iter()
                .any(|on| text.eq_ignore_ascii_case(on))
        }),
    }
}

/// Whether an `sql_mode` leaves quotes and backslashes as the tokenizer reads them.
fn keeps_quoting(value: &[TokenWithSpan]) -> bool {
    const KNOWN: [&str; 13] = [
        "",
        "TRADITIONAL",
        "STRICT_TRANS_TABLES",
        "STRICT_ALL_TABLES",
        "ONLY_FULL_GROUP_BY",
        "NO_ZERO_IN_DATE",
        "NO_ZERO_DATE",
        "ERROR_FOR_DIVISION_BY_ZERO",
        "NO_ENGINE_SUBSTITUTION",
        "NO_AUTO_CREATE_USER",
        "NO_AUTO_VALUE_ON_ZERO",
        "PAD_CHAR_TO_FULL_LENGTH",
        "PIPES_AS_CONCAT",
    ];
    let is_known = |modes: &str| {
        modes
            .split(',')
            .all(|mode| KNOWN.iter().any(|k| mode.trim().eq_ignore_ascii_case(k)))
    };
    // Diesel itself runs `SET sql_mode=(SELECT CONCAT(@@sql_mode, ',PIPES_AS_CONCAT'))`.
    value.iter().all(|token| match &token.token {
        Token::LParen | Token::RParen | Token::Comma => true,
        Token::Word(_) => is_any(Some(token), &["SELECT", "CONCAT", "@@sql_mode"]),
        other => string(other).is_some_and(is_known),
    })
}
