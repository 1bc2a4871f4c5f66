//! Running reads and writes: as texts with binds, and by the query builder.

use std::fmt::Debug;

use diesel::deserialize::{self, FromSql, QueryableByName};
use diesel::dsl::{count_star, max};
use diesel::prelude::*;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::row::NamedRow;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::is_nullable::NotNull;
use diesel::sql_types::{
    BigInt, Binary, Bool, HasSqlType, Integer, Nullable, SingleValue, SmallInt, SqlType, Text,
};
use diesel_cache::{Cache, CacheInvalidate, CachedDsl, DeleteDsl, Report, SaveDsl};

use super::super::engine::{Conn, Db, NAME};
use super::super::special::bind_ints;
use super::plan::COLUMNS;
use super::queries::{How, Query};
use super::text::{Bind, Sql};

macro_rules! tables {
    ($($name:ident),*) => {
        $(
            diesel::table! {
                $name (id) {
                    id -> Integer,
                    k -> Nullable<Integer>,
                    m -> Nullable<SmallInt>,
                    t -> Text,
                    n -> Nullable<Text>,
                    v -> Integer,
                    w -> Nullable<Integer>,
                    f -> Bool,
                    g -> Nullable<Integer>,
                    r -> Nullable<Integer>,
                }
            }
        )*
        diesel::allow_tables_to_appear_in_same_query!($($name),*);
    };
}

tables!(p0, p1, p2, p3);

/// Two models of each table, which declare different keys.
macro_rules! models {
    ($($name:ident of $table:ident $keys:tt;)*) => {
        $(
            #[derive(
                Debug, Clone, Queryable, Selectable, Identifiable, AsChangeset, CacheInvalidate,
            )]
            #[diesel(table_name = $table)]
            #[cache(key $keys)]
            struct $name {
                id: i32,
                k: Option<i32>,
                m: Option<i16>,
                t: String,
                n: Option<String>,
                v: i32,
                f: bool,
            }
        )*
    };
}

models! {
    ByK0 of p0 (n, k);
    ByTexts0 of p0 (t, (f, k));
    ByK1 of p1 (k, v);
    ByPair1 of p1 (f, (m, k));
    ByK2 of p2 (k, (k, t));
    ByN2 of p2 (n, m);
    ByK3 of p3 (m, k);
    ByTexts3 of p3 (n, (t, k));
}

/// Declares the keys of models: of each table none, one model's, or both's.
pub(super) fn register(cache: &Cache, choice: usize) {
    let has = |bit: usize| choice >> bit & 1 == 1;
    let models: [fn(&Cache) -> &Cache; 8] = [
        Cache::register::<ByK0>,
        Cache::register::<ByTexts0>,
        Cache::register::<ByK1>,
        Cache::register::<ByPair1>,
        Cache::register::<ByK2>,
        Cache::register::<ByN2>,
        Cache::register::<ByK3>,
        Cache::register::<ByTexts3>,
    ];
    for (bit, register) in models.into_iter().enumerate() {
        if has(bit) {
            register(cache);
        }
    }
}

/// A number whose `Debug` does not show it as one.
#[derive(Debug, Clone, Copy)]
struct Odd(i32);

impl ToSql<Integer, Db> for Odd
where
    i32: ToSql<Integer, Db>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Db>) -> serialize::Result {
        ToSql::<Integer, Db>::to_sql(&self.0, out)
    }
}

pub(super) type Bound = BoxedSqlQuery<'static, Db, SqlQuery>;

fn bound(sql: &Sql) -> Bound {
    let query = diesel::sql_query(&sql.text).into_boxed::<Db>();
    sql.binds
        .iter()
        .fold(query, |query, bind| match bind.clone() {
            Bind::Int(Some(number)) => query.bind::<Integer, _>(number),
            Bind::Int(None) => query.bind::<Nullable<Integer>, _>(None::<i32>),
            Bind::Odd(number) => query.bind::<Integer, _>(Odd(number)),
            Bind::Text(text) => query.bind::<Nullable<Text>, _>(text),
            Bind::Bool(flag) => query.bind::<Bool, _>(flag),
            Bind::Ints(ints) => bind_ints(query, ints),
        })
}

/// A row of whatever columns: those of them that are known by their names.
#[derive(Clone)]
struct Any(Vec<(String, String)>);

impl Debug for Any {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cells = self.0.iter().map(|(name, value)| (name, value));
        f.debug_map().entries(cells).finish()
    }
}

