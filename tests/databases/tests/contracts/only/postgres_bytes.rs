//! PostgreSQL's bytes: binds, cells, copies.

use std::io::Write as _;

use diesel::connection::{Connection, SimpleConnection};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgConnection, PgMetadataLookup, PgTypeMetadata, PgValue};
use diesel::prelude::*;
use diesel::query_builder::bind_collector::RawBytesBindCollector;
use diesel::query_builder::{QueryFragment, QueryId};
use diesel::result::Error;
use diesel::row::{Field, Row};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Integer, Nullable, SqlType};
use diesel_cache::test::as_stored;
use diesel_cache::{Cache, CachedDsl, Outcome, Report};

use super::engine::{self, Arena};
use crate::outside::Outside;
use crate::support::Witness;

diesel::table! { things (id) { id -> Integer, name -> Text } }

fn arena() -> Arena {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         INSERT INTO things VALUES (1, 'a'), (2, 'a');
         CREATE TABLE parents (id INTEGER PRIMARY KEY);
         CREATE TABLE children (id INTEGER PRIMARY KEY,
            parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
         CREATE TYPE mood AS ENUM ('calm', 'wild')",
    )
    .unwrap();
    arena
}

fn watch(arena: &Arena) -> (PgConnection, Witness) {
    let mut conn = arena.connect();
    let witness = Witness::default();
    conn.set_instrumentation(witness.clone());
    (conn, witness)
}

#[test]
fn a_copy_starts_and_finishes_like_a_statement() {
    let arena = arena();
    let (mut conn, witness) = watch(&arena);
    let copied = diesel::copy_from(things::table)
        .from_raw_data(things::table, |out| {
            out.write_all(b"3\tc\n").map_err(Error::from_io)
        })
        .execute(&mut conn);
    assert_eq!(copied.unwrap(), 1);
    let events = witness.take();
    assert!(
        events[0].starts_with(r#"start COPY "things"("#),
        "{events:?}"
    );
    assert!(
        events
            .last()
            .unwrap()
            .starts_with(r#"finish COPY "things"("#),
        "{events:?}"
    );
}

trait FromIo {
    fn from_io(error: std::io::Error) -> Self;
}

impl FromIo for Error {
    fn from_io(error: std::io::Error) -> Self {
        Self::SerializationError(Box::new(error))
    }
}

#[derive(SqlType, QueryId, Debug, Clone, Copy)]
#[diesel(postgres_type(name = "mood"))]
pub struct MoodType;

#[derive(Debug, Clone, Copy, PartialEq, AsExpression, FromSqlRow)]
#[diesel(sql_type = MoodType)]
enum Mood {
    Calm,
    Wild,
}

impl ToSql<MoodType, Pg> for Mood {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(if *self == Self::Calm {
            b"calm"
        } else {
            b"wild"
        })?;
        Ok(IsNull::No)
    }
}

impl FromSql<MoodType, Pg> for Mood {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(if value.as_bytes() == b"calm" {
            Self::Calm
        } else {
            Self::Wild
        })
    }
}

/// Knows every type by one number.
struct Types;

impl PgMetadataLookup for Types {
    fn lookup_type(&mut self, name: &str, schema: Option<&str>) -> PgTypeMetadata {
        assert_eq!((name, schema), ("mood", None));
        PgTypeMetadata::new(0, 0)
    }

    fn as_any<'a>(&mut self) -> &mut (dyn std::any::Any + 'a)
    where
        Self: 'a,
    {
        self
    }
}

#[test]
fn binds_are_collected_as_bytes_without_a_connection() {
    let collect = |query: &dyn QueryFragment<Pg>| {
        let mut collector = RawBytesBindCollector::<Pg>::new();
        query
            .collect_binds(&mut collector, &mut Types, &Pg)
            .unwrap();
        let oids: Vec<u32> = collector
            .metadata
            .iter()
            .map(|m| m.oid().unwrap())
            .collect();
        (collector.binds, oids)
    };
    let four = Some(vec![0, 0, 0, 4]);
    assert_eq!(collect(&things::id.eq(4)), (vec![four.clone()], vec![23]));
    assert_eq!(
        collect(&things::name.eq("four")),
        (vec![Some(b"four".to_vec())], vec![25])
    );
    assert_eq!(
        collect(&None::<i32>.into_sql::<Nullable<Integer>>()),
        (vec![None], vec![23])
    );
    assert_eq!(
        collect(&Mood::Calm.into_sql::<MoodType>()),
        (vec![Some(b"calm".to_vec())], vec![0])
    );
    let (binds, oids) = collect(&things::id.eq_any([4, 4]));
    assert_eq!((binds.len(), oids), (1, vec![1007]));
    assert_eq!(binds[0].as_ref().unwrap()[8..12], 23_u32.to_be_bytes());
}

/// A cell as the server sent it, whatever its type.
#[derive(Debug, Clone, PartialEq, FromSqlRow)]
struct Raw(u32, Vec<u8>);

