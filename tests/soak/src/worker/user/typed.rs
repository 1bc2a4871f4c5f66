//! Statements of Diesel's query builder, for the tables with models.

use diesel::dsl::max;
use diesel::prelude::*;
use diesel_cache::{Cache, CacheInvalidate, CachedDsl, SaveAllDsl, SaveDsl};

use super::Conn;
use super::reads::{Asked, Cells};
use crate::layout::{Key, TYPED};

macro_rules! tables {
    ($($number:literal $table:ident),+) => {
        $(
            #[allow(missing_docs, reason = "made by a macro of Diesel's")]
            mod $table {
                use super::*;

                diesel::table! {
                    $table (id) { id -> BigInt, owner -> BigInt, value -> BigInt, note -> Text }
                }

                #[derive(
                    Debug, Clone, Queryable, Selectable, Identifiable, AsChangeset,
                    CacheInvalidate,
                )]
                #[diesel(table_name = $table)]
                pub(super) struct Row {
                    pub(super) id: i64,
                    pub(super) owner: i64,
                    pub(super) value: i64,
                    pub(super) note: String,
                }

                pub(super) fn one(
                    conn: &mut Conn,
                    id: i64,
                    asked: Asked<'_>,
                ) -> QueryResult<Vec<Cells>> {
                    let query = $table::table
                        .find(id)
                        .select(($table::id, $table::owner, $table::value));
                    let query = query.cached().report(asked.report);
                    Ok(query.first(conn).optional()?.into_iter().collect())
                }

                pub(super) fn mine(
                    conn: &mut Conn,
                    id: i64,
                    owner: i64,
                    asked: Asked<'_>,
                ) -> QueryResult<Vec<Cells>> {
                    let query = $table::table
                        .filter($table::id.eq(id))
                        .filter($table::owner.eq(owner))
                        .select(($table::id, $table::owner, $table::value));
                    query
                        .cached()
                        .report(asked.report)
                        .scope(owner.to_le_bytes())
                        .load(conn)
                }

                pub(super) fn group(
                    conn: &mut Conn,
                    owner: i64,
                    asked: Asked<'_>,
                ) -> QueryResult<Vec<Cells>> {
                    let query = $table::table
                        .filter($table::owner.eq(owner))
                        .order($table::id)
                        .select(Row::as_select());
                    let rows = query.cached().report(asked.report).load::<Row>(conn)?;
                    let cells = rows.into_iter().map(|row| (row.id, row.owner, row.value));
                    Ok(cells.collect())
                }

                pub(super) fn highest(
                    conn: &mut Conn,
                    owner: i64,
                    asked: Asked<'_>,
                ) -> QueryResult<Option<i64>> {
                    let query = $table::table
                        .filter($table::owner.eq(owner))
                        .select(max($table::value));
                    query.cached().report(asked.report).get_result(conn)
                }

                pub(super) fn raise(conn: &mut Conn, id: i64, value: i64) -> QueryResult<usize> {
                    diesel::update($table::table.find(id))
                        .filter($table::value.lt(value))
                        .set($table::value.eq(value))
                        .execute(conn)
                }

                pub(super) fn raise_all(
                    conn: &mut Conn,
                    owner: i64,
                    value: i64,
                ) -> QueryResult<usize> {
                    diesel::update($table::table.filter($table::owner.eq(owner)))
                        .filter($table::value.lt(value))
                        .set($table::value.eq(value))
                        .execute(conn)
                }

                /// Saves rows whose values are lower. In a transaction, since rows are read
                /// before; a statement that changes nothing locks them first.
                pub(super) fn save(
                    conn: &mut Conn,
                    ids: &[i64],
                    value: i64,
                ) -> QueryResult<usize> {
                    for id in ids {
                        diesel::update($table::table.find(*id))
                            .set($table::owner.eq($table::owner))
                            .execute(conn)?;
                    }
                    // Only now: on MariaDB the first read fixes what all others see.
                    let mut rows = Vec::new();
                    for id in ids {
                        let row = $table::table
                            .find(*id)
                            .select(Row::as_select())
                            .first(conn)?;
                        if row.value < value {
                            rows.push(Row { value, ..row });
                        }
                    }
                    match rows.as_slice() {
                        [one] => one.save(conn)?,
                        more => more.save_all(conn)?,
                    }
                    Ok(rows.len())
                }
            }
        )+

        pub(super) fn register(cache: &Cache) {
            $(cache.register::<$table::Row>();)+
        }

        pub(super) fn one(
            conn: &mut Conn,
            key: Key,
            asked: Asked<'_>,
        ) -> QueryResult<Vec<Cells>> {
            match key.table() {
                $($number => $table::one(conn, key.id(), asked),)+
                _ => Err(diesel::result::Error::NotFound),
            }
        }

        pub(super) fn mine(
            conn: &mut Conn,
            key: Key,
            owner: i64,
            asked: Asked<'_>,
        ) -> QueryResult<Vec<Cells>> {
            match key.table() {
                $($number => $table::mine(conn, key.id(), owner, asked),)+
                _ => Err(diesel::result::Error::NotFound),
            }
        }

        pub(super) fn group(
            conn: &mut Conn,
            table: usize,
            owner: i64,
            asked: Asked<'_>,
        ) -> QueryResult<Vec<Cells>> {
            match table {
                $($number => $table::group(conn, owner, asked),)+
                _ => Err(diesel::result::Error::NotFound),
            }
        }

        pub(super) fn highest(
            conn: &mut Conn,
            table: usize,
            owner: i64,
            asked: Asked<'_>,
        ) -> QueryResult<Option<i64>> {
            match table {
                $($number => $table::highest(conn, owner, asked),)+
                _ => Err(diesel::result::Error::NotFound),
            }
        }

        pub(super) fn raise(conn: &mut Conn, key: Key, value: i64) -> QueryResult<usize> {
            match key.table() {
                $($number => $table::raise(conn, key.id(), value),)+
                _ => Err(diesel::result::Error::NotFound),
            }
        }

        pub(super) fn raise_all(
            conn: &mut Conn,
            table: usize,
            owner: i64,
            value: i64,
        ) -> QueryResult<usize> {
            match table {
                $($number => $table::raise_all(conn, owner, value),)+
                _ => Err(diesel::result::Error::NotFound),
            }
        }

        pub(super) fn save(
            conn: &mut Conn,
            table: usize,
            ids: &[i64],
            value: i64,
        ) -> QueryResult<usize> {
            match table {
                $($number => $table::save(conn, ids, value),)+
                _ => Err(diesel::result::Error::NotFound),
            }
        }

        const _: () = assert!([$($number),+].len() == TYPED);
    };
}

tables!(0 soak_00, 1 soak_01, 2 soak_02, 3 soak_03);
