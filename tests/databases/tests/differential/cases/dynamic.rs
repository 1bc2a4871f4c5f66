//! Reads and writes that are made at run time, by text and by the query builder.

use std::fmt::Debug;

use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable};
use diesel_cache::{CachedDsl, Report};

use super::engine::Conn;
use crate::schema::Query;

/// How to read.
#[derive(Clone, Copy)]
pub(super) enum How<'r> {
    /// Through the cache.
    Cached(&'r Report),
    /// Past it, on a connection that has one.
    NoCache,
    /// As if there were none.
    Plain,
}

#[derive(Debug, Clone, QueryableByName)]
#[allow(dead_code, reason = "shown by Debug")]
struct Three {
    #[diesel(sql_type = Nullable<BigInt>)]
    a: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    b: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    c: Option<i64>,
}

fn show<T: Debug>(rows: QueryResult<T>) -> String {
    match rows {
        Ok(rows) => format!("Ok({rows:?})"),
        Err(error) => format!("Err({error})"),
    }
}

macro_rules! load {
    ($how:expr, $conn:expr, $row:ty, $query:expr) => {{
        let query = $query;
        show(match $how {
            How::Cached(report) => query.cached().report(report).load::<$row>($conn),
            How::NoCache => query.cached().no_cache().load::<$row>($conn),
            How::Plain => query.load::<$row>($conn),
        })
    }};
}

macro_rules! tables {
    ($($at:literal: $module:ident = $name:literal;)*) => {
        $(
            diesel::table! {
                #[sql_name = $name]
                $module (id) {
                    id -> Integer,
                    k -> Nullable<Integer>,
                    v -> Integer,
                    w -> Nullable<Integer>,
                    r -> Nullable<Integer>,
                    g -> Nullable<Integer>,
                }
            }
        )*

        fn built(conn: &mut Conn, how: How<'_>, at: usize, kind: usize, text: &str) -> String {
            match at {
                $($at => {
                    use $module::{g, id, k, r, table, v, w};
                    let some = || table.filter(sql::<Bool>(text));
                    match kind {
                        0 => load!(how, conn, (i32, Option<i32>, i32), some().select((id, k, v)).order(id)),
                        1 => load!(how, conn, i64, some().select(count_star())),
                        2 => load!(how, conn, (Option<i32>, i32), some()
                            .or_filter(k.eq(2))
                            .select((r, sql::<Integer>("id")))
                            .order(id)),
                        _ => load!(how, conn, (i32, Option<i32>, Option<i32>), table
                            .into_boxed()
                            .filter(sql::<Bool>(text))
                            .select((id, g, w))
                            .order(id)),
                    }
                })*
                _ => unreachable!("no such table"),
            }
        }

        /// A write by the query builder.
        pub(super) fn write(conn: &mut Conn, at: usize, kind: usize, key: i32, value: i32) -> QueryResult<usize> {
            match at {
                $($at => {
                    use $module::{id, k, table, v};
                    match kind {
                        0 => diesel::insert_into(table)
                            .values((id.eq(key), v.eq(value)))
                            .execute(conn),
                        1 => diesel::delete(table.filter(id.eq(key).and(v.gt(value)))).execute(conn),
                        2 => diesel::update(table.find(key)).set(k.eq(Some(value % 8))).execute(conn),
                        _ => diesel::update(table.filter(id.le(key))).set(v.eq(v + 1)).execute(conn),
                    }
                })*
                _ => unreachable!("no such table"),
            }
        }
    };
}

tables! {
    0: calm = "calm waters";
    1: alpha = "alpha";
    2: beta = "Beta";
    3: gamma = "gamma delta";
}

/// The rows of a query, as text.
pub(super) fn read(conn: &mut Conn, query: &Query, how: How<'_>) -> String {
    match query {
        Query::Built(at, kind, text) => built(conn, how, *at, *kind, text),
        Query::Text(text, None) => load!(how, conn, Three, diesel::sql_query(text)),
        Query::Text(text, Some(bind)) => {
            load!(
                how,
                conn,
                Three,
                diesel::sql_query(text).bind::<Integer, _>(*bind)
            )
        }
    }
}
