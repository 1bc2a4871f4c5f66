//! What a query does with the columns of its tables.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, GroupByExpr, JoinConstraint, JoinOperator, LimitClause, Query, Select, SelectFlavor,
    SelectItem, SetExpr, Statement, TableFactor, TableWithJoins, visit_relations,
};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::predicate::{Facts, Holds, Placeholders, Scope};
use super::{Columns, Selection, Shown, Source};
use crate::footprint::analysis::Name;
use crate::footprint::tokens::{Position, fold, is, is_any, is_symbol, position};
use crate::footprint::walk::last;

/// Columns that no `CREATE TABLE` names, and which may change with any write.
pub(super) const HIDDEN: [&str; 10] = [
    "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "oid", "rowid", "_rowid_", "rownum",
];

/// What a query does with columns, if it is simple enough. `tokens` are those of `statement`.
pub(super) fn selection(statement: &Statement, tokens: &[TokenWithSpan]) -> Option<Selection> {
    let Statement::Query(query) = statement else {
        return None;
    };
    let select = only_select(query)?;
    let mut from = From::default();
    for tables in &select.from {
        from.tables(tables)?;
    }
    let placeholders = Placeholders::of(tokens);
    let mut facts = from.facts(&placeholders);
    if let Some(condition) = &select.selection {
        facts.collect(condition, &from.scope, &placeholders, Holds::ForAll);
    }
    let (projection, rest) = split(tokens)?;
    let mentioned = Mentions::of(rest, &from)?;
    let shown = Mentions::of(projection, &from)?;
    // rule: an-alias-that-is-used-shows-what-decides
    let uses_alias = select.projection.iter().any(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => mentioned.has(&fold(&alias.value)),
        SelectItem::ExprWithAliases { .. } => true,
        _ => false,
    });
    let mut selection = Selection {
        nested: nested(statement, &from.relations),
        plain: is_plain(query, select) && !calls(projection) && !uses_alias,
        skips: skips(query),
        sources: Vec::new(),
    };
    for (at, relation) in from.relations.iter().enumerate() {
        let mut source = Source {
            relation: relation.clone(),
            decisive: mentioned.of_source(at),
            shown: shown.of_source(at),
            fixed: facts.fixed(at),
            visible: BTreeMap::new(),
            nullable: from.nullable.contains(&at),
        };
        if selection.plain {
            source.visible = visible(at, &select.projection, &from.scope, &facts);
        } else {
            // rule: what-is-mixed-decides
            source.decisive.merge(&source.shown);
        }
        selection.sources.push(source);
    }
    Some(selection)
}

/// The `SELECT`, if a query is one, over tables, and nothing that is not understood.
fn only_select(query: &Query) -> Option<&Select> {
    let SetExpr::Select(select) = &*query.body else {
        return None;
    };
    let simple = query.with.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty()
        && query.for_clause.is_none()
        && query.settings.is_none()
        && query.format_clause.is_none()
        && query.pipe_operators.is_empty()
        && select.select_modifiers.is_none()
        && select.top.is_none()
        && select.exclude.is_none()
        && select.into.is_none()
        && select.lateral_views.is_empty()
        && select.prewhere.is_none()
        && select.connect_by.is_empty()
        && select.cluster_by.is_empty()
        && select.distribute_by.is_empty()
        && select.sort_by.is_empty()
        && select.qualify.is_none()
        && select.value_table_mode.is_none()
        && matches!(select.flavor, SelectFlavor::Standard);
    simple.then_some(select)
}

/// Whether each row of the result may be made of one row of each table.
fn is_plain(query: &Query, select: &Select) -> bool {
    let ungrouped = matches!(
        &select.group_by,
        GroupByExpr::Expressions(by, with) if by.is_empty() && with.is_empty()
    );
    // `ORDER BY 1` is ordered by what is shown.
    let by_number = query.order_by.iter().any(|order| {
        use sqlparser::ast::OrderByKind;
        match &order.kind {
            OrderByKind::All(_) => true,
            OrderByKind::Expressions(by) => by
                .iter()
                .any(|by| !matches!(by.expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))),
        }
    });
    // PostgreSQL and MySQL give names to what has none, and an order may go by them.
    // rule: an-order-may-go-by-a-name-that-is-not-written
    let is_column = |expr: &Expr| matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    let unnamed = select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::UnnamedExpr(expr) if !is_column(expr)));
    ungrouped
        && !(unnamed && query.order_by.is_some())
        && !by_number
        && select.distinct.is_none()
        && select.having.is_none()
        && select.named_window.is_empty()
}