impl QueryableByName<Db> for Any {
    fn build<'a>(row: &impl NamedRow<'a, Db>) -> deserialize::Result<Self> {
        let mut cells = Vec::new();
        for prefix in ["", "y_", "z_"] {
            for column in COLUMNS {
                let name = format!("{prefix}{column}");
                let shown = match column {
                    "t" | "n" => cell::<Text, String>(row, &name),
                    "f" => cell::<Bool, bool>(row, &name),
                    "m" if NAME == "postgres" => cell::<SmallInt, i16>(row, &name),
                    _ => cell::<Integer, i32>(row, &name),
                };
                cells.extend(shown.map(|shown| (name, shown)));
            }
        }
        let others = [
            ("u", cell::<Binary, Vec<u8>>(row, "u")),
            ("cnt", cell::<BigInt, i64>(row, "cnt")),
            match NAME {
                "postgres" => ("e", cell::<Integer, i32>(row, "e")),
                _ => ("e", cell::<BigInt, i64>(row, "e")),
            },
        ];
        for (name, shown) in others {
            cells.extend(shown.map(|shown| (name.to_owned(), shown)));
        }
        Ok(Self(cells))
    }
}

fn cell<'a, ST, T>(row: &impl NamedRow<'a, Db>, name: &str) -> Option<String>
where
    ST: SqlType<IsNull = NotNull> + SingleValue + 'static,
    T: FromSql<ST, Db> + Debug + 'static,
    Db: HasSqlType<ST>,
{
    let value: Option<T> = NamedRow::get::<Nullable<ST>, Option<T>>(row, name).ok()?;
    Some(format!("{value:?}"))
}

fn show<T: Debug>(rows: QueryResult<Vec<T>>) -> String {
    match rows {
        Ok(rows) => format!("{rows:?}"),
        Err(error) => format!("Err({error})"),
    }
}

macro_rules! load {
    ($conn:expr, $report:expr, $row:ty, $query:expr) => {{
        let query = $query;
        show(match $report {
            Some(report) => query.cached().report(report).load::<$row>($conn),
            None => query.load::<$row>($conn),
        })
    }};
}

/// The rows of a query as text: cached where there is a report.
pub(super) fn read(conn: &mut Conn, query: &Query, report: Option<&Report>) -> String {
    match &query.how {
        How::Text(sql) => load!(conn, report, Any, bound(sql)),
        How::Built(kind, of, text) => {
            let tables = (query.uses[0].table, query.uses.last().unwrap().table);
            build(conn, report, tables, *kind, *of, text)
        }
    }
}

/// What a text writes.
pub(super) fn write(conn: &mut Conn, sql: &Sql) -> QueryResult<usize> {
    bound(sql).execute(conn)
}

/// A join of a table with the next one, which is the one or the other.
macro_rules! joined {
    ($conn:expr, $report:expr, $x:ident, $y:ident, $z:ident, $next:expr, $of:expr, $how:ident) => {
        match $next {
            0 => joined!(@ $conn, $report, $x, $z, $of, $how),
            _ => joined!(@ $conn, $report, $x, $y, $of, $how),
        }
    };
    (@ $conn:expr, $report:expr, $x:ident, $y:ident, $of:expr, inner) => {
        load!($conn, $report, (i32, i32, Option<String>),
            $x::table.inner_join($y::table.on($y::k.eq($x::k)))
                .filter($x::k.eq($of[1]))
                .order(($x::id, $x::k, $x::t, $y::id, $y::k, $y::t))
                .select(($x::id, $y::id, $y::n)))
    };
    (@ $conn:expr, $report:expr, $x:ident, $y:ident, $of:expr, left) => {
        load!($conn, $report, (i32, Option<String>, Option<i32>),
            $x::table.left_join($y::table.on($y::id.eq($x::id)))
                .filter($x::id.eq($of[0]))
                .order(($x::id, $x::k, $x::t))
                .select(($x::id, $y::t.nullable(), $y::v.nullable())))
    };
    (@ $conn:expr, $report:expr, $x:ident, $y:ident, $of:expr, lonely) => {
        load!($conn, $report, (i32, Option<i32>),
            $x::table.left_join($y::table.on($y::r.eq($x::id.nullable())))
                .filter($y::id.is_null())
                .order(($x::id, $x::k, $x::t))
                .select(($x::id, $x::w)))
    };
}

/// Reads a model, and has it written in some way.
macro_rules! changed {
    ($conn:expr, $table:ident, $model:ident, $id:expr, |$row:ident| $write:expr) => {{
        let found = $table::table
            .filter($table::id.eq($id))
            .select($model::as_select())
            .first($conn)
            .optional()?;
        match found {
            #[allow(unused_mut, reason = "some are written as they are")]
            Some(mut $row) => $write.map(|_| 1),
            None => Ok(0),
        }
    }};
}

type Wide = (i32, Option<i32>, String, i32);

