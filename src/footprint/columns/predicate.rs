//! Conditions that every row must meet which matters.

use std::collections::HashMap;

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value, ValueWithSpan};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{Column, Fixed, Given, Operand};
use crate::footprint::analysis::Name;
use crate::footprint::tokens::{Position, fold, position};

/// The placeholders of a statement, in the order of the text.
#[derive(Debug)]
pub(super) struct Placeholders(HashMap<Position, usize>);

impl Placeholders {
    pub(super) fn of(statement: &[TokenWithSpan]) -> Self {
        let placeholders = statement
            .iter()
            .filter(|token| matches!(token.token, Token::Placeholder(_)));
        let places = placeholders.enumerate();
        Self(
            places
                .filter_map(|(at, token)| Some((position(token.span.start)?, at)))
                .collect(),
        )
    }

    fn at(&self, value: &ValueWithSpan) -> Option<usize> {
        self.0.get(&position(value.span.start)?).copied()
    }

    /// The value of an expression, if the text fixes it.
    pub(super) fn operand(&self, expr: &Expr) -> Option<Operand> {
        match expr {
            Expr::Nested(inner) => self.operand(inner),
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => match self.operand(expr)? {
                Operand::Integer(number) => Some(Operand::Integer(-number)),
                _ => None,
            },
            Expr::Value(value) => match &value.value {
                Value::Number(text, false) => text.parse().ok().map(Operand::Integer),
                Value::SingleQuotedString(text) => Some(Operand::Text(text.as_str().into())),
                Value::Boolean(flag) => Some(Operand::Bool(*flag)),
                Value::Placeholder(_) => self.at(value).map(Operand::Bind),
                _ => None,
            },
            _ => None,
        }
    }

    /// The array that is bound, if that is all of the expression.
    fn elements(&self, expr: &Expr) -> Option<Operand> {
        match expr {
            Expr::Nested(inner) => self.elements(inner),
            Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => {
                self.at(value).map(Operand::Elements)
            }
            _ => None,
        }
    }
}

/// The names of the tables in a `FROM`, and how columns belong to them.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// What each table is called.
    pub(super) aliases: Vec<Name>,
}

impl Scope {
    /// The column that an expression is, if it is one and belongs to one table for certain.
    pub(super) fn column(&self, expr: &Expr) -> Option<Column> {
        match expr {
            Expr::Nested(inner) => self.column(inner),
            Expr::Identifier(ident) if self.aliases.len() == 1 => Some((0, fold(&ident.value))),
            Expr::CompoundIdentifier(parts) if matches!(parts.len(), 2 | 3) => {
                let table = fold(&parts[parts.len() - 2].value);
                let source = self.aliases.iter().position(|alias| *alias == table)?;
                Some((source, fold(&parts[parts.len() - 1].value)))
            }
            _ => None,
        }
    }
}

/// What conditions say.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// A column has one of these values.
    pub(super) constants: Vec<(Column, Vec<Operand>)>,
    /// Where the first column has a value, the second has the same.
    pub(super) follows: Vec<(Column, Column)>,
}

/// For which tables what an `ON` says holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// For all of them: rows that do not meet it are in no result.
    ForAll,
    /// For the one at that place and those after it: a row before it counts without a match.
    From(usize),
}

impl Holds {
    fn covers(self, column: &Column) -> bool {
        match self {
            Self::ForAll => true,
            Self::From(first) => column.0 >= first,
        }
    }
}