/// Whether rows are skipped before those that are shown.
fn skips(query: &Query) -> bool {
    match &query.limit_clause {
        None => false,
        Some(LimitClause::LimitOffset {
            offset, limit_by, ..
        }) => offset.is_some() || !limit_by.is_empty(),
        Some(LimitClause::OffsetCommaLimit { .. }) => true,
    }
}

/// Tables that stand in other places than the `FROM`.
fn nested(statement: &Statement, from: &[Name]) -> BTreeSet<Name> {
    let mut counts: BTreeMap<Name, usize> = BTreeMap::new();
    let _ = visit_relations(statement, |relation| {
        if let Some(ident) = last(relation) {
            *counts.entry(fold(&ident.value)).or_default() += 1;
        }
        ControlFlow::<()>::Continue(())
    });
    for relation in from {
        if let Some(count) = counts.get_mut(relation) {
            *count = count.saturating_sub(1);
        }
    }
    counts.retain(|_, count| *count > 0);
    counts.into_keys().collect()
}

/// The tables of a `FROM`.
#[derive(Default)]
struct From<'a> {
    relations: Vec<Name>,
    scope: Scope,
    /// Where the names of tables and their aliases stand.
    declared: BTreeSet<Position>,
    conditions: Vec<(&'a Expr, Holds)>,
    /// Columns that a join names without a table.
    using: Columns,
    /// The tables that an outer join can do without.
    nullable: BTreeSet<usize>,
}

impl<'a> From<'a> {
    fn tables(&mut self, tables: &'a TableWithJoins) -> Option<()> {
        self.factor(&tables.relation)?;
        for join in &tables.joins {
            let first = self.relations.len();
            self.factor(&join.relation)?;
            let (constraint, holds) = match &join.join_operator {
                JoinOperator::Join(on)
                | JoinOperator::Inner(on)
                | JoinOperator::CrossJoin(on)
                | JoinOperator::StraightJoin(on) => (on, Some(Holds::ForAll)),
                JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => {
                    (on, Some(Holds::From(first)))
                }
                JoinOperator::Right(on)
                | JoinOperator::RightOuter(on)
                | JoinOperator::FullOuter(on) => (on, None),
                _ => return None,
            };
            // rule: an-outer-join-shows-what-is-not-there
            match holds {
                Some(Holds::ForAll) => {}
                Some(Holds::From(first)) => self.nullable.extend(first..self.relations.len()),
                None => self.nullable.extend(0..self.relations.len()),
            }
            match constraint {
                JoinConstraint::On(condition) => {
                    if let Some(holds) = holds {
                        self.conditions.push((condition, holds));
                    }
                }
                JoinConstraint::None => {}
                JoinConstraint::Using(columns) => {
                    for column in columns {
                        self.using.add(&fold(&last(column)?.value));
                    }
                }
                // rule: a-natural-join-compares-all
                JoinConstraint::Natural => self.using = Columns::All,
            }
        }
        Some(())
    }

    fn factor(&mut self, factor: &'a TableFactor) -> Option<()> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                ..
            } if with_hints.is_empty() && partitions.is_empty() => {
                let ident = last(name)?;
                let relation = fold(&ident.value);
                self.declared.extend(
                    name.0
                        .iter()
                        .filter_map(|part| position(part.as_ident()?.span.start)),
                );
                let called = match alias {
                    // Its columns have other names.
                    Some(alias) if !alias.columns.is_empty() => return None,
                    Some(alias) => {
                        self.declared.extend(position(alias.name.span.start));
                        fold(&alias.name.value)
                    }
                    None => relation.clone(),
                };
                if self.scope.aliases.contains(&called) {
                    return None;
                }
                self.scope.aliases.push(called);
                self.relations.push(relation);
                Some(())
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => self.tables(table_with_joins),
            _ => None,
        }
    }

    fn facts(&self, places: &Placeholders) -> Facts {
        let mut facts = Facts::default();
        for (condition, holds) in &self.conditions {
            facts.collect(condition, &self.scope, places, *holds);
        }
        facts
    }
}

/// What a query shows, and the tokens after that.
fn split(tokens: &[TokenWithSpan]) -> Option<(&[TokenWithSpan], &[TokenWithSpan])> {
    if !is(tokens.first(), "SELECT") {
        return None;
    }
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(1) {
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.checked_sub(1)?,
            _ if depth == 0 && is(Some(token), "FROM") => {
                return Some((&tokens[1..at], &tokens[at..]));
            }
            _ => {}
        }
    }
    None
}

/// Whether what is shown may be made of more than one row.
// rule: a-call-may-look-at-many-rows
fn calls(projection: &[TokenWithSpan]) -> bool {
    projection.iter().any(|token| {
        matches!(token.token, Token::LParen | Token::LBracket)
            || is_any(Some(token), &["OVER", "DISTINCT", "ALL"])
    })
}

