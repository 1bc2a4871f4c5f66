//! SQLite's rows from cells: Diesel can only read rows that SQLite itself hands out, so the cells
//! are bound to a statement on a scratch database in memory, and selected from it.

use std::cell::Cell;
use std::collections::HashSet;

use diesel::connection::{Connection, Instrumentation, InstrumentationEvent, LoadConnection};
use diesel::deserialize::FromSqlRow;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::row::{Field, Row};
use diesel::sql_types::{BigInt, Binary, Double, Nullable, Text, Untyped};
use diesel::sqlite::{Sqlite, SqliteConnection};

/// How many rows one statement selects.
const ROWS: usize = 16;

/// How many values one statement binds, if a row has not more.
const BINDS: usize = 512;

/// How many statements a scratch database keeps prepared. Results come in as many shapes as the
/// application has queries; one that makes its column names up is not to fill the memory.
const MOST_STATEMENTS: usize = 256;

/// A cell that is to be read again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Null,
    Integer(i64),
    Double(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// Rows that are to be read again.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    names: Vec<&'a str>,
    values: Vec<Value<'a>>,
}

impl<'a> Replay<'a> {
    /// `None` if rows of these columns cannot be selected.
    pub(super) fn new(names: Vec<&'a str>, values: Vec<Value<'a>>) -> Option<Self> {
        let whole = !names.is_empty() && values.len().is_multiple_of(names.len());
        let written = names.iter().all(|name| !name.contains('\0'));
        (whole && written).then_some(Self { names, values })
    }

    /// Reads them; `None` if one cannot be read.
    pub(super) fn rows<ST, U: FromSqlRow<ST, Sqlite>>(&self) -> Option<Vec<U>> {
        let mut scratch = Scratch::take()?;
        let mut made = Vec::with_capacity(self.values.len() / self.names.len());
        let many = (BINDS / self.names.len()).clamp(1, ROWS) * self.names.len();
        let (head, tail) = self.values.split_at(self.values.len() / many * many);
        let tail = tail.chunks(self.names.len());
        for values in head.chunks(many).chain(tail) {
            scratch.select(&self.names, values, &mut made)?;
        }
        // What failed is not kept: its statement may be in any state.
        scratch.put_back();
        Some(made)
    }
}

/// Tells nobody: the process may have an instrumentation that each new connection is given.
struct Silent;

impl Instrumentation for Silent {
    fn on_connection_event(&mut self, _: InstrumentationEvent<'_>) {}
}

/// A database in memory, without tables.
struct Scratch {
    connection: SqliteConnection,
    statements: HashSet<Box<str>>,
}

thread_local! {
    static SCRATCH: Cell<Option<Scratch>> = const { Cell::new(None) };
}

impl Scratch {
    /// This thread's, or another one if that is in use further up, or the thread is ending.
    fn take() -> Option<Self> {
        if let Ok(Some(scratch)) = SCRATCH.try_with(Cell::take) {
            return Some(scratch);
        }
        let mut connection = SqliteConnection::establish(":memory:").ok()?;
        // rule: a-scratch-database-is-no-connection-of-the-application
        connection.set_instrumentation(Silent);
        Some(Self {
            connection,
            statements: HashSet::new(),
        })
    }

    fn put_back(self) {
        // rule: a-scratch-database-keeps-few-statements
        if self.statements.len() < MOST_STATEMENTS {
            // A thread that is ending needs none.
            let _ = SCRATCH.try_with(|cell| cell.set(Some(self)));
        }
    }

    fn select<ST, U: FromSqlRow<ST, Sqlite>>(
        &mut self,
        names: &[&str],
        values: &[Value<'_>],
        made: &mut Vec<U>,
    ) -> Option<()> {
        let sql = sql(names, values.len());
        if !self.statements.contains(&*sql) {
            self.statements.insert(sql.clone().into_boxed_str());
        }
        let selection = Selection { sql: &sql, values };
        let mut first = true;
        for row in self.connection.load(selection).ok()? {
            let row = row.ok()?;
            if std::mem::take(&mut first) && !has_names(&row, names) {
                return None;
            }
            made.push(U::build_from_row(&row).ok()?);
        }
        Some(())
    }
}

fn has_names<'a>(row: &impl Row<'a, Sqlite>, names: &[&str]) -> bool {
    let mut places = names.iter().enumerate();
    row.field_count() == names.len()
        && places.all(|(index, name)| {
            let field = Row::get(row, index);
            field.as_ref().and_then(Field::field_name) == Some(name)
        })
}

/// Selects so many binds, as rows of columns of those names.
fn sql(names: &[&str], binds: usize) -> String {
    let mut sql = String::from("SELECT ");
    for (index, name) in names.iter().enumerate() {
        sql.push_str(if index == 0 { "? AS \"" } else { ", ? AS \"" });
        sql.push_str(&name.replace('"', "\"\""));
        sql.push('"');
    }
    for bind in names.len()..binds {
        sql.push_str(match bind % names.len() {
            0 => " UNION ALL SELECT ?",
            _ => ", ?",
        });
    }
    sql
}

/// A statement of [`sql`], and what it binds.
struct Selection<'a> {
    sql: &'a str,
    values: &'a [Value<'a>],
}

impl QueryFragment<Sqlite> for Selection<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        pass.push_sql(self.sql);
        for value in self.values {
            match value {
                Value::Null => {
                    pass.push_bind_param_value_only::<Nullable<BigInt>, _>(&None::<i64>)?
                }
                Value::Integer(number) => pass.push_bind_param_value_only::<BigInt, _>(number)?,
                Value::Double(number) => pass.push_bind_param_value_only::<Double, _>(number)?,
                Value::Text(text) => pass.push_bind_param_value_only::<Text, _>(*text)?,
                Value::Blob(bytes) => pass.push_bind_param_value_only::<Binary, _>(*bytes)?,
            }
        }
        Ok(())
    }
}

impl QueryId for Selection<'_> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Selection<'_> {
    type SqlType = Untyped;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_database_tells_nobody_what_it_is_asked() {
        let mut scratch = Scratch::take().expect("SQLite has memory");
        let instrumentation = scratch.connection.instrumentation();
        assert!(instrumentation.downcast_ref::<Silent>().is_some());
    }

    #[test]
    fn shapes_without_end_are_replayed_in_bounded_memory() {
        let mut most = 0;
        for shape in 0..3 * MOST_STATEMENTS {
            let name = format!("c{shape}");
            let replay = Replay::new(vec![&*name], vec![Value::Null]).expect("one column");
            let rows: Vec<Option<i64>> = replay.rows::<Nullable<BigInt>, _>().expect("a row");
            assert_eq!(rows, [None]);
            let scratch = SCRATCH.take();
            most = most.max(
                scratch
                    .as_ref()
                    .map_or(0, |scratch| scratch.statements.len()),
            );
            SCRATCH.set(scratch);
        }
        assert!((1..MOST_STATEMENTS).contains(&most), "{most}");
    }
}
