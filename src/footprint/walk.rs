//! Walking over the parser's syntax tree.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Assignment, AssignmentTarget, BinaryOperator, DataType, Delete, Expr, FromTable, Ident, Insert,
    ObjectName, OnConflictAction, OnInsert, Query, SqliteOnConflict, Statement, TableAlias,
    TableFactor, TableObject, TableWithJoins, Update, Value, Visitor, visit_expressions,
};

use super::analysis::{Name, Refusal, Target, WriteKind};
use super::calls::{self, Declared};
use super::tokens::{Position, fold, position};
use crate::dialect::Dialect;

/// What the syntax tree says.
#[derive(Debug)]
pub(super) struct Walk {
    dialect: Dialect,
    /// Names in the place of a relation, and where they stand.
    named: Vec<(Name, Option<Position>)>,
    /// Where such a name is a function's.
    table_functions: BTreeSet<Position>,
    pub(super) declared: Declared,
    pub(super) ctes: BTreeSet<Name>,
    pub(super) targets: Vec<Target>,
    pub(super) refusal: Option<Refusal>,
    /// It does something that no step can say.
    pub(super) is_beyond_us: bool,
}

impl Walk {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            named: Vec::new(),
            table_functions: BTreeSet::new(),
            declared: Declared::default(),
            ctes: BTreeSet::new(),
            targets: Vec::new(),
            refusal: None,
            is_beyond_us: false,
        }
    }

    /// The relations, those of CTEs among them.
    pub(super) fn relations(&self) -> BTreeSet<Name> {
        // rule: cte-names-stay
        // rule: table-functions-are-not-relations
        let is_relation =
            |at: &Option<Position>| !at.is_some_and(|at| self.table_functions.contains(&at));
        let named = self
            .named
            .iter()
            .filter(|(_, at)| is_relation(at))
            .map(|(name, _)| name);
        named.chain(&self.ctes).cloned().collect()
    }

    fn declare(&mut self, ident: &Ident) {
        self.declared.insert(position(ident.span.start));
    }

    fn alias(&mut self, alias: Option<&TableAlias>) {
        if let Some(alias) = alias {
            self.declare(&alias.name);
        }
    }

    fn target(&mut self, relation: &ObjectName, kind: WriteKind) {
        match last(relation) {
            Some(ident) => self.targets.push(Target {
                relation: fold(&ident.value),
                kind,
            }),
            None => self.is_beyond_us = true,
        }
    }

    /// Every table of `tables` is a target.
    fn all_targets<'a>(
        &mut self,
        tables: impl IntoIterator<Item = &'a TableWithJoins>,
        kind: &WriteKind,
    ) {
        for table in tables {
            self.factor_target(&table.relation, kind);
            for join in &table.joins {
                self.factor_target(&join.relation, kind);
            }
        }
    }

    fn factor_target(&mut self, factor: &TableFactor, kind: &WriteKind) {
        match factor {
            TableFactor::Table {
                name, args: None, ..
            } => self.target(name, kind.clone()),
            TableFactor::NestedJoin {
                table_with_joins, ..
            } => {
                self.all_targets(std::iter::once(&**table_with_joins), kind);
            }
            // What is not a table is read, not written.
            _ => {}
        }
    }

    fn insert(&mut self, insert: &Insert) {
        if let Some(alias) = &insert.table_alias {
            self.declare(&alias.alias);
        }
        let replaces = match &insert.on {
            // rule: upsert-replaces
            Some(OnInsert::DuplicateKeyUpdate(_)) => true,
            Some(OnInsert::OnConflict(conflict)) => {
                matches!(conflict.action, OnConflictAction::DoUpdate(_))
            }
            None => false,
            Some(_) => {
                self.is_beyond_us = true;
                true
            }
        };
        // rule: insert-or-replace
        let kind =
            if replaces || insert.replace_into || insert.or == Some(SqliteOnConflict::Replace) {
                WriteKind::Replace
            } else {
                WriteKind::Insert
            };
        // rule: or-rollback-is-unknown
        self.is_beyond_us |= insert.or == Some(SqliteOnConflict::Rollback);
        self.is_beyond_us |= insert.overwrite || insert.multi_table_insert_type.is_some();
        match &insert.table {
            TableObject::TableName(name) => self.target(name, kind),
            _ => self.is_beyond_us = true,
        }
    }

    fn update(&mut self, update: &Update) {
        let before = self.targets.len();
        let kind = match update.or {
            Some(SqliteOnConflict::Replace) => WriteKind::Replace,
            _ => WriteKind::Update {
                columns: self.columns(&update.assignments),
            },
        };
        self.is_beyond_us |= update.or == Some(SqliteOnConflict::Rollback);
        // rule: multi-table-update
        self.all_targets(std::iter::once(&update.table), &kind);
        self.is_beyond_us |= self.targets.len() == before;
    }

    /// The columns in `SET`.
    fn columns(&self, assignments: &[Assignment]) -> Option<BTreeSet<Name>> {
        let mut columns = BTreeSet::new();
        for assignment in assignments {
            let names = match &assignment.target {
                AssignmentTarget::ColumnName(name) => std::slice::from_ref(name),
                AssignmentTarget::Tuple(names) => names,
            };
            for name in names {
                // rule: set-of-a-field
                // `SET address.city` sets the column `address` on PostgreSQL.
                if name.0.len() > 1 && self.dialect == Dialect::Postgres {
                    return None;
                }
                columns.insert(fold(&last(name)?.value));
            }
        }
        (!columns.is_empty()).then_some(columns)
    }

    fn delete(&mut self, delete: &Delete) {
        let before = self.targets.len();
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        self.all_targets(from, &WriteKind::Delete);
        // rule: multi-table-delete
        if self.dialect == Dialect::Mysql {
            self.all_targets(delete.using.iter().flatten(), &WriteKind::Delete);
        }
        self.is_beyond_us |= self.targets.len() == before;
    }
}