/// Where the columns of a table are shown.
fn visible(
    source: usize,
    items: &[SelectItem],
    scope: &Scope,
    facts: &Facts,
) -> BTreeMap<Name, Shown> {
    let mut shown = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            // How many columns a wildcard stands for is not known here.
            return BTreeMap::new();
        };
        shown.extend(scope.column(expr).map(|column| (column, at)));
    }
    let mut visible = BTreeMap::new();
    for ((of, column), at) in &shown {
        if *of == source {
            visible.entry(column.clone()).or_insert(Shown {
                at: *at,
                through: Vec::new(),
            });
        }
    }
    // rule: a-column-is-shown-by-its-equal
    for column in facts.bound_columns(source) {
        let place = facts
            .equals_of(&column)
            .into_iter()
            .find_map(|(equal, through)| {
                let (_, at) = shown.iter().find(|(shown, _)| *shown == equal)?;
                Some(Shown { at: *at, through })
            });
        if let Some(place) = place {
            visible.entry(column.1).or_insert(place);
        }
    }
    visible
}

/// The words of a part of a query that may be names of columns.
struct Mentions {
    /// Of whatever table.
    anyones: Columns,
    /// Of each table.
    own: Vec<Columns>,
}

impl Mentions {
    /// `None` if there is a word that stands for what no column holds.
    fn of(tokens: &[TokenWithSpan], from: &From<'_>) -> Option<Self> {
        let mut mentions = Self {
            anyones: from.using.clone(),
            own: vec![Columns::default(); from.relations.len()],
        };
        for (at, token) in tokens.iter().enumerate() {
            let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at));
            let qualified = is_symbol(before(1), &Token::Period);
            let qualifier = before(2).filter(|_| qualified).and_then(word);
            let owner = qualifier
                .as_ref()
                .and_then(|name| from.scope.aliases.iter().position(|alias| alias == name));
            if token.token == Token::Mul {
                // `t.*`, and `*` where it is no product: all that there is.
                match owner {
                    Some(owner) => mentions.own[owner] = Columns::All,
                    None if qualified || !is_product(before(1), tokens.get(at + 1)) => {
                        mentions.all();
                    }
                    None => {}
                }
                continue;
            }
            // rule: a-quoted-text-after-a-table-is-a-column
            let text = match &token.token {
                Token::SingleQuotedString(text) if qualified => Some(fold(text)),
                _ => None,
            };
            let Some(name) = word(token).or(text) else {
                continue;
            };
            // rule: hidden-columns-change-with-every-write
            if HIDDEN.contains(&&*name) {
                return None;
            }
            let declared = position(token.span.start).is_some_and(|at| from.declared.contains(&at));
            let qualifies = is_symbol(tokens.get(at + 1), &Token::Period);
            if declared || qualifies {
                continue;
            }
            // rule: a-table-by-its-name-is-its-row
            let is_table = from.scope.aliases.contains(&name) || from.relations.contains(&name);
            match owner {
                _ if is_table && !qualified => mentions.all(),
                Some(owner) => mentions.own[owner].add(&name),
                None => mentions.anyones.add(&name),
            }
        }
        Some(mentions)
    }

    fn all(&mut self) {
        self.anyones = Columns::All;
    }

    fn of_source(&self, source: usize) -> Columns {
        let mut columns = self.own[source].clone();
        columns.merge(&self.anyones);
        columns
    }

    fn has(&self, name: &str) -> bool {
        self.anyones.contains(name) || self.own.iter().any(|columns| columns.contains(name))
    }
}

/// Whether a `*` between those is a product, or that of `count(*)`, which shows no column.
// rule: a-star-is-a-product-between-two-operands
fn is_product(before: Option<&TokenWithSpan>, after: Option<&TokenWithSpan>) -> bool {
    let ends = is_symbol(after, &Token::Comma) || is_symbol(after, &Token::RParen);
    match before.map(|token| &token.token) {
        Some(Token::LParen) => true,
        None | Some(Token::Comma) => false,
        // `DISTINCT ON (a) *`.
        Some(_) => {
            !is_any(before, &["SELECT", "ALL", "DISTINCT"])
                && after.is_some()
                && !ends
                && !is(after, "FROM")
        }
    }
}

fn word(token: &TokenWithSpan) -> Option<Name> {
    match &token.token {
        Token::Word(word) => Some(fold(&word.value)),
        Token::DoubleQuotedString(text) => Some(fold(text)),
        _ => None,
    }
}
