//! What a write does with the columns of its table.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Insert, ObjectName, OnConflictAction,
    OnInsert, SetExpr, SqliteOnConflict, Statement, TableFactor, TableObject, TableWithJoins,
    Update, Value,
};
use sqlparser::tokenizer::TokenWithSpan;

use super::predicate::{Placeholders, fixed_by};
use super::select::HIDDEN;
use super::{Change, Operand, Rows};
use crate::footprint::analysis::Name;
use crate::footprint::tokens::fold;
use crate::footprint::walk::last;

/// What a write does with columns, if it is simple enough. `tokens` are those of `statement`.
pub(super) fn change(statement: &Statement, tokens: &[TokenWithSpan]) -> Option<Change> {
    let places = Placeholders::of(tokens);
    match statement {
        Statement::Insert(insert) => insert_of(insert, &places),
        Statement::Update(update) => update_of(update, &places),
        Statement::Delete(delete) => delete_of(delete, &places),
        _ => None,
    }
}

/// What the only table of a write is called.
fn called(tables: &TableWithJoins) -> Option<Name> {
    match &tables.relation {
        TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } if tables.joins.is_empty() => match alias {
            Some(alias) => Some(fold(&alias.name.value)),
            None => Some(fold(&last(name)?.value)),
        },
        _ => None,
    }
}

fn update_of(update: &Update, places: &Placeholders) -> Option<Change> {
    // rule: or-replace-removes-other-rows
    let replaces = matches!(update.or, Some(SqliteOnConflict::Replace));
    if replaces || update.from.is_some() {
        return None;
    }
    let alias = called(&update.table)?;
    let mut columns = BTreeSet::new();
    let mut becomes = BTreeMap::new();
    for Assignment { target, value } in &update.assignments {
        match target {
            AssignmentTarget::ColumnName(name) => {
                // rule: each-part-of-a-name-may-be-the-column
                // `address.city`, or `table.column`.
                let parts: Option<Vec<Name>> = name
                    .0
                    .iter()
                    .map(|part| Some(fold(&part.as_ident()?.value)))
                    .collect();
                let mut parts = parts?;
                let column = parts.pop()?;
                columns.extend(parts);
                let operand = places.operand(value).filter(|_| name.0.len() == 1);
                // rule: a-column-that-is-set-twice-is-not-known
                if !columns.insert(column.clone()) || operand.is_none() {
                    becomes.remove(&column);
                } else {
                    becomes.extend(operand.map(|operand| (column, operand)));
                }
            }
            AssignmentTarget::Tuple(_) => return None,
        }
    }
    Some(Change::Update {
        columns,
        becomes,
        fixed: fixed_by(update.selection.as_ref(), alias, places),
    })
}

fn delete_of(delete: &Delete, places: &Placeholders) -> Option<Change> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let [table] = from.as_slice() else {
        return None;
    };
    if delete.using.is_some() || !delete.tables.is_empty() {
        return None;
    }
    let alias = called(table)?;
    Some(Change::Delete {
        fixed: fixed_by(delete.selection.as_ref(), alias, places),
    })
}

fn insert_of(insert: &Insert, places: &Placeholders) -> Option<Change> {
    let ignores = match &insert.on {
        None => true,
        Some(OnInsert::OnConflict(conflict)) => {
            matches!(conflict.action, OnConflictAction::DoNothing)
        }
        Some(_) => false,
    };
    let replaces = insert.replace_into || insert.or == Some(SqliteOnConflict::Replace);
    if !ignores || replaces || !matches!(insert.table, TableObject::TableName(_)) {
        return None;
    }
    let column = |name: &ObjectName| match name.0.as_slice() {
        [part] => Some(fold(&part.as_ident()?.value)),
        _ => None,
    };
    let columns: Option<Vec<Name>> = insert.columns.iter().map(column).collect();
    let columns = columns?;
    // rule: a-column-that-is-given-twice-is-not-known
    // SQLite's row number is a column of its own, or another name of one that stands there.
    let distinct: BTreeSet<&Name> = columns.iter().collect();
    let is_hidden = |name: &Name| HIDDEN.contains(&&**name);
    if !insert.assignments.is_empty()
        || distinct.len() < columns.len()
        || columns.iter().any(is_hidden)
    {
        return None;
    }
    let Some(source) = &insert.source else {
        // `DEFAULT VALUES`: nothing is given.
        return Some(Change::Insert(Rows::Listed(vec![BTreeMap::new()])));
    };
    let SetExpr::Values(values) = &*source.body else {
        return None;
    };
    let rows: Vec<&[Expr]> = values
        .rows
        .iter()
        .map(|row| row.content.as_slice())
        .collect();
    // rule: a-collapsed-list-is-all-the-rows
    if let [[Expr::Value(value)]] = rows.as_slice()
        && matches!(value.value, Value::Placeholder(_))
        && let Operand::Bind(placeholder) = places.operand(&Expr::Value(value.clone()))?
    {
        return (!columns.is_empty()).then_some(Change::Insert(Rows::Bound {
            placeholder,
            columns,
        }));
    }
    let mut listed = Vec::with_capacity(rows.len());
    for row in rows {
        if row.len() != columns.len() {
            return None;
        }
        let given = columns.iter().zip(row).filter_map(|(column, value)| {
            places
                .operand(value)
                .map(|operand| (column.clone(), operand))
        });
        listed.push(given.collect());
    }
    Some(Change::Insert(Rows::Listed(listed)))
}