impl Visitor for Walk {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        // rule: writing-cte
        match statement {
            Statement::Query(_) => {}
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            // rule: merge-replaces
            Statement::Merge(merge) => {
                let before = self.targets.len();
                self.factor_target(&merge.table, &WriteKind::Replace);
                self.is_beyond_us |= self.targets.len() == before;
            }
            _ => self.is_beyond_us = true,
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.alias(Some(&cte.alias));
            self.ctes.insert(fold(&cte.alias.name.value));
        }
        // rule: locking-read
        if !query.locks.is_empty() {
            calls::refuse(&mut self.refusal, Refusal::Locking);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let Some(ident) = last(relation) else {
            self.is_beyond_us = true;
            return ControlFlow::Continue(());
        };
        // rule: dual-is-no-table
        let is_dual = ident.quote_style.is_none()
            && relation.0.len() == 1
            && ident.value.eq_ignore_ascii_case("dual");
        if self.dialect == Dialect::Mysql && is_dual {
            return ControlFlow::Continue(());
        }
        let at = position(ident.span.start);
        let is_function = at.is_some_and(|at| self.table_functions.contains(&at));
        if !is_function {
            self.declared.insert(at);
            // rule: system-relations
            if is_system(relation, ident, self.dialect) {
                calls::refuse(&mut self.refusal, Refusal::Volatile);
            }
        }
        self.named.push((fold(&ident.value), at));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table {
                name, alias, args, ..
            } => {
                self.alias(alias.as_ref());
                if args.is_some() {
                    self.table_functions
                        .extend(last(name).and_then(|ident| position(ident.span.start)));
                }
            }
            TableFactor::Derived { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::JsonTable { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => self.alias(alias.as_ref()),
            // Of other databases.
            _ => self.is_beyond_us = true,
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Cast {
            expr, data_type, ..
        } = expr
        {
            if let DataType::Custom(name, _) = data_type
                && let Some(ident) = last(name)
            {
                self.declare(ident);
            }
            // rule: placeholder-cast-to-time
            if self.dialect == Dialect::Postgres && is_time(data_type) && may_name_the_clock(expr) {
                calls::refuse(&mut self.refusal, Refusal::Volatile);
            }
        }
        ControlFlow::Continue(())
    }
}

pub(super) fn last(name: &ObjectName) -> Option<&Ident> {
    // rule: bare-last-identifier
    name.0.last()?.as_ident()
}

fn is_system(relation: &ObjectName, ident: &Ident, dialect: Dialect) -> bool {
    const SCHEMAS: [&str; 5] = [
        "pg_catalog",
        "information_schema",
        "mysql",
        "performance_schema",
        "sys",
    ];
    const SQLITE: [&str; 3] = ["dbstat", "bytecode", "tables_used"];
    let name = fold(&ident.value);
    let qualifier = relation
        .0
        .iter()
        .rev()
        .nth(1)
        .and_then(|part| part.as_ident())
        .map(|part| fold(&part.value));
    let by_name = match dialect {
        Dialect::Postgres => name.starts_with("pg_"),
        Dialect::Mysql => false,
        Dialect::Sqlite => {
            name.starts_with("sqlite_") || name.starts_with("pragma_") || SQLITE.contains(&&*name)
        }
    };
    by_name || qualifier.is_some_and(|schema| SCHEMAS.contains(&&*schema))
}

/// Whether PostgreSQL reads the clock for some texts of this type: `'now'`, `'today'`.
fn is_time(data_type: &DataType) -> bool {
    match data_type {
        DataType::Date
        | DataType::Time(..)
        | DataType::Timestamp(..)
        | DataType::TimestampNtz(..)
        | DataType::Datetime(..) => true,
        DataType::Array(sqlparser::ast::ArrayElemTypeDef::SquareBracket(element, _)) => {
            is_time(element)
        }
        DataType::Custom(name, _) => last(name).is_some_and(|ident| {
            ["timestamptz", "timetz", "timestamp", "time", "date"].contains(&&*fold(&ident.value))
        }),
        _ => false,
    }
}

/// Whether `expr` may be a text like `'now'`: it is made from a bind or put together.
fn may_name_the_clock(expr: &Expr) -> bool {
    visit_expressions(expr, |part| match part {
        Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => {
            ControlFlow::Break(())
        }
        Expr::BinaryOp {
            op: BinaryOperator::StringConcat,
            ..
        } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}