macro_rules! builder {
    ($($at:literal = $x:ident, $y:ident, $z:ident, $one:ident, $two:ident;)*) => {
        fn build(
            conn: &mut Conn,
            report: Option<&Report>,
            (at, next): (usize, usize),
            kind: usize,
            of: [i32; 2],
            text: &'static str,
        ) -> String {
            let _ = next;
            match at {
                $($at => {
                    use $x::{f, g, id, k, m, n, t, table, v, w};
                    match kind {
                        0 => load!(conn, report, (i32, i32, Option<String>),
                            table.filter(id.eq(of[0])).select((id, v, n)).order((id, k, t))),
                        1 => load!(conn, report, Wide,
                            table.filter(k.eq(of[1])).order((id, k, t)).select((id, k, t, v))),
                        2 => load!(conn, report, (i32, Option<i32>, String),
                            table.filter(id.eq_any(of.to_vec())).order((id, k, t)).select((id, k, t))),
                        3 => load!(conn, report, Wide,
                            table.filter(k.eq(of[1])).filter(f).order((id.desc(), k, t)).limit(2)
                                .select((id, k, t, v))),
                        4 => load!(conn, report, i64, table.filter(k.eq(of[1])).select(count_star())),
                        5 => load!(conn, report, (i32, Option<i32>, String, Option<i32>),
                            table.filter(t.eq(text)).order((id, k, t)).select((id, k, t, w))),
                        6 => load!(conn, report, Option<i32>, table.filter(k.eq(of[1])).select(max(v))),
                        7 => load!(conn, report, (i32, Option<i32>, String, Option<i32>),
                            table.filter(k.eq(of[1]).and(t.eq(text))).order((id, k, t))
                                .select((id, k, t, g))),
                        8 => load!(conn, report, Option<i32>,
                            table.filter(f).select(k).distinct().order(k)),
                        9 => load!(conn, report, Wide,
                            table.filter(m.eq(i16::try_from(of[1]).unwrap())).order((v, id, k, t))
                                .select((id, k, t, v)).limit(3).offset(1)),
                        10 => joined!(conn, report, $x, $y, $z, next, of, inner),
                        11 => joined!(conn, report, $x, $y, $z, next, of, left),
                        12 => joined!(conn, report, $x, $y, $z, next, of, lonely),
                        _ => load!(conn, report, (i32, Option<i32>, String, Option<String>),
                            table.filter(id.eq(of[0]).or(id.eq(of[1]))).order((id, k, t))
                                .select((id, k, t, n))),
                    }
                })*
                _ => unreachable!("no such table"),
            }
        }

        /// A write by the query builder: its kind, and two numbers. What it does, see `mod.rs`.
        pub(super) fn built_write(
            conn: &mut Conn,
            at: usize,
            kind: usize,
            (one, two): (i32, i32),
        ) -> QueryResult<usize> {
            match at {
                $($at => {
                    use $x::{f, id, k, n, t, table, v};
                    match kind {
                        0 => diesel::insert_into(table)
                            .values((id.eq(one), k.eq(two), t.eq("b"), v.eq(two)))
                            .execute(conn),
                        1 => diesel::insert_into(table)
                            .values((k.eq(two), t.eq("c"), v.eq(1)))
                            .execute(conn),
                        2 => diesel::insert_into(table)
                            .values(vec![
                                (id.eq(one), k.eq(Some(two)), t.eq("a")),
                                (id.eq(one + 4), k.eq(Some(1)), t.eq("ab")),
                            ])
                            .execute(conn),
                        3 => diesel::insert_into(table)
                            .values(vec![
                                (Some(id.eq(one)), k.eq(two), t.eq("a")),
                                (None, k.eq(two), t.eq("ab")),
                            ])
                            .execute(conn),
                        4 => diesel::update(table.find(one)).set(v.eq(two)).execute(conn),
                        5 => diesel::update(table.find(one)).set(k.eq(two)).execute(conn),
                        6 => diesel::update(table.filter(k.eq(two)))
                            .set((v.eq(v + 1), n.eq("ab")))
                            .execute(conn),
                        7 => diesel::update(table.filter(id.eq_any(vec![one, two])))
                            .set(f.eq(false))
                            .execute(conn),
                        8 => diesel::delete(table.find(one)).execute(conn),
                        9 => diesel::delete(table.filter(k.eq(two).and(v.gt(1)))).execute(conn),
                        10 => changed!(conn, $x, $one, one, |row| {
                            row.v = two;
                            row.save(conn)
                        }),
                        11 => changed!(conn, $x, $two, one, |row| {
                            row.k = Some(two);
                            row.n = Some("b".to_owned());
                            row.save(conn)
                        }),
                        12 => changed!(conn, $x, $two, one, |row| row.delete(conn).map(drop)),
                        _ => diesel::update(table.filter(k.eq(two)).filter(f.eq(true)))
                            .set((f.eq(false), k.eq(Some(two % 4 + 1))))
                            .execute(conn),
                    }
                })*
                _ => unreachable!("no such table"),
            }
        }
    };
}

/// How many kinds of writes the builder makes.
pub(super) const WRITES: usize = 14;

// The table, the one behind it, and the first, which is behind the last; its models.
builder! {
    0 = p0, p1, p1, ByK0, ByTexts0;
    1 = p1, p2, p0, ByK1, ByPair1;
    2 = p2, p3, p0, ByK2, ByN2;
    3 = p3, p2, p0, ByK3, ByTexts3;
}