impl<ST> FromSql<ST, Pg> for Raw {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(value.get_oid().get(), value.as_bytes().to_vec()))
    }
}

mod values {
    diesel::table! {
        use diesel::sql_types::*;
        values (id) {
            id -> Integer,
            c_a -> Nullable<Bool>, c_b -> Nullable<SmallInt>, c_c -> Nullable<BigInt>, c_d -> Nullable<Float>,
            c_e -> Nullable<Double>, c_f -> Nullable<Numeric>, c_g -> Nullable<Text>, c_h -> Nullable<VarChar>,
            c_i -> Nullable<Binary>, c_j -> Nullable<Timestamp>, c_k -> Nullable<Timestamptz>, c_l -> Nullable<Date>,
            c_m -> Nullable<Time>, c_n -> Nullable<Interval>, c_o -> Nullable<Array<Integer>>,
            c_p -> Nullable<Array<Nullable<Text>>>, c_q -> Nullable<Jsonb>, c_r -> Nullable<Json>, c_s -> Nullable<Uuid>,
            c_t -> Nullable<Oid>, c_u -> Nullable<Money>, c_v -> Nullable<MacAddr>, c_w -> Nullable<Inet>,
            c_x -> Nullable<Range<Integer>>, c_y -> Nullable<PgLsn>, c_z -> Nullable<crate::postgres::bytes::MoodType>,
        }
    }
}

type Cell = Option<Raw>;

#[derive(Debug, PartialEq, Queryable)]
#[allow(clippy::many_single_char_names, reason = "as the columns")]
struct Cells {
    id: i32,
    a: Cell,
    b: Cell,
    c: Cell,
    d: Cell,
    e: Cell,
    f: Cell,
    g: Cell,
    h: Cell,
    i: Cell,
    j: Cell,
    k: Cell,
    l: Cell,
    m: Cell,
    n: Cell,
    o: Cell,
    p: Cell,
    q: Cell,
    r: Cell,
    s: Cell,
    t: Cell,
    u: Cell,
    v: Cell,
    w: Cell,
    x: Cell,
    y: Cell,
    z: Cell,
}

fn filled(conn: &mut PgConnection) {
    conn.batch_execute(
        "CREATE TABLE values (id int primary key, c_a bool, c_b int2, c_c int8, c_d float4, c_e float8, c_f numeric, c_g text,
            c_h varchar(9), c_i bytea, c_j timestamp, c_k timestamptz, c_l date, c_m time, c_n interval, c_o int[], c_p text[],
            c_q jsonb, c_r json, c_s uuid, c_t oid, c_u money, c_v macaddr, c_w inet, c_x int4range, c_y pg_lsn, c_z mood);
         INSERT INTO values VALUES
         (1, true, -1, 9223372036854775807, 0.1, 'NaN', 123456789.000000001, '', 'á', '\\x00ff', '2024-02-29 23:59:59.999999',
            '2024-02-29 12:00:00+02', '0001-01-01 BC', '23:59:60', '1 year -3 days 4.5 seconds', '{1,2,3}', '{a,NULL,\"\"}',
            '{\"a\": [1, null]}', '{ \"a\" :1}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 4294967295, '-1.05',
            '08:00:2b:01:02:03', '::1/64', '[1,5)', 'FF/FF', 'wild'),
         (3, false, 0, 0, '-Infinity', 0, 'NaN', 'x', 'y', '', 'infinity', '-infinity', 'infinity', '00:00', '0', '{}', '{}',
            'null', 'null', '00000000-0000-0000-0000-000000000000', 0, '0', '00:00:00:00:00:00', '0.0.0.0/0', 'empty', '0/0', 'calm');
         INSERT INTO values (id) VALUES (2)",
    )
    .unwrap();
}

#[test]
fn a_hit_replays_every_cell_as_it_was_sent() {
    let arena = arena();
    let mut conn = arena.connect();
    filled(&mut conn);
    Cache::from_url("memory://")
        .unwrap()
        .attach(&mut conn)
        .unwrap();
    let report = Report::new();
    let query = || values::values::table.order(values::values::id);
    let plain: Vec<Cells> = query().load(&mut conn).unwrap();
    assert!(plain.len() == 3 && plain[0].z.is_some() && plain[1].z.is_none());
    let stored: Option<Vec<Cells>> = as_stored(query(), &mut conn).unwrap();
    assert_eq!(stored.as_ref(), Some(&plain));
    for hit in [false, true, true] {
        let rows: Vec<Cells> = query().cached().report(&report).load(&mut conn).unwrap();
        assert_eq!(rows, plain);
        assert_eq!(report.outcome() == Some(Outcome::Hit), hit);
    }
    // Through Diesel's own types, too.
    use diesel::pg::data_types::{PgDate, PgInterval, PgMoney, PgNumeric, PgTime, PgTimestamp};
    use values::values as v;
    type Known = (
        Option<PgTimestamp>,
        Option<PgTimestamp>,
        Option<PgDate>,
        Option<PgTime>,
        Option<PgInterval>,
        Option<PgNumeric>,
        Option<PgMoney>,
        Option<Vec<i32>>,
        Option<Vec<Option<String>>>,
        Option<Mood>,
    );
    let query = || {
        query().select((
            v::c_j,
            v::c_k,
            v::c_l,
            v::c_m,
            v::c_n,
            v::c_f,
            v::c_u,
            v::c_o,
            v::c_p,
            v::c_z,
        ))
    };
    let plain: Vec<Known> = query().load(&mut conn).unwrap();
    let stored: Option<Vec<Known>> = as_stored(query(), &mut conn).unwrap();
    assert_eq!(stored.as_ref(), Some(&plain));
    for hit in [false, true] {
        let rows: Vec<Known> = query().cached().report(&report).load(&mut conn).unwrap();
        assert_eq!(rows, plain);
        assert_eq!(report.outcome() == Some(Outcome::Hit), hit);
    }
}

