//! Mends, in the tokens, what the parser cannot read.
//!
//! The result has the same relations, targets and calls as the statement; it need not
//! mean the same otherwise. Every token keeps its position.

use std::borrow::Cow;

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::{is, is_any, is_symbol};
use crate::dialect::Dialect;

/// A statement the parser can read better.
#[derive(Debug)]
pub(super) struct Rewritten<'a> {
    pub(super) tokens: Cow<'a, [TokenWithSpan]>,
    /// Whether it locks the rows it reads.
    pub(super) locks: bool,
}

/// Mends `statement`.
pub(super) fn rewrite(statement: &[TokenWithSpan], dialect: Dialect) -> Rewritten<'_> {
    const SUSPECTS: [&str; 12] = [
        "ONLY", "TABLE", "FOR", "LOCK", "INDEXED", "IS", "BOTH", "LEADING", "TRAILING", "OPERATOR",
        "NOTNULL", "ISNULL",
    ];
    if !statement.iter().any(|token| is_any(Some(token), &SUSPECTS)) {
        return Rewritten {
            tokens: Cow::Borrowed(statement),
            locks: false,
        };
    }
    let mut out = Vec::with_capacity(statement.len() + 4);
    let mut locks = false;
    let mut rest = statement;
    while let Some(token) = rest.first() {
        let next = |at: usize| rest.get(at);
        let eaten = if is_only(&out, rest) {
            // rule: only-is-not-a-table
            only(rest, &mut out)
        } else if dialect != Dialect::Sqlite && is_table_command(&out, rest) {
            // rule: table-command
            out.extend([
                word("SELECT", token),
                symbol(Token::Mul, token),
                word("FROM", token),
            ]);
            1
        } else if is(Some(token), "FOR") && is_any(next(1), &["UPDATE", "SHARE", "NO", "KEY"]) {
            // rule: locking-read
            locks = true;
            lock_clause(rest)
        } else if is(Some(token), "LOCK") && is(next(1), "IN") && is(next(2), "SHARE") {
            locks = true;
            4
        } else if dialect == Dialect::Sqlite && is(Some(token), "INDEXED") && is(next(1), "BY") {
            3
        } else if dialect == Dialect::Sqlite && is(Some(token), "NOT") && is(next(1), "INDEXED") {
            2
        } else if dialect == Dialect::Sqlite && is_comparison(rest) {
            // rule: sqlite-is-compares
            out.push(symbol(Token::Eq, token));
            if is(next(1), "NOT") { 2 } else { 1 }
        } else if is_any(Some(token), &["BOTH", "LEADING", "TRAILING"]) && is(next(1), "FROM") {
            2
        } else {
            out.push(token.clone());
            1
        };
        rest = rest.get(eaten..).unwrap_or_default();
    }
    Rewritten {
        tokens: Cow::Owned(out),
        locks,
    }
}

fn word(text: &str, at: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan::new(Token::make_keyword(text), at.span)
}

fn symbol(token: Token, at: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan::new(token, at.span)
}

/// `FROM ONLY t`, `JOIN ONLY (t)`, `UPDATE ONLY t`, `FROM a, ONLY b`.
fn is_only(before: &[TokenWithSpan], rest: &[TokenWithSpan]) -> bool {
    let starts_relation = is_any(
        before.last(),
        &["FROM", "JOIN", "UPDATE", "USING", "INTO", "TABLE"],
    ) || is_symbol(before.last(), &Token::Comma);
    let has_relation = matches!(
        rest.get(1).map(|t| &t.token),
        Some(Token::Word(_) | Token::LParen)
    );
    starts_relation && has_relation && is(rest.first(), "ONLY")
}

/// Leaves `ONLY` out, and the parentheses around the relation.
fn only(rest: &[TokenWithSpan], out: &mut Vec<TokenWithSpan>) -> usize {
    if !is_symbol(rest.get(1), &Token::LParen) {
        return 1;
    }
    let inside = &rest[2..];
    let end = inside
        .iter()
        .position(|t| t.token == Token::RParen)
        .unwrap_or(inside.len());
    out.extend_from_slice(&inside[..end]);
    end + 3
}

/// `TABLE t` where a query can stand.
fn is_table_command(before: &[TokenWithSpan], rest: &[TokenWithSpan]) -> bool {
    let starts_query = before.last().is_none_or(|last| {
        matches!(last.token, Token::LParen | Token::RParen)
            || is_any(
                Some(last),
                &["UNION", "ALL", "DISTINCT", "EXCEPT", "INTERSECT", "AS"],
            )
    }) || is(before.first(), "INSERT") && !is(before.last(), "INTO");
    starts_query
        && is(rest.first(), "TABLE")
        && matches!(rest.get(1).map(|t| &t.token), Some(Token::Word(_)))
}

/// The length of `FOR [NO KEY] UPDATE | [KEY] SHARE [OF a, b] [NOWAIT | SKIP LOCKED]`.
fn lock_clause(rest: &[TokenWithSpan]) -> usize {
    let mut at = 1;
    while is_any(rest.get(at), &["NO", "KEY", "UPDATE", "SHARE"]) {
        at += 1;
    }
    if is(rest.get(at), "OF") {
        at += 2;
        while is_symbol(rest.get(at), &Token::Comma) || is_symbol(rest.get(at), &Token::Period) {
            at += 2;
        }
    }
    if is(rest.get(at), "NOWAIT") {
        at += 1;
    } else if is(rest.get(at), "SKIP") && is(rest.get(at + 1), "LOCKED") {
        at += 2;
    }
    at
}

/// SQLite's `a IS b`, where `b` is not one of the words the parser knows after `IS`.
fn is_comparison(rest: &[TokenWithSpan]) -> bool {
    let operand = if is(rest.get(1), "NOT") { 2 } else { 1 };
    is(rest.first(), "IS")
        && rest.get(operand).is_some()
        && !is_any(
            rest.get(operand),
            &[
                "NULL",
                "TRUE",
                "FALSE",
                "DISTINCT",
                "UNKNOWN",
                "NORMALIZED",
                "JSON",
            ],
        )
}
