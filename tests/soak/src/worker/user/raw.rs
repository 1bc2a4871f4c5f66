//! Statements in plain SQL, for the tables without models.

use diesel::query_builder::SqlQuery;
use diesel::result::{OptionalExtension, QueryResult};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable};
use diesel::{QueryableByName, RunQueryDsl};
use diesel_cache::CachedDsl;

use super::reads::{Asked, Cells};
use super::{Conn, bind};
use crate::layout::{Key, name};

#[derive(Debug, Clone, QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    owner: i64,
    #[diesel(sql_type = BigInt)]
    value: i64,
}

#[derive(Debug, Clone, QueryableByName)]
struct Pair {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    owner: i64,
    #[diesel(sql_type = BigInt)]
    value: i64,
    #[diesel(sql_type = BigInt)]
    other: i64,
}

#[derive(Debug, Clone, QueryableByName)]
struct Highest {
    #[diesel(sql_type = Nullable<BigInt>)]
    value: Option<i64>,
}

fn cells(rows: Vec<Row>) -> Vec<Cells> {
    let cells = rows.into_iter().map(|row| (row.id, row.owner, row.value));
    cells.collect()
}

fn text(sql: String) -> SqlQuery {
    sql_query(sql)
}

/// A query with its options.
macro_rules! cached {
    ($query:expr, $asked:expr) => {{
        let query = $query.cached().report($asked.report);
        match $asked.scope {
            Some(user) => query.scope(user.to_le_bytes()),
            None => query,
        }
    }};
}

pub(super) fn one(conn: &mut Conn, key: Key, asked: Asked<'_>) -> QueryResult<Vec<Cells>> {
    // The value stands in the text.
    let (table, id) = (name(key.table()), key.id());
    let query = text(format!(
        "SELECT id, owner, value FROM {table} WHERE id = {id}"
    ));
    cached!(query, asked).load(conn).map(cells)
}

pub(super) fn mine(
    conn: &mut Conn,
    key: Key,
    owner: i64,
    asked: Asked<'_>,
) -> QueryResult<Vec<Cells>> {
    let (table, first, second) = (name(key.table()), bind(1), bind(2));
    let query = text(format!(
        "SELECT id, owner, value FROM {table} WHERE id = {first} AND owner = {second}"
    ));
    let query = query.bind::<BigInt, _>(key.id()).bind::<BigInt, _>(owner);
    cached!(query, asked).load(conn).map(cells)
}

pub(super) fn group(
    conn: &mut Conn,
    table: usize,
    owner: i64,
    asked: Asked<'_>,
) -> QueryResult<Vec<Cells>> {
    let (table, first) = (name(table), bind(1));
    let query = text(format!(
        "SELECT id, owner, value FROM {table} WHERE owner = {first} ORDER BY id"
    ));
    let query = query.bind::<BigInt, _>(owner);
    cached!(query, asked).load(conn).map(cells)
}

pub(super) fn highest(
    conn: &mut Conn,
    table: usize,
    owner: i64,
    asked: Asked<'_>,
) -> QueryResult<Option<i64>> {
    let (table, first) = (name(table), bind(1));
    let query = text(format!(
        "SELECT MAX(value) AS value FROM {table} WHERE owner = {first}"
    ));
    let query = query.bind::<BigInt, _>(owner);
    let row = cached!(query, asked).get_result::<Highest>(conn);
    Ok(row.optional()?.and_then(|row| row.value))
}

pub(super) fn pairs(
    conn: &mut Conn,
    table: usize,
    other: usize,
    owner: i64,
    asked: Asked<'_>,
) -> QueryResult<Vec<(Cells, i64)>> {
    let (left, right, first) = (name(table), name(other), bind(1));
    let query = text(format!(
        "SELECT a.id AS id, a.owner AS owner, a.value AS value, b.value AS other \
         FROM {left} a JOIN {right} b ON b.id = a.id WHERE a.owner = {first} ORDER BY a.id"
    ));
    let query = query.bind::<BigInt, _>(owner);
    let rows = cached!(query, asked).load::<Pair>(conn)?;
    let pairs = rows.into_iter();
    Ok(pairs
        .map(|row| ((row.id, row.owner, row.value), row.other))
        .collect())
}

/// Raises a row's value; how many rows were below it.
pub(super) fn raise(conn: &mut Conn, key: Key, value: i64) -> QueryResult<usize> {
    let (table, values) = (name(key.table()), [bind(1), bind(2), bind(3)]);
    let [first, second, third] = values;
    let update = text(format!(
        "UPDATE {table} SET value = {first} WHERE id = {second} AND value < {third}"
    ));
    update
        .bind::<BigInt, _>(value)
        .bind::<BigInt, _>(key.id())
        .bind::<BigInt, _>(value)
        .execute(conn)
}

/// Raises all of an owner's rows, in one statement whose values stand in the text.
pub(super) fn raise_all(
    conn: &mut Conn,
    table: usize,
    owner: i64,
    value: i64,
) -> QueryResult<usize> {
    let table = name(table);
    let update = text(format!(
        "UPDATE {table} SET value = {value} WHERE owner = {owner} AND value < {value}"
    ));
    update.execute(conn)
}