#[test]
fn a_type_made_anew_under_another_number_is_read_anew() {
    made_anew(Cache::from_url("memory://").unwrap());
    made_anew(Cache::builder().backend(Outside::new()).build().unwrap());
}

fn made_anew(cache: Cache) {
    let arena = arena();
    let [mut one, mut two, mut three] = std::array::from_fn(|_| arena.connect());
    for conn in [&mut one, &mut two, &mut three] {
        cache.attach(conn).unwrap();
    }
    let make = "CREATE TABLE moods (mood mood); INSERT INTO moods VALUES ('wild')";
    one.batch_execute(make).unwrap();
    diesel::table! { moods (mood) { mood -> crate::postgres::bytes::MoodType, } }
    let read = |conn: &mut PgConnection| {
        let report = Report::new();
        let rows: Vec<Raw> = moods::table
            .select(moods::mood)
            .cached()
            .report(&report)
            .load(conn)
            .unwrap();
        (rows[0].0, report.outcome().unwrap())
    };
    let first = read(&mut two);
    assert_eq!(read(&mut two), (first.0, Outcome::Hit));
    one.batch_execute(&format!(
        "DROP TABLE moods; DROP TYPE mood; CREATE TYPE mood AS ENUM ('wild'); {make}"
    ))
    .unwrap();
    // PostgreSQL itself refuses the statement that the second connection has prepared.
    let second = read(&mut three);
    assert_ne!(second.0, first.0);
    assert_eq!(second.1, first.1);
}

#[test]
fn composite_types_lists_and_rows_without_columns_come_back() {
    let arena = arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TYPE place AS (x int, mood mood, name text);
         CREATE DOMAIN short AS varchar(3);
         CREATE TABLE odd (id int primary key, a place, b place[], c mood[], d short, e bit(5), f point, g xml, h tsvector,
            i int4multirange, j char(5), k name, l int2vector, m varbit, n inet[], o float8[][]);
         INSERT INTO odd VALUES
         (1, ROW(1, 'wild', NULL), ARRAY[ROW(2, NULL, ''), NULL]::place[], '{calm,wild}', 'abc', B'10101', '(1,-0)', '<a/>',
            'a b', '{[1,2),[5,)}', 'x', 'name', '1 2', B'', '{::1}', '{{1,NaN},{-0,Infinity}}'),
         (2, ROW(NULL, NULL, NULL), '{}', '{}', NULL, NULL, NULL, NULL, '', '{}', '', '', '', NULL, '{}', '{}')",
    )
    .unwrap();
    let odd = || diesel::sql_query("SELECT * FROM odd ORDER BY id");
    let plain: Vec<Anything> = odd().load(&mut conn).unwrap();
    assert_eq!((plain.len(), plain[0].0.len()), (2, 16));
    assert_eq!(as_stored(odd(), &mut conn).unwrap().as_ref(), Some(&plain));
    let nothing = || diesel::sql_query("SELECT FROM odd");
    let plain: Vec<Anything> = nothing().load(&mut conn).unwrap();
    assert_eq!(plain, [const { Anything(Vec::new()) }; 2]);
    assert_eq!(as_stored(nothing(), &mut conn).unwrap(), Some(plain));
}

/// A row of whatever the server sends: each cell by its name.
#[derive(Debug, PartialEq)]
struct Anything(Vec<(String, Cell)>);

impl FromSqlRow<diesel::sql_types::Untyped, Pg> for Anything {
    fn build_from_row<'a>(row: &impl Row<'a, Pg>) -> deserialize::Result<Self> {
        let cells = (0..row.field_count()).map(|index| {
            let field = Row::get(row, index).ok_or("a column is missing")?;
            let value = field.value();
            let cell = value.map(|value| Raw(value.get_oid().get(), value.as_bytes().to_vec()));
            Ok((field.field_name().ok_or("no name")?.to_owned(), cell))
        });
        cells.collect::<deserialize::Result<_>>().map(Self)
    }
}
