//! Statements that the parser reads: what they read and what they write.

use std::collections::BTreeSet;

use sqlparser::ast::{Statement, Visit};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::analysis::{Access, Name, Refusal, Step};
use super::calls::{self, Declared};
use super::rewrite::rewrite;
use super::split::parser_dialect;
use super::statement::write;
use super::tokens::{is, is_any, is_symbol, name};
use super::walk::Walk;
use crate::dialect::Dialect;

/// How deep the parser may nest.
const RECURSION_LIMIT: usize = 500;

/// How many tokens may stand on the way into the innermost expression.
/// Bounds the depth of the tree, and with it the stack that dropping it takes.
const MAX_CHAIN: usize = 4_000;

/// The syntax tree of a statement, as far as it was mended.
fn parse(tokens: Vec<TokenWithSpan>, dialect: Dialect) -> Option<Statement> {
    let mut parser = Parser::new(parser_dialect(dialect))
        .with_recursion_limit(RECURSION_LIMIT)
        .with_tokens_with_locations(tokens);
    let parsed = parser.parse_statement().ok()?;
    (parser.peek_token().token == Token::EOF).then_some(parsed)
}

/// The syntax tree of a statement that can be read as it stands.
// rule: what-was-mended-fixes-no-values
pub(super) fn parse_unmended(statement: &[TokenWithSpan], dialect: Dialect) -> Option<Statement> {
    let rewritten = rewrite(statement, dialect);
    let unmended = longest_chain(statement) <= MAX_CHAIN
        && !rewritten.locks
        && *rewritten.tokens == *statement;
    unmended.then(|| parse(statement.to_vec(), dialect))?
}

/// The steps of a statement that reads or writes rows.
pub(super) fn steps(statement: &[TokenWithSpan], dialect: Dialect) -> Vec<Step> {
    // rule: too-deep-is-unknown
    if longest_chain(statement) > MAX_CHAIN {
        return unparsable(statement, dialect);
    }
    let rewritten = rewrite(statement, dialect);
    let Some(parsed) = parse(rewritten.tokens.to_vec(), dialect) else {
        return unparsable(statement, dialect);
    };
    let mut walk = Walk::new(dialect);
    let _ = parsed.visit(&mut walk);
    if walk.is_beyond_us {
        return unparsable(statement, dialect);
    }
    let found = calls::scan(statement, dialect, &walk.declared);
    let mut access = Access {
        relations: walk.relations(),
        refusal: walk.refusal,
        ..Access::default()
    };
    access.relations.extend(named_relations(statement, dialect));
    access.ctes = walk.ctes;
    found.add_to(&mut access);
    if rewritten.locks {
        calls::refuse(&mut access.refusal, Refusal::Locking);
    }
    let step = if !walk.targets.is_empty() {
        write(walk.targets, access)
    } else if calls::writing_word(statement) || has_into(statement) {
        // rule: select-into-is-unknown
        // rule: unseen-writes-are-unknown
        Step::Unknown
    } else {
        Step::Read(access)
    };
    let mut steps = vec![step];
    steps.extend(found.extra_steps());
    steps
}

/// A parse failure may hide a write: in a CTE, in a function.
fn unparsable(statement: &[TokenWithSpan], dialect: Dialect) -> Vec<Step> {
    // rule: unparsable-is-unknown
    let mut steps = vec![Step::Unknown];
    // rule: unparsable-may-change-the-session
    steps.extend(calls::scan(statement, dialect, &Declared::default()).extra_steps());
    steps
}

/// The most tokens that stand, without a comma between them, in a parenthesis and those around it.
fn longest_chain(statement: &[TokenWithSpan]) -> usize {
    let (mut open, mut here, mut around, mut longest) = (Vec::new(), 0_usize, 0_usize, 0);
    for token in statement {
        match token.token {
            Token::LParen | Token::LBracket => {
                open.push(here);
                around += here;
                here = 0;
            }
            Token::RParen | Token::RBracket => {
                let before = open.pop().unwrap_or(0);
                around -= before;
                here = before + 1;
            }
            Token::Comma => here = 0,
            _ => here += 1,
        }
        longest = longest.max(around + here);
    }
    longest
}

/// Whether a query puts its rows somewhere: `SELECT … INTO`.
fn has_into(statement: &[TokenWithSpan]) -> bool {
    statement.iter().any(|token| is(Some(token), "INTO"))
}

/// The names after `FROM`, `JOIN` and the like: a net under the syntax tree.
fn named_relations(statement: &[TokenWithSpan], dialect: Dialect) -> BTreeSet<Name> {
    // rule: tokens-name-relations-too
    const BEFORE: [&str; 8] = [
        "FROM",
        "JOIN",
        "STRAIGHT_JOIN",
        "TABLE",
        "ONLY",
        "INTO",
        "UPDATE",
        "USING",
    ];
    const AFTER: [&str; 8] = [
        "SELECT", "LATERAL", "ONLY", "TABLE", "SET", "OF", "NOWAIT", "SKIP",
    ];
    let mut names = BTreeSet::new();
    let mut functions = Vec::new();
    for (at, token) in statement.iter().enumerate() {
        let previous = at.checked_sub(1).and_then(|at| statement.get(at));
        match token.token {
            // `EXTRACT(year FROM c)`: no relation.
            Token::LParen => functions.push(is_any(
                previous,
                &[
                    "EXTRACT",
                    "SUBSTRING",
                    "SUBSTR",
                    "TRIM",
                    "OVERLAY",
                    "CONVERT",
                ],
            )),
            Token::RParen => {
                functions.pop();
            }
            _ if is_any(Some(token), &BEFORE) => {
                // `IS DISTINCT FROM c`.
                let is_expression = functions.last() == Some(&true)
                    || is(previous, "DISTINCT") && !is(statement.get(at.wrapping_sub(2)), "SELECT");
                let is_dual = dialect == Dialect::Mysql && is(statement.get(at + 1), "DUAL");
                if !is_expression && !is_dual && !is_any(statement.get(at + 1), &AFTER) {
                    names.extend(relation_at(&statement[at + 1..]));
                }
            }
            _ => {}
        }
    }
    names
}

/// The last part of the name at the front of `tokens`, unless it is a function's.
fn relation_at(tokens: &[TokenWithSpan]) -> Option<Name> {
    let mut at = 0;
    while is_symbol(tokens.get(at + 1), &Token::Period) && name(tokens.get(at + 2)).is_some() {
        at += 2;
    }
    if is_symbol(tokens.get(at + 1), &Token::LParen) {
        return None;
    }
    name(tokens.get(at))
}