impl Facts {
    /// Adds what each part of a conjunction says.
    pub(super) fn collect(
        &mut self,
        condition: &Expr,
        scope: &Scope,
        places: &Placeholders,
        holds: Holds,
    ) {
        match condition {
            Expr::Nested(inner) => self.collect(inner, scope, places, holds),
            Expr::BinaryOp {
                left,
                op: BinaryOperator::And,
                right,
            } => {
                self.collect(left, scope, places, holds);
                self.collect(right, scope, places, holds);
            }
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Eq,
                right,
            } => self.equal(left, right, scope, places, holds),
            Expr::InList {
                expr,
                list,
                negated: false,
            } => {
                let operands: Option<Vec<_>> =
                    list.iter().map(|item| places.operand(item)).collect();
                if let (Some(column), Some(operands)) = (scope.column(expr), operands) {
                    self.constant(column, operands, holds);
                }
            }
            Expr::AnyOp {
                left,
                compare_op: BinaryOperator::Eq,
                right,
                ..
            } => {
                if let (Some(column), Some(array)) = (scope.column(left), places.elements(right)) {
                    self.constant(column, vec![array], holds);
                }
            }
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                if let Some(column) = scope.column(condition) {
                    self.constant(column, vec![Operand::Holds], holds);
                }
            }
            _ => {}
        }
    }

    fn equal(
        &mut self,
        left: &Expr,
        right: &Expr,
        scope: &Scope,
        places: &Placeholders,
        holds: Holds,
    ) {
        match (scope.column(left), scope.column(right)) {
            (Some(one), Some(other)) => {
                // rule: a-row-without-a-match-is-not-bound-by-it
                if holds.covers(&other) {
                    self.follows.push((one.clone(), other.clone()));
                }
                if holds.covers(&one) {
                    self.follows.push((other, one));
                }
            }
            (Some(column), None) => {
                if let Some(operand) = places.operand(right) {
                    self.constant(column, vec![operand], holds);
                }
            }
            (None, Some(column)) => {
                if let Some(operand) = places.operand(left) {
                    self.constant(column, vec![operand], holds);
                }
            }
            (None, None) => {}
        }
    }

    fn constant(&mut self, column: Column, operands: Vec<Operand>, holds: Holds) {
        if holds.covers(&column) && !operands.is_empty() {
            self.constants.push((column, operands));
        }
    }

    /// The values that follow for the columns of one table.
    // rule: a-value-remembers-what-it-was-compared-with
    pub(super) fn fixed(&self, source: usize) -> Fixed {
        let mut known: Vec<(&Column, Given)> = Vec::new();
        for (column, operands) in &self.constants {
            if !known.iter().any(|(other, _)| *other == column) {
                let given = Given {
                    operands: operands.clone(),
                    through: Vec::new(),
                };
                known.push((column, given));
            }
        }
        // Each column is added once, so that this ends.
        let mut at = 0;
        while let Some((from, given)) = known.get(at).cloned() {
            for (one, other) in &self.follows {
                if one == from && !known.iter().any(|(column, _)| *column == other) {
                    let mut given = given.clone();
                    given.through.push(one.clone());
                    known.push((other, given));
                }
            }
            at += 1;
        }
        let own = known.into_iter().filter(|(column, _)| column.0 == source);
        own.map(|(column, given)| (column.1.clone(), given))
            .collect()
    }

    /// The columns of a table that another column has the value of.
    pub(super) fn bound_columns(&self, source: usize) -> Vec<Column> {
        let mut bound: Vec<Column> = Vec::new();
        for (_, column) in &self.follows {
            if column.0 == source && !bound.contains(column) {
                bound.push(column.clone());
            }
        }
        bound
    }

    /// The columns whose value a column has where they have one, the nearest first; each with
    /// those on the way, itself among them.
    pub(super) fn equals_of(&self, column: &Column) -> Vec<(Column, Vec<Column>)> {
        let mut found = vec![(column.clone(), Vec::new())];
        let mut at = 0;
        while let Some((next, way)) = found.get(at).cloned() {
            for (one, other) in &self.follows {
                if *other == next && !found.iter().any(|(column, _)| column == one) {
                    let mut way = way.clone();
                    way.push(one.clone());
                    found.push((one.clone(), way));
                }
            }
            at += 1;
        }
        found
    }
}

/// The values that conditions fix in the only table of a write.
pub(super) fn fixed_by(condition: Option<&Expr>, alias: Name, places: &Placeholders) -> Fixed {
    let scope = Scope {
        aliases: vec![alias],
    };
    let mut facts = Facts::default();
    if let Some(condition) = condition {
        facts.collect(condition, &scope, places, Holds::ForAll);
    }
    facts.fixed(0)
}
