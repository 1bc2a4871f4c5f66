//! Statements that begin, end or configure a transaction, recognised from their tokens.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::analysis::{Control, Isolation, Step};
use super::tokens::{Cursor, is, string};
use crate::dialect::Dialect;

/// The steps of `statement` if it controls transactions.
pub(super) fn recognise(statement: &[TokenWithSpan], dialect: Dialect) -> Option<Vec<Step>> {
    let mut cursor = Cursor::new(statement);
    let control = if cursor.eat("BEGIN") {
        begin(cursor, dialect)
    } else if cursor.eat_all(&["START", "TRANSACTION"]) {
        modes(cursor).map_or(Control::Unrecognised, Control::Begin)
    } else if cursor.eat("COMMIT") || (dialect != Dialect::Mysql && cursor.eat("END")) {
        // rule: commit-prepared-is-an-unknown-write
        if cursor.eat("PREPARED") {
            return Some(vec![Step::Unknown]);
        }
        finish(cursor, Control::Commit, dialect)
    } else if cursor.eat("ROLLBACK") || (dialect == Dialect::Postgres && cursor.eat("ABORT")) {
        if cursor.eat("PREPARED") {
            return Some(vec![Step::Unknown]);
        }
        rollback(cursor, dialect)
    } else if cursor.eat("SAVEPOINT") {
        named(cursor, Control::Savepoint)
    } else if cursor.eat("RELEASE") {
        cursor.eat("SAVEPOINT");
        named(cursor, Control::Release)
    } else if cursor.eat("PREPARE") && is(cursor.peek(), "TRANSACTION") {
        Control::Unrecognised
    } else if is(statement.first(), "LOCK") {
        // rule: mysql-lock-tables
        if dialect == Dialect::Postgres {
            return Some(vec![Step::Harmless]);
        }
        Control::Unrecognised
    } else if is(statement.first(), "XA")
        || is(statement.first(), "UNLOCK")
        || is(statement.first(), "END")
    {
        Control::Unrecognised
    } else {
        return None;
    };
    let mut steps = Vec::new();
    // rule: anonymous-block
    if control == Control::Unrecognised && is(statement.get(1), "NOT") {
        steps.push(Step::Unknown);
    }
    steps.push(Step::Control(control));
    Some(steps)
}

fn begin(mut cursor: Cursor<'_>, dialect: Dialect) -> Control {
    if dialect == Dialect::Sqlite {
        cursor.eat_any(&["DEFERRED", "IMMEDIATE", "EXCLUSIVE", "CONCURRENT"]);
        if cursor.eat("TRANSACTION") {
            cursor.name();
        }
    } else {
        cursor.eat_any(&["WORK", "TRANSACTION"]);
    }
    modes(cursor).map_or(Control::Unrecognised, Control::Begin)
}

/// The isolation named among transaction modes, if any; `None` when they are not understood.
fn modes(mut cursor: Cursor<'_>) -> Option<Option<Isolation>> {
    let mut found = None;
    while !cursor.is_done() {
        if cursor.eat_all(&["ISOLATION", "LEVEL"]) {
            found = Some(level(&mut cursor)?);
        } else if cursor.eat("READ") {
            cursor.eat_any(&["WRITE", "ONLY"]).then_some(())?;
        } else {
            let known = cursor.eat("DEFERRABLE")
                || cursor.eat_all(&["NOT", "DEFERRABLE"])
                || cursor.eat_all(&["WITH", "CONSISTENT", "SNAPSHOT"])
                || cursor.eat_symbol(&Token::Comma);
            known.then_some(())?;
        }
    }
    Some(found)
}

fn level(cursor: &mut Cursor<'_>) -> Option<Isolation> {
    if cursor.eat("SERIALIZABLE") || cursor.eat_all(&["REPEATABLE", "READ"]) {
        Some(Isolation::Snapshot)
    } else if cursor.eat_all(&["READ", "COMMITTED"]) {
        Some(Isolation::ReadCommitted)
    } else if cursor.eat_all(&["READ", "UNCOMMITTED"]) {
        Some(Isolation::ReadUncommitted)
    } else {
        None
    }
}

/// The isolation a variable's value names: `'read committed'`, `'READ-COMMITTED'`.
pub(super) fn level_of_value(value: &[TokenWithSpan]) -> Option<Isolation> {
    let [token] = value else { return None };
    let text = string(&token.token)?;
    let words: Vec<_> = text
        .trim()
        .split([' ', '-'])
        .map(str::to_ascii_lowercase)
        .collect();
    match words
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["serializable"] | ["repeatable", "read"] => Some(Isolation::Snapshot),
        ["read", "committed"] => Some(Isolation::ReadCommitted),
        ["read", "uncommitted"] => Some(Isolation::ReadUncommitted),
        _ => None,
    }
}

/// `COMMIT` or `ROLLBACK`, and what may follow it.
fn finish(mut cursor: Cursor<'_>, control: Control, dialect: Dialect) -> Control {
    cursor.eat_any(&["WORK", "TRANSACTION"]);
    if dialect == Dialect::Sqlite {
        cursor.name();
    }
    cursor.eat_all(&["AND", "NO", "CHAIN"]);
    cursor.eat_all(&["NO", "RELEASE"]);
    // rule: and-chain-is-unrecognised
    if cursor.is_done() {
        control
    } else {
        Control::Unrecognised
    }
}

fn rollback(mut cursor: Cursor<'_>, dialect: Dialect) -> Control {
    let after_verb = cursor;
    cursor.eat_any(&["WORK", "TRANSACTION"]);
    // SQLite allows a transaction's name, which it ignores.
    if dialect == Dialect::Sqlite && !is(cursor.peek(), "TO") {
        cursor.name();
    }
    if cursor.eat("TO") {
        cursor.eat("SAVEPOINT");
        return named(cursor, Control::RollbackTo);
    }
    finish(after_verb, Control::Rollback, dialect)
}

fn named(mut cursor: Cursor<'_>, control: fn(super::analysis::Name) -> Control) -> Control {
    match cursor.name() {
        Some(name) if cursor.is_done() => control(name),
        _ => Control::Unrecognised,
    }
}

/// `SET TRANSACTION …`, after the words that name its scope.
pub(super) fn set_transaction(cursor: Cursor<'_>, for_session: bool) -> Step {
    let mut snapshot = cursor;
    // rule: imported-snapshot
    if snapshot.eat("SNAPSHOT") {
        return Step::Control(Control::SetIsolation(Isolation::Snapshot));
    }
    match modes(cursor) {
        Some(Some(isolation)) if for_session => {
            Step::Control(Control::SetSessionIsolation(isolation))
        }
        Some(Some(isolation)) => Step::Control(Control::SetIsolation(isolation)),
        Some(None) => Step::Harmless,
        None => Step::Control(Control::Unrecognised),
    }
}
